package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"syncd/daemon"
	"syncd/store"
)

// TestTermDrainsAndLeavesNoLease: SIGTERM in the middle of a load. The binary
// ends with 0; what it acknowledged is paired or in the queue, with no lease on
// it, so that the next start works at once although leases last for long.
func TestTermDrainsAndLeavesNoLease(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		const n = 60
		w := newWorld(t, settings{Store: store, Held: true, Lease: 2 * patience, Seed: 101})
		p := w.spawn()
		w.ready()
		for _, someone := range people(w.s.Seed, n) {
			w.crmCreate(someone)
		}
		posts := w.courier.kept
		var senders sync.WaitGroup
		answers := make([]int, len(posts))
		for i, post := range posts {
			senders.Go(func() { answers[i] = post.Send(context.Background(), &http.Client{Timeout: patience}) })
			if i == len(posts)/2 {
				w.told("work has begun", func() bool { return w.calls() > 0 && len(w.erp.Truth().Births(partner)) > 0 })
				if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
		}
		senders.Wait()
		if err := p.ended(); err != nil {
			t.Errorf("the binary did not end with 0: %v", err)
		}
		w.node = nil
		acked := 0
		for _, status := range answers {
			switch status {
			case http.StatusOK:
				acked++
			case http.StatusServiceUnavailable, 0:
			default:
				t.Errorf("a webhook was answered %d", status)
			}
		}
		t.Logf("%d of %d webhooks were acknowledged before the end", acked, len(posts))
		w.nothingLeased(acked)
		w.courier.release(1)
		d := w.start()
		// Patience is shorter than the lease: nobody waits for one to end.
		w.holds("the rest arrives", func() string { return w.onePair(n) })
		w.quiet()
		w.settled(d, n)
	})
}

// nothingLeased looks into the store of a syncd that has ended: every
// acknowledged record is paired or queued, and nothing is claimed.
func (w *world) nothingLeased(acked int) {
	w.t.Helper()
	d := w.opened()
	ended, stop := context.WithCancel(context.Background())
	stop()
	defer func() {
		if err := d.Run(ended); err != nil {
			w.t.Errorf("close the store: %v", err)
		}
	}()
	stats, err := d.Store().Queues(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	pairs, err := d.Store().Pairs(context.Background(), store.PairQuery{SourceSystem: crmSystem, Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	known := len(pairs)
	for _, q := range stats {
		if q.Running > 0 {
			w.t.Errorf("%d rows of %s are still claimed", q.Running, q.Object)
		}
		if q.System == crmSystem {
			known += q.Due + q.Waiting
		}
	}
	if known < acked {
		w.t.Errorf("%d webhooks were acknowledged, and only %d records are paired or queued", acked, known)
	}
}

// TestSecondDaemonOnOneFileIsRefused: SQLite is for one daemon.
func TestSecondDaemonOnOneFileIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{Store: onSQLite})
	w.start()
	config := loadConfig(t, w.configPath())
	config.Server.Webhooks.Listen, config.Server.Ops.Listen = address(t), address(t)
	if _, err := daemon.New(context.Background(), daemon.Options{Config: config}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("a second daemon: %v", err)
	}
	out, code := w.refusedStart("--webhooks-listen", address(t), "--ops-listen", address(t))
	if code != 1 || !strings.Contains(out, "another syncd is using this database file") || !strings.Contains(out, fileDatabase) {
		t.Errorf("the binary ended with %d and said: %s", code, out)
	}
	if strings.Count(out, "\n") != 1 {
		t.Errorf("it needed more than a sentence: %s", out)
	}
}

// TestOtherInstallKeyIsRefused: tokens derive from the key, so a database of
// another one is left alone.
func TestOtherInstallKeyIsRefused(t *testing.T) {
	onBothStores(t, func(t *testing.T, kind string) {
		w := newWorld(t, settings{Store: kind})
		w.start()
		w.stop()
		w.writeFile(fileInstallKey, "canary-other-install-key-00000000")
		if _, err := daemon.New(context.Background(), daemon.Options{Config: loadConfig(t, w.configPath())}); !errors.Is(err, store.ErrOtherKey) {
			t.Errorf("another install_key: %v", err)
		}
		out, code := w.refusedStart()
		if code != 1 || !strings.Contains(out, "another install_key") || strings.Count(out, "\n") != 1 || strings.Contains(out, "canary-") {
			t.Errorf("the binary ended with %d and said: %s", code, out)
		}
	})
}

// refusedStart runs the binary, which should not run, and gives its output and
// exit code.
func (w *world) refusedStart(flags ...string) (string, int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, append([]string{"serve", "-c", filepath.Join(w.dir, fileConfig)}, flags...)...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		w.t.Fatalf("the binary did not refuse: %v\n%s", err, out)
	}
	return string(out), exit.ExitCode()
}

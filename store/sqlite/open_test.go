//go:build linux

package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"syncd/store"
)

// childDB names the database that a re-executed test binary opens.
const childDB = "SYNCD_TEST_CHILD_DB"

func TestMain(m *testing.M) {
	if path := os.Getenv(childDB); path != "" {
		os.Exit(child(path))
	}
	os.Exit(m.Run())
}

// child is the second process: it opens the database, claims, says so, and
// waits to be killed.
func child(path string) int {
	ctx := context.Background()
	s, err := Open(ctx, path, Options{KeyFingerprint: "fp"})
	if err != nil {
		fmt.Println(err)
		if errors.Is(err, store.ErrLocked) {
			return 3
		}
		return 1
	}
	var cs []store.Claimed
	if err = s.Register(ctx, []store.SystemRow{{System: "crm", Kind: "demo", Objects: []store.ObjectRow{{Object: "contacts", CreateClass: "unique"}}}}); err == nil {
		if _, err = s.ClaimIdentities(ctx, "dead", time.Hour, []store.NewIdentity{{ID: "i1", Link: "l", CreatedBy: "test",
			Source: store.NewMember{System: "crm", Object: "contacts", RecordID: "A"}}}); err == nil {
			if err = s.Enqueue(ctx, hints("A", "B", "C", "D")); err == nil {
				cs, err = s.Claim(ctx, store.ClaimRequest{System: "crm", Object: "contacts", Max: 4, Owner: "dead", Lease: time.Hour})
			}
		}
	}
	if err == nil {
		_, _, err = s.LeaseCursor(ctx, "crm", "contacts", "changed", "dead", time.Hour)
	}
	fmt.Println("claimed", len(cs), err)
	time.Sleep(time.Minute)
	return 0
}

func hints(records ...string) []store.Hint {
	var hs []store.Hint
	for _, r := range records {
		hs = append(hs, store.Hint{System: "crm", Object: "contacts", RecordID: r, Cause: "webhook"})
	}
	return hs
}

func command(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDB+"="+path)
	return cmd
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "syncd.db")
	s := reopen(t, path, Options{KeyFingerprint: "fp"})
	if _, err := Open(context.Background(), path, Options{KeyFingerprint: "fp"}); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Fatalf("second open in this process: %v, want ErrLocked naming the file", err)
	}
	out, err := command(t, path).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("second process: %v, %s, want it refused by the lock", err, out)
	}
	if err := s.Enqueue(context.Background(), hints("A")); err != nil {
		t.Fatalf("the first daemon after it: %v", err)
	}
}

// TestReopenAfterKill: a process is killed while it holds leases for an hour.
// The next one has them all at once, and the queue still isolates what may have
// killed it.
func TestReopenAfterKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "syncd.db")
	cmd := command(t, path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "claimed 4 <nil>\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the killed child ended well")
	}
	ctx := context.Background()
	s := reopen(t, path, Options{KeyFingerprint: "fp"})
	cs, err := s.Claim(ctx, store.ClaimRequest{System: "crm", Object: "contacts", Max: 4, Owner: "next", Lease: time.Hour})
	if err != nil || len(cs) != 2 {
		t.Fatalf("claimed %d rows, %v, want 2 of 4: batch_cap outlives the process", len(cs), err)
	}
	if i := cs[0].Identity; i == nil || i.Epoch == 0 {
		t.Fatalf("the identity came as %+v, want its lease released", i)
	}
	if _, ok, err := s.LeaseCursor(ctx, "crm", "contacts", "changed", "next", time.Hour); err != nil || !ok {
		t.Fatalf("cursor leased %v, %v, want it released", ok, err)
	}
}

func TestOtherKeyAndNewerSchemaAreRefused(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "a b?c#d.db") // no part of a file name is a setting
	s, err := Open(ctx, path, Options{KeyFingerprint: "fp"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Enqueue(ctx, hints("A")); err == nil {
		t.Fatal("a closed store took a hint")
	}
	if _, err := Open(ctx, path, Options{KeyFingerprint: "other"}); !errors.Is(err, store.ErrOtherKey) {
		t.Fatalf("open with another key: %v", err)
	}
	s = reopen(t, path, Options{KeyFingerprint: "fp"}) // the refusal left no lock behind
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("database file: %v, %v, want it readable by its owner only", info, err)
	}
	if _, err := s.wdb.Conn(withTimeout(t)); err == nil {
		t.Fatal("there are two writers")
	}
	if _, err := s.w.ExecContext(ctx, "UPDATE installation SET schema_min=?1", schemaVersion+1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, path, Options{KeyFingerprint: "fp"}); !errors.Is(err, store.ErrNewerSchema) {
		t.Fatalf("open of a newer database: %v", err)
	}
}

func withTimeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestSettings(t *testing.T) {
	s := fresh(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		for name, q := range map[string]interface {
			QueryRowContext(context.Context, string, ...any) *sql.Row
		}{"writer": s.w, "reader": s.reads} {
			var got string
			if err := q.QueryRowContext(context.Background(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s of the %s: %q, %v, want %s", pragma, name, got, err, want)
			}
		}
	}
	if _, err := s.reads.Exec("DELETE FROM work"); err == nil {
		t.Error("the read pool can write")
	}
}

func TestNetworkFileSystemIsRefused(t *testing.T) {
	for _, magic := range []uint32{unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC} {
		if err := refuse(magic, "data"); !errors.Is(err, ErrNetworkFS) {
			t.Errorf("magic %x: %v", magic, err)
		}
	}
	for _, magic := range []uint32{unix.EXT4_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.TMPFS_MAGIC} {
		if err := refuse(magic, "data"); err != nil {
			t.Errorf("magic %x: %v", magic, err)
		}
	}
}

// TestClockNeverGoesBack: also not over a restart.
func TestClockNeverGoesBack(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "syncd.db")
	now := time.Now()
	o := Options{KeyFingerprint: "fp", Now: func() time.Time { return now }}
	s, err := Open(ctx, path, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.LeaseCursor(ctx, "crm", "contacts", "changed", "w", time.Hour); err != nil {
		t.Fatal(err)
	}
	before := s.clock()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(-time.Hour)
	if s = reopen(t, path, o); s.clock() < before {
		t.Fatalf("clock went back by %d ms", before-s.clock())
	}
}

// TestThirtyTwoGoroutines shares the pool and the writer among many.
func TestThirtyTwoGoroutines(t *testing.T) {
	ctx := context.Background()
	s := fresh(t)
	var wg sync.WaitGroup
	for n := range 32 {
		wg.Go(func() {
			for k := range 20 {
				var errs []error
				errs = append(errs, s.Enqueue(ctx, hints(fmt.Sprint(n, "-", k), "shared")))
				_, err := s.Claim(ctx, store.ClaimRequest{System: "crm", Object: "contacts", Max: 2, Owner: fmt.Sprint(n), Lease: time.Hour})
				errs = append(errs, err)
				_, err = s.Queues(ctx)
				errs = append(errs, err)
				_, err = s.Waiting(ctx, 10)
				if err := errors.Join(append(errs, err)...); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	var rows int
	if err := s.reads.QueryRow("SELECT count(*) FROM work").Scan(&rows); err != nil || rows != 32*20+1 {
		t.Fatalf("%d rows, %v, want %d", rows, err, 32*20+1)
	}
}

// TestStrangerHoldsTheFile: somebody's own tool writes for longer than one
// wait. The transaction is repeated; the caller sees nothing.
func TestStrangerHoldsTheFile(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "syncd.db")
	s := reopen(t, path, Options{KeyFingerprint: "fp", Busy: 100 * time.Millisecond})
	stranger, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	stranger.SetMaxOpenConns(1)
	if _, err := stranger.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(150*time.Millisecond, func() { stranger.Exec("ROLLBACK") })
	if err := s.Enqueue(ctx, hints("A")); err != nil {
		t.Fatal(err)
	}
}

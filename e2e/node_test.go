package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"syncd/config"
	"syncd/daemon"
	"syncd/store"
)

// node is a running syncd.
type node interface {
	left() (int, error)     // rows of work that are not parked
	end(t testing.TB) error // drains it and waits
	flowing() (bool, error) // whether the flows have begun
	exited() (err error, is bool)
}

// inProcess is a daemon of this process, under the race detector.
type inProcess struct {
	*daemon.Daemon
	stop context.CancelFunc
	done chan struct{}
	err  error
}

func (n *inProcess) left() (int, error) {
	if _, gone := n.exited(); gone {
		return 0, errors.New("syncd has ended")
	}
	stats, err := n.Store().Queues(context.Background())
	sum := 0
	for _, q := range stats {
		sum += q.Due + q.Running + q.Waiting
	}
	return sum, err
}

func (n *inProcess) waiting() ([]store.WaitingRow, error) {
	if _, gone := n.exited(); gone {
		return nil, errors.New("syncd has ended")
	}
	return n.Store().Waiting(context.Background(), 1000)
}

func (n *inProcess) flowing() (bool, error) { return n.Flowing(), nil }

func (n *inProcess) exited() (error, bool) {
	select {
	case <-n.done:
		return n.err, true
	default:
		return nil, false
	}
}

func (n *inProcess) end(testing.TB) error {
	n.stop()
	<-n.done
	return n.err
}

// launch starts syncd in this process and does not wait for its flows.
func (w *world) launch() *inProcess {
	w.t.Helper()
	n := w.launchAs(loadConfig(w.t, w.configPath()))
	w.node = n
	return n
}

func (w *world) launchAs(c *config.Config) *inProcess {
	w.t.Helper()
	logger := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: c.Log.SlogLevel()}))
	d, err := daemon.New(context.Background(), daemon.Options{Config: c, Logger: logger})
	if err != nil {
		w.t.Fatalf("make the daemon: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	n := &inProcess{Daemon: d, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(n.done)
		n.err = d.Run(ctx)
	}()
	return n
}

// opened makes a daemon that does not run: its store can be looked into.
func (w *world) opened() *daemon.Daemon {
	w.t.Helper()
	logger := slog.New(slog.NewJSONHandler(w.log, nil))
	d, err := daemon.New(context.Background(), daemon.Options{Config: loadConfig(w.t, w.configPath()), Logger: logger})
	if err != nil {
		w.t.Fatalf("open the store: %v", err)
	}
	return d
}

// start starts syncd in this process and waits until it flows and has swept
// every object once.
func (w *world) start() *inProcess {
	w.t.Helper()
	n := w.launch()
	w.ready()
	return n
}

// flows waits until the flows have begun.
func (w *world) flows() {
	w.t.Helper()
	w.holds("syncd flows", func() string {
		if err, gone := w.node.exited(); gone {
			return fmt.Sprintf("it has ended: %v", err)
		}
		if is, err := w.node.flowing(); !is {
			return fmt.Sprintf("not yet (%v)", err)
		}
		return ""
	})
}

func (w *world) ready() {
	w.t.Helper()
	w.flows()
	for system, objects := range map[string][]string{crmSystem: {contacts, companies}, erpSystem: {partner}} {
		for _, object := range objects {
			w.told("the sweep at the start of "+object, func() bool {
				return w.metric("syncd_system_last_sweep_timestamp_seconds", "system", system, "object", object) > 0
			})
		}
	}
}

// process is the real binary.
type process struct {
	cmd  *exec.Cmd
	ops  string
	done chan struct{}
	err  error
}

// spawn starts the binary and does not wait.
func (w *world) spawn() *process {
	w.t.Helper()
	p := &process{cmd: exec.Command(binary, "serve", "-c", w.configPath()), ops: w.ops, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = w.log, w.log
	if err := p.cmd.Start(); err != nil {
		w.t.Fatalf("start the binary: %v", err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	w.node = p
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.done
}

func (p *process) end(t testing.TB) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !strings.Contains(err.Error(), "finished") {
		t.Errorf("send SIGTERM: %v", err)
	}
	return p.ended()
}

// ended waits for a binary that was told to end.
func (p *process) ended() error {
	select {
	case <-p.done:
	case <-time.After(patience):
		p.kill()
		return errors.New("the binary did not end after SIGTERM")
	}
	return p.err
}

func (p *process) exited() (error, bool) {
	select {
	case <-p.done:
		return p.err, true
	default:
		return nil, false
	}
}

func (p *process) flowing() (bool, error) {
	text, err := get("http://" + p.ops + "/status")
	if err != nil {
		return false, err
	}
	var v struct{ Flowing bool }
	err = json.Unmarshal([]byte(text), &v)
	return v.Flowing, err
}

func (p *process) left() (int, error) {
	text, err := get("http://" + p.ops + "/metrics")
	if err != nil {
		return 0, err
	}
	all := sumOf(text, "syncd_queue_changes")
	return int(all - sumOf(text, "syncd_queue_changes", "state", "parked")), nil
}

// stop ends whatever runs.
func (w *world) stop() {
	w.t.Helper()
	if w.node == nil {
		return
	}
	err := w.node.end(w.t)
	w.node = nil
	if err != nil {
		w.t.Errorf("syncd did not end in order: %v", err)
	}
}

// metric sums the series of a metric that have the labels.
func (w *world) metric(name string, labels ...string) float64 {
	text, err := get("http://" + w.ops + "/metrics")
	if err != nil {
		return -1
	}
	return sumOf(text, name, labels...)
}

func sumOf(text, name string, labels ...string) float64 {
	sum := 0.0
	for line := range strings.SplitSeq(text, "\n") {
		head, value, ok := strings.Cut(line, "} ")
		if !ok || !strings.HasPrefix(head, name+"{") {
			continue
		}
		for i := 0; i+1 < len(labels); i += 2 {
			ok = ok && strings.Contains(head, labels[i]+`="`+labels[i+1]+`"`)
		}
		if n, err := strconv.ParseFloat(value, 64); ok && err == nil {
			sum += n
		}
	}
	return sum
}

var opsClient = &http.Client{Timeout: 5 * time.Second}

func get(url string) (string, error) {
	res, err := opsClient.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", url, res.StatusCode)
	}
	return string(body), err
}

// logbook keeps what syncd logs.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// line gives the first line that holds all parts, "" if there is none.
func (l *logbook) line(parts ...string) string {
	s := bufio.NewScanner(strings.NewReader(l.all()))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		found := true
		for _, p := range parts {
			found = found && strings.Contains(s.Text(), p)
		}
		if found {
			return s.Text()
		}
	}
	return ""
}

// gist gives what is worth reading after a failure: every line that is not an
// ordinary attempt, and the last attempts.
func (l *logbook) gist() string {
	lines := strings.Split(strings.TrimSpace(l.all()), "\n")
	var out []string
	for i, line := range lines {
		if !strings.Contains(line, "sync.attempted") || i >= len(lines)-lastLines {
			out = append(out, line)
		}
	}
	return strings.Join(out[max(0, len(out)-mostLines):], "\n")
}

const (
	lastLines = 12
	mostLines = 60
)

//go:build linux

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// replicasOf is how many daemons a store has: SQLite is for one.
var replicasOf = map[string]int{onSQLite: 1, onPostgres: 3}

// armedBinary is the real syncd with failpoints, built once.
var armedBinary = sync.OnceValues(func() (string, error) {
	path := binary + "-failpoints"
	build := exec.Command("go", "build", "-tags", "failpoints", "-o", path, "../cmd/syncd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build syncd with failpoints: %w: %s", err, out)
	}
	return path, nil
})

// fleet is the replicas of one syncd, each started again when it ends, as a
// supervisor does. It is a node.
type fleet struct {
	*world
	replicas []*replica
	// excused says that a replica may have ended by itself just now, since its
	// database was away.
	excused func() bool
}

// replica is one place for a process.
type replica struct {
	*fleet
	n                          int
	config, orders, hooks, ops string

	mu      sync.Mutex
	now     *process
	wanted  bool
	told    bool // this process was ended on purpose
	down    time.Duration
	starts  int
	retired chan struct{} // closed when the supervisor has ended
}

// ownDown is how long a replica that ended by itself stays away.
const ownDown = 300 * time.Millisecond

func (w *world) newFleet(n int) *fleet {
	w.t.Helper()
	f := &fleet{world: w, excused: func() bool { return false }}
	for i := range n {
		r := &replica{fleet: f, n: i, hooks: address(w.t), ops: address(w.t), retired: make(chan struct{})}
		name := fmt.Sprintf("replica%d.yaml", i)
		if w.s.Store == onPostgres { // on SQLite it lies beside the database, on the disk that fills
			w.s.StateDir = w.t.TempDir()
		}
		w.writeConfigAs(name, r.hooks, r.ops)
		r.config, r.orders = filepath.Join(w.dir, name), filepath.Join(w.dir, fmt.Sprintf("orders%d", i))
		f.replicas = append(f.replicas, r)
	}
	return f
}

// start starts all replicas and their supervisors.
func (f *fleet) start() {
	f.t.Helper()
	path, err := armedBinary()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, r := range f.replicas {
		r.wanted = true
		if _, err := r.launch(path); err != nil {
			f.t.Fatal(err)
		}
		go r.supervise(path)
	}
	f.node = f
}

// launch starts a process, unless there shall be none any more.
func (r *replica) launch(path string) (is bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.wanted {
		return false, nil
	}
	p := &process{cmd: exec.Command(path, "serve", "-c", r.config), ops: r.ops, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "SYNCD_FAILPOINTS=@"+r.orders)
	p.cmd.Stdout, p.cmd.Stderr = r.log, r.log
	if err := p.cmd.Start(); err != nil {
		return false, fmt.Errorf("start replica %d: %w", r.n, err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	r.now, r.told, r.down = p, false, ownDown
	r.starts++
	return true, nil
}

// supervise starts the replica again whenever it has ended.
func (r *replica) supervise(path string) {
	defer close(r.retired)
	for {
		p := r.process()
		<-p.done
		r.mu.Lock()
		down, told := r.down, r.told
		r.mu.Unlock()
		if !told && !killed(p.err) && !(r.excused() && exitCode(p.err) == 1) {
			r.t.Errorf("replica %d ended by itself: %v", r.n, p.err)
		}
		r.pass(down)
		if is, err := r.launch(path); !is {
			if err != nil {
				r.t.Error(err)
			}
			return
		}
	}
}

func killed(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

func (r *replica) process() *process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// kill kills the process that runs now; its successor comes after a while.
func (r *replica) kill(down time.Duration) {
	r.away(down)
	r.process().kill()
}

// away says how long the replica stays away when it ends next.
func (r *replica) away(down time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told, r.down = true, down
}

// drain ends the process in order, for good if it shall not come back.
func (r *replica) drain(back bool, down time.Duration) error {
	r.away(down)
	r.mu.Lock()
	r.wanted = back
	p := r.now
	r.mu.Unlock()
	if _, gone := p.exited(); gone {
		return nil
	}
	return p.end(r.t)
}

// order arms the replica; "" disarms it. The file changes in one step, since
// the process reads it at every failpoint.
func (r *replica) order(text string) {
	if err := os.WriteFile(r.orders+".new", []byte(text), 0o600); err != nil {
		r.t.Errorf("orders: %v", err)
	}
	if err := os.Rename(r.orders+".new", r.orders); err != nil {
		r.t.Errorf("orders: %v", err)
	}
}

// stopped says that every thread of the process is stopped by a signal.
func (p *process) stopped() bool {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		return false
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			return false
		}
		// The state follows the name, which stands in brackets and may hold anything.
		if _, state, ok := bytes.Cut(b[bytes.LastIndexByte(b, ')')+1:], []byte(" ")); !ok || state[0] != 'T' {
			return false
		}
	}
	return true
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // it may have ended by now

// left implements node: what the first replica that answers says.
func (f *fleet) left() (int, error) {
	err := errors.New("no replica")
	for _, r := range f.replicas {
		var n int
		if n, err = r.process().left(); err == nil {
			return n, nil
		}
	}
	return 0, err
}

// flowing implements node: all replicas flow.
func (f *fleet) flowing() (bool, error) {
	for _, r := range f.replicas {
		if is, err := r.process().flowing(); !is {
			return false, err
		}
	}
	return true, nil
}

// exited implements node: a fleet has always somebody who starts it again.
func (f *fleet) exited() (error, bool) { return nil, false }

// end implements node.
func (f *fleet) end(testing.TB) error {
	var errs []error
	for _, r := range f.replicas {
		r.process().signal(syscall.SIGCONT)
		if err := r.drain(false, 0); err != nil {
			errs = append(errs, fmt.Errorf("replica %d: %w", r.n, err))
		}
		<-r.retired
	}
	return errors.Join(errs...)
}

// swept gives when an object was last swept by any replica, in Unix seconds.
func (f *fleet) swept(system, object string) (at float64) {
	for _, r := range f.replicas {
		if text, err := get("http://" + r.ops + "/metrics"); err == nil {
			at = max(at, sumOf(text, "syncd_system_last_sweep_timestamp_seconds", "system", system, "object", object))
		}
	}
	return at
}

// balancer takes webhooks in for all replicas and passes each on to any of
// them, as one does that has no idea who is dead. If none is reached, the vendor
// has to come again; Odoo never does.
type balancer struct {
	to     []string
	client *http.Client
	turn   atomic.Int64
	acked  atomic.Int64
	failed atomic.Int64
}

// balancerPatience is what a stopped replica costs a webhook.
const balancerPatience = time.Second

func (f *fleet) newBalancer(seed uint64) *balancer {
	b := &balancer{client: &http.Client{Timeout: balancerPatience}}
	for _, r := range f.replicas {
		b.to = append(b.to, r.hooks)
	}
	b.turn.Store(rand.New(rand.NewPCG(seed, 6)).Int64N(int64(len(b.to))))
	return b
}

// ServeHTTP implements http.Handler.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the vendor has gone
	}
	for range b.to {
		to := b.to[b.turn.Add(1)%int64(len(b.to))]
		req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+to+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			break
		}
		req.Header = r.Header.Clone()
		res, err := b.client.Do(req)
		if err != nil {
			if strings.Contains(err.Error(), "connection refused") {
				continue
			}
			break
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			b.acked.Add(1)
		}
		w.WriteHeader(res.StatusCode)
		return
	}
	b.failed.Add(1)
	w.WriteHeader(http.StatusBadGateway)
}

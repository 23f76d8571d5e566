//go:build failpoints && unix

package failpoint

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// child is how this test binary is told to run into failpoints by itself.
const child = "SYNCD_FAILPOINT_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		for range 5 {
			Hit("here")
		}
		os.Exit(7)
	}
	os.Exit(m.Run())
}

func TestKillComesAtThePassingItNames(t *testing.T) {
	for orders, signal := range map[string]syscall.Signal{"here:5=kill": syscall.SIGKILL, "here:6=kill": 0, "there:1=kill": 0} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), child+"=1", Variable+"="+orders)
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("%s: %v", orders, err)
		}
		status := exit.Sys().(syscall.WaitStatus)
		if status.Signaled() != (signal != 0) || status.Signaled() && status.Signal() != signal {
			t.Errorf("%s: ended with %v", orders, err)
		}
	}
}

// TestOrdersOfAFileComeAndGo: other orders are counted afresh, and each is
// carried out once.
func TestOrdersOfAFileComeAndGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders")
	t.Setenv(Variable, "@"+path)
	paused := func() bool {
		began := time.Now()
		Hit("here")
		return time.Since(began) >= 50*time.Millisecond
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct {
		orders string
		want   []bool
	}{
		{"", []bool{false}},
		{"here:2=sleep:50ms\n", []bool{false, true, false, false}},
		{"here:1=sleep:51ms", []bool{true, false}},
		{"there:1=sleep:50ms", []bool{false}},
	} {
		if i > 0 {
			write(step.orders)
		}
		for n, want := range step.want {
			if got := paused(); got != want {
				t.Errorf("orders %q, passing %d: paused %t", step.orders, n+1, got)
			}
		}
	}
}

func TestWrongOrdersAreRefused(t *testing.T) {
	for _, text := range []string{"here", "here=kill", "here:0=kill", "here:x=kill", "here:1=explode", "here:1=sleep:long", ":1=kill"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

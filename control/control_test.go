package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type echoed struct {
	Who, Why, What string
}

// table has one operation that says what it was told, and two that fail.
func table() Table {
	return Table{
		"echo": func(_ context.Context, c Call) (any, error) {
			var args struct{ What string }
			err := c.Into(&args)
			return echoed{c.Actor, c.Reason, args.What}, err
		},
		"held":  func(context.Context, Call) (any, error) { return nil, Held("say %s first", "--from") },
		"panic": func(context.Context, Call) (any, error) { panic("broken") },
		"plain": func(context.Context, Call) (any, error) { return nil, errors.New("disk full") },
	}
}

// opened serves the table at a socket until the test ends.
func opened(t *testing.T) (path string, stop func() error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "c.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, table(), slog.New(slog.DiscardHandler)) }()
	return path, func() error { cancel(); return <-ended }
}

// TestADaemonAndACommandAnswerTheSame: the way to an operation changes neither
// its answer nor the kind of its error.
func TestADaemonAndACommandAnswerTheSame(t *testing.T) {
	path, stop := opened(t)
	client, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		call Call
		kind Kind
		say  string
	}{
		{"echo", Call{Actor: "jana", Reason: "because", Args: json.RawMessage(`{"What":"x"}`)}, "", `{"Who":"jana","Why":"because","What":"x"}`},
		{"echo", Call{Actor: "jana", Args: json.RawMessage(`{"Wat":"x"}`)}, KindUsage, `unknown field "Wat"`},
		{"echo", Call{}, KindUsage, "an actor is missing"},
		{"held", Call{Actor: "jana"}, KindHeld, "say --from first"},
		{"plain", Call{Actor: "jana"}, KindFailed, "disk full"},
		{"panic", Call{Actor: "jana"}, KindFailed, "internal error"},
		{"gone", Call{Actor: "jana"}, KindUsage, `no operation "gone"`},
	} {
		for way, door := range map[string]Door{"socket": client, "process": table()} {
			answer, err := door.Do(t.Context(), c.name, c.call)
			got, kind := string(answer), Kind("")
			if err != nil {
				got, kind = err.Error(), KindOf(err)
			}
			if kind != c.kind || !strings.Contains(got, c.say) {
				t.Errorf("%s by %s: %q of kind %q, want %q of kind %q", c.name, way, got, kind, c.say, c.kind)
			}
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	if _, err := Dial(path); KindOf(err) != KindUnreachable {
		t.Errorf("dialling nobody: %v", err)
	}
}

// TestTheSocketIsItsOwnersAlone, also where the folder's files are everybody's.
func TestTheSocketIsItsOwnersAlone(t *testing.T) {
	path, stop := opened(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode()&os.ModeSocket == 0 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the socket lies %v, %v", left, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestASocketOfADeadDaemonIsTakenOver, one that answers is not.
func TestASocketOfADeadDaemonIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if _, err := Listen(path); !errors.Is(err, ErrTaken) {
		t.Errorf("a socket that answers was taken: %v", err)
	}
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Listen(filepath.Join(t.TempDir(), strings.Repeat("x", maxPath))); !errors.Is(err, ErrPath) {
		t.Errorf("a long path: %v", err)
	}
}

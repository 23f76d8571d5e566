package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// maxCall bounds the body of a call. A list of a million pairs fits.
	maxCall       = 64 << 20
	dialTimeout   = 3 * time.Second
	headerTimeout = 5 * time.Second
	stopTimeout   = 5 * time.Second
	// maxPath is what the address of a unix socket may have: 104 bytes on the
	// systems with the shortest, one of them for the end.
	maxPath = 103
	route   = "/v1/"
)

// ErrTaken says that another daemon answers at the socket.
var ErrTaken = errors.New("another syncd answers there")

// ErrPath says that a path is too long for a socket.
var ErrPath = errors.New("the path of the control socket is too long")

// Listen makes the socket. It is born in a folder of its own that nobody else may
// enter, so that there is no moment at which somebody else could open it; it takes
// the place of one that a killed daemon left behind, never of one that answers.
func Listen(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if len(path) > maxPath {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d", ErrPath, path, len(path), maxPath)
	}
	if answers(path) {
		return nil, fmt.Errorf("control socket %s: %w", path, ErrTaken)
	}
	private, err := os.MkdirTemp(dir, ".s")
	if err != nil {
		return nil, fmt.Errorf("make the control socket %s: %w", path, err)
	}
	defer os.RemoveAll(private)
	born := filepath.Join(private, "s")
	if len(born) > maxPath {
		return nil, fmt.Errorf("%w: %s", ErrPath, born)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: born, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("make the control socket %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false) // by its first name
	if err := errors.Join(os.Chmod(born, 0o600), os.Rename(born, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("make the control socket %s: %w", path, err), l.Close())
	}
	return &listener{l, path}, nil
}

// listener takes its socket away when it is closed.
type listener struct {
	*net.UnixListener
	path string
}

func (l *listener) Close() error {
	err := l.UnixListener.Close()
	if err == nil {
		if gone := os.Remove(l.path); !errors.Is(gone, fs.ErrNotExist) {
			err = gone
		}
	}
	return err
}

func answers(path string) bool {
	c, err := net.DialTimeout("unix", path, dialTimeout)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// Serve answers calls on a listener until ctx ends, which also ends the calls in
// hand, and returns nil then.
func Serve(ctx context.Context, l net.Listener, t Table, logger *slog.Logger) error {
	server := &http.Server{
		Handler: handler(t, logger), ReadHeaderTimeout: headerTimeout, ErrorLog: log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("control socket: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

func handler(t Table, logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+route+"{name}", func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		name := r.PathValue("name")
		var c Call
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCall))
		d.DisallowUnknownFields()
		err := d.Decode(&c)
		var answer json.RawMessage
		if err != nil {
			err = Usage("the call cannot be read: %v", err)
		} else {
			answer, err = t.Do(r.Context(), name, c)
		}
		kind := Kind("")
		if err != nil {
			kind = KindOf(err)
			w.WriteHeader(http.StatusUnprocessableEntity)
			// Client and daemon have one operator: the whole sentence is shown.
			answer, _ = json.Marshal(Error{Kind: kind, Say: err.Error()})
		}
		w.Write(answer)
		logger.Info("control", "event", "control.called", "operation", name, "actor", c.Actor, "failed", string(kind), "duration_ms", time.Since(began).Milliseconds())
	})
	return mux
}

// Client calls the operations of a daemon.
type Client struct{ http *http.Client }

// Dial gives the door of the daemon at a socket; its error has KindUnreachable
// where no daemon listens.
func Dial(path string) (*Client, error) {
	if !answers(path) {
		return nil, &Error{Kind: KindUnreachable, Say: "no syncd answers at " + path}
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path)
	}
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}, nil
}

// Do implements Door.
func (c *Client) Do(ctx context.Context, name string, call Call) (json.RawMessage, error) {
	body, err := json.Marshal(call)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://syncd"+route+name, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, lost(name, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, lost(name, err)
	}
	if res.StatusCode == http.StatusOK {
		return answer, nil
	}
	var said Error
	if err := json.Unmarshal(answer, &said); err != nil || said.Say == "" {
		return nil, Usage("this syncd has no operation %q (%s)", name, res.Status)
	}
	return nil, &said
}

// lost is a call without an answer: what it did so far is committed and audited.
func lost(name string, err error) error {
	what := "the daemon did not answer: look at what is there before you repeat it"
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		what = "the daemon is gone"
	}
	return &Error{Kind: KindUnreachable, Say: name + ": " + what, Err: err}
}

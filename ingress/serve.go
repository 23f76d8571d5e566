package ingress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// Limits of a connection (SECURITY S6).
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 20 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
	maxConnections    = 8192
	// drainTimeout is how long deliveries in flight may take to finish when
	// the server stops; a commit takes at most commitTimeout.
	drainTimeout = 10 * time.Second
)

// Serve answers on a listener until ctx ends. Then deliveries in flight finish
// while new ones get 503, and after the last one the listener is closed. It
// returns nil after an orderly end. A server that has served once stays closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(newGuardedListener(l, maxConnections)) }()
	select {
	case err := <-ended:
		return fmt.Errorf("webhook listener: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	s.gate.close(stop)
	if err := server.Shutdown(stop); err != nil {
		server.Close()
		<-ended
		return fmt.Errorf("webhook listener: not every delivery finished: %w", err)
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("webhook listener: %w", err)
	}
	return nil
}

// outermost is around everything: the gate, the end of connections that must
// not be used again, and panics.
func (s *Server) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			// The guard does not look behind a chunked body.
			w.Header().Set("Connection", "close")
		}
		if !s.gate.enter() {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		defer s.gate.leave()
		defer func() {
			if v := recover(); v != nil {
				s.logPanic(v)
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// logPanic leaves out the value of a panic, which may quote the delivery,
// unless it is the runtime's own.
func (s *Server) logPanic(v any) {
	what := fmt.Sprintf("%T", v)
	var own runtime.Error
	if err, ok := v.(error); ok && errors.As(err, &own) {
		what = own.Error()
	}
	s.opts.Logger.Error("webhook handler panicked", "panic", what, "stack", string(debug.Stack()))
}

// gate counts the requests in flight and can be closed for new ones.
type gate struct {
	mu     sync.Mutex
	n      int
	closed bool
	empty  chan struct{} // closed when the gate is and the last one has left
}

func newGate() *gate { return &gate{empty: make(chan struct{})} }

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.n++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 && g.closed {
		close(g.empty)
	}
}

// close lets nobody in any more and waits until the last one has left, or ctx
// ends.
func (g *gate) close(ctx context.Context) {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		if g.n == 0 {
			close(g.empty)
		}
	}
	g.mu.Unlock()
	select {
	case <-g.empty:
	case <-ctx.Done():
	}
}

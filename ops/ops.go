// Package ops is the daemon's listener for machines: liveness, readiness,
// metrics and a status page in JSON. It belongs on a loopback address
// (SECURITY S13). It changes nothing. Metrics hold no values of records; the
// status page shows why a record waits in the vendor's own words, which may
// quote one.
package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Limits of the listener.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
	// checkTimeout is how long one readiness check may take. A probe usually
	// waits a second or more for its answer.
	checkTimeout = 2 * time.Second
	stopTimeout  = 5 * time.Second
)

// drainingCheck is the name of the check that fails while the daemon stops.
const drainingCheck = "draining"

// Options is what a Server shows.
type Options struct {
	Registry *prometheus.Registry // nil: /metrics is empty
	// Checks say whether this process can do its work: its own store, and
	// nothing that belongs to a vendor, whose outage is no reason to stop
	// taking webhooks. They run side by side, each with a deadline.
	Checks map[string]func(context.Context) error
	Info   func() any // JSON at /status; nil: an empty object
}

// Server answers probes and scrapes. It is safe for concurrent use.
type Server struct {
	opts     Options
	draining atomic.Bool
	handler  http.Handler
}

// New makes a server.
func New(o Options) *Server {
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Info == nil {
		o.Info = func() any { return struct{}{} }
	}
	s := &Server{opts: o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", s.livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /status", s.status)
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{}))
	s.handler = guard(mux)
	return s
}

// Handler gives the routes, for tests and for a listener of another kind.
func (s *Server) Handler() http.Handler { return s.handler }

// Drain makes the server not ready from now on; it goes on answering.
func (s *Server) Drain() { s.draining.Store(true) }

// Serve answers on a listener until ctx ends, and returns nil then.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("ops listener: %w", err)
	case <-ctx.Done():
	}
	s.Drain()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("ops listener: %w", err)
	}
	return nil
}

// guard refuses names that a hostile page may have pointed at this address
// (DNS rebinding, S13), and keeps a panic to its request.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		if !isOwnHost(r.Host) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// isOwnHost takes localhost and IP addresses, which nobody's DNS can change.
func isOwnHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// livez says that the process answers. It looks at nothing else: to restart it
// because something outside is broken would make things worse.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, "ok\n")
}

// readyz runs the checks; ?verbose lists them. Errors stay inside (S18).
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	failed := s.failedChecks(r.Context())
	code, text := http.StatusOK, "ok\n"
	if len(failed) > 0 {
		code, text = http.StatusServiceUnavailable, "not ready\n"
	}
	if r.URL.Query().Has("verbose") {
		var b strings.Builder
		for _, name := range append(slices.Sorted(maps.Keys(s.opts.Checks)), drainingCheck) {
			verdict := "ok"
			if failed[name] {
				verdict = "failed"
			}
			fmt.Fprintf(&b, "%s %s\n", name, verdict)
		}
		text = b.String() + text
	}
	answer(w, code, text)
}

func (s *Server) failedChecks(ctx context.Context) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	failures := make(chan string, len(s.opts.Checks))
	var wg sync.WaitGroup
	for name, check := range s.opts.Checks {
		wg.Go(func() {
			defer func() {
				if recover() != nil {
					failures <- name
				}
			}()
			if check(ctx) != nil {
				failures <- name
			}
		})
	}
	wg.Wait()
	close(failures)
	failed := map[string]bool{}
	for name := range failures {
		failed[name] = true
	}
	if s.draining.Load() {
		failed[drainingCheck] = true
	}
	return failed
}

// status shows what the daemon says about itself.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	body, err := json.MarshalIndent(s.opts.Info(), "", "  ")
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(body, '\n'))
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	io.WriteString(w, text)
}

// Package ingress is the listener that vendors post their webhooks to. It knows
// one route, POST /webhooks/{system}/{secret}[/...]. A delivery is checked over
// its raw bytes, turned into hints, and acknowledged after the hints are
// committed, never before (DESIGN 1.2). Nothing of its contents is data, and
// nothing of it is logged (SECURITY S4, S12).
package ingress

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"syncd/connectors"
	"syncd/store"
)

// Bounds of a delivery (SECURITY S5).
const (
	maxBody      = 1 << 20  // bytes; a receiver's policy may lower it
	maxBodyBytes = 64 << 20 // bytes of all bodies held at a time
	maxDepth     = 64       // nesting of a JSON body
	maxElements  = 10_000   // elements and members of a JSON body; hints of a delivery
)

// Rates (SECURITY S20): requests per second and how many may come at once. The
// rate of all endpoints counts before the signature is checked, that of one
// endpoint after. Both count only requests that know the endpoint's secret
// path, so that strangers cannot use them up.
const (
	allRate       = 10_000
	allBurst      = 20_000
	endpointRate  = 2_000
	endpointBurst = 4_000
)

// Endpoint is one system's webhook address.
type Endpoint struct {
	System   string
	Secrets  []string // path secrets, current and previous; empty ones never match
	Receiver connectors.Receiver
	// Delay is how long a record of each object is left alone before it is
	// read. Hints of objects that are not listed are dropped and counted.
	Delay        map[string]time.Duration
	TrustOwnMark bool   // take the vendor's mark of our own changes (F25 layer 1)
	PublicURL    string // scheme://host[/prefix], what vendors call and sign
}

// Store takes the receipts of one group commit: all are committed when it
// returns nil, none are taken for committed when it does not.
type Store interface {
	Receive(ctx context.Context, receipts []store.Receipt) error
}

// Options is what a Server is made of. Endpoints and Store are required.
type Options struct {
	Endpoints  []Endpoint
	Store      Store
	Now        func() time.Time      // nil: time.Now
	Logger     *slog.Logger          // nil: no logs
	Registerer prometheus.Registerer // nil: metrics are kept and shown nowhere
	Wake       func(system string)   // called after each commit; may be nil
	TraceID    func() string         // names one delivery's trace; may be nil
}

// Server receives webhooks. It is safe for concurrent use.
type Server struct {
	opts      Options
	endpoints map[string]*endpoint
	nobody    *endpoint // compared with for systems that do not exist
	commits   *committer
	metrics   *metrics
	all       *rate.Limiter
	gate      *gate
	held      atomic.Int64 // bytes reserved for bodies
	handler   http.Handler
}

// New makes a server. An endpoint without a secret answers 404.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Wake == nil {
		o.Wake = func(string) {}
	}
	if o.TraceID == nil {
		o.TraceID = func() string { return "" }
	}
	s := &Server{
		opts:      o,
		endpoints: map[string]*endpoint{},
		nobody:    newEndpoint(Endpoint{}),
		commits:   newCommitter(o.Store),
		metrics:   newMetrics(o.Registerer),
		all:       rate.NewLimiter(allRate, allBurst),
		gate:      newGate(),
	}
	for _, e := range o.Endpoints {
		s.endpoints[e.System] = newEndpoint(e)
		s.metrics.init(e.System)
	}
	s.handler = s.outermost(s.routes())
	return s
}

// Handler gives the listener's one route. Serve adds the limits that belong to
// connections.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) routes() http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard)
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = answerError
	for _, path := range []string{"/webhooks/:system/:secret", "/webhooks/:system/:secret/*"} {
		e.POST(path, s.deliver)
		e.OPTIONS(path, func(echo.Context) error { return echo.ErrMethodNotAllowed }) // echo would answer it
	}
	return e
}

// answerError gives the status of echo's error and nothing else (S18).
func answerError(err error, c echo.Context) {
	code := http.StatusInternalServerError
	var he *echo.HTTPError
	if errors.As(err, &he) {
		code = he.Code
	}
	if !c.Response().Committed {
		c.Response().WriteHeader(code)
	}
}

// Package ratelimit keeps the calls to one system within the vendor's limits:
// an http.RoundTripper that lets a call go when every window and the
// concurrency allow it, and stops the whole system when the vendor says so
// (DESIGN 6 of the promises; CORRECTNESS F55, F56, 3.4). The budget is that of
// this process: replicas share the vendor's windows by configuration.
package ratelimit

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// defaultPause is how long a 429 without Retry-After stops the system.
const defaultPause = time.Second

// Options say what to limit. Everything but System may be left out.
type Options struct {
	System      string // configured name, for errors and observations
	Windows     []Window
	Concurrency int               // calls in flight at once, 0 = no limit
	Base        http.RoundTripper // default NewTransport()
	Now         func() time.Time
	// After has f run in d, not at once and on no lock of the caller's, unless
	// stop is called before; default time.AfterFunc.
	After func(d time.Duration, f func()) (stop func())
	// Wait returns once ready is closed or ctx has ended; default a select. A
	// scheduler that runs one thing at a time gives way here.
	Wait func(ctx context.Context, ready <-chan struct{})
	// Observe is told of every call, after its answer's headers or its end. It
	// is called without locks held and must be quick.
	Observe func(Observation)
}

// Observation is one call as the limiter saw it.
type Observation struct {
	System string
	Lane   Lane
	Waited time.Duration // from RoundTrip to let go, or to the end of waiting
	Took   time.Duration // from let go to the answer's headers, 0 if not sent
	Status int           // 0 without an answer
	Paused time.Duration // how long the answer stopped the system
	Sent   bool          // false: a NotSentError
	Err    error
}

// NotSentError says that a call ended while it waited for its turn: nothing
// was sent, with certainty.
type NotSentError struct {
	System string
	Why    string        // what it waited for
	After  time.Duration // how long until a call may go, 0 if not known
	Err    error         // the context's error
}

// Error says what the call waited for.
func (e *NotSentError) Error() string {
	s := fmt.Sprintf("%s: call not sent: it waited for %s", e.System, e.Why)
	if e.After > 0 {
		s += fmt.Sprintf(" (%s more)", e.After.Round(time.Millisecond))
	}
	return s + ": " + e.Err.Error()
}

// Unwrap gives the context's error.
func (e *NotSentError) Unwrap() error { return e.Err }

// Lane says whose call it is. Live is the default.
type Lane string

// The lanes. Today live goes before the others, which share one queue.
const (
	Live     Lane = "live"
	Retry    Lane = "retry"
	Sweep    Lane = "sweep"
	Backfill Lane = "backfill"
)

type laneKey struct{}

// WithLane marks the calls made under ctx.
func WithLane(ctx context.Context, lane Lane) context.Context {
	return context.WithValue(ctx, laneKey{}, lane)
}

// LaneOf gives the lane of ctx, Live if it was not marked.
func LaneOf(ctx context.Context) Lane {
	if lane, ok := ctx.Value(laneKey{}).(Lane); ok {
		return lane
	}
	return Live
}

// Limiter is the RoundTripper of one system. It is safe for concurrent use.
type Limiter struct {
	o       Options
	epoch   time.Time // times below count from here
	windows []*window

	mu       sync.Mutex // guards what follows and the windows' state
	last     time.Duration
	inFlight int
	until    time.Duration // end of the pause
	why      string
	queue    queue
	alarm    *alarm
}

var _ http.RoundTripper = (*Limiter)(nil)

// New makes the limiter of one system.
func New(o Options) *Limiter {
	if o.Base == nil {
		o.Base = NewTransport()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = after
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	l := &Limiter{o: o, epoch: o.Now()}
	for _, w := range o.Windows {
		if w.Max > 0 && w.Per > 0 {
			l.windows = append(l.windows, newWindow(w))
		}
	}
	return l
}

func after(d time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

func wait(ctx context.Context, ready <-chan struct{}) {
	select {
	case <-ready:
	case <-ctx.Done():
	}
}

// RoundTrip waits for the call's turn and makes it. The call counts as in
// flight until its answer's body was read to the end or closed.
func (l *Limiter) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	asked := l.since()
	w := l.newWaiter(ctx, req)
	if err := l.wait(ctx, w); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		l.observe(Observation{Lane: w.lane, Waited: l.since() - asked, Err: err})
		return nil, err
	}
	begun := l.since()
	trace := &httptrace.ClientTrace{WroteHeaders: func() { l.sent(w) }}
	resp, err := l.o.Base.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	l.answered(w)
	ob := Observation{Lane: w.lane, Waited: begun - asked, Took: l.since() - begun, Sent: true, Err: err}
	if err != nil || resp == nil || resp.Body == nil {
		l.release(w)
	} else {
		resp.Body = &body{ReadCloser: resp.Body, done: func() { l.release(w) }}
	}
	if resp != nil {
		ob.Status, ob.Paused = resp.StatusCode, l.heed(resp)
	}
	l.observe(ob)
	return resp, err
}

// heed pauses the system when the answer asks for it: 429 always, 503 only by
// its Retry-After.
func (l *Limiter) heed(resp *http.Response) time.Duration {
	d, told := ParseRetryAfter(resp.Header, l.o.Now())
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		if !told {
			d = defaultPause
		}
	case http.StatusServiceUnavailable:
		if !told {
			return 0
		}
	default:
		return 0
	}
	l.Pause(d, fmt.Sprintf("the vendor answered %d", resp.StatusCode))
	return d
}

func (l *Limiter) observe(ob Observation) {
	if l.o.Observe != nil {
		ob.System = l.o.System
		l.o.Observe(ob)
	}
}

// body tells once when an answer was read to its end or given up.
type body struct {
	io.ReadCloser
	once sync.Once
	done func()
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.once.Do(b.done)
	}
	return n, err
}

func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.once.Do(b.done)
	return err
}

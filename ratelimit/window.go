package ratelimit

import (
	"net/http"
	"time"
)

const (
	// guard lengthens every window: the vendor counts a call when it arrives,
	// and two calls do not travel equally long.
	guard = 50 * time.Millisecond
	// headroomFrom is the Max above which one call is kept free, for a window
	// that somebody else also draws on now and then (a person with curl).
	headroomFrom = 20
)

// Window is one limit of a vendor: at most Max calls in any interval of length
// Per. A window without a positive Max and Per limits nothing.
type Window struct {
	Name string // for metrics and pages: "ten_seconds", "search"
	Max  int
	Per  time.Duration
	// Applies says which calls count, nil means all. It must be pure, and is
	// called once per call.
	Applies func(*http.Request) bool
}

// window is an exact sliding log. x/time/rate is a token bucket: after a pause
// it lets a full burst through and refills meanwhile, nearly twice Max within
// one Per, which a vendor with rolling windows refuses; with a burst of 1 it
// would be exact and would space out what may go at once. A log of start times
// has neither fault, and costs 8 bytes per call and window.
//
// A call holds its place from the moment it is let go, without end while it is
// not known to have been sent, and for Per + guard from the moment its headers
// were written. So a slow dial cannot carry a call into a later interval than
// the one it was counted in.
type window struct {
	Window
	limit  int             // Max less headroom
	unsent int             // let go, headers not written yet
	log    []time.Duration // when sent, since the limiter's epoch, ascending
	head   int             // log[:head] has left the window
}

func newWindow(w Window) *window {
	limit := w.Max
	if limit > headroomFrom {
		limit--
	}
	return &window{Window: w, limit: limit}
}

func (w *window) applies(r *http.Request) bool { return w.Applies == nil || w.Applies(r) }

func (w *window) used() int { return w.unsent + len(w.log) - w.head }

func (w *window) full() bool { return w.used() >= w.limit }

// prune drops what has left the window.
func (w *window) prune(now time.Duration) {
	for w.head < len(w.log) && w.log[w.head]+w.Per+guard <= now {
		w.head++
	}
	if w.head > len(w.log)/2 { // so that the copying costs O(1) per call
		w.log = append(w.log[:0], w.log[w.head:]...)
		w.head = 0
	}
}

// free says when the next place comes free, if that is known: all places may
// be held by calls that were not sent yet.
func (w *window) free() (time.Duration, bool) {
	// Until the used places are below the limit, this many sent calls must leave.
	need := w.used() - w.limit + 1
	if need <= 0 {
		return 0, true
	}
	if w.head+need > len(w.log) {
		return 0, false
	}
	return w.log[w.head+need-1] + w.Per + guard, true
}

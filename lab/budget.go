package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"syncd/connectors/hubspot"
	"syncd/connectors/odoo"
	"syncd/ratelimit"
)

// budget is what a seed's configuration allows of a vendor; 0 is no such limit.
type budget struct{ perSecond, perTenSeconds, inFlight int }

// drawBudgets gives most systems no budget and some a tight one; tight: all. Its dice are its
// own, so that a seed's other draws are what they were before there were budgets.
func drawBudgets(seed uint64, tight bool, systems ...string) map[string]budget {
	rng := rand.New(rand.NewPCG(seed, 0x627564676574))
	pick := func(of ...int) int { return of[rng.IntN(len(of))] }
	out := map[string]budget{}
	for _, name := range systems {
		b := budget{}
		kinds := 8
		if tight {
			kinds = 2
		}
		switch rng.IntN(kinds) {
		case 0:
			b.perSecond = pick(1, 2, 5)
		case 1:
			b.perTenSeconds = pick(5, 10, 20)
		case 2:
			b.inFlight = pick(1, 2)
		}
		out[name] = b
	}
	return out
}

// jitter is how differently long two calls may travel to the vendor's gate,
// which counts them; ratelimit's guard of 50 ms is made for it. How long the
// vendor then thinks is another matter.
const jitter = 49 * time.Millisecond

// gate is the way of one life of one replica to one vendor: the real rate
// limiter, then the wire. seen is what the vendor's gate saw, per window.
type gate struct {
	w       *world
	wire    *wire
	limiter *ratelimit.Limiter
	windows []ratelimit.Window
	most    int // calls in flight, 0: any number
	seen    [][]time.Time
	flying  int
}

// openGates makes the limiters of one life, as daemon/kinds.go does.
func (w *world) openGates() map[string]*gate {
	out := map[string]*gate{}
	for _, v := range w.systems {
		if v.shop != nil {
			continue
		}
		name := v.name
		g := &gate{w: w, wire: &wire{w: w, v: v}, most: w.budgets[name].inFlight}
		switch name {
		case crm:
			for _, own := range hubspot.Windows() {
				g.windows = append(g.windows, ratelimit.Window{Name: own.Name, Max: own.Max, Per: own.Per, Applies: own.Applies})
			}
		case erp:
			if g.most == 0 {
				g.most = odoo.Concurrency("erp.invalid")
			}
		}
		if n := w.budgets[name].perSecond; n > 0 {
			g.windows = append(g.windows, ratelimit.Window{Name: "second", Max: n, Per: time.Second})
		}
		if n := w.budgets[name].perTenSeconds; n > 0 {
			g.windows = append(g.windows, ratelimit.Window{Name: "ten_seconds", Max: n, Per: 10 * time.Second})
		}
		g.seen = make([][]time.Time, len(g.windows))
		g.wire.gate = g
		g.limiter = ratelimit.New(ratelimit.Options{
			System: name, Windows: g.windows, Concurrency: g.most, Base: g.wire, Now: w.now, After: w.s.alarm, Wait: g.wait,
		})
		w.gates = append(w.gates, g)
		out[name] = g
	}
	return out
}

// alarm is time.AfterFunc in virtual time.
func (s *sched) alarm(d time.Duration, f func()) (stop func()) {
	stopped := false
	s.after(d, func() {
		if !stopped {
			f()
		}
	})
	return func() { stopped = true }
}

// turn is how often a call that waits looks whether it may go.
const turn = 10 * time.Millisecond

// wait gives way until the limiter lets the call go or its time is over.
func (g *gate) wait(ctx context.Context, ready <-chan struct{}) {
	t, waited := g.w.s.current, false
	for ctx.Err() == nil {
		select {
		case <-ready:
			return
		default:
		}
		if !waited {
			waited = true
			g.w.stats.Waits++
			g.w.s.note("%s waits for its turn at %s", t.name, g.wire.v.name)
		}
		t.sleep(turn)
	}
}

// RoundTrip takes a call through the limiter. What a daemon does at its start
// is done at one moment of virtual time, where nothing can wait.
func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	if t := g.w.s.current; t == nil || t.dead {
		return g.wire.RoundTrip(req)
	}
	ctx := virtual{context.WithoutCancel(req.Context()), g.w.s.now.Add(allowed), g.w.now}
	return g.limiter.RoundTrip(req.WithContext(ctx))
}

// allowed is how long a call may take with its waiting.
const allowed = 30 * time.Second

// virtual is a context whose deadline counts virtual time.
type virtual struct {
	context.Context
	until time.Time
	now   func() time.Time
}

func (v virtual) Deadline() (time.Time, bool) { return v.until, true }

func (v virtual) Err() error {
	if v.now().Before(v.until) {
		return nil
	}
	return context.DeadlineExceeded
}

// slowDials is how many calls, one in so many, open a connection slowly where a
// budget counts: the limiter must hold their place meanwhile.
const slowDials = 20

// dial is the time between being let go and leaving.
func (g *gate) dial(t *task) {
	if b := g.w.budgets[g.wire.v.name]; b.perSecond+b.perTenSeconds == 0 {
		return
	}
	if g.w.travel.IntN(slowDials) == 0 {
		t.sleep(time.Duration(g.w.travel.Int64N(int64(3 * time.Second))))
	}
}

// takeOff notes a call that leaves; landing is to be called at its end.
func (g *gate) takeOff(req *http.Request) (landing func()) {
	at := g.w.s.now.Add(time.Duration(g.w.travel.Int64N(int64(jitter))))
	for i, win := range g.windows {
		if win.Applies == nil || win.Applies(req) {
			g.seen[i] = append(g.seen[i], at)
		}
	}
	if g.flying++; g.most > 0 && g.flying > g.most {
		g.w.violate("I11", "", "%d calls to %s in flight, allowed are %d", g.flying, g.wire.v.name, g.most)
	}
	return func() { g.flying-- }
}

// checkRate is I11 at the vendor's gate: in no window more calls than its limit.
// It holds per life of a replica, and so the vendor sees at most the limit times
// the lives that called within the window: a budget is that of one process, and
// one that starts does not know what its predecessor has just spent. Requests
// that the network held up for minutes are left out, as no limiter can know of
// them.
func (w *world) checkRate() {
	for _, g := range w.gates {
		for i, win := range g.windows {
			if n, at := overdrawn(g.seen[i], win.Max, win.Per); n > 0 {
				w.violate("I11", "", "%s saw %d calls of one replica in a window %s that allows %d per %v, at %v",
					g.wire.v.name, n, win.Name, win.Max, win.Per, at.Sub(start))
			}
		}
	}
}

// overdrawn looks for an interval of the given length, its end not included,
// with more calls than most; 0 if there is none.
func overdrawn(seen []time.Time, most int, per time.Duration) (n int, from time.Time) {
	seen = slices.SortedFunc(slices.Values(seen), time.Time.Compare)
	first := 0
	for last, t := range seen {
		for !seen[first].Add(per).After(t) {
			first++
		}
		if last-first+1 > most {
			return last - first + 1, seen[first]
		}
	}
	return 0, time.Time{}
}

func (b budget) String() string {
	return fmt.Sprintf("%d/s %d/10s %d at once", b.perSecond, b.perTenSeconds, b.inFlight)
}

package ratelimit

import (
	"container/list"
	"context"
	"net/http"
	"time"
)

// waiter is one call from its arrival to the end of its answer.
type waiter struct {
	lane    Lane
	windows []*window
	// deadline is the context's, since the epoch; ok says that there is one.
	deadline time.Duration
	ok       bool

	ready chan struct{} // closed when let go or refused

	// Guarded by Limiter.mu.
	el      *list.Element // in the queue, nil when not
	granted bool
	refused *NotSentError
	stamped bool // sent, as far as the windows are concerned
}

// queue holds the waiters: live ones first, each class in order of arrival.
type queue struct{ live, other list.List }

func (q *queue) of(lane Lane) *list.List {
	if lane == Live {
		return &q.live
	}
	return &q.other
}

func (q *queue) len() int { return q.live.Len() + q.other.Len() }

// each visits in order of turn; f may take its waiter out, and ends it by false.
func (q *queue) each(f func(*waiter) bool) {
	for _, class := range []*list.List{&q.live, &q.other} {
		for el := class.Front(); el != nil; {
			next := el.Next()
			if !f(el.Value.(*waiter)) {
				return
			}
			el = next
		}
	}
}

func (q *queue) remove(w *waiter) {
	q.of(w.lane).Remove(w.el)
	w.el = nil
}

func (l *Limiter) newWaiter(ctx context.Context, req *http.Request) *waiter {
	w := &waiter{lane: LaneOf(ctx), ready: make(chan struct{})}
	for _, win := range l.windows {
		if win.applies(req) {
			w.windows = append(w.windows, win)
		}
	}
	if t, ok := ctx.Deadline(); ok {
		w.deadline, w.ok = t.Sub(l.epoch), true
	}
	return w
}

// wait gives nil when the call may go, and then a place is taken in each of
// its windows; else a *NotSentError and no place is taken.
func (l *Limiter) wait(ctx context.Context, w *waiter) error {
	l.mu.Lock()
	if err := ctx.Err(); err != nil {
		defer l.mu.Unlock()
		return l.notSent(w, err)
	}
	w.el = l.queue.of(w.lane).PushBack(w)
	l.dispatch()
	l.mu.Unlock()
	l.o.Wait(ctx, w.ready)
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.refused != nil {
		return w.refused
	}
	err := ctx.Err()
	if err == nil {
		return nil
	}
	// The context ended while waiting, or just as the call was let go: it has
	// not been made, so its places go back.
	if w.granted {
		for _, win := range w.windows {
			win.unsent--
		}
		l.inFlight--
	} else {
		l.queue.remove(w)
	}
	l.dispatch()
	return l.notSent(w, err)
}

// dispatch lets go whom it can, in order, and sets the alarm for the next.
// A full window stops the calls that count in it; others may pass by, since
// they take nothing that the stopped ones could use now. mu is held.
func (l *Limiter) dispatch() {
	now := l.now()
	l.refuseHopeless(now)
	if now >= l.until {
		for _, win := range l.windows {
			win.prune(now)
		}
		l.queue.each(func(w *waiter) bool {
			if l.crowded() {
				return false
			}
			if w.blocker() == nil {
				l.grant(w)
			}
			return true
		})
	}
	l.setAlarm(now)
}

// crowded says that no call whatever can go now. mu is held.
func (l *Limiter) crowded() bool {
	if l.o.Concurrency > 0 && l.inFlight >= l.o.Concurrency {
		return true
	}
	for _, win := range l.windows {
		if win.Applies == nil && win.full() {
			return true
		}
	}
	return false
}

// blocker is a window that stops the call, nil if none does.
func (w *waiter) blocker() *window {
	for _, win := range w.windows {
		if win.full() {
			return win
		}
	}
	return nil
}

func (l *Limiter) grant(w *waiter) {
	l.queue.remove(w)
	w.granted = true
	l.inFlight++
	for _, win := range w.windows {
		win.unsent++
	}
	close(w.ready)
}

// refuseHopeless sends away whoever cannot be let go before its deadline
// whatever happens, so that a worker does not wait for nothing. mu is held.
func (l *Limiter) refuseHopeless(now time.Duration) {
	l.queue.each(func(w *waiter) bool {
		if w.ok && w.deadline > now && l.earliest(w) > w.deadline {
			l.queue.remove(w)
			w.refused = l.notSent(w, context.DeadlineExceeded)
			close(w.ready)
		}
		return true
	})
}

// earliest is a time before which the call cannot go. mu is held.
func (l *Limiter) earliest(w *waiter) time.Duration {
	at := l.until
	for _, win := range w.windows {
		if t, known := win.free(); known {
			at = max(at, t)
		}
	}
	return at
}

// notSent builds the error of a call that is not let go. mu is held.
func (l *Limiter) notSent(w *waiter, err error) *NotSentError {
	now := l.now()
	e := &NotSentError{System: l.o.System, Why: "its turn", Err: err}
	e.After = max(0, l.earliest(w)-now)
	switch win := w.blocker(); {
	case now < l.until:
		e.Why = "the end of a pause: " + l.why
	case win != nil:
		e.Why = "the limit " + win.Name
	case l.o.Concurrency > 0 && l.inFlight >= l.o.Concurrency:
		e.Why = "one of its calls in flight to end"
	}
	return e
}

// sent starts the call's time in its windows; net/http tells when the headers
// were written. A second time means that net/http sent the call again.
func (l *Limiter) sent(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stamp(w)
	l.dispatch()
}

func (l *Limiter) stamp(w *waiter) {
	now := l.now()
	for _, win := range w.windows {
		if !w.stamped {
			win.unsent--
		}
		win.log = append(win.log, now)
	}
	w.stamped = true
}

// answered starts the call's time in its windows if nobody told that it was
// sent: a Base that is not net/http, or a dial that failed.
func (l *Limiter) answered(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !w.stamped {
		l.stamp(w)
		l.dispatch()
	}
}

// release ends the call's flight.
func (l *Limiter) release(*waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	l.dispatch()
}

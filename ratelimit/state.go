package ratelimit

import "time"

// unknownWait is what Ready answers when only the end of a call in flight,
// and no point in time, will make room.
const unknownWait = 100 * time.Millisecond

// alarm is a dispatch that is due later.
type alarm struct {
	at   time.Duration
	stop func()
}

// now is the time since the epoch. It never goes back. mu is held.
func (l *Limiter) now() time.Duration {
	l.last = max(l.last, l.o.Now().Sub(l.epoch))
	return l.last
}

func (l *Limiter) since() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now()
}

// setAlarm arranges for a dispatch when time alone makes room for a waiter.
// Without waiters nothing runs. mu is held.
func (l *Limiter) setAlarm(now time.Duration) {
	at, ok := l.nextRoom(now)
	if l.alarm != nil {
		if ok && l.alarm.at == at {
			return
		}
		l.alarm.stop()
		l.alarm = nil
	}
	if !ok {
		return
	}
	mine := &alarm{at: at}
	l.alarm = mine
	mine.stop = l.o.After(at-now, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.alarm == mine {
			l.alarm = nil
			l.dispatch()
		}
	})
}

// nextRoom is the first time after now at which a window or the end of the
// pause may let a waiter go. mu is held.
func (l *Limiter) nextRoom(now time.Duration) (time.Duration, bool) {
	if l.queue.len() == 0 {
		return 0, false
	}
	if l.until > now {
		return l.until, true
	}
	var at time.Duration
	found := false
	for _, win := range l.windows {
		if t, known := win.free(); win.full() && known && (!found || t < at) {
			at, found = t, true
		}
	}
	return max(at, now), found
}

// Pause stops the whole system for d. Of two pauses the later end counts, with
// its reason. Calls in flight go on; waiting ones whose deadline lies before
// the end come back at once.
func (l *Limiter) Pause(d time.Duration, why string) {
	d = min(max(d, 0), MaxRetryAfter)
	l.mu.Lock()
	defer l.mu.Unlock()
	if end := l.now() + d; d > 0 && end > l.until {
		l.until, l.why = end, why
	}
	l.dispatch()
}

// PausedUntil gives the end of the pause and its reason; the zero time when
// the system is not paused.
func (l *Limiter) PausedUntil() (time.Time, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now() >= l.until {
		return time.Time{}, ""
	}
	return l.epoch.Add(l.until), l.why
}

// Ready says whether a call could go now without waiting: 0, or else how long
// it will take, as far as is known. Windows that count only some calls are
// left out, since the call is not there yet. A worker asks this before it
// claims work, so that a throttled system fills no worker pool.
func (l *Limiter) Ready() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	wait := l.until - now
	if l.queue.len() > 0 || (l.o.Concurrency > 0 && l.inFlight >= l.o.Concurrency) {
		wait = max(wait, unknownWait)
	}
	for _, win := range l.windows {
		win.prune(now)
		if win.Applies != nil || !win.full() {
			continue
		}
		if t, known := win.free(); known {
			wait = max(wait, t-now)
		} else {
			wait = max(wait, unknownWait)
		}
	}
	return max(wait, 0)
}

// State is the limiter at one moment, for metrics and pages.
type State struct {
	System      string
	Windows     []WindowState
	InFlight    int
	Concurrency int // 0 = no limit
	Waiting     map[Lane]int
	PausedUntil time.Time // zero when not paused
	PauseReason string
}

// WindowState is how full a window is. Limit is Max less the headroom.
type WindowState struct {
	Name       string
	Used       int
	Limit, Max int
	Per        time.Duration
}

// State gives a snapshot.
func (l *Limiter) State() State {
	until, why := l.PausedUntil()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := State{
		System: l.o.System, InFlight: l.inFlight, Concurrency: l.o.Concurrency,
		Waiting: map[Lane]int{}, PausedUntil: until, PauseReason: why,
	}
	now := l.now()
	for _, win := range l.windows {
		win.prune(now)
		s.Windows = append(s.Windows, WindowState{Name: win.Name, Used: win.used(), Limit: win.limit, Max: win.Max, Per: win.Per})
	}
	l.queue.each(func(w *waiter) bool {
		s.Waiting[w.lane]++
		return true
	})
	return s
}

package flows

import (
	"context"
	"errors"
	"sync"
	"time"

	"syncd/connectors"
)

// health is the circuit breaker of one system: while it is open nothing of
// that system is claimed, and work that needs it waits in the queue. After the
// pause one batch is the probe (CORRECTNESS F57, F69).
type health struct {
	mu       sync.Mutex
	until    time.Time
	failures int
	sentence string // what is wrong, for people; "" while all is well
	scope    scope  // what has to go well before it is over
}

// scope is what a trouble is about. Reads that go well do not disprove that
// writes are forbidden; the zero scope is everything.
type scope struct {
	object string
	write  bool
}

const (
	outagePause    = time.Second
	outagePauseCap = time.Minute
	// setupPause is how often a dead credential or a missing field is tried.
	setupPause = 30 * time.Second
)

func (h *health) open(until time.Time, sentence string, about scope) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until.After(h.until) {
		h.until = until
	}
	news = h.sentence != sentence
	h.sentence, h.scope = sentence, about
	return news
}

// failed counts an outage and gives the pause it earns.
func (h *health) failed() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures++
	return min(outagePauseCap, outagePause<<min(h.failures-1, 6))
}

func (h *health) well(did scope) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sentence != "" && h.scope != (scope{}) && h.scope != did {
		return false
	}
	news = h.sentence != ""
	h.until, h.failures, h.sentence = time.Time{}, 0, ""
	return news
}

func (h *health) state() (time.Time, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until, h.sentence
}

// suspended gives how long nothing should be asked of a system: its breaker is
// open, or its rate limit pauses.
func (e *Engine) suspended(system string) time.Duration {
	now := e.Now()
	until, _ := e.health[system].state()
	if s := e.systems[system]; s.Pacer != nil {
		if paused, _ := s.Pacer.PausedUntil(); paused.After(until) {
			until = paused
		}
	}
	return max(0, until.Sub(now))
}

// Troubles gives a sentence per system that is not well, for status pages.
func (e *Engine) Troubles() map[string]string {
	out := map[string]string{}
	for name, h := range e.health {
		if _, sentence := h.state(); sentence != "" {
			out[name] = sentence
		}
	}
	return out
}

// aboutSystem says that an error of one record is about its whole system too.
func aboutSystem(err *connectors.Error) bool {
	switch err.Kind {
	case connectors.KindThrottled, connectors.KindAuth, connectors.KindConfig:
		return true
	}
	return false
}

// noteTrouble takes from an error what it says about its whole system. A call
// that we gave up ourselves, at a drain or a lease's end, says nothing.
func (e *Engine) noteTrouble(system string, err *connectors.Error, wrote bool) {
	if errors.Is(err, context.Canceled) {
		return
	}
	h := e.health[system]
	now := e.Now()
	switch err.Kind {
	case connectors.KindThrottled:
		if s := e.systems[system]; s.Pacer != nil {
			s.Pacer.Pause(max(err.RetryAfter, time.Second), err.Code)
		} else {
			h.open(now.Add(max(err.RetryAfter, time.Second)), "over its rate limit", scope{})
		}
		return
	case connectors.KindAuth:
		e.Observe.SystemOK(system, false)
		e.say(h, system, now.Add(setupPause), "refuses the credential: renew it; work stays queued until then", err, wrote)
	case connectors.KindForbidden:
		e.say(h, system, now.Add(setupPause), "forbids "+err.Op+" on "+err.Object+": grant the right; work stays queued until then", err, wrote)
	case connectors.KindConfig:
		what := err.Object
		if err.Field != "" {
			what += " has no field " + err.Field
			if e.SchemaDoubt != nil {
				e.SchemaDoubt(system, err.Object, err.Field)
			}
		}
		e.say(h, system, now.Add(setupPause), what+": correct the mapping or make the field in "+system+"; work stays queued until then", err, wrote)
	default:
		if outage(err) {
			pause := h.failed()
			e.say(h, system, now.Add(e.between(pause/2, pause)), "does not answer: changes wait in the queue", err, wrote)
		}
	}
}

func (e *Engine) say(h *health, system string, until time.Time, sentence string, err *connectors.Error, wrote bool) {
	about := scope{}
	if err.Kind == connectors.KindForbidden || err.Kind == connectors.KindConfig {
		about = scope{err.Object, wrote}
	}
	if h.open(until, sentence, about) {
		e.Logger.Error(system+" "+sentence, "event", "system.trouble", "system", system, "kind", string(err.Kind), "code", err.Code, "field", err.Field, "error", err)
	}
}

// well notes that a system answered as it should.
func (e *Engine) well(at place, wrote bool) {
	if e.health[at.system].well(scope{at.object, wrote}) {
		e.Logger.Info(at.system+" answers again", "event", "system.well", "system", at.system)
	}
	e.Observe.SystemOK(at.system, true)
}

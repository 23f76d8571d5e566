package flows

import (
	"context"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/store"
)

// The index lag of class search is an assumption about the vendor. It is
// measured: of our own creates some are looked up by their token until they
// show (CORRECTNESS F9). What is sampled is kept in memory: a sample that a
// restart loses is only one fewer.

const (
	// causeLag is the cause of a look at a sampled create.
	causeLag = "lag_probe"
	// lagFirst is when a create is first looked up; the wait doubles each time.
	lagFirst = 2 * time.Second
	// lagAll is how many creates of an object are sampled in lagSpan: of what
	// goes beyond them, lagShare is.
	lagAll   = 10
	lagSpan  = time.Minute
	lagShare = 0.01
	// lagForget drops a sample that nothing was heard of.
	lagForget = time.Hour
	// lagGiveUp ends a sample at so many times the lag that is assumed.
	lagGiveUp = 4
)

// sample is a create that is looked up until it shows.
type sample struct {
	token string
	made  time.Time
	wait  time.Duration // until the next look-up
}

// sampleKey is a record.
type sampleKey struct {
	place
	id string
}

// sampleLag takes bound creates of class search as samples and asks for a look
// at each.
func (b *batch) sampleLag(ctx context.Context, at place, list []*send) {
	if b.object(at).CreateClass != connectors.ClassSearch {
		return
	}
	now := b.Now()
	var hints []store.Hint
	for _, s := range list {
		id := s.member.stored.RecordID
		if id == "" || s.repeat || !b.sampled(at, now) {
			continue // the answer of a repeat says nothing about when the record was made
		}
		b.mu.Lock()
		b.samples[sampleKey{at, id}] = sample{token: s.unit.token, made: now, wait: lagFirst}
		b.mu.Unlock()
		hints = append(hints, store.Hint{System: at.system, Object: at.object, RecordID: id, Lane: store.LaneSweep, Delay: lagFirst, Cause: causeLag})
	}
	if len(hints) == 0 {
		return
	}
	if err := b.Store.Enqueue(ctx, hints); err != nil {
		b.Logger.Debug("index lag is not measured", "event", "create.lag", "system", at.system, "object", at.object, "error", err)
	}
}

// sampled says whether one more create of an object is a sample.
func (e *Engine) sampled(at place, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.rates[at]
	if now.Sub(r.began) >= lagSpan {
		r = rate{began: now}
	}
	r.n++
	e.rates[at] = r
	for key, s := range e.samples {
		if now.Sub(s.made) > lagForget {
			delete(e.samples, key) // its row was another replica's, or is parked
		}
	}
	return r.n <= lagAll || e.Rand() < lagShare
}

// rate counts the creates of an object in a span.
type rate struct {
	began time.Time
	n     int
}

// probeLag looks the sampled records of the batch up by token: one call for all
// of them. What does not show yet comes back.
func (b *batch) probeLag(ctx context.Context) {
	now := b.Now()
	rows := map[string]*row{} // by token
	var tokens []string
	b.mu.Lock()
	for _, r := range b.rows {
		s, is := b.samples[sampleKey{b.place, r.work.RecordID}]
		switch early := s.made.Add(s.wait).Sub(now); {
		case !is:
		case early > 0: // its echo came first
			b.comesBack(r, early)
		default:
			rows[s.token], tokens = r, append(tokens, s.token)
		}
	}
	b.mu.Unlock()
	if len(tokens) == 0 || b.beat.left() < b.callTimeout()+time.Second {
		return
	}
	field := b.object(b.place).TokenField
	found, err := b.find(ctx, b.place, field, tokens)
	if err != nil {
		return // the vendor is not well, which is no lag: it is tried with the next look
	}
	shown := map[string]bool{}
	for _, r := range found {
		shown[strings.ToLower(strings.TrimSpace(r.Values[field]))] = true
	}
	for _, t := range tokens {
		b.probed(rows[t], shown[t])
	}
}

// probed takes in whether a sample showed.
func (b *batch) probed(r *row, shown bool) {
	key, obj, now := sampleKey{b.place, r.work.RecordID}, b.object(b.place), b.Now()
	b.mu.Lock()
	s := b.samples[key]
	lag := now.Sub(s.made)
	over := shown || lag > lagGiveUp*max(obj.IndexLag, lagFirst)
	if s.wait *= 2; over {
		delete(b.samples, key)
	} else {
		b.samples[key] = s
	}
	b.mu.Unlock()
	if over {
		b.Observe.IndexLag(b.place.system, b.place.object, lag)
		if lag > obj.IndexLag {
			b.Logger.Warn("a look-up by reference lags longer than assumed: a create without an answer may be repeated too soon", "event", "create.lag",
				"system", b.place.system, "object", b.place.object, "lag_s", lag.Seconds(), "assumed_s", obj.IndexLag.Seconds(), "shown", shown)
		}
		return
	}
	b.comesBack(r, s.made.Add(s.wait).Sub(now))
}

// comesBack has a row that is through run once more. One that comes back
// anyway, or waits for a person, is left as it is.
func (b *batch) comesBack(r *row, after time.Duration) {
	switch {
	case r.finish == nil && r.unit != nil && r.unit.confirm:
	case r.finish == nil:
		b.end(r, "lag_probe", store.Finish{Disposition: store.Again, After: after, Blame: b.unblamed(r)})
	case r.finish.Disposition == store.Done:
		r.finish.Disposition, r.finish.After, r.finish.Blame = store.Again, after, b.unblamed(r)
		r.reason = causeLag
	}
}

package flows

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"syncd/connectors"
	"syncd/store"
)

// request is one batched read of an object.
type request struct {
	place place
	ids   []string
}

// readAll makes the reads side by side and gives sightings by place and id.
func (b *batch) readAll(ctx context.Context, requests []request) (map[place]map[string]connectors.Sighting, map[place]*connectors.Error) {
	found, failed := map[place]map[string]connectors.Sighting{}, map[place]*connectors.Error{}
	var mu sync.Mutex
	var calls []func()
	for _, rq := range requests {
		calls = append(calls, func() {
			got, err := b.read(ctx, rq)
			mu.Lock()
			defer mu.Unlock()
			found[rq.place] = got
			if err != nil {
				failed[rq.place] = err
			}
		})
	}
	b.Together(calls)
	b.beat.progress()
	return found, failed
}

// read reads records in as many calls as it takes. It runs on a goroutine of its
// own, where a panic would end the process: an answer that a connector cannot
// bear is a failure of that call (F59).
func (b *batch) read(ctx context.Context, rq request) (out map[string]connectors.Sighting, failed *connectors.Error) {
	defer func() {
		if p := recover(); p != nil {
			b.Logger.Error("panic in a connector", "event", "connector.panic", "system", rq.place.system, "object", rq.place.object,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			failed = &connectors.Error{Kind: connectors.KindBug, System: rq.place.system, Object: rq.place.object, Op: "read", WholeCall: true}
		}
	}()
	sys, size := b.systems[rq.place.system], max(1, b.object(rq.place).ReadBatch)
	out = make(map[string]connectors.Sighting, len(rq.ids))
	for start := 0; start < len(rq.ids); start += size {
		part := rq.ids[start:min(start+size, len(rq.ids))]
		sights, err := sys.Conn.Read(ctx, rq.place.object, part, b.projection[rq.place])
		if err != nil {
			return out, b.trouble(rq.place.system, err)
		}
		b.well(rq.place, false)
		shown := make([]connectors.Record, 0, len(sights))
		for _, s := range sights {
			out[s.Asked] = s
			shown = append(shown, s.Record)
		}
		if err := b.referRecords(ctx, rq.place, shown); err != nil {
			return out, err
		}
	}
	return out, nil
}

// readFirst reads the claimed records and, beside them, the other sides of
// units whose hint is probably no echo. false: the source could not be read.
func (b *batch) readFirst(ctx context.Context) bool {
	var ids []string
	now := b.Now()
	others := map[place][]string{}
	for _, r := range b.rows {
		if r.finish != nil {
			continue
		}
		ids = append(ids, r.work.RecordID)
		if r.unit != nil && !r.unit.orphan && !r.unit.echoLikely(now) {
			b.askOthers(r.unit, others)
		}
	}
	if len(ids) == 0 {
		return false
	}
	requests := append([]request{{b.place, ids}}, requestsOf(others)...)
	found, failed := b.readAll(ctx, requests)
	if err := failed[b.place]; err != nil {
		for _, r := range b.rows {
			b.end(r, string(err.Kind), b.outcome(r, err))
		}
		for _, u := range b.open() {
			u.ended = &store.Finish{Disposition: store.Again}
		}
		return false
	}
	for _, r := range b.rows {
		if r.finish == nil {
			s := found[b.place][r.work.RecordID]
			r.sight = &s
			if r.work.Erase == "" && (r.unit == nil || !r.unit.orphan) {
				b.see(ctx, r)
			}
		}
	}
	delete(failed, b.place)
	b.showOthers(found, failed)
	return true
}

// see judges how the claimed record itself was seen.
func (b *batch) see(ctx context.Context, r *row) {
	age := b.Now().Sub(r.work.FirstHint)
	s := r.sight
	switch s.Sight {
	case connectors.SightFound:
		if s.Record.ID != r.work.RecordID {
			if r.unit == nil { // an old id, or nobody's: it leads to the one that lives on
				b.lead(b.place, s.Record.ID, causeMerge)
				b.end(r, whyMerged, store.Finish{Disposition: store.Done})
				return
			}
			b.moved(r.unit, b.place, s.Record, whyMerged)
			return
		}
		if r.work.HintVersion != "" && s.Record.Version != "" && s.Record.Version < r.work.HintVersion && age < staleReadPatience {
			b.endRow(r, "stale_read", store.Finish{Disposition: store.Again, After: max(time.Second, age), Blame: b.unblamed(r)})
			return
		}
		if r.work.Cause == store.CauseDeletion && r.unit != nil && age < missingPatience {
			// Announced before its commit: the record is there still (vendors/odoo.md 11).
			b.endRow(r, "not_seen_yet", store.Finish{Disposition: store.Again, After: b.between(time.Second, 2*time.Second), Blame: b.unblamed(r)})
			return
		}
		if r.unit != nil && r.unit.ended == nil {
			b.showSource(r)
		}
	case connectors.SightDenied:
		b.endRow(r, "denied", store.Finish{Disposition: store.Parked, Reason: "denied", Error: "the credential may not see this record"})
	case connectors.SightArchived:
		b.unseen(r)
	default:
		if told := r.work.Cause == store.CauseDeletion || r.work.Cause == store.CauseUnlisted; age < missingPatience && !told {
			// Announced before its commit, or a read replica that lags (F21).
			b.endRow(r, "not_seen_yet", store.Finish{Disposition: store.Again, After: b.between(time.Second, 2*time.Second), Blame: b.unblamed(r)})
			return
		}
		b.unseen(r)
	}
}

const (
	// staleReadPatience is how long a read older than its hint is tried again, at
	// 1, 2, 4 … s; then it is accepted and the rest is the sweep's (F21).
	staleReadPatience = time.Minute
	// missingPatience is how long an announced record may take to appear.
	missingPatience = 10 * time.Second
)

// unseen takes in that the claimed record is not there, or in the bin. A stranger is
// left alone; what that means for a member is told by lose.
func (b *batch) unseen(r *row) {
	switch {
	case r.unit == nil:
		b.endRow(r, string(r.sight.Sight), store.Finish{Disposition: store.Done})
	case r.unit.ended == nil && r.unit.member(b.place.system) != nil:
		r.unit.member(b.place.system).lost = absence{sight: r.sight.Sight, told: r.work.Cause}
	}
}

// endRow ends a row and, since a unit is one decision, its unit.
func (b *batch) endRow(r *row, reason string, f store.Finish) {
	if r.unit != nil {
		b.endUnit(r.unit, reason, f)
		return
	}
	b.end(r, reason, f)
}

func (b *batch) showSource(r *row) {
	m := r.unit.member(b.place.system)
	if m == nil {
		b.endRow(r, "no_member", store.Finish{Disposition: store.Parked, Reason: "no_member", Error: "the link has no side in " + b.place.system})
		return
	}
	rec := r.sight.Record
	if m.stored.Birth != "" && birthText(rec.Born) != "" && birthText(rec.Born) != m.stored.Birth {
		b.endRow(r, "reused_id", store.Finish{Disposition: store.Parked, Reason: "reused_id",
			Error: "the record was born at another time than the one that was paired: " + b.place.system + " gave its id to another record"})
		return
	}
	if !m.rule.Listen && m.side.Intent == nil {
		b.endRow(r, "not_listened", store.Finish{Disposition: store.Done})
		return
	}
	r.unit.show(m, &rec, false)
	m.findApplied()
}

// askOthers notes the other bound sides of a unit that were not read yet.
func (b *batch) askOthers(u *unit, into map[place][]string) {
	if u.ended != nil {
		return
	}
	for _, m := range u.members {
		p := place{m.stored.System, m.stored.Object}
		if m.record == nil && m.stored.RecordID != "" && m.stored.State.Bound() && p != b.place {
			into[p] = append(into[p], m.stored.RecordID)
		}
	}
}

func requestsOf(asked map[place][]string) []request {
	var out []request
	for _, p := range sortedPlaces(asked) {
		out = append(out, request{p, dedupe(asked[p])})
	}
	return out
}

func dedupe[T comparable](ids []T) []T {
	seen := map[T]bool{}
	out := ids[:0:0]
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// readRest reads the sides that are still unread.
func (b *batch) readRest(ctx context.Context) {
	asked := map[place][]string{}
	for _, u := range b.open() {
		b.askOthers(u, asked)
	}
	if len(asked) == 0 {
		return
	}
	found, failed := b.readAll(ctx, requestsOf(asked))
	b.showOthers(found, failed)
}

// showOthers gives what was read to the sides that asked.
func (b *batch) showOthers(found map[place]map[string]connectors.Sighting, failed map[place]*connectors.Error) {
	for _, u := range b.open() {
		for _, m := range u.members {
			p := place{m.stored.System, m.stored.Object}
			if p == b.place || m.record != nil || m.stored.RecordID == "" {
				continue
			}
			if err := failed[p]; err != nil {
				b.endUnit(u, string(err.Kind), b.outcome(u.rows[0], err))
				continue
			}
			s, asked := found[p][m.stored.RecordID]
			if !asked {
				continue
			}
			b.showOther(u, m, s)
		}
	}
}

func (b *batch) showOther(u *unit, m *member, s connectors.Sighting) {
	where := m.where()
	switch {
	case s.Sight == connectors.SightFound && s.Record.ID == m.stored.RecordID:
		rec := s.Record
		u.show(m, &rec, false)
		m.findApplied()
	case s.Sight == connectors.SightFound:
		b.moved(u, place{m.stored.System, m.stored.Object}, s.Record, whyMerged)
	case s.Sight == connectors.SightDenied:
		b.endUnit(u, "denied", store.Finish{Disposition: store.Parked, Reason: "denied", Error: "the credential may not see " + where})
	default:
		m.lost = absence{sight: s.Sight}
	}
}

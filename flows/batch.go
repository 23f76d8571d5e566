package flows

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"syncd/connectors"
	"syncd/flows/plan"
	"syncd/store"
)

// batch is up to N rows of one queue, brought through in step. The law: it ends
// as some serial order of its rows, each run alone, could have ended
// (CORRECTNESS 3.7).
type batch struct {
	*Engine
	queue   store.Queue
	place   place
	started time.Time
	rows    []*row
	units   []*unit
	extra   []store.LeaseRef // leases of identities that were met but not brought along
	beat    *heartbeat
}

// writeRounds: the second carries the inverse ids of members that the first bound.
const writeRounds = 2

// Run claims what is due in a queue and brings it to an end. It gives the
// number of rows it took.
func (e *Engine) Run(ctx context.Context, q store.Queue) (int, error) {
	p := place{q.System, q.Object}
	if e.suspended(q.System) > 0 {
		return 0, nil
	}
	began := e.Now()
	claimed, err := e.Store.Claim(ctx, store.ClaimRequest{
		System: q.System, Object: q.Object, Lane: q.Lane,
		Max: max(1, e.object(p).ReadBatch), Owner: e.Owner, Lease: e.Lease,
	})
	if err != nil {
		return 0, fmt.Errorf("claim work of %s %s: %w", q.System, q.Object, err)
	}
	if len(claimed) == 0 {
		return 0, nil
	}
	b := &batch{Engine: e, queue: q, place: p, started: began}
	b.adopt(claimed)
	b.beat = e.startHeartbeat(ctx, began, b)
	for _, u := range b.units {
		b.beat.covers(store.LeaseRef{ID: u.id, Epoch: u.epoch})
	}
	defer b.beat.stop()
	b.guarded(func() { b.process(b.beat.ctx) })
	// What was learned is committed even when the deadline or a drain ended the
	// work: persist is fenced, so it cannot do harm.
	pctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer cancel()
	return len(claimed), b.persist(pctx)
}

// persistTimeout bounds the transaction that ends a batch.
const persistTimeout = 10 * time.Second

// guarded keeps a panic in this batch: its rows go again, each alone in the end.
func (b *batch) guarded(f func()) {
	defer func() {
		if p := recover(); p != nil {
			b.Logger.Error("panic in a batch", "event", "batch.panic", "system", b.place.system, "object", b.place.object,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			for _, r := range b.rows {
				b.end(r, "panic", store.Finish{Disposition: store.Again, After: b.between(time.Second, 5*time.Second), WholeCall: true, Error: "internal error"})
			}
		}
	}()
	f()
}

func (b *batch) process(ctx context.Context) {
	b.turnAway()
	if !b.readFirst(ctx) {
		return
	}
	b.finishQuiet()
	b.confirm()
	b.resolveStrangers(ctx)
	b.settleCreates(ctx)
	b.matchCreates(ctx)
	b.readRest(ctx)
	b.guard()
	for round := range writeRounds {
		if !b.writeRound(ctx, round) {
			break
		}
	}
}

// adopt turns what was claimed into rows and units.
func (b *batch) adopt(claimed []store.Claimed) {
	units := map[*store.Identity]*unit{}
	for i := range claimed {
		r := &row{work: claimed[i].Work}
		b.rows = append(b.rows, r)
		id := claimed[i].Identity
		if id == nil {
			continue
		}
		u, known := units[id]
		if !known {
			var err error
			if u, err = b.newUnit(id, b.place.system); err != nil {
				b.end(r, "broken", store.Finish{Disposition: store.Parked, Reason: "broken", Error: err.Error()})
				continue
			}
			units[id] = u
			b.units = append(b.units, u)
		}
		r.unit = u
		u.rows = append(u.rows, r)
	}
}

// attemptCap is where a record is given up on: about two hours of work (3.4).
const attemptCap = 12

// turnAway ends rows that must not be touched: given up on, leased elsewhere,
// or in need of a system that is down.
func (b *batch) turnAway() {
	for _, r := range b.rows {
		switch {
		case r.finish != nil:
		case r.work.Attempts > attemptCap:
			b.end(r, "attempts", store.Finish{Disposition: store.Dead, Reason: "attempts",
				Error: fmt.Sprintf("given up after %d attempts", r.work.Attempts-1)})
		case r.unit != nil && r.unit.epoch == 0:
			b.end(r, "leased_elsewhere", store.Finish{Disposition: store.Again, After: b.between(300*time.Millisecond, time.Second), Blame: b.unblamed(r)})
		case r.unit != nil:
			if wait := b.othersDown(r.unit); wait > 0 {
				b.end(r, "system_down", store.Finish{Disposition: store.Again, After: wait, Blame: b.unblamed(r)})
			}
		}
	}
	for _, u := range b.units {
		for _, r := range u.rows {
			if r.finish != nil && u.ended == nil {
				u.ended, u.reason = r.finish, r.reason
			}
		}
	}
}

func (b *batch) othersDown(u *unit) time.Duration {
	var wait time.Duration
	for _, m := range u.members {
		wait = max(wait, b.suspended(m.stored.System))
	}
	if wait > 0 {
		wait += b.between(0, time.Second)
	}
	return wait
}

// unblamed gives back the attempt that claiming a row alone cost it.
func (b *batch) unblamed(r *row) int {
	if r.work.Batch == 1 {
		return -1
	}
	return 0
}

// end closes a row; the first end counts.
func (b *batch) end(r *row, reason string, f store.Finish) {
	if r.finish != nil {
		return
	}
	f.WorkRef = r.work.WorkRef
	r.finish, r.reason = &f, reason
}

// endUnit closes a unit and all its rows.
func (b *batch) endUnit(u *unit, reason string, f store.Finish) {
	if u.ended != nil {
		return
	}
	u.ended, u.reason = &f, reason
	for _, r := range u.rows {
		b.end(r, reason, f)
	}
}

func (b *batch) open() []*unit {
	var out []*unit
	for _, u := range b.units {
		if u.ended == nil {
			out = append(out, u)
		}
	}
	return out
}

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

func (b *batch) read(ctx context.Context, rq request) (map[string]connectors.Sighting, *connectors.Error) {
	sys, size := b.systems[rq.place.system], max(1, b.object(rq.place).ReadBatch)
	out := make(map[string]connectors.Sighting, len(rq.ids))
	for start := 0; start < len(rq.ids); start += size {
		part := rq.ids[start:min(start+size, len(rq.ids))]
		sights, err := sys.Conn.Read(ctx, rq.place.object, part, b.projection[rq.place])
		if err != nil {
			return out, b.trouble(rq.place.system, err)
		}
		b.well(rq.place.system)
		for _, s := range sights {
			out[s.Asked] = s
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
		if r.unit != nil && !r.unit.echoLikely(now) {
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
			b.see(r)
		}
	}
	delete(failed, b.place)
	b.showOthers(found, failed)
	return true
}

// see judges how the claimed record itself was seen.
func (b *batch) see(r *row) {
	age := b.Now().Sub(r.work.FirstHint)
	s := r.sight
	switch s.Sight {
	case connectors.SightFound:
		if s.Record.ID != r.work.RecordID {
			b.endRow(r, "merged", store.Finish{Disposition: store.Parked, Reason: "merged", Error: "merged into record " + s.Record.ID})
			return
		}
		if r.work.HintVersion != "" && s.Record.Version != "" && s.Record.Version < r.work.HintVersion && age < staleReadPatience {
			b.endRow(r, "stale_read", store.Finish{Disposition: store.Again, After: time.Second, Blame: b.unblamed(r)})
			return
		}
		if r.unit != nil && r.unit.ended == nil {
			b.showSource(r)
		}
	case connectors.SightDenied:
		b.endRow(r, "denied", store.Finish{Disposition: store.Parked, Reason: "denied", Error: "the credential may not see this record"})
	case connectors.SightArchived:
		b.unseen(r, "archived", "archived in "+b.place.system)
	default:
		if age < missingPatience {
			// Announced before its commit, or a read replica that lags (F21).
			b.endRow(r, "not_seen_yet", store.Finish{Disposition: store.Again, After: b.between(time.Second, 2*time.Second), Blame: b.unblamed(r)})
			return
		}
		b.unseen(r, "missing", "not shown by "+b.place.system)
	}
}

const (
	// staleReadPatience is how long a read older than its hint is tried again (F21).
	staleReadPatience = 5 * time.Second
	// missingPatience is how long an announced record may take to appear.
	missingPatience = 10 * time.Second
)

// unseen: absence is no evidence of deletion (F37). A stranger is left alone, a
// member is parked and shown.
func (b *batch) unseen(r *row, reason, words string) {
	if r.unit == nil {
		b.endRow(r, reason, store.Finish{Disposition: store.Done})
		return
	}
	b.endRow(r, reason, store.Finish{Disposition: store.Parked, Reason: reason, Error: words})
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

func dedupe(ids []string) []string {
	seen := map[string]bool{}
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
	where := m.stored.System + " " + m.stored.Object + " " + m.stored.RecordID
	switch {
	case s.Sight == connectors.SightFound && s.Record.ID == m.stored.RecordID:
		rec := s.Record
		u.show(m, &rec, false)
	case s.Sight == connectors.SightFound:
		b.endUnit(u, "merged", store.Finish{Disposition: store.Parked, Reason: "merged", Error: where + " was merged into " + s.Record.ID})
	case s.Sight == connectors.SightArchived:
		b.endUnit(u, "partner_archived", store.Finish{Disposition: store.Parked, Reason: "partner_archived", Error: where + " is archived"})
	default:
		b.endUnit(u, "partner_missing", store.Finish{Disposition: store.Parked, Reason: "partner_missing", Error: where + " is not shown"})
	}
}

// finishQuiet ends echoes and no-ops: the source equals its own base and
// nothing is open. No other read, no fence (F25 layer 2).
func (b *batch) finishQuiet() {
	for _, u := range b.open() {
		m := u.member(b.place.system)
		if m == nil || m.record == nil || u.openCreate() {
			continue
		}
		if plan.Quiet(u.link.Rules, m.side, u.sides()) {
			b.endUnit(u, "no_change", store.Finish{Disposition: store.Done})
		} else if !m.rule.inScope(m.record.Values) {
			b.endUnit(u, "out_of_scope", store.Finish{Disposition: store.Done})
		}
	}
}

// openCreate says that a side of the unit has no record yet.
func (u *unit) openCreate() bool {
	for _, m := range u.members {
		if m.side.Presence == plan.Creating {
			return true
		}
	}
	return false
}

// confirm ends units whose source shows exactly what our open intent wrote:
// both bases move, and nothing else is read (CORRECTNESS 3.6).
func (b *batch) confirm() {
	for _, u := range b.open() {
		m := u.member(b.place.system)
		if m == nil || m.record == nil || u.openCreate() {
			continue
		}
		sides := u.sides()
		if plan.Confirms(u.link.Rules, m.side) {
			u.take(plan.Resolve(u.link.Rules, sides))
			b.endUnit(u, "confirmed", store.Finish{Disposition: store.Done})
		}
	}
}

func (b *batch) guard() {
	for _, u := range b.open() {
		for _, m := range u.members {
			if trip := plan.Guard(m.side); trip != plan.TripNone {
				b.endUnit(u, string(trip), store.Finish{Disposition: store.Parked, Reason: string(trip),
					Error: "most fields turned empty at once in " + m.stored.System})
			}
		}
	}
}

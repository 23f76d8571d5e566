package flows

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"syncd/failpoint"
	"syncd/flows/plan"
	"syncd/ratelimit"
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
	extra   []store.LeaseRef                // leases of identities that were met but not brought along
	looked  map[string]*store.Identity      // those of them that may be looked at again
	marks   map[string]store.IdentityUpdate // what is noted about identities of extra
	history []store.Entry                   // about records that are no identity's
	counted map[string]bool                 // links whose removals were counted
	beat    *heartbeat
	merges  map[mergeKey]*merging  // records that others went into
	ended   []store.IdentityUpdate // of identities that a merge ended
	moves   []store.Move
	leads   []store.Hint // looks that follow a merge
	refs    *referents
}

// writeRounds: the second carries the inverse ids of members that the first bound.
// Where the first made the key of a system of record, the second creates the others
// with it, and the third tells everybody. It also settles what the round before merged.
const writeRounds = 3

// How soon two that met look again.
const (
	shortly = 300 * time.Millisecond
	longer  = time.Second
)

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
	failpoint.Hit("after_claim")
	b := &batch{Engine: e, queue: q, place: p, started: began, looked: map[string]*store.Identity{}, marks: map[string]store.IdentityUpdate{},
		merges: map[mergeKey]*merging{}, counted: map[string]bool{}, refs: newReferents()}
	b.adopt(claimed)
	b.beat = e.startHeartbeat(ratelimit.WithLane(ctx, laneOfCalls[q.Lane]), began, b)
	for _, u := range b.units {
		b.beat.covers(store.LeaseRef{ID: u.id, Epoch: u.epoch})
	}
	defer b.beat.stop()
	b.guarded(func() { b.process(b.beat.ctx); b.settleMerges(b.beat.ctx) })
	// What was learned is committed even when the deadline or a drain ended the
	// work: persist is fenced, so it cannot do harm.
	pctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer cancel()
	return len(claimed), b.persist(pctx)
}

// laneOfCalls names the share of the budget that a queue's calls are made from.
var laneOfCalls = map[store.Lane]ratelimit.Lane{
	store.LaneLive: ratelimit.Live, store.LaneRetry: ratelimit.Retry, store.LaneSweep: ratelimit.Sweep, store.LaneBackfill: ratelimit.Backfill,
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
	b.passOverErased(ctx)
	if !b.readFirst(ctx) {
		return
	}
	b.carryOutErasures(ctx)
	b.orphans(ctx)
	b.absorbs(ctx)
	b.checkScope(ctx)
	b.losses(ctx, false)
	b.leftAlone(ctx)
	b.finishQuiet()
	b.confirm()
	b.leaveAside(ctx)
	b.comeBack(ctx)
	b.resolveStrangers(ctx)
	b.waitForOthers()
	b.checkContested(ctx)
	b.settleCreates(ctx)
	b.matchKeys(ctx)
	b.matchCreates(ctx)
	b.readRest(ctx)
	b.checkScope(ctx)
	b.losses(ctx, true)
	b.checkKeys(ctx)
	b.checkSharedIDs(ctx)
	b.guard()
	for round := range writeRounds {
		if !b.writeRound(ctx, round) {
			break
		}
	}
	b.wakePartners(ctx)
	b.probeLag(ctx)
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
				if id.Epoch != 0 {
					b.extra = append(b.extra, store.LeaseRef{ID: id.ID, Epoch: id.Epoch})
				}
				continue
			}
			units[id], u.refs = u, b.refs
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
		case r.work.Erase != "": // judged by itself
		case r.work.Attempts > attemptCap:
			b.end(r, "attempts", store.Finish{Disposition: store.Dead, Reason: "attempts",
				Error: fmt.Sprintf("given up after %d attempts", r.work.Attempts-1)})
		case r.unit != nil && r.unit.epoch == 0:
			b.end(r, "leased_elsewhere", b.meetAgain(r))
		case r.unit != nil && r.unit.stopped != "":
			b.end(r, "stopped", store.Finish{Disposition: store.Parked, Reason: "stopped", Error: r.unit.stopped})
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

// waitForOthers ends new identities that need a system that is down: it would
// only be asked to say so again.
func (b *batch) waitForOthers() {
	for _, u := range b.open() {
		if !u.born {
			continue
		}
		if wait := b.othersDown(u); wait > 0 {
			b.endUnit(u, "system_down", store.Finish{Disposition: store.Again, After: wait, Blame: b.unblamed(u.rows[0])})
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
		if plan.Confirms(u.link.Rules, m.side, sides) {
			u.take(plan.Resolve(u.link.Rules, sides))
			b.endUnit(u, "confirmed", store.Finish{Disposition: store.Done})
		}
	}
}

func (b *batch) guard() {
	for _, u := range b.open() {
		for _, m := range u.members {
			if len(m.unfit) > 0 {
				b.endUnit(u, "unmapped", store.Finish{Disposition: store.Parked, Reason: "unmapped",
					Error: m.stored.System + " holds a value that the link does not know, in " + strings.Join(m.unfit, ", ")})
			}
			if trip := plan.Guard(m.side); trip != plan.TripNone {
				b.endUnit(u, string(trip), store.Finish{Disposition: store.Parked, Reason: string(trip),
					Error: "most fields turned empty at once in " + m.stored.System})
			}
		}
	}
}

package flows

import (
	"context"
	"fmt"
	"slices"
	"time"

	"syncd/connectors"
	"syncd/failpoint"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

// heldDeletes is when a removal under a hold is looked at again: a mass delete must
// not cost reads all the while that a person thinks about it.
const heldDeletes = 5 * time.Minute

// removalWindow is how far back the breaker counts.
const removalWindow = time.Hour

// removing is one record that is to be removed because another one went.
type removing struct {
	unit   *unit
	member *member
	op     connectors.Op
}

// follow does what the links say for records that are proved to be gone.
func (b *batch) follow(ctx context.Context, due []*unit) {
	sends := map[place][]*removing{}
	for _, u := range due {
		if u.ended != nil {
			continue
		}
		m, _ := u.missed()
		policy := u.link.Delete.From[m.stored.System]
		left, sides := u.writable(m)
		switch plan.AfterLoss(u.rules(), policy, u.link.Delete.Wins, sides) {
		case plan.FateRevive:
			b.bringBack(ctx, u, []*member{m})
		case plan.FateAsk:
			b.endUnit(u, "deleted_and_edited", store.Finish{Disposition: store.Parked, Reason: "deleted_and_edited",
				Error: m.where() + " is gone, and its partner was edited since: restore the one or delete the other"})
		case plan.FateLeave:
			b.lostAlone(ctx, u, m)
		default:
			for _, o := range left {
				at := place{o.stored.System, o.stored.Object}
				sends[at] = append(sends[at], &removing{u, o, u.link.Delete.op(m.stored.System)})
			}
			if len(left) == 0 {
				b.lostAlone(ctx, u, m)
			}
		}
	}
	for _, at := range sortedPlaces(sends) {
		for _, op := range []connectors.Op{connectors.Archive, connectors.Delete} {
			part := slices.DeleteFunc(slices.Clone(sends[at]), func(r *removing) bool { return r.op != op || r.unit.ended != nil })
			b.removeRecords(ctx, at, op, part)
		}
	}
	for _, u := range due {
		if u.ended == nil { // every other record went
			m, _ := u.missed()
			b.lostAlone(ctx, u, m)
		}
	}
}

// lostAlone ends a unit of which a record went and nothing is left to be done.
func (b *batch) lostAlone(ctx context.Context, u *unit, m *member) {
	why, cause := m.lost.why, causeOf(u.rows[0].work)
	if m.stored.Cause != "" {
		cause = m.stored.Cause
	}
	for _, o := range u.members { // others that are not there either
		switch {
		case o.side.Presence == plan.Creating:
			o.parked = true // nothing is made for a record that is gone
		case o == m || o.lost.sight == "" || o.fate.state == mapping.MemberGone:
		case o.fate.removal.takes():
			o.went(whyRemoved, cause)
		case o.lost.sight == connectors.SightArchived:
			o.went(whyArchived, cause)
		}
	}
	m.went(why, cause)
	u.note(b, m, "gone", nil)
	if u.link.Delete.Wins == plan.WinsAsk { // the person who was asked has decided
		b.wakeOthers(ctx, u)
	}
	b.endUnit(u, "gone", store.Finish{Disposition: store.Done})
}

// writable are the members that a removal may reach, each as just read.
func (u *unit) writable(except *member) (left []*member, sides []plan.Side) {
	for i, s := range u.sides() {
		m := u.members[i]
		if m == except || !m.rule.Write || m.lost.sight != "" || m.record == nil || !m.rule.inScope(m.record.Values) {
			continue
		}
		left, sides = append(left, m), append(sides, s)
	}
	return left, sides
}

// readUnread reads the other records of units of which one went. One that cannot be
// read ends its unit: nothing is decided unseen.
func (b *batch) readUnread(ctx context.Context, list []*unit) {
	asked := map[place][]string{}
	unread := func(m *member) bool {
		return m.record == nil && m.lost.sight == "" && m.stored.RecordID != "" && m.stored.State.Bound()
	}
	for _, u := range list {
		for _, m := range u.members {
			if unread(m) {
				at := place{m.stored.System, m.stored.Object}
				asked[at] = append(asked[at], m.stored.RecordID)
			}
		}
	}
	if len(asked) == 0 {
		return
	}
	found, failed := b.readAll(ctx, requestsOf(asked))
	for _, u := range list {
		for _, m := range u.members {
			at := place{m.stored.System, m.stored.Object}
			if u.ended != nil || !unread(m) {
				continue
			}
			if s, seen := found[at][m.stored.RecordID]; seen {
				b.showOther(u, m, s)
			} else if err := failed[at]; err != nil {
				b.endUnit(u, string(err.Kind), b.outcome(u.rows[0], err))
			}
		}
	}
}

// removeRecords archives or deletes the records of one object: intents, one call, and a
// read that proves it (CORRECTNESS W10).
func (b *batch) removeRecords(ctx context.Context, at place, op connectors.Op, list []*removing) {
	size := max(1, b.object(at).WriteBatch)
	for start := 0; start < len(list); start += size {
		part := list[start:min(start+size, len(list))]
		if b.beat.left() < b.callTimeout()+time.Second {
			for _, r := range part {
				b.endUnit(r.unit, "out_of_time", store.Finish{Disposition: store.Again, Blame: b.unblamed(r.unit.rows[0])})
			}
			continue
		}
		if part = b.intendRemovals(ctx, at, op, part); len(part) == 0 {
			continue
		}
		answers := b.callRemoval(ctx, at, op, part)
		b.proveRemovals(ctx, at, op, part, answers)
	}
}

// intendRemovals commits what is about to be removed; what the statement does not
// return is held, or its lease is lost.
func (b *batch) intendRemovals(ctx context.Context, at place, op connectors.Op, list []*removing) []*removing {
	intents, notes := make([]store.RemovalIntent, len(list)), make([]*removal, len(list))
	for i, r := range list {
		notes[i] = r.member.fate.noted(op, b.Now())
		intents[i] = store.RemovalIntent{IdentityID: r.unit.id, Epoch: r.unit.epoch, Link: r.unit.link.Name, System: at.system,
			Removal: encode(notes[i]), Restore: op == connectors.Restore}
	}
	ok, err := b.Store.IntendRemovals(ctx, b.Owner, intents)
	b.beat.progress()
	failpoint.Hit("after_intent")
	var out []*removing
	for i, r := range list {
		switch {
		case err != nil:
			b.endUnit(r.unit, "store", b.storeTrouble(r.unit.rows[0], err))
		case !slices.Contains(ok, r.unit.id):
			what := "deletes"
			if op == connectors.Restore {
				what = "writes"
			}
			f := store.Finish{Disposition: store.Again, After: b.between(300*time.Millisecond, time.Second), Blame: b.unblamed(r.unit.rows[0])}
			if h, held := b.holdOn(at.system, r.unit.link.Name, what, "writes"); held {
				f.After, f.Error = b.between(heldDeletes, heldDeletes+time.Minute), heldWords(h)
			}
			b.endUnit(r.unit, "held", f)
		default:
			r.member.fate.moved, r.member.fate.removal = true, notes[i]
			out = append(out, r)
		}
	}
	return out
}

func (b *batch) callRemoval(ctx context.Context, at place, op connectors.Op, list []*removing) []connectors.Result {
	writes := make([]connectors.Write, len(list))
	for i, r := range list {
		writes[i] = connectors.Write{Key: r.unit.token, RecordID: r.member.stored.RecordID}
	}
	results := b.call(ctx, at, op, writes)
	for i, r := range list {
		b.Observe.Wrote(r.unit.link.Name, r.unit.source, at.system, op, results[i].Outcome)
	}
	return results
}

// proveRemovals reads the records that were to be removed: no answer proves what
// became of them.
func (b *batch) proveRemovals(ctx context.Context, at place, op connectors.Op, list []*removing, answers []connectors.Result) {
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i] = r.member.stored.RecordID
	}
	sights, err := b.read(ctx, request{at, ids})
	b.beat.progress()
	for i, r := range list {
		s, seen := sights[r.member.stored.RecordID]
		if err != nil && !seen {
			b.endUnit(r.unit, string(err.Kind), b.outcome(r.unit.rows[0], err))
			continue
		}
		b.sawRemoved(r, op, s, answers[i])
	}
}

// sawRemoved takes in what a record is after its removal.
func (b *batch) sawRemoved(r *removing, op connectors.Op, s connectors.Sighting, answer connectors.Result) {
	m := r.member
	refused := answer.Outcome == connectors.NotApplied
	gone := answer.Outcome == connectors.Applied || refused && answer.Err != nil && answer.Err.Kind == connectors.KindGone
	switch {
	case s.Sight == connectors.SightArchived, s.Sight == connectors.SightMissing && gone:
		b.noteRemoval(r, op)
		lost, _ := r.unit.missed()
		cause := lost.stored.Cause
		m.lost = absence{sight: s.Sight}
		m.went(whyRemoved, cause)
	case refused:
		m.fate.removal = m.fate.removal.over()
		b.endUnit(r.unit, reasonOf(answer.Err), b.outcome(r.unit.rows[0], refusal(answer, m.stored.System)))
	default: // not yet, or not at all: the next look tells
		b.endUnit(r.unit, "unknown", store.Finish{Disposition: store.Again, After: unknownDelay + b.between(0, time.Second), Retry: true,
			Blame: b.blamed(r.unit.rows[0]), Error: fmt.Sprintf("%s is still there after its %s", m.where(), op)})
	}
}

// noteRemoval writes the line of history of a removal. What nobody else has by then
// is kept in it: all values of a record that was deleted, and the edits that a
// deletion has beaten (F36).
func (b *batch) noteRemoval(r *removing, op connectors.Op) {
	fields := map[string][2]string{}
	changed := plan.Changed(r.unit.rules(), r.member.side)
	for name, v := range r.member.side.Values {
		if v != "" && (op == connectors.Delete || slices.Contains(changed, name)) {
			fields[name] = b.pairOf(r.unit, name, v, "")
		}
	}
	if len(fields) == 0 {
		fields = nil
	}
	r.unit.note(b, r.member, string(op), fields)
}

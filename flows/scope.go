package flows

import (
	"context"
	"slices"

	"syncd/connectors"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

// whyLeft is why a member is gone of which the record is there and left its side's
// scope: the pair is inactive until it is back (`leaves: unpair`).
const whyLeft = "left_scope"

// checkScope stops the units of which a record that was read fails its side's
// filter, the source's or a partner's: nothing is taken from it and nothing written
// to it (CORRECTNESS F22). What becomes of the pair its member says. When the record
// passes again, what changed on any side meanwhile is merged like everything else,
// for no base has moved.
func (b *batch) checkScope(ctx context.Context) {
	left := map[*unit]*member{}
	for _, u := range b.open() {
		out := b.outside(ctx, u)
		switch {
		case out == nil:
		case out.rule.Leaves == LeavesUnpair && !u.openCreate():
			out.went(whyLeft, causeOf(u.rows[0].work))
			u.note(b, out, "unpair", nil)
			b.endUnit(u, "left_scope", store.Finish{Disposition: store.Done})
		case out.rule.Leaves == LeavesArchive && !u.openCreate():
			left[u] = out
		default:
			b.freezePair(u, out, "")
		}
	}
	b.archiveLeft(ctx, left)
}

// outside finds a record of a unit that fails its filter, and lifts the mark of those
// that pass theirs.
func (b *batch) outside(ctx context.Context, u *unit) (out *member) {
	for _, m := range u.members {
		switch {
		case m.record == nil, m.rule.Blind != "": // who is in scope is not known now
		case m.rule.inScope(m.record.Values):
			b.unmark(ctx, u, m, markScope, stateOutside)
		default:
			m.mark(markScope, stateOutside)
			out = m
		}
	}
	return out
}

// freezePair keeps a pair as it is, visibly.
func (b *batch) freezePair(u *unit, m *member, because string) {
	b.endUnit(u, "out_of_scope", store.Finish{Disposition: store.Parked, Reason: "out_of_scope",
		Error: m.where() + " does not pass the link's filter any more: the pair is kept, and nothing flows until it does" + because})
}

// archiveLeft puts the partners of records that left scope into their bins, with the
// intents, the breaker and the proof of any other removal. One that was edited since
// the last agreement, or that has no bin, is frozen instead. They come back out of the
// bin with the record: see leftAlone.
func (b *batch) archiveLeft(ctx context.Context, left map[*unit]*member) {
	var units []*unit
	for _, u := range b.open() { // in the batch's order
		if left[u] != nil {
			units = append(units, u)
		}
	}
	b.readUnread(ctx, units)
	sends := map[place][]*removing{}
	for _, u := range units {
		if u.ended != nil {
			continue
		}
		m := left[u]
		m.lost = absence{sight: connectors.SightArchived, why: whyLeft} // as good as gone, for those who ask
		partners, sides := u.writable(m)
		switch {
		case len(partners) > 0 && plan.AfterLoss(u.rules(), plan.RemovalArchive, u.link.Delete.Wins, sides) != plan.FateRemove:
			b.freezePair(u, m, "; its partner was edited since, so it is not archived")
			continue
		case slices.ContainsFunc(partners, func(o *member) bool { return !slices.Contains(o.object.Removes, connectors.Archive) }):
			b.freezePair(u, m, "; its partner cannot be archived")
			continue
		case len(partners) > 0:
			b.breaker(ctx, u)
		}
		for _, o := range partners {
			at := place{o.stored.System, o.stored.Object}
			sends[at] = append(sends[at], &removing{u, o, connectors.Archive})
		}
	}
	for _, at := range sortedPlaces(sends) {
		b.removeRecords(ctx, at, connectors.Archive, slices.DeleteFunc(sends[at], func(r *removing) bool { return r.unit.ended != nil }))
	}
	for _, u := range units {
		for _, o := range u.members {
			o.fate.missing = o.fate.missing || o != left[u] && o.fate.state == mapping.MemberGone // the breaker counts by it
		}
		b.endUnit(u, "left_scope", store.Finish{Disposition: store.Done})
	}
}

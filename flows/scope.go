package flows

import (
	"context"

	"syncd/store"
)

// checkScope stops the units of which a record that was read fails its side's
// filter, the source's or a partner's: nothing is taken from it and nothing written
// to it, and the pair stays (CORRECTNESS F22). When it passes again, what changed on
// any side meanwhile is merged like everything else, for no base has moved.
func (b *batch) checkScope(ctx context.Context) {
	for _, u := range b.open() {
		for _, m := range u.members {
			switch {
			case m.record == nil, m.rule.Blind != "": // who is in scope is not known now
			case m.rule.inScope(m.record.Values):
				b.unmark(ctx, u, m, markScope, stateOutside)
			default:
				m.mark(markScope, stateOutside)
				b.endUnit(u, "out_of_scope", store.Finish{Disposition: store.Parked, Reason: "out_of_scope",
					Error: m.where() + " does not pass the link's filter any more: the pair is kept, and nothing flows until it does"})
			}
		}
	}
}

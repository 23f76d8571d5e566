package flows

import (
	"maps"
	"slices"
	"strings"
	"time"

	"syncd/flows/plan"
	"syncd/store"
)

// rules are the link's, with the values of private rows hidden from what field
// states tell.
func (u *unit) rules() plan.Rules {
	r := u.link.Rules
	r.Mask = func(row, value string) string {
		if u.link.Private[row] {
			return u.engine.Keyring.ValueHash(row, value)
		}
		return value
	}
	return r
}

// countHops tells the sides how often their rows were written lately, and which
// of them have not thawed.
func (u *unit) countHops(now time.Time) {
	for _, m := range u.members {
		m.side.Hops = make(map[string][]plan.Hop, len(m.ledger.H))
		for row := range m.ledger.H {
			m.side.Hops[row] = m.ledger.hops(now, row)
		}
		m.side.Frozen = map[string]bool{}
		for row := range m.ledger.F {
			m.side.Frozen[row] = m.ledger.frozen(now, row)
		}
	}
}

// freeze notes which rows were frozen and when the first of them thaws: the unit
// then comes back by itself, and what the sides hold is settled by the policy (F27).
func (u *unit) freeze(now time.Time) {
	u.thaw = time.Time{}
	for _, m := range u.members {
		for row, st := range m.side.States {
			if st.State != plan.StateFrozen {
				continue
			}
			if !m.ledger.frozen(now, row) {
				m.ledger.freeze(now, row, u.lastFreeze(row))
				m.froze = true
			}
			if at := time.UnixMilli(m.ledger.F[row].T); u.thaw.IsZero() || at.Before(u.thaw) {
				u.thaw = at
			}
		}
	}
}

// lastFreeze is a row's newest freeze on any side: the side that has to wait may
// be another one each time.
func (u *unit) lastFreeze(row string) freeze {
	var last freeze
	for _, m := range u.members {
		if f := m.ledger.F[row]; f.T > last.T {
			last = f
		}
	}
	return last
}

// thawing ends a row of a unit that has frozen rows: nothing failed, so that news
// of the record still brings it forward.
func (b *batch) thawing(r *row) store.Finish {
	frozen := map[string]bool{}
	for _, m := range r.unit.members {
		for name, st := range m.side.States {
			if st.State == plan.StateFrozen {
				frozen[name] = true
			}
		}
	}
	return store.Finish{
		Disposition: store.Again, After: max(time.Second, r.unit.thaw.Sub(b.Now())), Blame: -r.work.Attempts,
		Error: "frozen, since both sides change it in turn: " + strings.Join(slices.Sorted(maps.Keys(frozen)), ", "),
	}
}

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
// The rows of a group freeze and thaw together, whichever sides wait for them.
func (u *unit) freeze(now time.Time) {
	u.thaw = time.Time{}
	for _, group := range u.frozenGroups() {
		last := u.lastFreeze(group)
		if last.T <= now.UnixMilli() {
			last = nextFreeze(now, last)
			for _, m := range u.members {
				for _, row := range group {
					if m.side.States[row].State == plan.StateFrozen {
						m.ledger.freeze(row, last)
						m.froze = true
					}
				}
			}
		}
		if at := time.UnixMilli(last.T); u.thaw.IsZero() || at.Before(u.thaw) {
			u.thaw = at
		}
	}
}

// frozenGroups lists the rows that are decided together and of which one is frozen.
func (u *unit) frozenGroups() [][]string {
	rows, frozen := map[string][]string{}, map[string]bool{}
	for _, r := range u.link.Rules.Rows {
		key := "row " + r.Name
		if r.Group != "" {
			key = "group " + r.Group
		}
		rows[key] = append(rows[key], r.Name)
		for _, m := range u.members {
			frozen[key] = frozen[key] || m.side.States[r.Name].State == plan.StateFrozen
		}
	}
	var out [][]string
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if frozen[key] {
			out = append(out, rows[key])
		}
	}
	return out
}

// lastFreeze is the newest freeze of some rows on any side: the side that has to
// wait may be another one each time.
func (u *unit) lastFreeze(rows []string) freeze {
	var last freeze
	for _, m := range u.members {
		for _, row := range rows {
			if f := m.ledger.F[row]; f.T > last.T {
				last = f
			}
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

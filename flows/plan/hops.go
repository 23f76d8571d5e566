package plan

import (
	"cmp"
	"slices"
)

// mostReversals is how often a bundle may change its direction within the hour
// that Side.Hops covers. Two automations that undo each other make a new value
// each time, so no comparison ever ends it; this does (F27).
const mostReversals = 2

// frozenDetail shows a person who fights over a row: what each system holds, and
// whose values were written lately. Values of private rows are hashes.
type frozenDetail struct {
	Values map[string]string `json:"values"`
	Turns  []Hop             `json:"turns"`
}

// fight freezes a bundle that would change its direction once too often: the
// sides that differ keep what they hold until they are made equal or it thaws.
func fight(rules Rules, b bundle, views []view, winner view) bool {
	if allShown(views) || reversals(b, views, winner.side.System) <= mostReversals {
		return false
	}
	for n, r := range b {
		for _, v := range views {
			if v.parts[n].value != winner.parts[n].means {
				v.side.setState(r.Name, StateFrozen, contest(rules, b, views, n))
			}
		}
	}
	return true
}

func contest(rules Rules, b bundle, views []view, n int) frozenDetail {
	d := frozenDetail{Values: map[string]string{}, Turns: turns(b, views)}
	for _, v := range views {
		d.Values[v.side.System] = rules.mask(b[n].Name, v.parts[n].value)
	}
	return d
}

// frozen says that a bundle stays frozen: its sides still differ, and it has not
// thawed. A late write of ours is nobody's turn: it is written over at once, for
// later it could not be told from an edit.
func frozen(b bundle, views []view) bool {
	if _, _, late := repair(views); late {
		return false
	}
	was, kept := false, false
	for _, v := range views {
		for _, r := range b {
			was = was || v.side.States[r.Name].State == StateFrozen
			kept = kept || v.side.Frozen[r.Name]
		}
	}
	if !was || allShown(views) || !kept && reversals(b, views, "") <= mostReversals {
		return false
	}
	for n, r := range b {
		for _, v := range views {
			if sameShown(views, n) { // made equal while its group is not
				v.side.clearState(r.Name)
			} else if v.parts[n].changed && v.side.States[r.Name].State == "" {
				v.side.setState(r.Name, StateWaits, waitsDetail{For: b.with(views, StateFrozen)})
			}
		}
	}
	return true
}

// with names the first row of a bundle that some side has in a state.
func (b bundle) with(views []view, state string) string {
	for _, r := range b {
		for _, v := range views {
			if v.side.States[r.Name].State == state {
				return r.Name
			}
		}
	}
	return b[0].Name
}

// reversals counts how often the bundle's direction changed, a next write from a
// side included ("" is yet another side).
func reversals(b bundle, views []view, from string) int {
	hops := turns(b, views)
	n := 0
	for i, h := range hops {
		next := from
		if i+1 < len(hops) {
			next = hops[i+1].From
		}
		if next != h.From {
			n++
		}
	}
	return n
}

// turns lists the writes of a bundle's rows to all sides in the last hour. The
// rows of a group that were written together are one turn.
func turns(b bundle, views []view) []Hop {
	var hops []Hop
	for _, v := range views {
		for _, r := range b {
			hops = append(hops, v.side.Hops[r.Name]...)
		}
	}
	slices.SortFunc(hops, func(a, b Hop) int { return cmp.Or(cmp.Compare(a.T, b.T), cmp.Compare(a.From, b.From)) })
	return slices.Compact(hops)
}

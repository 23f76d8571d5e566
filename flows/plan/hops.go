package plan

import (
	"cmp"
	"slices"
)

// mostReversals is how often a row may change its direction within the hour
// that Side.Hops covers. Two automations that undo each other make a new value
// each time, so no comparison ever ends it; this does (F27).
const mostReversals = 2

// fight freezes a row that would change its direction once too often: the sides
// that differ keep what they hold until a person makes them equal.
func fight(r Row, views []view, winner view) bool {
	if allEqual(views) || reversals(r, views, winner.side.System) <= mostReversals {
		return false
	}
	for _, v := range views {
		if v.value != winner.value {
			v.side.setState(r.Name, StateFrozen, refusedDetail{W: winner.value})
		}
	}
	return true
}

// frozen says that a row is frozen, its sides still differ, and its turns are
// still of the last hour: after that, the next news may move it again. A late
// write of ours is nobody's turn: it is written over at once, for later it could
// not be told from an edit.
func frozen(r Row, views []view) bool {
	if _, _, late := repair(r, views); late {
		return false
	}
	was, equal := false, true
	for _, v := range views {
		was = was || v.side.States[r.Name].State == StateFrozen
		equal = equal && v.value == views[0].value
	}
	return was && !equal && reversals(r, views, "") > mostReversals
}

// reversals counts how often the row's direction changed, a next write from a
// side included ("" is yet another side).
func reversals(r Row, views []view, from string) int {
	var hops []Hop
	for _, v := range views {
		hops = append(hops, v.side.Hops[r.Name]...)
	}
	slices.SortFunc(hops, func(a, b Hop) int { return cmp.Or(cmp.Compare(a.T, b.T), cmp.Compare(a.From, b.From)) })
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

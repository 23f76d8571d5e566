package plan

import (
	"slices"
	"strings"
)

// elementSeparator is between the elements of a canonical list (fields: set).
const elementSeparator = "\n"

// unite chooses what every side should hold of a list: what any side added, and
// nothing that any side removed (F31). Where one says both it is there. Unless one
// side's news is all of it, it is merged: each side is written it, and no base moves
// before all are seen to hold it. What a side took is its news until then, for any
// that did not.
func unite(views, contenders []view) (view, Note) {
	value := united(views, contenders)
	first := slices.Concat(contenders, views)[0]
	switch {
	case len(contenders) == 1 && first.whole == value:
		return first, Note{Reason: ReasonOneChanged, From: first.side.System}
	case allShown(views) && first.whole == value:
		return first, Note{Reason: ReasonAgreed, From: first.side.System}
	}
	return view{
		side: &Side{System: first.side.System}, parts: []part{{value: value, means: value}}, whole: value, merged: true,
	}, Note{Reason: ReasonPolicy, From: first.side.System}
}

// parted says that lists differ although no side has news: one took a change back
// before all had it. Nothing that waits for something else is meant.
func parted(views []view) bool {
	for _, v := range views {
		state := v.side.States[v.row].State
		if state != "" && state != StateMerging || !v.hasBase || v.late {
			return false
		}
	}
	return !allShown(views)
}

// elsewhere says that a side took an element of this one, which took it back before
// all had it: see parted.
func elsewhere(r Row, s Side, others []Side) bool {
	return len(others) > 2 && slices.ContainsFunc(others, func(o Side) bool {
		b, known := o.Base[r.Name]
		_, listed := o.States[r.Name]
		return known && !b.Never && !listed && o.Intent == nil && b.V != s.Values[r.Name]
	})
}

// merges says that a side took a merged list of which not all are seen to hold it:
// only a look at all of them ends that.
func merges(sides []Side) bool {
	return slices.ContainsFunc(sides, func(s Side) bool {
		for _, st := range s.States {
			if st.State == StateMerging {
				return true
			}
		}
		return false
	})
}

// merged says that a side shows the merged list that it took: not a late write of
// ours, although its base is older.
func (s *Side) merged(rules Rules, row, value string) bool {
	st := s.States[row]
	return st.State == StateMerging && detailOf(st).W == rules.mask(row, value)
}

// united merges the lists element by element. Who removed an element after having
// agreed to what another added (unsuperseded) has the last word on it.
func united(views, contenders []view) string {
	kept, adders, removers := map[string]bool{}, map[string][]view{}, map[string][]view{}
	for _, v := range views {
		p := v.parts[0]
		news := slices.ContainsFunc(contenders, func(c view) bool { return c.side == v.side })
		was, has := map[string]bool{}, elements(p.means)
		if p.hasBase {
			was = elements(p.base.V)
		}
		// What a side keeps in its own form is no element of anybody's (F26).
		formed := v.side.States[v.row].State == StateDiverged
		for e := range has {
			switch {
			case news && !was[e]:
				adders[e] = append(adders[e], v)
			case !formed:
				kept[e] = true
			}
		}
		for e := range was {
			if news && !has[e] {
				removers[e] = append(removers[e], v)
			}
		}
	}
	var all []string
	for e := range kept {
		if len(removers[e]) == 0 && len(adders[e]) == 0 {
			all = append(all, e)
		}
	}
	for e, by := range adders {
		overruled := func(adder view) bool {
			return slices.ContainsFunc(removers[e], func(remover view) bool { return remover.followed(adder) })
		}
		if slices.ContainsFunc(by, func(adder view) bool { return !overruled(adder) }) {
			all = append(all, e)
		}
	}
	slices.Sort(all)
	return strings.Join(all, elementSeparator)
}

func elements(list string) map[string]bool {
	out := map[string]bool{}
	for e := range strings.SplitSeq(list, elementSeparator) {
		if e != "" {
			out[e] = true
		}
	}
	return out
}

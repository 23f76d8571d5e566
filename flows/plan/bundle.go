package plan

import (
	"slices"
	"strings"
)

// bundle is what is decided as one value: a row by itself, or the rows of a
// group, such as the parts of an address (F33). Its rows have the same systems,
// direction and policy, so that the first one speaks for all in these.
type bundle []Row

func (b bundle) has(system string) bool       { return b[0].has(system) }
func (b bundle) mayChange(system string) bool { return b[0].mayChange(system) }

// bundles sorts rows into what is decided together, in the order of their first rows.
func bundles(rows []Row) []bundle {
	out := make([]bundle, 0, len(rows))
	at := map[string]int{}
	for i, r := range rows {
		n, begun := at[r.Group]
		switch {
		case r.Group == "":
			out = append(out, bundle(rows[i:i+1:i+1]))
		case begun:
			out[n] = append(out[n], r)
		default:
			at[r.Group] = len(out)
			out = append(out, bundle{r})
		}
	}
	return out
}

// part is one row of a bundle on one side.
type part struct {
	value   string // what the side shows
	means   string // what that says: a late write of ours says what was there before
	base    BaseEntry
	hasBase bool // agreed before, under the row's present definition
	stale   bool // agreed before, but not on this row as it is defined now
	changed bool
	late    bool // differs from its base by a late write of ours
	fresh   bool // never agreed with anybody
}

// agreed is the base of a part, nil if it has none.
func (p part) agreed() *string {
	if !p.hasBase {
		return nil
	}
	return &p.base.V
}

// view is one side's share in the decision on one bundle: its parts, in the
// order of the bundle's rows, and what they come to.
type view struct {
	side   *Side
	row    string // the first of the bundle
	parts  []part
	whole  string // what the parts mean, as one text to compare
	empty  bool   // every part means nothing
	merged bool   // no side holds it: it was put together of several

	hasBase, stale, changed, late, fresh bool
}

// sum works out what the parts come to. One changed part changes the whole; it
// has a base only if every part has one.
func (v *view) sum() {
	v.hasBase, v.empty = true, true
	v.stale, v.changed, v.late, v.fresh = false, false, false, false
	meant := make([]string, len(v.parts))
	for i, p := range v.parts {
		meant[i] = p.means
		v.empty = v.empty && p.means == ""
		v.hasBase = v.hasBase && p.hasBase
		v.stale = v.stale || p.stale
		v.changed = v.changed || p.changed
		v.late = v.late || p.late
		v.fresh = v.fresh || p.fresh
	}
	v.whole = strings.Join(meant, "\x00") // no canonical value has one
}

// look gathers the sides that have the bundle, and those that will once they are
// created. Nothing is decided while one of them does not show all of it.
func look(rules Rules, b bundle, sides []Side) (views []view, creating []*Side) {
	for i := range sides {
		s := &sides[i]
		if !b.has(s.System) {
			continue
		}
		if s.Presence == Creating {
			if b.mayChange(s.System) && !rules.ReadOnly[s.System] {
				creating = append(creating, s)
			}
			continue
		}
		v := view{side: s, row: b[0].Name, parts: make([]part, len(b))}
		for n, r := range b {
			p, settled := partOf(rules, r, s)
			if !settled {
				return nil, nil
			}
			v.parts[n] = p
		}
		v.sum()
		views = append(views, v)
	}
	return views, creating
}

// partOf looks at one row on one side. It is not settled while a write of it is
// out and was not shown yet, or while the side does not show it: then what the
// side holds is unknown, and no base may move (F66).
func partOf(rules Rules, r Row, s *Side) (part, bool) {
	if s.Intent != nil {
		if _, open := s.Intent.Fields[r.Name]; open {
			return part{}, false
		}
	}
	n, shown := s.Values[r.Name]
	if !shown {
		return part{}, false
	}
	p := part{value: n, means: n}
	b, known := s.Base[r.Name]
	switch {
	case !known && s.newcomer, known && b.Never && b.R == r.Rev:
		p.fresh = true
	case !known || b.R != r.Rev || r.Force == ForceOther:
		p.stale = true
	default:
		p.hasBase, p.base = true, b
		kept, taken := s.kept(r.Name)
		merged := s.merged(rules, r.Name, n)
		lost := n == "" && b.V != "" && b.G < r.Gone[s.System]
		switch p.late = !merged && (lost || taken || n != b.V && s.late(r.Name)); {
		case merged:
		case lost: // with its column: it is written back from a side that holds it
			p.means = b.V
		case taken:
			p.means = kept
		case p.late:
			p.means = b.V
		}
		p.changed = p.means != b.V && !rules.Silent[s.System]
	}
	return p, true
}

// sameWhole says that all views mean the same.
func sameWhole(views []view) bool {
	return !slices.ContainsFunc(views, func(v view) bool { return v.whole != views[0].whole })
}

// sameShown says that all sides show the same in one row.
func sameShown(views []view, n int) bool {
	return !slices.ContainsFunc(views, func(v view) bool { return v.parts[n].value != views[0].parts[n].value })
}

// allShown says that all sides show the same in every row.
func allShown(views []view) bool {
	for n := range views[0].parts {
		if !sameShown(views, n) {
			return false
		}
	}
	return true
}

// late says that a row shows what a late write of ours brought.
func (s Side) late(row string) bool {
	v, known := s.Kept[row]
	return s.Late[row] && !(known && v == s.Values[row])
}

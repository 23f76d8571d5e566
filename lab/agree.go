package lab

import (
	"context"
	"maps"
	"slices"
	"strings"

	"syncd/flows/plan"
)

// checkAgreement is I4, I5 and I8: all sides hold the same, and that is an edit
// that nobody has superseded knowingly.
func (w *world) checkAgreement(e *evidence) {
	for _, v := range w.systems {
		for _, a := range w.live(v.name) {
			for _, o := range w.systems {
				if _, paired := e.partners[a][o.name]; o == v || paired || e.excuses(w, a) {
					continue
				}
				w.stats.Unconverged++
				w.violate("I4", a.id, "%v (person %d) has no partner in %s and nothing says why", a, w.owner[a].n, o.name)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(e.groups)) {
		w.compare(e, id)
	}
}

// compare looks at one identity.
func (w *world) compare(e *evidence, id string) {
	identity, err := w.db.Identity(context.Background(), id)
	if err != nil || identity == nil {
		w.violate("store", "", "identity %s: %v", id, err)
		return
	}
	var sides, gone []recordKey
	shown := map[recordKey]map[string]string{}
	excused := false
	for _, system := range slices.Sorted(maps.Keys(e.groups[id])) {
		k := e.groups[id][system]
		excused = excused || e.excuses(w, k)
		values := w.values(k)
		if values == nil {
			gone = append(gone, k)
			continue
		}
		sides, shown[k] = append(sides, k), w.canonical(system, values)
	}
	for _, k := range gone {
		if !excused && !w.binned[k] { // nobody archived or merged it, or it is not parked
			w.violate("I4", k.id, "%v is gone", k)
		}
	}
	states := map[string]map[string]string{} // system → row → state
	for _, m := range identity.Members {
		states[m.System] = map[string]string{}
		for row, st := range m.Fields {
			states[m.System][row] = st.State
		}
		if len(m.Intent) > 0 && !excused {
			w.violate("I4", m.RecordID, "identity %s: an intent of %s is still open: %s", id, m.System, m.Intent)
		}
	}
	for _, r := range linkRows {
		if r.group != "" { // one value
			for _, of := range states {
				if of[r.name] == "" {
					of[r.name] = of["zip"]
				}
			}
		}
		w.compareRow(r.name, id, sides, shown, states, excused)
	}
}

// compareRow looks at one row of an identity, on every two of its sides. The
// value that the sides share is judged once: those apart that keep a form or a
// value of their own.
func (w *world) compareRow(row, id string, sides []recordKey, shown map[recordKey]map[string]string, states map[string]map[string]string, excused bool) {
	unequal, frozen := false, false
	if w.clearedBeforeRead(row, sides, states) {
		w.stats.Unconverged++
		w.stats.Stated++
		return
	}
	for _, k := range sides { // people on several sides took turns: the hop budget's honest end for all (F27)
		frozen = frozen || (states[k.system][row] == plan.StateFrozen && (len(sides) > 2 || len(w.d.personas) > 0))
	}
	common := map[string]recordKey{}
	listed := false
	for i, a := range sides {
		listed = listed || w.emptied(a, row, states[a.system][row], shown[a][row])
		for _, b := range sides[i+1:] {
			switch x, y := shown[a][row], shown[b][row]; {
			case x == y:
			case frozen:
				w.stats.Unconverged++
				w.stats.Stated++
			default:
				unequal = true
				w.unequal(row, id, a, b, x, y, states, excused)
			}
		}
		if states[a.system][row] == "" {
			common[shown[a][row]] = a
		}
	}
	for _, k := range sides {
		if st := states[k.system][row]; st != "" && !frozen && !unequal && !excused {
			w.violate("I4", k.id, "all sides of identity %s agree in %s and yet it is %s in %s", id, row, st, k.system)
		}
	}
	w.frozen = w.frozen || frozen // unequal, or made equal by a late write since: the next look ends it
	if len(common) == 1 && !frozen && !listed {
		for value, k := range common {
			w.final(k, row, w.form(row, value))
		}
	}
}

// clearedBeforeRead says that somebody emptied a row of a record that we had just
// made, before it was read back. A vendor that drops the value of a create looks the
// same, and to pass that on would empty the source: it counts as refused, on record.
func (w *world) clearedBeforeRead(row string, sides []recordKey, states map[string]map[string]string) bool {
	return slices.ContainsFunc(sides, func(k recordKey) bool {
		e := w.edits[fieldKey{k, row}]
		_, ours := w.origin[k]
		return ours && states[k.system][row] == plan.StateRefused && e != nil && slices.Contains(strings.Split(e.value, "|"), "")
	})
}

// unequal judges two sides that differ in a row: something must say so, and it
// must be true.
func (w *world) unequal(row, id string, a, b recordKey, x, y string, states map[string]map[string]string, excused bool) {
	w.stats.Unconverged++
	said := ""
	for _, k := range []recordKey{a, b} {
		switch st := states[k.system][row]; {
		case w.emptied(k, row, st, map[recordKey]string{a: x, b: y}[k]):
			w.stats.Stated++
			return
		case (st == plan.StateRefused || st == plan.StateDiverged) && w.keeps(k.system, row), w.form(row, x) == w.form(row, y) && st != "" && w.shouts(k.system, row):
			w.stats.Stated++
			return
		case st != "":
			said += st + "@" + k.system + " "
		}
	}
	switch {
	case excused:
	case strings.TrimSpace(said) != "":
		w.stats.Stated++
		w.violate("state", a.id, "%v %v differ in %s: %q, %q; it is %s (identity %s)", a, b, row, x, y, said, id)
	default:
		w.violate("I4", a.id, "%v %v differ in %s: %q, %q; nothing says why (identity %s)", a, b, row, x, y, id)
	}
}

// keeps says that a vendor drops our writes of a row.
func (w *world) keeps(system, row string) bool {
	s := w.vendors[system].shop
	return s != nil && s.p.ReadOnly == columnOf(row, kindShop)
}

// shouts says that a vendor keeps a form of its own of a row.
func (w *world) shouts(system, row string) bool {
	s := w.vendors[system].shop
	return s != nil && s.p.Shout == columnOf(row, kindShop)
}

// unprovenForm says that a vendor keeps a form of its own of a row and does not
// tell who wrote it.
func (w *world) unprovenForm(row string) bool {
	return slices.ContainsFunc(w.systems, func(v *vendor) bool { return w.shouts(v.name, row) && !v.shop.p.Knows })
}

// halvesAddress says that a vendor keeps a form of its own of a part of the
// address, or drops our writes of one: the other part arrives without it.
func (w *world) halvesAddress() bool {
	part := columnOf(address, kindShop)
	return slices.ContainsFunc(w.systems, func(v *vendor) bool {
		return v.shop != nil && (v.shop.p.Shout == part || v.shop.p.ReadOnly == part)
	})
}

// emptied says that a row of a record that syncd made is listed as refused by its
// vendor, and that a person emptied it before the create was known to have had it.
// The two look the same; taken for an edit, a value that a vendor drops would be
// emptied everywhere (F29). So it is listed, which loses nothing.
func (w *world) emptied(k recordKey, row, state, value string) bool {
	_, ours := w.origin[k]
	by := w.owner[k].nodes[row][""]
	return state == plan.StateRefused && ours && value == "" && by != nil && by.system == k.system
}

// final judges the value that the sides ended on.
func (w *world) final(a recordKey, row, value string) {
	p := w.owner[a]
	nodes := p.nodes[row]
	if nodes[value] == nil && row == address && (len(w.overwritten(p, row))+len(w.belated(p, row)) > 0 || w.halvesAddress()) {
		w.stats.Window++
		// A write of ours met an unread edit of another part of the address, or a
		// vendor keeps a form or a value of its own of one part.
		return
	}
	if nodes[value] == nil && p.like != nil {
		return // a copy that went on as its original's record
	}
	if nodes[value] == nil {
		w.violate("I8", a.id, "person %d ends with %s = %q, which nobody wrote", p.n, row, value)
		return
	}
	dominated := map[string]bool{}
	for _, n := range nodes {
		seen := map[string]bool{n.value: true}
		for at := n; at != nil && !at.first && !seen[at.saw]; at = nodes[at.saw] {
			if s := nodes[at.saw]; s != nil && s.at.After(at.at) {
				break // it saw a vendor's own emptiness, and somebody emptied the row since
			}
			dominated[at.saw], seen[at.saw] = true, true
		}
	}
	if !dominated[value] {
		return
	}
	var better []string
	unread := w.overwritten(p, row)
	for _, v := range slices.Sorted(maps.Keys(nodes)) {
		if !dominated[v] {
			better = append(better, v)
			if unread[v] {
				w.stats.Window++
				return // destroyed inside the vendor before anybody could read it
			}
		}
	}
	if w.unprovenForm(row) {
		// The vendor's own form of our value counts as an edit where nothing
		// proves that it is none (F35): then the policy chose between the two.
		w.stats.Window++
		return
	}
	w.stats.LostEdits++
	kind := "I5"
	buried := w.buried(p, row)
	if w.belated(p, row)[value] || slices.ContainsFunc(better, func(v string) bool { return buried[v] }) {
		kind = "I5late"
	}
	w.violate(kind, a.id, "person %d ends with %s = %q, superseded by %s", p.n, row, value, strings.Join(better, ", "))
}

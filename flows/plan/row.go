package plan

// view is one side's share in the decision on one row.
type view struct {
	side    *Side
	value   string
	base    BaseEntry
	hasBase bool // agreed before, under the row's present definition
	stale   bool // agreed before, but not on this row as it is defined now
	changed bool
	late    bool // differs from its base by a late write of ours
	fresh   bool // never agreed with anybody
}

// decideRow merges one row over all sides that show it. put receives the
// writes. ok is false if there was nothing to say.
func decideRow(rules Rules, r Row, sides []Side, put func(system, name string, e IntentEntry)) (Note, bool) {
	views, creating := viewRow(rules, r, sides)
	if len(views) == 0 {
		return Note{}, false
	}
	if len(creating) == 0 {
		if note, suspended := suspend(r, views); suspended {
			return note, true
		}
	}
	if frozen(r, views) { // nothing is decided: the bases keep saying who differs
		return Note{Row: r.Name, Reason: ReasonFrozen}, true
	}
	defer remember(r, views)
	winner, note, decided := choose(r, views)
	if !decided {
		if note.Reason == ReasonAsk {
			return note, true
		}
		if allEqual(views) { // whatever was to be told about the row is over
			for _, v := range views {
				v.side.clearState(r.Name)
			}
		}
		// Nothing changed. Sides that have no record yet still want the row.
		winner = views[0]
		for _, s := range creating {
			put(s.System, r.Name, IntentEntry{W: winner.value, From: winner.side.System, V: winner.value})
		}
		return Note{}, false
	}
	if note.Reason != ReasonRepair && fight(r, views, winner) {
		return Note{Row: r.Name, Reason: ReasonFrozen, From: winner.side.System}, true
	}
	pending := false
	for _, v := range views {
		if v.side == winner.side || v.value == winner.value {
			continue
		}
		if rules.ReadOnly[v.side.System] || !r.mayChange(v.side.System) {
			continue
		}
		if w, refused := v.side.refusedValue(r.Name); refused && w == winner.value {
			note.Reason = ReasonRefused
			continue
		}
		pending = true
		v.side.clearState(r.Name)
		put(v.side.System, r.Name, IntentEntry{W: winner.value, From: winner.side.System, V: winner.value, O: v.value, B: v.agreed(), F: winner.agreed()})
	}
	for _, s := range creating {
		pending = true
		put(s.System, r.Name, IntentEntry{W: winner.value, From: winner.side.System, V: winner.value})
	}
	agree(r, views, winner, pending)
	return note, true
}

// agreed is the base of a view, nil if it has none.
func (v view) agreed() *string {
	if !v.hasBase {
		return nil
	}
	return &v.base.V
}

// viewRow gathers the sides that have the row, and those that will once they
// are created. Nothing is decided while one of them does not show it.
func viewRow(rules Rules, r Row, sides []Side) (views []view, creating []*Side) {
	for i := range sides {
		s := &sides[i]
		if !r.has(s.System) {
			continue
		}
		if s.Presence == Creating {
			if r.mayChange(s.System) && !rules.ReadOnly[s.System] {
				creating = append(creating, s)
			}
			continue
		}
		if s.Intent != nil {
			if _, open := s.Intent.Fields[r.Name]; open {
				return nil, nil // a write of this row is out and was not shown yet
			}
		}
		n, shown := s.Values[r.Name]
		if !shown {
			return nil, nil // what one side holds is unknown: no base may move (F66)
		}
		v := view{side: s, value: n}
		b, known := s.Base[r.Name]
		switch {
		case !known && s.newcomer, known && b.Never && b.R == r.Rev:
			v.fresh = true
		case !known || b.R != r.Rev:
			v.stale = true
		default:
			v.hasBase, v.base = true, b
			v.late = n != b.V && s.Late[r.Name]
			v.changed = n != b.V && !v.late && !rules.Silent[s.System]
		}
		views = append(views, v)
	}
	return views, creating
}

// suspend handles rows whose definition changed, and rows that are new to a
// pair: sides that are equal agree silently, unequal ones wait for a plan of
// the link (F48). A pair that is only being made has no history to protect.
func suspend(r Row, views []view) (Note, bool) {
	stale, fresh, equal := false, false, true
	for _, v := range views {
		stale = stale || v.stale
		fresh = fresh || v.fresh
		equal = equal && v.value == views[0].value
	}
	if !stale || fresh {
		return Note{}, false
	}
	for _, v := range views {
		if equal {
			v.side.setBase(r, v.value)
			v.side.clearState(r.Name)
		} else if v.stale {
			v.side.setState(r.Name, StateSuspended, struct{}{})
		}
	}
	if equal {
		return Note{Row: r.Name, Reason: ReasonAgreed}, true
	}
	return Note{Row: r.Name, Reason: ReasonSuspended}, true
}

// choose finds the side whose value everybody should hold. decided is false if
// nothing changed, or (with ReasonAsk) if a person must say.
func choose(r Row, views []view) (view, Note, bool) {
	if r.From != "" {
		return chooseOneWay(r, views)
	}
	contenders, unsettled := contend(views)
	if len(contenders) == 0 {
		if !unsettled {
			return repair(r, views)
		}
		// A side that never agreed shows nothing; it gets what the others agreed on.
		for _, v := range views {
			if v.hasBase || v.value != "" {
				return v, Note{Row: r.Name, Reason: ReasonFill, From: v.side.System}, true
			}
		}
		return views[0], Note{Row: r.Name, Reason: ReasonAgreed, From: views[0].side.System}, true
	}
	if allEqual(contenders) {
		reason := ReasonOneChanged
		if len(contenders) == len(views) && len(views) > 1 {
			reason = ReasonAgreed
		}
		return contenders[0], Note{Row: r.Name, Reason: reason, From: contenders[0].side.System}, true
	}
	if r.Policy.Mode == ModeAsk {
		for _, v := range contenders {
			v.side.setState(r.Name, StateConflict, struct{}{})
		}
		return view{}, Note{Row: r.Name, Reason: ReasonAsk}, false
	}
	w := pick(r.Policy, contenders)
	return w, Note{Row: r.Name, Reason: ReasonPolicy, From: w.side.System}, true
}

// repair writes a late write of ours over with what the other sides agreed on
// since. decided is false where none came late.
func repair(r Row, views []view) (view, Note, bool) {
	late, settled := false, -1
	for i, v := range views {
		late = late || v.late
		if v.hasBase && !v.late && settled < 0 {
			settled = i
		}
	}
	if !late || settled < 0 {
		return view{}, Note{}, false
	}
	return views[settled], Note{Row: r.Name, Reason: ReasonRepair, From: views[settled].side.System}, true
}

// chooseOneWay: only the source decides; a target that strayed is put back.
func chooseOneWay(r Row, views []view) (view, Note, bool) {
	moved := false
	for _, v := range views {
		moved = moved || v.changed || v.fresh || v.stale || v.late
	}
	for _, v := range views {
		if v.side.System == r.From {
			return v, Note{Row: r.Name, Reason: ReasonOneWay, From: r.From}, moved
		}
	}
	return view{}, Note{}, false
}

// contend lists the sides that have a say: those that changed, and those that
// never agreed and hold something. Where a newcomer meets sides that agree
// among themselves, what they agreed on has a say too, unless it is nothing.
func contend(views []view) (contenders []view, unsettled bool) {
	changed := false
	var established *view
	for i := range views {
		v := &views[i]
		newcomer := v.fresh || v.stale
		unsettled = unsettled || newcomer
		switch {
		case v.changed, newcomer && v.value != "":
			contenders = append(contenders, *v)
			changed = changed || v.changed
		case v.hasBase && v.value != "" && established == nil:
			established = v
		}
	}
	if len(contenders) > 0 && !changed && established != nil {
		contenders = append(contenders, *established)
	}
	return contenders, unsettled
}

// pick applies a policy that needs no person. Ties and unknown times fall to
// the named system, then to the order of systems: the same on every replica.
func pick(p Policy, contenders []view) view {
	named := -1
	newest := 0
	for i, v := range contenders {
		if v.side.System == p.System {
			named = i
		}
		if v.side.Modified.After(contenders[newest].side.Modified) {
			newest = i
		}
	}
	if named < 0 {
		return contenders[newest]
	}
	if p.Mode == ModeNewest {
		lead := contenders[newest].side.Modified.Sub(contenders[named].side.Modified)
		if lead > Margin {
			return contenders[newest]
		}
	}
	return contenders[named]
}

func allEqual(vs []view) bool {
	for _, v := range vs[1:] {
		if v.value != vs[0].value {
			return false
		}
	}
	return true
}

// agree moves the bases of sides that hold the winning value. The winner's own
// base moves only when nothing is pending: while a target has yet to take the
// value, the difference between winner and base is what keeps the change alive.
// Sides that hold something else (refused, read-only) keep their base.
func agree(r Row, views []view, winner view, pending bool) {
	for _, v := range views {
		if v.value != winner.value || (v.side == winner.side && pending) {
			continue
		}
		v.side.setBase(r, v.value)
		v.side.clearState(r.Name)
	}
}

// remember marks the row of sides that never agreed on it, so that it is not
// taken for a row that was added to an old pair.
func remember(r Row, views []view) {
	for _, v := range views {
		if _, known := v.side.Base[r.Name]; v.fresh && !known {
			if v.side.Base == nil {
				v.side.Base = Base{}
			}
			v.side.Base[r.Name] = BaseEntry{R: r.Rev, Never: true}
		}
	}
}

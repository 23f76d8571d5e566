package plan

// writer takes what a side is to be sent.
type writer func(system, name string, e IntentEntry)

// decide merges one bundle over all sides that show it. ok is false if there was
// nothing to say.
func decide(rules Rules, b bundle, sides []Side, put writer) (Note, bool) {
	if b[0].Const != nil {
		return hold(rules, b[0], sides, put)
	}
	views, creating := look(rules, b, sides)
	if len(views) == 0 {
		expect(b, sides)
		return Note{}, false
	}
	agreed := false
	if len(creating) == 0 {
		var waits bool
		if agreed, waits = suspend(b, views); waits {
			return Note{Reason: ReasonSuspended}, true
		}
	}
	if frozen(b, views) { // nothing is decided: the bases keep saying who differs
		return Note{Reason: ReasonFrozen}, true
	}
	defer remember(b, views)
	winner, note, decided := choose(rules, b, views)
	if !decided {
		if note.Reason == ReasonAsk {
			return note, true
		}
		nothingNew(b, views, creating, put)
		return Note{Reason: ReasonAgreed}, agreed
	}
	if note.Reason != ReasonRepair && fight(rules, b, views, winner) {
		putBackLate(rules, b, views, put)
		return Note{Reason: ReasonFrozen, From: winner.side.System}, true
	}
	pending := make([]bool, len(b))
	for _, v := range views {
		if rules.ReadOnly[v.side.System] || !b.mayChange(v.side.System) {
			continue
		}
		if refuses(rules, b, v, winner, pending) {
			note.Reason = ReasonRefused
			continue
		}
		for n, r := range b {
			if p := v.parts[n]; p.value != winner.parts[n].means {
				pending[n] = true
				if v.side.lack(r.Name, winner.parts[n].means) {
					note.Reason = ReasonReference
					continue
				}
				if !winner.merged || v.side.States[r.Name].State != StateMerging {
					v.side.clearState(r.Name) // a merged list stays the side's news until it has the next one
				}
				put(v.side.System, r.Name, entry(views, v, winner, n))
			}
		}
	}
	for _, s := range creating {
		for n, r := range b {
			pending[n] = true
			bear(s, r, winner, n, put)
		}
	}
	agree(b, views, winner, pending)
	return note, true
}

// entry is the write that gives a view one of the winner's parts. The winner
// itself may hold a late write of ours in one part: it gets back what was agreed,
// from a side that holds it.
func entry(views []view, v, winner view, n int) IntentEntry {
	from := winner
	for _, o := range views {
		if v.side == winner.side && o.side != v.side && o.parts[n].value == winner.parts[n].means {
			from = o
		}
	}
	w := winner.parts[n].means
	if winner.merged {
		return IntentEntry{W: w, O: v.parts[n].value, B: v.parts[n].agreed(), M: true}
	}
	if from.side == v.side { // nobody else holds it
		return IntentEntry{W: w, O: v.parts[n].value, B: v.parts[n].agreed()}
	}
	return IntentEntry{W: w, From: from.side.System, V: w, O: v.parts[n].value, B: v.parts[n].agreed(), F: from.parts[n].agreed()}
}

// putBackLate writes late writes of ours over on their own side, where nothing
// else may be decided: later they could not be told from edits.
func putBackLate(rules Rules, b bundle, views []view, put writer) {
	for _, v := range views {
		for n, r := range b {
			if v.parts[n].late && !rules.ReadOnly[v.side.System] && b.mayChange(v.side.System) {
				if _, lacking := v.side.lacks(r.Name, v.parts[n].means); !lacking {
					put(v.side.System, r.Name, entry(views, v, v, n))
				}
			}
		}
	}
}

// bear puts a row into a create, unless it is a reference that cannot be told yet:
// the record is created without it, and it is written later (F63).
func bear(s *Side, r Row, from view, n int, put writer) {
	if !s.lack(r.Name, from.parts[n].means) {
		put(s.System, r.Name, born(from, n))
	}
}

// born is what a side that has no record yet is created with.
func born(from view, n int) IntentEntry {
	w := from.parts[n].means
	if from.merged {
		return IntentEntry{W: w, M: true}
	}
	return IntentEntry{W: w, From: from.side.System, V: w}
}

// nothingNew: no side has news. Whatever was to be told about rows that are equal
// is over; sides that have no record yet still want the bundle.
func nothingNew(b bundle, views []view, creating []*Side, put writer) {
	for n, r := range b {
		if sameShown(views, n) {
			for _, v := range views {
				v.side.clearState(r.Name)
			}
		}
		for _, s := range creating {
			bear(s, r, views[0], n, put)
		}
	}
}

// refuses says that a side has refused a value that it would be sent. The rest
// of its group then waits with it, for half an address is worse than an old one:
// these rows are marked in waiting, so that the winner's news of them stays news.
// An edit that lost to the refused value is settled, and listed with it: with its
// old base it would win at the next look, when the winner's news is none any more.
func refuses(rules Rules, b bundle, v, winner view, waiting []bool) bool {
	culprit := -1
	for n, r := range b {
		if v.parts[n].value != winner.parts[n].means && v.side.refuses(rules, r.Name, winner.parts[n].means) {
			culprit = n
		}
	}
	if culprit < 0 {
		return false
	}
	for n, r := range b {
		if p := v.parts[n]; p.changed && !p.late && v.side.refuses(rules, r.Name, winner.parts[n].means) {
			v.side.setBase(r, p.value)
		}
		if v.parts[n].value != winner.parts[n].means && !v.side.refuses(rules, r.Name, winner.parts[n].means) {
			waiting[n] = true
			v.side.setState(r.Name, StateWaits, waitsDetail{For: b[culprit].Name})
		}
	}
	return true
}

// suspend handles rows whose definition changed, and rows that are new to a
// pair: sides that are equal agree silently, unequal ones wait for a plan of
// the link (F48), and with them the rest of their group. A pair that is only
// being made has no history to protect.
func suspend(b bundle, views []view) (agreed, waits bool) {
	for n, r := range b {
		stale, fresh := false, false
		for _, v := range views {
			stale = stale || v.parts[n].stale
			fresh = fresh || v.parts[n].fresh
		}
		switch {
		case !stale || fresh:
		case r.Force == ForceHere && !sameShown(views, n): // applied: the policy decides
		case !sameShown(views, n):
			waits = true
		default:
			agreed = true
			for i := range views {
				v := &views[i]
				v.side.setBase(r, v.parts[n].value)
				v.side.clearState(r.Name)
				v.parts[n] = part{value: v.parts[n].value, means: v.parts[n].value, hasBase: true, base: v.side.Base[r.Name]}
				v.sum()
			}
		}
	}
	if !waits {
		return agreed, false
	}
	for n, r := range b {
		for _, v := range views {
			if sameShown(views, n) {
				v.side.clearState(r.Name)
			} else if v.stale {
				v.side.setState(r.Name, StateSuspended, suspendedDetail{Why: WhyDefinition})
			}
		}
	}
	return agreed, true
}

// agree moves the bases of sides that hold the winning value. The winner's own
// base moves only when nothing is pending: while a target has yet to take the
// value, the difference between winner and base is what keeps the change alive.
// Of a merged value that goes for all who hold it. Sides that hold something else
// (refused, read-only) keep their base.
func agree(b bundle, views []view, winner view, pending []bool) {
	for n, r := range b {
		for _, v := range views {
			if v.parts[n].value != winner.parts[n].means || ((v.side == winner.side || winner.merged) && pending[n]) {
				continue
			}
			v.side.setBase(r, v.parts[n].value)
			v.side.clearState(r.Name)
		}
	}
}

// remember marks the rows of sides that never agreed on them, so that they are
// not taken for rows that were added to an old pair.
func remember(b bundle, views []view) {
	for n, r := range b {
		for _, v := range views {
			if v.parts[n].fresh {
				v.side.never(r)
			}
		}
	}
}

// never notes that a row was known and is not agreed on yet.
func (s *Side) never(r Row) {
	if _, known := s.Base[r.Name]; known {
		return
	}
	if s.Base == nil {
		s.Base = Base{}
	}
	s.Base[r.Name] = BaseEntry{R: r.Rev, Never: true, G: r.Gone[s.System]}
}

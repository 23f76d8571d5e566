package plan

import "slices"

// choose finds the side whose value everybody should hold. decided is false if
// nothing changed, or (with ReasonAsk) if a person must say.
func choose(rules Rules, b bundle, views []view) (view, Note, bool) {
	w, note, decided := chooseOneWay(b[0].From, views)
	if b[0].From == "" {
		w, note, decided = chooseEveryWay(b, views)
	}
	if decided || note.Reason == ReasonAsk {
		return w, note, decided
	}
	return retry(rules, b, views)
}

func chooseEveryWay(b bundle, views []view) (view, Note, bool) {
	contenders, unsettled := contend(views)
	policy := b[0].Policy
	if policy.Mode == ModeUnion && len(b) == 1 && (len(contenders) > 0 || parted(views)) {
		w, note := unite(views, contenders)
		return w, note, true
	}
	if len(views) > 2 {
		contenders = unsuperseded(contenders)
	}
	if len(contenders) == 0 {
		if !unsettled {
			return repair(views)
		}
		// A side that never agreed shows nothing; it gets what the others agreed on.
		for _, v := range views {
			if v.hasBase || !v.empty {
				return v, Note{Reason: ReasonFill, From: v.side.System}, true
			}
		}
		return views[0], Note{Reason: ReasonAgreed, From: views[0].side.System}, true
	}
	if sameWhole(contenders) {
		reason := ReasonOneChanged
		if len(contenders) == len(views) && len(views) > 1 {
			reason = ReasonAgreed
		}
		return contenders[0], Note{Reason: reason, From: contenders[0].side.System}, true
	}
	w, picked := pick(policy, contenders)
	if !picked {
		ask(b, views, contenders)
		return view{}, Note{Reason: ReasonAsk}, false
	}
	return w, Note{Reason: ReasonPolicy, From: w.side.System}, true
}

// ask lists the rows that a person has to make equal.
func ask(b bundle, views, contenders []view) {
	for n, r := range b {
		for _, v := range contenders {
			if sameShown(views, n) {
				v.side.clearState(r.Name)
			} else {
				v.side.setState(r.Name, StateConflict, struct{}{})
			}
		}
	}
}

// repair writes a late write of ours over with what the other sides agreed on
// since. decided is false where none came late, or all sides show the same.
func repair(views []view) (view, Note, bool) {
	late, settled := false, -1
	for i, v := range views {
		late = late || v.late
		if v.hasBase && (settled < 0 || views[settled].late && !v.late) {
			settled = i
		}
	}
	if !late || settled < 0 || allShown(views) {
		return view{}, Note{}, false
	}
	return views[settled], Note{Reason: ReasonRepair, From: views[settled].side.System}, true
}

// retry finds a value that a side refused when its schema or our credential there
// was another one: it may take it by now (F29).
func retry(rules Rules, b bundle, views []view) (view, Note, bool) {
	for _, v := range views {
		for n, r := range b {
			d, refused := v.side.refusal(r.Name)
			if !refused || d.Able == rules.Able[v.side.System] {
				continue
			}
			for _, o := range views {
				if o.side != v.side && rules.mask(r.Name, o.parts[n].value) == d.W {
					return o, Note{Reason: ReasonOneChanged, From: o.side.System}, true
				}
			}
		}
	}
	return view{}, Note{}, false
}

// chooseOneWay: only the source decides; a target that strayed is put back.
func chooseOneWay(from string, views []view) (view, Note, bool) {
	moved := false
	for _, v := range views {
		moved = moved || v.changed || v.fresh || v.stale || v.late
	}
	for _, v := range views {
		if v.side.System == from {
			return v, Note{Reason: ReasonOneWay, From: from}, moved
		}
	}
	return view{}, Note{}, false
}

// unsuperseded leaves out what another contender has moved on from: of three
// sides, one may have taken a value and been edited since, while another has yet
// to take it. Whoever edited saw that value: it is no conflict (TESTING I5).
func unsuperseded(contenders []view) []view {
	var out []view
	for _, c := range contenders {
		superseded := false
		for _, d := range contenders {
			superseded = superseded || (c.changed && d.changed && d.followed(c) && !c.followed(d))
		}
		if !superseded {
			out = append(out, c)
		}
	}
	return out
}

// followed says that a side agreed to what another one shows now.
func (v view) followed(other view) bool {
	for n, p := range v.parts {
		if !p.hasBase || p.base.V != other.parts[n].means {
			return false
		}
	}
	return true
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
		case v.changed, newcomer && !v.empty:
			contenders = append(contenders, *v)
			changed = changed || v.changed
		case v.hasBase && !v.empty && established == nil:
			established = v
		}
	}
	if len(contenders) > 0 && !changed && established != nil {
		contenders = append(contenders, *established)
	}
	return contenders, unsettled
}

// pick applies a policy. picked is false if a person must say.
func pick(p Policy, contenders []view) (w view, picked bool) {
	switch p.Mode {
	case ModeAsk:
		return view{}, false
	case ModeRestrictive:
		i := slices.IndexFunc(contenders, func(v view) bool { return v.whole == p.Value })
		if i < 0 {
			return view{}, false
		}
		return contenders[i], true
	}
	return prefer(p, contenders), true
}

// prefer applies a policy that goes by sides. Ties and unknown times fall to
// the named system, then to the order of systems: the same on every replica.
func prefer(p Policy, contenders []view) view {
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

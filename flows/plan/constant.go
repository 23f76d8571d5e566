package plan

import "slices"

// FromConst stands for the side that a row's one value comes from: the
// configuration.
const FromConst = "="

// mostPuts is how often within the hour of Side.Hops a row is put back to its one
// value. Who changes it more often than that is an automation (F27).
const mostPuts = 3

// hold keeps a row at its one value. Every side is a matter of its own. ok is
// false if there was nothing to say.
func hold(rules Rules, r Row, sides []Side, put writer) (note Note, ok bool) {
	born := slices.ContainsFunc(sides, func(s Side) bool { return s.Presence == Creating })
	for i := range sides {
		s := &sides[i]
		switch {
		case !r.has(s.System):
		case born && s.Presence != Creating:
			if s.newcomer { // in one write with its token and inverse ids: see fixed
				s.never(r)
			}
		case s.Presence == Creating:
			if !rules.ReadOnly[s.System] {
				put(s.System, r.Name, IntentEntry{W: *r.Const, From: FromConst})
				note, ok = Note{Reason: ReasonConst}, true
			}
		case holdOn(rules, r, s, put):
			note, ok = Note{Reason: ReasonConst}, true
		}
	}
	return note, ok
}

// holdOn keeps the row at its value on one side that exists. It says whether
// anything was done or told.
func holdOn(rules Rules, r Row, s *Side, put writer) bool {
	p, settled := partOf(rules, r, s)
	if !settled {
		return false
	}
	state := s.States[r.Name].State
	want := *r.Const
	switch {
	case p.value == want:
		s.setBase(r, want)
		s.clearState(r.Name)
		return !p.hasBase || p.base.V != want
	case rules.ReadOnly[s.System], s.refuses(rules, r.Name, want), p.hasBase && s.keepsForm(rules, r.Name, p, want):
		return false
	case p.stale && r.Force != ForceHere: // the definition changed under an old pair (F48)
		s.setState(r.Name, StateSuspended, suspendedDetail{Why: WhyDefinition})
	case state == StateFrozen && s.Frozen[r.Name], len(s.Hops[r.Name]) >= mostPuts:
		s.setState(r.Name, StateFrozen, frozenDetail{Values: map[string]string{s.System: rules.mask(r.Name, p.value)}, Turns: s.Hops[r.Name]})
	default:
		s.clearState(r.Name)
		if p.fresh {
			s.never(r)
		}
		put(s.System, r.Name, IntentEntry{W: want, From: FromConst, O: p.value, B: p.agreed()})
	}
	return true
}

// keepsForm says that a side shows its own form of a value, and nothing else since.
func (s *Side) keepsForm(rules Rules, row string, p part, want string) bool {
	st := s.States[row]
	return st.State == StateDiverged && p.value == p.base.V && detailOf(st).W == rules.mask(row, want)
}

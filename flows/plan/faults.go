package plan

import "slices"

// Fault is a row that a side shows and that has no canonical value. Nothing is
// decided on it, and no base moves.
type Fault struct {
	State string // StateUnmapped, StateFailed
	Value string // as it is shown
	Why   string // for people; never a value
}

type faultDetail struct {
	Value string `json:"value,omitempty"`
	Why   string `json:"why"`
}

// tellFaults lists the rows that a side shows and that have no value, and forgets
// those that have one again.
func (s *Side) tellFaults(rules Rules) {
	for _, r := range rules.Rows {
		f, faulty := s.Faults[r.Name]
		_, shown := s.Values[r.Name]
		switch state := s.States[r.Name].State; {
		case faulty:
			d := faultDetail{Why: f.Why}
			if f.Value != "" {
				d.Value = rules.mask(r.Name, f.Value)
			}
			s.setState(r.Name, f.State, d)
		case shown && (state == StateUnmapped || state == StateFailed):
			s.clearState(r.Name)
		}
	}
}

// expect marks the rows of a new pair on which nothing can be decided since a side
// shows a value that they do not know: once it does, they are no news to an old pair.
func expect(b bundle, sides []Side) {
	for _, r := range b {
		faulty := func(s Side) bool { _, ok := s.Faults[r.Name]; return ok }
		if !slices.ContainsFunc(sides, faulty) {
			continue
		}
		for i := range sides {
			if s := &sides[i]; s.newcomer && s.Presence == Present && r.has(s.System) {
				s.never(r)
			}
		}
	}
}

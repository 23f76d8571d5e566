package plan

import (
	"encoding/json"
	"maps"
)

// A reference row holds the canonical id of the identity that is pointed to, on
// every side alike. What it takes to write or to read it may not be there yet:
// the record that a side points to has no identity, or the identity has no
// record on the side that is to be told. The row then waits, and the rest of the
// record flows (CORRECTNESS F63, F64).

// Wait says why a reference waits: the detail of StateReference.
type Wait struct {
	For    string `json:"for"` // what it points to, for people: "hubspot companies 123"
	Reason string `json:"reason"`
	// Record or Identity is what has to come so that the row goes on: a record of
	// the side itself whose identity is not known, or an identity that has no record
	// on this side. Neither where nothing that comes would change it.
	Record   string `json:"record,omitempty"`
	Identity string `json:"identity,omitempty"`
	// Blank: the row counts as empty meanwhile, and is decided.
	Blank bool `json:"blank,omitempty"`
	// Park: nothing of the record may be written meanwhile.
	Park bool `json:"park,omitempty"`
}

// WaitOf reads the wait back from a field state.
func WaitOf(s FieldState) (Wait, bool) {
	var w Wait
	if s.State != StateReference || json.Unmarshal(s.Detail, &w) != nil {
		return Wait{}, false
	}
	return w, true
}

// refer forgets what references waited for, notes what they wait for by now, and
// says which rows cannot be decided: what one side points to has no name.
func refer(rules Rules, sides []Side) (unnamed map[string]bool, parks string) {
	unnamed = map[string]bool{}
	for _, r := range rules.Rows {
		for i := range sides {
			s := &sides[i]
			if s.States[r.Name].State == StateReference {
				s.clearState(r.Name)
			}
			w, waits := s.Unnamed[r.Name]
			if !waits || w.Blank || s.Presence == Creating {
				continue
			}
			unnamed[r.Name] = true
			s.setState(r.Name, StateReference, w)
			if s.newcomer {
				s.never(r)
			}
			if w.Park && parks == "" {
				parks = r.Name
			}
		}
	}
	return unnamed, parks
}

// lacks says that a side cannot be told the winner's reference yet.
func (s *Side) lacks(row, value string) (Wait, bool) {
	w, lacking := s.Lacks[row][value]
	return w, lacking
}

// lack notes it. The winner's news stays news.
func (s *Side) lack(row, value string) bool {
	w, lacking := s.lacks(row, value)
	if lacking {
		s.setState(row, StateReference, w)
	}
	return lacking
}

// stub looks at a side that is to be created while references of it wait: what it
// is not created with was not agreed, which is not the same as a row that is new
// to an old pair. required is the row without which it is not created at all.
func stub(rules Rules, s *Side, unnamed map[string]bool, fields map[string]IntentEntry) (required string) {
	waits := false
	for _, r := range rules.Rows {
		if !r.has(s.System) || !r.mayChange(s.System) || s.States[r.Name].State != StateReference && !unnamed[r.Name] {
			continue
		}
		waits = true
		if r.Required && required == "" {
			required = r.Name
		}
	}
	if !waits {
		return ""
	}
	for _, r := range rules.Rows {
		if _, sent := fields[r.Name]; r.has(s.System) && !sent {
			s.never(r)
		}
	}
	return required
}

// blanks lists references that count as empty, once all else is decided.
func blanks(sides []Side) {
	for i := range sides {
		s := &sides[i]
		for row, w := range maps.All(s.Unnamed) {
			if _, told := s.States[row]; w.Blank && !told {
				s.setState(row, StateReference, w)
			}
		}
	}
}

// waiting says that a reference of any side waits: what is read may have become
// news without a change of the record.
func waiting(s Side, others []Side) bool {
	if len(s.Unnamed) > 0 {
		return true
	}
	for _, o := range others {
		for _, st := range o.States {
			if st.State == StateReference {
				return true
			}
		}
	}
	return false
}

package plan

import "slices"

// Why a row is suspended: Row.Suspended, and the detail of StateSuspended.
const (
	WhySchema     = "schema"     // a column is missing, of another type, or read-only now (F65)
	WhyDefinition = "definition" // the row's definition changed and is not in force (F48)
)

// Force is what an applied plan, or a link's first start, has said about the
// definition of a row (CORRECTNESS F48, section 4 "Deploys").
type Force int

// The forces of a definition.
const (
	ForceUntold Force = iota // nothing was applied yet: bases alone tell what they were taken under
	ForceHere                // this definition: pairs that are unequal under it go by the row's policy
	ForceOther               // another one: the row waits in pairs that know it
)

type suspendedDetail struct {
	Why string `json:"why"`
}

// suspended says that a bundle waits: one row that cannot be read or written
// keeps the rest of its group from moving, for half an address is worse than an
// old one (F33).
func (b bundle) suspended() bool {
	return slices.ContainsFunc(b, func(r Row) bool { return r.Suspended != "" })
}

// putOff keeps for later what sides show that differs from their bases: those
// pairs are looked at again when the row is back, and the bases still say then
// who has news. A side that does not show a row says nothing (F66).
func putOff(b bundle, sides []Side) []Note {
	var notes []Note
	for _, r := range b {
		for i := range sides {
			s := &sides[i]
			n, shown := s.Values[r.Name]
			if !r.has(s.System) || s.Presence != Present || !shown {
				continue
			}
			base, known := s.Base[r.Name]
			settled := known && !base.Never && base.R == r.Rev && base.V == n
			nothing := n == "" && (!known || base.Never)
			switch was := s.States[r.Name].State; {
			case settled || nothing:
				if was == StateSuspended {
					s.clearState(r.Name)
				}
			case was != StateFrozen:
				s.setState(r.Name, StateSuspended, suspendedDetail{Why: WhySchema})
			}
		}
		notes = append(notes, Note{Row: r.Name, Reason: ReasonSuspended})
	}
	return notes
}

// owePutOff marks suspended rows of a side that has just come to have bases:
// otherwise they would look like rows that were added to an old pair.
func (s *Side) owePutOff(rules Rules) {
	if !s.newcomer || s.Base == nil {
		return
	}
	for _, b := range bundles(rules.Rows) {
		if !b.suspended() {
			continue
		}
		for _, r := range b {
			if r.has(s.System) {
				s.never(r)
			}
		}
	}
}

package plan

// Trip is why a guard stops a record before anything is written.
type Trip string

// The trips.
const (
	TripNone    Trip = ""
	TripBlanked Trip = "blanked" // most mapped fields turned empty in one read
)

// leastBlanked is how many rows must turn empty before the blanking guard looks at
// their share: clearing one or two fields of several is everyday work.
const leastBlanked = 3

// Guard is a pure valve in front of the effects (F66). A record is parked of which
// more than half of the agreed, non-empty rows turned empty in one read, at least
// leastBlanked of them; or which shows nothing at all any more, however few they were.
func Guard(s Side) Trip {
	if s.Presence != Present {
		return TripNone
	}
	held, blank := 0, 0
	for row, b := range s.Base {
		if b.V == "" {
			continue
		}
		held++
		if n, shown := s.Values[row]; shown && n == "" {
			blank++
		}
	}
	nothing := len(s.Faults) == 0
	for _, n := range s.Values {
		nothing = nothing && n == ""
	}
	if blank >= leastBlanked && 2*blank > held || nothing && blank > 0 && blank == held {
		return TripBlanked
	}
	return TripNone
}

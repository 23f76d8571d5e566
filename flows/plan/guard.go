package plan

// Trip is why a guard stops a record before anything is written.
type Trip string

// The trips.
const (
	TripNone    Trip = ""
	TripBlanked Trip = "blanked" // most mapped fields turned empty in one read
)

// leastBlanked is how many rows must turn empty before the blanking guard
// looks at their share: clearing one or two fields is everyday work.
const leastBlanked = 3

// Guard is a pure valve in front of the effects: a record of which more than
// half of the agreed, non-empty rows turned empty in one read is parked (F66).
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
	if blank >= leastBlanked && 2*blank > held {
		return TripBlanked
	}
	return TripNone
}

package flows_test

import "testing"

// A person who is there already is met whatever capitals the address was typed
// with, on either side.
func TestCapitalsInAnAddressMakeNoSecondPerson(t *testing.T) {
	for _, from := range []string{crm, erp} {
		to := map[string]string{crm: erp, erp: crm}[from]
		t.Run("from "+from, func(t *testing.T) {
			w := newWorld(t)
			there := w.person(to, 1)
			w.edit(to, there, map[string]string{"email": "Ann1@X.Example"})
			w.forget() // nobody told us of the one that is there
			w.person(from, 1)
			w.settle(w.engine("a", nil))
			w.converged(1)
		})
	}
}

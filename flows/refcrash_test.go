package flows_test

import (
	"fmt"
	"testing"

	"syncd/flows"
)

// refScenes are changes of references on their way.
func refScenes() []scene {
	var out []scene
	for _, from := range []string{crm, erp} {
		var person, firm string
		crmSide := func(w *world) (string, string) {
			if from == crm {
				return person, firm
			}
			return w.pair(erp, person, crm), w.firmPair(erp, firm, crm)
		}
		check := func(w *world) {
			w.sameFirm(crmSide(w))
			if people, firms := w.births(crm), w.hubs[crm].Truth().Births(companies); len(people) != 1 || len(firms) != 1 || len(w.births(erp)) != 2 {
				w.t.Errorf("contacts %v, companies %v, partners %v", people, firms, w.births(erp))
			}
		}
		out = append(out,
			scene{"born together from " + from, func(w *world, _ *flows.Engine) {
				person = w.person(from, 1)
				firm = w.firm(from, "Acme")
				w.point(from, person, firm)
			}, check, false},
			scene{"missing company of " + from, func(w *world, _ *flows.Engine) {
				firm = w.firm(from, "Acme")
				w.forget()
				person = w.works(from, firm, 1)
			}, check, false},
			scene{"pointed later in " + from, func(w *world, e *flows.Engine) {
				person = w.person(from, 1)
				w.settle(e)
				firm = w.firm(from, "Acme")
				w.point(from, person, firm)
			}, check, false})
	}
	return out
}

// TestReferenceSurvivesTroubleAtAnyStep: whatever step of a reference's way goes
// wrong, both sides point to the same company in the end, and none is made twice.
func TestReferenceSurvivesTroubleAtAnyStep(t *testing.T) {
	for n := range refScenes() {
		for _, how := range []trouble{crashBefore, crashAfter, lostBefore, lostAfter} {
			t.Run(refScenes()[n].name+", "+string(how), func(t *testing.T) {
				t.Parallel()
				for k := 1; ; k++ {
					ran := false
					t.Run(fmt.Sprintf("step %02d", k), func(t *testing.T) {
						ran = spoilIn(t, firmWorld(newWorld(t, withFirms)), refScenes()[n], how, k)
					})
					if !ran || t.Failed() {
						return
					}
					if testing.Short() {
						k += 2
					}
				}
			})
		}
	}
}

package flows_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/flows"
)

// grouped makes city and jobtitle one group of every link row that has them.
func (w *world) grouped() {
	for i := range w.link.Rules.Rows {
		if r := &w.link.Rules.Rows[i]; r.Name == "city" || r.Name == "jobtitle" {
			r.Group = "address"
		}
	}
}

func (w *world) address(system, id string) string {
	v := w.get(system, id)
	return v["city"] + "/" + v["jobtitle"]
}

// F33: three people change different rows of one group at once, each in another
// system; whoever wins, the others' halves are nowhere.
func TestGroupEditedOnThreeSidesEndsAsOneOfThem(t *testing.T) {
	for _, last := range []string{crm, crm2, erp} {
		t.Run(last, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.hubs[crm2] = w.newHub(crm2, 2) })
			w.link = w.customers(crm, crm2, erp)
			w.links = []*flows.Link{w.link}
			w.grouped()
			e := w.engine("a", nil)
			w.person(crm, 1)
			w.settle(e)
			w.converged(1)
			edits := map[string]map[string]string{crm: {"city": "Brno"}, crm2: {"jobtitle": "CEO"}, erp: {"city": "Praha"}}
			order := append(slices.DeleteFunc([]string{crm, crm2, erp}, func(s string) bool { return s == last }), last)
			var typed []string
			for _, s := range order {
				w.edit(s, w.births(s)[0], edits[s])
				typed = append(typed, w.address(s, w.births(s)[0]))
				w.clock.advance(3 * time.Second)
			}
			w.settle(e)
			w.converged(1)
			if got := w.address(crm, w.births(crm)[0]); !slices.Contains(typed, got) {
				t.Errorf("it ends as %q; typed were %q", got, typed)
			}
		})
	}
}

// The vendor keeps one row of the group as it was: the other one is not written
// any more, and says for whom it waits.
func TestGroupWaitsWhereTheVendorIgnoresOneOfItsRows(t *testing.T) {
	w := newWorld(t)
	w.grouped()
	drop := true
	e := w.engine("a", nil, over(erp, without("city", &drop)))
	id, partner := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.settle(e)
	before := w.get(erp, partner)["jobtitle"]
	w.edit(crm, id, map[string]string{"jobtitle": "CEO"})
	w.settle(e)
	if got := w.get(erp, partner)["jobtitle"]; got != before {
		t.Errorf("half the group is written: %q", got)
	}
	states := ""
	for _, m := range w.identity(crm, id).Members {
		for row, st := range m.Fields {
			states += m.System + "." + row + " " + st.State + string(st.Detail) + " "
		}
	}
	if !strings.Contains(states, "erp.city refused") || !strings.Contains(states, `erp.jobtitle waits{"for":"city"}`) {
		t.Errorf("states %s", states)
	}
	drop = false
	w.edit(crm, id, map[string]string{"city": "Praha"})
	w.settle(e)
	w.converged(1)
}

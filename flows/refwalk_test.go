package flows_test

import (
	"slices"
	"testing"
	"time"

	"syncd/store"
)

// What references cost, in calls.

func (w *world) wantCalls(what string, got, want []string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: calls %v; want %v", what, got, want)
	}
}

func TestWalkReferenceRePointed(t *testing.T) {
	w, e := refsWorld(t)
	a, b := w.firm(crm, "Acme"), w.firm(crm, "Bolt")
	person := w.works(crm, a, 1)
	w.settle(e)
	for _, c := range []struct {
		from, to string
		want     []string
	}{
		{crm, b, []string{"crm batch_read", "erp read", "erp write", "erp read"}},
		{erp, a, []string{"crm batch_read", "crm associations_create", "crm batch_read", "erp read"}},
		{crm, "", []string{"crm batch_read", "erp read", "erp write", "erp read"}},
		{erp, a, []string{"crm batch_read", "crm associations_create", "crm batch_read", "erp read"}},
		{erp, "", []string{"crm batch_read", "crm associations_read", "crm associations_archive", "crm batch_read", "erp read"}},
	} {
		w.clock.advance(20 * time.Minute) // an echo is not likely any more
		calls := w.counting()
		if c.from == crm {
			w.point(crm, person, c.to)
		} else if c.to == "" {
			w.point(erp, w.pair(crm, person, erp), "")
		} else {
			w.point(erp, w.pair(crm, person, erp), w.firmPair(crm, c.to, erp))
		}
		w.settle(e)
		w.sameFirm(person, c.to)
		w.wantCalls("from "+c.from, calls(), c.want)
	}
}

// TestWalkCompanyAndPersonTogether: no more calls than the two of them cost apart,
// which is ten; one more where the person comes first and lets the company pass.
func TestWalkCompanyAndPersonTogether(t *testing.T) {
	for _, c := range []struct {
		name, from, first string
		want              int
	}{
		{"company first", crm, companies, 10},
		{"person first", crm, contacts, 11},
		{"from Odoo", erp, partners, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, e := refsWorld(t)
			calls := w.counting()
			person := w.person(c.from, 1)
			firm := w.firm(c.from, "Acme")
			w.point(c.from, person, firm)
			w.deliver()
			if _, err := e.Run(t.Context(), store.Queue{System: c.from, Object: c.first}); err != nil {
				t.Fatal(err)
			}
			w.settle(e)
			if c.from == erp {
				person, firm = w.pair(erp, person, crm), w.firmPair(erp, firm, crm)
			}
			w.sameFirm(person, firm)
			if got := calls(); len(got) != c.want {
				t.Errorf("%d calls, want %d: %v", len(got), c.want, got)
			}
		})
	}
}

// TestWalkTwentyCompaniesAndPeople makes about as many calls as one of each.
func TestWalkTwentyCompaniesAndPeople(t *testing.T) {
	for from, most := range map[string]int{crm: 14, erp: 14} {
		t.Run(from, func(t *testing.T) {
			w, e := refsWorld(t)
			var people, firms []string
			calls := w.counting()
			for n := range 20 {
				people = append(people, w.person(from, n))
				firms = append(firms, w.firm(from, "Acme "+string(rune('a'+n))))
			}
			for n := range 20 {
				w.point(from, people[n], firms[n])
			}
			w.settle(e)
			for n := range 20 {
				person, firm := people[n], firms[n]
				if from == erp {
					person, firm = w.pair(erp, person, crm), w.firmPair(erp, firm, crm)
				}
				w.sameFirm(person, firm)
			}
			t.Logf("%d calls: %v", len(calls()), calls())
			if got := calls(); len(got) > most {
				t.Errorf("%d calls, want %d at most: %v", len(got), most, got)
			}
		})
	}
}

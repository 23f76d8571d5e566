package flows_test

import (
	"strings"
	"testing"

	"syncd/connectors"
	"syncd/fields"
	"syncd/flows"
	"syncd/store"
)

// refsWorld is a world of companies and people with an engine.
func refsWorld(t *testing.T, change ...func(people, firms *flows.Link)) (*world, *flows.Engine) {
	w := firmWorld(newWorld(t, withFirms), change...)
	return w, w.engine("a", nil)
}

func TestReferenceFollowsItsCompanyToTheOtherSide(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run(from, func(t *testing.T) {
			w, e := refsWorld(t)
			firm := w.firm(from, "Acme")
			w.settle(e)
			person := w.works(from, firm, 1)
			w.settle(e)
			if from == erp {
				person, firm = w.pair(erp, person, crm), w.firmPair(erp, firm, crm)
			}
			w.sameFirm(person, firm)
		})
	}
}

func TestReferenceToACompanyBornInTheSameBurst(t *testing.T) {
	for _, from := range []string{crm, erp} {
		for _, first := range []string{"company", "person"} {
			t.Run(from+" "+first, func(t *testing.T) {
				w, e := refsWorld(t)
				calls := w.counting()
				var person, firm string
				if first == "company" {
					firm = w.firm(from, "Acme")
					person = w.works(from, firm, 1)
				} else {
					person = w.person(from, 1)
					firm = w.firm(from, "Acme")
					w.point(from, person, firm)
				}
				w.settle(e)
				if from == erp {
					person, firm = w.pair(erp, person, crm), w.firmPair(erp, firm, crm)
				}
				w.sameFirm(person, firm)
				t.Logf("%d calls: %v", len(calls()), calls())
			})
		}
	}
}

func TestMissingTargetIsFetchedAndCreatedFirst(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run(from, func(t *testing.T) {
			w, e := refsWorld(t)
			firm := w.firm(from, "Acme")
			w.forget() // nobody told us of it
			person := w.works(from, firm, 1)
			w.settle(e)
			if from == erp {
				person, firm = w.pair(erp, person, crm), w.firmPair(erp, firm, crm)
			}
			w.sameFirm(person, firm)
		})
	}
}

// TestWhatBringsATargetWakesItsWaiter: nothing else would look at the person again.
func TestWhatBringsATargetWakesItsWaiter(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run(from, func(t *testing.T) {
			w, e := refsWorld(t)
			person := w.person(from, 1)
			w.settle(e)
			firm := w.firm(from, "Acme")
			w.forget()
			w.point(from, person, firm)
			w.settle(e)
			if from == erp {
				person, firm = w.pair(erp, person, crm), w.firmPair(erp, firm, crm)
			}
			w.sameFirm(person, firm)
			causes := map[string]int{}
			for _, h := range append(w.history(crm, person), w.history(erp, w.pair(crm, person, erp))...) {
				causes[h.Cause]++
			}
			if causes[store.CauseReference] == 0 {
				t.Errorf("no write of the person was caused by its reference: %v", causes)
			}
		})
	}
}

func TestReferenceIsRePointedAndCleared(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run(from, func(t *testing.T) {
			w, e := refsWorld(t)
			a, b := w.firm(crm, "Acme"), w.firm(crm, "Bolt")
			person := w.works(crm, a, 1)
			w.settle(e)
			w.sameFirm(person, a)
			for _, next := range []string{b, a, "", b} {
				at, to := person, next
				if from == erp {
					if at = w.pair(crm, person, erp); next != "" {
						to = w.firmPair(crm, next, erp)
					}
				}
				w.point(from, at, to)
				w.settle(e)
				w.sameFirm(person, next)
			}
		})
	}
}

func TestReferenceChangedOnBothSidesGoesByThePolicy(t *testing.T) {
	w, e := refsWorld(t)
	a, b, c := w.firm(crm, "Acme"), w.firm(crm, "Bolt"), w.firm(crm, "Cord")
	person := w.works(crm, a, 1)
	w.settle(e)
	w.point(crm, person, b)
	w.point(erp, w.pair(crm, person, erp), w.firmPair(crm, c, erp)) // in the same instant: the ERP's counts
	w.settle(e)
	w.sameFirm(person, c)
}

func TestReferenceOutOfScope(t *testing.T) {
	scoped := func(policy string) func(people, firms *flows.Link) {
		return func(people, firms *flows.Link) {
			ref := people.Refs[company]
			ref.OutOfScope = policy
			people.Refs[company] = ref
		}
	}
	start := func(t *testing.T, policy string) (w *world, e *flows.Engine, person, partner, in, out string) {
		w = newWorld(t, withFirms)
		firmWorld(w, scoped(policy))
		w.links[1].Members[0].Filter = w.filterOn(companies, `name != "Own"`, crm)
		e = w.engine("a", nil)
		in, out = w.firm(crm, "Acme"), w.firm(crm, "Own")
		person = w.works(crm, in, 1)
		w.settle(e)
		w.sameFirm(person, in)
		w.edit(crm, person, map[string]string{crmPoints: out, "city": "Brno"})
		w.settle(e)
		return w, e, person, w.pair(crm, person, erp), in, out
	}
	t.Run("leave", func(t *testing.T) {
		w, e, person, partner, in, _ := start(t, fields.OutOfScopeLeave)
		if got := w.pointed(erp, partner); got != w.firmPair(crm, in, erp) {
			t.Errorf("the partner points to %q", got)
		}
		if got := w.get(erp, partner)["city"]; got != "Brno" {
			t.Errorf("the rest of the record did not flow: %q", got)
		}
		if s, ok := w.waitOf(crm, person, crm); !ok || !strings.Contains(s.Reason, "out of scope") {
			t.Errorf("state %+v", s)
		}
		w.point(crm, person, in)
		w.settle(e)
		w.sameFirm(person, in)
	})
	t.Run("clear", func(t *testing.T) {
		w, e, person, partner, in, _ := start(t, fields.OutOfScopeClear)
		if got := w.pointed(erp, partner); got != "" {
			t.Errorf("the partner points to %q", got)
		}
		if s, ok := w.waitOf(crm, person, crm); !ok || !strings.Contains(s.Reason, "out of scope") {
			t.Errorf("state %+v", s)
		}
		w.point(crm, person, in)
		w.settle(e)
		w.sameFirm(person, in)
	})
	t.Run("park", func(t *testing.T) {
		w, e, person, partner, _, out := start(t, fields.OutOfScopePark)
		if got := w.get(erp, partner)["city"]; got == "Brno" {
			t.Error("the record was written")
		}
		w.allParked("needs_reference")
		if err := w.hubs[crm].UserEdit(companies, out, map[string]string{"name": "Taken"}); err != nil {
			t.Fatal(err)
		}
		w.settle(e) // the company came into scope: everything flows
		w.sameFirm(person, out)
	})
}

func TestReferenceToALinkThatDoesNotCreateThereWaitsWithItsReason(t *testing.T) {
	w, e := refsWorld(t, func(_, firms *flows.Link) { firms.Create[erp] = false })
	firm := w.firm(crm, "Acme")
	person := w.works(crm, firm, 1)
	w.settle(e)
	partner := w.pair(crm, person, erp)
	s, ok := w.waitOf(crm, person, erp)
	if !ok || !strings.Contains(s.Reason, "does not create there") || !strings.Contains(s.For, firm) || w.pointed(erp, partner) != "" {
		t.Errorf("state %+v %v, partner points to %q", s, ok, w.pointed(erp, partner))
	}
	twin := w.firm(erp, "Acme") // somebody makes it by hand
	w.settle(e)
	if got := w.pointed(erp, partner); got != twin {
		t.Errorf("the partner points to %q; want %q\n%s", got, twin, w.tail())
	}
}

func TestRequiredReferenceIsWaitedForBeforeTheCreate(t *testing.T) {
	w, e := refsWorld(t, func(people, firms *flows.Link) {
		people.Refs[company] = fields.Reference{Link: companies, OutOfScope: fields.OutOfScopeLeave, Required: true}
		people.Rules.Rows[len(people.Rules.Rows)-1].Required = true
		firms.Create[erp] = false
	})
	firm := w.firm(crm, "Acme")
	person := w.works(crm, firm, 1)
	w.settle(e)
	if n := len(w.births(erp)); n != 0 {
		t.Fatalf("%d partners were made", n)
	}
	w.allParked("needs_reference", "unmatched")
	w.firm(erp, "Acme")
	w.settle(e)
	w.sameFirm(person, firm)
}

// TestCyclesAreCreatedThenPointed: a company points to its first contact, which
// points to the company (F63).
func TestCyclesAreCreatedThenPointed(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run(from, func(t *testing.T) {
			w := newWorld(t, withFirms, func(w *world) {
				for name, c := range w.connect(nil) {
					column := firstColumn(name)
					if err := c.Setup(t.Context(), []connectors.CustomField{{Object: column.object, Name: column.name, Label: "first contact"}}); err != nil {
						t.Fatal(err)
					}
				}
			})
			firmWorld(w, func(_, firms *flows.Link) {
				firms.Refs = map[string]fields.Reference{"first": {Link: "customers", OutOfScope: fields.OutOfScopeLeave}}
				w.addRow(firms, fields.Spec{Name: "first", As: "reference", Columns: map[string][]string{crm: {firstColumn(crm).name}, erp: {firstColumn(erp).name}}})
			})
			e := w.engine("a", nil)
			firm := w.firm(from, "Acme")
			person := w.works(from, firm, 1)
			w.pointFirm(from, firm, person)
			w.settle(e)
			crmFirm, crmPerson := firm, person
			if from == erp {
				crmFirm, crmPerson = w.firmPair(erp, firm, crm), w.pair(erp, person, crm)
			}
			w.sameFirm(crmPerson, crmFirm)
			if a, b := w.firmPoints(crm, crmFirm), w.firmPoints(erp, w.firmPair(crm, crmFirm, erp)); a != crmPerson || b != w.pair(crm, crmPerson, erp) {
				t.Errorf("the companies point to %q and %q\n%s", a, b, w.tail())
			}
		})
	}
}

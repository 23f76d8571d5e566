package flows_test

import (
	"testing"
	"time"

	"syncd/flows"
)

// scoped makes a world whose contacts count only while they are customers.
func scoped(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.link.Members[0].Filter = w.filter(`lifecyclestage == "customer"`, crm)
	w.link.Members[0].CreateWith = map[string]string{"lifecyclestage": "customer"}
	return w
}

func (w *world) customer(n int) string {
	w.t.Helper()
	id := w.person(crm, n)
	w.edit(crm, id, map[string]string{"lifecyclestage": "customer"})
	return id
}

func TestStrangerOutOfScopeIsClaimedOnceItEnters(t *testing.T) {
	w := scoped(t)
	e := w.engine("a", nil)
	id := w.person(crm, 1)
	w.settle(e)
	if n := len(w.births(erp)); n != 0 || len(w.waiting()) != 0 {
		t.Fatalf("%d partners, waiting %+v", n, w.waiting())
	}
	w.edit(crm, id, map[string]string{"lifecyclestage": "customer"})
	w.settle(e)
	w.converged(1)
}

// A pair of which a record leaves scope stays and is shown; nothing flows either
// way, and what changed meanwhile is merged when the record is back.
func TestPairThatLeavesScopeFreezesAndMergesWhenItIsBack(t *testing.T) {
	w := scoped(t)
	e := w.engine("a", nil)
	id := w.customer(1)
	w.settle(e)
	partner := w.pair(crm, id, erp)
	w.edit(crm, id, map[string]string{"lifecyclestage": "lead"})
	w.settle(e)
	w.parkedAs("out_of_scope")
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.edit(erp, partner, map[string]string{"jobtitle": "CEO"})
	w.settle(e)
	w.allParked("out_of_scope", "out_of_scope")
	if w.get(erp, partner)["city"] == "Brno" || w.get(crm, id)["jobtitle"] == "CEO" {
		t.Error("something flowed out of scope")
	}
	w.pair(crm, id, erp) // still
	w.edit(crm, id, map[string]string{"lifecyclestage": "customer"})
	w.settle(e)
	w.converged(1)
	if got := w.get(crm, id); got["city"] != "Brno" || got["jobtitle"] != "CEO" {
		t.Errorf("what changed meanwhile is lost: %v", got)
	}
}

// Writes never reach a record that is out of its own side's scope, whether it is
// read beside the source or, soon after a write of ours, behind it.
func TestPartnerOutOfScopeIsNotWritten(t *testing.T) {
	for _, later := range []time.Duration{0, 20 * time.Minute} {
		w := newWorld(t)
		e := w.engine("a", nil)
		id := w.person(crm, 1)
		w.settle(e)
		partner := w.pair(crm, id, erp)
		w.clock.advance(later)
		if err := w.erp.UserWrite(partners, number(partner), map[string]any{"is_company": true}); err != nil {
			t.Fatal(err)
		}
		w.forget()
		w.edit(crm, id, map[string]string{"city": "Brno"})
		w.settle(e)
		w.parkedAs("out_of_scope")
		if w.get(erp, partner)["city"] == "Brno" {
			t.Errorf("%v after the pair was made, a record out of scope was written", later)
		}
		if err := w.erp.UserWrite(partners, number(partner), map[string]any{"is_company": false}); err != nil {
			t.Fatal(err)
		}
		w.settle(e)
		w.converged(1)
	}
}

// A paired record keeps its link, even where it fits another link's filter by now.
func TestPairedRecordKeepsItsLink(t *testing.T) {
	w := scoped(t)
	leads := *w.link
	leads.Name = "leads"
	leads.Members = append([]flows.Member(nil), w.link.Members...)
	leads.Members[0].Filter = w.filter(`lifecyclestage == "lead"`, crm)
	leads.Members[1].Filter = w.filter(`type == "invoice"`, erp)
	w.links = append(w.links, &leads)
	e := w.engine("a", nil)
	id := w.customer(1)
	w.settle(e)
	w.edit(crm, id, map[string]string{"lifecyclestage": "lead"})
	w.settle(e)
	w.parkedAs("out_of_scope")
	if i := w.identity(crm, id); i.Link != "customers" {
		t.Errorf("the pair moved to the link %s", i.Link)
	}
	if n := len(w.births(erp)); n != 1 {
		t.Errorf("%d partners", n)
	}
}

package flows_test

import (
	"strings"
	"testing"
	"time"

	"syncd/flows"
	"syncd/store"
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

// unpair: the pair is inactive for as long as the record is out of scope, with its
// reason; nothing is made anew on either side, and it is the same pair afterwards.
func TestPairThatLeavesScopeIsUnpairedUntilItIsBack(t *testing.T) {
	w := scoped(t)
	w.link.Members[0].Leaves = flows.LeavesUnpair
	e := w.engine("a", nil)
	id := w.customer(1)
	w.settle(e)
	partner := w.pair(crm, id, erp)
	w.edit(crm, id, map[string]string{"lifecyclestage": "lead"})
	w.settle(e)
	inactive := func() {
		t.Helper()
		ps, err := w.store.Pairs(t.Context(), store.PairQuery{SourceSystem: crm, SourceID: id})
		if err != nil || len(ps) != 1 || ps[0].Active {
			t.Errorf("pairs %+v, %v; want one that is inactive", ps, err)
		}
	}
	inactive()
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.edit(erp, partner, map[string]string{"jobtitle": "CEO"})
	w.settle(e)
	inactive()
	if n := len(w.births(crm)) + len(w.births(erp)); n != 2 || len(w.waiting()) != 0 || w.get(erp, partner)["city"] == "Brno" {
		t.Errorf("%d records, waiting %+v", n, w.waiting())
	}
	w.edit(crm, id, map[string]string{"lifecyclestage": "customer"})
	w.settle(e)
	w.converged(1)
	if got := w.pair(crm, id, erp); got != partner || w.get(crm, id)["jobtitle"] != "CEO" || w.get(erp, partner)["city"] != "Brno" {
		t.Errorf("paired with %s: %v", got, w.get(crm, id))
	}
}

// archive: the partner goes into its bin, and out of it again with the record.
func TestPartnerOfARecordThatLeavesScopeIsArchivedAndRestored(t *testing.T) {
	w := scoped(t)
	w.link.Members[0].Leaves = flows.LeavesArchive
	e := w.engine("a", nil)
	id := w.customer(1)
	w.settle(e)
	partner := w.pair(crm, id, erp)
	active := func() any {
		v, _ := w.erp.Get(partners, number(partner))
		return v["active"]
	}
	w.edit(crm, id, map[string]string{"lifecyclestage": "lead"})
	w.settle(e)
	if active() != false {
		t.Fatalf("active is %v\n%s", active(), w.tail())
	}
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.settle(e)
	w.edit(crm, id, map[string]string{"lifecyclestage": "customer"})
	w.settle(e)
	if active() != true {
		t.Errorf("active is %v", active())
	}
	w.converged(1)
	if got := w.get(erp, w.pair(crm, id, erp)); got["city"] != "Brno" {
		t.Errorf("what changed meanwhile is lost: %v", got)
	}
}

// An archive never reaches a partner that was edited since the last agreement.
func TestEditedPartnerOfARecordThatLeavesScopeIsFrozen(t *testing.T) {
	w := scoped(t)
	w.link.Members[0].Leaves = flows.LeavesArchive
	e := w.engine("a", nil)
	id := w.customer(1)
	w.settle(e)
	partner := w.pair(crm, id, erp)
	w.clock.advance(20 * time.Minute)
	w.edit(erp, partner, map[string]string{"jobtitle": "CEO"})
	w.edit(crm, id, map[string]string{"lifecyclestage": "lead"})
	w.settle(e)
	if v, _ := w.erp.Get(partners, number(partner)); v["active"] != true {
		t.Error("an edited record was archived")
	}
	for _, r := range w.waiting() {
		if !strings.HasPrefix(r.Error, "out_of_scope") {
			t.Errorf("waits: %+v", r)
		}
	}
	w.edit(crm, id, map[string]string{"lifecyclestage": "customer"})
	w.settle(e)
	w.converged(1)
}

// So many at once look like an accident: the breaker of deletes counts them.
func TestMassOfRecordsThatLeaveScopeTripsTheBreaker(t *testing.T) {
	const most = 30
	w := scoped(t)
	w.link.Members[0].Leaves = flows.LeavesArchive
	e := w.engine("a", nil)
	for n := range most {
		w.customer(n)
	}
	w.settle(e)
	for _, id := range w.births(crm) {
		w.edit(crm, id, map[string]string{"lifecyclestage": "lead"})
		w.deliver()
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(time.Second)
	}
	archived := 0
	for _, id := range w.births(erp) {
		if v, _ := w.erp.Get(partners, number(id)); v["active"] == false {
			archived++
		}
	}
	if archived == 0 || archived >= most {
		t.Errorf("%d of %d archived", archived, most)
	}
	if holds := strings.Join(w.holdsOf(), ", "); !strings.Contains(holds, "erp deletes") {
		t.Errorf("holds %q", holds)
	}
}

package e2e_test

import (
	"net/http"
	"testing"

	"syncd/simulator"
)

// lostAnswers are the ways in which an answer gets lost after the vendor has
// done the work.
var lostAnswers = map[string]simulator.Fault{
	"dropped":    {Effect: simulator.DropAfter, Times: 1},
	"500":        {Effect: simulator.ApplyStatus, Status: http.StatusInternalServerError, Times: 1},
	"cut in two": {Effect: simulator.CutAnswer, Times: 1},
	"web page":   {Effect: simulator.Garbage, Times: 1},
}

// few is how many records a test of trouble makes.
const few = 12

// TestLostAnswerToACreateMakesNoDuplicate: the vendor made the records and its
// answer was lost.
func TestLostAnswerToACreateMakesNoDuplicate(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		for name, fault := range lostAnswers {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, settings{Store: store, Held: true, Seed: 31})
				d := w.start()
				inERP, inCRM := fault, fault
				inERP.Op, inERP.Object = "load", partner
				inCRM.Op, inCRM.Object = "batch_create", contacts
				w.erp.Faults().Add(inERP)
				w.crm.Faults().Add(inCRM)
				for i, p := range people(w.s.Seed, 2*few) {
					if i%2 == 0 {
						w.crmCreate(p)
					} else {
						w.erpCreate(p)
					}
				}
				w.courier.release(1)
				w.holds("each is there once", func() string { return w.onePair(2 * few) })
				w.quiet()
				w.met(string(fault.Effect), 1, 1)
				w.settled(d, 2*few)
				w.redelivered()
			})
		}
	})
}

// TestLostAnswerToAnUpdateIsConfirmedByReading: an update was made and its
// answer was lost; it is not made twice, and nothing is parked.
func TestLostAnswerToAnUpdateIsConfirmedByReading(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Seed: 32})
		d := w.start()
		all := people(w.s.Seed, few)
		ids := w.pairs(all)
		w.erp.Faults().Add(simulator.Fault{Op: "write", Object: partner, Effect: simulator.DropAfter, Times: 1})
		w.crm.Faults().Add(simulator.Fault{Op: "batch_update", Object: contacts, Effect: simulator.DropAfter, Times: 1})
		before := w.writes()
		w.crmEdit(ids[0], map[string]string{"jobtitle": "Countess"})
		w.erpEdit(w.partnerOf(ids[1]), map[string]any{"function": "Admiral"})
		w.told("both edits have crossed", func() bool {
			return w.partner(w.partnerOf(ids[0]), "function") == "Countess" && w.contact(ids[1], "jobtitle") == "Admiral"
		})
		w.quiet()
		w.met(string(simulator.DropAfter), 1, 1)
		if n := w.writes() - before; n != 2 {
			t.Errorf("two edits made %d writes", n)
		}
		w.settled(d, few)
	})
}

// met checks that the faults of a test were really met.
func (w *world) met(fault string, inCRM, inERP int) {
	w.t.Helper()
	count := func(t *simulator.Truth) (n int) {
		for _, c := range t.Calls() {
			if c.Fault == fault {
				n++
			}
		}
		return n
	}
	if c, e := count(w.crm.Truth()), count(w.erp.Truth()); c != inCRM || e != inERP {
		w.t.Errorf("the CRM met fault %q %d times and the ERP %d times, not %d and %d", fault, c, e, inCRM, inERP)
	}
}

// pairs makes people in the CRM and waits until each has a partner; it gives
// the contacts' ids.
func (w *world) pairs(all []person) []string {
	w.t.Helper()
	before := len(w.crm.Truth().Births(contacts))
	ids := make([]string, len(all))
	for i, p := range all {
		ids[i] = w.crmCreate(p)
	}
	w.holds("each is there once", func() string { return w.onePair(before + len(all)) })
	w.quiet()
	return ids
}

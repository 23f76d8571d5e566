package flows_test

import (
	"testing"

	"syncd/connectors"
	"syncd/simulator"
)

// tokenless makes an object one of class blind that shows no token.
func (w *world) tokenless(system string) {
	info := w.infos[system]
	o := info.Objects[objectOf(system)]
	o.CreateClass, o.TokenVisible, o.TokenField = connectors.ClassBlind, false, ""
	info.Objects[objectOf(system)] = o
}

// The echo carries no token, and its e-mail address may have been edited by the
// time at which it is heard of. It points to the record that waits for it.
func TestEchoOfAParkedBlindCreateIsBoundByItsInverseID(t *testing.T) {
	for _, edited := range []bool{false, true} {
		w := newWorld(t)
		w.tokenless(erp)
		e := w.engine("a", nil)
		w.erp.Faults().Add(simulator.Fault{Op: "load", Effect: simulator.DropAfter, Times: 1})
		id := w.person(crm, 1)
		w.deliver()
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
		w.forget() // the echo's webhook is lost
		w.settle(e)
		w.parkedAs("uncertain_create")
		made := w.births(erp)
		if edited {
			if err := w.erp.UserWrite(partners, number(made[0]), map[string]any{"email": "else@x.example"}); err != nil {
				t.Fatal(err)
			}
			w.forget()
		}
		w.hint(erp, made...)
		w.settle(e)
		if partner := w.pair(crm, id, erp); len(w.births(erp)) != 1 || partner != made[0] {
			t.Errorf("edited %v: the partner is %s, made were %v", edited, partner, w.births(erp))
		}
		if n := len(w.births(crm)); n != 1 {
			t.Errorf("edited %v: %d records in the CRM, want the one that was there", edited, n)
		}
	}
}

func TestCopiedInverseIDIsNotBelieved(t *testing.T) {
	w := newWorld(t)
	w.tokenless(erp)
	e := w.engine("a", nil)
	contact, partner := w.paired(e, crm, 1)
	if _, err := w.erp.UserCreate(partners, map[string]any{"name": "Ann Copy", "email": "copy@x.example", inverseOf(erp, crm): contact}); err != nil {
		t.Fatal(err)
	}
	w.settle(e)
	if got := w.pair(crm, contact, erp); got != partner {
		t.Errorf("the contact's partner is %s now, was %s", got, partner)
	}
	if n := len(w.births(crm)); n != 2 {
		t.Errorf("%d contacts, want one for each of the two partners", n)
	}
}

// A record with the business key of a create that is a person's business may be
// what that made: it waits for the person as well, and costs no calls meanwhile.
func TestRecordLikeAParkedBlindCreateWaitsWithoutCalls(t *testing.T) {
	w := newWorld(t)
	w.tokenless(erp)
	e := w.engine("a", nil)
	w.erp.Faults().Add(simulator.Fault{Op: "load", Effect: simulator.DropBefore, Times: 1})
	w.person(crm, 1)
	w.settle(e)
	w.parkedAs("uncertain_create")
	w.person(erp, 1)
	w.settle(e)
	waiting := w.waiting()
	if len(waiting) != 2 || !waiting[0].Parked || !waiting[1].Parked {
		t.Errorf("waiting: %+v, want both parked", waiting)
	}
	if len(w.births(crm))+len(w.births(erp)) != 2 {
		t.Errorf("made were %v and %v, want none but the two by hand", w.births(crm), w.births(erp))
	}
}

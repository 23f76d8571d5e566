package flows_test

import "testing"

// A record points to an identity that the batch has looked at, and was the first
// of it before the database was lost: looking a second time must not find the
// batch's own lease in the way, or the record comes back for ever.
func TestRecordThatAnIdentityBeganWithIsBoundThoughItPointsThereToo(t *testing.T) {
	w := newWorld(t)
	w.tokenless(erp)
	e := w.engine("a", nil)
	contact, partner := w.paired(e, erp, 1)
	restore := w.backup()
	restore(true)
	w.forget()
	// Another record with the same e-mail: a person has to say which one it is.
	w.person(erp, 1)
	w.forget()
	w.tokenless(erp)
	e = w.engine("b", nil)
	w.hint(crm, contact)
	w.settle(e)
	w.parkedAs("ambiguous")
	w.hint(erp, partner)
	w.waitOut(e)
	if got := w.pair(erp, partner, crm); got != contact {
		t.Errorf("its partner is %q, want %s", got, contact)
	}
	if n := len(w.births(crm)); n != 1 {
		t.Errorf("%d contacts, want the one that was there", n)
	}
}

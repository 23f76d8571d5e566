package flows_test

import (
	"testing"
	"time"

	"syncd/flows"
	"syncd/mapping"
)

// A record that nobody could pair while the database recovered, because it was
// out of scope, says nothing new when it is seen long afterwards: its token is
// one of those that were lost (F47).
func TestTokenOfARecordThatARecoveryCouldNotPairIsNoNewEvidence(t *testing.T) {
	w := forgetful(t, true)
	token, err := w.keys.Token(w.keys.IdentityID(mapping.Origin{Link: "customers", System: "gone", ID: "1"}))
	if err != nil {
		t.Fatal(err)
	}
	id := w.create(erp, map[string]string{"firstname": "Left", "lastname": "Over", "type": "invoice", tokenOf(erp): token})
	w.clock.advance(time.Hour)
	w.forget()
	e := w.engine("c", nil)
	if err := e.Forgot(t.Context(), flows.EvidenceFence); err != nil {
		t.Fatal(err)
	}
	w.recover(e)
	w.clock.advance(24 * time.Hour)
	told := len(w.seen.forgot)
	w.edit(erp, id, map[string]string{"type": "contact"})
	w.settle(e)
	if got := w.holdsOf(); len(got) > 0 || len(w.seen.forgot) != told {
		t.Errorf("holds %v, told %v; want nothing beyond the first recovery", got, w.seen.forgot)
	}
}

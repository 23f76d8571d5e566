package flows_test

import (
	"testing"
	"time"
)

// A create that was refused and could not be taken back is in doubt still: a
// person is not asked about it before it is over, or nobody may ever send it.
func TestRefusedCreateThatCouldNotBeTakenBackIsSentAgainWhenItMay(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.paired(e, crm, 1)
	spoil := &steps{how: lostBefore}
	spoil.pause = func(n int, name string) {
		if name == "take back" && spoil.at == 0 {
			spoil.at = n
		}
	}
	b := w.engine("b", spoil)
	partner := w.person(erp, 1) // crm refuses a second record with its e-mail
	w.settle(b)
	if spoil.at == 0 {
		t.Fatal("nothing was taken back")
	}
	w.parkedAs("suspected_duplicate")
	w.clock.advance(time.Hour)
	w.edit(erp, partner, map[string]string{"email": "other@x.example"})
	w.settle(b)
	w.pair(erp, partner, crm)
	if n := len(w.births(crm)); n != 2 {
		t.Errorf("%d contacts, want two", n)
	}
}

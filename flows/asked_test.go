package flows_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/flows"
)

// waitOut lets go by what two that meet may take without anybody asking why.
func (w *world) waitOut(e *flows.Engine) {
	for range 3 {
		w.clock.advance(time.Minute)
		w.settle(e)
	}
}

// holder gives the identity that a record belongs to, "" if none.
func (w *world) holder(system, id string) string {
	w.t.Helper()
	holders, err := w.store.Holders(w.t.Context(), system, objectOf(system), []string{id})
	if err != nil {
		w.t.Fatal(err)
	}
	return holders[id]
}

// allParked wants one parked row for each of these reasons, and no other.
func (w *world) allParked(reasons ...string) {
	w.t.Helper()
	var got []string
	for _, r := range w.waiting() {
		reason, _, _ := strings.Cut(r.Error, ":")
		if !r.Parked {
			reason += " (not parked)"
		}
		got = append(got, reason)
	}
	slices.Sort(got)
	if !slices.Equal(got, reasons) {
		w.t.Errorf("waiting for %q; want %q", got, reasons)
	}
}

// A candidate that is announced itself must not settle, by coming first, what a
// person was asked.
func TestCandidateThatIsAnnouncedDoesNotSettleTheQuestion(t *testing.T) {
	for _, from := range []string{crm, erp} {
		to := map[string]string{crm: erp, erp: crm}[from]
		t.Run("from "+from, func(t *testing.T) {
			w := newWorld(t)
			w.link.OnMatch = flows.MatchPropose
			e := w.engine("a", nil)
			there := w.person(to, 1)
			w.forget()
			w.person(from, 1)
			w.settle(e)
			w.parkedAs("proposed")
			w.edit(to, there, map[string]string{"jobtitle": "CEO"})
			w.settle(e)
			w.waitOut(e)
			if id := w.holder(to, there); id != "" {
				t.Errorf("%s %s was paired without an answer", to, there)
			}
			if n := len(w.births(from)); n != 1 {
				t.Errorf("%d records in %s; want no second one", n, from)
			}
			w.allParked("asked", "proposed")
		})
	}
}

func TestOneOfSeveralCandidatesIsNotPairedForBeingAnnounced(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	mail := map[string]string{"firstname": "Ann", "lastname": "Lee", "email": "ann1@x.example"}
	a, b := w.create(erp, mail), w.create(erp, mail)
	w.forget()
	contact := w.create(crm, mail)
	w.settle(e)
	w.parkedAs("ambiguous")
	w.edit(erp, b, map[string]string{"jobtitle": "CEO"})
	w.settle(e)
	w.waitOut(e)
	if id := w.holder(erp, b); id != "" {
		t.Error("a candidate was paired without an answer")
	}
	w.allParked("ambiguous", "asked")
	// The person's answer: the other one has its own address.
	w.edit(erp, b, map[string]string{"email": "other@x.example"})
	w.edit(crm, contact, map[string]string{"jobtitle": "CTO"})
	w.settle(e)
	w.waitOut(e)
	if i, j := w.holder(crm, contact), w.holder(erp, a); i == "" || i != j {
		t.Errorf("contact %s and partner %s are no pair", contact, a)
	}
	if n := len(w.births(crm)); n != 2 {
		t.Errorf("%d contacts; want one for each partner", n)
	}
	if rows := w.waiting(); len(rows) > 0 {
		t.Errorf("waits for nothing: %+v", rows)
	}
}

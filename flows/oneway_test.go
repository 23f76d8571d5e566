package flows_test

import (
	"strings"
	"testing"

	"syncd/flows"
)

// oneWay makes the CRM a source only, or the ERP a sink only, or both.
func oneWay(t testing.TB, source, sink bool) *world {
	t.Helper()
	w := newWorld(t)
	for i := range w.link.Members {
		m := &w.link.Members[i]
		switch {
		case m.System == crm && source:
			m.Write, m.Inverse = false, nil
			w.link.Create[crm], w.link.Rules.ReadOnly[crm] = false, true
		case m.System == erp && sink:
			m.Listen = false
			w.link.Rules.Silent[erp] = true
		}
	}
	return w
}

// sourceUntouched fails if anything was written to the CRM.
func (w *world) sourceUntouched() {
	w.t.Helper()
	for _, c := range w.calls(crm) {
		if strings.Contains(c.Op, "create") || strings.Contains(c.Op, "update") {
			w.t.Errorf("a source only was written: %s", c.Op)
		}
	}
}

// A source is never written, not even for a token or an inverse id.
func TestSourceOnlyIsNeverWritten(t *testing.T) {
	w := oneWay(t, true, false)
	e := w.engine("a", nil)
	id := w.person(crm, 1)
	calls := w.counting()
	w.settle(e)
	t.Logf("calls of a create: %v", calls())
	partner := w.pair(crm, id, erp)
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.settle(e)
	w.edit(erp, partner, map[string]string{"jobtitle": "CEO"})
	w.create(erp, map[string]string{"firstname": "Bob", "lastname": "Roe", "email": "bob@x.example"}) // nobody to be created for
	w.settle(e)
	w.sourceUntouched()
	if got := w.get(erp, partner); got["city"] != "Brno" || got[inverseOf(erp, crm)] != id {
		t.Errorf("the partner is %v", got)
	}
	if len(w.waiting()) != 0 || len(w.births(crm)) != 1 {
		t.Errorf("waiting %+v, contacts %v", w.waiting(), w.births(crm))
	}
	// It lacks a token and an inverse id for good, and is quiet all the same.
	w.hint(crm, id)
	w.settle(e)
	if last := w.seen.attempts[len(w.seen.attempts)-1]; last != "crm done no_change" {
		t.Errorf("a look for nothing ends as %q", last)
	}
}

// The source carries no token: identity and token come from it all the same, so a
// lost database makes no second record.
func TestSourceOnlyIsKnownAgainAfterTheDatabaseIsLost(t *testing.T) {
	w := oneWay(t, true, false)
	restore := w.backup()
	e := w.engine("a", nil)
	id := w.person(crm, 1)
	w.settle(e)
	partner := w.pair(crm, id, erp)
	w.edit(erp, partner, map[string]string{"email": "other@x.example"}) // nothing to match by
	w.settle(e)
	w.forget()
	restore(true)
	e = w.engine("b", nil)
	w.hint(crm, id)
	w.settle(e)
	if got := w.pair(crm, id, erp); got != partner {
		t.Errorf("paired with %s; want %s", got, partner)
	}
	if n := len(w.births(erp)); n != 1 {
		t.Errorf("%d partners", n)
	}
	w.sourceUntouched()
}

// A sink's own records go nowhere, and an edit there neither goes on nor is put
// back, until the source changes that field.
func TestSinkOnlyIsNotListenedTo(t *testing.T) {
	w := oneWay(t, false, true)
	e := w.engine("a", nil)
	id := w.person(crm, 1)
	w.settle(e)
	partner := w.pair(crm, id, erp)
	w.person(erp, 2)
	w.edit(erp, partner, map[string]string{"jobtitle": "CEO"})
	w.settle(e)
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.settle(e)
	if n := len(w.births(crm)); n != 1 || w.get(crm, id)["jobtitle"] != "" {
		t.Errorf("the sink was listened to: %d contacts, %v", n, w.get(crm, id))
	}
	if got := w.get(erp, partner); got["city"] != "Brno" || got["jobtitle"] != "CEO" {
		t.Errorf("the partner is %v", got)
	}
	w.edit(crm, id, map[string]string{"jobtitle": "CTO"})
	w.settle(e)
	if got := w.get(erp, partner)["jobtitle"]; got != "CTO" {
		t.Errorf("job %q; the source's word counts", got)
	}
	if len(w.waiting()) != 0 {
		t.Errorf("waiting %+v", w.waiting())
	}
}

// A feed from a source only to a sink only: one record each, and no more.
func TestFeedFromSourceToSink(t *testing.T) {
	w := oneWay(t, true, true)
	w.link.OnMatch = flows.MatchPair
	e := w.engine("a", nil)
	for n := range 3 {
		w.person(crm, n)
	}
	w.person(erp, 2) // is there already: found by e-mail
	w.settle(e)
	w.sourceUntouched()
	if n := len(w.births(erp)); n != 3 {
		t.Errorf("%d partners; want three", n)
	}
	for _, id := range w.births(crm) {
		w.pair(crm, id, erp)
	}
}

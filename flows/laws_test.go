package flows_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/hubspot"
	"syncd/flows"
	"syncd/simulator"
	"syncd/store"
)

// parkedAs checks that exactly one row waits, for a reason, and gives it.
func (w *world) parkedAs(reason string) store.WaitingRow {
	w.t.Helper()
	ws := w.waiting()
	if len(ws) != 1 || !ws[0].Parked || !strings.HasPrefix(ws[0].Error, reason) {
		w.t.Fatalf("waiting %+v; want one row parked as %s\n%s", ws, reason, w.tail())
	}
	return ws[0]
}

func TestEchoIsFinishedAfterOneRead(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	partner := w.person(erp, 1)
	w.settle(e)
	calls := w.counting()
	w.hint(erp, partner) // as after an own write: the other side is not read beside it
	w.settle(e)
	if got := calls(); !slices.Equal(got, []string{"erp read"}) {
		t.Errorf("calls %v; want one read", got)
	}
}

func TestOwnMarkedHintMakesNoRow(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	_, partner := w.paired(e, erp, 1)
	w.edit(erp, partner, map[string]string{"city": "Brno"})
	for w.deliver() > 0 {
		w.clock.advance(3 * time.Second)
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range w.queues() {
		if q.System == crm {
			t.Errorf("the echo of our own update made a row: %+v", q)
		}
	}
	w.settle(e)
	w.converged(1)
}

func TestCreateWithLostAnswerIsAdoptedByToken(t *testing.T) {
	for _, effect := range []simulator.Effect{simulator.DropAfter, simulator.CutAnswer, simulator.Garbage} {
		t.Run(string(effect), func(t *testing.T) {
			w := newWorld(t)
			e := w.engine("a", nil)
			w.erp.Faults().Add(simulator.Fault{Op: "load", Effect: effect, Times: 1})
			w.person(crm, 1)
			w.settle(e)
			w.converged(1)
		})
	}
}

func TestAppliedFiveHundredMakesOneRecord(t *testing.T) {
	for _, to := range []string{crm, erp} {
		t.Run(to, func(t *testing.T) {
			w := newWorld(t)
			e := w.engine("a", nil)
			w.faults(to).Add(simulator.Fault{Op: "load", Effect: simulator.ApplyStatus, Status: 504, Times: 2})
			w.faults(to).Add(simulator.Fault{Op: "batch_create", Effect: simulator.ApplyStatus, Status: 502, Times: 2})
			w.person(map[string]string{crm: erp, erp: crm}[to], 1)
			w.settle(e)
			w.converged(1)
		})
	}
}

func TestUnknownUpdateThenSuccess(t *testing.T) {
	for _, effect := range []simulator.Effect{simulator.DropBefore, simulator.DropAfter, simulator.ApplyStatus} {
		for _, from := range []string{crm, erp} {
			t.Run(from+" "+string(effect), func(t *testing.T) {
				w := newWorld(t)
				e := w.engine("a", nil)
				w.paired(e, from, 1)
				for _, op := range []string{"write", "batch_update"} {
					for _, s := range w.systems() {
						w.faults(s).Add(simulator.Fault{Op: op, Effect: effect, Status: 502, Times: 2})
					}
				}
				w.edit(from, w.births(from)[0], map[string]string{"city": "Brno", "phone": "603111222"})
				w.settle(e)
				w.converged(1)
			})
		}
	}
}

func TestRefusedValueParksTheRecordAndAnEditFreesIt(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	_, partner := w.paired(e, erp, 1)
	w.edit(erp, partner, map[string]string{"email": "no address"}) // HubSpot refuses it, Odoo does not
	w.settle(e)
	w.parkedAs("refused")
	w.edit(erp, partner, map[string]string{"email": "ann@y.example"})
	w.settle(e)
	w.converged(1)
}

func TestOneBadRowIsParkedAloneAndItsSiblingsGoOn(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run(from, func(t *testing.T) {
			w := newWorld(t)
			e := w.engine("a", nil)
			for n := range 8 {
				v := map[string]string{"firstname": "Ann", "lastname": "Lee" + string(rune('a'+n)), "email": "ann" + string(rune('a'+n)) + "@x.example"}
				if n == 3 {
					if v["email"] = "no address"; from == crm {
						v = map[string]string{"email": "nameless@x.example"} // Odoo wants a name
					}
				}
				w.create(from, v)
			}
			calls := w.counting()
			took := w.settle(e)
			to := map[string]string{crm: erp, erp: crm}[from]
			if n := len(w.births(to)); n != 7 {
				t.Errorf("%d of 7 siblings arrived: %+v", n, w.waiting())
			}
			w.parkedAs("refused")
			for _, row := range w.waiting() {
				if row.Attempts > 1 {
					t.Errorf("attempts %+v", row)
				}
			}
			if n := len(calls()); n > 14 || took > 12*time.Second {
				t.Errorf("%d calls in %v: %v", n, took, calls())
			}
		})
	}
}

func TestStaleReadIsReadAgain(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, partner := w.paired(e, crm, 1)
	began := w.clock.now()
	version := hubspot.SortableTime(began.Add(20 * time.Second))
	if err := w.store.Enqueue(t.Context(), []store.Hint{{System: crm, Object: contacts, RecordID: id, Version: version, Cause: "webhook"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(20 * time.Second)
	w.edit(crm, id, map[string]string{"city": "Brno"}) // becomes visible late, and nobody tells
	w.forget()
	w.settle(e)
	if got := w.get(erp, partner)["city"]; got != "Brno" {
		t.Errorf("the edit that was announced is lost: %q", got)
	}
}

func TestStaleReadIsAcceptedInTheEnd(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	calls := w.counting()
	version := hubspot.SortableTime(w.clock.now().Add(time.Hour))
	if err := w.store.Enqueue(t.Context(), []store.Hint{{System: crm, Object: contacts, RecordID: id, Version: version, Cause: "webhook"}}); err != nil {
		t.Fatal(err)
	}
	if took := w.settle(e); took > 2*time.Minute {
		t.Errorf("took %v", took)
	}
	if n := len(calls()); n > 18 {
		t.Errorf("%d calls", n)
	}
	w.converged(1)
}

func TestRecordThatIsNotVisibleYetIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.hint(erp, "11") // announced before its commit
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(2 * time.Second)
	if id := w.person(erp, 1); id != "11" {
		t.Fatalf("id %s", id)
	}
	w.settle(e)
	w.converged(1)
}

func TestForeignTokenIsParked(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.create(erp, map[string]string{"firstname": "X", "lastname": "Y", "x_syncd_ref": "s1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})
	w.settle(e)
	w.parkedAs("foreign_token")
	if len(w.births(crm)) != 0 {
		t.Error("it was created onward")
	}
}

func TestRecordThatFitsTwoLinksIsParked(t *testing.T) {
	w := newWorld(t, func(w *world) {})
	second := w.customers(crm, erp)
	second.Name = "others"
	w.links = []*flows.Link{w.link, second}
	e := w.engine("a", nil)
	w.person(crm, 1)
	w.settle(e)
	w.parkedAs("two_links")
}

func TestTwoOfOneMatchKeyInOneBatchStayTwo(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.create(erp, map[string]string{"firstname": "Ann", "lastname": "Lee", "email": "desk@x.example"})
	w.create(erp, map[string]string{"firstname": "Bob", "lastname": "Ray", "email": "desk@x.example"})
	w.settle(e)
	// HubSpot keeps one contact per e-mail, so the second has to wait for a person.
	if n := len(w.births(crm)); n != 1 {
		t.Errorf("%d contacts", n)
	}
	w.parkedAs("suspected_duplicate")
}

func TestSeveralCandidatesAskAPerson(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	for range 2 {
		w.person(erp, 1)
	}
	w.forget()
	w.person(crm, 1)
	w.settle(e)
	if row := w.parkedAs("ambiguous"); !strings.Contains(string(row.Detail), `"11"`) || !strings.Contains(string(row.Detail), `"12"`) {
		t.Errorf("detail %s", row.Detail)
	}
	if n := len(w.births(erp)); n != 2 {
		t.Errorf("%d partners", n)
	}
}

func TestMatchPolicies(t *testing.T) {
	for policy, want := range map[flows.OnMatch]int{flows.MatchPair: 1, flows.MatchPropose: 1, flows.MatchOff: 2} {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t)
			w.link.OnMatch = policy
			e := w.engine("a", nil)
			w.person(erp, 1)
			w.forget()
			w.person(crm, 1)
			w.settle(e)
			if n := len(w.births(erp)); n != want {
				t.Errorf("%d partners; want %d", n, want)
			}
			if policy == flows.MatchPropose {
				w.parkedAs("proposed")
			}
		})
	}
}

func TestVendorsDuplicateRefusalPairsOrAsks(t *testing.T) {
	w := newWorld(t)
	w.link.Match = nil // nobody is looked for: HubSpot itself refuses the second e-mail
	e := w.engine("a", nil)
	w.person(crm, 1)
	w.forget()
	w.person(erp, 1)
	w.settle(e)
	w.converged(1)
}

func TestHeldCreatesKeepTheirWorkAndResume(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	hold := store.Hold{System: erp, Link: "customers", What: "creates", Reason: "first plan"}
	if err := w.store.CloseHold(t.Context(), hold); err != nil {
		t.Fatal(err)
	}
	w.person(crm, 1)
	for range 400 {
		w.deliver()
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(time.Second)
	}
	if len(w.births(erp)) != 0 || w.idle() || len(w.trash()) > 0 {
		t.Fatalf("births %v, trash %v", w.births(erp), w.trash())
	}
	if err := w.store.ReleaseHold(t.Context(), erp, "customers", "creates", "first plan", "me"); err != nil {
		t.Fatal(err)
	}
	w.settle(e)
	w.converged(1)
}

func TestMatchKeysFollowAnEmailChange(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"email": "new@x.example"})
	w.settle(e)
	w.converged(1)
	// The old address is free again, the new one is taken.
	old := w.create(erp, map[string]string{"firstname": "Bob", "lastname": "Ray", "email": "ann1@x.example"})
	w.settle(e)
	if w.pair(erp, old, crm) == id {
		t.Error("the old address still leads to the first customer")
	}
	w.converged(2)
}

func TestConflictIsAskedThenSettled(t *testing.T) {
	w := newWorld(t)
	for i := range w.link.Rules.Rows {
		w.link.Rules.Rows[i].Policy.Mode = "ask"
	}
	e := w.engine("a", nil)
	id, partner := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno", "jobtitle": "CEO"})
	w.edit(erp, partner, map[string]string{"city": "Praha"})
	w.settle(e)
	if a, b := w.get(crm, id), w.get(erp, partner); a["city"] != "Brno" || b["city"] != "Praha" || b["jobtitle"] != "CEO" {
		t.Errorf("crm %v, erp %v", a, b)
	}
	i := w.identity(crm, id)
	for _, m := range i.Members {
		if m.Fields["city"].State != "conflict" {
			t.Errorf("%s states %v", m.System, m.Fields)
		}
	}
	w.edit(erp, partner, map[string]string{"city": "Brno"})
	w.settle(e)
	w.converged(1)
}

func TestBlankedRecordIsParkedAndNothingIsWritten(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, partner := w.paired(e, crm, 1)
	full := map[string]string{"phone": "603111222", "city": "Brno", "jobtitle": "CEO"}
	w.edit(crm, id, full)
	w.settle(e)
	w.edit(crm, id, map[string]string{"phone": "", "city": "", "jobtitle": ""})
	w.settle(e)
	w.parkedAs("blanked")
	if w.get(erp, partner)["city"] != "Brno" {
		t.Error("the blanks were copied")
	}
	w.edit(crm, id, full)
	w.settle(e)
	w.converged(1)
}

func TestThreeMembersConverge(t *testing.T) {
	for _, from := range []string{crm, crm2, erp} {
		t.Run(from, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.hubs[crm2] = w.newHub(crm2, 2) })
			w.link = w.customers(crm, crm2, erp)
			w.links = []*flows.Link{w.link}
			e := w.engine("a", nil)
			for n := range 3 {
				w.person(from, n)
			}
			w.settle(e)
			w.converged(3)
			w.clock.advance(20 * time.Minute)
			for _, s := range w.systems() {
				w.edit(s, w.births(s)[0], map[string]string{"city": "City of " + s})
				w.settle(e)
				w.converged(3)
			}
		})
	}
}

func TestThreeMembersOneOfThemDown(t *testing.T) {
	for _, down := range []string{crm, crm2, erp} {
		t.Run(down, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.hubs[crm2] = w.newHub(crm2, 2) })
			w.link = w.customers(crm, crm2, erp)
			w.links = []*flows.Link{w.link}
			e := w.engine("a", nil)
			for _, from := range w.systems() {
				if from == down {
					continue
				}
				w.person(from, len(w.births(from)))
				w.settle(e)
				n := len(w.births(from))
				for _, op := range []string{"batch_update", "write", "load", "batch_create"} {
					w.faults(down).Add(simulator.Fault{Op: op, Effect: simulator.RefuseStatus, Status: 429, Times: 1})
					w.faults(down).Add(simulator.Fault{Op: op, Effect: simulator.DropBefore, Times: 1})
				}
				w.edit(from, w.births(from)[0], map[string]string{"city": "City of " + from})
				w.settle(e)
				w.faults(down).Clear()
				w.converged(n)
				w.clock.advance(20 * time.Minute)
			}
		})
	}
}

// A vendor's rule refuses one record only: that record waits for a person, and
// nothing spins.
func TestForbiddenRecordIsParked(t *testing.T) {
	w := newWorld(t)
	var calls int
	e := w.engine("a", nil, func(o *flows.Options) {
		for _, s := range o.Systems {
			if s.Name == erp {
				s.Conn = &refusing{Connector: s.Conn, calls: &calls, err: connectors.Error{Kind: connectors.KindForbidden, System: erp, Op: "update", Code: "rule", Said: "not yours: Ann Lee1"}}
			}
		}
	})
	id, _ := w.paired(w.engine("z", nil), crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.steady(e, 2*time.Minute)
	w.parkedAs("denied")
	if calls > 2 {
		t.Errorf("%d writes", calls)
	}
	if strings.Contains(w.logs.String(), "not yours") {
		t.Error("the vendor's words are in the log")
	}
}

// refusing is a connector whose updates are all refused.
type refusing struct {
	connectors.Connector
	calls *int
	err   connectors.Error
}

func (r *refusing) Write(ctx context.Context, object string, op connectors.Op, ws []connectors.Write) []connectors.Result {
	*r.calls++
	out := make([]connectors.Result, len(ws))
	for i, w := range ws {
		e := r.err
		out[i] = connectors.Result{Key: w.Key, Outcome: connectors.NotApplied, Err: &e}
	}
	return out
}

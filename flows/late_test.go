package flows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/flows/plan"
	"syncd/simulator"
)

// belated is a connector whose updates get no answer while hold is set. They
// reach the vendor when land is called, or at once if landsAtOnce is set.
type belated struct {
	connectors.Connector
	hold, landsAtOnce bool
	held              []func()
	called            func() // before every update
}

func (l *belated) Write(ctx context.Context, object string, op connectors.Op, ws []connectors.Write) []connectors.Result {
	if l.called != nil && op == connectors.Update {
		l.called()
	}
	if !l.hold || op != connectors.Update {
		return l.Connector.Write(ctx, object, op, ws)
	}
	send := func() { l.Connector.Write(context.WithoutCancel(ctx), object, op, ws) }
	if l.landsAtOnce {
		send()
	} else {
		l.held = append(l.held, send)
	}
	out := make([]connectors.Result, len(ws))
	for i := range out {
		out[i] = connectors.Result{Outcome: connectors.Unknown}
	}
	return out
}

func (l *belated) land() {
	for _, send := range l.held {
		send()
	}
	l.held = nil
}

func (l *belated) over(system string) func(*flows.Options) {
	return over(system, func(c connectors.Connector) connectors.Connector {
		l.Connector = c
		return l
	})
}

// attempt delivers what waits and runs it once, with no patience for what comes back.
func (w *world) attempt(e *flows.Engine) {
	w.t.Helper()
	w.deliver()
	if _, err := w.drain(e); err != nil {
		w.t.Fatal(err)
	}
}

// F32: an unanswered write lands after a newer value was agreed, and before we
// look a person edits another field: whoever signed the record last, the row is
// a late write and not an edit.
func TestLateWriteIsWrittenOverThoughAPersonSignedTheRecordSince(t *testing.T) {
	w, line := newWorld(t), &belated{}
	e := w.engine("a", nil, line.over(erp))
	id, partner := w.paired(e, crm, 1)
	line.hold = true
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.attempt(e)
	line.hold = false
	w.settle(e) // sent again, and agreed
	w.edit(erp, partner, map[string]string{"city": "Praha"})
	w.settle(e)
	line.land()
	w.edit(erp, partner, map[string]string{"function": "CEO"})
	w.settle(e)
	if got := w.get(crm, id); got["city"] != "Praha" || got["jobtitle"] != "CEO" {
		t.Errorf("crm has city %q and job %q; want Praha and CEO", got["city"], got["jobtitle"])
	}
	w.converged(1)
}

// A write whose answer was lost and that the record is proved to hold has
// landed: a person may type its value again.
func TestValueThatWasSeenToLandMayBeTypedAgain(t *testing.T) {
	w, line := newWorld(t), &belated{landsAtOnce: true}
	e := w.engine("a", nil, line.over(erp))
	id, partner := w.paired(e, crm, 1)
	line.hold = true
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.attempt(e)
	line.hold = false
	w.settle(e)
	for _, city := range []string{"Praha", "Brno"} {
		w.edit(erp, partner, map[string]string{"city": city})
		w.settle(e)
		if got := w.get(crm, id)["city"]; got != city {
			t.Errorf("crm has city %q; want %q, which a person typed", got, city)
		}
	}
	w.converged(1)
}

// What a read confirmed is persisted at the end of the batch only. Until then the
// intent of the next write carries it, marked as seen.
func TestNextIntentCarriesWhatARowWasSeenToHold(t *testing.T) {
	w, line := newWorld(t), &belated{landsAtOnce: true, hold: true}
	e := w.engine("a", nil, line.over(erp))
	id, _ := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.attempt(e) // applied, no answer
	intents := ""
	line.called = func() {
		for _, m := range w.identity(crm, id).Members {
			intents += string(m.Intent)
		}
	}
	w.edit(crm, id, map[string]string{"jobtitle": "CEO"})
	w.clock.advance(10 * time.Second)
	w.attempt(e)
	if !strings.Contains(intents, `"city":{"w":"Brno"`) || strings.Count(intents, `"seen":true`) != 1 {
		t.Errorf("on record when the next write goes out: %s", intents)
	}
	line.hold, line.called = false, nil
	w.settle(e)
	w.converged(1)
}

// An edit was read while the other system did not answer, and before it does a
// late write of ours lands on the edit: nobody but us has it now.
func TestEditThatWasReadOutlivesALateWriteOnTopOfIt(t *testing.T) {
	w, line := newWorld(t), &belated{}
	e := w.engine("a", nil, line.over(crm))
	id, partner := w.paired(e, crm, 1)
	w.settle(e)
	line.hold = true
	w.edit(erp, partner, map[string]string{"city": "Brno"})
	w.deliver()
	w.clock.advance(5 * time.Second) // Odoo announces before it commits
	w.attempt(e)
	line.hold = false
	w.settle(e) // sent again, and agreed
	if got := w.get(crm, id)["city"]; got != "Brno" {
		t.Fatalf("crm has %q", got)
	}
	w.faults(erp).Add(simulator.Fault{Op: "read", Effect: simulator.DropBefore, Times: 1})
	w.edit(crm, id, map[string]string{"city": "Praha"})
	w.attempt(e)
	line.land()
	if got := w.get(crm, id)["city"]; got != "Brno" {
		t.Fatalf("the late write did not land: %q", got)
	}
	w.settle(e)
	for _, at := range [][2]string{{crm, id}, {erp, partner}} {
		if got := w.get(at[0], at[1])["city"]; got != "Praha" {
			t.Errorf("%s has %q; want the edit that was read", at[0], got)
		}
	}
	w.converged(1)
}

// An edit that a policy has decided against stays decided against, although the
// first send of the winning value got no answer.
func TestOverruledEditIsNotGivenBack(t *testing.T) {
	w, line := newWorld(t), &belated{}
	for i := range w.link.Rules.Rows {
		w.link.Rules.Rows[i].Policy = plan.Policy{Mode: plan.ModeSystem, System: crm}
	}
	e := w.engine("a", nil, line.over(erp))
	id, partner := w.paired(e, crm, 1)
	w.settle(e)
	line.hold = true
	w.edit(erp, partner, map[string]string{"city": "Brno"})
	w.edit(crm, id, map[string]string{"city": "Praha"})
	w.deliver()
	w.clock.advance(5 * time.Second) // Odoo announces before it commits
	w.attempt(e)
	line.hold = false
	w.faults(erp).Add(simulator.Fault{Op: "write", Effect: simulator.RefuseStatus, Status: 429, Times: 1}) // surely not written
	w.settle(e)
	w.edit(crm, id, map[string]string{"jobtitle": "CEO"}) // another look at both
	w.settle(e)
	line.land()
	w.settle(e)
	for _, at := range [][2]string{{crm, id}, {erp, partner}} {
		if got := w.get(at[0], at[1])["city"]; got != "Praha" {
			t.Errorf("%s has %q; want what the policy names", at[0], got)
		}
	}
	w.converged(1)
}

package flows_test

import (
	"strings"
	"testing"
	"time"

	"syncd/flows"
)

// fight is a workflow of the CRM and a rule of the ERP that undo each other:
// every value is new, so only the hop budget ends it.
type fight struct {
	*world
	id, partner string
	before      int
}

func (w *world) fight(e *flows.Engine) *fight {
	id, partner := w.paired(e, crm, 1)
	f := &fight{world: w, id: id, partner: partner}
	f.before = f.updates()
	w.edit(crm, id, map[string]string{"city": "BRNO"})
	return f
}

func (f *fight) updates() (n int) {
	for _, c := range append(f.calls(crm), f.calls(erp)...) {
		if c.Op == "write" || c.Op == "batch_update" {
			n++
		}
	}
	return n - f.before
}

// rounds runs the engine and lets both automations have their way.
func (f *fight) rounds(e *flows.Engine, n int, pace time.Duration) {
	for range n {
		f.attempt(e)
		if c := f.get(crm, f.id)["city"]; !strings.HasSuffix(c, "x") {
			f.edit(crm, f.id, map[string]string{"city": c + "x"})
		}
		if c := f.get(erp, f.partner)["city"]; !strings.HasSuffix(c, "y") {
			f.edit(erp, f.partner, map[string]string{"city": c + "y"})
		}
		f.clock.advance(pace)
	}
}

// peace runs the engine alone.
func (f *fight) peace(e *flows.Engine, n int, pace time.Duration) {
	for range n {
		f.attempt(e)
		f.clock.advance(pace)
	}
}

func (f *fight) state(row string) (state, detail string) {
	for _, m := range f.identity(crm, f.id).Members {
		state += m.Fields[row].State
		detail += string(m.Fields[row].Detail)
	}
	return state, detail
}

func TestTwoFightingAutomationsAreFrozen(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	f := w.fight(e)
	f.rounds(e, 240, 500*time.Millisecond)
	if n := f.updates(); n > 4 {
		t.Errorf("%d writes for one change", n)
	}
	state, detail := f.state("city")
	if state != "frozen" || !strings.Contains(detail, w.get(crm, f.id)["city"]) || !strings.Contains(detail, w.get(erp, f.partner)["city"]) || !strings.Contains(detail, `"f":"crm"`) {
		t.Errorf("state %q tells %s; want both values and whose they are", state, detail)
	}
	if ws := w.waiting(); len(ws) == 0 || !strings.Contains(ws[0].Error, "city") {
		t.Errorf("waiting %+v; want the row with what is frozen", ws)
	}
	w.edit(crm, f.id, map[string]string{"jobtitle": "CEO"})
	f.peace(e, 20, 500*time.Millisecond)
	if got := w.get(erp, f.partner)["jobtitle"]; got != "CEO" {
		t.Errorf("the other rows stand still: %q", got)
	}
	w.edit(crm, f.id, map[string]string{"city": w.get(erp, f.partner)["city"]})
	f.peace(e, 20, 500*time.Millisecond)
	if state, _ := f.state("city"); state != "" {
		t.Errorf("made equal, and yet %s", state)
	}
	w.clock.advance(time.Hour) // the partner's row looks once more
	w.settle(e)
	w.converged(1)
}

// Nobody edits and nobody asks: an hour later the policy has settled the row.
func TestFrozenRowThawsByItself(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	f := w.fight(e)
	f.rounds(e, 120, 500*time.Millisecond)
	if state, _ := f.state("city"); state != "frozen" {
		t.Fatalf("state %q", state)
	}
	was, began := f.updates(), w.clock.now()
	f.peace(e, 58, time.Minute)
	if n := f.updates(); n != was {
		t.Errorf("%d writes while the row is frozen", n-was)
	}
	f.peace(e, 4, time.Minute)
	w.settle(e)
	if w.get(crm, f.id)["city"] != w.get(erp, f.partner)["city"] {
		t.Errorf("the sides still differ after %v", w.clock.now().Sub(began))
	}
	w.converged(1)
}

func TestFightThatNeverEndsCostsAFewWritesADay(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	f := w.fight(e)
	f.rounds(e, 24*60, time.Minute)
	// Thaws after 1, 3, 7 and 15 hours, and each time the budget of one change.
	if n := f.updates(); n < 5 || n > 5*3+1 {
		t.Errorf("%d writes in a day", n)
	}
}

func TestFrozenPrivateRowShowsNoValue(t *testing.T) {
	w := newWorld(t)
	w.link.Private["city"] = true
	e := w.engine("a", nil)
	f := w.fight(e)
	f.rounds(e, 120, 500*time.Millisecond)
	if state, detail := f.state("city"); state != "frozen" || strings.Contains(detail, "BRNO") {
		t.Errorf("state %q tells %s", state, detail)
	}
}

// The rows of a group are frozen by different sides and at different times, and
// thaw together: none keeps the others waiting for ever.
func TestFrozenGroupThawsByItself(t *testing.T) {
	w := newWorld(t)
	w.grouped()
	e := w.engine("a", nil)
	f := w.fight(e)
	f.rounds(e, 60, 500*time.Millisecond)
	w.edit(erp, f.partner, map[string]string{"function": "CEO"}) // differs from now on, too
	f.rounds(e, 60, 30*time.Second)
	if state, _ := f.state("city"); state == "" {
		t.Fatal("nothing is frozen")
	}
	f.peace(e, 2*60+5, time.Minute)
	w.settle(e)
	w.converged(1)
}

package plan_test

import (
	"testing"

	"syncd/flows/plan"
)

// pairOf is two sides that agree on f and g, and show these values of f; "-" is
// not shown.
func pairOf(a, b string) []plan.Side {
	side := func(system, f string) plan.Side {
		s := plan.Side{System: system, Presence: plan.Present, Modified: epoch, Values: map[string]string{"g": "G"},
			Base: plan.Base{"f": {V: "old", R: "1"}, "g": {V: "G", R: "1"}}}
		if f != "-" {
			s.Values["f"] = f
		}
		return s
	}
	return []plan.Side{side("a", a), side("b", b)}
}

// schema gives rules under which row f waits for a column, or is back after its
// column on side a was missing so many times.
func schema(waits string, gone int) plan.Rules {
	both := []string{"a", "b"}
	policy := plan.Policy{Mode: plan.ModeSystem, System: "a"}
	return plan.Rules{Rows: []plan.Row{
		{Name: "f", Systems: both, Policy: policy, Rev: "1", Suspended: waits, Gone: map[string]int{"a": gone}},
		{Name: "g", Systems: both, Policy: policy, Rev: "1"},
	}}
}

func sent(d plan.Decision, system, row string) (string, bool) {
	for _, w := range d.Writes {
		if e, ok := w.Fields[row]; ok && w.System == system {
			return e.W, true
		}
	}
	return "", false
}

// TestASuspendedRowLosesNoEdit: it writes nothing while it waits, the other rows
// flow, and what changed meanwhile goes by three-way rules when it is back.
func TestASuspendedRowLosesNoEdit(t *testing.T) {
	sides := pairOf("-", "new")
	sides[0].Values["g"] = "G2"
	d := plan.Decide(schema(plan.WhySchema, 0), sides)
	if _, wrote := sent(d, "a", "f"); wrote || d.Sides[1].States["f"].State != plan.StateSuspended {
		t.Fatalf("while it waits: writes %v, states %v", d.Writes, d.Sides[1].States)
	}
	if v, _ := sent(d, "b", "g"); v != "G2" {
		t.Errorf("the other row stays behind: %v", d.Writes)
	}
	back := pairOf("old", "new")
	back[1].States = d.Sides[1].States
	d = plan.Decide(schema("", 0), back)
	if v, _ := sent(d, "a", "f"); v != "new" {
		t.Errorf("when it is back: writes %v", d.Writes)
	}
	if done := plan.Decide(schema("", 0), apply(schema("", 0), d)); len(done.Writes)+len(done.Sides[0].States)+len(done.Sides[1].States) > 0 {
		t.Errorf("in the end: writes %v, sides %v", done.Writes, done.Sides)
	}
}

// TestWhatWentWithItsColumnIsNotCleared: a column that was made anew is empty
// everywhere, and nobody emptied it (F66). It is filled again; a person who clears
// it later means it.
func TestWhatWentWithItsColumnIsNotCleared(t *testing.T) {
	d := plan.Decide(schema("", 1), pairOf("", "old"))
	if v, wrote := sent(d, "a", "f"); v != "old" || !wrote {
		t.Fatalf("the column is not filled again: %v", d.Writes)
	}
	if _, wrote := sent(d, "b", "f"); wrote {
		t.Fatalf("the other side is blanked: %v", d.Writes)
	}
	d = plan.Decide(schema("", 1), pairOf("", "new"))
	if v, _ := sent(d, "a", "f"); v != "new" {
		t.Errorf("an edit of the other side: %v", d.Writes)
	}
	cleared := pairOf("", "old")
	cleared[0].Base["f"] = plan.BaseEntry{V: "old", R: "1", G: 1} // agreed since
	d = plan.Decide(schema("", 1), cleared)
	if v, wrote := sent(d, "b", "f"); v != "" || !wrote {
		t.Errorf("a person's clearing afterwards: %v", d.Writes)
	}
}

// TestAPairThatWasBornMeanwhileFlowsLater: its row was not agreed yet, which is
// not a row that was added to an old pair (F48).
func TestAPairThatWasBornMeanwhileFlowsLater(t *testing.T) {
	sides := pairOf("-", "new")
	for i := range sides {
		sides[i].Base = nil
	}
	d := plan.Decide(schema(plan.WhySchema, 0), sides)
	later := d.Sides
	later[0].Values["f"] = ""
	d = plan.Decide(schema("", 1), later)
	if v, _ := sent(d, "a", "f"); v != "new" {
		t.Errorf("writes %v", d.Writes)
	}
}

// TestAWriteThatNobodyCanSeeAnyMoreIsStillToBeMade, and closes its intent: an open
// one would be waited for as long as the column is missing.
func TestAWriteThatNobodyCanSeeAnyMoreIsStillToBeMade(t *testing.T) {
	was := "old"
	sides := pairOf("-", "new")
	sides[0].Intent = &plan.Intent{Acked: true, Fields: map[string]plan.IntentEntry{"f": {W: "new", From: "b", V: "new", O: "old", B: &was, F: &was}}}
	d := plan.Decide(schema(plan.WhySchema, 0), sides)
	if d.Sides[0].Intent != nil || d.Sides[1].Base["f"].V != "old" {
		t.Fatalf("intent %v, base %v", d.Sides[0].Intent, d.Sides[1].Base)
	}
	for shown, want := range map[string]bool{"old": true, "new": false} { // not written; written
		back := pairOf(shown, "new")
		got := plan.Decide(schema("", 1), back)
		if _, wrote := sent(got, "a", "f"); wrote != want {
			t.Errorf("back with %q: writes %v", shown, got.Writes)
		}
	}
}

// TestADefinitionWaitsUntilItIsInForce (F48): then unequal pairs go by the row's
// policy. Where another definition is in force, the row waits even in pairs that
// agreed under this one.
func TestADefinitionWaitsUntilItIsInForce(t *testing.T) {
	for _, c := range []struct {
		name  string
		force plan.Force
		rev   string // of the bases
		waits bool
	}{
		{"changed, untold", plan.ForceUntold, "0", true},
		{"changed, another in force", plan.ForceOther, "0", true},
		{"changed, in force", plan.ForceHere, "0", false},
		{"as it was, untold", plan.ForceUntold, "1", false},
		{"as it was, another in force", plan.ForceOther, "1", true},
	} {
		rules := schema("", 0)
		rules.Rows[0].Force = c.force
		sides := pairOf("new", "old")
		for i := range sides {
			sides[i].Base["f"] = plan.BaseEntry{V: "old", R: c.rev}
		}
		d := plan.Decide(rules, sides)
		_, wrote := sent(d, "b", "f")
		if waits := d.Sides[0].States["f"].State == plan.StateSuspended || d.Sides[1].States["f"].State == plan.StateSuspended; waits != c.waits || wrote == c.waits {
			t.Errorf("%s: waits %t, writes %v", c.name, waits, d.Writes)
		}
	}
}

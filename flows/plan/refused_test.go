package plan_test

import (
	"testing"

	"syncd/flows/plan"
)

// Both sides changed, the policy chose a, and b does not take its value: b's edit
// has lost and is listed. At the next look it must not win after all; a new one may.
func TestEditThatLostToARefusedValueDoesNotComeBack(t *testing.T) {
	p := plan.Policy{Mode: plan.ModeSystem, System: "a"}
	rules, sides := written(t, p)
	sides[1].Intent = nil
	sides[0].Base["f"], sides[1].Base["f"] = plan.BaseEntry{V: "1", R: "1"}, plan.BaseEntry{V: "1", R: "1"}
	sides[1].Values["f"] = "3"
	d := plan.Decide(rules, sides)
	if got := fieldOf(d, "b", "f"); got != "2" {
		t.Fatalf("b.f becomes %q, want 2", got)
	}
	d.Sides[1].Intent = &plan.Intent{Acked: true, Fields: d.Writes[0].Fields}
	for look := range 3 {
		d = plan.Decide(rules, d.Sides)
		if len(d.Writes) != 0 || d.Sides[1].States["f"].State != plan.StateRefused {
			t.Fatalf("look %d: writes %v, states of b %v; want none, and f refused", look, d.Writes, d.Sides[1].States)
		}
	}
	d.Sides[1].Values["f"] = "4"
	if got := fieldOf(plan.Decide(rules, d.Sides), "a", "f"); got != "4" {
		t.Errorf("an edit made since: a.f becomes %q, want 4", got)
	}
}

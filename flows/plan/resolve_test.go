package plan_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"syncd/flows/plan"
)

// written are two sides that agreed on "1" in every row, of which a moved f on to
// "2"; the write to b is out and was answered.
func written(t testing.TB, p plan.Policy) (plan.Rules, []plan.Side) {
	rules := rulesOf(p, "")
	var sides []plan.Side
	for _, s := range []string{"a", "b"} {
		side := plan.Side{System: s, Presence: plan.Present, Modified: epoch, Values: map[string]string{}, Base: plan.Base{}}
		for _, n := range rowNames {
			side.Values[n], side.Base[n] = "1", plan.BaseEntry{V: "1", R: "1"}
		}
		sides = append(sides, side)
	}
	sides[0].Values["f"] = "2"
	d := plan.Decide(rules, sides)
	if len(d.Writes) != 1 || d.Writes[0].System != "b" {
		t.Fatalf("writes %v", d.Writes)
	}
	d.Sides[1].Intent = &plan.Intent{Acked: true, Fields: d.Writes[0].Fields}
	return rules, d.Sides
}

// Our signature under a record that a late write of ours in another row explains
// proves nothing about this row: what is there may be a person's edit (F35).
func TestSignatureOfALateWriteProvesNothingAboutOtherRows(t *testing.T) {
	for late, want := range map[bool]string{false: "<nothing>", true: "9"} {
		rules, sides := written(t, plan.Policy{Mode: plan.ModeSystem, System: "a"})
		sides[1].Values = map[string]string{"f": "9", "g": "1", "h": "0"}
		sides[1].Ours, sides[1].Late = true, map[string]bool{"h": late}
		if got := fieldOf(plan.Decide(rules, sides), "a", "f"); got != want {
			t.Errorf("late write beside it: %t: a.f becomes %q, want %q", late, got, want)
		}
	}
}

// The vendor took a value, and then an older write of ours without an answer brought
// the old one back: that is no refusal, and is written over (F32).
func TestLateWriteOfTheOldValueIsNoRefusal(t *testing.T) {
	for late, want := range map[bool]string{true: "2", false: "<nothing>"} {
		rules, sides := written(t, plan.Policy{Mode: plan.ModeSystem, System: "a"})
		sides[1].Values["f"] = "1"
		sides[1].Late = map[string]bool{"f": late}
		d := plan.Decide(rules, sides)
		if got := fieldOf(d, "b", "f"); got != want {
			t.Errorf("late %t: b.f becomes %q, want %q", late, got, want)
		}
		if refused := d.Sides[1].States["f"].State == plan.StateRefused; refused == late {
			t.Errorf("late %t: refused %t", late, refused)
		}
	}
}

// The vendor's form is shown as diverged only while it is another value.
func TestDivergedRowIsTestedAgainAtEveryLook(t *testing.T) {
	rules, sides := written(t, plan.Policy{Mode: plan.ModeSystem, System: "a"})
	sides[1].Values["f"], sides[1].Ours = "(2)", true
	d := plan.Decide(rules, sides)
	if d.Sides[1].States["f"].State != plan.StateDiverged {
		t.Fatalf("states %v, want f diverged", d.Sides[1].States)
	}
	for look := range 3 {
		if d = plan.Decide(rules, d.Sides); len(d.Writes) != 0 || d.Sides[1].States["f"].State != plan.StateDiverged {
			t.Fatalf("look %d: writes %v, states %v", look, d.Writes, d.Sides[1].States)
		}
	}
	d.Sides[1].Values = map[string]string{"f": "2", "g": "1", "h": "1"}
	if d = plan.Decide(rules, d.Sides); len(d.Writes) != 0 || len(d.Sides[1].States) != 0 {
		t.Fatalf("equal by now: writes %v, states %v", d.Writes, d.Sides[1].States)
	}
}

// F29: nothing but another value, another schema or another credential has a
// refused value pushed again.
func TestRefusedValueIsTriedAgainWhenItsSideCanTakeMore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rules, sides := written(t, rapid.SampledFrom(policies()).Draw(rt, "policy"))
		rules.Able = map[string]string{"a": "then", "b": "then"}
		rules.Mask = func(_, value string) string { return "#" + value }
		d := plan.Decide(rules, sides) // b shows 1: it did not keep 2
		if st := d.Sides[1].States["f"]; st.State != plan.StateRefused || strings.Contains(string(st.Detail), `"2"`) {
			rt.Fatalf("state %s %s, want refused with a hidden value", st.State, st.Detail)
		}
		for range rapid.IntRange(0, 3).Draw(rt, "looks") {
			if d = plan.Decide(rules, d.Sides); len(d.Writes) != 0 {
				rt.Fatalf("pushed again: %v", d.Writes)
			}
		}
		rules.Able = map[string]string{"a": "then", "b": "now"}
		if d = plan.Decide(rules, d.Sides); fieldOf(d, "b", "f") != "2" {
			rt.Fatalf("b can take more and is not asked again: %v", d.Writes)
		}
	})
}

// A row that a read had confirmed rides on in the intent of a later write until
// that is persisted. Should the process die before, our signature is about the
// later write, and neither another value nor the old one is anything but an edit.
func TestRowThatWasSeenConfirmedIsEditedIfItShowsAnythingElse(t *testing.T) {
	for shown, want := range map[string]string{"9": "9", "1": "1", "2": "<nothing>"} {
		rules, sides := written(t, plan.Policy{Mode: plan.ModeSystem, System: "a"})
		e := sides[1].Intent.Fields["f"]
		e.Seen = true
		sides[1].Intent = &plan.Intent{Fields: map[string]plan.IntentEntry{"f": e, "g": {W: "5", From: "a", V: "5", O: "1"}}}
		sides[0].Values = map[string]string{"f": "2", "g": "5", "h": "1"}
		sides[1].Values = map[string]string{"f": shown, "g": "5", "h": "1"}
		sides[1].Ours = true
		d := plan.Decide(rules, sides)
		if got := fieldOf(d, "a", "f"); got != want || len(d.Sides[1].States) != 0 {
			t.Errorf("b shows %s: a.f becomes %q, want %q; states %v", shown, got, want, d.Sides[1].States)
		}
	}
}

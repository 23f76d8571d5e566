package plan_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"syncd/flows/plan"
)

func constRules(value string) plan.Rules {
	return plan.Rules{Rows: []plan.Row{{Name: "f", Systems: []string{"a", "b"}, Policy: plan.Policy{Mode: plan.ModeAsk}, Rev: "1", Const: &value}}}
}

func TestConstantIsHeldOnEverySide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := constRules("CRM")
		sides := []plan.Side{
			tableSide("a", "", [2]string{rapid.SampledFrom(tableBases).Draw(t, "base a"), rapid.SampledFrom([]string{"", "1", "CRM"}).Draw(t, "a")}),
			tableSide("b", "", [2]string{rapid.SampledFrom(tableBases).Draw(t, "base b"), rapid.SampledFrom([]string{"", "1", "CRM"}).Draw(t, "b")}),
		}
		sides = apply(rules, plan.Decide(rules, sides))
		for _, s := range sides {
			if s.Values["f"] != "CRM" || s.Base["f"].V != "CRM" || len(s.States) > 0 {
				t.Fatalf("%s holds %q with base %q and %v", s.System, s.Values["f"], s.Base["f"].V, s.States)
			}
		}
		if again := plan.Decide(rules, sides); len(again.Writes) > 0 {
			t.Fatalf("a second decision writes %v", again.Writes)
		}
	})
}

func TestConstantThatASideDoesNotKeepIsListed(t *testing.T) {
	for shown, want := range map[string]string{"": plan.StateRefused, "crm": plan.StateDiverged} {
		rules := constRules("CRM")
		sides := []plan.Side{tableSide("a", "", [2]string{"", ""}), tableSide("b", "", [2]string{"CRM", "CRM"})}
		d := plan.Decide(rules, sides)
		d.Sides[0].Intent = &plan.Intent{Acked: true, Fields: d.Writes[0].Fields}
		d.Sides[0].Values, d.Sides[0].Ours = map[string]string{"f": shown}, true
		for range 2 {
			if d = plan.Decide(rules, d.Sides); len(d.Writes) > 0 || d.Sides[0].States["f"].State != want {
				t.Errorf("%q: writes %v, states %v", shown, d.Writes, d.Sides[0].States)
			}
		}
		d.Sides[0].Values = map[string]string{"f": "other"} // somebody writes over it
		if d = plan.Decide(rules, d.Sides); (fieldOf(d, "a", "f") == "CRM") != (want == plan.StateDiverged) {
			t.Errorf("%q: what strays is not put back: %v", shown, d.Writes)
		}
	}
}

func TestConstantThatAnAutomationUndoesFreezes(t *testing.T) {
	rules := constRules("CRM")
	side := tableSide("a", "", [2]string{"CRM", "x"})
	for n := range 5 {
		side.Hops = map[string][]plan.Hop{"f": make([]plan.Hop, n)}
		d := plan.Decide(rules, []plan.Side{side})
		if frozen := d.Sides[0].States["f"].State == plan.StateFrozen; frozen != (n >= 3) || frozen != (len(d.Writes) == 0) {
			t.Errorf("after %d writes: %v, %v", n, d.Writes, d.Sides[0].States)
		}
	}
}

func TestChangedConstantWaitsForOldPairs(t *testing.T) {
	rules := constRules("new")
	rules.Rows[0].Rev = "2"
	d := plan.Decide(rules, []plan.Side{tableSide("a", "", [2]string{"old", "old"}), tableSide("b", "", [2]string{"old", "new"})})
	if len(d.Writes) > 0 || d.Sides[0].States["f"].State != plan.StateSuspended || d.Sides[1].Base["f"].R != "2" {
		t.Errorf("writes %v, states %v", d.Writes, d.Sides[0].States)
	}
}

func TestConstantIsBornWithARecord(t *testing.T) {
	rules := constRules("CRM")
	sides := []plan.Side{tableSide("a", "", [2]string{"-", "x"}), {System: "b", Presence: plan.Creating}}
	d := plan.Decide(rules, sides)
	if fieldOf(d, "b", "f") != "CRM" || fieldOf(d, "a", "f") != "<nothing>" {
		t.Fatalf("writes %v: a waits, to be written once", d.Writes)
	}
	d.Sides[0].Base["g"] = plan.BaseEntry{V: "1", R: "1"} // other rows were agreed since
	d.Sides[1] = tableSide("b", "", [2]string{"CRM", "CRM"})
	if d = plan.Decide(rules, d.Sides); fieldOf(d, "a", "f") != "CRM" {
		t.Errorf("writes %v, states %v: the side that was there is not written", d.Writes, d.Sides[0].States)
	}
}

func TestRestrictiveValueWins(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeRestrictive, Value: "out"}, "")
	tests := []struct{ a, b, wantA, wantB string }{ // base is ""; what each side is written, "-" nothing
		{"out", "in", "-", "out"},
		{"in", "out", "out", "-"},
		{"in", "", "-", "in"}, // one side changed: no conflict
		{"in", "maybe", "-", "-"},
	}
	for _, tt := range tests {
		d := plan.Decide(rules, []plan.Side{tableSide("a", "a", [2]string{"", tt.a}), tableSide("b", "", [2]string{"", tt.b})})
		gotA, gotB := strings.Replace(fieldOf(d, "a", "f"), "<nothing>", "-", 1), strings.Replace(fieldOf(d, "b", "f"), "<nothing>", "-", 1)
		if gotA != tt.wantA || gotB != tt.wantB {
			t.Errorf("%+v: a is written %q, b %q", tt, gotA, gotB)
		}
		if asked := d.Sides[0].States["f"].State == plan.StateConflict; asked != (tt.b == "maybe") {
			t.Errorf("%+v: states %v", tt, d.Sides[0].States)
		}
	}
}

// faulty is a side that shows a value which row f does not know.
func faulty(s plan.Side) plan.Side {
	s.Values = map[string]string{}
	s.Faults = map[string]plan.Fault{"f": {State: plan.StateUnmapped, Value: "secret", Why: "unknown"}}
	return s
}

func TestUnmappedValueIsListedAndNothingMoves(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "")
	rules.Mask = func(string, string) string { return "hash" }
	sides := []plan.Side{faulty(tableSide("a", "", [2]string{"1", ""})), tableSide("b", "", [2]string{"1", "2"})}
	if plan.Quiet(rules, sides[0], sides) {
		t.Error("a side with an unknown value is passed over before it is listed")
	}
	d := plan.Decide(rules, sides)
	st := d.Sides[0].States["f"]
	if len(d.Writes) > 0 || st.State != plan.StateUnmapped || d.Sides[0].Base["f"].V != "1" || strings.Contains(string(st.Detail), "secret") {
		t.Fatalf("writes %v, state %s %s, bases %v", d.Writes, st.State, st.Detail, d.Sides[0].Base)
	}
	d.Sides[0].Faults, d.Sides[0].Values = nil, map[string]string{"f": "1"}
	if d = plan.Decide(rules, d.Sides); len(d.Sides[0].States) > 0 || fieldOf(d, "a", "f") != "2" {
		t.Errorf("known again: states %v, writes %v", d.Sides[0].States, d.Writes)
	}
}

func TestUnmappedValueOfANewPairIsNoNewsToAnOldOne(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "")
	a := faulty(tableSide("a", "", [2]string{"-", ""}))
	a.Values["g"] = "1"
	d := plan.Decide(rules, []plan.Side{a, {System: "b", Presence: plan.Creating}})
	if got := fieldOf(d, "b", "f"); got != "<nothing>" || fieldOf(d, "b", "g") != "1" {
		t.Fatalf("b is made with %v", d.Writes)
	}
	sides := d.Sides
	sides[1].Presence, sides[1].Intent = plan.Present, nil
	sides[1].Base, sides[1].Values = plan.Base{"g": {V: "1", R: "1"}}, map[string]string{"f": "", "g": "1"}
	sides[0].Faults, sides[0].Values = nil, map[string]string{"f": "1", "g": "1"}
	if d = plan.Decide(rules, sides); fieldOf(d, "b", "f") != "1" {
		t.Errorf("writes %v, states %v", d.Writes, d.Sides[0].States)
	}
}

func TestRecordThatShowsNothingTripsTheGuard(t *testing.T) {
	s := plan.Side{Presence: plan.Present, Base: plan.Base{"f": {V: "x"}, "g": {V: "y"}, "h": {}}, Values: map[string]string{"f": "", "g": "", "h": ""}}
	if plan.Guard(s) != plan.TripBlanked {
		t.Error("a record with two fields turned empty and is not stopped")
	}
	s.Values["h"] = "new"
	if plan.Guard(s) != plan.TripNone {
		t.Error("a record that shows something is stopped")
	}
	s.Values = map[string]string{"f": "", "g": "y", "h": ""}
	if plan.Guard(s) != plan.TripNone {
		t.Error("a record with one field cleared is stopped")
	}
	s.Values, s.Faults = map[string]string{"f": "", "g": ""}, map[string]plan.Fault{"h": {}}
	if plan.Guard(s) != plan.TripNone {
		t.Error("a record that shows a value we do not know is stopped")
	}
}

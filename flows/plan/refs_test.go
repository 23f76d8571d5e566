package plan_test

import (
	"testing"

	"syncd/flows/plan"
)

// refRules are a reference row r and a plain row g between some systems.
func refRules(required bool, systems ...string) plan.Rules {
	policy := plan.Policy{Mode: plan.ModeSystem, System: systems[0]}
	return plan.Rules{Rows: []plan.Row{
		{Name: "r", Systems: systems, Policy: policy, Rev: "1", Required: required},
		{Name: "g", Systems: systems, Policy: policy, Rev: "1"},
	}}
}

// refSides agree that r points to "one" and g is "G"; each shows r as given.
func refSides(shown map[string]string, systems ...string) []plan.Side {
	var out []plan.Side
	for _, s := range systems {
		out = append(out, plan.Side{System: s, Presence: plan.Present, Modified: epoch, Values: map[string]string{"r": shown[s], "g": "G"},
			Base: plan.Base{"r": {V: "one", R: "1"}, "g": {V: "G", R: "1"}}})
	}
	return out
}

func unnamed(s *plan.Side, w plan.Wait) {
	delete(s.Values, "r")
	s.Unnamed = map[string]plan.Wait{"r": w}
}

func lacking(s *plan.Side, values ...string) {
	s.Lacks = map[string]map[string]plan.Wait{"r": {}}
	for _, v := range values {
		s.Lacks["r"][v] = plan.Wait{For: v, Identity: v, Reason: "not there"}
	}
}

func waits(t *testing.T, s plan.Side, want bool) {
	t.Helper()
	if _, got := plan.WaitOf(s.States["r"]); got != want {
		t.Errorf("%s waits %t, want %t: %v", s.System, got, want, s.States)
	}
}

// TestAReferenceWithoutANameWaitsAlone: the record's other rows flow, nobody's base
// moves, and once it has a name it is the edit that it was.
func TestAReferenceWithoutANameWaitsAlone(t *testing.T) {
	rules, sides := refRules(false, "a", "b"), refSides(map[string]string{"b": "one"}, "a", "b")
	unnamed(&sides[0], plan.Wait{For: "a records 7", Record: "7", Reason: "not paired yet"})
	sides[0].Values["g"] = "G2"
	if plan.Quiet(rules, sides[0], sides) {
		t.Error("it counts as an echo")
	}
	d := plan.Decide(rules, sides)
	if v, _ := sent(d, "b", "g"); v != "G2" {
		t.Errorf("the other row stays behind: %v", d.Writes)
	}
	if _, wrote := sent(d, "b", "r"); wrote || d.Sides[0].Base["r"].V != "one" || d.Sides[1].Base["r"].V != "one" {
		t.Errorf("writes %v, bases %v %v", d.Writes, d.Sides[0].Base, d.Sides[1].Base)
	}
	waits(t, d.Sides[0], true)
	named := apply(rules, d)
	named[0].Unnamed, named[0].Values["r"] = nil, "two"
	d = plan.Decide(rules, named)
	if v, _ := sent(d, "b", "r"); v != "two" {
		t.Errorf("with its name: %v", d.Writes)
	}
	waits(t, d.Sides[0], false)
}

// TestAReferenceThatCannotBeToldStaysNews until the side has a record to point to.
func TestAReferenceThatCannotBeToldStaysNews(t *testing.T) {
	rules, sides := refRules(false, "a", "b"), refSides(map[string]string{"a": "two", "b": "one"}, "a", "b")
	lacking(&sides[1], "two")
	d := plan.Decide(rules, sides)
	if len(d.Writes) > 0 || d.Sides[0].Base["r"].V != "one" {
		t.Fatalf("writes %v, base %v", d.Writes, d.Sides[0].Base)
	}
	waits(t, d.Sides[1], true)
	if plan.Quiet(rules, d.Sides[1], d.Sides) || plan.Quiet(rules, d.Sides[0], d.Sides) {
		t.Error("a look at either side ends as an echo")
	}
	again := plan.Decide(rules, d.Sides)
	waits(t, again.Sides[1], true)
	back := again.Sides
	back[0].Values["r"] = "one" // the person changed his mind
	waits(t, plan.Decide(rules, back).Sides[1], false)

	back[0].Values["r"], back[1].Lacks = "two", nil
	d = plan.Decide(rules, back)
	if v, _ := sent(d, "b", "r"); v != "two" {
		t.Fatalf("once it can be told: %v", d.Writes)
	}
	done := apply(rules, d)
	if done[0].Base["r"].V != "two" || done[1].Base["r"].V != "two" || len(done[1].States) > 0 {
		t.Errorf("in the end %+v", done)
	}
}

// TestThirdSideIsToldLater: the source's news stays news while one of two targets
// has taken it and the other cannot be told.
func TestThirdSideIsToldLater(t *testing.T) {
	systems := []string{"a", "b", "c"}
	rules, sides := refRules(false, systems...), refSides(map[string]string{"a": "two", "b": "one", "c": "one"}, systems...)
	lacking(&sides[2], "two")
	d := plan.Decide(rules, sides)
	after := apply(rules, d)
	if v, _ := sent(d, "b", "r"); v != "two" || after[1].Base["r"].V != "two" {
		t.Fatalf("writes %v, base %v", d.Writes, after[1].Base)
	}
	after[2].Lacks = nil
	d = plan.Decide(rules, after)
	if v, _ := sent(d, "c", "r"); v != "two" {
		t.Errorf("the third side is forgotten: %v", d.Writes)
	}
}

// newborn is a record of a that b has none of yet.
func newborn(r string) []plan.Side {
	return []plan.Side{
		{System: "a", Presence: plan.Present, Modified: epoch, Values: map[string]string{"r": r, "g": "G"}},
		{System: "b", Presence: plan.Creating},
	}
}

// TestARecordIsCreatedThenPointed (F63): without the reference, which is not taken
// for a row that was added to an old pair later.
func TestARecordIsCreatedThenPointed(t *testing.T) {
	for name, prepare := range map[string]func(sides []plan.Side){
		"no name yet":   func(s []plan.Side) { unnamed(&s[0], plan.Wait{Record: "7"}) },
		"no record yet": func(s []plan.Side) { lacking(&s[1], "two") },
	} {
		rules, sides := refRules(false, "a", "b"), newborn("two")
		prepare(sides)
		d := plan.Decide(rules, sides)
		if _, wrote := sent(d, "b", "r"); wrote || len(d.Writes) != 1 || !d.Writes[0].Create || len(d.Uncreated) > 0 {
			t.Fatalf("%s: writes %v", name, d.Writes)
		}
		born := d.Sides
		born[1].Presence, born[1].Values = plan.Present, map[string]string{"r": "", "g": "G"}
		born[1].Intent = &plan.Intent{Create: true, Acked: true, Fields: d.Writes[0].Fields}
		born[0].Unnamed, born[1].Lacks, born[0].Values["r"] = nil, nil, "two"
		d = plan.Decide(rules, born)
		if v, _ := sent(d, "b", "r"); v != "two" || len(d.Sides[1].States) > 0 {
			t.Errorf("%s: then %v, states %v", name, d.Writes, d.Sides[1].States)
		}
	}
}

func TestARequiredReferenceHoldsTheCreate(t *testing.T) {
	rules, sides := refRules(true, "a", "b"), newborn("two")
	lacking(&sides[1], "two")
	d := plan.Decide(rules, sides)
	if len(d.Writes) > 0 || d.Uncreated["b"] != "r" {
		t.Fatalf("writes %v, uncreated %v", d.Writes, d.Uncreated)
	}
	sides = newborn("") // it points to nothing, which waits for nobody
	if d = plan.Decide(rules, sides); len(d.Writes) != 1 || len(d.Uncreated) > 0 {
		t.Errorf("writes %v, uncreated %v", d.Writes, d.Uncreated)
	}
}

func TestAReferenceOutOfScope(t *testing.T) {
	rules := refRules(false, "a", "b")
	left := refSides(map[string]string{"b": "one"}, "a", "b")
	unnamed(&left[0], plan.Wait{Reason: "out of scope"})
	if d := plan.Decide(rules, left); len(d.Writes) > 0 || d.Parks != "" {
		t.Errorf("left: writes %v, parks %q", d.Writes, d.Parks)
	}
	parked := refSides(map[string]string{"b": "one"}, "a", "b")
	unnamed(&parked[0], plan.Wait{Reason: "out of scope", Park: true})
	if d := plan.Decide(rules, parked); d.Parks != "r" {
		t.Errorf("parked: %q", d.Parks)
	}
	cleared := refSides(map[string]string{"b": "one"}, "a", "b")
	unnamed(&cleared[0], plan.Wait{Reason: "out of scope", Blank: true})
	cleared[0].Values["r"] = ""
	d := plan.Decide(rules, cleared)
	if v, wrote := sent(d, "b", "r"); v != "" || !wrote {
		t.Errorf("cleared: writes %v", d.Writes)
	}
	waits(t, d.Sides[0], true) // and it is told why
}

package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncd/flows/plan"
)

// The rows f and g are one group here; h is a row by itself.

func groupRules(p plan.Policy, from string, systems ...string) plan.Rules {
	r := rulesOf(p, from)
	for i := range r.Rows {
		if r.Rows[i].Systems = systems; r.Rows[i].Name != "h" {
			r.Rows[i].Group = "address"
		}
	}
	return r
}

func drawGroup(t *rapid.T) (plan.Rules, []plan.Side) {
	systems := []string{"a", "b", "c"}[:rapid.IntRange(2, 3).Draw(t, "sides")]
	policy := rapid.SampledFrom(groupPolicies()).Draw(t, "policy")
	rules := groupRules(policy, rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "from"), systems...)
	sides := drawSides(t)
	if len(systems) == 3 {
		third := drawSides(t)[0]
		third.System = "c"
		for n, b := range sides[0].Base { // agreed on what the others agreed on
			if third.Base != nil {
				third.Base[n] = b
			}
		}
		sides = append(sides, third)
	}
	return rules, sides
}

func address(s plan.Side) string { return s.Values["f"] + "/" + s.Values["g"] }

// F33: never half an address from each side.
func TestGroupComesWholeFromOneSide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, sides := drawGroup(t)
		held := map[string]bool{}
		for _, s := range sides {
			held[address(s)] = true
		}
		d := plan.Decide(rules, sides)
		for _, s := range apply(rules, d) {
			if !held[address(s)] {
				t.Fatalf("%s ends with %s, which no side held: %v", s.System, address(s), held)
			}
		}
	})
}

func TestGroupConvergesOrWaitsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, sides := drawGroup(t)
		d := plan.Decide(rules, sides)
		asked := conflicts(d.Sides)
		done := apply(rules, d)
		for _, s := range done[1:] {
			if address(s) != address(done[0]) && !asked["f"] && !asked["g"] {
				t.Fatalf("%s holds %s and %s %s, without a reason", s.System, address(s), done[0].System, address(done[0]))
			}
		}
		if asked["f"] || asked["g"] {
			for _, w := range d.Writes {
				if _, f := w.Fields["f"]; f || fieldOf(d, w.System, "g") != "<nothing>" {
					t.Fatalf("one row of the group is asked about and %s is written %v", w.System, w.Fields)
				}
			}
		}
		if again := plan.Decide(rules, done); len(again.Writes) != 0 {
			t.Fatalf("a second decision writes %v", again.Writes)
		}
	})
}

func TestGroupDoesNotCareForTheOrderOfItsRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, sides := drawGroup(t)
		turned := rules
		turned.Rows = slices.Clone(rules.Rows)
		slices.Reverse(turned.Rows)
		d, other := plan.Decide(rules, sides), plan.Decide(turned, sides)
		for _, s := range sides {
			for _, n := range rowNames {
				if a, b := fieldOf(d, s.System, n), fieldOf(other, s.System, n); a != b {
					t.Fatalf("%s.%s gets %q; with the rows turned round %q", s.System, n, a, b)
				}
			}
		}
	})
}

func TestSwappingSidesSwapsTheGroupsPlan(t *testing.T) {
	other := map[string]string{"a": "b", "b": "a", "": ""}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(groupPolicies()).Draw(t, "policy")
		sides := drawSides(t)
		d := plan.Decide(groupRules(p, "", "a", "b"), sides)
		mirrored := []plan.Side{sides[1], sides[0]}
		mirrored[0].System, mirrored[1].System = "a", "b"
		m := plan.Decide(groupRules(plan.Policy{Mode: p.Mode, System: other[p.System]}, "", "a", "b"), mirrored)
		for _, w := range d.Writes {
			for n, e := range w.Fields {
				if got := fieldOf(m, other[w.System], n); got != e.W {
					t.Fatalf("%s.%s gets %q; mirrored it gets %q", w.System, n, e.W, got)
				}
			}
		}
	})
}

// pairOfGroups are two sides that agreed on f = g = h = "1"; a holds what is given.
func pairOfGroups(p plan.Policy, f, g string) (plan.Rules, []plan.Side) {
	var sides []plan.Side
	for _, s := range []string{"a", "b"} {
		sides = append(sides, plan.Side{System: s, Presence: plan.Present, Modified: epoch, Values: map[string]string{"f": "1", "g": "1", "h": "1"},
			Base: plan.Base{"f": {V: "1", R: "1"}, "g": {V: "1", R: "1"}, "h": {V: "1", R: "1"}}})
	}
	sides[0].Values["f"], sides[0].Values["g"] = f, g
	return groupRules(p, "", "a", "b"), sides
}

func TestRestOfAGroupWaitsForItsRefusedRow(t *testing.T) {
	rules, sides := pairOfGroups(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "2", "1")
	d := plan.Decide(rules, sides)
	d.Sides[1].Intent = &plan.Intent{Acked: true, Fields: d.Writes[0].Fields} // answered, and not kept
	d = plan.Decide(rules, d.Sides)
	if d.Sides[1].States["f"].State != plan.StateRefused {
		t.Fatalf("states %v, want f refused", d.Sides[1].States)
	}
	d.Sides[0].Values = map[string]string{"f": "2", "g": "2", "h": "2"}
	d = plan.Decide(rules, d.Sides)
	if fieldOf(d, "b", "g") != "<nothing>" || fieldOf(d, "b", "h") != "2" || d.Sides[1].States["g"].State != plan.StateWaits {
		t.Fatalf("writes %v, states %v; want h alone written and g waiting", d.Writes, d.Sides[1].States)
	}
	waiting := slices.Clone(d.Sides)
	waiting[1].Values = map[string]string{"f": "2", "g": "1", "h": "2"} // a person types the refused value
	byHand := plan.Decide(rules, waiting)
	if fieldOf(byHand, "b", "g") != "2" || fieldOf(byHand, "a", "g") != "<nothing>" {
		t.Fatalf("writes %v; want what waited to be written to b", byHand.Writes)
	}
	d.Sides[0].Values["f"] = "3"
	if d = plan.Decide(rules, d.Sides); fieldOf(d, "b", "f") != "3" || fieldOf(d, "b", "g") != "2" {
		t.Fatalf("writes %v; want the whole group once the refused row has another value", d.Writes)
	}
}

func TestGroupWaitsForItsSuspendedRow(t *testing.T) {
	rules, sides := pairOfGroups(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "2", "2")
	rules.Rows[0].Rev = "2" // f was redefined, and its sides differ
	d := plan.Decide(rules, sides)
	if len(d.Writes) != 0 || d.Sides[1].States["f"].State != plan.StateSuspended || d.Sides[1].States["g"].State != plan.StateSuspended {
		t.Fatalf("writes %v, states %v", d.Writes, d.Sides[1].States)
	}
	sides[1].Values["f"] = "2"
	d = plan.Decide(rules, d.Sides)
	if done := apply(rules, d); fieldOf(d, "b", "g") != "2" || len(done[0].States)+len(done[1].States) != 0 {
		t.Fatalf("writes %v, states %v %v; want g to flow once f is equal", d.Writes, done[0].States, done[1].States)
	}
}

func TestGroupIsFrozenWhole(t *testing.T) {
	rules, sides := pairOfGroups(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "2", "2")
	sides[1].Hops = map[string][]plan.Hop{"f": {{T: 1, From: "a"}}}
	sides[0].Hops = map[string][]plan.Hop{"g": {{T: 2, From: "b"}}, "f": {{T: 2, From: "b"}}}
	if d := plan.Decide(rules, sides); len(d.Writes) == 0 {
		t.Fatal("two turns in all are not a fight")
	}
	sides[1].Hops["g"] = []plan.Hop{{T: 3, From: "a"}}
	sides[0].Values, sides[1].Values = sides[1].Values, sides[0].Values // b has the news
	d := plan.Decide(rules, sides)
	if len(d.Writes) != 0 || d.Sides[0].States["f"].State != plan.StateFrozen || d.Sides[0].States["g"].State != plan.StateFrozen {
		t.Fatalf("writes %v, states %v", d.Writes, d.Sides[0].States)
	}
}

// A late write of ours in one row of a group is no part of what a person says by
// editing another one.
func TestLatePartOfAGroupIsPutBackAndTheEditFlows(t *testing.T) {
	rules, sides := pairOfGroups(plan.Policy{Mode: plan.ModeSystem, System: "b"}, "0", "2")
	sides[0].Late = map[string]bool{"f": true} // f = 0 on a came late; g = 2 is an edit
	d := plan.Decide(rules, sides)
	if fieldOf(d, "a", "f") != "1" || fieldOf(d, "b", "f") != "<nothing>" || fieldOf(d, "b", "g") != "2" {
		t.Fatalf("writes %v; want f put back on a and g written to b", d.Writes)
	}
	if from := d.Writes[0].Fields["f"].From; from != "b" {
		t.Errorf("f is put back from %q", from)
	}
}

const groupTableFile = "testdata/groups.txt"

// TestGroupDecisionTable writes out two rows of one group, agreed on 1 and 1.
func TestGroupDecisionTable(t *testing.T) { golden(t, groupTableFile, groupTable()) }

func groupTable() string {
	var out strings.Builder
	out.WriteString("# policy              a: f g | b: f g -> writes; states. f and g are one group, agreed on 1 and 1\n")
	rules := []struct {
		name, from string
		p          plan.Policy
	}{
		{"system a", "", plan.Policy{Mode: plan.ModeSystem, System: "a"}},
		{"newest, else a", "", plan.Policy{Mode: plan.ModeNewest, System: "a"}},
		{"ask", "", plan.Policy{Mode: plan.ModeAsk}},
		{"one way from a", "a", plan.Policy{Mode: plan.ModeAsk}},
	}
	for _, r := range rules {
		for n := range 16 {
			pick := func(bit int, other string) string {
				if n>>bit&1 == 1 {
					return other
				}
				return "1"
			}
			_, sides := pairOfGroups(r.p, pick(3, "2"), pick(2, "2"))
			sides[1].Values["f"], sides[1].Values["g"] = pick(1, "3"), pick(0, "3")
			sides[1].Modified = epoch.Add(time.Minute) // b is the newer one
			groupLine(&out, r.name, plan.Decide(groupRules(r.p, r.from, "a", "b"), sides), sides)
		}
	}
	return out.String()
}

func groupLine(out *strings.Builder, name string, d plan.Decision, sides []plan.Side) {
	var did []string
	for _, w := range d.Writes {
		for _, row := range rowNames {
			if e, ok := w.Fields[row]; ok {
				did = append(did, fmt.Sprintf("%s.%s:=%s", w.System, row, e.W))
			}
		}
	}
	for _, s := range d.Sides {
		for _, row := range rowNames {
			if st, ok := s.States[row]; ok {
				did = append(did, s.System+"."+row+" "+st.State)
			}
		}
	}
	a, b := sides[0].Values, sides[1].Values
	fmt.Fprintf(out, "%-22s a: %s %s | b: %s %s -> %s\n", name, a["f"], a["g"], b["f"], b["g"], strings.Join(did, " "))
}

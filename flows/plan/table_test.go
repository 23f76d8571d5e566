package plan_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/flows/plan"
)

var rewrite = flag.Bool("golden", false, "rewrite the golden files")

const tableFile = "testdata/decisions.txt"

// TestDecisionTable writes out every combination of base, value and policy for
// one row of two sides, and compares it with what was agreed to be right.
func TestDecisionTable(t *testing.T) { golden(t, tableFile, decisionTable()) }

// golden compares a table with the file of what was agreed to be right.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("line %d of %s\n got %s\nwant %s\n(run with -golden to accept)", i+1, file, g[i], w[i])
		}
	}
	t.Fatalf("the table has %d lines, %s has %d", len(g), file, len(w))
}

// The values that one row may have, and be agreed on: "-" is "never agreed",
// "?" is "not shown".
var (
	tableBases  = []string{"-", "", "1"}
	tableValues = []string{"?", "", "1", "2"}
)

func decisionTable() string {
	var out strings.Builder
	out.WriteString("# policy              a: base value | b: base value -> writes; new bases; states\n")
	type rule struct {
		name string
		p    plan.Policy
		from string
	}
	rules := []rule{
		{"system a", plan.Policy{Mode: plan.ModeSystem, System: "a"}, ""},
		{"newest, else a", plan.Policy{Mode: plan.ModeNewest, System: "a"}, ""},
		{"newest, else b", plan.Policy{Mode: plan.ModeNewest, System: "b"}, ""},
		{"ask", plan.Policy{Mode: plan.ModeAsk}, ""},
		{"one way from a", plan.Policy{Mode: plan.ModeAsk}, "a"},
	}
	for _, r := range rules {
		for _, newer := range []string{"a", "b"} {
			if newer == "b" && r.p.Mode != plan.ModeNewest {
				continue
			}
			for _, baseA := range tableBases {
				for _, a := range tableValues {
					for _, baseB := range tableBases {
						for _, b := range tableValues {
							line(&out, r.name, r.p, r.from, newer, [2]string{baseA, a}, [2]string{baseB, b})
						}
					}
				}
			}
		}
	}
	return out.String()
}

func line(out *strings.Builder, name string, p plan.Policy, from, newer string, a, b [2]string) {
	rules := plan.Rules{Rows: []plan.Row{{Name: "f", Systems: []string{"a", "b"}, From: from, Policy: p, Rev: "1"}}}
	sides := []plan.Side{tableSide("a", newer, a), tableSide("b", newer, b)}
	d := plan.Decide(rules, sides)
	var did []string
	for _, w := range d.Writes {
		did = append(did, fmt.Sprintf("%s:=%q", w.System, w.Fields["f"].W))
	}
	for _, s := range d.Sides {
		e, known := s.Base["f"]
		switch {
		case known && !e.Never:
			did = append(did, fmt.Sprintf("base(%s)=%q", s.System, e.V))
		case known:
			did = append(did, fmt.Sprintf("base(%s)=-", s.System))
		}
	}
	for _, s := range d.Sides {
		if st, ok := s.States["f"]; ok {
			did = append(did, s.System+" "+st.State)
		}
	}
	label := name
	if p.Mode == plan.ModeNewest {
		label += ", " + newer + " newer"
	}
	fmt.Fprintf(out, "%-22s a: %1s %1s | b: %1s %1s -> %s\n", label, show(a[0]), show(a[1]), show(b[0]), show(b[1]), strings.Join(did, " "))
}

func show(v string) string {
	if v == "" {
		return "0"
	}
	return v
}

func tableSide(system, newer string, s [2]string) plan.Side {
	side := plan.Side{System: system, Presence: plan.Present, Modified: epoch, Values: map[string]string{}}
	if system == newer {
		side.Modified = epoch.Add(time.Minute)
	}
	if s[0] != "-" {
		side.Base = plan.Base{"f": {V: s[0], R: "1"}}
	}
	if s[1] != "?" {
		side.Values["f"] = s[1]
	}
	return side
}

func TestWithinTheMarginTheNamedSideWins(t *testing.T) {
	row := plan.Rules{Rows: []plan.Row{{Name: "f", Systems: []string{"a", "b"}, Policy: plan.Policy{Mode: plan.ModeNewest, System: "a"}, Rev: "1"}}}
	for lead, want := range map[time.Duration]string{plan.Margin: "b", plan.Margin + 1: "a"} {
		sides := []plan.Side{tableSide("a", "", [2]string{"0", "1"}), tableSide("b", "", [2]string{"0", "2"})}
		sides[1].Modified = epoch.Add(lead)
		d := plan.Decide(row, sides)
		if len(d.Writes) != 1 || d.Writes[0].System != want {
			t.Errorf("b newer by %v: writes %v, want one to %s", lead, d.Writes, want)
		}
	}
}

func TestRefusedValueIsNotPushedAgainUntilTheSourceMoves(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "")
	sides := []plan.Side{tableSide("a", "", [2]string{"", "1"}), tableSide("b", "", [2]string{"", ""})}
	d := plan.Decide(rules, sides)
	refused := slices.Clone(d.Sides)
	refused[1].Intent = &plan.Intent{Acked: true, Fields: d.Writes[0].Fields} // answered "applied", shows the old value
	d = plan.Decide(rules, refused)
	if len(d.Writes) != 0 || d.Sides[1].States["f"].State != plan.StateRefused {
		t.Fatalf("writes %v, state %v; want none and refused", d.Writes, d.Sides[1].States)
	}
	if again := plan.Decide(rules, d.Sides); len(again.Writes) != 0 {
		t.Fatalf("a refused value is pushed again: %v", again.Writes)
	}
	d.Sides[0].Values = map[string]string{"f": "2"}
	if moved := plan.Decide(rules, d.Sides); fieldOf(moved, "b", "f") != "2" {
		t.Fatalf("the next value of the source is not pushed: %v", moved.Writes)
	}
}

func TestVendorsOwnFormIsTheBaseOfItsSide(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "")
	sides := []plan.Side{tableSide("a", "", [2]string{"", "1"}), tableSide("b", "", [2]string{"", ""})}
	d := plan.Decide(rules, sides)
	d.Sides[1].Intent = &plan.Intent{Acked: true, Fields: d.Writes[0].Fields}
	d.Sides[1].Values = map[string]string{"f": "(1)"}
	d.Sides[1].Ours = true
	d = plan.Decide(rules, d.Sides)
	if len(d.Writes) != 0 || d.Sides[1].Base["f"].V != "(1)" || d.Sides[0].Base["f"].V != "1" {
		t.Fatalf("want no write and one base per side; got %v %v %v", d.Writes, d.Sides[0].Base, d.Sides[1].Base)
	}
}

func TestEditAfterOurWriteIsNotSwallowed(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "")
	sides := []plan.Side{tableSide("a", "", [2]string{"", "1"}), tableSide("b", "", [2]string{"", ""})}
	d := plan.Decide(rules, sides)
	d.Sides[1].Intent = &plan.Intent{Acked: true, Fields: d.Writes[0].Fields}
	d.Sides[1].Values = map[string]string{"f": "9"} // a person, before we looked
	d = plan.Decide(rules, d.Sides)
	if fieldOf(d, "a", "f") != "9" {
		t.Fatalf("the person's edit does not flow: %v", d.Writes)
	}
}

func TestChangedDefinitionWaitsUnlessEqual(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "")
	for i := range rules.Rows {
		rules.Rows[i].Rev = "2"
	}
	sides := []plan.Side{tableSide("a", "", [2]string{"1", "1"}), tableSide("b", "", [2]string{"1", "2"})}
	d := plan.Decide(rules, sides)
	if len(d.Writes) != 0 || d.Sides[0].States["f"].State != plan.StateSuspended {
		t.Fatalf("writes %v states %v; want the row suspended", d.Writes, d.Sides[0].States)
	}
	sides[1].Values["f"] = "1"
	if d = plan.Decide(rules, sides); d.Sides[1].Base["f"] != (plan.BaseEntry{V: "1", R: "2"}) {
		t.Fatalf("equal sides do not agree under the new definition: %v", d.Sides[1].Base)
	}
}

func TestMostlyBlankedRecordTripsTheGuard(t *testing.T) {
	s := plan.Side{Presence: plan.Present, Base: plan.Base{}, Values: map[string]string{}}
	for i := range 5 {
		s.Base[fmt.Sprint(i)] = plan.BaseEntry{V: "x", R: "1"}
		s.Values[fmt.Sprint(i)] = "x"
	}
	for blanked, want := range []plan.Trip{plan.TripNone, plan.TripNone, plan.TripNone, plan.TripBlanked} {
		for i := range blanked {
			s.Values[fmt.Sprint(i)] = ""
		}
		if got := plan.Guard(s); got != want {
			t.Errorf("%d of 5 blanked: %q, want %q", blanked, got, want)
		}
	}
}

func TestLateWriteOfOursIsWrittenOver(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "")
	sides := []plan.Side{tableSide("a", "", [2]string{"2", "2"}), tableSide("b", "", [2]string{"2", "1"})}
	if d := plan.Decide(rules, sides); fieldOf(d, "a", "f") != "1" {
		t.Fatalf("an edit does not flow: %v", d.Writes)
	}
	sides[1].Late = map[string]bool{"f": true}
	d := plan.Decide(rules, sides)
	if fieldOf(d, "b", "f") != "2" || fieldOf(d, "a", "f") != "<nothing>" {
		t.Fatalf("writes %v, want the agreed value back on b and nothing on a", d.Writes)
	}
}

func TestLateWriteIsNotTheVendorsForm(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "")
	sides := []plan.Side{tableSide("a", "", [2]string{"", "2"}), tableSide("b", "", [2]string{"", ""})}
	d := plan.Decide(rules, sides)
	d.Sides[1].Intent = &plan.Intent{Acked: true, Fields: d.Writes[0].Fields}
	d.Sides[1].Values = map[string]string{"f": "1"} // an older write of ours landed after the newer one
	d.Sides[1].Ours, d.Sides[1].Late = true, map[string]bool{"f": true}
	if d = plan.Decide(rules, d.Sides); fieldOf(d, "b", "f") != "2" {
		t.Fatalf("writes %v, want the newer value again", d.Writes)
	}
}

func TestConflictThatPeopleSettleAlikeIsOver(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeAsk}, "")
	d := plan.Decide(rules, []plan.Side{tableSide("a", "", [2]string{"", "1"}), tableSide("b", "", [2]string{"", "2"})})
	if d.Sides[0].States["f"].State != plan.StateConflict {
		t.Fatalf("states %v, want a conflict", d.Sides[0].States)
	}
	for i := range d.Sides {
		d.Sides[i].Values = map[string]string{"f": ""}
	}
	d = plan.Decide(rules, d.Sides)
	if len(d.Sides[0].States)+len(d.Sides[1].States) > 0 {
		t.Fatalf("states %v %v, want none: both are back where they agreed", d.Sides[0].States, d.Sides[1].States)
	}
}

// A write is found confirmed and the next one decided in one step; the process
// dies with the second intent on record and the first one's conclusion lost.
func TestWriteThatNeverHappenedLosesNoEdit(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeNewest, System: "b"}, "")
	stored := []plan.Side{tableSide("a", "", [2]string{"1", "3"}), tableSide("b", "b", [2]string{"1", "2"})}
	stored[1].Intent = &plan.Intent{Acked: true, Fields: map[string]plan.IntentEntry{"f": {W: "2", From: "a", V: "2", O: "1"}}}
	d := plan.Decide(rules, stored) // b holds 2: confirmed; a was edited to 3 since
	if fieldOf(d, "b", "f") != "3" {
		t.Fatalf("writes %v, want 3 to b", d.Writes)
	}
	stored[1].Intent = &plan.Intent{Fields: d.Writes[0].Fields} // committed, then the process died
	stored[0].Values = map[string]string{"f": "4"}              // edited once more
	if d = plan.Decide(rules, stored); fieldOf(d, "b", "f") != "4" || fieldOf(d, "a", "f") != "<nothing>" {
		t.Fatalf("writes %v, want 4 to b and a's edit kept", d.Writes)
	}
}

package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncd/flows/plan"
)

// Short names: a and b are the two sides, rows are f, g, h.

var rowNames = []string{"f", "g", "h"}

func rulesOf(p plan.Policy, from string) plan.Rules {
	var r plan.Rules
	for _, n := range rowNames {
		r.Rows = append(r.Rows, plan.Row{Name: n, Systems: []string{"a", "b"}, From: from, Policy: p, Rev: "1"})
	}
	return r
}

func policies() []plan.Policy {
	return append(groupPolicies(), plan.Policy{Mode: plan.ModeUnion}, plan.Policy{Mode: plan.ModeRestrictive, Value: "1"})
}

// groupPolicies are those that a group of rows may have.
func groupPolicies() []plan.Policy {
	return []plan.Policy{
		{Mode: plan.ModeSystem, System: "a"}, {Mode: plan.ModeSystem, System: "b"},
		{Mode: plan.ModeNewest, System: "a"}, {Mode: plan.ModeNewest, System: "b"}, {Mode: plan.ModeAsk},
	}
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// drawSides makes one record and perturbs it twice: independent inputs would
// hardly ever meet.
func drawSides(t *rapid.T) []plan.Side {
	value := rapid.SampledFrom([]string{"", "1", "2", "1\n2", "2\n3"})
	sides := []plan.Side{{System: "a"}, {System: "b"}}
	agreed := map[string]string{}
	for _, n := range rowNames {
		agreed[n] = value.Draw(t, "agreed "+n)
	}
	for i := range sides {
		s := &sides[i]
		s.Presence = plan.Present
		s.Modified = epoch.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, s.System+" modified")) * time.Second)
		s.Values = map[string]string{}
		known := rapid.IntRange(0, 9).Draw(t, s.System+" has base") > 1
		if known {
			s.Base = plan.Base{}
		}
		for _, n := range rowNames {
			s.Values[n] = agreed[n]
			if rapid.IntRange(0, 2).Draw(t, s.System+" edits "+n) == 0 {
				s.Values[n] = value.Draw(t, s.System+" value "+n)
			}
			if known {
				s.Base[n] = plan.BaseEntry{V: agreed[n], R: "1"}
			}
		}
	}
	return sides
}

func drawRules(t *rapid.T) plan.Rules {
	return rulesOf(rapid.SampledFrom(policies()).Draw(t, "policy"), rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "from"))
}

// apply performs a decision in a world where every write succeeds and answers
// with the record.
func apply(rules plan.Rules, d plan.Decision) []plan.Side {
	sides := d.Sides
	for _, w := range d.Writes {
		for i := range sides {
			s := &sides[i]
			if s.System != w.System {
				continue
			}
			s.Values = maps.Clone(s.Values)
			for n, e := range w.Fields {
				s.Values[n] = e.W
			}
			s.Intent = &plan.Intent{Acked: true, Fields: w.Fields}
			s.Ours = true
		}
	}
	return plan.Resolve(rules, sides)
}

func conflicts(sides []plan.Side) map[string]bool {
	out := map[string]bool{}
	for _, s := range sides {
		for n, st := range s.States {
			out[n] = out[n] || st.State == plan.StateConflict
		}
	}
	return out
}

func TestDecideTwiceIsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		sides := apply(rules, plan.Decide(rules, drawSides(t)))
		if again := plan.Decide(rules, sides); len(again.Writes) != 0 {
			t.Fatalf("a second decision writes %v", again.Writes)
		}
	})
}

func TestSidesConvergeOrSayWhyNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		sides := apply(rules, plan.Decide(rules, drawSides(t)))
		asked := conflicts(sides)
		for _, n := range rowNames {
			if sides[0].Values[n] != sides[1].Values[n] && !asked[n] {
				t.Fatalf("row %s differs without a reason: %q %q", n, sides[0].Values[n], sides[1].Values[n])
			}
		}
	})
}

func TestAgreedSidesHoldEqualBases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		sides := apply(rules, plan.Decide(rules, drawSides(t)))
		sides = plan.Decide(rules, sides).Sides // what was merged is agreed once all are seen to hold it
		asked := conflicts(sides)
		for _, s := range sides {
			for _, n := range rowNames {
				if !asked[n] && s.Base[n].V != s.Values[n] {
					t.Fatalf("%s.%s holds %q, its base says %q", s.System, n, s.Values[n], s.Base[n].V)
				}
			}
			if len(asked) == 0 && !plan.Quiet(rules, s, sides) {
				t.Fatalf("side %s is not quiet after all writes", s.System)
			}
		}
	})
}

func TestNothingIsInvented(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, sides := drawRules(t), drawSides(t)
		for _, w := range plan.Decide(rules, sides).Writes {
			for n, e := range w.Fields {
				if e.M {
					for element := range strings.SplitSeq(e.W, "\n") {
						if !slices.ContainsFunc(sides, func(s plan.Side) bool { return slices.Contains(strings.Split(s.Values[n], "\n"), element) }) {
							t.Fatalf("%s.%s is to become %q: no side holds %q", w.System, n, e.W, element)
						}
					}
					continue
				}
				if !slices.ContainsFunc(sides, func(s plan.Side) bool { return s.Values[n] == e.W }) {
					t.Fatalf("%s.%s is to become %q, which no side holds", w.System, n, e.W)
				}
			}
		}
	})
}

func TestUnchangedRowIsNeverWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, sides := drawRules(t), drawSides(t)
		for _, w := range plan.Decide(rules, sides).Writes {
			for n := range w.Fields {
				same := true
				for _, s := range sides {
					same = same && s.Base != nil && s.Base[n].V == s.Values[n]
				}
				if same {
					t.Fatalf("row %s changed nowhere and is written to %s", n, w.System)
				}
			}
		}
	})
}

func TestUnreadSideMeansNoWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, sides := drawRules(t), drawSides(t)
		sides[rapid.IntRange(0, 1).Draw(t, "unread")].Presence = plan.Unread
		if d := plan.Decide(rules, sides); len(d.Writes) != 0 {
			t.Fatalf("writes %v although a side could not be read", d.Writes)
		}
	})
}

func TestSwappingSidesSwapsThePlan(t *testing.T) {
	other := map[string]string{"a": "b", "b": "a", "": ""}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(policies()).Draw(t, "policy")
		sides := drawSides(t)
		d := plan.Decide(rulesOf(p, ""), sides)
		mirrored := []plan.Side{sides[1], sides[0]}
		mirrored[0].System, mirrored[1].System = "a", "b"
		m := plan.Decide(rulesOf(plan.Policy{Mode: p.Mode, System: other[p.System], Value: p.Value}, ""), mirrored)
		for _, w := range d.Writes {
			for n, e := range w.Fields {
				if got := fieldOf(m, other[w.System], n); got != e.W {
					t.Fatalf("%s.%s gets %q; mirrored it gets %q", w.System, n, e.W, got)
				}
			}
		}
	})
}

func fieldOf(d plan.Decision, system, row string) string {
	for _, w := range d.Writes {
		if w.System == system {
			if e, ok := w.Fields[row]; ok {
				return e.W
			}
		}
	}
	return "<nothing>"
}

func TestInputIsNotTouched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, sides := drawRules(t), drawSides(t)
		before := fmt.Sprintf("%+v", sides)
		plan.Decide(rules, sides)
		if after := fmt.Sprintf("%+v", sides); after != before {
			t.Fatalf("the decision changed its input\n%s\n%s", before, after)
		}
	})
}

func TestLostWriteIsStillPending(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		d := plan.Decide(rules, drawSides(t))
		// The intents were committed and nothing reached the vendors.
		lost := slices.Clone(d.Sides)
		for _, w := range d.Writes {
			for i := range lost {
				if lost[i].System == w.System {
					lost[i].Intent = &plan.Intent{Fields: maps.Clone(w.Fields)}
				}
			}
		}
		again := plan.Decide(rules, lost)
		for _, w := range d.Writes {
			for n, e := range w.Fields {
				if got := fieldOf(again, w.System, n); got != e.W {
					t.Fatalf("%s.%s was to become %q; after the loss %q", w.System, n, e.W, got)
				}
			}
		}
	})
}

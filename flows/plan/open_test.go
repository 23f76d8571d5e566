package plan_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncd/flows/plan"
)

// threeSides are a, b and c that agreed on f = "1"; a holds "2" by now.
func threeSides() (plan.Rules, []plan.Side) {
	rules := plan.Rules{Rows: []plan.Row{{Name: "f", Systems: []string{"a", "b", "c"}, Policy: plan.Policy{Mode: plan.ModeSystem, System: "a"}, Rev: "1"}}}
	var sides []plan.Side
	for _, s := range []string{"a", "b", "c"} {
		sides = append(sides, plan.Side{System: s, Presence: plan.Present, Values: map[string]string{"f": "1"}, Base: plan.Base{"f": {V: "1", R: "1"}}})
	}
	sides[0].Values = map[string]string{"f": "2"}
	return rules, sides
}

func underWay(acked bool) *plan.Intent {
	return &plan.Intent{Acked: acked, Fields: map[string]plan.IntentEntry{"f": {W: "2", From: "a", V: "2", O: "1"}}}
}

func TestSourceIsQuietOnlyWhenEverySideWasSentItsValue(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s []plan.Side)
		want   bool
	}{
		"nobody was sent it":               {func([]plan.Side) {}, false},
		"one of two was":                   {func(s []plan.Side) { s[1].Intent = underWay(true) }, false},
		"both were":                        {func(s []plan.Side) { s[1].Intent, s[2].Intent = underWay(true), underWay(true) }, true},
		"one was, one holds it":            {func(s []plan.Side) { s[1].Intent, s[2].Base["f"] = underWay(true), plan.BaseEntry{V: "2", R: "1"} }, true},
		"one gave no answer":               {func(s []plan.Side) { s[1].Intent, s[2].Intent = underWay(true), underWay(false) }, false},
		"the source moved on":              {func(s []plan.Side) { s[1].Intent, s[2].Intent, s[0].Values["f"] = underWay(true), underWay(true), "3" }, false},
		"the source went back to its base": {func(s []plan.Side) { s[1].Intent, s[2].Intent, s[0].Values["f"] = underWay(true), underWay(true), "1" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			rules, sides := threeSides()
			c.change(sides)
			if got := plan.Quiet(rules, sides[0], sides); got != c.want {
				t.Errorf("quiet %v, want %v", got, c.want)
			}
		})
	}
}

// Fixed fields move no base: a write of them that may not have gone out keeps
// every other side from being finished without a look.
func TestUnansweredWriteElsewhereIsNeverQuietNorConfirmed(t *testing.T) {
	rules, sides := threeSides()
	sides[0].Values["f"] = "1"
	sides[1].Intent = &plan.Intent{Fields: map[string]plan.IntentEntry{plan.FixedPrefix + "token": {W: "t"}}}
	if plan.Quiet(rules, sides[0], sides) {
		t.Error("quiet")
	}
	sides[0].Intent = &plan.Intent{Acked: true, Fields: map[string]plan.IntentEntry{"f": {W: "1"}}}
	if plan.Confirms(rules, sides[0], sides) {
		t.Error("confirmed")
	}
	sides[1].Intent = nil
	if !plan.Confirms(rules, sides[0], sides) {
		t.Error("not confirmed although nothing else is open")
	}
}

// What Quiet calls nothing new, Decide would have nothing to write for, once
// the writes under way are confirmed.
func TestQuietSourceNeedsNoWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, in := drawRules(t), drawSides(t)
		d := plan.Decide(rules, in)
		sides := d.Sides
		for _, w := range d.Writes {
			for i := range sides {
				if s := &sides[i]; s.System == w.System {
					s.Intent = &plan.Intent{Acked: rapid.Bool().Draw(t, "answered"), Fields: w.Fields}
				}
			}
		}
		for i, s := range sides {
			if !plan.Quiet(rules, s, sides) {
				continue
			}
			other := sides[1-i]
			if other.Intent == nil {
				continue
			}
			other.Values = map[string]string{}
			for n, v := range sides[1-i].Values {
				if other.Values[n] = v; other.Intent.Fields[n].W != "" {
					other.Values[n] = other.Intent.Fields[n].W
				}
			}
			done := []plan.Side{s, other}
			if i == 1 {
				done = []plan.Side{other, s}
			}
			for _, w := range plan.Decide(rules, done).Writes {
				if w.System != s.System {
					t.Fatalf("a quiet side still has %v to write", w)
				}
			}
		}
	})
}

func TestRowThatKeepsTurningIsFrozenUntilItsSidesAreEqual(t *testing.T) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeSystem, System: "a"}, "")
	rules.Rows = rules.Rows[:1]
	sides := []plan.Side{tableSide("a", "", [2]string{"1", "1"}), tableSide("b", "", [2]string{"1", "1"})}
	writes := 0
	for n := range 20 {
		turn := n % 2 // each side's automation answers the other's value
		sides[turn].Values = map[string]string{"f": fmt.Sprint("v", n)}
		d := plan.Decide(rules, sides)
		sides = apply(rules, d)
		for _, w := range d.Writes {
			writes++
			for i := range sides {
				if sides[i].System == w.System {
					if sides[i].Hops == nil {
						sides[i].Hops = map[string][]plan.Hop{}
					}
					sides[i].Hops["f"] = append(sides[i].Hops["f"], plan.Hop{T: int64(n), From: w.Fields["f"].From})
				}
			}
		}
	}
	if writes != 3 {
		t.Errorf("%d writes; want 1 and two hops", writes)
	}
	if d := plan.Decide(rules, sides); len(d.Writes) != 0 || d.Notes[0].Reason != plan.ReasonFrozen {
		t.Errorf("writes %v, notes %v", d.Writes, d.Notes)
	}
	for i := range sides {
		sides[i].Values = map[string]string{"f": "made equal by a person"}
	}
	d := plan.Decide(rules, sides)
	if len(d.Writes) != 0 || len(d.Sides[0].States)+len(d.Sides[1].States) != 0 {
		t.Errorf("writes %v, states %v %v", d.Writes, d.Sides[0].States, d.Sides[1].States)
	}
}

func BenchmarkDecide(b *testing.B) {
	rules := rulesOf(plan.Policy{Mode: plan.ModeNewest, System: "a"}, "")
	for n := range 12 {
		rules.Rows = append(rules.Rows, plan.Row{Name: fmt.Sprint("row", n), Systems: []string{"a", "b"}, Policy: rules.Rows[0].Policy, Rev: "1"})
	}
	sides := []plan.Side{tableSide("a", "", [2]string{"1", "1"}), tableSide("b", "", [2]string{"1", "1"})}
	for i := range sides {
		sides[i].Modified = epoch.Add(time.Duration(i) * time.Minute)
		for _, r := range rules.Rows {
			sides[i].Values[r.Name] = "x"
			sides[i].Base[r.Name] = plan.BaseEntry{V: "x", R: "1"}
		}
	}
	sides[0].Values["f"] = "2"
	b.ReportAllocs()
	for b.Loop() {
		if d := plan.Decide(rules, sides); len(d.Writes) != 1 {
			b.Fatal(d.Writes)
		}
	}
}

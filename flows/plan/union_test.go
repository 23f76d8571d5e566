package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"syncd/flows/plan"
)

func listRules(systems ...string) plan.Rules {
	return plan.Rules{Rows: []plan.Row{{Name: "f", Systems: systems, Policy: plan.Policy{Mode: plan.ModeUnion}, Rev: "1"}}}
}

// list writes elements as canonical lists have them.
func list(elements string) string { return strings.Join(strings.Fields(elements), "\n") }

func TestUnionTakesBothSidesChanges(t *testing.T) {
	tests := []struct{ base, a, b, want string }{
		{"x", "x y", "x z", "x y z"},
		{"x y", "y", "x y z", "y z"},
		{"x y", "x", "y", ""},
		{"x", "x y", "x y", "x y"},
		{"x", "", "x", ""},
		{"-", "x", "y", "x y"},
		{"-", "", "y", "y"},
	}
	for _, tt := range tests {
		rules := listRules("a", "b")
		base := [2]string{list(tt.base), list(tt.base)}
		sides := []plan.Side{tableSide("a", "", [2]string{base[0], list(tt.a)}), tableSide("b", "", [2]string{base[1], list(tt.b)})}
		sides = apply(rules, plan.Decide(rules, sides))
		if again := plan.Decide(rules, sides); len(again.Writes) != 0 {
			t.Errorf("%v: a second decision writes %v", tt, again.Writes)
		}
		for _, s := range sides {
			if s.Values["f"] != list(tt.want) {
				t.Errorf("%v: %s holds %q", tt, s.System, s.Values["f"])
			}
		}
	}
}

func TestWhatASideKeepsInItsOwnFormIsNoElement(t *testing.T) {
	rules := listRules("a", "b")
	sides := []plan.Side{tableSide("a", "", [2]string{list("x"), list("x y")}), tableSide("b", "", [2]string{list("X"), list("X")})}
	sides[1].States = map[string]plan.FieldState{"f": {State: plan.StateDiverged}}
	if got := fieldOf(plan.Decide(rules, sides), "b", "f"); got != list("x y") {
		t.Errorf("b is written %q", got)
	}
}

// shop is one system of the model: what its vendor holds, and what is remembered.
type shop struct {
	plan.Side
	held   string
	doubts map[string]bool // sent without an answer: might land late (F32)
}

// world plays a list in three systems with writes that get lost, answered or not,
// and looks at one side alone. What happens is drawn.
type world struct {
	t     *rapid.T
	rules plan.Rules
	shops []*shop
}

func (w *world) sides(unread int) []plan.Side {
	out := make([]plan.Side, len(w.shops))
	for i, s := range w.shops {
		out[i] = s.Side
		out[i].Presence, out[i].Values, out[i].Late = plan.Present, map[string]string{"f": s.held}, map[string]bool{"f": s.doubts[s.held]}
		if unread >= 0 && i != unread {
			out[i].Presence, out[i].Values = plan.Unread, nil
		}
	}
	return out
}

func (w *world) take(sides []plan.Side) {
	for i, s := range w.shops {
		s.Base, s.Intent, s.States = sides[i].Base, sides[i].Intent, sides[i].States
	}
}

// look does what the engine does with news of one system.
func (w *world) look(at int, fate func(string) string) (wrote bool) {
	alone := w.sides(at)
	switch {
	case plan.Quiet(w.rules, alone[at], alone):
		return false
	case plan.Confirms(w.rules, alone[at], alone):
		w.take(plan.Resolve(w.rules, alone))
		return false
	}
	d := plan.Decide(w.rules, w.sides(-1))
	w.take(d.Sides)
	for _, write := range d.Writes {
		i := slices.IndexFunc(w.shops, func(s *shop) bool { return s.System == write.System })
		s, how := w.shops[i], fate(write.System)
		if how == "refused" { // told at once that nothing was written
			continue
		}
		prior := s.Intent
		s.Intent = &plan.Intent{Acked: how == "answered", Fields: maps.Clone(write.Fields)}
		if prior != nil {
			fields := maps.Clone(prior.Fields)
			maps.Copy(fields, write.Fields)
			s.Intent.Fields = fields
		}
		s.doubts[write.Fields["f"].W] = how != "answered"
		if how != "lost" {
			s.held = write.Fields["f"].W
		}
		wrote = true
	}
	return wrote || len(d.Writes) > 0
}

func TestUnionLosesNobodysChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, rules: listRules("a", "b", "c")}
		for _, name := range []string{"a", "b", "c"} {
			s := &shop{held: list("p q r"), doubts: map[string]bool{}}
			s.System, s.Base = name, plan.Base{"f": {V: s.held, R: "1"}}
			w.shops = append(w.shops, s)
		}
		added, removed := map[string]bool{}, map[string]bool{}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			at := rapid.IntRange(0, 2).Draw(t, "system")
			if rapid.Bool().Draw(t, "edit") {
				w.edit(at, added, removed)
				continue
			}
			w.look(at, func(system string) string {
				return rapid.SampledFrom([]string{"answered", "answered", "unanswered", "lost", "refused"}).Draw(t, "fate in "+system)
			})
		}
		w.settle()
		for _, s := range w.shops {
			if s.held != w.shops[0].held || len(s.States) > 0 || s.Base["f"].V != s.held {
				t.Fatalf("%s holds %q with base %q and %v, a holds %q", s.System, s.held, s.Base["f"].V, s.States, w.shops[0].held)
			}
			has := strings.Split(s.held, "\n")
			for e := range added {
				if _, taken := removed[e]; !taken && !slices.Contains(has, e) {
					t.Fatalf("%q was added and is not in %q", e, has)
				}
			}
			for e, agreed := range removed {
				if agreed && slices.Contains(has, e) {
					t.Fatalf("%q was removed and is in %q", e, has)
				}
			}
		}
	})
}

// edit lets a person add or remove an element. Nobody puts an old list back while a
// write is out: that cannot be told from a write that was refused (F29).
func (w *world) edit(at int, added, removed map[string]bool) {
	s := w.shops[at]
	has := strings.FieldsFunc(s.held, func(r rune) bool { return r == '\n' })
	if s.Intent == nil && len(has) > 0 && rapid.Bool().Draw(w.t, "remove") {
		e := rapid.SampledFrom(has).Draw(w.t, "element")
		// Who takes an element back before all sides agreed to it may see it again.
		removed[e] = !slices.ContainsFunc(w.shops, func(s *shop) bool { return !slices.Contains(strings.Split(s.Base["f"].V, "\n"), e) })
		has = slices.DeleteFunc(has, func(x string) bool { return x == e })
		s.doubts[strings.Join(has, "\n")] = false // or the edit could not be told from a late write
	} else {
		e := fmt.Sprintf("s%02d", len(added))
		added[e] = true
		has = append(has, e)
	}
	slices.Sort(has)
	s.held = strings.Join(has, "\n")
}

// settle looks until nothing is to be done, with all writes answered.
func (w *world) settle() {
	const most = 12
	for range most {
		wrote := false
		for at := range w.shops {
			wrote = w.look(at, func(string) string { return "answered" }) || wrote
		}
		if !wrote {
			return
		}
	}
	w.t.Fatalf("no rest after %d rounds", most)
}

package daemon_test

import (
	"fmt"
	"maps"
	"testing"

	"syncd/control"
	"syncd/simulator/odoosim"
)

// divided is a town whose Odoo is about to be split: dealers go to erp2.
type divided struct {
	*town
	fresh    *odoosim.Sim
	contacts map[string]string
	partners map[string]int64
}

type splitAnswer struct {
	Counts   map[string]int
	Calls    map[string]int
	Problems []struct{ Record, What string }
}

const dealers = `function == "dealer"`

// newDivided makes dealers and a clerk, each with a pair, and erp2.
func newDivided(t *testing.T, clerk string, names ...string) (w *divided, stop func()) {
	w = &divided{town: newTown(t), contacts: map[string]string{}, partners: map[string]int64{}}
	stop = w.start()
	for _, name := range append(names, clerk) {
		w.contacts[name], w.partners[name] = w.person(name)
		if name != clerk {
			w.edit(w.contacts[name], map[string]string{"jobtitle": "dealer"})
		}
	}
	for _, name := range names {
		w.partnerHolds(w.partners[name], "function", "dealer")
	}
	for _, contact := range w.contacts {
		w.settled(contact)
	}
	stop()
	var url string
	w.fresh, url = secondERP(t)
	w.joins(url)
	return w, w.start()
}

// comes makes a record in erp2 that says whose place it takes.
func (w *divided) comes(ref string) int64 {
	w.t.Helper()
	id, err := w.fresh.UserCreate("res.partner", map[string]any{"name": "new " + ref, "email": ref + "@new.example.com", "ref": ref})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *divided) split(args map[string]any) splitAnswer {
	w.t.Helper()
	all := map[string]any{"Link": "contacts", "From": "odoo", "To": "erp2", "Where": dealers}
	maps.Copy(all, args)
	var out splitAnswer
	if err := w.do("mapping.split", all, &out); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// where says in which systems a contact's identity has its records.
func (w *divided) where(name string) map[string]string {
	w.t.Helper()
	states := map[string]string{}
	for _, m := range w.identity("hubspot:contacts:" + w.contacts[name])[0].Members {
		states[m.System] = m.State
		if m.Why != "" {
			states[m.System] += " " + m.Why
		}
	}
	return states
}

func (w *divided) counted(what string, got splitAnswer, want map[string]int) {
	w.t.Helper()
	delete(got.Counts, "without_old_id") // an Odoo has partners of its own
	if !maps.Equal(got.Counts, want) {
		w.t.Errorf("%s: counts %v, want %v; problems %v", what, got.Counts, want, got.Problems)
	}
}

var (
	stayed = map[string]string{"hubspot": "active", "odoo": "active"}
	moved  = map[string]string{"hubspot": "active", "odoo": "gone replaced", "erp2": "active"}
)

// TestASystemIsSplitInTwoByARule: those that pass the rule and have one counterpart
// go over, all others stay and are told of; a plan changes nothing; what was cut off
// half way is ended, and what is done is not done twice. Changes reach each where it
// is, and there alone.
func TestASystemIsSplitInTwoByARule(t *testing.T) {
	w, stop := newDivided(t, "bob", "ada", "cyd", "dan", "eve")
	defer stop()
	news := map[string]int64{}
	for _, name := range []string{"ada", "bob", "dan", "eve"} {
		news[name] = w.comes(fmt.Sprint(w.partners[name]))
	}
	w.comes(fmt.Sprint(w.partners["dan"])) // whose of the two is dan?
	w.comes("777")
	// Cut off between the two steps: the new record has joined, the old one is there.
	if err := w.do("mapping.pair", map[string]any{"A": "hubspot:contacts:" + w.contacts["eve"], "B": fmt.Sprintf("erp2:res.partner:%d", news["eve"])}, new(any)); err != nil {
		t.Fatal(err)
	}

	inverse := map[string]any{"Inverse": "ref"}
	rest := map[string]int{"stay": 1, "stay_though_named": 1, "without_counterpart": 1, "ambiguous": 1, "unknown": 1}
	with := func(more map[string]int) map[string]int {
		all := maps.Clone(rest)
		maps.Copy(all, more)
		return all
	}
	plan := w.split(inverse)
	w.counted("plan", plan, with(map[string]int{"match": 4, "to_repoint": 2}))
	if plan.Calls["odoo"] != 1 || plan.Calls["erp2"] < 2 || len(plan.Calls) != 2 {
		t.Errorf("calls %v: want a read of odoo, a listing and a read of erp2", plan.Calls)
	}
	for _, name := range []string{"ada", "bob", "cyd", "dan"} {
		if got := w.where(name); !maps.Equal(got, stayed) {
			t.Errorf("the plan changed %s: %v", name, got)
		}
	}

	yes := map[string]any{"Inverse": "ref", "Yes": true}
	w.counted("split", w.split(yes), with(map[string]int{"match": 4, "repointed": 2}))
	w.counted("again", w.split(yes), with(map[string]int{"match": 2, "repointed_before": 2}))
	// A list settles what the field left open; who does not pass stays, also if named.
	news["cyd"] = w.comes("")
	list := fmt.Sprintf("old_id,new_id\n%d,%d\n%d,%d\n%d,%d\n", w.partners["cyd"], news["cyd"], w.partners["dan"], news["dan"], w.partners["bob"], news["bob"])
	w.counted("by a list", w.split(map[string]any{"CSV": list, "Yes": true}),
		map[string]int{"match": 2, "repointed": 2, "repointed_before": 2, "stay": 1, "stay_though_named": 1})
	for name := range w.contacts {
		want := moved
		if name == "bob" {
			want = stayed
		}
		if got := w.where(name); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}

	w.takesUpDefinitions()
	w.edit(w.contacts["ada"], map[string]string{"jobtitle": "chief"})
	w.await("erp2 to be told of ada", func() bool {
		p, ok := w.fresh.Get("res.partner", news["ada"])
		return ok && p["function"] == "chief"
	})
	w.edit(w.contacts["bob"], map[string]string{"jobtitle": "baker"})
	w.partnerHolds(w.partners["bob"], "function", "baker")
	if p, _ := w.erp.Get("res.partner", w.partners["ada"]); p["function"] != "dealer" {
		t.Errorf("the record that ada left was written: %v", p["function"])
	}
	if p, _ := w.fresh.Get("res.partner", news["bob"]); p["function"] == "baker" {
		t.Error("a record of erp2 that nobody moved to was written")
	}
}

// TestASplitIsAuditedAndGuessesNothing: who splits, by which rule and why is in the
// audit; a plan is not. A rule that does not fit is refused before anything is read,
// and a record of which it cannot tell stays.
func TestASplitIsAuditedAndGuessesNothing(t *testing.T) {
	w, stop := newDivided(t, "bob", "ada")
	defer stop()
	w.comes(fmt.Sprint(w.partners["ada"]))
	for what, args := range map[string]map[string]any{
		"no rule":         {"Where": ""},
		"a broken rule":   {"Where": "function =="},
		"a strange field": {"Where": `functoin == "dealer"`},
		"no yes or no":    {"Where": "function"},
		"another link":    {"Link": "companies"},
		"no link":         {"Link": ""},
		"one system":      {"To": "odoo"},
		"two ways":        {"CSV": "1,2"},
		"no way":          {"Inverse": ""},
	} {
		all := map[string]any{"Link": "contacts", "From": "odoo", "To": "erp2", "Where": dealers, "Inverse": "ref", "Yes": true}
		maps.Copy(all, args)
		if err := w.do("mapping.split", all, nil); control.KindOf(err) != control.KindUsage {
			t.Errorf("%s: %v", what, err)
		}
	}
	blurred := map[string]any{"Inverse": "ref", "Yes": true, "Where": `int(function) == 1`}
	w.counted("a rule that cannot tell", w.split(blurred), map[string]int{"unseen": 2})
	w.split(map[string]any{"Inverse": "ref"})

	var lines []struct {
		Action, Target, Actor, Reason string
		After                         map[string]string
	}
	if err := w.do("audit.list", map[string]any{"Limit": 50}, &lines); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range lines {
		if l.Action == "mapping.split" && l.Target == "link contacts: odoo to erp2" && l.Actor == "jana" && l.Reason == "because" && l.After["where"] == blurred["Where"] {
			n++
		}
	}
	if n != 1 {
		t.Errorf("audit %+v: want one line, of the split that was meant", lines)
	}
	for _, name := range []string{"ada", "bob"} {
		if got := w.where(name); !maps.Equal(got, stayed) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

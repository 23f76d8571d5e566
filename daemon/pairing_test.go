package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"syncd/control"
	"syncd/store"
)

type shown struct {
	Identity, Link, State string
	Members               []struct{ Record, System, State, Why, Cause string }
}

func (w *town) identity(record string) []shown {
	w.t.Helper()
	var got []shown
	if err := w.do("mapping.get", map[string]any{"Record": record}, &got); err != nil {
		w.t.Fatal(err)
	}
	return got
}

// TestARecordIsUnpairedByHandAndStaysAside: its member is kept, inactive, with who
// and why; the record does not come back at its next hint, neither as new nor by the
// reference that it carries, until it is paired or released.
func TestARecordIsUnpairedByHandAndStaysAside(t *testing.T) {
	w := newTown(t)
	stop := w.start()
	defer func() { stop() }()
	ada, adaP := w.person("ada")
	bob, bobP := w.person("bob")
	for _, c := range []string{ada, bob} {
		w.settled(c)
	}
	a, b, bP := "hubspot:contacts:"+ada, "hubspot:contacts:"+bob, fmt.Sprintf("odoo:res.partner:%d", bobP)
	if err := w.do("mapping.pair", map[string]any{"A": a, "B": bP}, nil); control.KindOf(err) != control.KindHeld || !strings.Contains(err.Error(), "unpair one of them first") {
		t.Errorf("two that are taken: %v", err)
	}
	if err := w.do("mapping.unpair", map[string]any{"A": a, "B": bP}, nil); control.KindOf(err) != control.KindHeld {
		t.Errorf("two that are no pair: %v", err)
	}
	var out map[string]any
	for _, dry := range []bool{true, false} {
		if err := w.do("mapping.unpair", map[string]any{"A": bP, "B": b, "DryRun": dry}, &out); err != nil {
			t.Fatal(err)
		}
		got := w.identity(bP)
		if got[0].Members[1].State == "active" != dry {
			t.Fatalf("dry run %t: %+v", dry, got)
		}
	}
	got := w.identity(bP)
	if m := got[0].Members[1]; len(got) != 1 || m.State != "gone" || m.Why != "operator" || m.Cause != "unpair" || got[0].State != "live" {
		t.Errorf("identity %+v", got)
	}

	before := len(w.crm.All("contacts"))
	if err := w.erp.UserWrite("res.partner", bobP, map[string]any{"function": "free"}); err != nil {
		t.Fatal(err)
	}
	w.await("its next hint", func() bool {
		return w.logs.has(fmt.Sprintf("record=%s identity=\"\" cause=webhook", bP)) && w.logs.has("reason=unpaired")
	})
	if n := len(w.crm.All("contacts")); n != before {
		t.Errorf("%d contacts, there were %d", n, before)
	}

	// Nor as the match of somebody who is new.
	if err := w.erp.UserWrite("res.partner", bobP, map[string]any{"email": "zed@example.com", "x_syncd_ref": false}); err != nil {
		t.Fatal(err)
	}
	if _, zedP := w.person("zed"); zedP == bobP {
		t.Error("a record that was set aside was paired by its e-mail")
	}

	// Bob's partner was Ada's all along, say: Ada's own goes first.
	aP := fmt.Sprintf("odoo:res.partner:%d", adaP)
	if err := w.do("mapping.unpair", map[string]any{"A": aP}, &out); err != nil {
		t.Fatal(err)
	}
	if err := w.do("mapping.pair", map[string]any{"A": a, "B": bP}, &out); err != nil {
		t.Fatal(err)
	}
	w.await("Ada to have it", func() bool {
		pairs, err := w.d.Store().Pairs(t.Context(), store.PairQuery{SourceSystem: "hubspot", SourceID: ada})
		return err == nil && len(pairs) == 1 && pairs[0].Active && pairs[0].TargetID == fmt.Sprint(bobP)
	})
	if err := w.do("mapping.find", map[string]any{"Text": fmt.Sprint(bobP)}, &got); err != nil || len(got) != 2 {
		t.Errorf("found %+v, %v, want both identities of the partner", got, err)
	}
	var lines []store.Audit
	if err := w.do("audit.list", map[string]any{}, &lines); err != nil || len(lines) < 3 || lines[0].Action != "mapping.pair" || lines[0].Actor != "jana" {
		t.Errorf("audit %+v, %v", lines, err)
	}
}

// TestTwoFreeRecordsBecomeOneIdentity, also where one of them began another before.
func TestTwoFreeRecordsBecomeOneIdentity(t *testing.T) {
	w := newTown(t)
	stop := w.start()
	defer func() { stop() }()
	ada, adaP := w.person("ada")
	w.settled(ada)
	a, aP := "hubspot:contacts:"+ada, fmt.Sprintf("odoo:res.partner:%d", adaP)
	var out struct{ Identity string }
	first := w.identity(a)[0].Identity
	for _, r := range []string{a, aP} {
		if err := w.do("mapping.unpair", map[string]any{"A": r}, &out); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.do("mapping.pair", map[string]any{"A": a, "B": "odoo:res.partner:999999"}, &out); control.KindOf(err) != control.KindHeld {
		t.Errorf("a record that is not there: %v", err)
	}
	if err := w.do("mapping.pair", map[string]any{"A": a, "B": aP}, &out); err != nil {
		t.Fatal(err)
	}
	if out.Identity == first {
		t.Error("the old identity came back: its members went by a person's decision")
	}
	w.settled(ada)
	w.edit(ada, map[string]string{"jobtitle": "boss"})
	w.partnerHolds(adaP, "function", "boss")
}

// TestASystemIsRetiredAndTheRestGoesOn, by a plan first.
func TestASystemIsRetiredAndTheRestGoesOn(t *testing.T) {
	w := newTown(t)
	stop := w.start()
	defer func() { stop() }()
	ada, adaP := w.person("ada")
	bob, _ := w.person("bob")
	w.settled(ada)
	w.settled(bob)
	var out struct{ Counts map[string]int }
	if err := w.do("mapping.retire", map[string]any{"System": "odoo"}, &out); control.KindOf(err) != control.KindHeld {
		t.Errorf("without --yes: %v", err)
	}
	if err := w.do("mapping.retire", map[string]any{"System": "odoo", "DryRun": true}, &out); err != nil || out.Counts["to_retire"] != 2 {
		t.Errorf("dry run: %+v, %v", out, err)
	}
	if err := w.do("mapping.retire", map[string]any{"System": "odoo", "Yes": true}, &out); err != nil || out.Counts["retired"] != 2 {
		t.Fatalf("retire: %+v, %v", out, err)
	}
	for _, m := range w.identity(fmt.Sprintf("odoo:res.partner:%d", adaP))[0].Members {
		if want := map[string]string{"hubspot": "active", "odoo": "gone"}[m.System]; m.State != want {
			t.Errorf("%s is %s, want %s", m.Record, m.State, want)
		}
	}
	w.edit(ada, map[string]string{"jobtitle": "boss"})
	w.await("an edit of what is left to go through", func() bool {
		rows, err := w.d.Store().Waiting(t.Context(), 10)
		return err == nil && len(rows) == 0 && strings.Count(w.logs.text(), "record=hubspot:contacts:"+ada+" ") > 2
	})
	if err := w.do("mapping.retire", map[string]any{"System": "odoo", "Yes": true}, &out); err != nil || out.Counts["retired"] != 0 {
		t.Errorf("again: %+v, %v", out, err)
	}
}

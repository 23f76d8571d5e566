package daemon_test

import (
	"encoding/json"
	"strings"
	"testing"

	"syncd/control"
	"syncd/store"
)

// do calls an operation of the running daemon.
func (w *town) do(name string, args, into any) error {
	w.t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.d.Operations().Do(w.t.Context(), name, control.Call{Actor: "jana", Reason: "because", Args: raw})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		w.t.Fatal(err)
	}
	return nil
}

type planned struct {
	Run  int64
	Rows []struct {
		Row, Why               string
		Equal, Unequal, Unread int
	}
	Pairs, Settled, Waiting int
	Samples                 []struct {
		Row    string
		Values map[string]string
	}
	Calls map[string]struct{ Made, Apply int }
}

// TestAChangedDefinitionWaitsForItsPlan (F48): the row waits in existing pairs, the
// others flow, the plan says what applying will do and does nothing, and applying
// has unequal pairs go by the row's policy.
func TestAChangedDefinitionWaitsForItsPlan(t *testing.T) {
	w := newTown(t)
	stop := w.start()
	defer func() { stop() }()
	ada, adaP := w.person("ada")
	bob, _ := w.person("bob")
	w.settled(ada)
	w.settled(bob)
	w.edit(ada, map[string]string{"state": "Moravia"})
	w.edit(bob, map[string]string{"state": "Brno"})
	var first planned
	if err := w.do("definitions.plan", map[string]any{"Link": "contacts"}, &first); err != nil || first.Run != 0 || len(first.Rows) != 0 {
		t.Fatalf("a link that started live needs no plan: %+v, %v", first, err)
	}
	stop()

	before := w.config
	w.config = strings.Replace(w.config, "hubspot: city, odoo: x_note}", "hubspot: state, odoo: x_note, conflict: hubspot}", 1)
	stop = w.start()
	w.edit(ada, map[string]string{"jobtitle": "boss"})
	w.partnerHolds(adaP, "function", "boss")
	w.partnerHolds(adaP, "x_note", "Brno")

	var p planned
	if err := w.do("definitions.plan", map[string]any{"Link": "contacts"}, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Rows) != 1 || p.Rows[0].Row != "note" || p.Rows[0].Why != "changed" || p.Rows[0].Equal+p.Settled != 1 || p.Rows[0].Unequal != 1 ||
		p.Pairs != 2 || p.Waiting != 1 || p.Calls["odoo"].Made != 1 || p.Calls["odoo"].Apply < 2 {
		t.Fatalf("plan %+v", p)
	}
	if len(p.Samples) != 1 || p.Samples[0].Values["hubspot"] != "Moravia" || p.Samples[0].Values["odoo"] != "Brno" {
		t.Errorf("samples %+v", p.Samples)
	}
	var a struct{ Rows, Pairs int }
	if err := w.do("run.apply", map[string]any{"Run": p.Run, "DryRun": true}, &a); err != nil || a.Pairs != 1 {
		t.Errorf("dry run: %+v, %v", a, err)
	}
	w.partnerHolds(adaP, "x_note", "Brno")
	stop()

	w.config, before = before, w.config // as it was: the plan is none of this configuration
	stop = w.start()
	if err := w.do("run.apply", map[string]any{"Run": p.Run}, &a); control.KindOf(err) != control.KindHeld {
		t.Errorf("under another configuration: %v", err)
	}
	stop()
	w.config = before
	stop = w.start()
	if err := w.do("run.apply", map[string]any{"Run": p.Run}, &a); err != nil || a.Pairs != 1 {
		t.Fatalf("apply: %+v, %v", a, err)
	}
	w.partnerHolds(adaP, "x_note", "Moravia")
	if err := w.do("run.apply", map[string]any{"Run": p.Run}, &a); control.KindOf(err) != control.KindHeld {
		t.Errorf("applied twice: %v", err)
	}
	var lines []store.Audit
	if err := w.do("audit.list", map[string]any{}, &lines); err != nil || len(lines) != 2 || lines[0].Actor != "jana" || lines[0].Reason != "because" {
		t.Errorf("audit %+v, %v", lines, err)
	}
}

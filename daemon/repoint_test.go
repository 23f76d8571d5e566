package daemon_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"syncd/control"
	"syncd/simulator/odoosim"
)

// secondERP is another pretend Odoo, of an account of its own.
func secondERP(t *testing.T) (*odoosim.Sim, string) {
	fresh := odoosim.New(odoosim.Options{})
	server := httptest.NewServer(fresh.Handler())
	t.Cleanup(server.Close)
	return fresh, server.URL
}

// joins configures the second Odoo as erp2. Until it is repointed the new system is
// not listened to: its records would be strangers, and made anew everywhere.
func (w *town) joins(url string) {
	w.config = strings.NewReplacer(
		"\nlinks:", fmt.Sprintf("\n  erp2: {kind: odoo, url: %q, database: acme, login: syncd, api_key: {file: key}}\nlinks:", url),
		"\n    match:", "\n      - {system: erp2, object: res.partner, only: '!is_company', listen: false}\n    create: {erp2: false}\n    match:",
		"odoo: function}", "odoo: function, erp2: function}",
	).Replace(w.config)
}

// takesUpDefinitions plans and applies: the row that the new system has now is another
// one for existing pairs (F48).
func (w *town) takesUpDefinitions() {
	w.t.Helper()
	var p struct{ Run int64 }
	if err := w.do("definitions.plan", map[string]any{"Link": "contacts"}, &p); err != nil || p.Run == 0 {
		w.t.Fatalf("plan %+v, %v", p, err)
	}
	if err := w.do("run.apply", map[string]any{"Run": p.Run}, new(any)); err != nil {
		w.t.Fatal(err)
	}
}

// TestASystemIsReplacedByAnother: the records of the new system join the identities
// of the old one, by a list of ids or by a field; the old records stay in the id map,
// inactive, and changes reach the new ones. Doing it twice is doing it once.
func TestASystemIsReplacedByAnother(t *testing.T) {
	w := newTown(t)
	stop := w.start()
	defer func() { stop() }()
	ada, adaP := w.person("ada")
	bob, bobP := w.person("bob")
	w.settled(ada)
	w.settled(bob)
	stop()

	fresh, url := secondERP(t)
	news := map[int64]int64{}
	for name, old := range map[string]int64{"ada": adaP, "bob": bobP} {
		id, err := fresh.UserCreate("res.partner", map[string]any{"name": "new " + name, "email": name + "@new.example.com", "ref": fmt.Sprint(old)})
		if err != nil {
			t.Fatal(err)
		}
		news[old] = id
	}
	w.joins(url)
	stop = w.start()

	list := fmt.Sprintf("old_id,new_id\n%d,%d\n777,%d\n", adaP, news[adaP], news[bobP])
	var out struct {
		Counts   map[string]int
		Problems []struct{ Record, What string }
	}
	repoint := func(args map[string]any) error {
		args["From"], args["To"] = "odoo", "erp2"
		return w.do("mapping.repoint", args, &out)
	}
	if err := repoint(map[string]any{"CSV": list}); control.KindOf(err) != control.KindHeld {
		t.Errorf("without --yes: %v", err)
	}
	if err := repoint(map[string]any{"CSV": list, "DryRun": true}); err != nil || out.Counts["to_repoint"] != 1 || out.Counts["unknown"] != 1 {
		t.Errorf("dry run: %+v, %v", out, err)
	}
	if got := w.identity("hubspot:contacts:" + ada); len(got[0].Members) != 2 {
		t.Errorf("a dry run changed %+v", got)
	}
	if err := repoint(map[string]any{"CSV": list, "Yes": true}); err != nil || out.Counts["repointed"] != 1 {
		t.Fatalf("by a list: %+v, %v", out, err)
	}
	if err := repoint(map[string]any{"Inverse": "ref", "Yes": true}); err != nil || out.Counts["repointed"] != 1 || out.Counts["unknown"] != 1 {
		t.Fatalf("by a field: %+v, %v", out, err)
	}
	w.takesUpDefinitions()
	for contact, old := range map[string]int64{ada: adaP, bob: bobP} {
		got := w.identity("hubspot:contacts:" + contact)
		states := map[string]string{}
		for _, m := range got[0].Members {
			states[m.System] = m.State + " " + m.Why
		}
		if len(got) != 1 || states["hubspot"] != "active " || states["odoo"] != "gone replaced" || states["erp2"] != "active " {
			t.Errorf("contact %s: %v", contact, states)
		}
		w.edit(contact, map[string]string{"jobtitle": "chief"})
		w.await("the new system to be told", func() bool {
			p, ok := fresh.Get("res.partner", news[old])
			return ok && p["function"] == "chief"
		})
	}
}

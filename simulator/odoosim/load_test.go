package odoosim_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/simulator"
	"syncd/simulator/odoosim"
)

// vendors/odoo.md 7: new and existing mixed, ids in row order, ir.model.data.
func TestLoadUpserts(t *testing.T) {
	c := newClock()
	a := serve(t, odoosim.Options{Now: c.now})
	f := []string{"id", "name", "email"}
	ids, _ := a.load(partner, f, row("syncd.a", "A", "a@x"), row("syncd.b", "B", "b@x"))
	c.add(time.Second)
	again, messages := a.load(partner, f, row("syncd.new", "N", ""), row("syncd.a", "A", "a@x"), row("syncd.b", "B2", ""))
	if len(again) != 3 || again[1] != ids[0] || again[2] != ids[1] || len(messages) != 0 {
		t.Fatalf("ids %v after %v, messages %v", again, ids, messages)
	}
	same(t, "written", a.field(partner, ids[1], "name"), any("B2"))
	same(t, "an empty cell clears", a.field(partner, ids[1], "email"), any(false))
	same(t, "write_date moves on unchanged rows", a.field(partner, ids[0], "write_date"), any("2026-11-20 10:00:01"))
	x, _ := a.sim.XMLID(partner, ids[0])
	same(t, "xmlid", x, "syncd.a")
	rows := a.must(xmlTable, "search_read", []any{[]any{[]any{"module", "=", "syncd"}, []any{"name", "in", []any{"b"}}}},
		map[string]any{"fields": []any{"name", "model", "res_id"}}).([]any)
	same(t, "ir.model.data", rows[0].(map[string]any)["res_id"], any(float64(ids[1])))
}

func TestLoadNames(t *testing.T) {
	a := serve(t, odoosim.Options{})
	f := []string{"id", "name"}
	ids, _ := a.load(partner, f, row("plain", "A"), row("syncd.a-b:c.dé", "B"))
	x, _ := a.sim.XMLID(partner, ids[0])
	same(t, "no dot", x, "__import__.plain")
	x, _ = a.sim.XMLID(partner, ids[1])
	same(t, "odd name", x, "syncd.a-b:c.dé")
	refused, messages := a.load(partner, f, row("syncd.a b", "C"))
	if refused != nil || messages[0]["field"] != nil || !strings.Contains(messages[0]["message"].(string), "ir_model_data_name_nospaces") {
		t.Errorf("space: %v %v", refused, messages)
	}
	first, _ := a.load(partner, f, row("", "D"))
	second, _ := a.load(partner, f, row("", "D"))
	if first[0] == second[0] {
		t.Error("an empty id cell must make a record at each repeat")
	}
	same2, _ := a.load(partner, f, row("syncd.twice", "first"), row("syncd.twice", "last"))
	if same2[0] != same2[1] || a.field(partner, same2[0], "name") != "last" {
		t.Errorf("twice in one call: %v", same2)
	}
}

func TestLoadCells(t *testing.T) {
	a := serve(t, odoosim.Options{})
	ids, _ := a.load(partner, []string{"id", "name", "is_company", "country_id/id", "parent_id/id", "type", "color", "comment"},
		row("syncd.co", "Co", "True", "base.fr", "", "Contact", "3", "hi"), row("syncd.p", "P", "0", "base.uk", "syncd.co", "invoice", nil, false))
	same(t, "company", a.field(partner, ids[0], "is_company"), any(true))
	same(t, "country", a.field(partner, ids[0], "country_id"), any(int64(75)))
	same(t, "html", a.field(partner, ids[0], "comment"), any("<p>hi</p>"))
	same(t, "color", a.field(partner, ids[0], "color"), any(int64(3)))
	same(t, "parent in the same call", a.field(partner, ids[1], "parent_id"), any(ids[0]))
	same(t, "uk", a.field(partner, ids[1], "country_id"), any(int64(231)))
	same(t, "type", a.field(partner, ids[1], "type"), any("invoice"))
	more, _ := a.load(partner, []string{".id", "name", "country_id", "parent_id/.id"}, row(ids[1], "P2", "Germany", text(t, ids[0])))
	sameList(t, ".id", more, ids[1])
	same(t, "by name", a.field(partner, ids[1], "country_id"), any(int64(57)))
}

func TestLoadRefusesTheWholeCall(t *testing.T) {
	a := serve(t, odoosim.Options{})
	for _, c := range []struct {
		column string
		cell   any
		text   string
		field  any
	}{
		{"type", "bogus", "Value 'bogus' not found in selection field 'Address Type'", "type"},
		{"parent_id/id", "syncd.missing", "No matching record found for external id 'syncd.missing' in field 'Related Company'", "parent_id"},
		{"parent_id/.id", "99999999", "No matching record found for database id '99999999' in field 'Related Company'", "parent_id"},
		{"category_id", "Tag1", "No matching record found for name 'Tag1' in field 'Tags'", "category_id"},
		{"country_id", "Nowhere", "No matching record found for name 'Nowhere' in field 'Country'", "country_id"},
		{"color", "x", "'x' does not seem to be an integer for field 'Color Index'", "color"},
	} {
		ids, messages := a.load(partner, []string{"id", "name", c.column}, row("syncd.good", "Good", ""), row("syncd.bad", "Bad", c.cell))
		if ids != nil || len(messages) != 1 {
			t.Fatalf("%s: %v %v", c.column, ids, messages)
		}
		same(t, c.column, messages[0]["message"], any(c.text))
		same(t, c.column, messages[0]["field"], c.field)
		same(t, c.column, messages[0]["record"], any(1.0))
	}
	ids, messages := a.load(partner, []string{"id", "name"}, row("syncd.good", "Good"), row("syncd.bad", ""))
	if ids != nil || messages[0]["message"] != "'Contacts require a name'" || messages[0]["field"] != nil {
		t.Errorf("constraint: %v %v", ids, messages)
	}
	same(t, "nothing was written", len(a.sim.All(partner)), 0)
	same(t, "nothing is true", len(a.sim.Truth().Changes()), 0)
	var many [][]any
	for range 30 {
		many = append(many, row("", ""))
	}
	if _, messages = a.load(partner, []string{"id", "name"}, many...); len(messages) != 11 {
		t.Errorf("%d messages, want 10 and the note that there are more", len(messages))
	}
}

// vendors/odoo.md 7: conflicts look like bad data without a field.
func TestLoadConflict(t *testing.T) {
	a := serve(t, odoosim.Options{})
	a.sim.ConflictNextLoads(1)
	ids, messages := a.load(partner, []string{"id", "name"}, row("syncd.a", "A"))
	if ids != nil || messages[0]["message"] != "could not serialize access due to concurrent update\n" || messages[0]["field"] != nil {
		t.Errorf("%v %v", ids, messages)
	}
	if ids, _ = a.load(partner, []string{"id", "name"}, row("syncd.a", "A")); len(ids) != 1 {
		t.Errorf("the repeat: %v", ids)
	}
}

// vendors/odoo.md 7: archived, deleted and merged records.
func TestLoadMeetsLifecycle(t *testing.T) {
	a := serve(t, odoosim.Options{})
	f := []string{"id", "name"}
	ids, _ := a.load(partner, f, row("syncd.a", "A"), row("syncd.b", "B"), row("syncd.c", "C"))
	a.ok(a.sim.UserWrite(partner, ids[0], map[string]any{"active": false}))
	got, _ := a.load(partner, f, row("syncd.a", "A2"))
	sameList(t, "archived is updated", got, ids[0])
	same(t, "and stays archived", a.field(partner, ids[0], "active"), any(false))
	a.ok(a.sim.UserUnlink(partner, ids[0]))
	same(t, "the xmlid goes along", a.must(xmlTable, "search_count", []any{[]any{[]any{"module", "=", "syncd"}, []any{"name", "=", "a"}}}, nil), any(0.0))
	if got, _ = a.load(partner, f, row("syncd.a", "A3")); got[0] == ids[0] {
		t.Error("a deleted record came back under its id")
	}
	a.ok(a.sim.UserMerge(ids[1], ids[2]))
	got, _ = a.load(partner, f, row("syncd.c", "overwritten"))
	sameList(t, "merged is the winner", got, ids[1])
	same(t, "winner", a.field(partner, ids[1], "name"), any("overwritten"))
}

// vendors/odoo.md 7, class unique: one record whatever the race.
func TestConcurrentLoadsMakeOneRecord(t *testing.T) {
	for _, o := range []odoosim.Options{{}, {CommitDelay: 3 * time.Millisecond, Deliver: func(simulator.Post) {}}} {
		a := serve(t, o)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 3 {
					a.load(partner, []string{"id", "name"}, row("syncd.one", "One"))
				}
			})
		}
		wg.Wait()
		same(t, "records", len(a.sim.All(partner)), 1)
		same(t, "births", len(a.sim.Truth().Births(partner)), 1)
	}
}

func TestLoadOfProductsAndBarcodes(t *testing.T) {
	a := serve(t, odoosim.Options{})
	f := []string{"id", "name", "default_code", "barcode", "list_price"}
	ids, _ := a.load(product, f, row("syncd.p", "P", "SKU1", "123", "9.995"))
	same(t, "price", a.field(product, ids[0], "list_price"), any(10.0))
	tmpl := a.field(product, ids[0], "product_tmpl_id").(int64)
	same(t, "template", a.field("product.template", tmpl, "name"), any("P"))
	a.ok(a.sim.UserWrite("product.template", tmpl, map[string]any{"list_price": 5}))
	same(t, "variant follows", a.field(product, ids[0], "list_price"), any(5.0))
	refused, messages := a.load(product, f, row("syncd.q", "Q", "SKU1", "123", ""))
	if refused != nil || !strings.HasPrefix(messages[0]["message"].(string), "Barcode(s) already assigned") {
		t.Errorf("barcode: %v %v", refused, messages)
	}
	if births := a.sim.Truth().Births(product); !slices.Equal(births, []string{text(t, ids[0])}) {
		t.Errorf("births %v", births)
	}
}

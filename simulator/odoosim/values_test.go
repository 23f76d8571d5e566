package odoosim_test

import (
	"testing"

	"syncd/simulator/odoosim"
)

// vendors/odoo.md 4, values.
func TestValuesAreStoredAndReadAsOdooDoes(t *testing.T) {
	c := newClock()
	a := serve(t, odoosim.Options{Now: c.now})
	id := a.create(partner, map[string]any{
		"name": "Trim  ", "email": "", "phone": 12345, "country_id": 57, "comment": "plain text", "vat": nil,
	})
	rec := a.must(partner, "read", []any{[]any{id}}, nil).([]any)[0].(map[string]any)
	for name, want := range map[string]any{
		"name": "Trim  ", "email": "", "phone": "12345", "comment": "<p>plain text</p>", "vat": false, "parent_id": false,
		"write_date": "2026-11-20 10:00:00", "active": true, "type": "contact", "color": 0.0,
	} {
		same(t, name, rec[name], want)
	}
	same(t, "m2o", text(t, rec["country_id"]), `[57,"Germany"]`)
	same(t, "m2m", text(t, rec["category_id"]), `[]`)
	same(t, "write_uid", text(t, rec["write_uid"]), `[7,"syncd bot"]`)
	bare := a.must(partner, "read", []any{[]any{id}, []any{"country_id"}}, map[string]any{"load": ""}).([]any)[0].(map[string]any)
	same(t, "bare m2o", bare["country_id"], any(57.0))
	same(t, `"" is not false in a domain`, len(a.search([]any{[]any{"email", "=", false}}, nil)), 0)
	same(t, `"" is ""`, len(a.search([]any{[]any{"email", "=", ""}}, nil)), 1)

	a.must(partner, "write", []any{[]any{id}, map[string]any{"comment": "<b>x</b><script>1</script> a & b", "email": false}}, nil)
	same(t, "html", a.field(partner, id, "comment"), any("<span><b>x</b> a &amp; b</span>"))
	same(t, "false clears", a.field(partner, id, "email"), any(false))
	p := a.create(product, map[string]any{"name": "P", "list_price": 9.995})
	same(t, "price", a.field(product, p, "list_price"), any(10.0))
}

// vendors/odoo.md 4, methods.
func TestReadKeepsOrderRepeatsAndOmits(t *testing.T) {
	a := serve(t, odoosim.Options{})
	ids := numbers(a.must(partner, "create", []any{[]any{map[string]any{"name": "A"}, map[string]any{"name": "B"}}}, nil))
	list := a.must(partner, "read", []any{[]any{ids[1], 9999, ids[0], ids[1]}, []any{"name"}}, nil).([]any)
	var got []int64
	for _, r := range list {
		got = append(got, int64(r.(map[string]any)["id"].(float64)))
	}
	sameList(t, "read", got, ids[1], ids[0], ids[1])
	sameList(t, "exists", numbers(a.must(partner, "exists", []any{[]any{ids[0], 9999}}, nil)), ids[0])
	fields := a.must(partner, "fields_get", []any{[]any{"type", "parent_id", "name"}}, map[string]any{"attributes": []any{"type", "relation", "selection", "required"}}).(map[string]any)
	same(t, "fields_get", text(t, fields["parent_id"]), `{"relation":"res.partner","required":false,"type":"many2one"}`)
	same(t, "required is no promise", fields["name"].(map[string]any)["required"], any(false))
}

// vendors/odoo.md 5: the table, JSON-RPC.
func TestErrorsOfTheTable(t *testing.T) {
	a := serve(t, odoosim.Options{})
	id := a.create(partner, map[string]any{"name": "A"})
	ordered := a.create(partner, map[string]any{"name": "Buyer"})
	a.create("sale.order", map[string]any{"partner_id": ordered})
	vals := func(k string, v any) map[string]any { return map[string]any{k: v} }
	one := []any{id}
	for _, c := range []struct {
		model, method string
		args          []any
		name, message string
	}{
		{partner, "write", []any{[]any{999999}, vals("name", "x")}, "odoo.exceptions.MissingError",
			"Record does not exist or has been deleted.\n(Record: res.partner(999999,), User: 7)"},
		{partner, "unlink", []any{[]any{999999}}, "odoo.exceptions.MissingError",
			"Record does not exist or has been deleted.\n(Record: res.partner(999999,), User: 7)"},
		{partner, "write", []any{one, vals("country_id", 999999)}, "odoo.exceptions.MissingError",
			"Record does not exist or has been deleted.\n(Record: res.country(999999,), User: 7)"},
		{partner, "write", []any{one, vals("x_nope", 1)}, "builtins.ValueError", "Invalid field 'x_nope' on model 'res.partner'"},
		{partner, "create", []any{vals("x_nope", 1)}, "builtins.ValueError", "Invalid field 'x_nope' on model 'res.partner'"},
		{partner, "read", []any{one, []any{"x_nope"}}, "builtins.ValueError", "Invalid field 'x_nope' on model 'res.partner'"},
		{partner, "search", []any{[]any{[]any{"x_nope", "=", 1}}}, "builtins.ValueError", "Invalid field res.partner.x_nope in leaf ('x_nope', '=', 1)"},
		{partner, "write", []any{one, vals("type", "bogus")}, "builtins.ValueError", "Wrong value for res.partner.type: 'bogus'"},
		{partner, "create", []any{vals("email", "x")}, "odoo.exceptions.ValidationError", "The operation cannot be completed: Contacts require a name"},
		{partner, "write", []any{one, vals("name", false)}, "odoo.exceptions.ValidationError", "The operation cannot be completed: Contacts require a name"},
		{partner, "write", []any{one, vals("parent_id", id)}, "odoo.exceptions.ValidationError", "You cannot create recursive Partner hierarchies."},
		{partner, "unlink", []any{[]any{ordered}}, "odoo.exceptions.ValidationError", "The operation cannot be completed: another model requires the record being deleted. If possible, archive it instead.\n\nModel: Sales Order (sale.order)\nConstraint: sale_order_partner_id_fkey"},
		{partner, "write", []any{one, vals("name", "a\x00b")}, "builtins.ValueError", "A string literal cannot contain NUL (0x00) characters."},
		{partner, "_compute_display_name", []any{one}, "odoo.exceptions.AccessError", "Private methods (such as _compute_display_name) cannot be called remotely."},
		{"res.nosuch", "read", []any{one}, "odoo.exceptions.UserError", "Object res.nosuch doesn't exist"},
		{partner, "nosuch", []any{one}, "builtins.AttributeError", "The method 'nosuch' does not exist on the model 'res.partner'"},
		{partner, "load", []any{[]any{"id", "nofield"}, []any{}}, "builtins.KeyError", "nofield"},
		{partner, "load", []any{[]any{"name", "is_company"}, []any{[]any{"A", true}}}, "builtins.AttributeError", "'bool' object has no attribute 'lower'"},
	} {
		_, e := a.call(c.model, c.method, c.args, nil)
		if e == nil {
			t.Errorf("%s.%s: no error", c.model, c.method)
			continue
		}
		same(t, c.method+" name", e.name, c.name)
		same(t, c.method+" message", e.message, c.message)
	}
	a.sim.Forbid(partner, odoosim.OpWrite)
	_, e := a.call(partner, "write", []any{one, vals("name", "x")}, nil)
	if e == nil || e.name != "odoo.exceptions.AccessError" {
		t.Errorf("forbidden write: %v", e)
	}
	a.sim.Forbid(partner)
	a.must(partner, "write", []any{one, vals("name", "x")}, nil)
}

// vendors/odoo.md 8.
func TestCustomFields(t *testing.T) {
	a := serve(t, odoosim.Options{})
	mod := a.must("ir.model", "search_read", []any{[]any{[]any{"model", "=", partner}}, []any{"model"}}, nil).([]any)[0].(map[string]any)["id"]
	vals := map[string]any{"name": "x_crm_id", "model_id": mod, "ttype": "char", "field_description": "CRM id", "index": true, "state": "manual", "copied": false}
	a.create("ir.model.fields", vals)
	_, e := a.call("ir.model.fields", "create", []any{vals}, nil)
	if e == nil || e.message != "The operation cannot be completed: Field names must be unique per model." {
		t.Errorf("twice: %v", e)
	}
	vals["name"] = "crm_id"
	if _, e = a.call("ir.model.fields", "create", []any{vals}, nil); e == nil || e.name != "odoo.exceptions.ValidationError" {
		t.Errorf("without x_: %v", e)
	}
	id := a.create(partner, map[string]any{"name": "A", "x_crm_id": "crm-1"})
	sameList(t, "found by custom field", a.search([]any{[]any{"x_crm_id", "=", "crm-1"}}, nil), id)
	fields := a.must(partner, "fields_get", []any{[]any{"x_crm_id"}}, nil).(map[string]any)
	same(t, "label", fields["x_crm_id"].(map[string]any)["string"], any("CRM id"))
	same(t, "known to ir.model.fields", a.must("ir.model.fields", "search_count", []any{[]any{[]any{"name", "=", "x_crm_id"}, []any{"model", "=", partner}}}, nil), any(1.0))
}

// vendors/odoo.md 9: what goes down from a parent.
func TestChildrenFollowTheirParent(t *testing.T) {
	c := newClock()
	a := serve(t, odoosim.Options{Now: c.now})
	parent := a.create(partner, map[string]any{"name": "Acme", "is_company": true, "street": "Main 1", "vat": "FR1"})
	child := a.create(partner, map[string]any{"name": "Ann", "parent_id": parent})
	same(t, "address inherited", a.field(partner, child, "street"), any("Main 1"))
	same(t, "vat inherited", a.field(partner, child, "vat"), any("FR1"))
	same(t, "complete name", a.field(partner, child, "complete_name"), any("Acme, Ann"))
	same(t, "commercial entity", a.field(partner, child, "commercial_partner_id"), any(parent))
	c.add(1e9)
	a.must(partner, "write", []any{[]any{parent}, map[string]any{"street": "Main 2"}}, nil)
	same(t, "street passed on", a.field(partner, child, "street"), any("Main 2"))
	same(t, "write_date moved", a.field(partner, child, "write_date"), any("2026-11-20 10:00:01"))
}

// vendors/odoo.md 9: version drift.
func TestVersionDrift(t *testing.T) {
	for major, has := range map[int]bool{17: true, 18: true, 19: false, 20: false} {
		a := serve(t, odoosim.Options{Major: major})
		fields := a.must(partner, "fields_get", nil, nil).(map[string]any)
		_, mobile := fields["mobile"]
		same(t, "mobile", mobile, has)
	}
	a := serve(t, odoosim.Options{Major: 20})
	id := a.create(partner, map[string]any{"name": "A", "is_company": true})
	same(t, "is_company ignored", a.field(partner, id, "is_company"), any(false))
	a.must(partner, "write", []any{[]any{id}, map[string]any{"vat": "FR1"}}, nil)
	same(t, "is_company computed", a.field(partner, id, "is_company"), any(true))
}

package odoosim_test

import (
	"testing"
	"time"

	"syncd/simulator"
	"syncd/simulator/odoosim"
)

// vendors/odoo.md 10.
func TestMerge(t *testing.T) {
	c := newClock()
	a, in := listening(t, odoosim.Options{Now: c.now})
	ids, _ := a.load(partner, []string{"id", "name", "phone", "color"}, row("syncd.w", "W", "", "1"), row("syncd.l", "L", "", "2"))
	winner, loser := ids[0], ids[1]
	child := a.user(partner, map[string]any{"name": "Kid", "parent_id": loser})
	order := a.user("sale.order", map[string]any{"partner_id": loser})
	a.user("ir.model.fields", map[string]any{"name": "x_note", "model_id": a.modelID(partner), "ttype": "char"})
	a.must(partner, "write", []any{[]any{loser}, map[string]any{"function": "boss"}}, nil)
	in.drain()
	c.add(time.Second)
	wizard := a.create("base.partner.merge.automatic.wizard", map[string]any{
		"partner_ids": []any{[]any{6, 0, []any{winner, loser}}}, "dst_partner_id": winner})
	a.must("base.partner.merge.automatic.wizard", "action_merge", []any{[]any{wizard}}, nil)

	got := a.must(partner, "read", []any{[]any{winner, loser}, []any{"name"}}, nil).([]any)
	same(t, "the loser is omitted", len(got), 1)
	same(t, "the winner keeps its name", a.field(partner, winner, "name"), any("W"))
	same(t, "and gets what it lacked", a.field(partner, winner, "function"), any("boss"))
	same(t, "child moved", a.field(partner, child, "parent_id"), any(winner))
	same(t, "child's write_date", a.field(partner, child, "write_date"), any("2026-11-20 10:00:01"))
	same(t, "order moved", a.field("sale.order", order, "partner_id"), any(winner))
	same(t, "order's write_date stays", a.field("sale.order", order, "write_date"), any("2026-11-20 10:00:00"))
	for _, name := range []string{"w", "l"} {
		rows := a.must(xmlTable, "search_read", []any{[]any{[]any{"module", "=", "syncd"}, []any{"name", "=", name}}}, nil).([]any)
		same(t, "xmlid "+name, rows[0].(map[string]any)["res_id"], any(float64(winner)))
	}
	unlinks := 0
	for _, p := range in.drain() {
		if p.URL == hookBase+"/partner/unlink" {
			unlinks++
		}
	}
	same(t, "one unlink hook", unlinks, 1)
	if err := a.sim.UserMerge(winner, child); err == nil {
		t.Error("merging with one's parent must fail")
	}
}

// A watched value that is not copied leaves the save rule silent.
func TestMergeFiresNoSaveRuleByItself(t *testing.T) {
	a, in := listening(t, odoosim.Options{})
	w := a.user(partner, map[string]any{"name": "W"})
	l := a.user(partner, map[string]any{"name": "L"})
	a.user(partner, map[string]any{"name": "Kid", "parent_id": l})
	in.drain()
	a.ok(a.sim.UserMerge(w, l))
	sameList(t, "posts", urls(in.drain()), "/partner/unlink")
}

func TestUnlinkOrphansChildren(t *testing.T) {
	c := newClock()
	a := serve(t, odoosim.Options{Now: c.now})
	p := a.user(partner, map[string]any{"name": "P"})
	k := a.user(partner, map[string]any{"name": "K", "parent_id": p})
	c.add(time.Second)
	a.ok(a.sim.UserUnlink(partner, p))
	same(t, "orphan", a.field(partner, k, "parent_id"), any(false))
	same(t, "by SQL", a.field(partner, k, "write_date"), any("2026-11-20 10:00:00"))
}

// write_uid and create_uid are the acting users.
func TestTruthNamesTheActor(t *testing.T) {
	a := serve(t, odoosim.Options{})
	id := a.create(partner, map[string]any{"name": "A"})
	a.ok(a.sim.UserWrite(partner, id, map[string]any{"email": "e@x", "is_company": true, "phone": false}))
	a.ok(a.sim.UserWrite(partner, id, map[string]any{"active": false}))
	a.must(partner, "unlink", []any{[]any{id}}, nil)
	all := a.sim.Truth().Changes()
	same(t, "changes", len(all), 4)
	for i, want := range []simulator.Change{
		{Born: true, Actor: "app:7"}, {Actor: "user:2"}, {Gone: true, Actor: "user:2"}, {Gone: true, Actor: "app:7"},
	} {
		same(t, "actor", all[i].Actor, want.Actor)
		same(t, "born", all[i].Born, want.Born)
		same(t, "gone", all[i].Gone, want.Gone)
		same(t, "id", all[i].ID, text(t, id))
	}
	same(t, "values", text(t, all[1].Values), `{"email":"e@x","is_company":"true","phone":""}`)
	b := serve(t, odoosim.Options{})
	bid := b.create(partner, map[string]any{"name": "A"})
	b.ok(b.sim.UserWrite(partner, bid, map[string]any{"name": "B"}))
	same(t, "create_uid", b.field(partner, bid, "create_uid"), any(int64(7)))
	same(t, "write_uid", b.field(partner, bid, "write_uid"), any(int64(2)))
	calls := b.sim.Truth().Calls()
	same(t, "call", calls[0].Op+" "+calls[0].Object+" "+calls[0].IDs[0], "create res.partner "+text(t, bid))
	same(t, "status", calls[0].Status, 200)
	same(t, "rows", calls[0].Rows, 1)
}

// Rules are accepted and stored (vendors/odoo.md 11).
func TestAutomationRulesAreStored(t *testing.T) {
	a := serve(t, odoosim.Options{})
	id := a.create("base.automation", map[string]any{
		"name": "syncd partner save", "model_id": a.modelID(partner), "trigger": "on_create_or_write",
		"trigger_field_ids": []any{[]any{6, 0, []any{}}}, "filter_domain": `[["write_uid", "!=", 7]]`,
		"action_server_ids": []any{[]any{0, 0, map[string]any{"name": "hook", "model_id": a.modelID(partner), "state": "webhook",
			"usage": "base_automation", "webhook_url": "https://syncd.example/x"}}},
	})
	rows := a.must("base.automation", "search_read", []any{[]any{[]any{"name", "=", "syncd partner save"}}}, nil).([]any)
	same(t, "rule", rows[0].(map[string]any)["id"], any(float64(id)))
	same(t, "action", len(rows[0].(map[string]any)["action_server_ids"].([]any)), 1)
}

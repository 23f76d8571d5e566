package odoosim_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncd/simulator"
	"syncd/simulator/odoosim"
)

const hookBase = "http://syncd.example/webhooks/odoo/SECRET"

func urls(posts []simulator.Post) []string {
	out := []string{}
	for _, p := range posts {
		out = append(out, strings.TrimPrefix(p.URL, hookBase))
	}
	return out
}

// vendors/odoo.md 11: the table's bold row.
func TestRuleWithTriggerFields(t *testing.T) {
	a, in := listening(t, odoosim.Options{QuietFields: []string{"website"}})
	expect := func(what string, want ...string) {
		t.Helper()
		sameList(t, what, urls(in.drain()), want...)
	}
	id := a.user(partner, map[string]any{"name": "A", "is_company": true})
	expect("create", "/partner/save")
	write := func(vals map[string]any) { a.ok(a.sim.UserWrite(partner, id, vals)) }
	write(map[string]any{"name": "B"})
	expect("change", "/partner/save")
	write(map[string]any{"name": "B"})
	expect("no-op")
	write(map[string]any{"color": 3})
	expect("other field")
	write(map[string]any{"website": "w"})
	expect("quiet field")
	write(map[string]any{"active": false})
	expect("archive", "/partner/save")
	write(map[string]any{"active": true})
	expect("unarchive", "/partner/save")
	a.user(partner, map[string]any{"name": "Child", "parent_id": id})
	expect("child", "/partner/save")
	write(map[string]any{"street": "S"})
	expect("fan-out posts for the parent only", "/partner/save")
	a.must(partner, "write", []any{[]any{id}, map[string]any{"name": "bot"}}, nil)
	expect("the bot's own write", "/partner/save")
	a.load(partner, []string{"id", "name"}, row("syncd.a", "L"), row("syncd.b", "M"))
	expect("load", "/partner/save", "/partner/save")
	a.load(partner, []string{"id", "name"}, row("syncd.a", "L"))
	expect("load of an unchanged row")
	a.ok(a.sim.UserUnlink(partner, id))
	expect("unlink", "/partner/unlink")
	p := a.user(product, map[string]any{"name": "P"})
	a.ok(a.sim.UserUnlink(product, p))
	expect("product", "/product/save", "/product/unlink")
	same(t, "log", len(a.sim.Posts()), 12)
}

func TestIgnoreBotSparesOnlyTheSaveRule(t *testing.T) {
	a, in := listening(t, odoosim.Options{IgnoreBot: true})
	id := a.create(partner, map[string]any{"name": "A"})
	sameList(t, "bot", urls(in.drain()))
	a.ok(a.sim.UserWrite(partner, id, map[string]any{"name": "B"}))
	sameList(t, "people", urls(in.drain()), "/partner/save")
	a.must(partner, "unlink", []any{[]any{id}}, nil)
	sameList(t, "unlink", urls(in.drain()), "/partner/unlink")
}

// The token's own field is quiet, other custom fields are not.
func TestCustomFieldsAreWatchedButTheToken(t *testing.T) {
	a, in := listening(t, odoosim.Options{})
	for _, name := range []string{"x_syncd_ref", "x_crm_id"} {
		a.user("ir.model.fields", map[string]any{"name": name, "model_id": a.modelID(partner), "ttype": "char"})
	}
	id := a.user(partner, map[string]any{"name": "A"})
	in.drain()
	a.ok(a.sim.UserWrite(partner, id, map[string]any{"x_syncd_ref": "t"}))
	sameList(t, "token", urls(in.drain()))
	a.ok(a.sim.UserWrite(partner, id, map[string]any{"x_crm_id": "1"}))
	sameList(t, "inverse id", urls(in.drain()), "/partner/save")
}

func (a *api) modelID(name string) int64 {
	for id, m := range a.sim.All("ir.model") {
		if m["model"] == name {
			return id
		}
	}
	a.t.Fatal("no model " + name)
	return 0
}

// vendors/odoo.md 11: the exact body.
func TestPayload(t *testing.T) {
	c := newClock()
	a, in := listening(t, odoosim.Options{Now: c.now})
	id := a.user(partner, map[string]any{"name": "Hück", "country_id": 57})
	p := in.drain()[0]
	want := `{"_action": "Send Webhook Notification(#377)", "_id": ` + text(t, id) + `, "_model": "res.partner", "active": true, ` +
		`"category_id": [], "color": 0, "country_id": 57, "email": false, "id": ` + text(t, id) + `, "is_company": false, "name": "H\u00fcck", ` +
		`"parent_id": false, "phone": false, "type": "contact", "vat": false, "write_date": "2026-11-20 10:00:00.123456"}`
	same(t, "body", string(p.Body), want)
	same(t, "agent", p.Header.Get("User-Agent"), "python-requests/2.28.1")
	same(t, "kind", p.Header.Get("Content-Type"), "application/json")
	a.ok(a.sim.UserUnlink(partner, id))
	p = in.drain()[0]
	if !strings.Contains(string(p.Body), `(#378)`) || !strings.Contains(string(p.Body), `"name": "H\u00fcck"`) {
		t.Errorf("unlink: %s", p.Body)
	}
}

// vendors/odoo.md 11: without trigger_field_ids.
func TestTriggerAllFloods(t *testing.T) {
	a, in := listening(t, odoosim.Options{TriggerAll: true})
	id := a.user(partner, map[string]any{"name": "A"})
	same(t, "create", len(in.drain()), 14)
	a.ok(a.sim.UserWrite(partner, id, map[string]any{"name": "B"}))
	if n := len(in.drain()); n < 2 || n > 3 {
		t.Errorf("write: %d posts", n)
	}
	a.ok(a.sim.UserWrite(partner, id, map[string]any{"name": "B"}))
	same(t, "no-op", len(in.drain()), 2)
	a.ok(a.sim.UserWrite(partner, id, map[string]any{"active": false}))
	same(t, "archive", len(in.drain()), 1)
	a.load(partner, []string{"id", "name"}, row("syncd.a", "L"))
	same(t, "load new", len(in.drain()), 14)
	a.load(partner, []string{"id", "name"}, row("syncd.a", "L"))
	same(t, "load unchanged", len(in.drain()), 3)
}

// vendors/odoo.md 11: rolled-back loads send, refused creates do not.
func TestPhantoms(t *testing.T) {
	a, in := listening(t, odoosim.Options{})
	a.load(partner, []string{"id", "name"}, row("syncd.a", "Phantom A"), row("syncd.b", ""), row("syncd.c", "C"))
	posts := in.drain()
	sameList(t, "phantom", urls(posts), "/partner/save")
	var body struct {
		ID int64 `json:"_id"`
	}
	a.ok(json.Unmarshal(posts[0].Body, &body))
	if _, ok := a.sim.Get(partner, body.ID); ok {
		t.Error("the phantom exists")
	}
	ids, _ := a.load(partner, []string{"id", "name"}, row("syncd.a", "Real"))
	if ids[0] <= body.ID {
		t.Errorf("id %d was given again", ids[0])
	}
	in.drain()
	a.call(partner, "create", []any{[]any{map[string]any{"name": "X"}, map[string]any{"email": "no name"}}}, nil)
	same(t, "create", len(in.drain()), 0)
}

// vendors/odoo.md 11: sent before commit.
func TestPostsComeBeforeTheCommit(t *testing.T) {
	var a *api
	var seen []any
	a = serve(t, odoosim.Options{WebhookURL: hookBase, Deliver: func(p simulator.Post) {
		var body struct {
			ID int64 `json:"_id"`
		}
		_ = json.Unmarshal(p.Body, &body)
		rec, _ := a.sim.Get(partner, body.ID)
		seen = append(seen, rec["name"])
	}})
	id := a.user(partner, map[string]any{"name": "old"})
	a.ok(a.sim.UserWrite(partner, id, map[string]any{"name": "new"}))
	sameList(t, "seen in the hook", seen, nil, any("old"))
	same(t, "afterwards", a.field(partner, id, "name"), any("new"))
}

// vendors/odoo.md 6, hole 2: a slow transaction commits behind the cursor.
func TestLateCommitLandsBehindTheCursor(t *testing.T) {
	c := newClock()
	release, posted := make(chan struct{}), make(chan struct{})
	var slow atomic.Bool
	a := serve(t, odoosim.Options{Now: c.now, WebhookURL: hookBase, Deliver: func(simulator.Post) {
		if slow.CompareAndSwap(true, false) {
			close(posted)
			<-release
		}
	}})
	first := a.user(partner, map[string]any{"name": "A"})
	second := a.user(partner, map[string]any{"name": "B"})
	c.add(10 * time.Second)
	slow.Store(true)
	done := make(chan error)
	go func() { done <- a.sim.UserWrite(partner, first, map[string]any{"name": "slow"}) }()
	<-posted
	c.add(time.Second)
	a.ok(a.sim.UserWrite(partner, second, map[string]any{"name": "quick"}))
	since := []any{[]any{"write_date", ">=", "2026-11-20 10:00:10"}}
	by := map[string]any{"order": "write_date asc, id asc"}
	sameList(t, "the poll sees the quick one", a.search(since, by), second)
	if ids, m := a.load(partner, []string{".id", "name"}, row(second, "x")); ids == nil {
		t.Errorf("an unlocked row: %v", m)
	}
	close(release)
	a.ok(<-done)
	sameList(t, "the slow one lies before it", a.search(since, by), first, second)
	same(t, "write_date is the start", a.field(partner, first, "write_date"), any("2026-11-20 10:00:10"))
}

// Over HTTP: one attempt, no retry, in the background; Blocking waits.
func TestOneAttemptOnly(t *testing.T) {
	var hits atomic.Int32
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		hits.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(receiver.Close)
	a := serve(t, odoosim.Options{WebhookURL: receiver.URL})
	a.user(partner, map[string]any{"name": "A"})
	a.sim.Outbox().Wait(time.Minute)
	same(t, "background", hits.Load(), 1)
	if err := a.sim.Redeliver(context.Background(), true, 3); err != nil {
		t.Fatal(err)
	}
	same(t, "redelivered", hits.Load(), 4)
	same(t, "the log keeps one", len(a.sim.Posts()), 1)
	b := serve(t, odoosim.Options{WebhookURL: receiver.URL, Blocking: true})
	b.user(partner, map[string]any{"name": "A"})
	same(t, "blocking", hits.Load(), 5)
	b.sim.SetWebhookURL("")
	b.user(partner, map[string]any{"name": "B"})
	same(t, "switched off", hits.Load(), 5)
}

// The same seed gives the same flood and the same shuffle.
func TestSeedDecides(t *testing.T) {
	run := func() []string {
		a, in := listening(t, odoosim.Options{Seed: 42, TriggerAll: true, Now: newClock().now})
		id := a.user(partner, map[string]any{"name": "A"})
		for _, n := range []string{"B", "C", "D", "E"} {
			a.ok(a.sim.UserWrite(partner, id, map[string]any{"name": n}))
		}
		var out []string
		for _, p := range in.drain() {
			out = append(out, string(p.Body))
		}
		return out
	}
	sameList(t, "two runs", run(), run()...)
}

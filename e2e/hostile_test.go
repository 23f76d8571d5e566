package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"syncd/simulator"
)

// TestBadDeliveryChangesNothing: what is not a vendor's word is refused and
// counted, and nothing comes of it.
func TestBadDeliveryChangesNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Seed: 41})
		w.start()
		w.crm.SetWebhookURL("")
		w.crmCreate(people(w.s.Seed, 1)[0])
		w.crm.SetWebhookURL(w.crmHook)
		events, _ := w.crm.EventsSince(0)
		before := w.calls()
		for _, bad := range w.badDeliveries(events) {
			t.Run(bad.name, func(t *testing.T) {
				counted := w.metric("syncd_webhook_deliveries_total", "system", bad.system, "result", bad.result)
				if status := bad.post.Send(context.Background(), opsClient); status != bad.status {
					t.Errorf("answered %d, not %d", status, bad.status)
				}
				if bad.result == "" {
					return // an address that nobody told: not even counted by its system
				}
				if n := w.metric("syncd_webhook_deliveries_total", "system", bad.system, "result", bad.result) - counted; n != 1 {
					t.Errorf("counted %v times as %s", n, bad.result)
				}
			})
		}
		w.quiet()
		if n := w.calls() - before; n != 0 {
			t.Errorf("%d calls were made", n)
		}
		if len(w.erp.Truth().Births(partner)) != 0 {
			t.Error("a partner was made")
		}
	})
}

type badDelivery struct {
	name, system, result string
	status               int
	post                 simulator.Post
}

func (w *world) badDeliveries(events []json.RawMessage) []badDelivery {
	genuine := w.crm.SignedPost(events)
	forged := simulator.Post{URL: genuine.URL, Header: genuine.Header.Clone(), Body: bytes.Replace(genuine.Body, []byte("1"), []byte("2"), 1)}
	unsigned := simulator.Post{URL: genuine.URL, Header: http.Header{"Content-Type": {"application/json"}}, Body: genuine.Body}
	w.crmClock.forward(-10 * time.Minute)
	stale := w.crm.SignedPost(events)
	w.crmClock.forward(20 * time.Minute)
	early := w.crm.SignedPost(events)
	w.crmClock.forward(-10 * time.Minute)
	malformed := w.crm.SignedPost([]json.RawMessage{json.RawMessage(`{"objectId":`)})
	big := w.crm.SignedPost([]json.RawMessage{json.RawMessage(`"` + string(bytes.Repeat([]byte("x"), 2<<20)) + `"`)})
	wrong := genuine
	wrong.URL = w.public + "/webhooks/hubspot/canary-wrong-secret-00000000000"
	w.crm.SetWebhookURL(wrong.URL)
	moved := w.crm.SignedPost(events)
	w.crm.SetWebhookURL(w.crmHook)
	moved.URL = genuine.URL // signed for another address
	plain := simulator.Post{URL: w.erpHook + "/partner/save", Header: http.Header{"Content-Type": {"application/json"}}}
	list, other, unknown, text := plain, plain, plain, plain
	list.Body = []byte(`[1,2]`)
	other.Body = []byte(`{"_model":"res.users","_id":1}`)
	unknown.URL, unknown.Body = w.public+"/webhooks/netsuite/"+secrets()[fileERPHook], []byte(`{}`)
	text.Header, text.Body = http.Header{"Content-Type": {"text/plain"}}, []byte(`{"_model":"res.partner","_id":1}`)
	length := strconv.Itoa(len(big.Body))
	return []badDelivery{
		{"forged body", crmSystem, "bad_signature", 401, forged},
		{"no signature", crmSystem, "bad_signature", 401, unsigned},
		{"signed for another address", crmSystem, "bad_signature", 401, moved},
		{"stale", crmSystem, "stale", 401, stale},
		{"from the future", crmSystem, "stale", 401, early},
		{"malformed", crmSystem, "malformed", 401, malformed},
		{"of " + length + " bytes", crmSystem, "too_large", 413, big},
		{"wrong secret in the path", crmSystem, "", 404, wrong},
		{"a list for an object", erpSystem, "malformed", 200, list},
		{"another model than the address", erpSystem, "malformed", 200, other},
		{"an unknown system", erpSystem, "", 404, unknown},
		{"no JSON", erpSystem, "refused_media", 415, text},
	}
}

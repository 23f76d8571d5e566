package shopsim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncd/simulator"
	"syncd/simulator/shopsim"
)

// desk is a pretend shop and a client of its API.
type desk struct {
	t   *testing.T
	sim *shopsim.Sim
	url string
}

func open(t *testing.T, o shopsim.Options) *desk {
	t.Helper()
	sim := shopsim.New(o)
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(srv.Close)
	t.Cleanup(sim.Close)
	return &desk{t, sim, srv.URL}
}

// call makes a call and gives status and answer.
func (d *desk) call(method, path, body string, header ...string) (int, map[string]any, http.Header) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("X-Shop-Token", "shop-token")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	var out map[string]any
	_ = json.Unmarshal(text, &out)
	return res.StatusCode, out, res.Header
}

func TestAKeyMakesOneRecordForADay(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	d := open(t, shopsim.Options{Now: func() time.Time { return now }})
	const jane, joe = `{"data":{"name":"Jane"}}`, `{"data":{"name":"Joe"}}`
	_, first, _ := d.call("POST", "/customers", jane, "Idempotency-Key", "k")
	_, again, _ := d.call("POST", "/customers", jane, "Idempotency-Key", "k")
	if id := first["data"].(map[string]any)["id"]; id != again["data"].(map[string]any)["id"] {
		t.Errorf("%v, then %v", first, again)
	}
	if status, _, _ := d.call("POST", "/customers", joe, "Idempotency-Key", "k"); status != http.StatusUnprocessableEntity {
		t.Errorf("the key with another body: %d", status)
	}
	now = now.Add(25 * time.Hour)
	d.call("POST", "/customers", jane, "Idempotency-Key", "k")
	if n := len(d.sim.Truth().Births("customers")); n != 2 {
		t.Errorf("%d records; the key is forgotten after a day", n)
	}
}

func TestAStaleVersionIsRefusedAndAFreshOneIsNot(t *testing.T) {
	d := open(t, shopsim.Options{})
	id, err := d.sim.UserCreate("customers", map[string]string{"name": "Jane"})
	if err != nil {
		t.Fatal(err)
	}
	_, _, h := d.call("GET", "/customers/"+id, "")
	if status, _, _ := d.call("PATCH", "/customers/"+id, `{"data":{"name":"Joan"}}`, "If-Match", h.Get("ETag")); status != 200 {
		t.Errorf("fresh: %d", status)
	}
	if status, _, _ := d.call("PATCH", "/customers/"+id, `{"data":{"name":"Jill"}}`, "If-Match", h.Get("ETag")); status != http.StatusPreconditionFailed {
		t.Errorf("stale: %d", status)
	}
}

func TestUniqueValuesAreRefusedWithTheirHolder(t *testing.T) {
	d := open(t, shopsim.Options{UniqueRef: true, UniqueEmail: true})
	id, err := d.sim.UserCreate("customers", map[string]string{"email": "jane@example.com", "syncd_ref": "r"})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.sim.UserArchive("customers", id); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`{"data":{"email":"JANE@example.com"}}`, `{"data":{"metafields":{"syncd_ref":"r"}}}`} {
		status, out, _ := d.call("POST", "/customers", body)
		if x := out["errors"].([]any)[0].(map[string]any); status != 422 || x["code"] != "taken" || x["holder"] != id {
			t.Errorf("%d %v: a value in the bin is taken too", status, out)
		}
	}
}

// TestFaultsAreAppliedAsTheySay: a lost answer took effect, a refused call did not.
func TestFaultsAreAppliedAsTheySay(t *testing.T) {
	for _, c := range []struct {
		effect  simulator.Effect
		status  int
		applied bool
	}{
		{simulator.DropBefore, 0, false}, {simulator.DropAfter, 0, true}, {simulator.CutAnswer, 201, true},
		{simulator.RefuseStatus, 503, false}, {simulator.ApplyStatus, 503, true}, {simulator.Garbage, 200, true}, {simulator.DelayApply, 201, true},
	} {
		d := open(t, shopsim.Options{})
		d.sim.Faults().Add(simulator.Fault{Op: "create", Effect: c.effect, Status: 503, Times: 1, Header: map[string]string{"Retry-After": "7"}})
		status, _, h := d.call("POST", "/customers", `{"data":{"name":"Jane"}}`)
		if applied := len(d.sim.Truth().Births("customers")) == 1; status != c.status || applied != c.applied {
			t.Errorf("%s: status %d, applied %v", c.effect, status, applied)
		}
		if c.effect == simulator.RefuseStatus && h.Get("Retry-After") != "7" {
			t.Errorf("headers are %v", h)
		}
		if status, _, _ := d.call("GET", "/shop", ""); status != 200 {
			t.Errorf("after %s: %d", c.effect, status)
		}
	}
}

// TestAWebhookComesAgainUntilItIsTaken, each time signed anew.
func TestAWebhookComesAgainUntilItIsTaken(t *testing.T) {
	var posts atomic.Int32
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("X-Shop-Signature"), "t=") || r.Header.Get("X-Shop-Delivery") == "" {
			t.Errorf("headers are %v", r.Header)
		}
		if posts.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer hook.Close()
	d := open(t, shopsim.Options{WebhookURL: hook.URL, RetryGap: time.Millisecond})
	if _, err := d.sim.UserCreate("customers", map[string]string{"name": "Jane"}); err != nil {
		t.Fatal(err)
	}
	if !d.sim.Outbox().Wait(10*time.Second) || posts.Load() != 3 {
		t.Errorf("%d posts", posts.Load())
	}
}

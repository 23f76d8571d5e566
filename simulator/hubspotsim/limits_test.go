package hubspotsim_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"syncd/simulator/hubspotsim"
)

func TestTenSecondWindowRolls(t *testing.T) {
	w := start(t, hubspotsim.Options{PerTenSeconds: 3, SearchPerSecond: -1})
	for i := range 3 {
		res, err := w.raw(http.MethodGet, contacts, nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		w.equal("remaining", res.Header.Get("X-HubSpot-RateLimit-Remaining"), 2-i)
		w.equal("max", res.Header.Get("X-HubSpot-RateLimit-Max"), "3")
		w.equal("interval", res.Header.Get("X-HubSpot-RateLimit-Interval-Milliseconds"), "10000")
		w.clock.move(4 * time.Second)
	}
	w.must(200, http.MethodGet, contacts, nil) // the first one is 12 s old
	w.clock.move(time.Second)
	out := w.must(429, http.MethodGet, contacts, nil)
	w.equal("policy", out["policyName"], "TEN_SECONDLY_ROLLING")
	w.equal("errorType", out["errorType"], "RATE_LIMIT")
	w.equal("message", out["message"], "You have reached your ten_secondly_rolling limit.")
	w.must(200, http.MethodPost, contacts+"/search", obj{})
	calls := w.Truth().Calls()
	w.equal("the refused call is in the truth", calls[4].Status, 429)
}

func TestSearchHasALimitOfItsOwn(t *testing.T) {
	w := start(t, hubspotsim.Options{SearchPerSecond: 2, PerTenSeconds: 1})
	w.must(200, http.MethodPost, contacts+"/search", obj{})
	w.must(200, http.MethodPost, "/crm/v3/objects/companies/search", obj{})
	res, err := w.raw(http.MethodPost, contacts+"/search", obj{})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out obj
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	w.equal("status", res.StatusCode, 429)
	w.equal("policy", out["policyName"], "SECONDLY")
	w.equal("no rate headers", res.Header.Get("X-HubSpot-RateLimit-Max"), "")
	w.equal("no Retry-After", res.Header.Get("Retry-After"), "")
	w.must(200, http.MethodGet, contacts, nil)
	w.clock.move(time.Second)
	w.must(200, http.MethodPost, contacts+"/search", obj{})
}

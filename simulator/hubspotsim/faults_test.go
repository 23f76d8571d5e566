package hubspotsim_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncd/simulator"
	"syncd/simulator/hubspotsim"
)

func createBody(email string) obj {
	return inputs(traced("w", "email", email))
}

func TestEveryFaultDoesWhatItsNameSays(t *testing.T) {
	const path = contacts + "/batch/create"
	for effect, c := range map[simulator.Effect]struct {
		applied bool
		status  int // of the truth
	}{
		simulator.RefuseStatus: {false, 503},
		simulator.ApplyStatus:  {true, 503},
		simulator.DropBefore:   {false, 0},
		simulator.DropAfter:    {true, 0},
		simulator.CutAnswer:    {true, 0},
		simulator.Garbage:      {true, 200},
		simulator.DelayApply:   {true, 201},
	} {
		w := start(t, hubspotsim.Options{})
		w.Faults().Add(simulator.Fault{
			Op: "batch_create", Object: "contacts", Effect: effect, Status: 503, Times: 1,
			Delay: time.Millisecond, Header: map[string]string{"Retry-After": "7"},
		})
		w.must(200, http.MethodGet, contacts, nil) // another operation passes
		res, err := w.raw(http.MethodPost, path, createBody("a@x.cz"))
		lost := err != nil
		if err == nil {
			text, readErr := io.ReadAll(res.Body)
			res.Body.Close()
			lost = readErr != nil
			checkAnswer(w, effect, res, text, readErr)
		}
		wantLost := effect == simulator.DropBefore || effect == simulator.DropAfter || effect == simulator.CutAnswer
		w.equal(string(effect)+" lost", lost, wantLost)
		w.equal(string(effect)+" applied", len(w.All("contacts")) == 1, c.applied)
		call := w.Truth().Calls()[1]
		w.equal(string(effect)+" status in the truth", call.Status, c.status)
		w.equal(string(effect)+" fault in the truth", call.Fault, effect)
		w.equal(string(effect)+" rows in the truth", call.Rows, 1)
		if !c.applied {
			w.must(201, http.MethodPost, path, createBody("a@x.cz"))
		}
	}
}

func checkAnswer(w *world, effect simulator.Effect, res *http.Response, text []byte, readErr error) {
	w.Helper()
	switch effect {
	case simulator.RefuseStatus, simulator.ApplyStatus:
		w.equal("status", res.StatusCode, 503)
		w.equal("header", res.Header.Get("Retry-After"), "7")
	case simulator.CutAnswer:
		w.equal("status", res.StatusCode, 201)
		if readErr == nil || len(text) == 0 || int64(len(text)) >= res.ContentLength {
			w.Errorf("%d of %d bytes, %v", len(text), res.ContentLength, readErr)
		}
	case simulator.Garbage:
		w.equal("status", res.StatusCode, 200)
		if !strings.HasPrefix(string(text), "<!DOCTYPE html>") {
			w.Errorf("answer %s", text)
		}
	}
}

func TestScriptedRateLimitLooksLikeOne(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.Faults().Add(simulator.Fault{Effect: simulator.RefuseStatus, Status: 429, Times: 1})
	w.equal("policy", w.must(429, http.MethodGet, contacts, nil)["policyName"], "TEN_SECONDLY_ROLLING")
}

func TestOutageStopsTheAPIAndNotThePeople(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.Faults().Down(true)
	if res, err := w.raw(http.MethodPost, contacts, obj{"properties": obj{"email": "a@x.cz"}}); err == nil {
		res.Body.Close()
		t.Error("an answer in an outage")
	}
	w.user("contacts", props("email", "b@x.cz"))
	w.Faults().Down(false)
	w.equal("records", len(rows(w.must(200, http.MethodGet, contacts, nil), "results")), 1)
}

func TestEveryOperationMeetsFaultsByItsName(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	one := inputs(obj{"id": "1"})
	for _, c := range []struct{ op, method, path string }{
		{"get", http.MethodGet, contacts + "/1"}, {"list", http.MethodGet, contacts},
		{"create", http.MethodPost, contacts}, {"update", http.MethodPatch, contacts + "/1"},
		{"archive", http.MethodDelete, contacts + "/1"}, {"batch_read", http.MethodPost, contacts + "/batch/read"},
		{"batch_create", http.MethodPost, contacts + "/batch/create"}, {"batch_update", http.MethodPost, contacts + "/batch/update"},
		{"batch_upsert", http.MethodPost, contacts + "/batch/upsert"}, {"batch_archive", http.MethodPost, contacts + "/batch/archive"},
		{"search", http.MethodPost, contacts + "/search"}, {"merge", http.MethodPost, contacts + "/merge"},
		{"properties", http.MethodGet, contactProperties}, {"account", http.MethodGet, "/account-info/v3/details"},
	} {
		w.Faults().Clear()
		w.Faults().Add(simulator.Fault{Op: c.op, Effect: simulator.RefuseStatus, Status: 502, Times: 1})
		w.must(502, c.method, c.path, one)
		calls := w.Truth().Calls()
		w.equal("op in the truth", calls[len(calls)-1].Op, c.op)
	}
}

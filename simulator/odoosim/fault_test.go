package odoosim_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/simulator"
	"syncd/simulator/odoosim"
)

const createOne = `{"jsonrpc":"2.0","id":1,"params":{"service":"object","method":"execute_kw","args":["acme",7,"sim-key","res.partner","create",[{"name":"A"}]]}}`

// Every effect of the script, and what it leaves behind.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault   simulator.Fault
		status  int // 0: the connection is cut
		applied int
		noted   int
	}{
		{simulator.Fault{Effect: simulator.RefuseStatus, Status: 503, Header: map[string]string{"Retry-After": "7"}}, 503, 0, 503},
		{simulator.Fault{Effect: simulator.ApplyStatus, Status: 502}, 502, 1, 502},
		{simulator.Fault{Effect: simulator.DropBefore}, 0, 0, 0},
		{simulator.Fault{Effect: simulator.DropAfter}, 0, 1, 0},
		{simulator.Fault{Effect: simulator.CutAnswer}, 0, 1, 0},
		{simulator.Fault{Effect: simulator.Garbage}, 200, 1, 200},
		{simulator.Fault{Effect: simulator.DelayApply, Delay: time.Millisecond}, 200, 1, 200},
	} {
		a := serve(t, odoosim.Options{})
		c.fault.Op, c.fault.Object, c.fault.Times = "create", partner, 1
		a.sim.Faults().Add(c.fault)
		a.must(partner, "search", []any{[]any{}}, nil)
		res, body, err := a.post("/jsonrpc", nil, createOne)
		name := string(c.fault.Effect)
		if c.status == 0 {
			if err == nil {
				t.Errorf("%s: HTTP %d %s", name, res.StatusCode, body)
			}
		} else {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			same(t, name, res.StatusCode, c.status)
			same(t, name+" header", res.Header.Get("Retry-After"), c.fault.Header["Retry-After"])
		}
		if c.fault.Effect == simulator.Garbage && !strings.Contains(string(body), "<html") {
			t.Errorf("garbage: %s", body)
		}
		same(t, name+" applied", len(a.sim.All(partner)), c.applied)
		calls := a.sim.Truth().Calls()
		last := calls[len(calls)-1]
		same(t, name+" noted", last.Status, c.noted)
		same(t, name+" fault", last.Fault, name)
		same(t, name+" spent", a.create(partner, map[string]any{"name": "B"}) > 0, true)
	}
}

func TestOutageSparesThePeople(t *testing.T) {
	a := serve(t, odoosim.Options{})
	a.sim.Faults().Down(true)
	if _, _, err := a.post("/jsonrpc", nil, createOne); err == nil {
		t.Error("answered while down")
	}
	a.user(partner, map[string]any{"name": "P"})
	a.sim.Faults().Clear()
	same(t, "back", len(a.search([]any{}, nil)), 1)
}

// Readers, writers, people and hooks at once; run with -race.
func TestConcurrentUse(t *testing.T) {
	a := serve(t, odoosim.Options{WebhookURL: hookBase, Deliver: func(simulator.Post) {}, CommitDelay: time.Millisecond})
	id := a.create(partner, map[string]any{"name": "A"})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for range 5 {
				a.must(partner, "write", []any{[]any{id}, map[string]any{"name": string(rune('a' + w))}}, nil)
				a.load(partner, []string{"id", "name"}, row("syncd.x", "X"))
				a.search([]any{[]any{"name", "ilike", "x"}}, nil)
				_ = a.sim.UserWrite(partner, id, map[string]any{"phone": "1"})
				a.sim.All(partner)
			}
		})
	}
	wg.Wait()
	same(t, "records", len(a.sim.All(partner)), 2)
}

func TestUnknownPathIsAPage(t *testing.T) {
	a := serve(t, odoosim.Options{})
	res, _, err := a.post("/json/2/res.partner/read", nil, "{}")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "JSON-2 on 17", res.StatusCode, http.StatusNotFound)
}

package flows_test

import (
	"strings"
	"testing"
	"time"

	"syncd/flows"
	"syncd/simulator"
	"syncd/store"
)

func TestRowLeasedElsewhereComesBackWithoutBlame(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	i := w.identity(crm, id)
	if _, _, err := w.store.Lease(t.Context(), []string{i.ID}, "other", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	calls := w.counting()
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.deliver()
	for range 15 {
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(500 * time.Millisecond)
	}
	if got := calls(); len(got) != 0 {
		t.Errorf("calls %v while another has the lease", got)
	}
	w.clock.advance(10 * time.Second)
	w.settle(e)
	w.converged(1)
}

func TestCappedAttemptsEndInTheTrashUnread(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.deliver()
	for range 12 { // claims that kill their process
		got, err := w.store.Claim(t.Context(), store.ClaimRequest{System: crm, Object: contacts, Max: 10, Owner: "dies", Lease: time.Second})
		if err != nil || len(got) != 1 {
			t.Fatalf("%v %v", got, err)
		}
		w.clock.advance(2 * time.Second)
	}
	calls := w.counting()
	w.settle(e)
	if ts := w.trash(); len(ts) != 1 || ts[0].Why != "attempts" || len(calls()) != 0 {
		t.Errorf("trash %+v, calls %v", ts, calls())
	}
}

func TestThrottledSystemPausesAndBlamesNobody(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	w.erp.Faults().Add(simulator.Fault{Effect: simulator.RefuseStatus, Status: 429, Header: map[string]string{"Retry-After": "30"}, Times: 1})
	n := len(w.calls(erp))
	w.edit(crm, id, map[string]string{"city": "Brno"})
	for range 20 {
		w.deliver()
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(time.Second)
	}
	if got := len(w.calls(erp)) - n; got != 1 {
		t.Errorf("%d calls while throttled; want 1", got)
	}
	w.settle(e)
	w.converged(1)
	for _, a := range w.seen.since(0) {
		if strings.Contains(a, "dead") {
			t.Error(a)
		}
	}
}

func TestOutageCostsNoAttempts(t *testing.T) {
	for _, down := range []string{crm, erp} {
		t.Run(down, func(t *testing.T) {
			w := newWorld(t)
			e := w.engine("a", nil)
			id, _ := w.paired(e, crm, 1)
			w.person(crm, 2)
			w.edit(crm, id, map[string]string{"city": "Brno"})
			w.faults(down).Down(true)
			for range 7200 {
				w.deliver()
				if _, err := w.drain(e); err != nil {
					t.Fatal(err)
				}
				w.clock.advance(500 * time.Millisecond)
			}
			if len(w.trash()) > 0 {
				t.Fatalf("trash %+v", w.trash())
			}
			for _, row := range w.waiting() {
				if row.Attempts > 1 {
					t.Errorf("an outage cost attempts: %+v", row)
				}
			}
			if n := strings.Count(w.logs.String(), "does not answer"); n != 1 {
				t.Errorf("said %d times that it does not answer", n)
			}
			w.faults(down).Clear()
			w.settle(e)
			w.converged(2)
		})
	}
}

// steady runs an engine for a while, every half second.
func (w *world) steady(e *flows.Engine, d time.Duration) {
	w.t.Helper()
	for range int(d / (500 * time.Millisecond)) {
		w.deliver()
		if _, err := w.drain(e); err != nil {
			w.t.Fatal(err)
		}
		w.clock.advance(500 * time.Millisecond)
	}
}

func TestDeadCredentialSaysOneSentenceAndKeepsWork(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	w.hubs[crm].Faults().Add(simulator.Fault{Effect: simulator.RefuseStatus, Status: 401})
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.steady(e, 10*time.Minute)
	if n := strings.Count(w.logs.String(), "system.trouble"); n != 1 || e.Troubles()[crm] == "" || !w.seen.down[crm] {
		t.Errorf("said %d times; troubles %v", n, e.Troubles())
	}
	w.hubs[crm].Faults().Clear()
	w.settle(e)
	w.converged(1)
}

func TestForbiddenWriteSaysOneSentenceAndKeepsWork(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	w.erp.Forbid(partners, "write")
	n := len(w.calls(erp))
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.steady(e, 10*time.Minute)
	logs := w.logs.String()
	if said := strings.Count(logs, "system.trouble"); said != 1 || strings.Contains(logs, "answers again") {
		t.Errorf("said %d times\n%s", said, w.tail())
	}
	if got := len(w.calls(erp)) - n; got > 60 {
		t.Errorf("%d calls in ten minutes", got)
	}
	if len(w.trash()) > 0 || e.Troubles()[erp] == "" {
		t.Errorf("trash %v, troubles %v", w.trash(), e.Troubles())
	}
	w.erp.Forbid(partners)
	w.settle(e)
	w.converged(1)
	if e.Troubles()[erp] != "" {
		t.Errorf("troubles %v", e.Troubles())
	}
}

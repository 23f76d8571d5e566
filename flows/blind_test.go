package flows_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/simulator"
)

// blind makes an object one whose creates cannot be looked up.
func (w *world) blind(system string) {
	info := w.infos[system]
	o := info.Objects[objectOf(system)]
	o.CreateClass, o.TokenVisible = connectors.ClassBlind, false
	info.Objects[objectOf(system)] = o
}

func TestBlindCreateWithoutAnswerIsParkedAndStrangersGoOn(t *testing.T) {
	w := newWorld(t)
	w.blind(erp)
	e := w.engine("a", nil)
	w.erp.Faults().Add(simulator.Fault{Op: "load", Effect: simulator.DropBefore, Times: 1})
	w.person(crm, 1)
	w.settle(e)
	w.parkedAs("uncertain_create")
	w.clock.advance(time.Hour)
	other := w.person(erp, 2)
	w.settle(e)
	w.pair(erp, other, crm)
}

// candidates gives the candidates of a parked row.
func candidates(t *testing.T, detail json.RawMessage) []string {
	t.Helper()
	var d struct{ Candidates []string }
	if err := json.Unmarshal(detail, &d); err != nil {
		t.Fatalf("detail %s: %v", detail, err)
	}
	return d.Candidates
}

func TestBlindCreateInDoubtIsParkedWithItsCandidatesAndNeverSentAgain(t *testing.T) {
	w := newWorld(t)
	w.blind(erp)
	e := w.engine("a", nil)
	w.paired(e, crm, 1)
	w.erp.Faults().Add(simulator.Fault{Op: "load", Effect: simulator.DropAfter, Times: 1})
	source := w.person(crm, 2)
	w.deliver()
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	made := w.births(erp)[1]
	w.create(erp, map[string]string{"firstname": "Some", "lastname": "Body"}) // made at the same time, and nothing like it
	w.forget()
	w.settle(e)
	row := w.parkedAs("uncertain_create")
	if got := candidates(t, row.Detail); !slices.Equal(got, []string{made}) {
		t.Errorf("candidates %v; want %s", got, made)
	}
	if m := w.memberOf(crm, source, erp); m.State != "parked" || m.RecordID != "" {
		t.Errorf("member %+v", m)
	}
	for range 3 {
		w.clock.advance(24 * time.Hour)
		w.hint(crm, source)
		w.settle(e)
		w.parkedAs("uncertain_create")
	}
	if n := len(w.births(erp)); n != 3 {
		t.Errorf("%d partners: it was sent again", n)
	}
	w.hint(erp, made) // its echo, late
	w.settle(e)
	if got := w.pair(crm, source, erp); got != made {
		t.Errorf("paired with %s; want %s", got, made)
	}
	if ws := w.waiting(); len(ws) > 0 {
		t.Errorf("it still waits: %+v", ws)
	}
}

func (w *world) memberOf(system, id, other string) (out struct{ State, RecordID string }) {
	w.t.Helper()
	for _, m := range w.identity(system, id).Members {
		if m.System == other {
			out.State, out.RecordID = string(m.State), m.RecordID
		}
	}
	return out
}

// The process that made the record slept; its member was parked meanwhile.
func TestLateAnswerOfABlindCreateBindsTheParkedMember(t *testing.T) {
	w := newWorld(t)
	w.blind(erp)
	other := w.engine("b", nil)
	slept := false
	e := w.engine("a", nil, over(erp, func(c connectors.Connector) connectors.Connector {
		return &unsure{Connector: c, create: func(string, []connectors.Write) []connectors.Result {
			if !slept {
				slept = true
				w.clock.advance(leaseTime + time.Minute)
				w.settle(other)
				w.parkedAs("uncertain_create")
			}
			return nil
		}}
	}))
	w.person(crm, 1)
	w.deliver()
	if _, err := w.drain(e); err != nil {
		t.Log(err)
	}
	w.forget() // nothing but the answer tells of it
	w.settle(e, other)
	w.converged(1)
}

func TestCrashAroundABlindCreateMakesOneRecordOrAsks(t *testing.T) {
	for _, how := range []trouble{crashBefore, crashAfter, lostBefore, lostAfter} {
		for _, heard := range []bool{true, false} {
			t.Run(string(how)+map[bool]string{true: ", its echo comes", false: ", no echo"}[heard], func(t *testing.T) {
				for k := 1; ; k++ {
					w := newWorld(t)
					w.blind(erp)
					s := &steps{at: k, how: how}
					e := w.engine("a", s)
					source := w.person(crm, 1)
					w.deliver()
					for range 20 {
						if _, err := w.drain(e); err != nil || s.dead || w.idle() {
							break
						}
						w.clock.advance(500 * time.Millisecond)
					}
					if s.n < k {
						return
					}
					if !heard {
						w.forget()
					}
					w.clock.advance(leaseTime + time.Second)
					w.settle(w.engine("b", nil))
					if n := len(w.births(erp)); n > 1 || len(w.births(crm)) > 1 {
						t.Fatalf("step %d: %d partners, %d contacts", k, n, len(w.births(crm)))
					}
					if ws := w.waiting(); len(ws) == 1 && ws[0].RecordID == source {
						w.parkedAs("uncertain_create")
						if heard && len(w.births(erp)) == 1 {
							t.Fatalf("step %d: its echo did not bind it", k)
						}
						continue
					}
					if w.converged(1); t.Failed() {
						t.Fatalf("step %d", k)
					}
				}
			})
		}
	}
}

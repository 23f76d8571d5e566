package flows_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/simulator"
	"syncd/store"
)

// Two replicas on one store: the second runs through at every step of the first.
func TestTwoEnginesInterleavedAtEveryStepConverge(t *testing.T) {
	for _, sc := range scenes() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			for k := 1; ; k++ {
				ran := false
				t.Run(fmt.Sprintf("step %02d", k), func(t *testing.T) {
					w := newWorld(t)
					sc.start(w, w.engine("z", nil))
					other := w.engine("b", nil)
					s := &steps{}
					s.pause = func(n int, _ string) {
						if n != k {
							return
						}
						ran = true
						w.deliver()
						if _, err := w.drain(other); err != nil {
							t.Error(err)
						}
					}
					w.settle(w.engine("a", s))
					sc.check(w)
				})
				if !ran || t.Failed() {
					return
				}
				if testing.Short() {
					k += 2
				}
			}
		})
	}
}

// A replica that sleeps past its lease in the middle of a batch wakes up and
// goes on: what it still writes is harmless, and what it decides is fenced.
func TestPauseBeyondTheLeaseAtEveryStepConverges(t *testing.T) {
	for _, sc := range scenes() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			for k := 1; ; k++ {
				ran := false
				t.Run(fmt.Sprintf("step %02d", k), func(t *testing.T) {
					w := newWorld(t)
					sc.start(w, w.engine("z", nil))
					other := w.engine("b", nil)
					s := &steps{}
					s.pause = func(n int, _ string) {
						if n != k {
							return
						}
						ran = true
						w.clock.advance(leaseTime + 10*time.Second)
						w.deliver()
						if _, err := w.drain(other); err != nil {
							t.Error(err)
						}
					}
					w.settle(w.engine("a", s), other)
					sc.check(w)
				})
				if !ran || t.Failed() {
					return
				}
				if testing.Short() {
					k += 2
				}
			}
		})
	}
}

// Real goroutines, real time, two replicas, two queues: for the race detector.
func TestServeUnderRealTimeConverges(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for _, owner := range []string{"a", "b"} {
		e := w.engine(owner, nil, func(o *flows.Options) {
			o.Heartbeat, o.Together = 20*time.Millisecond, nil
			o.Logger = quiet()
		})
		go func() { done <- e.Serve(ctx, time.Second) }()
	}
	ticking := make(chan struct{})
	go func() { // the clock of the world runs fifty times as fast
		defer close(ticking)
		for ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
			w.clock.advance(500 * time.Millisecond)
		}
	}()
	for n := range 10 {
		w.person(crm, n)
		w.person(erp, 100+n)
		w.deliver()
	}
	for range 600 {
		w.deliver()
		if len(w.births(crm)) == 20 && len(w.births(erp)) == 20 && w.idle() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	<-ticking
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	w.settle(w.engine("c", nil))
	w.converged(20)
}

// A drain that ends in the middle of a call blames nobody, says nothing of the
// vendor, and leaves nothing that the next start cannot finish.
func TestDrainInTheMiddleOfABatchLeavesNoHalfState(t *testing.T) {
	for _, at := range []string{crm, erp} {
		t.Run(at, func(t *testing.T) {
			w := newWorld(t)
			w.person(crm, 1)
			w.deliver()
			ctx, stop := context.WithCancel(t.Context())
			s := &steps{}
			s.pause = func(_ int, name string) {
				if name == "call "+at {
					stop()
				}
			}
			e := w.engine("a", s)
			if _, err := e.Run(ctx, store.Queue{System: crm, Object: contacts}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(w.logs.String(), "system.trouble") || len(e.Troubles()) > 0 {
				t.Errorf("the vendor is blamed: %v\n%s", e.Troubles(), w.tail())
			}
			for _, row := range w.waiting() {
				if row.Attempts != 0 {
					t.Errorf("blamed: %+v", row)
				}
			}
			w.settle(w.engine("b", nil))
			w.converged(1)
		})
	}
}

func TestShortLeaseStillWorks(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil, func(o *flows.Options) { o.Lease = 4 * time.Second })
	w.person(crm, 1)
	w.settle(e)
	w.converged(1)
}

func TestPanickingConnectorEndsNoProcess(t *testing.T) {
	w := newWorld(t)
	bad := 2
	e := w.engine("a", nil, func(o *flows.Options) {
		o.Together = nil
		for _, s := range o.Systems {
			s.Conn = &panicking{Connector: s.Conn, left: &bad}
		}
	})
	w.person(crm, 1)
	w.settle(e)
	w.converged(1)
}

type panicking struct {
	connectors.Connector
	left *int
}

func (p *panicking) Read(ctx context.Context, object string, ids, fields []string) ([]connectors.Sighting, error) {
	if *p.left > 0 {
		*p.left--
		panic("an answer that no connector can bear")
	}
	return p.Connector.Read(ctx, object, ids, fields)
}

// Sweeps.

func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posts = nil
}

func (w *world) sweep(e *flows.Engine) {
	w.t.Helper()
	for _, s := range w.systems() {
		if err := e.Sweep(w.t.Context(), s, objectOf(s)); err != nil {
			w.t.Errorf("sweep %s: %v", s, err)
		}
	}
}

func TestSweepFindsWhatNoWebhookTold(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.sweep(e) // the first ever begins now
	w.clock.advance(time.Minute)
	for n := range 3 {
		w.person(crm, n)
		w.person(erp, 10+n)
	}
	w.forget()
	w.clock.advance(time.Minute)
	w.sweep(e)
	w.settle(e)
	w.converged(6)
}

func TestSweepEnqueuesNothingTwice(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.sweep(e)
	w.person(crm, 1)
	w.settle(e)
	w.sweep(e)
	w.settle(e)
	for range 5 {
		w.clock.advance(time.Minute)
		before := w.seen.hints
		w.sweep(e)
		if w.seen.hints != before {
			t.Errorf("%d hints of records that did not move", w.seen.hints-before)
		}
	}
	w.converged(1)
}

func TestSweepOfTiesTakesAll(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.sweep(e)
	w.clock.advance(time.Minute)
	for n := range 450 { // all of one moment, more than two pages
		w.create(crm, map[string]string{"lastname": fmt.Sprint("N", n), "email": fmt.Sprintf("n%d@x.example", n)})
	}
	w.forget()
	before := w.seen.hints
	if err := e.Sweep(t.Context(), crm, contacts); err != nil {
		t.Fatal(err)
	}
	if got := w.seen.hints - before; got != 450 {
		t.Errorf("%d of 450 found", got)
	}
}

func TestSweepResumesAfterACrashInThePage(t *testing.T) {
	for _, how := range []trouble{crashBefore, crashAfter, lostBefore, lostAfter} {
		t.Run(string(how), func(t *testing.T) {
			for k := 1; ; k++ {
				w := newWorld(t)
				w.sweep(w.engine("z", nil))
				w.clock.advance(time.Minute)
				for n := range 250 {
					w.create(crm, map[string]string{"lastname": fmt.Sprint("N", n), "email": fmt.Sprintf("n%d@x.example", n)})
					if n%100 == 99 {
						w.clock.advance(time.Second)
					}
				}
				w.forget()
				s := &steps{at: k, how: how}
				_ = w.engine("a", s).Sweep(t.Context(), crm, contacts)
				if s.n < k {
					return
				}
				w.clock.advance(5 * time.Minute)
				if err := w.engine("b", nil).Sweep(t.Context(), crm, contacts); err != nil {
					t.Fatal(err)
				}
				total := 0
				for _, q := range w.queues() {
					total += q.Due
				}
				if total != 250 {
					t.Fatalf("step %d: %d of 250 found", k, total)
				}
			}
		})
	}
}

func TestSweepBeginsAgainWhereItsPlaceIsForgotten(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.sweep(e)
	cur, ok, err := w.store.LeaseCursor(t.Context(), crm, contacts, "changed", "x", time.Minute)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	pos := strings.Replace(string(cur.Pos), "}", `,"cursor":"of another version"}`, 1)
	ref := store.CursorRef{System: crm, Object: contacts, Kind: "changed", Epoch: cur.Epoch}
	if _, err := w.store.CommitSweep(t.Context(), store.SweepPage{CursorRef: ref, Pos: raw(pos)}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := w.store.ReleaseCursor(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	w.person(crm, 1)
	w.forget()
	w.sweep(e)
	w.settle(e)
	w.converged(1)
}

func TestFencedSweepWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.sweep(w.engine("z", nil))
	w.clock.advance(time.Minute)
	w.person(crm, 1)
	w.forget()
	s := &steps{}
	s.pause = func(_ int, name string) {
		if name == "commit sweep" { // it slept; another took over
			w.clock.advance(10 * time.Minute)
			if err := w.engine("b", nil).Sweep(t.Context(), crm, contacts); err != nil {
				t.Error(err)
			}
		}
	}
	if err := w.engine("a", s).Sweep(t.Context(), crm, contacts); err == nil {
		t.Error("a fenced page was committed")
	}
	w.settle(w.engine("c", nil))
	w.converged(1)
}

func TestSweepAtShutdownBlamesNoVendor(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	s := &steps{}
	s.pause = func(_ int, name string) {
		if name == "lease cursor" {
			stop()
		}
	}
	e := w.engine("a", s)
	_ = e.Sweep(ctx, crm, contacts)
	if len(e.Troubles()) > 0 {
		t.Errorf("troubles %v", e.Troubles())
	}
}

// History.

func (w *world) history(system, id string) []store.Entry {
	w.t.Helper()
	es, err := w.store.History(w.t.Context(), system, objectOf(system), id, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return es
}

func TestHistoryExplainsEveryWrite(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, partner := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno", "email": "secret@x.example"})
	w.settle(e)
	es := w.history(erp, partner)
	if len(es) != 2 || es[1].Action != "create" || es[0].Action != "update" {
		t.Fatalf("history %+v", es)
	}
	u := es[0]
	if u.Cause != "webhook" || u.DeliveryKey == "" || u.Trace == "" || !strings.Contains(string(u.Fields), `"city":["","Brno"]`) {
		t.Errorf("%+v fields %s", u, u.Fields)
	}
	for _, x := range es {
		if strings.Contains(string(x.Fields), "@x.example") || !strings.Contains(string(x.Fields), `"email"`) {
			t.Errorf("a private value is in the history: %s", x.Fields)
		}
	}
}

func TestHistoryExplainsWritesWithoutAnAnswer(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.erp.Faults().Add(simulator.Fault{Op: "load", Effect: simulator.DropAfter, Times: 1})
	id, partner := w.paired(e, crm, 1)
	w.erp.Faults().Add(simulator.Fault{Op: "write", Effect: simulator.DropAfter, Times: 1})
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.settle(e)
	w.converged(1)
	var actions []string
	for _, x := range w.history(erp, partner) {
		actions = append(actions, x.Action+" "+string(x.Fields))
	}
	text := strings.Join(actions, "\n")
	if !strings.Contains(text, `update {"city":["","Brno"]}`) || strings.Count(text, "create ") != 1 || strings.Count(text, "Brno") != 1 {
		t.Errorf("history:\n%s", text)
	}
}

package flows_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"syncd/flows"
	"syncd/store"
)

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

// What people do after syncd was first started is found, although its first
// sweep died and the next one comes long after.
func TestFirstSweepThatDiesIsTakenUpWhereItBegan(t *testing.T) {
	for _, system := range []string{crm, erp} {
		t.Run(system, func(t *testing.T) {
			w := newWorld(t)
			s := &steps{how: crashBefore}
			s.pause = func(n int, name string) {
				if strings.HasPrefix(name, "call ") && s.at == 0 {
					s.at = n
				}
			}
			if err := w.engine("a", s).Sweep(t.Context(), system, objectOf(system)); err == nil {
				t.Fatalf("the sweep did not die: %v", s.names)
			}
			w.clock.advance(time.Minute)
			w.person(system, 1)
			w.forget()
			w.clock.advance(time.Hour)
			e := w.engine("b", nil)
			w.sweep(e)
			w.settle(e)
			w.converged(1)
		})
	}
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

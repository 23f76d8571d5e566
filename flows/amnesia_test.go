package flows_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/flows"
	"syncd/store/sqlite"
)

// backup copies the database as it is, and gives a function that puts the copy
// in its place and opens it. "": an empty database instead.
func (w *world) backup() (restore func(empty bool)) {
	w.t.Helper()
	path := w.path
	reopen := func() {
		var err error
		if w.store, err = sqlite.Open(w.t.Context(), path, sqlite.Options{KeyFingerprint: w.keys.Fingerprint(), Replica: "r", Now: w.clock.now}); err != nil {
			w.t.Fatal(err)
		}
		w.probe()
	}
	if err := w.store.Close(); err != nil { // the copy is whole: nothing is in the log
		w.t.Fatal(err)
	}
	copied, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	reopen()
	return func(empty bool) {
		w.t.Helper()
		if err := w.store.Close(); err != nil {
			w.t.Fatal(err)
		}
		for _, tail := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(path + tail) // it may not be there
		}
		if !empty {
			if err := os.WriteFile(path, copied, 0o600); err != nil {
				w.t.Fatal(err)
			}
		}
		reopen()
	}
}

// holdsOf lists the closed holds as "system what reason".
func (w *world) holdsOf() []string {
	w.t.Helper()
	hs, err := w.store.Holds(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, h := range hs {
		out = append(out, h.System+" "+h.What+" "+h.Reason)
	}
	slices.Sort(out)
	return out
}

// amnesiacHolds are those of a link whose CRM is class search.
var amnesiacHolds = []string{"crm creates amnesia", "crm deletes amnesia", "erp deletes amnesia"}

// recover sweeps and works until no hold is left. It gives the time it took.
func (w *world) recover(e *flows.Engine) time.Duration {
	w.t.Helper()
	began := w.clock.now()
	for range 200 {
		w.sweep(e)
		for range 20 {
			w.deliver()
			if _, err := w.drain(e); err != nil {
				w.t.Fatal(err)
			}
			w.clock.advance(time.Second)
		}
		if len(w.holdsOf()) == 0 {
			w.settle(e)
			return w.clock.now().Sub(began)
		}
	}
	w.t.Fatalf("holds %v after %v; queues %+v\n%s", w.holdsOf(), w.clock.now().Sub(began), w.queues(), w.tail())
	return 0
}

// forgetful is a world in which three customers exist and the database knows of
// the first, or of none.
func forgetful(t *testing.T, empty bool) *world {
	t.Helper()
	w := newWorld(t, searched)
	e := w.engine("a", nil)
	w.sweep(e)
	w.nameless(erp)
	w.settle(e)
	w.sweep(e)
	restore := w.backup()
	e = w.engine("b", nil)
	w.clock.advance(time.Hour)
	w.nameless(erp)
	w.nameless(crm)
	w.settle(e)
	w.sweep(e)
	w.settle(e)
	w.converged(3)
	w.clock.advance(time.Hour)
	restore(empty)
	w.forget()
	return w
}

// allOnce checks that every customer is there once on both sides.
func (w *world) allOnce(n int) {
	w.t.Helper()
	for _, s := range w.systems() {
		if b := w.births(s); len(b) != n {
			w.t.Errorf("%s has records %v; want %d\n%s", s, b, n, w.tail())
		}
	}
}

func TestLostFenceHoldsCreatesUntilWhatWasForgottenIsSweptThenAllGoesOn(t *testing.T) {
	for name, empty := range map[string]bool{"an old copy": false, "an empty database": true} {
		t.Run(name, func(t *testing.T) {
			w := forgetful(t, empty)
			e := w.engine("c", nil)
			if err := e.Forgot(t.Context(), flows.EvidenceFence); err != nil {
				t.Fatal(err)
			}
			if got := w.holdsOf(); !slices.Equal(got, amnesiacHolds) {
				t.Fatalf("holds %v", got)
			}
			if !slices.Equal(w.seen.forgot, []string{"customers fence"}) || !strings.Contains(w.logs.String(), "amnesia.found") {
				t.Errorf("told %v", w.seen.forgot)
			}
			// The forgotten customers move before any sweep: in the ERP, whose partner
			// in the CRM cannot refuse a second record.
			for _, id := range w.births(erp) {
				w.edit(erp, id, map[string]string{"city": "Brno"})
			}
			w.nameless(erp) // and a new one is born
			for range 20 {
				w.deliver()
				if _, err := w.drain(e); err != nil {
					t.Fatal(err)
				}
				w.clock.advance(time.Second)
			}
			if n := len(w.births(crm)); n != 3 {
				t.Fatalf("%d contacts while the creates are held", n)
			}
			if took := w.recover(e); took > 20*time.Minute || took < w.infos[crm].Objects[contacts].Settle {
				t.Errorf("recovered after %v", took)
			}
			w.allOnce(4)
			w.converged(4)
		})
	}
}

func TestUnknownTokenIsEvidence(t *testing.T) {
	for name, empty := range map[string]bool{"an old copy": false, "an empty database": true} {
		t.Run(name, func(t *testing.T) {
			w := forgetful(t, empty)
			e := w.engine("c", nil)
			w.edit(erp, w.births(erp)[1], map[string]string{"city": "Brno"})
			w.clock.advance(3 * time.Second)
			w.deliver()
			w.clock.advance(3 * time.Second)
			if _, err := w.drain(e); err != nil {
				t.Fatal(err)
			}
			if got := w.holdsOf(); !slices.Equal(got, amnesiacHolds) || !slices.Equal(w.seen.forgot, []string{"customers token"}) {
				t.Fatalf("holds %v, told %v", got, w.seen.forgot)
			}
			w.nameless(erp)
			w.recover(e)
			w.allOnce(4)
			w.converged(4)
		})
	}
}

// After a total loss a token-carrying record may be all that is left of a pair
// whose other side was not swept: it is looked up whenever it is met.
func TestRecordOlderThanTheRecoveryIsLookedUpLongAfterwards(t *testing.T) {
	w := newWorld(t, searched)
	e := w.engine("a", nil)
	w.sweep(e)
	partner := w.nameless(erp)
	w.settle(e)
	contact := w.pair(erp, partner, crm)
	restore := w.backup()
	restore(true)
	w.forget()
	w.edit(erp, partner, map[string]string{"x_syncd_ref": ""}) // the source shows no token
	w.forget()
	w.clock.advance(time.Hour) // and no sweep of changes goes back that far
	// Nothing is listened to in the CRM: its records are not taken up from there.
	for i := range w.link.Members {
		w.link.Members[i].Listen = w.link.Members[i].System == erp
	}
	e = w.engine("b", nil)
	if err := e.Forgot(t.Context(), flows.EvidenceFence); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := e.Sweep(t.Context(), erp, partners); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(10 * time.Second)
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.holdsOf(); len(got) > 0 {
		t.Fatalf("holds %v", got)
	}
	e = w.engine("c", nil) // another process, days later
	w.clock.advance(48 * time.Hour)
	if err := e.Sweep(t.Context(), erp, partners); err != nil {
		t.Fatal(err)
	}
	w.hint(erp, partner)
	w.settle(e)
	if got := w.pair(erp, partner, crm); got != contact || len(w.births(crm)) != 1 {
		t.Errorf("paired with %s of %v; want %s", got, w.births(crm), contact)
	}
}

func TestPairsComeBackAfterATotalLossThoughNobodyEditsAnything(t *testing.T) {
	w := forgetful(t, true)
	w.nameless(erp) // never synced: a backfill's
	w.forget()
	w.clock.advance(time.Hour)
	e := w.engine("c", nil)
	if err := e.Forgot(t.Context(), flows.EvidenceFence); err != nil {
		t.Fatal(err)
	}
	w.recover(e)
	for _, id := range w.births(crm) {
		w.pair(crm, id, erp)
	}
	if c, p := len(w.births(crm)), len(w.births(erp)); c != 3 || p != 4 {
		t.Errorf("%d contacts, %d partners: the sweep created what never had a token", c, p)
	}
}

// A link whose targets are all class unique goes on at once: it looks first.
func TestAmnesiaHoldsNothingThatTheVendorWouldRefuse(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.sweep(e)
	if err := e.Forgot(t.Context(), flows.EvidenceFence); err != nil {
		t.Fatal(err)
	}
	if got := w.holdsOf(); !slices.Equal(got, []string{"crm deletes amnesia", "erp deletes amnesia"}) {
		t.Fatalf("holds %v", got)
	}
	calls := w.counting()
	w.person(crm, 1)
	w.settle(e)
	w.converged(1)
	looked := 0
	for _, c := range calls() {
		if c == "erp search_read" {
			looked++
		}
	}
	if looked < 2 { // by token, and by e-mail
		t.Errorf("%d look-ups in %v", looked, calls())
	}
	w.recover(e)
	w.converged(1)
}

func TestRecoveryBeginsShortlyBeforeTheLastChangeThatIsKnown(t *testing.T) {
	w := forgetful(t, false)
	e := w.engine("c", nil)
	if err := e.Forgot(t.Context(), flows.EvidenceFence); err != nil {
		t.Fatal(err)
	}
	hs, err := w.store.Holds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hs {
		if !strings.Contains(string(h.Detail), `"crm/contacts":"2026-03-04T04:`) || !strings.Contains(string(h.Detail), `"evidence":"fence"`) {
			t.Errorf("%s %s: detail %s", h.System, h.What, h.Detail)
		}
	}
}

func TestUnknownTokenThatARecoveryLeftIsNoNewEvidence(t *testing.T) {
	w := forgetful(t, true)
	e := w.engine("c", nil)
	left := w.births(erp)[0]
	w.edit(erp, left, map[string]string{"type": "invoice"}) // out of scope
	w.forget()
	if err := e.Forgot(t.Context(), flows.EvidenceFence); err != nil {
		t.Fatal(err)
	}
	w.recover(e)
	w.clock.advance(24 * time.Hour)
	w.edit(erp, left, map[string]string{"type": "contact"})
	w.settle(e)
	if got := w.holdsOf(); len(got) > 0 || len(w.seen.forgot) != 1 {
		t.Errorf("holds %v, told %v", got, w.seen.forgot)
	}
	w.allOnce(3)
}

func TestCrashInARecoveryGoesOnWithIt(t *testing.T) {
	for _, how := range []trouble{crashBefore, crashAfter, lostBefore, lostAfter} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			for k := 1 + len(how)%5; ; k += 12 {
				w := forgetful(t, true)
				s := &steps{at: k, how: how}
				e := w.engine("c", s)
				_ = e.Forgot(t.Context(), flows.EvidenceFence)
				for range 3 {
					for _, sys := range w.systems() {
						_ = e.Sweep(t.Context(), sys, objectOf(sys))
					}
					if !s.dead {
						_, _ = w.drain(e)
					}
				}
				if s.n < k {
					return
				}
				w.clock.advance(leaseTime)
				e = w.engine("d", nil)
				if err := e.Forgot(t.Context(), flows.EvidenceFence); err != nil { // the file says it again
					t.Fatal(err)
				}
				w.nameless(erp)
				if w.recover(e); len(w.births(crm)) != 4 || len(w.births(erp)) != 4 {
					t.Fatalf("step %d: contacts %v, partners %v", k, w.births(crm), w.births(erp))
				}
			}
		})
	}
}

package flows_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/simulator"
	"syncd/store"
)

// What is on record before a write goes out, and what follows from its answer.

// isWrite says that a call changes records.
func isWrite(r *http.Request) bool {
	return slices.ContainsFunc([]string{"/batch/create", "/batch/update", "/load", "/write"}, func(end string) bool {
		return strings.HasSuffix(r.URL.Path, end)
	})
}

// calledAt gives the times of one operation of a system, of those after the first n calls.
func (w *world) calledAt(system, op string, n int) (at []time.Time) {
	for _, c := range w.calls(system)[n:] {
		if c.Op == op {
			at = append(at, c.At)
		}
	}
	return at
}

// storedSide gives the side of a record's identity in a system.
func (w *world) storedSide(system, id, side string) store.Member {
	w.t.Helper()
	i := w.identity(system, id)
	return i.Members[slices.IndexFunc(i.Members, func(m store.Member) bool { return m.System == side })]
}

// once delivers what waits, and runs what is due by then.
func (w *world) once(e *flows.Engine) {
	w.t.Helper()
	w.deliver()
	w.clock.advance(3 * time.Second) // Odoo's hints wait for two
	if _, err := w.drain(e); err != nil {
		w.t.Fatal(err)
	}
}

// Claim, then call, then bind (3.1 rule 3): whatever happens to the call, the
// next worker finds that it may have gone out.
func TestIntentIsOnRecordBeforeItsWriteGoesOut(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run(from, func(t *testing.T) {
			w := newWorld(t)
			e := w.engine("a", nil)
			id, writes := w.person(from, 1), 0
			w.tap = func(system string, r *http.Request) {
				if !isWrite(r) {
					return
				}
				writes++
				m := w.storedSide(from, id, system)
				if m.Intent == nil || m.RecordID == "" && (m.SentAt.IsZero() || m.Sends == 0) {
					t.Errorf("%s %s goes out, on record is sent at %v, sends %d, intent %s", system, r.URL.Path, m.SentAt, m.Sends, m.Intent)
				}
			}
			w.settle(e)
			w.edit(from, id, map[string]string{"city": "Brno"})
			w.settle(e)
			w.converged(1)
			if writes < 3 {
				t.Errorf("%d writes; want a create, an inverse id and an update", writes)
			}
		})
	}
}

// searched makes an object one whose records are found by search only.
func (w *world) searched(system string, settle, lag time.Duration) {
	info := w.infos[system]
	o := info.Objects[objectOf(system)]
	o.CreateClass, o.Settle, o.IndexLag = connectors.ClassSearch, settle, lag
	info.Objects[objectOf(system)] = o
}

// Class search (3.5, F7, F9): until a late request must have landed and the
// index must show it, a look-up proves nothing, whatever wakes the record.
func TestUncertainCreateIsNotLookedUpBeforeItSettled(t *testing.T) {
	const settle, lag = 5 * time.Minute, 2 * time.Minute
	w := newWorld(t)
	w.searched(erp, settle, lag)
	e := w.engine("a", nil)
	w.erp.Faults().Add(simulator.Fault{Op: "load", Effect: simulator.DropBefore, Times: 1})
	before := len(w.calls(erp))
	id := w.person(crm, 1)
	w.once(e)
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.settle(e)
	w.converged(1)
	loads := w.calledAt(erp, "load", before)
	if len(loads) != 2 {
		t.Fatalf("loads at %v; want two", loads)
	}
	if gap := loads[1].Sub(loads[0]); gap < settle+lag {
		t.Errorf("sent again after %v; want at least %v", gap, settle+lag)
	}
	for _, c := range w.calls(erp)[before:] {
		if gap := c.At.Sub(loads[0]); gap > 0 && gap < settle {
			t.Errorf("%s after %v, before anything can be known", c.Op, gap)
		}
	}
}

// An uncertain create is looked up by its token and adopted, not sent again, and
// nobody forgets that it was sent (3.5).
func TestUncertainCreateIsLookedUpBeforeItIsSentAgain(t *testing.T) {
	for _, c := range []struct{ from, to, op string }{{crm, erp, "load"}, {erp, crm, "batch_create"}} {
		t.Run("to "+c.to, func(t *testing.T) {
			w := newWorld(t)
			e := w.engine("a", nil)
			w.faults(c.to).Add(simulator.Fault{Op: c.op, Effect: simulator.DropAfter, Times: 1})
			before := len(w.calls(c.to))
			id := w.person(c.from, 1)
			w.once(e)
			if m := w.storedSide(c.from, id, c.to); m.SentAt.IsZero() || m.Intent == nil {
				t.Errorf("a send without an answer was forgotten: %+v", m)
			}
			w.forget() // no echo helps
			w.settle(e)
			w.converged(1)
			if n := len(w.calledAt(c.to, c.op, before)); n != 1 {
				t.Errorf("sent %d times; want once", n)
			}
		})
	}
}

// An update without an answer leaves its intent open: the next read decides (3.6).
func TestUpdateWithoutAnAnswerKeepsItsIntent(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	w.erp.Faults().Add(simulator.Fault{Op: "write", Effect: simulator.DropAfter, Times: 1})
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.deliver()
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	if m := w.storedSide(crm, id, erp); !strings.Contains(string(m.Intent), "Brno") {
		t.Errorf("intent %s; want the write that may have happened", m.Intent)
	}
	w.settle(e)
	w.converged(1)
}

// The answer of an update in Odoo shows no record, and its webhook is lost.
func TestWriteIsConfirmedThoughNoWebhookComes(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.deliver()
	for range 60 {
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
		w.forget()
		w.clock.advance(500 * time.Millisecond)
	}
	w.converged(1)
	if m := w.storedSide(crm, id, erp); m.Intent != nil || !strings.Contains(string(m.Base), "Brno") {
		t.Errorf("half a minute later: intent %s, base %s", m.Intent, m.Base)
	}
}

// sleepy is a store that takes its time to commit the first intents of creates.
type sleepy struct {
	flows.Store
	sleep func()
}

func (s *sleepy) IntendCreates(ctx context.Context, owner string, in []store.CreateIntent) ([]string, error) {
	out, err := s.Store.IntendCreates(ctx, owner, in)
	if sleep := s.sleep; sleep != nil {
		s.sleep = nil
		sleep()
	}
	return out, err
}

// settle counts from sent_at: a send that waited since is taken back (3.5).
func TestCreateIsNotSentLongAfterItsIntent(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil, func(o *flows.Options) {
		o.Store = &sleepy{o.Store, func() { w.clock.advance(6 * time.Second) }}
	})
	before := len(w.calls(erp))
	id := w.person(crm, 1)
	w.deliver()
	if _, err := e.Run(t.Context(), store.Queue{System: crm, Object: contacts}); err != nil {
		t.Fatal(err)
	}
	if n := len(w.calledAt(erp, "load", before)); n != 0 {
		t.Errorf("%d sends six seconds after their intent", n)
	}
	if m := w.storedSide(crm, id, erp); !m.SentAt.IsZero() || m.Sends != 1 {
		t.Errorf("sent at %v, sends %d; want it taken back", m.SentAt, m.Sends)
	}
	w.settle(e)
	w.converged(1)
}

// A write that could outlive the lease is not begun (3.7).
func TestNoWriteStartsWithoutTimeLeft(t *testing.T) {
	w := newWorld(t)
	id, _ := w.paired(w.engine("z", nil), crm, 1)
	slow := true
	e := w.engine("a", nil, through(erp, &lens{read: func(*connectors.Sighting) {
		if slow {
			w.clock.advance(leaseTime * 2 / 3)
		}
	}}))
	before := len(w.calls(erp))
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.deliver()
	if _, err := e.Run(t.Context(), store.Queue{System: crm, Object: contacts}); err != nil {
		t.Fatal(err)
	}
	if n := len(w.calledAt(erp, "write", before)); n != 0 {
		t.Errorf("%d writes began with a third of the lease left", n)
	}
	slow = false
	w.settle(e)
	w.converged(1)
}

// caught keeps the first write to a system, which is dropped on its way, so
// that it can land later.
func (w *world) caught(system, op string) (land func()) {
	w.faults(system).Add(simulator.Fault{Op: op, Effect: simulator.DropBefore, Times: 1})
	var late *http.Request
	var body []byte
	w.tap = func(s string, r *http.Request) {
		if s != system || late != nil || !isWrite(r) {
			return
		}
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			w.t.Fatal(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		late = r.Clone(context.Background())
	}
	return func() {
		w.t.Helper()
		if late == nil {
			w.t.Fatal("nothing was on its way")
		}
		late.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		if system == erp {
			w.erp.Handler().ServeHTTP(rec, late)
		} else {
			w.hubs[system].Handler().ServeHTTP(rec, late)
		}
		if rec.Code != http.StatusOK {
			w.t.Fatalf("the late write: %d %s", rec.Code, rec.Body)
		}
	}
}

// F32: a write of ours lands after a newer value was agreed.
func TestLateWriteIsNotTakenForAnEdit(t *testing.T) {
	for _, c := range []struct{ from, to, op string }{{crm, erp, "write"}, {erp, crm, "batch_update"}} {
		t.Run("to "+c.to, func(t *testing.T) {
			w := newWorld(t)
			e := w.engine("a", nil)
			w.paired(e, c.from, 1)
			id := w.births(c.from)[0]
			land := w.caught(c.to, c.op)
			w.edit(c.from, id, map[string]string{"city": "Brno"})
			w.once(e)
			w.edit(c.from, id, map[string]string{"city": "Praha"})
			w.settle(e)
			land()
			if got := w.get(c.to, w.births(c.to)[0])["city"]; got != "Brno" {
				t.Fatalf("city %q; the late write did not land", got)
			}
			w.settle(e)
			w.hint(c.to, w.births(c.to)[0]) // its own mark may have hidden it from us
			w.settle(e)
			w.converged(1)
			if got := w.get(c.from, id)["city"]; got != "Praha" {
				t.Errorf("city %q; want what the person typed last", got)
			}
		})
	}
}

// Nothing lands after twenty minutes: who types the old value then means it.
func TestOldValueTypedAgainLaterIsAnEdit(t *testing.T) {
	for _, c := range []struct{ from, to, op string }{{crm, erp, "write"}, {erp, crm, "batch_update"}} {
		t.Run("in "+c.to, func(t *testing.T) {
			w := newWorld(t)
			e := w.engine("a", nil)
			w.paired(e, c.from, 1)
			id := w.births(c.from)[0]
			w.caught(c.to, c.op)
			w.edit(c.from, id, map[string]string{"city": "Brno"})
			w.once(e)
			w.edit(c.from, id, map[string]string{"city": "Praha"})
			w.settle(e)
			w.clock.advance(21 * time.Minute)
			w.edit(c.to, w.births(c.to)[0], map[string]string{"city": "Brno"})
			w.settle(e)
			w.converged(1)
			if got := w.get(c.from, id)["city"]; got != "Brno" {
				t.Errorf("city %q; want what the person typed last", got)
			}
		})
	}
}

// A send whose answer came can do nothing any more.
func TestOldValueTypedAgainSoonIsAnEditIfItsSendWasAnswered(t *testing.T) {
	for _, c := range []struct{ from, to string }{{crm, erp}, {erp, crm}} {
		t.Run("in "+c.to, func(t *testing.T) {
			w := newWorld(t)
			e := w.engine("a", nil)
			w.paired(e, c.from, 1)
			id := w.births(c.from)[0]
			for _, city := range []string{"Brno", "Praha"} {
				w.edit(c.from, id, map[string]string{"city": city})
				w.settle(e)
			}
			w.edit(c.to, w.births(c.to)[0], map[string]string{"city": "Brno"})
			w.settle(e)
			w.converged(1)
			if got := w.get(c.from, id)["city"]; got != "Brno" {
				t.Errorf("city %q; want what the person typed last", got)
			}
		})
	}
}

// A record is given up on after a dozen tries, not before (3.4).
func TestRecordThatFailsElevenTimesStillGoesThrough(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	w.erp.Faults().Add(simulator.Fault{Op: "write", Effect: simulator.RefuseStatus, Status: http.StatusInternalServerError, Times: 11})
	before := len(w.calls(erp))
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.settle(e)
	if n := len(w.calledAt(erp, "write", before)); n != 12 {
		t.Errorf("tried %d times; want twelve", n)
	}
	w.converged(1)
}

// Of two new records with one business key, none is paired for being heard of first:
// the look-up asks their own side as well, and so does the vendor's own refusal.
func TestOfTwoNewRecordsWithOneKeyNoneIsPairedForComingFirst(t *testing.T) {
	const pairs = 8
	w := newWorld(t)
	e := w.engine("a", nil)
	var known, first, second []string
	for n := range pairs {
		mail := fmt.Sprintf("desk%d@x.example", n)
		known = append(known, w.create(crm, map[string]string{"lastname": "Desk", "email": mail}))
		second = append(second, w.create(erp, map[string]string{"lastname": "Late", "email": mail}))
		first = append(first, w.create(erp, map[string]string{"lastname": "Early", "email": mail}))
	}
	w.forget()
	w.hint(erp, first...)
	w.clock.advance(time.Second)
	w.hint(erp, second...)
	w.settle(e)
	for n := range pairs {
		if id := w.holder(crm, known[n]); id != "" {
			t.Errorf("contact %s was paired without an answer", known[n])
		}
	}
	if n := len(w.births(crm)); n != pairs {
		t.Errorf("%d contacts; want those %d that were there", n, pairs)
	}
	w.allParked(slices.Repeat([]string{"ambiguous"}, 2*pairs)...)
}

// sulky refuses every call that holds a culprit, and names nobody.
type sulky struct {
	connectors.Connector
	culprit func(connectors.Write) bool
}

func (s *sulky) Write(ctx context.Context, object string, op connectors.Op, ws []connectors.Write) []connectors.Result {
	if !slices.ContainsFunc(ws, s.culprit) {
		return s.Connector.Write(ctx, object, op, ws)
	}
	out := make([]connectors.Result, len(ws))
	for i, w := range ws {
		out[i] = connectors.Result{Key: w.Key, Outcome: connectors.NotApplied,
			Err: &connectors.Error{Kind: connectors.KindInvalid, System: erp, Object: object, Op: string(op), WholeCall: len(ws) > 1}}
	}
	return out
}

// A refusal that names no row: the queue finds the culprit, and nobody else is
// parked or pays an attempt (3.7).
func TestCulpritOfANamelessRefusalIsFound(t *testing.T) {
	w := newWorld(t)
	bad := "ann5@x.example"
	e := w.engine("a", nil, over(erp, func(c connectors.Connector) connectors.Connector {
		return &sulky{c, func(x connectors.Write) bool { return x.Values["email"] == bad }}
	}))
	for n := range 8 {
		w.person(crm, n)
	}
	w.settle(e)
	w.parkedAs("refused")
	if n := len(w.births(erp)); n != 7 {
		t.Errorf("%d of 7 siblings arrived", n)
	}
}

// A lost answer would leave a whole batch to a person (3.7 C3).
func TestBlindCreatesGoOutOneByOne(t *testing.T) {
	w := newWorld(t)
	w.blind(erp)
	e := w.engine("a", nil)
	before := len(w.calls(erp))
	for n := range 3 {
		w.person(crm, n)
	}
	w.settle(e)
	w.converged(3)
	for _, c := range w.calls(erp)[before:] {
		if c.Op == "load" && c.Rows != 1 {
			t.Errorf("%d records were created in one call", c.Rows)
		}
	}
}

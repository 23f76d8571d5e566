package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"syncd/store"
)

// sweepLaws say how hints come in: receipts (3.3) and sweeps.
var sweepLaws = []law{
	{"ReceiveKnownKeyStillEnqueues", receiveKnownKeyStillEnqueues},
	{"ReceiveIsAtomic", receiveIsAtomic},
	{"SweepHintsOnlyNewMarks", sweepHintsOnlyNewMarks},
	{"SweepCursorIsFenced", sweepCursorIsFenced},
}

func receiveKnownKeyStillEnqueues(e *env) {
	r := store.Receipt{System: crm, DeliveryKey: "d1", Events: 2, Hints: []store.Hint{hintOf(crm, contacts, "A"), hintOf(crm, contacts, "B")}}
	e.ok(e.Receive(e.ctx, []store.Receipt{r, r, {System: erp, DeliveryKey: "d1", Events: 0}}))
	e.done(e.claim("A", "B")...)
	e.ok(e.Receive(e.ctx, []store.Receipt{r}))
	e.done(e.claim("A", "B")...)
	e.none()
}

// receiveIsAtomic: whatever moment a caller gives up at, all hints of its call
// are there or none, and all if it was told so.
func receiveIsAtomic(e *env) {
	gone, cancel := context.WithCancel(e.ctx)
	cancel()
	if err := e.Receive(gone, []store.Receipt{{System: crm, DeliveryKey: "d", Events: 1, Hints: []store.Hint{hintOf(crm, contacts, "gone/0")}}}); err == nil {
		e.t.Fatal("a cancelled receive was acknowledged")
	}
	const calls, each = 60, 5
	var wg sync.WaitGroup
	told := make([]bool, calls)
	for n := range calls {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(e.ctx, time.Duration(n)*300*time.Microsecond)
			defer cancel()
			var hs []store.Hint
			for k := range each {
				hs = append(hs, hintOf(crm, contacts, fmt.Sprintf("%03d/%d", n, k)))
			}
			told[n] = e.Receive(ctx, []store.Receipt{{System: crm, DeliveryKey: fmt.Sprint("d", n), Events: each, Hints: hs}}) == nil
		})
	}
	wg.Wait()
	rows := map[string]int{}
	for _, c := range e.claimAs(w1, calls*each+1, long) {
		call, _, _ := strings.Cut(c.RecordID, "/")
		rows[call]++
	}
	e.equal("rows of the cancelled receive", rows["gone"], 0)
	for n := range calls {
		got := rows[fmt.Sprintf("%03d", n)]
		if got != each && (got != 0 || told[n]) {
			e.t.Fatalf("call %d, acknowledged %v: %d of %d hints", n, told[n], got, each)
		}
	}
}

func (e *env) leaseCursor(owner string, ttl time.Duration) store.Cursor {
	e.t.Helper()
	c, ok, err := e.LeaseCursor(e.ctx, crm, contacts, "changed", owner, ttl)
	e.ok(err)
	if !ok || c.Epoch <= 0 {
		e.t.Fatalf("cursor for %s: %+v, leased %v", owner, c, ok)
	}
	return c
}

func cursorRef(epoch int64) store.CursorRef {
	return store.CursorRef{System: crm, Object: contacts, Kind: "changed", Epoch: epoch}
}

func sweepHintsOnlyNewMarks(e *env) {
	c := e.leaseCursor(w1, long)
	e.json("first position", c.Pos, "")
	page := func(pos int, rows ...store.SeenRow) int {
		e.t.Helper()
		n, err := e.CommitSweep(e.ctx, store.SweepPage{CursorRef: cursorRef(c.Epoch), Rows: rows, Lane: store.LaneSweep, Cause: "sweep",
			Trace: "t1", Pos: json.RawMessage(fmt.Sprintf(`{"page":%d}`, pos))}, long)
		e.ok(err)
		return n
	}
	a, b := store.SeenRow{RecordID: "A", Mark: "m1", Version: "v1", Birth: "b"}, store.SeenRow{RecordID: "B", Mark: "m1"}
	due := func(want ...string) {
		e.t.Helper()
		got := e.claimFrom(crm, contacts, store.LaneSweep, w1, 10, long)
		e.same("hinted", recordsOf(got), want)
		for _, c := range got {
			e.equal("cause and trace", c.Cause+c.Trace, "sweept1")
			e.equal("version", c.HintVersion, map[string]string{"A": "v1", "B": ""}[c.RecordID])
		}
		e.done(got...)
	}
	e.equal("hints of a first page", page(1, a, b), 2)
	due("A", "B")
	e.equal("hints of known marks", page(2, a, b), 0)
	due()
	b.Mark = "m2"
	e.equal("hints of one new mark", page(3, a, b), 1)
	due("B")
	e.equal("hints of an empty page", page(4), 0)

	e.ok(e.ReleaseCursor(e.ctx, cursorRef(c.Epoch)))
	e.json("saved position", e.leaseCursor(w2, long).Pos, `{"page":4}`)
}

func sweepCursorIsFenced(e *env) {
	stale := e.leaseCursor(w1, short)
	_, ok, err := e.LeaseCursor(e.ctx, crm, contacts, "changed", w2, long)
	e.ok(err)
	e.equal("leased twice", ok, false)
	_, ok, err = e.LeaseCursor(e.ctx, crm, contacts, "deleted", w2, long)
	e.ok(err)
	e.equal("another cursor", ok, true)
	e.pass(2 * short)
	fresh := e.leaseCursor(w2, long)
	commit := func(epoch int64, ttl time.Duration) error {
		_, err := e.CommitSweep(e.ctx, store.SweepPage{CursorRef: cursorRef(epoch), Rows: []store.SeenRow{{RecordID: "A", Mark: fmt.Sprint(epoch)}},
			Cause: "sweep", Pos: json.RawMessage(fmt.Sprint(epoch))}, ttl)
		return err
	}
	if err := commit(stale.Epoch, long); !errors.Is(err, store.ErrFenced) {
		e.t.Fatalf("a page under a lost lease: %v, want ErrFenced", err)
	}
	e.ok(e.ReleaseCursor(e.ctx, cursorRef(stale.Epoch))) // releases nothing
	e.none()
	e.ok(commit(fresh.Epoch, long))
	e.one("A")
	_, ok, err = e.LeaseCursor(e.ctx, crm, contacts, "changed", w1, long)
	e.ok(err)
	e.equal("leased twice", ok, false)
	e.ok(e.ReleaseCursor(e.ctx, cursorRef(fresh.Epoch)))
	if err := commit(fresh.Epoch, long); !errors.Is(err, store.ErrFenced) {
		e.t.Fatalf("a page after the release: %v, want ErrFenced", err)
	}
}

package storetest

import (
	"encoding/json"
	"strings"
	"time"

	"syncd/store"
)

// fateLaws say what becomes of a row that is not simply done (CORRECTNESS 3.4).
var fateLaws = []law{
	{"ParkedCostsNoClaim", parkedCostsNoClaim},
	{"ParkedWakesOnHint", parkedWakesOnHint},
	{"DeadGoesToTrashAndBack", deadGoesToTrashAndBack},
	{"TrashHoldsHintsForAnHour", trashHoldsHintsForAnHour},
	{"AgainWaitsItsTime", againWaitsItsTime},
}

func park(c store.Claimed) store.Finish {
	return store.Finish{WorkRef: c.WorkRef, Disposition: store.Parked, Reason: "two candidates", Error: "ask somebody", Detail: json.RawMessage(`{"of":[1,2]}`)}
}

func parkedCostsNoClaim(e *env) {
	e.hint("A")
	e.finish(park(e.one("A")))
	if e.canMove() {
		e.pass(1000 * time.Hour)
	}
	e.none()
	rows, err := e.Waiting(e.ctx, 10)
	e.ok(err)
	if len(rows) != 1 || !rows[0].Parked || !rows[0].NotBefore.IsZero() || rows[0].RecordID != "A" || rows[0].FirstHint.IsZero() ||
		!strings.HasPrefix(rows[0].Error, "two candidates") || !strings.Contains(rows[0].Error, "ask somebody") {
		e.t.Fatalf("waiting: %+v, want A parked with its reason", rows)
	}
	e.json("detail", rows[0].Detail, `{"of":[1,2]}`)
}

func parkedWakesOnHint(e *env) {
	e.hint("A", "B")
	cs := e.claim("A", "B")
	e.finish(park(cs[0]), again(cs[1], 0))
	e.done(e.one("B"))
	e.hint("B")
	e.done(e.one("B"))
	e.none()
	e.hint("A")
	c := e.one("A")
	e.equal("attempts after the park", c.Attempts, 1)
	e.done(c)
	rows, err := e.Waiting(e.ctx, 10)
	e.ok(err)
	e.equal("waiting", len(rows), 0)
}

// openTrash wants one trash row of record A.
func (e *env) trashOf(record string) store.TrashRow {
	e.t.Helper()
	rows, err := e.Trash(e.ctx, 10)
	e.ok(err)
	for _, r := range rows {
		if r.RecordID == record {
			return r
		}
	}
	e.t.Fatalf("no trash row of %s in %+v", record, rows)
	return store.TrashRow{}
}

func kill(e *env, c store.Claimed) store.Persisted {
	return e.persist(store.Persist{Work: []store.Finish{{WorkRef: c.WorkRef, Disposition: store.Dead, Reason: "refused",
		Error: "no such country", Detail: json.RawMessage(`{"plan":1}`)}}})
}

func deadGoesToTrashAndBack(e *env) {
	e.hint("A")
	kill(e, e.one("A"))
	e.none()
	r := e.trashOf("A")
	if r.Why != "refused" || r.Error != "no such country" || r.Attempts != 1 || r.At.IsZero() || !r.ResolvedAt.IsZero() || r.System != crm || r.Object != contacts {
		e.t.Fatalf("trash row %+v", r)
	}
	e.json("payload", r.Payload, `{"plan":1}`)

	e.pair(1)
	e.hint("C1")
	c := e.one("C1")
	e.persist(store.Persist{Release: []store.LeaseRef{leaseOf(c)}, Work: []store.Finish{{WorkRef: c.WorkRef, IdentityID: id(1), Disposition: store.Dead, Reason: "refused"}}})
	e.equal("identity of the trash row", e.trashOf("C1").IdentityID, id(1))

	if !e.canMove() {
		return
	}
	e.hint("A")
	e.pass(61 * time.Minute)
	kill(e, e.one("A")) // for the same reason: the row is renewed
	if again := e.trashOf("A"); again.ID != r.ID || !again.At.After(r.At) {
		e.t.Fatalf("trash row %+v after %+v, want it renewed", again, r)
	}
	e.hint("A")
	e.pass(61 * time.Minute)
	e.done(e.one("A"))
	if r = e.trashOf("A"); r.ResolvedAt.IsZero() {
		e.t.Fatalf("trash row %+v is open though the record went through", r)
	}
}

func trashHoldsHintsForAnHour(e *env) {
	e.hint("A")
	kill(e, e.one("A"))
	e.hint("A", "B")
	e.done(e.claimAs(w1, 10, long)...) // B is not held
	e.hint("A")
	e.none()
	if !e.canMove() {
		return
	}
	e.pass(59 * time.Minute)
	e.hint("A")
	e.none()
	e.pass(2 * time.Minute)
	e.done(e.one("A"))
	e.hint("A") // resolved: held no more
	e.one("A")
}

func againWaitsItsTime(e *env) {
	e.hint("A")
	f := again(e.one("A"), 0)
	f.After = 3 * short
	e.finish(f)
	e.none()
	rows, err := e.Waiting(e.ctx, 10)
	e.ok(err)
	if len(rows) != 1 || rows[0].Parked || rows[0].Error != "refused" || rows[0].NotBefore.IsZero() || rows[0].Attempts != 1 {
		e.t.Fatalf("waiting: %+v, want A with its error", rows)
	}
	e.pass(4 * short)
	e.done(e.one("A"))
}

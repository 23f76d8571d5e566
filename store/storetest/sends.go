package storetest

import (
	"encoding/json"
	"time"

	"syncd/mapping"
	"syncd/store"
)

// sendLaws say what goes out, and how its answer comes in (CORRECTNESS 3.5, 3.7).
var sendLaws = []law{
	{"IntentNeedsFence", intentNeedsFence},
	{"HoldStopsIntents", holdStopsIntents},
	{"SendMovesOnce", sendMovesOnce},
	{"TakeBackOnlyItsOwnSend", takeBackOnlyItsOwnSend},
	{"OpenCreatesAreKnown", openCreatesAreKnown},
	{"BindIsUnfenced", bindIsUnfenced},
	{"BindNeverStealsARecord", bindNeverStealsARecord},
	{"ConfirmComesWithItsCommit", confirmComesWithItsCommit},
}

func (e *env) intendUpdate(owner string, l store.LeaseRef, confirm *store.Hint) []string {
	e.t.Helper()
	got, err := e.IntendUpdates(e.ctx, owner, []store.UpdateIntent{{IdentityID: l.ID, Epoch: l.Epoch, Link: link, System: erp,
		Intent: json.RawMessage(`{"f":{"w":1}}`), Sent: json.RawMessage(`["h2"]`), Confirm: confirm}})
	e.ok(err)
	return got
}

func intentNeedsFence(e *env) {
	i := e.lease(e.pair(1), w1, long)
	l := store.LeaseRef{ID: i.ID, Epoch: i.Epoch}
	fresh := e.born(2)
	e.same("intended by another owner", e.intendUpdate(w2, l, nil), nil)
	e.same("intended under another epoch", e.intendUpdate(w1, store.LeaseRef{ID: l.ID, Epoch: l.Epoch - 1}, nil), nil)
	e.equal("create intended under another epoch", e.intendCreate(store.LeaseRef{ID: fresh.ID, Epoch: fresh.Epoch + 1}, 0), false)
	e.json("ledger", e.member(l.ID, erp).Sent, `["h1"]`)
	e.same("intended by the holder", e.intendUpdate(w1, l, nil), []string{l.ID})
	e.json("intent", e.member(l.ID, erp).Intent, `{"f":{"w":1}}`)
	e.json("ledger", e.member(l.ID, erp).Sent, `["h2"]`)

	e.persist(store.Persist{Release: []store.LeaseRef{l, fresh}})
	e.same("intended after the release", e.intendUpdate(w1, l, nil), nil)
	e.equal("create intended after the release", e.intendCreate(fresh, 0), false)
}

func holdStopsIntents(e *env) {
	i := e.lease(e.pair(1), w1, long)
	l := store.LeaseRef{ID: i.ID, Epoch: i.Epoch}
	sends := 0
	fresh := e.born(2)
	try := func(what string, update, create bool) {
		e.t.Helper()
		e.equal(what+": update goes", len(e.intendUpdate(w1, l, nil)) == 1, update)
		went := e.intendCreate(fresh, sends)
		e.equal(what+": create goes", went, create)
		if went {
			sends++
		}
	}
	for _, c := range []struct {
		h              store.Hold
		update, create bool
	}{
		{store.Hold{System: erp, What: "creates", Reason: "first plan"}, true, false},
		{store.Hold{System: erp, Link: link, What: "writes", Reason: "breaker"}, false, false},
		{store.Hold{System: erp, What: "all", Reason: "tenant"}, false, false},
		{store.Hold{System: erp, What: "deletes", Reason: "mass delete"}, true, true},
		{store.Hold{System: erp, Link: "suppliers", What: "all", Reason: "other link"}, true, true},
		{store.Hold{System: crm, What: "all", Reason: "other system"}, true, true},
	} {
		c.h.Detail = json.RawMessage(`{"count":3}`)
		e.ok(e.CloseHold(e.ctx, c.h))
		e.ok(e.CloseHold(e.ctx, c.h)) // closed already
		holds, err := e.Holds(e.ctx)
		e.ok(err)
		if len(holds) != 1 || holds[0].Reason != c.h.Reason || holds[0].Link != c.h.Link || holds[0].What != c.h.What || holds[0].Since.IsZero() {
			e.t.Fatalf("holds %+v, want just %+v", holds, c.h)
		}
		e.json("detail", holds[0].Detail, `{"count":3}`)
		try(c.h.Reason, c.update, c.create)
		e.ok(e.ReleaseHold(e.ctx, c.h.System, c.h.Link, c.h.What, c.h.Reason, "operator"))
	}
	holds, err := e.Holds(e.ctx)
	e.ok(err)
	e.equal("holds left", len(holds), 0)
	try("released", true, true)
}

func sendMovesOnce(e *env) {
	l := e.born(1)
	e.equal("first send", e.intendCreate(l, 0), true)
	m := e.member(l.ID, erp)
	if m.Sends != 1 || m.SentAt.IsZero() {
		e.t.Fatalf("after the intent: %+v", m)
	}
	e.json("body", m.Intent, `{"name":"x"}`)
	e.equal("the same send again", e.intendCreate(l, 0), false)
	e.equal("the second send", e.intendCreate(l, 1), true)
	e.equal("sends", e.member(l.ID, erp).Sends, 2)
	e.bind(l.ID, "E1")
	e.equal("a send after the bind", e.intendCreate(l, 2), false)
}

func takeBackOnlyItsOwnSend(e *env) {
	l := e.born(1)
	take := func(sends int) {
		e.t.Helper()
		e.ok(e.TakeBack(e.ctx, []store.SendRef{{IdentityID: l.ID, System: erp, Sends: sends}}))
	}
	open := func(want bool, sends int) {
		e.t.Helper()
		m := e.member(l.ID, erp)
		e.equal("a send is open", !m.SentAt.IsZero(), want)
		e.equal("sends", m.Sends, sends)
	}
	e.intendCreate(l, 0)
	take(0)
	open(true, 1)
	take(1)
	open(false, 1) // sends never goes back
	e.intendCreate(l, 1)
	take(1)
	open(true, 2)
}

func openCreatesAreKnown(e *env) {
	open := func() (time.Time, bool) {
		e.t.Helper()
		at, ok, err := e.OpenCreates(e.ctx, erp, partners)
		e.ok(err)
		return at, ok
	}
	l := e.born(1)
	_, ok := open()
	e.equal("open before the send", ok, false)
	e.intendCreate(l, 0)
	at, ok := open()
	e.equal("open after the send", ok, true)
	sent := e.member(l.ID, erp).SentAt
	if d := sent.Sub(at) - 5*time.Minute; d < -time.Millisecond || d > time.Millisecond {
		e.t.Fatalf("born after %v for a send at %v, want 5 min before", at, sent)
	}
	e.bind(l.ID, "E1")
	_, ok = open()
	e.equal("open after the bind", ok, false)
}

func bindIsUnfenced(e *env) {
	l := e.born(1)
	e.intendCreate(l, 0)
	e.persist(store.Persist{Release: []store.LeaseRef{l}})
	held := e.lease(l.ID, w2, long)
	b := store.Binding{IdentityID: l.ID, System: erp, Object: partners, RecordID: "E1", Birth: "b1"}
	for n, want := range []int{1, 0} { // a true fact once; then it is known
		got, err := e.Bind(e.ctx, []store.Binding{b})
		e.ok(err)
		e.equal("bound", len(got), want)
		if n == 0 {
			b.RecordID = "E2"
		}
	}
	m := e.member(l.ID, erp)
	e.wantState(m, mapping.MemberActive, "E1")
	e.equal("birth", m.Birth, "b1")
	// Whoever held the lease while it was bound does not undo the fact.
	e.persist(store.Persist{Owner: w2, Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: held.ID, Epoch: held.Epoch}, Link: link,
		Members: []store.MemberUpdate{{System: erp, State: mapping.MemberUncertain}}}}})
	e.wantState(e.member(l.ID, erp), mapping.MemberActive, "E1")
}

func bindNeverStealsARecord(e *env) {
	e.pair(1)
	for n := 2; n <= 3; n++ {
		e.intendCreate(e.born(n), 0)
	}
	e.equal("a record of another identity", e.bind(id(2), "E1"), false)
	e.wantState(e.member(id(2), erp), mapping.MemberCreating, "")
	got, err := e.Bind(e.ctx, []store.Binding{
		{IdentityID: id(3), System: erp, Object: partners, RecordID: "E7"},
		{IdentityID: id(2), System: erp, Object: partners, RecordID: "E7"},
		{IdentityID: id(99), System: erp, Object: partners, RecordID: "E8"}})
	e.ok(err)
	e.equal("identities bound to one record", len(got), 1)
}

// confirmComesWithItsCommit: the confirming hint is there if, and only if, the
// intent or the bind is.
func confirmComesWithItsCommit(e *env) {
	confirm := func(record string) *store.Hint {
		return &store.Hint{System: erp, Object: partners, RecordID: record, Cause: "confirm"}
	}
	due := func(want ...string) {
		e.t.Helper()
		got := e.claimFrom(erp, partners, store.LaneLive, w2, 10, long)
		e.same("confirming hints", recordsOf(got), want)
		for _, c := range got {
			e.equal("cause", c.Cause, "confirm")
		}
		e.persist(store.Persist{Owner: w2, Work: finishes(got, store.Done)})
	}
	i := e.lease(e.pair(1), w1, long)
	e.intendUpdate(w1, store.LeaseRef{ID: i.ID, Epoch: i.Epoch - 1}, confirm("E1"))
	due()
	e.intendUpdate(w1, store.LeaseRef{ID: i.ID, Epoch: i.Epoch}, confirm("E1"))
	due("E1")

	e.intendCreate(e.born(2), 0)
	b := []store.Binding{{IdentityID: id(2), System: erp, Object: partners, RecordID: "E2", Confirm: confirm("E2")}}
	for _, want := range [][]string{{"E2"}, nil} {
		_, err := e.Bind(e.ctx, b)
		e.ok(err)
		due(want...)
	}
}

func finishes(cs []store.Claimed, d store.Disposition) []store.Finish {
	var fs []store.Finish
	for _, c := range cs {
		fs = append(fs, store.Finish{WorkRef: c.WorkRef, Disposition: d})
	}
	return fs
}

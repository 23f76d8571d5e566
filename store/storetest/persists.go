package storetest

import (
	"encoding/json"

	"syncd/mapping"
	"syncd/store"
)

// persistLaws say what the one transaction that ends a batch does (CORRECTNESS 3.7).
var persistLaws = []law{
	{"PersistWritesWhatItIsGiven", persistWritesWhatItIsGiven},
	{"PersistIsAllOrNothingPerIdentity", persistIsAllOrNothingPerIdentity},
	{"FencedRowGetsItsAttemptBack", fencedRowGetsItsAttemptBack},
	{"PersistTwiceIsOnce", persistTwiceIsOnce},
	{"ReleaseWritesNothing", releaseWritesNothing},
	{"KeysSwapBetweenTwoIdentities", keysSwapBetweenTwoIdentities},
	{"KeysStayUnlessSet", keysStayUnlessSet},
	{"FieldStatesAreReplaced", fieldStatesAreReplaced},
	{"EchoFinishNeedsNoLease", echoFinishNeedsNoLease},
}

func persistWritesWhatItIsGiven(e *env) {
	e.pair(1)
	e.hint("C1")
	c := e.one("C1")
	e.persist(store.Persist{
		Identities: []store.IdentityUpdate{{LeaseRef: leaseOf(c), Link: link, Members: []store.MemberUpdate{
			{System: crm, Base: json.RawMessage(`{"a":{"v":null}}`), BaseVersion: "v7", Birth: "other", Intent: json.RawMessage(`{"a":1}`), Sent: json.RawMessage(`[1]`)},
			{System: erp, State: mapping.MemberGone}}}},
		History: []store.Entry{{IdentityID: id(1), System: crm, Object: contacts, RecordID: "C1", Cause: "webhook", DeliveryKey: "d1",
			Trace: "t1", Action: "update", Fields: json.RawMessage(`{"a":["x",null]}`), Epoch: c.Identity.Epoch}},
		Work: []store.Finish{{WorkRef: c.WorkRef, IdentityID: id(1), Disposition: store.Done}}})

	m := e.member(id(1), crm)
	e.wantState(m, mapping.MemberActive, "C1")
	e.json("base", m.Base, `{"a":{"v":null}}`)
	e.json("intent", m.Intent, `{"a":1}`)
	e.json("ledger", m.Sent, `[1]`)
	e.equal("version and birth", m.BaseVersion+" "+m.Birth, "v7 2026-01-01") // birth only where there was none
	m = e.member(id(1), erp)
	e.wantState(m, mapping.MemberGone, "E1")
	e.json("intent", m.Intent, "") // nil is NULL
	e.json("ledger", m.Sent, "")

	hist, err := e.History(e.ctx, crm, contacts, "C1", 10)
	e.ok(err)
	e.equal("history", len(hist), 1)
	h := hist[0]
	e.json("fields", h.Fields, `{"a":["x",null]}`)
	if h.At.IsZero() || h.IdentityID != id(1) || h.Cause+h.DeliveryKey+h.Trace+h.Action != "webhookd1t1update" || h.Epoch != c.Identity.Epoch {
		e.t.Fatalf("history entry %+v", h)
	}
	e.none()
	e.lease(id(1), w2, long) // persist gives the lease back
}

// persistIsAllOrNothingPerIdentity is the four-case table: identity and work
// fence of C1 held/held, C2 held/lost, C3 lost/held, C4 lost/lost, in one call.
func persistIsAllOrNothingPerIdentity(e *env) {
	for n := 1; n <= 4; n++ {
		e.pair(n)
	}
	e.hint("C1", "C2", "C3", "C4")
	cs := e.claimAs(w1, 4, short)
	e.equal("claimed", len(cs), 4)
	_, _, err := e.Heartbeat(e.ctx, w1, long, []store.WorkRef{cs[0].WorkRef, cs[2].WorkRef}, []store.LeaseRef{leaseOf(cs[0]), leaseOf(cs[1])})
	e.ok(err)
	e.pass(2 * short)
	e.same("claimed by another", recordsOf(e.claimAs(w2, 4, long)), []string{"C2", "C4"})
	e.lease(id(3), w2, long)

	var p store.Persist
	for n, c := range cs {
		p.Identities = append(p.Identities, base(leaseOf(c), n+1))
		p.History = append(p.History, store.Entry{IdentityID: c.Identity.ID, System: crm, Object: contacts, RecordID: c.RecordID, Cause: "webhook", Action: "update"})
		p.Work = append(p.Work, store.Finish{WorkRef: c.WorkRef, IdentityID: c.Identity.ID, Disposition: store.Done})
	}
	got := e.persist(p)
	e.same("fenced", got.Fenced, []string{id(3), id(4)})
	e.same("lost", refs(got.Lost), []string{"C2", "C4"})
	for n, want := range []int{1, 2, 0, 0} {
		e.equal("base of "+cs[n].RecordID, baseN(e, e.member(id(n+1), crm)), want)
		hist, err := e.History(e.ctx, crm, contacts, cs[n].RecordID, 10)
		e.ok(err)
		e.equal("history of "+cs[n].RecordID, len(hist) == 1, want > 0)
	}
	e.same("again at once", recordsOf(e.claimAs(w1, 4, long)), []string{"C3"})
}

func fencedRowGetsItsAttemptBack(e *env) {
	e.pair(1)
	stolen := func(most int) []store.Claimed {
		e.t.Helper()
		cs := e.claimAs(w1, most, short)
		work := []store.WorkRef{}
		for _, c := range cs {
			work = append(work, c.WorkRef)
		}
		_, _, err := e.Heartbeat(e.ctx, w1, long, work, nil)
		e.ok(err)
		e.pass(2 * short)
		l := e.lease(id(1), w2, long)
		fs := finishes(cs, store.Done)
		fs[0].IdentityID = id(1)
		got := e.persist(store.Persist{Identities: []store.IdentityUpdate{base(leaseOf(cs[0]), 1)}, Work: fs})
		e.same("fenced", got.Fenced, []string{id(1)})
		e.equal("lost", len(got.Lost), 0)
		e.persist(store.Persist{Owner: w2, Release: []store.LeaseRef{{ID: l.ID, Epoch: l.Epoch}}})
		return cs
	}
	e.hint("C1")
	for range 3 {
		e.equal("attempts", stolen(1)[0].Attempts, 1)
	}
	c := e.one("C1")
	e.equal("attempts", c.Attempts, 1)
	e.persist(store.Persist{Release: []store.LeaseRef{leaseOf(c)}, Work: []store.Finish{again(c, 0)}}) // this one counts
	e.hint("D")
	for range 2 { // in a batch there is none to give back
		e.equal("attempts", stolen(2)[0].Attempts, 1)
		e.hint("D")
	}
}

func persistTwiceIsOnce(e *env) {
	e.pair(1)
	e.hint("C1", "D")
	cs := e.claim("C1", "D")
	p := store.Persist{Identities: []store.IdentityUpdate{base(leaseOf(cs[0]), 1)},
		History: []store.Entry{{IdentityID: id(1), System: crm, Object: contacts, RecordID: "C1", Cause: "webhook", Action: "update"}},
		Work:    []store.Finish{again(cs[0], 1), again(cs[1], 1)}}
	e.equal("fenced at first", len(e.persist(p).Fenced), 0)
	e.same("fenced when repeated", e.persist(p).Fenced, []string{id(1)})
	hist, err := e.History(e.ctx, crm, contacts, "C1", 10)
	e.ok(err)
	e.equal("history", len(hist), 1)
	cs = e.claim("C1", "D")
	e.equal("attempts", []int{cs[0].Attempts, cs[1].Attempts}, []int{1, 1})
}

func releaseWritesNothing(e *env) {
	e.pair(1)
	e.hint("C1")
	c := e.one("C1")
	e.persist(store.Persist{Owner: w2, Release: []store.LeaseRef{leaseOf(c)}})
	e.persist(store.Persist{Release: []store.LeaseRef{{ID: id(1), Epoch: c.Identity.Epoch + 1}}})
	_, busy, err := e.Lease(e.ctx, []string{id(1)}, w2, long)
	e.ok(err)
	e.same("busy", busy, []string{id(1)})
	before := e.member(id(1), erp)
	e.persist(store.Persist{Release: []store.LeaseRef{leaseOf(c)}})
	e.equal("member", e.member(id(1), erp), before)
	e.lease(id(1), w2, long)
}

// keyOwner tells who holds a key: a record of a system that has no member yet
// joins it. It is told by an identity that is then in the way of nothing.
func (e *env) keyOwner(n int, k store.Key) string {
	e.t.Helper()
	r := e.claimIdentities(newFrom(n, shop, customers, "S"+id(n), k))[0]
	if r.Verdict == store.VerdictNew {
		return ""
	}
	return r.IdentityID
}

func keysSwapBetweenTwoIdentities(e *env) {
	a, b := store.Key{Kind: "email", Value: "a"}, store.Key{Kind: "email", Value: "b"}
	e.pair(1, a)
	e.pair(2, b)
	e.hint("C1", "C2")
	cs := e.claim("C1", "C2")
	one, two := base(leaseOf(cs[0]), 1), base(leaseOf(cs[1]), 1)
	one.SetKeys, one.Keys = true, []store.KeyOf{{Key: b, System: crm}}
	two.SetKeys, two.Keys = true, []store.KeyOf{{Key: a, System: crm}}
	e.persist(store.Persist{Identities: []store.IdentityUpdate{one, two}})
	e.equal("owner of b", e.keyOwner(11, b), id(1))
	e.equal("owner of a", e.keyOwner(12, a), id(2))
}

func keysStayUnlessSet(e *env) {
	a, b, c := store.Key{Kind: "email", Value: "a"}, store.Key{Kind: "email", Value: "b"}, store.Key{Kind: "email", Value: "c"}
	e.pair(1, a)
	e.pair(2, b)
	e.pair(3, c)
	e.hint("C1", "C2", "C3")
	cs := e.claim("C1", "C2", "C3")
	one, two := base(leaseOf(cs[0]), 1), base(leaseOf(cs[1]), 1)
	one.Keys = []store.KeyOf{{Key: c, System: crm}}                                           // not set: not looked at
	two.SetKeys, two.Keys = true, []store.KeyOf{{Key: a, System: crm}, {Key: c, System: crm}} // both are held by others
	e.persist(store.Persist{Identities: []store.IdentityUpdate{one, two}})
	e.equal("owner of a", e.keyOwner(11, a), id(1))
	e.equal("owner of b", e.keyOwner(12, b), "")
	e.equal("owner of c", e.keyOwner(13, c), id(3))
}

func fieldStatesAreReplaced(e *env) {
	e.pair(1)
	e.hint("C1")
	set := func(want map[string]string, fields map[string]store.FieldState) {
		e.t.Helper()
		l := e.lease(id(1), w1, long)
		e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: l.ID, Epoch: l.Epoch}, Link: link,
			Members: []store.MemberUpdate{{System: crm, Fields: fields}}}}})
		got := map[string]string{}
		for f, s := range e.member(id(1), crm).Fields {
			got[f] = s.State + string(s.Detail)
		}
		e.equal("field states", got, want)
		e.equal("field states of the other member", len(e.member(id(1), erp).Fields), 0)
	}
	set(map[string]string{"a": "conflict", "b": "refused7"}, map[string]store.FieldState{"a": {State: "conflict"}, "b": {State: "refused", Detail: json.RawMessage(`7`)}})
	set(map[string]string{"a": "conflict", "b": "refused7"}, nil)
	set(map[string]string{"b": "frozen", "c": "diverged"}, map[string]store.FieldState{"b": {State: "frozen"}, "c": {State: "diverged"}})
	c := e.one("C1")
	e.equal("field state claimed", c.Identity.Members[0].Fields["b"].State, "frozen")
	e.persist(store.Persist{Release: []store.LeaseRef{leaseOf(c)}})
	set(map[string]string{}, map[string]store.FieldState{})
}

func echoFinishNeedsNoLease(e *env) {
	e.pair(1)
	e.lease(id(1), w2, long)
	e.hint("C1")
	c := e.one("C1")
	got := e.persist(store.Persist{Work: []store.Finish{{WorkRef: c.WorkRef, Disposition: store.Done}},
		History: []store.Entry{{IdentityID: id(1), System: crm, Object: contacts, RecordID: "C1", Cause: "webhook", Action: "noop"}}})
	e.equal("fenced and lost", len(got.Fenced)+len(got.Lost), 0)
	e.none()
	hist, err := e.History(e.ctx, crm, contacts, "C1", 10)
	e.ok(err)
	e.equal("history", len(hist), 1)
}

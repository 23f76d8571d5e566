package storetest

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	"syncd/mapping"
	"syncd/store"
)

// leaseLaws say who may decide about an identity (CORRECTNESS 3.7).
var leaseLaws = []law{
	{"ClaimResolvesAndLeases", claimResolvesAndLeases},
	{"StaleLeaseWritesNothing", staleLeaseWritesNothing},
	{"LeaseComesWithTheNewestBase", leaseComesWithTheNewestBase},
	{"BusyIdentityIsReadWithoutLease", busyIdentityIsReadWithoutLease},
	{"HeartbeatReturnsOnlyOurs", heartbeatReturnsOnlyOurs},
	{"DropGivesBack", dropGivesBack},
}

func claimResolvesAndLeases(e *env) {
	e.pair(1)
	e.hint("C1", "new")
	cs := e.claim("C1", "new")
	if cs[1].Identity != nil {
		e.t.Fatalf("a record without identity came with %+v", cs[1].Identity)
	}
	i := cs[0].Identity
	if i == nil || i.ID != id(1) || i.Link != link || i.State != mapping.IdentityLive || i.Epoch <= 0 || len(i.Members) != 2 {
		e.t.Fatalf("claimed with identity %+v", i)
	}
	e.wantState(i.Members[0], mapping.MemberActive, "C1")
	e.wantState(i.Members[1], mapping.MemberActive, "E1")
	m := i.Members[1]
	e.equal("object, token, birth, sends", []any{m.Object, m.Token, m.Birth, m.Sends}, []any{partners, "tok-1", "2026-03-03", 1})
	e.json("intent of the create", m.Intent, `{"name":"x"}`)
	e.json("ledger", m.Sent, `["h1"]`)
	e.json("base", m.Base, "")
	e.equal("fields", len(m.Fields), 0)
}

// staleLeaseWritesNothing, whoever has the lease now: the fence is the epoch
// and the owner, so a worker that overtakes itself is fenced as well.
func staleLeaseWritesNothing(e *env) {
	for n, successor := range []string{w2, w1} {
		e.staleLease(e.pair(n+1), fmt.Sprintf("C%d", n+1), successor)
	}
}

func (e *env) staleLease(identity, record, successor string) {
	e.t.Helper()
	e.hint(record)
	stale := e.claimAs(w1, 1, short)[0]
	e.pass(2 * short)
	fresh := e.claimAs(successor, 1, long)[0]
	if fresh.Identity.Epoch <= stale.Identity.Epoch {
		e.t.Fatalf("identity epochs %d, %d do not rise", stale.Identity.Epoch, fresh.Identity.Epoch)
	}
	end := func(owner string, c store.Claimed, n int) store.Persisted {
		return e.persist(store.Persist{Owner: owner, Identities: []store.IdentityUpdate{base(leaseOf(c), n)},
			History: []store.Entry{{IdentityID: identity, System: crm, Object: contacts, RecordID: record, Cause: "webhook", Action: "update"}},
			Work:    []store.Finish{{WorkRef: c.WorkRef, IdentityID: identity, Disposition: store.Done}}})
	}
	got := end(w1, stale, 1)
	e.same("fenced", got.Fenced, []string{identity})
	e.same("lost", refs(got.Lost), []string{record})
	e.json("base after the zombie", e.member(identity, crm).Base, "")
	hist, err := e.History(e.ctx, crm, contacts, record, 10)
	e.ok(err)
	e.equal("history of the zombie", len(hist), 0)

	got = end(successor, fresh, 2)
	e.equal("fenced and lost of the holder", len(got.Fenced)+len(got.Lost), 0)
	e.json("base", e.member(identity, crm).Base, `{"n":2}`)
	e.none()
}

// leaseComesWithTheNewestBase: two queues of one identity count in its base; a
// lease that comes with an old base, or two leases at once, lose a count.
func leaseComesWithTheNewestBase(e *env) {
	e.pair(1)
	var accepted atomic.Int64
	var wg sync.WaitGroup
	queues := []store.Hint{hintOf(crm, contacts, "C1"), hintOf(erp, partners, "E1")}
	for w := range 4 {
		wg.Go(func() {
			q, owner := queues[w%2], fmt.Sprintf("w%d", w)
			for range 60 {
				if err := e.countOnce(q, owner, &accepted); err != nil {
					e.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if accepted.Load() == 0 {
		e.t.Fatal("nobody got the lease")
	}
	e.equal("base after as many accepted counts", baseN(e, e.member(id(1), crm)), int(accepted.Load()))
}

// countOnce hints a record, claims it and, if the lease came with it, counts
// its base up by one.
func (e *env) countOnce(q store.Hint, owner string, accepted *atomic.Int64) error {
	if err := e.Enqueue(e.ctx, []store.Hint{q}); err != nil {
		return err
	}
	cs, err := e.Claim(e.ctx, store.ClaimRequest{System: q.System, Object: q.Object, Max: 1, Owner: owner, Lease: long})
	if err != nil || len(cs) == 0 {
		return err
	}
	i := cs[0].Identity
	if i.Epoch == 0 {
		_, err := e.Persist(e.ctx, store.Persist{Owner: owner, Work: []store.Finish{{WorkRef: cs[0].WorkRef, Disposition: store.Again}}})
		return err
	}
	var v struct{ N int }
	if b := i.Members[0].Base; b != nil {
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
	}
	got, err := e.Persist(e.ctx, store.Persist{Owner: owner, Identities: []store.IdentityUpdate{base(store.LeaseRef{ID: i.ID, Epoch: i.Epoch}, v.N+1)},
		Work: []store.Finish{{WorkRef: cs[0].WorkRef, IdentityID: i.ID, Disposition: store.Done}}})
	if err == nil && len(got.Fenced) == 0 {
		accepted.Add(1)
	}
	return err
}

func busyIdentityIsReadWithoutLease(e *env) {
	e.pair(1)
	e.pair(2)
	e.hint("C1")
	held := e.one("C1")
	e.ok(e.Enqueue(e.ctx, []store.Hint{hintOf(erp, partners, "E1")}))
	c := e.claimFrom(erp, partners, store.LaneLive, w2, 1, long)[0]
	if c.Identity == nil || c.Identity.Epoch != 0 || len(c.Identity.Members) != 2 {
		e.t.Fatalf("a busy identity came as %+v, want its members and no epoch", c.Identity)
	}
	leased, busy, err := e.Lease(e.ctx, []string{id(1), id(2), id(99)}, w2, long)
	e.ok(err)
	e.same("busy", busy, []string{id(1)})
	if len(leased) != 1 || leased[0].ID != id(2) || leased[0].Epoch <= 0 || len(leased[0].Members) != 2 {
		e.t.Fatalf("leased %+v, want identity 2 with its members", leased)
	}
	e.persist(store.Persist{Release: []store.LeaseRef{leaseOf(held)}})
	e.lease(id(1), w2, long)

	holders, err := e.Holders(e.ctx, crm, contacts, []string{"C1", "C2", "C3"})
	e.ok(err)
	e.equal("holders", holders, map[string]string{"C1": id(1), "C2": id(2)})
}

func heartbeatReturnsOnlyOurs(e *env) {
	e.pair(1)
	e.pair(2)
	e.hint("C1", "C2", "D")
	cs := e.claimAs(w1, 3, short)
	e.done(cs[2]) // D is gone
	e.pass(2 * short)
	e.lease(id(2), w2, long) // and identity 2 is somebody else's
	work, leases, err := e.Heartbeat(e.ctx, w1, long, []store.WorkRef{cs[0].WorkRef, cs[1].WorkRef, cs[2].WorkRef},
		[]store.LeaseRef{leaseOf(cs[0]), leaseOf(cs[1])})
	e.ok(err)
	e.same("rows", refs(work), []string{"C1", "C2"})
	if len(leases) != 1 || leases[0] != leaseOf(cs[0]) {
		e.t.Fatalf("leases %+v, want that of identity 1", leases)
	}
	e.pass(2 * short)
	e.none() // prolonged
	_, busy, err := e.Lease(e.ctx, []string{id(1)}, w2, long)
	e.ok(err)
	e.same("busy", busy, []string{id(1)})

	work, leases, err = e.Heartbeat(e.ctx, w2, long, []store.WorkRef{cs[0].WorkRef}, []store.LeaseRef{leaseOf(cs[0])})
	e.ok(err)
	e.equal("what another owner holds", len(work)+len(leases), 0)
}

func dropGivesBack(e *env) {
	e.pair(1)
	e.hint("C1", "D")
	cs := e.claim("C1", "D")
	cursor, ok, err := e.LeaseCursor(e.ctx, crm, contacts, "changed", w1, long)
	e.ok(err)
	e.equal("cursor leased", ok, true)
	e.ok(e.Drop(e.ctx, w2))
	e.none()
	e.ok(e.Drop(e.ctx, w1))
	e.same("after the drain", recordsOf(e.claimAs(w2, 2, long)), []string{"C1", "D"})
	e.same("lost", refs(e.done(cs...).Lost), []string{"C1", "D"})
	got, ok, err := e.LeaseCursor(e.ctx, crm, contacts, "changed", w2, long)
	e.ok(err)
	if !ok || got.Epoch <= cursor.Epoch {
		e.t.Fatalf("cursor after the drain: %+v, leased %v", got, ok)
	}
}

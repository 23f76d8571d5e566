package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"syncd/mapping"
	"syncd/store"
)

// Advancer is implemented by a store under test whose clock can be moved. Laws
// about hours then run whole; without it the suite sleeps a few milliseconds
// where a lease has to expire and leaves the hours out.
type Advancer interface{ Advance(d time.Duration) }

// law is one subtest on a fresh store.
type law struct {
	name  string
	check func(e *env)
}

// Run checks every law of the contract. open gives a fresh, empty store and
// closes it when its test ends.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for _, laws := range [][]law{
		queueLaws,
		attemptLaws,
		batchLaws,
		leaseLaws,
		claimLaws,
		sendLaws,
		persistLaws,
		fateLaws,
		sweepLaws,
		readLaws,
		pruneLaws,
		askLaws,
		goneLaws,
		needLaws,
		auditLaws,
		definitionLaws,
		eraseLaws,
		modeLaws,
		moveLaws,
	} {
		for _, l := range laws {
			t.Run(l.name, func(t *testing.T) { l.check(newEnv(t, open(t))) })
		}
	}
}

// The systems that the laws are told with.
const (
	crm, contacts   = "crm", "contacts"
	erp, partners   = "erp", "partners"
	shop, customers = "shop", "customers"
	link            = "customers"
	w1, w2          = "w1", "w2"
)

const (
	long  = time.Minute           // a lease that does not expire in a test
	short = 30 * time.Millisecond // a lease that the test waits out
)

// env is a store with the words that the laws are told in. Every word fails
// the test on an error of the store.
type env struct {
	Store
	t   testing.TB
	ctx context.Context
}

func newEnv(t testing.TB, s Store) *env {
	t.Helper()
	e := &env{Store: s, t: t, ctx: context.Background()}
	e.ok(s.Register(e.ctx, systems()))
	return e
}

func systems() []store.SystemRow {
	row := func(system, object string) store.SystemRow {
		return store.SystemRow{System: system, Kind: "demo", Tenant: "tenant-" + system, Objects: []store.ObjectRow{
			{Object: object, CreateClass: "unique", Settle: 5 * time.Minute, IndexLag: 2 * time.Minute}}}
	}
	return []store.SystemRow{row(crm, contacts), row(erp, partners), row(shop, customers)}
}

func (e *env) ok(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// pass lets time go by on the store's clock.
func (e *env) pass(d time.Duration) {
	if a, ok := e.Store.(Advancer); ok {
		a.Advance(d)
		return
	}
	time.Sleep(d)
}

// canMove says whether hours can go by.
func (e *env) canMove() bool { _, ok := e.Store.(Advancer); return ok }

// id is the n-th identity id, in the order of n.
func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func hintOf(system, object, record string) store.Hint {
	return store.Hint{System: system, Object: object, RecordID: record, Cause: "webhook", DeliveryKey: "d-" + record}
}

// hint enqueues crm records.
func (e *env) hint(records ...string) {
	e.t.Helper()
	var hs []store.Hint
	for _, r := range records {
		hs = append(hs, hintOf(crm, contacts, r))
	}
	e.ok(e.Enqueue(e.ctx, hs))
}

func (e *env) claimFrom(system, object string, lane store.Lane, owner string, most int, lease time.Duration) []store.Claimed {
	e.t.Helper()
	got, err := e.Claim(e.ctx, store.ClaimRequest{System: system, Object: object, Lane: lane, Max: most, Owner: owner, Lease: lease})
	e.ok(err)
	slices.SortFunc(got, func(a, b store.Claimed) int { return compare(a.RecordID, b.RecordID) })
	for _, c := range got {
		if c.System != system || c.Object != object || c.Batch != len(got) || c.Epoch <= 0 {
			e.t.Fatalf("claimed %+v: wrong queue, batch (%d rows) or epoch", c.Work, len(got))
		}
	}
	return got
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// claimAs claims live crm rows.
func (e *env) claimAs(owner string, most int, lease time.Duration) []store.Claimed {
	e.t.Helper()
	return e.claimFrom(crm, contacts, store.LaneLive, owner, most, lease)
}

// claim claims live crm rows for w1 and wants exactly these.
func (e *env) claim(records ...string) []store.Claimed {
	e.t.Helper()
	got := e.claimAs(w1, max(len(records), 1), long)
	e.same("claimed", recordsOf(got), records)
	return got
}

func (e *env) one(record string) store.Claimed {
	e.t.Helper()
	return e.claim(record)[0]
}

// none wants that no crm row is due in any lane.
func (e *env) none() {
	e.t.Helper()
	for _, l := range store.Lanes {
		if got := e.claimFrom(crm, contacts, l, "nobody", 100, long); len(got) > 0 {
			e.t.Fatalf("claimed %v in lane %d, want nothing due", recordsOf(got), l)
		}
	}
}

func recordsOf(cs []store.Claimed) []string {
	var ids []string
	for _, c := range cs {
		ids = append(ids, c.RecordID)
	}
	return ids
}

// same compares lists without their order.
func (e *env) same(what string, got, want []string) {
	e.t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		e.t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

// equal compares two values.
func (e *env) equal(what string, got, want any) {
	e.t.Helper()
	if !reflect.DeepEqual(got, want) {
		e.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// json compares JSON by meaning: a store may write it anew. "" is SQL NULL.
func (e *env) json(what string, got json.RawMessage, want string) {
	e.t.Helper()
	if want == "" || got == nil {
		if want != "" || got != nil {
			e.t.Fatalf("%s: got %q, want %q", what, got, want)
		}
		return
	}
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		e.t.Fatalf("%s: %q is no JSON: %v", what, got, err)
	}
	e.ok(json.Unmarshal([]byte(want), &w))
	if !reflect.DeepEqual(g, w) {
		e.t.Fatalf("%s: got %s, want %s", what, got, want)
	}
}

func (e *env) persist(p store.Persist) store.Persisted {
	e.t.Helper()
	if p.Owner == "" {
		p.Owner = w1
	}
	got, err := e.Persist(e.ctx, p)
	e.ok(err)
	return got
}

func (e *env) finish(fs ...store.Finish) store.Persisted {
	e.t.Helper()
	return e.persist(store.Persist{Work: fs})
}

func (e *env) done(cs ...store.Claimed) store.Persisted {
	e.t.Helper()
	var fs []store.Finish
	for _, c := range cs {
		fs = append(fs, store.Finish{WorkRef: c.WorkRef, Disposition: store.Done})
	}
	return e.finish(fs...)
}

func refs(ws []store.WorkRef) []string {
	var ids []string
	for _, w := range ws {
		ids = append(ids, w.RecordID)
	}
	return ids
}

// newOf is the claim of the n-th identity: crm record Cn, to be created in the erp.
func newOf(n int, keys ...store.Key) store.NewIdentity {
	tok := fmt.Sprintf("tok-%d", n)
	return store.NewIdentity{ID: id(n), Link: link, CreatedBy: "test",
		Source:  store.NewMember{System: crm, Object: contacts, RecordID: fmt.Sprintf("C%d", n), Token: tok, Birth: "2026-01-01"},
		Targets: []store.NewMember{{System: erp, Object: partners, Token: tok}}, Keys: keys}
}

// newFrom is the claim of the n-th identity by a record of another system.
func newFrom(n int, system, object, record string, keys ...store.Key) store.NewIdentity {
	return store.NewIdentity{ID: id(n), Link: link, CreatedBy: "test", Keys: keys,
		Source: store.NewMember{System: system, Object: object, RecordID: record, Token: fmt.Sprintf("tok-%d", n), Birth: "2026-02-02"}}
}

func (e *env) claimIdentities(cs ...store.NewIdentity) []store.ClaimResult {
	e.t.Helper()
	rs, err := e.ClaimIdentities(e.ctx, w1, long, cs)
	e.ok(err)
	if len(rs) != len(cs) {
		e.t.Fatalf("%d results for %d claims", len(rs), len(cs))
	}
	return rs
}

// born claims the n-th identity for w1 and gives its lease.
func (e *env) born(n int, keys ...store.Key) store.LeaseRef {
	e.t.Helper()
	r := e.claimIdentities(newOf(n, keys...))[0]
	if r.Verdict != store.VerdictNew || r.Epoch <= 0 {
		e.t.Fatalf("claim of identity %d: %+v, want new with an epoch", n, r)
	}
	return store.LeaseRef{ID: id(n), Epoch: r.Epoch}
}

// intendCreate commits the create intent of the erp member.
func (e *env) intendCreate(l store.LeaseRef, sends int) bool {
	e.t.Helper()
	got, err := e.IntendCreates(e.ctx, w1, []store.CreateIntent{{IdentityID: l.ID, Epoch: l.Epoch, Link: link, System: erp,
		Sends: sends, Intent: json.RawMessage(`{"name":"x"}`), Sent: json.RawMessage(`["h1"]`)}})
	e.ok(err)
	return slices.Contains(got, l.ID)
}

func (e *env) bind(identity, record string) bool {
	e.t.Helper()
	got, err := e.Bind(e.ctx, []store.Binding{{IdentityID: identity, System: erp, Object: partners, RecordID: record, Birth: "2026-03-03"}})
	e.ok(err)
	return slices.Contains(got, identity)
}

// pair makes the n-th identity with active members Cn and En, and nobody's lease.
func (e *env) pair(n int, keys ...store.Key) string {
	e.t.Helper()
	l := e.born(n, keys...)
	if !e.intendCreate(l, 0) || !e.bind(l.ID, fmt.Sprintf("E%d", n)) {
		e.t.Fatalf("identity %d could not be created and bound", n)
	}
	e.persist(store.Persist{Release: []store.LeaseRef{l}})
	return l.ID
}

func (e *env) identity(identity string) *store.Identity {
	e.t.Helper()
	i, err := e.Identity(e.ctx, identity)
	e.ok(err)
	return i
}

// member gives an identity's member in a system.
func (e *env) member(identity, system string) store.Member {
	e.t.Helper()
	i := e.identity(identity)
	if i == nil {
		e.t.Fatalf("identity %s does not exist", identity)
	}
	for _, m := range i.Members {
		if m.System == system {
			return m
		}
	}
	e.t.Fatalf("identity %s has no member in %s", identity, system)
	return store.Member{}
}

// base is an update of the crm member's base to {"n": n}.
func base(l store.LeaseRef, n int) store.IdentityUpdate {
	return store.IdentityUpdate{LeaseRef: l, Link: link, Members: []store.MemberUpdate{
		{System: crm, Base: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n)), BaseVersion: fmt.Sprintf("v%d", n)}}}
}

func baseN(e *env, m store.Member) int {
	e.t.Helper()
	if m.Base == nil {
		return 0
	}
	var v struct{ N int }
	e.ok(json.Unmarshal(m.Base, &v))
	return v.N
}

// lease takes an identity that is free.
func (e *env) lease(identity, owner string, ttl time.Duration) *store.Identity {
	e.t.Helper()
	got, busy, err := e.Lease(e.ctx, []string{identity}, owner, ttl)
	e.ok(err)
	if len(got) != 1 || len(busy) != 0 || got[0].Epoch <= 0 {
		e.t.Fatalf("lease of %s: %d leased, %d busy, want it leased", identity, len(got), len(busy))
	}
	return got[0]
}

func leaseOf(c store.Claimed) store.LeaseRef {
	return store.LeaseRef{ID: c.Identity.ID, Epoch: c.Identity.Epoch}
}

// wantState compares a member's state and record.
func (e *env) wantState(m store.Member, state mapping.MemberState, record string) {
	e.t.Helper()
	if m.State != state || m.RecordID != record {
		e.t.Fatalf("member in %s: %s %q, want %s %q", m.System, m.State, m.RecordID, state, record)
	}
}

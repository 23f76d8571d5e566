package storetest

import (
	"encoding/json"
	"fmt"
	"sync"

	"syncd/mapping"
	"syncd/store"
)

// claimLaws say how a record gets its one identity (CORRECTNESS 3.5, F5, F6, F11).
var claimLaws = []law{
	{"ClaimBeforeCreate", claimBeforeCreate},
	{"NewIdentityIsBornLeased", newIdentityIsBornLeased},
	{"RecordBelongsToOneIdentity", recordBelongsToOneIdentity},
	{"SameKeyJoinsWhereTheSystemIsMissing", sameKeyJoinsWhereTheSystemIsMissing},
	{"SameKeyJoinsAnUnsentCreate", sameKeyJoinsAnUnsentCreate},
	{"JoinForgetsATakenBackBody", joinForgetsATakenBackBody},
	{"SameKeyWaitsForASentCreate", sameKeyWaitsForASentCreate},
	{"SameKeyInOneSystemIsShared", sameKeyInOneSystemIsShared},
	{"SharedKeysAreRemembered", sharedKeysAreRemembered},
	{"ExactKeyInOneSystemIsAClash", exactKeyInOneSystemIsAClash},
	{"FirstKeyThatAnybodyHoldsDecides", firstKeyThatAnybodyHoldsDecides},
	{"NamedIdentityIsJoinedWaitedForOrMet", namedIdentityIsJoinedWaitedForOrMet},
	{"ClaimThatNamesAnIdentityNeedsNoIDOfItsOwn", claimThatNamesAnIdentityNeedsNoIDOfItsOwn},
	{"ReturningRecordJoinsItsIdentity", returningRecordJoinsItsIdentity},
	{"KeysOfOneCallMeet", keysOfOneCallMeet},
	{"KeysAreApartByLinkAndKind", keysAreApartByLinkAndKind},
	{"ConcurrentClaimsMakeOneIdentity", concurrentClaimsMakeOneIdentity},
}

var mail = store.Key{Kind: "email", Value: "k-ada"}

func claimBeforeCreate(e *env) {
	var wg sync.WaitGroup
	verdicts := make([]store.Verdict, 8)
	for n := range verdicts {
		wg.Go(func() {
			rs, err := e.ClaimIdentities(e.ctx, string(rune('a'+n)), long, []store.NewIdentity{newOf(1)})
			if err != nil {
				e.t.Error(err)
				return
			}
			verdicts[n] = rs[0].Verdict
		})
	}
	wg.Wait()
	count := map[store.Verdict]int{}
	for _, v := range verdicts {
		count[v]++
	}
	e.equal("verdicts", count, map[store.Verdict]int{store.VerdictNew: 1, store.VerdictTaken: 7})
}

func newIdentityIsBornLeased(e *env) {
	l := e.born(1, mail)
	_, busy, err := e.Lease(e.ctx, []string{l.ID}, w2, long)
	e.ok(err)
	e.same("busy", busy, []string{l.ID})
	e.wantState(e.member(l.ID, crm), mapping.MemberActive, "C1")
	m := e.member(l.ID, erp)
	e.wantState(m, mapping.MemberCreating, "")
	if m.Token != "tok-1" || !m.SentAt.IsZero() || m.Sends != 0 {
		e.t.Fatalf("a claimed target is %+v", m)
	}
	e.hint("C1")
	if c := e.claimAs(w2, 1, long)[0]; c.Identity == nil || c.Identity.Epoch != 0 {
		e.t.Fatalf("another worker got %+v", c.Identity)
	}
}

func recordBelongsToOneIdentity(e *env) {
	e.pair(1)
	other := newOf(2)
	other.Source.RecordID = "C1"
	rs := e.claimIdentities(newOf(1), other, newFrom(3, erp, partners, "E1"))
	for n, r := range rs {
		e.equal("verdict", r.Verdict, store.VerdictTaken)
		if n > 0 && e.identity(id(n+1)) != nil {
			e.t.Fatalf("claim %d was taken and left an identity behind", n)
		}
	}
	e.claimIdentities(newOf(2)) // nothing of the taken claim is left in the way
	e.wantState(e.member(id(2), crm), mapping.MemberActive, "C2")
}

// joined wants that claim n met identity met and left nothing of its own.
func (e *env) joined(r store.ClaimResult, n int, verdict store.Verdict, met string) {
	e.t.Helper()
	if r.Verdict != verdict || r.IdentityID != met {
		e.t.Fatalf("claim of identity %d: %+v, want %s of %s", n, r, verdict, met)
	}
	if e.identity(id(n)) != nil {
		e.t.Fatalf("identity %d exists beside the one that it met", n)
	}
}

func sameKeyJoinsWhereTheSystemIsMissing(e *env) {
	e.pair(1, mail)
	r := e.claimIdentities(newFrom(2, shop, customers, "S1", store.Key{Kind: "vat", Value: "none"}, mail))[0]
	e.joined(r, 2, store.VerdictJoined, id(1))
	m := e.member(id(1), shop)
	e.wantState(m, mapping.MemberActive, "S1")
	e.equal("token of all members", m.Token, "tok-1")
	e.equal("birth", m.Birth, "2026-02-02")
	// The key that only the joined claim had is free: nothing of it is left.
	e.born(3, store.Key{Kind: "vat", Value: "none"})
}

func sameKeyJoinsAnUnsentCreate(e *env) {
	l := e.born(1, mail)
	e.joined(e.claimIdentities(newFrom(2, erp, partners, "E9", mail))[0], 2, store.VerdictJoined, l.ID)
	m := e.member(l.ID, erp)
	e.wantState(m, mapping.MemberActive, "E9")
	e.equal("token and birth", m.Token+m.Birth, "tok-12026-02-02")
	if e.intendCreate(l, 0) {
		e.t.Fatal("a create was intended for a member that has its record")
	}
}

// The body of a create that was taken back must not confirm a stranger's record.
func joinForgetsATakenBackBody(e *env) {
	l := e.born(1, mail)
	e.equal("intended", e.intendCreate(l, 0), true)
	e.ok(e.TakeBack(e.ctx, []store.SendRef{{IdentityID: l.ID, System: erp, Sends: 1}}))
	e.joined(e.claimIdentities(newFrom(2, erp, partners, "E9", mail))[0], 2, store.VerdictJoined, l.ID)
	m := e.member(l.ID, erp)
	e.wantState(m, mapping.MemberActive, "E9")
	e.equal("what is left of the create's body", string(m.Intent), "")
}

func sameKeyWaitsForASentCreate(e *env) {
	l := e.born(1, mail)
	e.equal("intended", e.intendCreate(l, 0), true)
	from := newFrom(2, erp, partners, "E9", mail)
	e.joined(e.claimIdentities(from)[0], 2, store.VerdictWait, l.ID)
	e.wantState(e.member(l.ID, erp), mapping.MemberCreating, "")
	e.equal("bound", e.bind(l.ID, "E9"), true)
	e.equal("verdict once bound", e.claimIdentities(from)[0].Verdict, store.VerdictTaken)
}

// Which keys are told apart is known of an identity that was claimed long ago.
func sharedKeysAreRemembered(e *env) {
	vat := store.Key{Kind: "vat", Value: "k-vat"}
	e.pair(1, mail, vat)
	e.claimIdentities(newOf(2, mail))
	for link, want := range map[string][]store.Key{link: {mail}, "suppliers": nil} {
		got, err := e.SharedKeys(e.ctx, link, []store.Key{vat, mail})
		e.ok(err)
		e.equal("shared keys of "+link, len(got), len(want))
		if len(want) == 1 && got[0] != want[0] {
			e.t.Fatalf("shared is %v; want %v", got, want)
		}
	}
}

// Two records of one system with one exact key: the second claims nothing, and
// the key goes on naming the first.
func exactKeyInOneSystemIsAClash(e *env) {
	e.pair(1, mail)
	exact := newOf(2, mail)
	exact.Exact = true
	e.joined(e.claimIdentities(exact)[0], 2, store.VerdictClash, id(1))
	joins := newFrom(3, shop, customers, "S1", mail)
	joins.Exact = true
	e.joined(e.claimIdentities(joins)[0], 3, store.VerdictJoined, id(1))
}

// A claim that says whose record its source is makes nothing new, whatever keys
// it has, and whatever its link asks people about.
func namedIdentityIsJoinedWaitedForOrMet(e *env) {
	joins := func(n int, system, object, record string) store.NewIdentity {
		c := newFrom(n, system, object, record, mail)
		c.Join, c.Ask = id(1), true
		return c
	}
	e.equal("no such identity", e.claimIdentities(joins(2, shop, customers, "S1"))[0].Verdict, store.VerdictTaken)
	l := e.born(1)
	e.joined(e.claimIdentities(joins(2, shop, customers, "S1"))[0], 2, store.VerdictJoined, l.ID)
	e.equal("token of all members", e.member(l.ID, shop).Token, "tok-1")
	e.joined(e.claimIdentities(joins(3, shop, customers, "S2"))[0], 3, store.VerdictClash, l.ID)
	e.equal("intended", e.intendCreate(l, 0), true)
	e.joined(e.claimIdentities(joins(3, erp, partners, "E2"))[0], 3, store.VerdictWait, l.ID)
	e.ok(e.TakeBack(e.ctx, []store.SendRef{{IdentityID: l.ID, System: erp, Sends: 1}}))
	e.joined(e.claimIdentities(joins(3, erp, partners, "E2"))[0], 3, store.VerdictJoined, l.ID)
	e.wantState(e.member(l.ID, erp), mapping.MemberActive, "E2")
	e.born(4, mail) // the key is nobody's
}

// Commands name the identity that a record is to join, and have no other for it.
func claimThatNamesAnIdentityNeedsNoIDOfItsOwn(e *env) {
	l := e.born(1)
	claim := newFrom(2, shop, customers, "S1")
	claim.ID, claim.Join = "", l.ID
	r := e.claimIdentities(claim)[0]
	e.equal("verdict", r.Verdict, store.VerdictJoined)
	e.equal("identity", r.IdentityID, l.ID)
	e.wantState(e.member(l.ID, shop), mapping.MemberActive, "S1")
	claim.Source.RecordID = "S2"
	e.equal("a second record of that system", e.claimIdentities(claim)[0].Verdict, store.VerdictClash)
	claim.Join = id(9)
	e.equal("no such identity", e.claimIdentities(claim)[0].Verdict, store.VerdictTaken)
}

// A link names its keys in the order in which they count, whatever they are called.
func firstKeyThatAnybodyHoldsDecides(e *env) {
	vat := store.Key{Kind: "vat", Value: "k-vat"}
	e.pair(1, mail)
	e.pair(2, vat)
	e.joined(e.claimIdentities(newFrom(3, shop, customers, "S1", vat, mail))[0], 3, store.VerdictJoined, id(2))
	e.joined(e.claimIdentities(newFrom(4, shop, customers, "S2", mail, vat))[0], 4, store.VerdictJoined, id(1))
}

func sameKeyInOneSystemIsShared(e *env) {
	e.pair(1, mail)
	for n := 2; n <= 3; n++ { // found, then already marked
		r := e.claimIdentities(newOf(n, mail))[0]
		if r.Verdict != store.VerdictNew || len(r.Shared) != 1 || r.Shared[0] != mail {
			e.t.Fatalf("claim of identity %d: %+v, want new with the key shared", n, r)
		}
	}
	// Never match by it again, whatever the system.
	r := e.claimIdentities(newFrom(4, shop, customers, "S1", mail))[0]
	if r.Verdict != store.VerdictNew || len(r.Shared) != 1 {
		e.t.Fatalf("claim by a shared key: %+v, want new with the key shared", r)
	}
}

// returningRecordJoinsItsIdentity: a record deleted and made anew comes back to
// its identity, with nothing of the old one (3.8). A second identity would make
// a second record in the other system, and to wait would be to wait for ever.
func returningRecordJoinsItsIdentity(e *env) {
	for n, state := range []mapping.MemberState{mapping.MemberGone, mapping.MemberMerged} {
		key := store.Key{Kind: "email", Value: string(state)}
		l := e.born(2*n+1, key)
		e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: l, Link: link, Members: []store.MemberUpdate{
			{System: crm, State: state, Base: json.RawMessage(`{"x":1}`), BaseVersion: "v1"}}}}})
		e.joined(e.claimIdentities(newOf(2*n+2, key))[0], 2*n+2, store.VerdictJoined, l.ID)
		m := e.member(l.ID, crm)
		e.wantState(m, mapping.MemberActive, fmt.Sprintf("C%d", 2*n+2))
		e.equal("what is left of the old record", string(m.Base)+m.BaseVersion, "")
		e.equal("token of all members", m.Token, fmt.Sprintf("tok-%d", 2*n+1))
	}
}

func keysOfOneCallMeet(e *env) {
	// In the order of their ids, whatever the order of the call.
	rs := e.claimIdentities(newFrom(2, shop, customers, "S1", mail), newOf(1, mail))
	e.equal("verdict of the first id", rs[1].Verdict, store.VerdictNew)
	e.joined(rs[0], 2, store.VerdictJoined, id(1))

	rs = e.claimIdentities(newOf(3), newOf(3))
	e.equal("first of two equal claims", rs[0].Verdict, store.VerdictNew)
	e.equal("second of two equal claims", rs[1].Verdict, store.VerdictTaken)
}

func keysAreApartByLinkAndKind(e *env) {
	e.pair(1, mail)
	other := newFrom(2, shop, customers, "S1", mail)
	other.Link = "suppliers"
	rs := e.claimIdentities(other, newFrom(3, shop, customers, "S2", store.Key{Kind: "vat", Value: mail.Value}))
	for _, r := range rs {
		e.equal("verdict", r.Verdict, store.VerdictNew)
		e.equal("shared", len(r.Shared), 0)
	}
}

// concurrentClaimsMakeOneIdentity: the same person is created in three systems
// at once; the key is not per system, so the second claim meets the first.
func concurrentClaimsMakeOneIdentity(e *env) {
	for round := range 10 {
		n := 10 * (round + 1)
		key := store.Key{Kind: "email", Value: id(n)}
		crmClaim := newOf(n, key)
		claims := []store.NewIdentity{crmClaim, newFrom(n+1, erp, partners, "E"+id(n), key), newFrom(n+2, shop, customers, "S"+id(n), key)}
		var wg sync.WaitGroup
		verdicts := make([]store.Verdict, len(claims))
		for k, c := range claims {
			wg.Go(func() {
				rs, err := e.ClaimIdentities(e.ctx, w1, long, []store.NewIdentity{c})
				if err != nil {
					e.t.Error(err)
					return
				}
				verdicts[k] = rs[0].Verdict
			})
		}
		wg.Wait()
		count := map[store.Verdict]int{}
		for _, v := range verdicts {
			count[v]++
		}
		e.equal("verdicts", count, map[store.Verdict]int{store.VerdictNew: 1, store.VerdictJoined: 2})
	}
}

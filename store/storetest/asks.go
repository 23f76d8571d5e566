package storetest

import (
	"syncd/mapping"
	"syncd/store"
)

// askLaws say that what a person is asked is not settled by who comes first.
var askLaws = []law{
	{"SameKeyWaitsWhereAPersonWasAsked", sameKeyWaitsWhereAPersonWasAsked},
	{"SameKeyOfALinkThatProposesWaits", sameKeyOfALinkThatProposesWaits},
	{"CreateMayBeSentOnceTheQuestionIsGone", createMayBeSentOnceTheQuestionIsGone},
	{"LateAnswerBindsAParkedCreate", lateAnswerBindsAParkedCreate},
}

// asked is an identity whose side in the erp waits for a person.
func (e *env) asked(keys ...store.Key) store.LeaseRef {
	e.t.Helper()
	l := e.born(1, keys...)
	e.parkMember(l)
	return l
}

func (e *env) parkMember(l store.LeaseRef) {
	e.t.Helper()
	e.persist(store.Persist{Owner: w1, Identities: []store.IdentityUpdate{{LeaseRef: l, Link: link,
		Members: []store.MemberUpdate{{System: erp, State: mapping.MemberParked}}}}})
}

// again leases an identity that a persist gave back.
func (e *env) again(l store.LeaseRef) store.LeaseRef {
	e.t.Helper()
	got, busy, err := e.Lease(e.ctx, []string{l.ID}, w1, long)
	e.ok(err)
	if len(got) != 1 {
		e.t.Fatalf("leased %v, busy %v; want %s", got, busy, l.ID)
	}
	return store.LeaseRef{ID: l.ID, Epoch: got[0].Epoch}
}

func sameKeyWaitsWhereAPersonWasAsked(e *env) {
	l := e.asked(mail)
	e.joined(e.claimIdentities(newFrom(2, erp, partners, "E9", mail))[0], 2, store.VerdictWait, l.ID)
	e.wantState(e.member(l.ID, erp), mapping.MemberParked, "")
}

func sameKeyOfALinkThatProposesWaits(e *env) {
	l := e.born(1, mail)
	claim := newFrom(2, erp, partners, "E9", mail)
	claim.Ask = true
	e.joined(e.claimIdentities(claim)[0], 2, store.VerdictWait, l.ID)
	claim = newFrom(3, shop, customers, "S1", mail) // no member there at all
	claim.Ask = true
	e.joined(e.claimIdentities(claim)[0], 3, store.VerdictWait, l.ID)
	e.wantState(e.member(l.ID, erp), mapping.MemberCreating, "")
	alone := newFrom(4, shop, customers, "S2")
	alone.Ask = true
	e.equal("a claim that meets nobody", e.claimIdentities(alone)[0].Verdict, store.VerdictNew)
}

func createMayBeSentOnceTheQuestionIsGone(e *env) {
	l := e.again(e.asked(mail))
	e.equal("intended", e.intendCreate(l, 0), true)
	e.wantState(e.member(l.ID, erp), mapping.MemberCreating, "")
}

// Class blind: what went out without an answer may have made a record.
func lateAnswerBindsAParkedCreate(e *env) {
	l := e.born(1)
	e.equal("intended", e.intendCreate(l, 0), true)
	e.parkMember(l)
	e.equal("bound", e.bind(l.ID, "E9"), true)
	l = e.again(l)
	e.equal("intended once bound", e.intendCreate(l, 1), false)
}

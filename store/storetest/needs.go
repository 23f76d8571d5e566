package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"syncd/mapping"
	"syncd/store"
)

// needLaws say how references find what they point to, and wait for it (F64).
var needLaws = []law{
	{"ReferentsGivesWhoseARecordIs", referentsGivesWhoseARecordIs},
	{"ReferentsSaysWhatIsInTheQueue", referentsSaysWhatIsInTheQueue},
	{"ReferentsFollowsAMerge", referentsFollowsAMerge},
	{"BindWakesWhatWaitsForTheIdentity", bindWakesWhatWaitsForTheIdentity},
	{"BindWakesWhatWaitsForTheRecord", bindWakesWhatWaitsForTheRecord},
	{"JoinWakesWhatWaits", joinWakesWhatWaits},
	{"ActivationWakesWhatWaits", activationWakesWhatWaits},
	{"MergeWakesWhatWaits", mergeWakesWhatWaits},
	{"NeedThatIsMetWakesAtOnce", needThatIsMetWakesAtOnce},
	{"NeedFetchesARecordOnce", needFetchesARecordOnce},
	{"AnswerWakesWhatWaitsOnce", answerWakesWhatWaitsOnce},
	{"NeedsAreReplaced", needsAreReplaced},
	{"FencedNeedIsNotNoted", fencedNeedIsNotNoted},
	{"NoWakeUpIsLost", noWakeUpIsLost},
}

// waits notes the needs of the n-th identity, under a lease of its own.
func (e *env) waits(n int, needs ...store.Need) {
	e.t.Helper()
	got := e.persist(store.Persist{Identities: []store.IdentityUpdate{{
		LeaseRef: leaseRefOf(e.lease(id(n), w1, long)), Link: link, Needs: needs, SetNeeds: true,
	}}})
	e.equal("fenced", len(got.Fenced), 0)
}

func leaseRefOf(i *store.Identity) store.LeaseRef { return store.LeaseRef{ID: i.ID, Epoch: i.Epoch} }

func ref(record string) store.RecordRef {
	return store.RecordRef{System: crm, Object: contacts, RecordID: record}
}

// boss is the need of a record in the erp for the n-th identity, wantsRecord that
// for the identity of a crm record.
func boss(n int) store.Need {
	return store.Need{System: erp, Field: "boss", Identity: id(n), Wake: crm}
}

func wantsRecord(record string) store.Need {
	return store.Need{System: erp, Field: "boss", Record: ref(record), Wake: crm, Fetch: true}
}

// woken claims what is due in the crm, ends it, and checks that it is this.
func (e *env) woken(records ...string) {
	e.t.Helper()
	cs := e.claimAs(w1, 10, long)
	e.same("woken", recordsOf(cs), records)
	for _, c := range cs {
		e.equal("cause", c.Cause, store.CauseReference)
	}
	var p store.Persist
	for _, c := range cs {
		if c.Identity != nil {
			p.Release = append(p.Release, leaseOf(c))
		}
		p.Work = append(p.Work, store.Finish{WorkRef: c.WorkRef, Disposition: store.Done})
	}
	e.persist(p)
}

func (e *env) referents(records []store.RecordRef, ids ...string) []store.Referent {
	e.t.Helper()
	got, err := e.Referents(e.ctx, records, ids)
	e.ok(err)
	e.equal("referents", len(got), len(records)+len(ids))
	return got
}

func referentsGivesWhoseARecordIs(e *env) {
	e.pair(1)
	e.born(2) // no record in the erp
	e.pair(3)
	e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: leaseRefOf(e.lease(id(3), w1, long)), Link: link,
		Members: []store.MemberUpdate{{System: crm, State: mapping.MemberGone}}}}})
	got := e.referents([]store.RecordRef{ref("C2"), ref("nobody"), ref("C1"), ref("C3"), {System: erp, Object: contacts, RecordID: "E1"}}, id(1), id(9))
	var said []string
	for _, r := range got {
		s := r.Asked.RecordID + ":"
		if r.Identity != nil {
			s += r.Identity.ID[len(r.Identity.ID)-1:] + r.Identity.Link + string(r.Identity.State)
			for _, m := range r.Identity.Members {
				s += fmt.Sprintf(" %s/%s/%s/%s", m.System, m.Object, m.RecordID, m.State)
			}
		}
		said = append(said, s)
	}
	one := "1customerslive crm/contacts/C1/active erp/partners/E1/active"
	e.equal("referents", said, []string{"C2:2customerslive crm/contacts/C2/active erp/partners//creating", "nobody:", "C1:" + one,
		"C3:3customerslive crm/contacts/C3/gone erp/partners/E3/active", "E1:", ":" + one, ":"})
	e.equal("nothing asked", len(e.referents(nil)), 0)
}

func referentsSaysWhatIsInTheQueue(e *env) {
	e.hint("B")
	e.finish(park(e.one("B")))
	e.hint("C")
	e.one("C")
	e.hint("A")
	var got []bool
	for _, r := range e.referents([]store.RecordRef{ref("A"), ref("B"), ref("C"), ref("D")}) {
		got = append(got, r.Pending)
	}
	e.equal("in the queue", got, []bool{true, false, true, false})
}

func referentsFollowsAMerge(e *env) {
	e.pair(1)
	e.pair(2)
	e.persist(store.Persist{Identities: []store.IdentityUpdate{{
		LeaseRef: leaseRefOf(e.lease(id(1), w1, long)), Link: link, State: mapping.IdentityMerged, MergedInto: id(2),
		Members: []store.MemberUpdate{{System: crm, State: mapping.MemberMerged}, {System: erp, State: mapping.MemberMerged}},
	}}})
	for _, r := range e.referents([]store.RecordRef{ref("C1")}, id(1)) {
		if r.Identity == nil || r.Identity.ID != id(2) || len(r.Identity.Members) != 2 {
			e.t.Fatalf("a merged record leads to %+v, want identity 2", r.Identity)
		}
	}
}

func bindWakesWhatWaitsForTheIdentity(e *env) {
	e.pair(1)
	l := e.born(2)
	e.waits(1, boss(2))
	e.none()
	e.intendCreate(l, 0)
	e.none()
	e.equal("bound", e.bind(id(2), "E2"), true)
	e.woken("C1")
	e.equal("bound again", e.bind(id(2), "E2"), false)
	e.none()
}

func bindWakesWhatWaitsForTheRecord(e *env) {
	e.pair(1)
	e.waits(1, wantsRecord("C2"))
	e.woken("C2") // nobody was looking at it
	l := e.born(2)
	e.none() // its identity alone is no help: the erp has no record of it
	e.intendCreate(l, 0)
	e.bind(id(2), "E2")
	e.woken("C1")
}

func joinWakesWhatWaits(e *env) {
	key := store.Key{Kind: "email", Value: "h"}
	e.pair(1)
	e.persist(store.Persist{Release: []store.LeaseRef{e.born(2, key)}})
	e.waits(1, boss(2))
	r := e.claimIdentities(newFrom(3, erp, partners, "E2", key))[0]
	e.equal("verdict", r.Verdict, store.VerdictJoined)
	e.woken("C1")
}

func activationWakesWhatWaits(e *env) {
	e.pair(1)
	e.pair(2)
	set := func(s mapping.MemberState) {
		e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: leaseRefOf(e.lease(id(2), w1, long)), Link: link,
			Members: []store.MemberUpdate{{System: erp, State: s}}}}})
	}
	set(mapping.MemberGone)
	e.waits(1, boss(2))
	e.none()
	set(mapping.MemberActive)
	e.woken("C1")
}

// mergeWakesWhatWaits: it waits for the identity that goes on, which may be there.
func mergeWakesWhatWaits(e *env) {
	e.pair(1)
	e.pair(2)
	merged, l4 := e.born(3), e.born(4)
	e.waits(1, boss(3))
	e.none()
	e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: merged, Link: link, State: mapping.IdentityMerged, MergedInto: id(4)}}})
	e.none()
	e.intendCreate(l4, 0)
	e.bind(id(4), "E4")
	e.woken("C1")
}

// needThatIsMetWakesAtOnce: what meets it came between the look-up and the note.
func needThatIsMetWakesAtOnce(e *env) {
	e.pair(1)
	e.pair(2)
	for _, n := range []store.Need{boss(2), wantsRecord("C2")} {
		e.waits(1, n)
		e.woken("C1") // and C2 is known: nobody has to fetch it
	}
	// A row that is parked by the same persist is woken, too.
	e.hint("C1")
	c := e.one("C1")
	e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: leaseOf(c), Link: link, Needs: []store.Need{boss(2)}, SetNeeds: true}},
		Work: []store.Finish{{WorkRef: c.WorkRef, IdentityID: id(1), Disposition: store.Parked, Reason: "reference"}}})
	e.woken("C1")
}

func needFetchesARecordOnce(e *env) {
	e.pair(1)
	e.pair(2)
	e.hint("X")
	x := e.one("X") // somebody looks at it already
	e.waits(1, wantsRecord("X"))
	e.none()
	e.equal("its row runs again", len(e.done(x).Rerun), 0)
	e.none()
	e.waits(2, wantsRecord("Y"))
	e.waits(1, wantsRecord("Y"))
	e.woken("Y")
}

func answerWakesWhatWaitsOnce(e *env) {
	e.pair(1)
	e.pair(2)
	e.waits(1, wantsRecord("X"))
	e.woken("X")
	e.waits(2, boss(9))
	say := func(words string) {
		e.persist(store.Persist{Answers: []store.Answer{{RecordRef: ref("X"), Answer: words}, {RecordRef: ref("unneeded"), Answer: words}}})
	}
	say("out_of_scope")
	e.woken("C1")
	say("out_of_scope")
	e.none()
	e.equal("answer", e.referents([]store.RecordRef{ref("X")})[0].Answer, "out_of_scope")
	again := wantsRecord("X")
	again.Fetch, again.Answer = false, "out_of_scope"
	e.waits(1, again)
	e.none()
	say("archived")
	e.woken("C1")
	e.waits(1) // it waits no longer
	e.equal("answer that nobody needs", e.referents([]store.RecordRef{ref("X")})[0].Answer, "")
}

func needsAreReplaced(e *env) {
	e.pair(1)
	l2, l3 := e.born(2), e.born(3)
	e.waits(1, boss(2), store.Need{System: shop, Field: "boss", Identity: id(3), Wake: crm})
	e.waits(1, boss(3))
	e.intendCreate(l2, 0)
	e.bind(id(2), "E2")
	e.none()
	e.intendCreate(l3, 0)
	e.bind(id(3), "E3")
	e.woken("C1")
}

func fencedNeedIsNotNoted(e *env) {
	e.pair(1)
	l := e.born(2)
	got := e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: id(1), Epoch: 1}, Link: link, Needs: []store.Need{boss(2)}, SetNeeds: true}}})
	e.equal("fenced", len(got.Fenced), 1)
	e.intendCreate(l, 0)
	e.bind(id(2), "E2")
	e.none()
}

// noWakeUpIsLost: a need is noted while what meets it is bound. Whichever commits
// first, the record that waits is woken.
func noWakeUpIsLost(e *env) {
	for n := 1; n <= 2*raceRounds; n += 2 {
		e.pair(n)
		l := e.born(n + 1)
		e.intendCreate(l, 0)
		waiter := leaseRefOf(e.lease(id(n), w1, long))
		var wg sync.WaitGroup
		var noted, bound error
		wg.Go(func() {
			_, noted = e.Persist(e.ctx, store.Persist{Owner: w1, Identities: []store.IdentityUpdate{{LeaseRef: waiter, Link: link, Needs: []store.Need{boss(n + 1)}, SetNeeds: true}}})
		})
		wg.Go(func() {
			time.Sleep(time.Duration(n%5) * raceStep)
			_, bound = e.Bind(e.ctx, []store.Binding{{IdentityID: id(n + 1), System: erp, Object: partners, RecordID: fmt.Sprintf("E%d", n+1)}})
		})
		wg.Wait()
		e.ok(errors.Join(noted, bound))
		e.woken(fmt.Sprintf("C%d", n))
	}
}

const (
	raceRounds = 20
	raceStep   = 200 * time.Microsecond
)

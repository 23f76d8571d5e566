package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"syncd/mapping"
	"syncd/store"
)

// goneLaws say what the store remembers of records that went (F36 to F42).
var goneLaws = []law{
	{"GoneKeepsTimeReasonAndCause", goneKeepsTimeReasonAndCause},
	{"MissingIsForgottenWhenTheRecordIsBack", missingIsForgotten},
	{"PastMembersAreFound", pastMembersAreFound},
	{"ComingBackIsRefusedWhereAnotherHasTheRecord", comingBackIsRefused},
	{"ReopenUsesTheClaimAgain", reopenUsesTheClaimAgain},
	{"IdentityTakesItsState", identityTakesItsState},
	{"RemovalIsCommittedUnderFenceAndHolds", removalUnderFenceAndHolds},
	{"RemovalsAreCounted", removalsAreCounted},
	{"ReleasedRemovalsDoNotCountAgain", releasedRemovalsDoNotCountAgain},
	{"ListingTellsWhatItLeftOut", listingTellsWhatItLeftOut},
	{"ListingIsFenced", listingIsFenced},
}

// says persists one member update of an identity that nobody holds.
func (e *env) says(n int, m store.MemberUpdate) {
	e.t.Helper()
	l := e.lease(id(n), w1, long)
	e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: l.ID, Epoch: l.Epoch}, Link: link, Members: []store.MemberUpdate{m}}}})
}

func gone(system string) store.MemberUpdate {
	return store.MemberUpdate{System: system, State: mapping.MemberGone, Why: "archived", Cause: "webhook", Base: json.RawMessage(`{"n":1}`)}
}

func goneKeepsTimeReasonAndCause(e *env) {
	e.pair(1)
	e.says(1, gone(crm))
	first := e.member(id(1), crm)
	if first.State != mapping.MemberGone || first.Gone.IsZero() || first.Why != "archived" || first.Cause != "webhook" || first.RecordID != "C1" || first.Birth == "" {
		e.t.Fatalf("member %+v", first)
	}
	e.json("base of what went", first.Base, `{"n":1}`)
	e.pass(2 * short)
	e.says(1, store.MemberUpdate{System: crm, State: mapping.MemberGone, Base: json.RawMessage(`{"n":1}`)}) // said again: since when and why stay
	if again := e.member(id(1), crm); !again.Gone.Equal(first.Gone) || again.Why != first.Why || again.Cause != first.Cause {
		e.t.Fatalf("said again: %+v, before %+v", again, first)
	}
	e.pass(2 * short)
	e.says(1, store.MemberUpdate{System: erp, State: mapping.MemberGone, Why: "removed", Cause: "flow"})
	ps, err := e.Pairs(e.ctx, store.PairQuery{Link: link})
	e.ok(err)
	e.equal("pairs", len(ps), 2)
	for _, p := range ps { // the one that went first tells
		if p.Active || !p.InactiveAt.Equal(first.Gone) || p.InactiveWhy != "archived" || p.InactiveCause != "webhook" {
			e.t.Fatalf("pair %+v, want inactive since %v", p, first.Gone)
		}
	}
	e.pair(2)
	ps, err = e.Pairs(e.ctx, store.PairQuery{SourceSystem: crm, SourceID: "C2"})
	e.ok(err)
	if len(ps) != 1 || !ps[0].Active || !ps[0].InactiveAt.IsZero() || ps[0].InactiveWhy+ps[0].InactiveCause != "" {
		e.t.Fatalf("pairs %+v", ps)
	}
}

func missingIsForgotten(e *env) {
	e.pair(1)
	missing := store.MemberUpdate{System: crm, Missing: true, Why: "archived", Cause: "webhook"}
	e.says(1, missing)
	first := e.member(id(1), crm)
	if first.State != mapping.MemberActive || first.Missing.IsZero() || !first.Gone.IsZero() || first.Why != "archived" || first.Cause != "webhook" {
		e.t.Fatalf("member %+v", first)
	}
	e.pass(2 * short)
	e.says(1, store.MemberUpdate{System: crm, Missing: true})
	e.says(1, store.MemberUpdate{System: crm}) // what says nothing about it changes nothing
	if again := e.member(id(1), crm); !again.Missing.Equal(first.Missing) || again.Why != "archived" {
		e.t.Fatalf("said again: %+v, before %+v", again, first)
	}
	e.says(1, store.MemberUpdate{System: crm, State: mapping.MemberActive})
	if back := e.member(id(1), crm); !back.Missing.IsZero() || back.Why+back.Cause != "" {
		e.t.Fatalf("back: %+v", back)
	}
	e.says(1, missing)
	e.says(1, gone(crm))
	if m := e.member(id(1), crm); m.Missing.IsZero() || m.Gone.IsZero() {
		e.t.Fatalf("gone: %+v, want since when it was missing", m)
	}
	e.says(1, store.MemberUpdate{System: crm, State: mapping.MemberActive})
	if back := e.member(id(1), crm); back.State != mapping.MemberActive || !back.Missing.IsZero() || !back.Gone.IsZero() || back.Why+back.Cause != "" {
		e.t.Fatalf("restored: %+v", back)
	}
	e.hint("C1")
	if c := e.one("C1"); c.Identity == nil || c.Identity.ID != id(1) {
		e.t.Fatalf("claimed %+v, want the identity that it came back to", c.Identity)
	}
}

func pastMembersAreFound(e *env) {
	e.pair(1)
	e.pair(2)
	e.pair(3)
	e.says(1, gone(crm))
	e.says(2, store.MemberUpdate{System: crm, State: mapping.MemberMerged, Why: "merged", Cause: "sweep"})
	e.lease(id(1), w2, long) // leased or not
	past, err := e.Past(e.ctx, crm, contacts, []string{"C1", "C2", "C3", "C4"})
	e.ok(err)
	e.equal("records with a past", len(past), 2)
	p := past["C1"]
	if len(p) != 1 || p[0].IdentityID != id(1) || p[0].State != mapping.MemberGone || p[0].Of != mapping.IdentityLive || p[0].Link != link ||
		p[0].Birth != "2026-01-01" || p[0].Why != "archived" || p[0].Cause != "webhook" || p[0].Gone.IsZero() {
		e.t.Fatalf("past of C1: %+v", p)
	}
	e.equal("state of C2", past["C2"][0].State, mapping.MemberMerged)
	e.hint("C1")
	if c := e.one("C1"); c.Identity != nil {
		e.t.Fatalf("a record that went is %+v", c.Identity)
	}
}

func comingBackIsRefused(e *env) {
	e.pair(1)
	e.says(1, gone(crm))
	second := newOf(2)
	second.Source.RecordID = "C1" // the vendor gave the id to another record
	e.equal("verdict", e.claimIdentities(second)[0].Verdict, store.VerdictNew)
	e.says(1, store.MemberUpdate{System: crm, State: mapping.MemberActive})
	if m := e.member(id(1), crm); m.State != mapping.MemberGone || m.Why != "archived" || m.Gone.IsZero() {
		e.t.Fatalf("member %+v, want it gone still", m)
	}
	e.equal("the other", e.member(id(2), crm).State, mapping.MemberActive)
}

func reopenUsesTheClaimAgain(e *env) {
	e.pair(1)
	e.says(1, store.MemberUpdate{System: erp, State: mapping.MemberGone, Why: "deleted", Cause: "webhook", Base: json.RawMessage(`{"n":1}`),
		BaseVersion: "v1", Sent: json.RawMessage(`["h"]`), Removal: json.RawMessage(`{}`)})
	sends := e.member(id(1), erp).Sends
	e.says(1, store.MemberUpdate{System: erp, Reopen: true, Removal: json.RawMessage(`{"old":["E1"]}`)})
	m := e.member(id(1), erp)
	e.json("what was kept of it", m.Removal, `{"old":["E1"]}`)
	if m.State != mapping.MemberCreating || m.RecordID != "" || m.Birth != "" || m.Base != nil || m.Intent != nil || m.Sent != nil ||
		!m.SentAt.IsZero() || !m.Gone.IsZero() || m.Why+m.Cause != "" || m.Token == "" || m.Sends != sends {
		e.t.Fatalf("member %+v, want it to wait for a record, with its token and the count of its sends", m)
	}
	l := e.lease(id(1), w1, long)
	if !e.intendCreate(store.LeaseRef{ID: l.ID, Epoch: l.Epoch}, sends) || !e.bind(id(1), "E9") {
		e.t.Fatal("the claim cannot be used again")
	}
	e.equal("record", e.member(id(1), erp).RecordID, "E9")
}

func identityTakesItsState(e *env) {
	e.pair(1)
	e.pair(2)
	l := e.lease(id(1), w1, long)
	e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: l.ID, Epoch: l.Epoch}, Link: link,
		State: mapping.IdentityMerged, MergedInto: id(2), Note: "merged by a person",
		Members: []store.MemberUpdate{{System: crm, State: mapping.MemberMerged, Why: "merged", Cause: "webhook"}}}}})
	e.equal("state", e.identity(id(1)).State, mapping.IdentityMerged)
	past, err := e.Past(e.ctx, crm, contacts, []string{"C1"})
	e.ok(err)
	if p := past["C1"]; len(p) != 1 || p[0].Of != mapping.IdentityMerged || p[0].MergedInto != id(2) {
		e.t.Fatalf("past of C1: %+v, want it merged into the second", p)
	}
	l = e.lease(id(2), w1, long)
	e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: l.ID, Epoch: l.Epoch}, Link: link, Note: "a note"}}})
	e.equal("state of the other", e.identity(id(2)).State, mapping.IdentityLive)
}

func removalUnderFenceAndHolds(e *env) {
	e.pair(1)
	l := e.lease(id(1), w1, long)
	intend := func(owner string, restore bool, to string) bool {
		e.t.Helper()
		got, err := e.IntendRemovals(e.ctx, owner, []store.RemovalIntent{{IdentityID: l.ID, Epoch: l.Epoch, Link: link, System: erp,
			Removal: json.RawMessage(to), Restore: restore}})
		e.ok(err)
		return len(got) == 1 && got[0] == l.ID
	}
	if intend(w2, false, `{"op":"x"}`) || e.member(id(1), erp).Removal != nil {
		e.t.Fatal("a removal without the lease was committed")
	}
	for what, want := range map[string][2]bool{"deletes": {false, true}, "writes": {false, false}, "all": {false, false}, "creates": {true, true}} {
		e.ok(e.CloseHold(e.ctx, store.Hold{System: erp, Link: link, What: what, Reason: "test"}))
		got := [2]bool{intend(w1, false, `{"op":"archive"}`), intend(w1, true, `{"op":"restore"}`)}
		e.equal("removal and restore under a hold on "+what, got, want)
		e.ok(e.ReleaseHold(e.ctx, erp, link, what, "test", "test"))
	}
	if !intend(w1, false, `{"op":"archive"}`) {
		e.t.Fatal("a removal was refused")
	}
	e.json("removal", e.member(id(1), erp).Removal, `{"op":"archive"}`)
	gone := gone(erp)
	gone.Removal = json.RawMessage(`{"op":"archive","done":true}`)
	e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: l.ID, Epoch: l.Epoch}, Link: link, Members: []store.MemberUpdate{gone}}}})
	e.json("removal kept", e.member(id(1), erp).Removal, `{"op":"archive","done":true}`)
	l = e.lease(id(1), w1, long)
	if intend(w1, false, `{}`) || !intend(w1, true, `{"op":"restore"}`) {
		e.t.Fatal("what is gone can be restored and not be removed")
	}
	e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: l.ID, Epoch: l.Epoch}, Link: link,
		Members: []store.MemberUpdate{{System: erp, State: mapping.MemberActive}}}}})
	e.json("removal closed", e.member(id(1), erp).Removal, "")
}

func (e *env) removals(within time.Duration, over int) store.Removals {
	e.t.Helper()
	r, err := e.Removals(e.ctx, link, within, over)
	e.ok(err)
	return r
}

func removalsAreCounted(e *env) {
	for n := range 4 {
		e.pair(n + 1)
	}
	missing := func(n int, system string) {
		e.says(n, store.MemberUpdate{System: system, Missing: true, Why: "archived", Cause: "webhook"})
	}
	e.equal("none yet", e.removals(time.Hour, 0), store.Removals{})
	missing(1, crm)
	missing(2, crm)
	e.equal("missing counts", e.removals(time.Hour, 2), store.Removals{Count: 2})
	e.says(1, gone(crm))
	missing(1, erp)
	e.equal("an identity counts once, and the link's are counted", e.removals(time.Hour, 1), store.Removals{Count: 2, Live: 4})
	e.says(2, store.MemberUpdate{System: crm, State: mapping.MemberActive})
	e.equal("what is back does not count", e.removals(time.Hour, 9), store.Removals{Count: 1})
	e.pass(2 * short)
	e.equal("nor what is long ago", e.removals(short, 9), store.Removals{})
	other, err := e.Removals(e.ctx, "suppliers", time.Hour, 0)
	e.ok(err)
	e.equal("nor another link", other, store.Removals{})
}

func releasedRemovalsDoNotCountAgain(e *env) {
	e.pair(1)
	e.pair(2)
	e.says(1, store.MemberUpdate{System: crm, Missing: true, Why: "archived", Cause: "webhook"})
	e.ok(e.CloseHold(e.ctx, store.Hold{System: erp, Link: link, What: "deletes", Reason: "mass delete"}))
	e.equal("while held", e.removals(time.Hour, 9).Count, 1)
	e.pass(2 * short)
	e.ok(e.ReleaseHold(e.ctx, erp, link, "deletes", "mass delete", "somebody"))
	e.equal("released", e.removals(time.Hour, 9).Count, 0)
	e.pass(2 * short)
	e.says(2, store.MemberUpdate{System: crm, Missing: true, Why: "archived", Cause: "webhook"})
	e.equal("since", e.removals(time.Hour, 9).Count, 1)
}

func listingTellsWhatItLeftOut(e *env) {
	for n := range 5 {
		e.pair(n + 1)
	}
	e.says(4, gone(crm))
	e.pass(2 * short)
	c, ok, err := e.LeaseCursor(e.ctx, crm, contacts, "deleted", w1, long)
	e.ok(err)
	if !ok || c.At.IsZero() {
		e.t.Fatalf("cursor %+v, %v", c, ok)
	}
	e.pass(2 * short)
	page := store.Listing{CursorRef: store.CursorRef{System: crm, Object: contacts, Kind: "deleted", Epoch: c.Epoch}, Pass: 7}
	for _, ids := range [][]string{{"C1", "X1"}, {"C1"}, {}} {
		page.RecordIDs, page.Pos = ids, json.RawMessage(fmt.Sprintf(`{"n":%d}`, len(ids)))
		e.ok(e.CommitListing(e.ctx, page, long))
	}
	e.says(5, store.MemberUpdate{System: crm}) // read since: it was there
	left := func(pass int64, after string, limit int) string {
		e.t.Helper()
		ids, err := e.Unlisted(e.ctx, crm, contacts, pass, c.At, after, limit)
		e.ok(err)
		return strings.Join(ids, " ")
	}
	e.equal("left out", left(7, "", 10), "C2 C3")
	e.equal("a page", left(7, "", 1)+"|"+left(7, "C2", 1)+"|"+left(7, "C3", 1), "C2|C3|")
	e.equal("of another pass", left(8, "", 10), "C1 C2 C3")
	got, ok, err := e.LeaseCursor(e.ctx, crm, contacts, "deleted", w1, long)
	e.ok(err)
	e.equal("leased again", ok, true)
	e.json("place", got.Pos, `{"n":0}`)
}

func listingIsFenced(e *env) {
	e.pair(1)
	c, _, err := e.LeaseCursor(e.ctx, crm, contacts, "deleted", w1, long)
	e.ok(err)
	_, _, err = e.LeaseCursor(e.ctx, crm, contacts, "deleted", w1, long)
	e.ok(err)
	err = e.CommitListing(e.ctx, store.Listing{CursorRef: store.CursorRef{System: crm, Object: contacts, Kind: "deleted", Epoch: c.Epoch}, Pass: 1, RecordIDs: []string{"C1"}}, long)
	e.equal("a stale page is fenced", isFenced(err), true)
}

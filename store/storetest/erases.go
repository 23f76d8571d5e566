package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"syncd/store"
)

// Shower is implemented by a store under test that can show every row of every
// table as text.
type Shower interface {
	Everything(ctx context.Context) ([]string, error)
}

// eraseLaws say what an erasure takes, and what it leaves (CORRECTNESS F44).
var eraseLaws = []law{
	{"EraseLeavesNothingOfThePersonAndAllOfTheOthers", eraseLeavesNothing},
	{"EraseCanBeRepeated", eraseCanBeRepeated},
	{"ErasedRecordsAreNeverClaimed", erasedAreNotClaimed},
	{"EraseWaitsForWhoeverHasThePersonInHand", eraseWaits},
	{"ADryRunTellsWhatWouldBeAndChangesNothing", eraseDryRun},
	{"AWorkerThatHadThePersonWritesNothingAfterwards", eraseFences},
	{"TheLateAnswerOfACreateBindsNothing", eraseUnbinds},
	{"WhatIsElsewhereGoesByItsOrder", eraseOrders},
	{"TheOrderToEraseStaysWithTheRow", eraseOrderStays},
}

// What must not be found afterwards.
const (
	canary   = "canary.ana@example.com"
	canaryID = "C777001"
	otherID  = "E777002"
	wasID    = "C777003"
)

func mac(system, object, record string) string {
	return "mac-" + strings.Map(func(r rune) rune { return 'z' - r%25 }, system+object+record)
}

func erasure() store.Erasure {
	return store.Erasure{System: crm, Object: contacts, RecordID: canaryID, By: "tester", Reason: "request 12", Mac: mac,
		Other: map[string]store.EraseOrder{link: store.EraseKeep}}
}

func (e *env) erase(o store.Erasure) store.Erased {
	e.t.Helper()
	got, err := e.Erase(e.ctx, o)
	e.ok(err)
	return got
}

// person makes an identity of which every table knows something.
func (e *env) person() string {
	e.t.Helper()
	c := newOf(7, store.Key{Kind: "email", Value: "key-of-canary"})
	c.Source.RecordID = canaryID
	l := store.LeaseRef{ID: c.ID, Epoch: e.claimIdentities(c)[0].Epoch}
	if !e.intendCreate(l, 0) || !e.bind(c.ID, otherID) {
		e.t.Fatal("the person could not be paired")
	}
	value := json.RawMessage(`{"email":{"v":"` + canary + `","r":"1"}}`)
	e.persist(store.Persist{
		Identities: []store.IdentityUpdate{{LeaseRef: l, Link: link, SetKeys: true,
			Keys: []store.KeyOf{{Key: store.Key{Kind: "email", Value: "key-of-canary"}, System: crm}},
			Members: []store.MemberUpdate{
				{System: crm, Base: value, BaseVersion: "v-" + canaryID, Birth: "1700000000777",
					Fields: map[string]store.FieldState{"email": {State: "conflict", Detail: json.RawMessage(`["` + canary + `"]`)}}},
				{System: erp, Base: value, Intent: json.RawMessage(`{"fields":{"email":{"w":"` + canary + `"}}}`), Sent: json.RawMessage(`{"h":"` + canary + `"}`)}}}},
		History: []store.Entry{
			{IdentityID: c.ID, System: crm, Object: contacts, RecordID: canaryID, Cause: "webhook", DeliveryKey: "d-canary", Trace: "t-canary", Action: "update",
				Fields: json.RawMessage(`{"email":["","` + canary + `"]}`)},
			{IdentityID: c.ID, System: erp, Object: partners, RecordID: otherID, Cause: "webhook", Action: "create", Fields: json.RawMessage(`{"email":["","` + canary + `"]}`)},
			{System: crm, Object: contacts, RecordID: canaryID, Cause: "surplus", Action: "clone"}},
	})
	e.ok(e.Receive(e.ctx, []store.Receipt{{System: crm, DeliveryKey: "d-canary", Events: 1, Hints: []store.Hint{hintOf(erp, partners, otherID)}}}))
	w := e.claimFrom(erp, partners, store.LaneLive, w1, 1, long)[0]
	e.finish(store.Finish{WorkRef: w.WorkRef, Disposition: store.Parked, Reason: "refused", Error: canary + " is no address", Detail: json.RawMessage(`{"candidates":["` + otherID + `"]}`)})
	e.persist(store.Persist{Release: []store.LeaseRef{{ID: w.Identity.ID, Epoch: w.Identity.Epoch}}})
	e.hint(canaryID)
	x := e.one(canaryID)
	e.persist(store.Persist{Release: []store.LeaseRef{{ID: x.Identity.ID, Epoch: x.Identity.Epoch}}, Work: []store.Finish{
		{WorkRef: x.WorkRef, IdentityID: c.ID, Disposition: store.Dead, Reason: "bug", Error: canary, Detail: json.RawMessage(`{"was":"` + canary + `"}`)}}})
	cur, ok, err := e.LeaseCursor(e.ctx, crm, contacts, "changed", w1, long)
	e.ok(err)
	if !ok {
		e.t.Fatal("the cursor is taken")
	}
	ref := store.CursorRef{System: crm, Object: contacts, Kind: "changed", Epoch: cur.Epoch}
	_, err = e.CommitSweep(e.ctx, store.SweepPage{CursorRef: ref, Rows: []store.SeenRow{{RecordID: canaryID, Birth: "1700000000777", Mark: "m"}}, Cause: "sweep", Lane: store.LaneSweep}, long)
	e.ok(err)
	e.ok(e.ReleaseCursor(e.ctx, ref))
	e.ok(e.Audit(e.ctx, store.Audit{Actor: "tester", Via: "cli", Action: "mapping.pair", Target: crm + ":" + contacts + ":" + canaryID, Reason: "r", After: json.RawMessage(`{"email":"` + canary + `"}`)},
		store.Audit{Actor: "tester", Via: "cli", Action: "hold.release", Target: "link " + link, Reason: "other"}))
	return c.ID
}

// everything gives all text of the database, "" where it cannot be shown.
func (e *env) everything() string {
	e.t.Helper()
	s, ok := e.Store.(Shower)
	if !ok {
		e.t.Fatal("the store under test cannot show its rows: implement storetest.Shower")
	}
	rows, err := s.Everything(e.ctx)
	e.ok(err)
	return strings.Join(rows, "\n")
}

func eraseLeavesNothing(e *env) {
	neighbour := e.pair(1, store.Key{Kind: "email", Value: "key-of-1"})
	person := e.person()
	e.waits(1, store.Need{System: shop, Field: "boss", Record: ref(canaryID), Wake: crm})
	e.hint("C1", "C2")
	cs := e.claim("C1", "C2")
	e.persist(store.Persist{Release: []store.LeaseRef{{ID: cs[0].Identity.ID, Epoch: cs[0].Identity.Epoch}}, Work: []store.Finish{
		{WorkRef: cs[0].WorkRef, Disposition: store.Parked, Reason: "refused", Error: "a contact with " + strings.ToUpper(canary) + " exists"},
		{WorkRef: cs[1].WorkRef, Disposition: store.Parked, Reason: "ambiguous", Error: "several match", Detail: json.RawMessage(`{"candidates":["` + canaryID + `","C9"]}`)}}})
	told := []string{canary, canaryID, otherID, "key-of-canary", "d-canary", "t-canary", "1700000000777"}
	before := e.everything()
	for _, word := range told {
		if !strings.Contains(before, word) {
			e.t.Fatalf("the law looks for %q, which was never there", word)
		}
	}
	got := e.erase(erasure())
	after := strings.ToLower(e.everything())
	for _, word := range told {
		if at := strings.Index(after, strings.ToLower(word)); at >= 0 {
			e.t.Errorf("%q is left: %.200s", word, after[max(0, at-100):])
		}
	}
	e.same("erased", got.Identities, []string{person})
	for _, table := range []string{"identity", "member", "field_state", "match_key", "history", "trash", "work", "inbox", "seen", "work_of_others", "audit"} {
		if got.Wiped[table] == 0 {
			e.t.Errorf("the certificate says nothing of %s: %v", table, got.Wiped)
		}
	}
	if got.Tombstones != 2 || got.ID == 0 {
		e.t.Errorf("certificate %+v, want a number and two tombstones", got)
	}
	certs, err := e.Certificates(e.ctx, 10)
	e.ok(err)
	if len(certs) != 1 || certs[0].ID != got.ID || strings.Contains(certs[0].Text, canary) || !strings.Contains(certs[0].Text, person) {
		e.t.Errorf("kept certificates %+v", certs)
	}
	if i := e.identity(person); i == nil || i.State != "retired" {
		e.t.Errorf("identity %+v, want it retired", i)
	}
	for _, m := range []store.Member{e.member(neighbour, crm), e.member(neighbour, erp)} {
		if m.State != "active" || (m.RecordID != "C1" && m.RecordID != "E1") {
			e.t.Errorf("the neighbour lost something: %+v", m)
		}
	}
	pairs, err := e.Pairs(e.ctx, store.PairQuery{})
	e.ok(err)
	active := 0
	for _, p := range pairs {
		if p.Active {
			active++
		}
	}
	if len(pairs) != 4 || active != 2 {
		e.t.Errorf("pairs %+v, want the person's two rows inactive and kept", pairs)
	}
	lines, err := e.Audits(e.ctx, 10)
	e.ok(err)
	for _, l := range lines {
		if l.Actor != "tester" || l.Action == "hold.release" && l.Reason != "other" {
			e.t.Errorf("the audit lost who did what, or a line about somebody else: %+v", l)
		}
	}
	e.equal("lines of the audit", len(lines), 2)
	// Who named the person is asked afresh.
	e.same("due again", recordsOf(e.claimAs(w2, 9, long)), []string{"C1", "C2"})
}

func eraseCanBeRepeated(e *env) {
	e.person()
	first := e.erase(erasure())
	again := e.erase(erasure())
	if again.ID != 0 || again.Before != first.ID || len(again.Wiped) != 0 || again.Tombstones != 0 {
		e.t.Fatalf("a second erasure says %+v", again)
	}
	e.hint(canaryID) // announced once more
	third := e.erase(erasure())
	if third.ID == 0 || third.Before != first.ID || third.Wiped["work"] != 1 {
		e.t.Fatalf("what was announced meanwhile: %+v", third)
	}
	if strings.Contains(e.everything(), canaryID) {
		e.t.Fatal("the id of a repeated announcement is left")
	}
	stranger := erasure()
	stranger.RecordID = "C888"
	if got := e.erase(stranger); got.ID == 0 || got.Tombstones != 1 || len(got.Identities) != 0 {
		e.t.Fatalf("the erasure of a record that is nobody's: %+v", got)
	}
}

func erasedAreNotClaimed(e *env) {
	e.person()
	e.erase(erasure())
	back := newOf(8)
	back.Source.RecordID, back.Source.Mac = canaryID, mac(crm, contacts, canaryID)
	other := newFrom(9, erp, partners, otherID)
	other.Source.Mac = mac(erp, partners, otherID)
	free := newOf(10)
	free.Source.Mac = mac(crm, contacts, "C10")
	var got []string
	for _, r := range e.claimIdentities(back, other, free) {
		got = append(got, string(r.Verdict))
	}
	e.equal("verdicts", got, []string{"erased", "erased", "new"})
	if e.identity(id(8)) != nil || e.identity(id(9)) != nil {
		e.t.Fatal("an erased record has an identity again")
	}
	asked := []store.Tombstone{{System: crm, Object: contacts, Mac: mac(crm, contacts, canaryID)}, {System: crm, Object: contacts, Mac: mac(crm, contacts, "C1")},
		store.TombstoneOfIdentity(mac, id(7))}
	found, err := e.Tombstones(e.ctx, asked)
	e.ok(err)
	e.equal("tombstones", []bool{found[asked[0]], found[asked[1]], found[asked[2]]}, []bool{true, false, true})
}

func eraseWaits(e *env) {
	person := e.person()
	e.lease(person, w2, long)
	if _, err := e.Erase(e.ctx, erasure()); !errors.Is(err, store.ErrInHand) {
		e.t.Fatalf("another has the identity: %v", err)
	}
	if !strings.Contains(e.everything(), canary) {
		e.t.Fatal("an erasure that could not be has wiped something")
	}
	own := erasure()
	own.Owner = w2
	e.erase(own)
	e.hint("C9")
	e.claim("C9") // by w1
	o := erasure()
	o.RecordID = "C9"
	if _, err := e.Erase(e.ctx, o); !errors.Is(err, store.ErrInHand) {
		e.t.Fatalf("another works on the record: %v", err)
	}
}

func eraseDryRun(e *env) {
	e.person()
	before := e.everything()
	dry := erasure()
	dry.DryRun = true
	told := e.erase(dry)
	if e.everything() != before {
		e.t.Fatal("a dry run changed something")
	}
	if done := e.erase(erasure()); told.ID != 0 || !slices.Equal(mapOf(told.Wiped), mapOf(done.Wiped)) || told.Tombstones != done.Tombstones {
		e.t.Fatalf("the dry run told %+v, done was %+v", told, done)
	}
}

func mapOf(m map[string]int) []string {
	var out []string
	for k, v := range m {
		out = append(out, k+"="+string(rune('0'+v)))
	}
	slices.Sort(out)
	return out
}

func eraseFences(e *env) {
	person := e.person()
	l := e.lease(person, w1, short)
	e.pass(2 * short) // it sleeps past its lease
	e.erase(erasure())
	ref := store.LeaseRef{ID: person, Epoch: l.Epoch}
	got := e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: ref, Link: link, Members: []store.MemberUpdate{{System: crm, Base: json.RawMessage(`{"email":{"v":"` + canary + `"}}`)}}}},
		History: []store.Entry{{IdentityID: person, System: crm, Object: contacts, RecordID: canaryID, Cause: "webhook", Action: "update"}}})
	e.same("fenced", got.Fenced, []string{person})
	if all := e.everything(); strings.Contains(all, canary) || strings.Contains(all, canaryID) {
		e.t.Fatal("a worker with a lost lease brought the person back")
	}
}

func eraseUnbinds(e *env) {
	c := newOf(7)
	c.Source.RecordID = canaryID
	l := store.LeaseRef{ID: c.ID, Epoch: e.claimIdentities(c)[0].Epoch}
	e.intendCreate(l, 0)
	o := erasure()
	o.Owner = w1
	if got := e.erase(o); !slices.Equal(got.OpenCreates, []string{erp}) {
		e.t.Fatalf("the certificate names no create that is under way: %+v", got)
	}
	if e.bind(c.ID, otherID) {
		e.t.Fatal("the late answer of a create was bound to somebody who was erased")
	}
}

func eraseOrders(e *env) {
	for _, order := range []store.EraseOrder{store.EraseAsk, store.EraseArchive, store.EraseDelete, store.EraseKeep} {
		o := erasure()
		o.Other = map[string]store.EraseOrder{link: order}
		switch order {
		case store.EraseAsk:
			e.person()
			o.Other = nil // nothing said asks
		default:
			n := map[store.EraseOrder]int{store.EraseArchive: 21, store.EraseDelete: 22, store.EraseKeep: 23}[order]
			e.pair(n)
			o.RecordID = newOf(n).Source.RecordID
		}
		got := e.erase(o)
		if len(got.Elsewhere) != 1 || got.Elsewhere[0] != (store.Elsewhere{System: erp, Object: partners, Order: order}) {
			e.t.Fatalf("%s: certificate %+v", order, got)
		}
	}
	due := e.claimFrom(erp, partners, store.LaneLive, w1, 9, long)
	var orders []string
	for _, c := range due {
		orders = append(orders, c.RecordID+" "+string(c.Erase))
	}
	e.same("due", orders, []string{"E21 archive", "E22 delete"})
	rows, err := e.Waiting(e.ctx, 10)
	e.ok(err)
	if len(rows) != 1 || rows[0].RecordID != otherID || !rows[0].Parked || !strings.HasPrefix(rows[0].Error, "erased_elsewhere") {
		e.t.Fatalf("waiting %+v, want the one that a person is asked about", rows)
	}
	settle := func(record string, order store.EraseOrder) bool {
		ok, err := e.SettleErased(e.ctx, erp, partners, record, order)
		e.ok(err)
		return ok
	}
	if settle("E99", store.EraseArchive) || !settle(otherID, store.EraseDelete) {
		e.t.Fatal("what waits for a decision is not what was decided about")
	}
	if c := e.claimFrom(erp, partners, store.LaneLive, w1, 9, long); len(c) != 1 || c[0].Erase != store.EraseDelete {
		e.t.Fatalf("claimed %+v, want the decision", c)
	}
	again := erasure()
	again.RecordID = "C24"
	e.pair(24)
	again.Other = nil
	e.erase(again)
	if !settle("E24", store.EraseKeep) || strings.Contains(e.everything(), "E24") {
		e.t.Fatal("a record that is kept is forgotten all the same")
	}
	if _, err := e.SettleErased(e.ctx, erp, partners, "E24", store.EraseAsked); err == nil {
		e.t.Fatal("an order that settles nothing was taken")
	}
}

func eraseOrderStays(e *env) {
	e.pair(1)
	own := hintOf(crm, contacts, "C1")
	own.Own, own.Erased = true, true
	e.ok(e.Enqueue(e.ctx, []store.Hint{own}))
	e.hint("C1") // the deletion that comes with it
	c := e.one("C1")
	if c.Erase != store.EraseAsked {
		e.t.Fatalf("claimed %+v, want the order to erase", c.Work)
	}
	e.persist(store.Persist{Release: []store.LeaseRef{{ID: c.Identity.ID, Epoch: c.Identity.Epoch}},
		Work: []store.Finish{{WorkRef: c.WorkRef, Disposition: store.Again}}})
	if c = e.one("C1"); c.Erase != store.EraseAsked {
		e.t.Fatal("the order was lost when the row came back")
	}
}

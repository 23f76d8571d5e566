package storetest

import (
	"encoding/json"

	"syncd/store"
)

// moveLaws say what becomes of a pair when a record is another one by now (F40, F43).
var moveLaws = []law{
	{"AMovedRecordKeepsItsPairAndItsOldIDIsFound", moveKeepsThePair},
	{"AMoveCountsUnderItsFenceOnly", moveIsFenced},
	{"ARecordOfAnotherIsNotMovedTo", moveTakesNothing},
	{"AMergeIsOnePersist", mergeIsOnePersist},
	{"AnOpenCreateIsNotMovedTo", moveLeavesOpenCreates},
	{"AnErasureFindsAPersonByAnOldID", eraseFindsAliases},
}

func moveOf(l store.LeaseRef, from, to string) store.Move {
	return store.Move{IdentityID: l.ID, System: crm, Object: contacts, From: from, To: to, Birth: "2026-09-09", Why: "merged"}
}

func (e *env) holds(system, object, record, want string) {
	e.t.Helper()
	got, err := e.Holders(e.ctx, system, object, []string{record})
	e.ok(err)
	if got[record] != want {
		e.t.Fatalf("%s %s is of %q, want %q", system, record, got[record], want)
	}
}

func (e *env) pastOf(record string) []store.Past {
	e.t.Helper()
	past, err := e.Past(e.ctx, crm, contacts, []string{record})
	e.ok(err)
	return past[record]
}

func moveKeepsThePair(e *env) {
	e.pair(1)
	i := e.lease(id(1), w1, long)
	l := store.LeaseRef{ID: i.ID, Epoch: i.Epoch}
	up := base(l, 5)
	e.persist(store.Persist{Identities: []store.IdentityUpdate{up}, Moves: []store.Move{moveOf(l, "C1", "C9")}})
	m := e.member(id(1), crm)
	if m.RecordID != "C9" || m.State != "active" || m.Birth != "2026-09-09" || baseN(e, m) != 5 {
		e.t.Fatalf("member %+v, want it moved with its base", m)
	}
	e.holds(crm, contacts, "C9", id(1))
	e.holds(crm, contacts, "C1", "")
	if p := e.pastOf("C1"); len(p) != 1 || p[0].IdentityID != id(1) || p[0].State != "merged" || p[0].Why != "merged" || p[0].Of != "live" {
		e.t.Fatalf("the old id leads to %+v", p)
	}
	e.hint("C9")
	if c := e.one("C9"); c.Identity == nil || c.Identity.ID != id(1) {
		e.t.Fatal("the new id does not lead to the identity")
	} else {
		l.Epoch = c.Identity.Epoch
	}
	// And on: a merge of a merge; and back again.
	e.persist(store.Persist{Release: []store.LeaseRef{l}, Moves: []store.Move{moveOf(l, "C9", "C10")}})
	e.same("both old ids", []string{e.pastOf("C1")[0].IdentityID, e.pastOf("C9")[0].IdentityID}, []string{id(1), id(1)})
	l.Epoch = e.lease(id(1), w1, long).Epoch
	e.persist(store.Persist{Release: []store.LeaseRef{l}, Moves: []store.Move{moveOf(l, "C10", "C1")}})
	if len(e.pastOf("C1")) != 0 || len(e.pastOf("C10")) != 1 {
		e.t.Fatal("an id that is in use again is an old one, too")
	}
	pairs, err := e.Pairs(e.ctx, store.PairQuery{SourceSystem: crm})
	e.ok(err)
	if len(pairs) != 1 || pairs[0].SourceID != "C1" || !pairs[0].Active {
		e.t.Fatalf("pairs %+v", pairs)
	}
}

func moveIsFenced(e *env) {
	e.pair(1)
	e.lease(id(1), w2, long)
	l := store.LeaseRef{ID: id(1), Epoch: 1}
	e.persist(store.Persist{Release: []store.LeaseRef{l}, Moves: []store.Move{moveOf(l, "C1", "C9")}})
	e.persist(store.Persist{Moves: []store.Move{moveOf(l, "C1", "C9")}})
	e.holds(crm, contacts, "C1", id(1))
	if len(e.pastOf("C1")) != 0 {
		e.t.Fatal("a move that did not happen left an old id")
	}
}

func moveTakesNothing(e *env) {
	e.pair(1)
	e.pair(2)
	i := e.lease(id(1), w1, long)
	l := store.LeaseRef{ID: i.ID, Epoch: i.Epoch}
	e.persist(store.Persist{Release: []store.LeaseRef{l}, Moves: []store.Move{moveOf(l, "C1", "C2")}})
	e.holds(crm, contacts, "C1", id(1))
	e.holds(crm, contacts, "C2", id(2))
	i = e.lease(id(1), w1, long)
	l.Epoch = i.Epoch
	e.persist(store.Persist{Release: []store.LeaseRef{l}, Moves: []store.Move{moveOf(l, "C7", "C8")}})
	e.holds(crm, contacts, "C1", id(1)) // it was another record that moved
}

// mergeIsOnePersist: the loser ends, gives up its record elsewhere, and the winner,
// which had none there, takes it over: all or nothing.
func mergeIsOnePersist(e *env) {
	e.pair(1)
	w := e.born(2) // its create in the erp was not sent
	i := e.lease(id(1), w1, long)
	l := store.LeaseRef{ID: i.ID, Epoch: i.Epoch}
	gone := func(system string) store.MemberUpdate {
		return store.MemberUpdate{System: system, State: "merged", Why: "merged", Cause: "webhook", Base: json.RawMessage(`{"n":1}`)}
	}
	e.persist(store.Persist{
		Identities: []store.IdentityUpdate{{LeaseRef: l, Link: link, State: "merged", MergedInto: w.ID, SetKeys: true, Members: []store.MemberUpdate{gone(crm), gone(erp)}}},
		Release:    []store.LeaseRef{w},
		Moves:      []store.Move{{IdentityID: w.ID, System: erp, Object: partners, To: "E1", Why: "merged"}},
	})
	if x := e.identity(id(1)); x.State != "merged" {
		e.t.Fatalf("the loser is %s", x.State)
	}
	e.holds(erp, partners, "E1", id(2))
	if m := e.member(id(2), erp); m.State != "active" || m.Base != nil {
		e.t.Fatalf("the winner's member %+v", m)
	}
	e.holds(crm, contacts, "C1", "")
	if p := e.pastOf("C1"); len(p) != 1 || p[0].MergedInto != id(2) || p[0].Of != "merged" {
		e.t.Fatalf("the loser's id leads to %+v", p)
	}
}

func moveLeavesOpenCreates(e *env) {
	l := e.born(1)
	e.intendCreate(l, 0)
	e.persist(store.Persist{Release: []store.LeaseRef{l}, Moves: []store.Move{{IdentityID: l.ID, System: erp, Object: partners, To: "E9", Why: "merged"}}})
	if m := e.member(id(1), erp); m.RecordID != "" {
		e.t.Fatalf("a member whose create is under way was given record %s", m.RecordID)
	}
}

func eraseFindsAliases(e *env) {
	e.pair(1)
	i := e.lease(id(1), w1, long)
	l := store.LeaseRef{ID: i.ID, Epoch: i.Epoch}
	e.persist(store.Persist{Release: []store.LeaseRef{l}, Moves: []store.Move{moveOf(l, "C1", wasID)}})
	o := erasure()
	o.RecordID = "C1"
	got := e.erase(o)
	e.same("erased", got.Identities, []string{id(1)})
	if got.Tombstones != 3 || got.Wiped["alias"] != 1 {
		e.t.Fatalf("certificate %+v, want all three ids buried", got)
	}
	e.holds(crm, contacts, wasID, "")
}

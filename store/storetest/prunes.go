package storetest

import (
	"fmt"
	"time"

	"syncd/store"
)

// pruneLaws say what evidence may go, and what never goes.
var pruneLaws = []law{
	{"PruneTakesOldEvidenceOldestFirst", pruneTakesOldEvidence},
	{"PruneLeavesTheYoung", pruneLeavesTheYoung},
	{"PruneLeavesWhatStillCounts", pruneLeavesWhatCounts},
}

// old is an age that everything written before pass(old) has, and that nothing
// written after it reaches while a busy machine runs the law.
const old = 500 * time.Millisecond

func (e *env) receipts(n int) {
	e.t.Helper()
	for i := range n {
		e.ok(e.Receive(e.ctx, []store.Receipt{{System: crm, DeliveryKey: fmt.Sprintf("d%d", i), Events: 1}}))
	}
}

// write leaves n lines of history of record C1.
func (e *env) write(n int) {
	e.t.Helper()
	for range n {
		e.persist(store.Persist{History: []store.Entry{{System: crm, Object: contacts, RecordID: "C1", Cause: "webhook", Action: "update"}}})
	}
}

func (e *env) prune(a store.Ages, most int) store.Pruned {
	e.t.Helper()
	got, err := e.Prune(e.ctx, a, most)
	e.ok(err)
	return got
}

func pruneTakesOldEvidence(e *env) {
	e.receipts(5)
	e.write(5)
	e.pass(2 * old)
	e.write(1) // young
	ages := store.Ages{Deliveries: old, History: old}
	e.equal("the first prune", e.prune(ages, 3), store.Pruned{Deliveries: 3, History: 3})
	e.equal("the second", e.prune(ages, 3), store.Pruned{Deliveries: 2, History: 2})
	e.equal("the third", e.prune(ages, 3), store.Pruned{})
	hist, err := e.History(e.ctx, crm, contacts, "C1", 10)
	e.ok(err)
	e.equal("history that is left", len(hist), 1)
}

func pruneLeavesTheYoung(e *env) {
	e.receipts(2)
	e.write(2)
	e.pass(2 * old)
	e.equal("an hour is longer", e.prune(store.Ages{Deliveries: time.Hour, History: time.Hour, Trash: time.Hour}, 9), store.Pruned{})
	e.equal("no age keeps for ever", e.prune(store.Ages{}, 9), store.Pruned{})
}

// pruneLeavesWhatCounts: open trash, parked work and pairs are no evidence; they
// wait for a person or are what the flows decide by.
func pruneLeavesWhatCounts(e *env) {
	e.pair(1)
	e.hint("A", "B")
	cs := e.claim("A", "B")
	for _, c := range cs {
		f := store.Finish{WorkRef: c.WorkRef, Disposition: store.Dead, Reason: "refused"}
		if c.RecordID == "B" {
			f.Disposition = store.Parked
		}
		e.persist(store.Persist{Work: []store.Finish{f}})
	}
	e.pass(2 * old)
	e.equal("pruned", e.prune(store.Ages{Deliveries: old, History: old, Trash: old}, 9).Trash, 0)
	if r := e.trashOf("A"); !r.ResolvedAt.IsZero() {
		e.t.Fatalf("trash row %+v, want it open", r)
	}
	rows, err := e.Waiting(e.ctx, 10)
	e.ok(err)
	e.equal("parked rows", len(rows), 1)
	pairs, err := e.Pairs(e.ctx, store.PairQuery{})
	e.ok(err)
	e.equal("rows of the pairwise view", len(pairs), 2)
	if !e.canMove() {
		return
	}
	e.hint("A")
	e.pass(61 * time.Minute)
	e.done(e.one("A")) // it went through: the trash row is settled
	e.pass(2 * old)
	e.equal("settled trash", e.prune(store.Ages{Trash: old}, 9), store.Pruned{Trash: 1})
}

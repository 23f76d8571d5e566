package storetest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"syncd/store"
)

// Benchmark measures the calls of every batch: enqueue, claim with 100,000 rows
// queued, and persist. A figure is per call, not per row.
func Benchmark(b *testing.B, open func(b *testing.B) Store) {
	for _, rows := range []int{1, 100} {
		b.Run(fmt.Sprintf("Enqueue%d", rows), func(b *testing.B) { benchEnqueue(newEnv(b, open(b)), b, rows) })
		b.Run(fmt.Sprintf("Claim%dOf100000", rows), func(b *testing.B) { benchClaim(newEnv(b, open(b)), b, rows) })
		b.Run(fmt.Sprintf("Persist%d", rows), func(b *testing.B) { benchPersist(newEnv(b, open(b)), b, rows) })
		b.Run(fmt.Sprintf("Holders%d", rows), func(b *testing.B) { benchHolders(newEnv(b, open(b)), b, rows) })
	}
	b.Run("Due", func(b *testing.B) { benchDue(newEnv(b, open(b)), b) })
}

func benchEnqueue(e *env, b *testing.B, rows int) {
	n := 0
	for b.Loop() {
		hs := make([]store.Hint, rows)
		for k := range hs {
			hs[k] = hintOf(crm, contacts, fmt.Sprint(n))
			n++
		}
		e.ok(e.Enqueue(e.ctx, hs))
	}
}

// benchClaim gives what it claimed back outside the clock, so that the queue
// stays as long as it is.
func benchClaim(e *env, b *testing.B, rows int) {
	const queued = 100_000
	for from := 0; from < queued; from += 1000 {
		hs := make([]store.Hint, 1000)
		for k := range hs {
			hs[k] = hintOf(crm, contacts, fmt.Sprintf("%06d", from+k))
		}
		e.ok(e.Enqueue(e.ctx, hs))
	}
	for b.Loop() {
		cs := e.claimAs(w1, rows, time.Hour)
		b.StopTimer()
		e.equal("claimed", len(cs), rows)
		e.persist(store.Persist{Work: finishes(cs, store.Again)})
		b.StartTimer()
	}
}

// benchPersist ends batches as an update does: two bases, one line of history,
// the row done.
func benchPersist(e *env, b *testing.B, rows int) {
	var hs []store.Hint
	for n := 1; n <= rows; n++ {
		e.pair(n)
		hs = append(hs, hintOf(crm, contacts, fmt.Sprintf("C%d", n)))
	}
	body := json.RawMessage(`{"email":{"v":"ada@example.org","r":"1"},"phone":{"v":"+420123456789","r":"1"}}`)
	for b.Loop() {
		b.StopTimer()
		e.ok(e.Enqueue(e.ctx, hs))
		var p store.Persist
		for _, c := range e.claimAs(w1, rows, time.Hour) {
			p.Identities = append(p.Identities, store.IdentityUpdate{LeaseRef: leaseOf(c), Link: link, Members: []store.MemberUpdate{
				{System: crm, Base: body, BaseVersion: "v"}, {System: erp, Base: body, BaseVersion: "v"}}})
			p.History = append(p.History, store.Entry{IdentityID: c.Identity.ID, System: crm, Object: contacts, RecordID: c.RecordID, Cause: "webhook", Action: "update", Fields: body})
			p.Work = append(p.Work, store.Finish{WorkRef: c.WorkRef, IdentityID: c.Identity.ID, Disposition: store.Done})
		}
		b.StartTimer()
		if got := e.persist(p); len(got.Fenced)+len(got.Lost) > 0 {
			b.Fatalf("persisted %+v", got)
		}
	}
}

// benchDue asks as the dispatcher does: two objects, every lane, nothing due.
func benchDue(e *env, b *testing.B) {
	var queues []store.Queue
	for lane := store.LaneLive; lane <= store.LaneBackfill; lane++ {
		queues = append(queues, store.Queue{System: crm, Object: contacts, Lane: lane}, store.Queue{System: erp, Object: partners, Lane: lane})
	}
	for b.Loop() {
		got, err := e.Due(e.ctx, queues)
		e.ok(err)
		e.equal("due", len(got), 0)
	}
}

func benchHolders(e *env, b *testing.B, rows int) {
	var ids []string
	for n := 1; n <= rows; n++ {
		e.pair(n)
		ids = append(ids, fmt.Sprintf("C%d", n))
	}
	for b.Loop() {
		held, err := e.Holders(e.ctx, crm, contacts, ids)
		e.ok(err)
		e.equal("held", len(held), rows)
	}
}

package storetest

import (
	"slices"
	"sync"
	"time"

	"syncd/store"
)

// queueLaws say how hints become attempts (CORRECTNESS 3.3).
var queueLaws = []law{
	{"HintTwiceRunsOnce", hintTwiceRunsOnce},
	{"HintWhileRunningRunsAgain", hintWhileRunningRunsAgain},
	{"HintNeverShortensALease", hintNeverShortensALease},
	{"HintNeverShortensABackOff", hintNeverShortensABackOff},
	{"HintDelayIsKept", hintDelayIsKept},
	{"QueuesAreApart", queuesAreApart},
	{"DueNamesQueuesWithDueRows", dueNamesQueuesWithDueRows},
	{"NeverTwoLeases", neverTwoLeases},
	{"FinishedRowStartsWithANewFence", finishedRowStartsWithANewFence},
	{"HintBetweenClaimAndFinishIsNotLost", hintBetweenClaimAndFinishIsNotLost},
	{"OwnHintOfQuietMemberMakesNoRow", ownHintOfQuietMemberMakesNoRow},
	{"OwnHintIsKeptWhereItMatters", ownHintIsKeptWhereItMatters},
	{"UnknownVersionKeepsHintVersion", unknownVersionKeepsHintVersion},
	{"NewestHintNamesTheCause", newestHintNamesTheCause},
}

func hintTwiceRunsOnce(e *env) {
	e.hint("A", "B", "A")
	e.hint("B", "A")
	e.done(e.claim("A", "B")...)
	e.none()
}

func hintWhileRunningRunsAgain(e *env) {
	e.hint("A")
	c := e.one("A")
	e.hint("A")
	e.none()
	e.same("rerun", refs(e.done(c).Rerun), []string{"A"})
	c = e.one("A")
	e.same("rerun", refs(e.done(c).Rerun), nil)
	e.none()
}

func hintNeverShortensALease(e *env) {
	e.hint("A")
	e.one("A")
	e.hint("A")
	e.none()
}

func hintNeverShortensABackOff(e *env) {
	again := func(c store.Claimed, blame int, whole bool) store.Finish {
		return store.Finish{WorkRef: c.WorkRef, Disposition: store.Again, After: long, Blame: blame, WholeCall: whole}
	}
	e.hint("own")
	e.finish(again(e.one("own"), 0, false))
	e.hint("own")
	e.none()

	e.hint("W1", "W2")
	cs := e.claim("W1", "W2")
	e.finish(again(cs[0], 0, true), again(cs[1], 0, true))
	e.hint("W1", "W2")
	e.none()

	// A row that only waits, blamed for nothing, is brought forward by news.
	e.hint("free")
	e.finish(again(e.one("free"), -1, false))
	e.none()
	e.hint("free")
	e.one("free")
}

func hintDelayIsKept(e *env) {
	h := hintOf(crm, contacts, "A")
	h.Delay = long
	e.ok(e.Enqueue(e.ctx, []store.Hint{h}))
	e.none()
	e.hint("A") // without a delay: sooner wins
	e.done(e.one("A"))

	h.Delay = short
	e.ok(e.Enqueue(e.ctx, []store.Hint{h}))
	e.pass(2 * short)
	e.one("A")
}

func queuesAreApart(e *env) {
	sweep := hintOf(crm, contacts, "S")
	sweep.Lane = store.LaneSweep
	e.ok(e.Enqueue(e.ctx, []store.Hint{sweep, hintOf(crm, contacts, "L"), hintOf(erp, partners, "L")}))
	e.claim("L")
	e.same("sweep lane", recordsOf(e.claimFrom(crm, contacts, store.LaneSweep, w1, 10, long)), []string{"S"})
	e.same("erp", recordsOf(e.claimFrom(erp, partners, store.LaneLive, w1, 10, long)), []string{"L"})

	sweep.RecordID = "T"
	e.ok(e.Enqueue(e.ctx, []store.Hint{sweep}))
	e.hint("T") // the more urgent lane wins
	e.claim("T")
}

func dueNamesQueuesWithDueRows(e *env) {
	ask := []store.Queue{
		{System: erp, Object: partners, Lane: store.LaneSweep}, {System: crm, Object: contacts, Lane: store.LaneLive},
		{System: erp, Object: partners, Lane: store.LaneLive}, {System: shop, Object: customers, Lane: store.LaneLive}}
	due := func(want ...store.Queue) {
		e.t.Helper()
		got, err := e.Due(e.ctx, ask)
		e.ok(err)
		if !slices.Equal(got, want) {
			e.t.Fatalf("due: %+v, want %+v", got, want)
		}
	}
	due()
	late, sweep := hintOf(shop, customers, "S"), hintOf(erp, partners, "E")
	late.Delay, sweep.Lane = long, store.LaneSweep
	e.ok(e.Enqueue(e.ctx, []store.Hint{late, sweep, hintOf(crm, contacts, "A"), hintOf(crm, contacts, "B")}))
	due(ask[0], ask[1])
	cs := e.claim("A", "B")
	due(ask[0]) // claimed is not due
	e.finish(park(cs[0]), store.Finish{WorkRef: cs[1].WorkRef, Disposition: store.Again})
	due(ask[0], ask[1])
	e.done(e.one("B"))
	due(ask[0]) // parked is not due
}

// neverTwoLeases: claimed at the same time by many, a row goes to one, and so
// does an identity whose two records are in two queues.
func neverTwoLeases(e *env) {
	const rows, workers = 20, 8
	var hs []store.Hint
	for n := range rows {
		i := e.identity(e.pair(n + 1))
		for _, m := range i.Members {
			hs = append(hs, hintOf(m.System, m.Object, m.RecordID))
		}
	}
	e.ok(e.Enqueue(e.ctx, hs))

	var mu sync.Mutex
	var wg sync.WaitGroup
	rowsGot, leases := map[string]int{}, map[string]int{}
	for w := range workers {
		wg.Go(func() {
			q := store.ClaimRequest{System: crm, Object: contacts, Max: 3, Owner: string(rune('a' + w)), Lease: long}
			if w%2 == 1 {
				q.System, q.Object = erp, partners
			}
			for {
				got, err := e.Claim(e.ctx, q)
				if err != nil || len(got) == 0 {
					if err != nil {
						e.t.Error(err)
					}
					return
				}
				mu.Lock()
				for _, c := range got {
					rowsGot[c.System+c.RecordID]++
					if c.Identity != nil && c.Identity.Epoch != 0 {
						leases[c.Identity.ID]++
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	e.equal("rows claimed", len(rowsGot), 2*rows)
	e.equal("identities leased", len(leases), rows)
	for k, n := range rowsGot {
		e.equal("claims of "+k, n, 1)
	}
	for k, n := range leases {
		e.equal("leases of "+k, n, 1)
	}
}

// finishedRowStartsWithANewFence: done deletes the row, so a fence counted per
// row starts again and lets a zombie in (ABA).
func finishedRowStartsWithANewFence(e *env) {
	e.hint("A")
	zombie := e.claimAs(w1, 1, short)[0]
	e.pass(2 * short)
	second := e.claimAs(w2, 1, long)[0]
	e.persist(store.Persist{Owner: w2, Work: []store.Finish{{WorkRef: second.WorkRef, Disposition: store.Done}}})
	e.hint("A")
	third := e.claimAs(w2, 1, long)[0]
	if zombie.Epoch >= second.Epoch || second.Epoch >= third.Epoch {
		e.t.Fatalf("epochs %d, %d, %d do not rise", zombie.Epoch, second.Epoch, third.Epoch)
	}
	for _, d := range []store.Disposition{store.Done, store.Again, store.Parked, store.Dead} {
		got := e.finish(store.Finish{WorkRef: zombie.WorkRef, Disposition: d, Reason: "zombie"})
		e.same("lost by the zombie", refs(got.Lost), []string{"A"})
	}
	e.none()
	got := e.persist(store.Persist{Owner: w2, Work: []store.Finish{{WorkRef: third.WorkRef, Disposition: store.Done}}})
	e.equal("lost by the holder", len(got.Lost), 0)
	e.none()
}

func hintBetweenClaimAndFinishIsNotLost(e *env) {
	for _, d := range []store.Disposition{store.Done, store.Again, store.Parked, store.Dead} {
		record := "R-" + string(d)
		e.hint(record)
		c := e.one(record)
		e.hint(record)
		e.finish(store.Finish{WorkRef: c.WorkRef, Disposition: d, Reason: "test"})
		e.done(e.one(record))
	}
	e.none()
	trash, err := e.Trash(e.ctx, 10)
	e.ok(err)
	e.equal("trash rows of a record with news", len(trash), 0)
}

func own(system, object, record string) store.Hint {
	h := hintOf(system, object, record)
	h.Own = true
	return h
}

func ownHintOfQuietMemberMakesNoRow(e *env) {
	e.pair(1)
	e.ok(e.Enqueue(e.ctx, []store.Hint{own(crm, contacts, "C1"), own(crm, contacts, "C1")}))
	e.none()
}

// ownHintIsKeptWhereItMatters: an unknown record, an open intent, a pending
// row, and a mark on only some of the hints (F25 layer 1).
func ownHintIsKeptWhereItMatters(e *env) {
	e.ok(e.Enqueue(e.ctx, []store.Hint{own(crm, contacts, "unknown")}))
	e.done(e.one("unknown"))

	i := e.lease(e.pair(1), w1, long)
	got, err := e.IntendUpdates(e.ctx, w1, []store.UpdateIntent{{IdentityID: i.ID, Epoch: i.Epoch, Link: link, System: crm, Intent: []byte(`{"f":1}`)}})
	e.ok(err)
	e.same("intended", got, []string{i.ID})
	e.ok(e.Enqueue(e.ctx, []store.Hint{own(crm, contacts, "C1")}))
	e.done(e.one("C1"))

	e.pair(2)
	e.hint("C2")
	c := e.one("C2")
	e.ok(e.Enqueue(e.ctx, []store.Hint{own(crm, contacts, "C2")}))
	e.same("rerun", refs(e.done(c).Rerun), []string{"C2"})
	e.done(e.one("C2"))

	e.ok(e.Enqueue(e.ctx, []store.Hint{own(crm, contacts, "C2"), hintOf(crm, contacts, "C2")}))
	e.done(e.one("C2"))
	e.none()
}

// unknownVersionKeepsHintVersion: a hint without a version takes none away,
// and versions compare as bytes.
func unknownVersionKeepsHintVersion(e *env) {
	for _, c := range []struct {
		versions []string
		want     string
	}{{[]string{"5", ""}, "5"}, {[]string{"", "3"}, "3"}, {[]string{"a", "B"}, "a"}, {[]string{"B", "a", "10", "9"}, "a"}, {[]string{"", ""}, ""}} {
		for _, oneCall := range []bool{true, false} {
			var hs []store.Hint
			for _, v := range c.versions {
				h := hintOf(crm, contacts, "A")
				h.Version = v
				hs = append(hs, h)
			}
			if oneCall {
				e.ok(e.Enqueue(e.ctx, hs))
			} else {
				for _, h := range hs {
					e.ok(e.Enqueue(e.ctx, []store.Hint{h}))
				}
			}
			got := e.one("A")
			e.equal("hint version", got.HintVersion, c.want)
			e.done(got)
		}
	}
}

func newestHintNamesTheCause(e *env) {
	e.ok(e.Enqueue(e.ctx, []store.Hint{
		{System: crm, Object: contacts, RecordID: "A", Cause: "sweep", Trace: "t1"},
		{System: crm, Object: contacts, RecordID: "A", Cause: "webhook", DeliveryKey: "d2", Trace: "t2"}}))
	first := e.one("A")
	e.equal("cause", first.Cause+first.DeliveryKey+first.Trace, "webhookd2t2")
	e.ok(e.Enqueue(e.ctx, []store.Hint{{System: crm, Object: contacts, RecordID: "A", Cause: "operator"}}))
	e.done(first)
	second := e.one("A")
	e.equal("cause", second.Cause+second.DeliveryKey+second.Trace, "operator")
	if second.FirstHint.IsZero() || !second.FirstHint.Equal(first.FirstHint) {
		e.t.Fatalf("first hint moved from %v to %v", first.FirstHint.Format(time.RFC3339Nano), second.FirstHint.Format(time.RFC3339Nano))
	}
	if second.Gen <= first.Gen {
		e.t.Fatalf("gen %d after %d", second.Gen, first.Gen)
	}
}

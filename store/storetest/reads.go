package storetest

import (
	"errors"
	"fmt"
	"strings"

	"syncd/store"
)

// readLaws say what people see, and which account a system is.
var readLaws = []law{
	{"PairsViewShowsBothDirections", pairsViewShowsBothDirections},
	{"OtherTenantRefused", otherTenantRefused},
	{"QueuesCountByState", queuesCountByState},
	{"HistoryIsNewestFirst", historyIsNewestFirst},
	{"UnknownIdentityIsNil", unknownIdentityIsNil},
	{"FenceIsAheadOfEveryEpoch", fenceIsAheadOfEveryEpoch},
}

func fenceIsAheadOfEveryEpoch(e *env) {
	fence := func() int64 {
		e.t.Helper()
		n, err := e.Fence(e.ctx)
		e.ok(err)
		return n
	}
	last := fence()
	for n := range 3 {
		e.hint(fmt.Sprint("A", n))
		c := e.claim(fmt.Sprint("A", n))[0]
		cur, ok, err := e.LeaseCursor(e.ctx, crm, contacts, "changed", w1, long)
		e.ok(err)
		now := fence()
		if !ok || now < c.Epoch || now < cur.Epoch || now <= last {
			e.t.Fatalf("fence %d after %d; epochs %d and %d", now, last, c.Epoch, cur.Epoch)
		}
		if again := fence(); again != now {
			e.t.Fatalf("looking at the fence moved it from %d to %d", now, again)
		}
		e.ok(e.ReleaseCursor(e.ctx, store.CursorRef{System: crm, Object: contacts, Kind: "changed", Epoch: cur.Epoch}))
		last = now
	}
}

func pairsViewShowsBothDirections(e *env) {
	e.pair(1)
	e.pair(2)
	e.born(3) // no record in the erp: no pair
	all, err := e.Pairs(e.ctx, store.PairQuery{})
	e.ok(err)
	var got []string
	for _, p := range all {
		got = append(got, fmt.Sprintf("%s/%s/%s>%s/%s/%s %v %s", p.SourceSystem, p.SourceObject, p.SourceID, p.TargetSystem, p.TargetObject, p.TargetID, p.Active, p.CanonicalID))
		if p.CreatedAt.IsZero() || p.CreatedBy != "test" || p.Link != link {
			e.t.Fatalf("pair %+v", p)
		}
	}
	var want []string
	for n := 1; n <= 2; n++ {
		want = append(want, fmt.Sprintf("crm/contacts/C%d>erp/partners/E%d true %s", n, n, id(n)), fmt.Sprintf("erp/partners/E%d>crm/contacts/C%d true %s", n, n, id(n)))
	}
	e.same("pairs", got, want)
	for _, c := range []struct {
		q    store.PairQuery
		want int
	}{
		{store.PairQuery{SourceSystem: crm, SourceID: "C1"}, 1}, {store.PairQuery{SourceSystem: crm, SourceID: "E1"}, 0},
		{store.PairQuery{TargetSystem: crm}, 2}, {store.PairQuery{Link: "suppliers"}, 0}, {store.PairQuery{Link: link, Limit: 3}, 3},
	} {
		ps, err := e.Pairs(e.ctx, c.q)
		e.ok(err)
		e.equal(fmt.Sprintf("pairs of %+v", c.q), len(ps), c.want)
	}
}

func otherTenantRefused(e *env) {
	rows := systems()
	rows[0].Tenant = "somebody else's"
	rows[0].Objects = append(rows[0].Objects, store.ObjectRow{Object: "deals", CreateClass: "search"})
	err := e.Register(e.ctx, rows)
	if !errors.Is(err, store.ErrOtherTenant) || !strings.Contains(err.Error(), crm) {
		e.t.Fatalf("register of another tenant: %v, want ErrOtherTenant naming %s", err, crm)
	}
	// Nothing was written for it: its new object is unknown.
	if _, err := e.ClaimIdentities(e.ctx, w1, long, []store.NewIdentity{newFrom(1, crm, "deals", "D1")}); err == nil {
		e.t.Fatal("an object was registered for a refused tenant")
	}
	rows[0].Tenant = "" // not known yet: nothing to compare
	e.ok(e.Register(e.ctx, rows))
	e.claimIdentities(newFrom(1, crm, "deals", "D1"))
	if err := e.Register(e.ctx, []store.SystemRow{{System: crm, Kind: "demo", Tenant: "third"}}); !errors.Is(err, store.ErrOtherTenant) {
		e.t.Fatalf("the pinned tenant was forgotten: %v", err)
	}
	e.ok(e.Register(e.ctx, systems()))
}

func queuesCountByState(e *env) {
	e.hint("due", "running", "parked", "waiting")
	late := hintOf(crm, contacts, "late")
	late.Delay, late.Lane = long, store.LaneSweep
	e.ok(e.Enqueue(e.ctx, []store.Hint{late, hintOf(erp, partners, "E")}))
	var fs []store.Finish
	for _, c := range e.claimAs(w1, 4, long) {
		switch c.RecordID {
		case "due":
			fs = append(fs, store.Finish{WorkRef: c.WorkRef, Disposition: store.Again})
		case "parked":
			fs = append(fs, park(c))
		case "waiting":
			f := again(c, 0)
			f.After = long
			fs = append(fs, f)
		}
	}
	e.finish(fs...)
	stats, err := e.Queues(e.ctx)
	e.ok(err)
	got := map[string]string{}
	for _, q := range stats {
		got[fmt.Sprintf("%s/%s/%d", q.System, q.Object, q.Lane)] = fmt.Sprintf("%d due %d running %d waiting %d parked, oldest %v", q.Due, q.Running, q.Waiting, q.Parked, !q.OldestDue.IsZero())
	}
	e.equal("queues", got, map[string]string{
		"crm/contacts/0": "1 due 1 running 1 waiting 1 parked, oldest true",
		"crm/contacts/2": "0 due 0 running 1 waiting 0 parked, oldest true",
		"erp/partners/0": "1 due 0 running 0 waiting 0 parked, oldest true"})
	e.finish(park(e.one("due")))
}

func historyIsNewestFirst(e *env) {
	for n := range 3 {
		e.persist(store.Persist{History: []store.Entry{
			{System: crm, Object: contacts, RecordID: "A", Cause: "sweep", Action: fmt.Sprint(n)},
			{System: crm, Object: contacts, RecordID: "B", Cause: "sweep", Action: "noop"}}})
	}
	hist, err := e.History(e.ctx, crm, contacts, "A", 2)
	e.ok(err)
	if len(hist) != 2 || hist[0].Action != "2" || hist[1].Action != "1" {
		e.t.Fatalf("history %+v, want the newest two of A", hist)
	}
}

func unknownIdentityIsNil(e *env) {
	if i := e.identity(id(404)); i != nil {
		e.t.Fatalf("an unknown identity is %+v", i)
	}
}

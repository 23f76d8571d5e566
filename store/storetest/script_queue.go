package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"syncd/store"
)

// hint enqueues, or receives a delivery whose key may be known.
func (p *player) hint() {
	var hs []store.Hint
	lane, own := store.LaneLive, p.n(3) == 0
	if p.n(4) == 3 {
		lane = store.LaneSweep
	}
	key := ""
	if p.coin() {
		key = fmt.Sprintf("d%d-%s", p.n(3), p.where)
	}
	for range 1 + p.n(4) {
		s := p.system()
		h := store.Hint{System: s, Object: p.object(s), RecordID: p.record(s), Lane: lane, Own: own, Cause: "webhook", DeliveryKey: key,
			Version: []string{"", "1", "2", "3"}[p.n(4)], Delay: time.Duration(p.n(3)) * time.Second}
		if !p.plain && p.n(8) == 7 {
			h.Own = !own
		}
		hs = append(hs, h)
	}
	each(p, hs, func(hs []store.Hint) {
		if key == "" {
			p.must(p.e.Enqueue(context.Background(), hs))
		} else {
			p.must(p.e.Receive(context.Background(), []store.Receipt{{System: crm, DeliveryKey: key, Events: len(hs), Hints: hs}}))
			p.truth.receipts[key]++
		}
		p.truth.enqueue(hs)
	})
}

// claim compares by what the laws fix: rows that are due at the same instant
// may be claimed in any order, so the truth follows the store's choice.
func (p *player) claim() {
	s, most, owner, lane := p.system(), 1+p.n(5), p.owner(p.n(2)), store.Lanes[p.n(3)]
	if q := p.dueQueues(); len(q) > 0 && p.n(8) > 0 {
		at := p.n(len(q))
		s, lane = q[at].System, q[at].Lane
	}
	if p.plain {
		most = 100
	}
	got, err := p.e.Claim(context.Background(), store.ClaimRequest{System: s, Object: p.object(s), Lane: lane, Max: most, Owner: owner, Lease: modelLease})
	p.must(err)
	var due []*row
	for at, r := range p.truth.rows {
		if at.system == s && r.lane == lane && p.truth.isDue(r) {
			due = append(due, r)
		}
	}
	p.fits(due, len(got), most)
	before := p.truth.last
	p.claims++
	for _, c := range got {
		p.got(c, owner, len(got), before)
		p.picked[fmt.Sprint(p.claims)] = append(p.picked[fmt.Sprint(p.claims)], c.RecordID)
	}
}

// dueQueues lists the queues that a claim finds something in.
func (p *player) dueQueues() []store.Queue {
	set := map[store.Queue]bool{}
	for at, r := range p.truth.rows {
		if p.truth.isDue(r) {
			set[store.Queue{System: at.system, Lane: r.lane}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(set), store.Queue.Compare)
}

// fits judges how many rows were claimed: the oldest says how many at most; of
// equally old ones, any.
func (p *player) fits(due []*row, got, most int) {
	if len(due) == 0 || got == 0 {
		if len(due) != got {
			p.fail("how many rows a claim takes", "claimed %d rows, %d are due", got, len(due))
		}
		return
	}
	oldest := slices.MinFunc(due, func(a, b *row) int { return int(a.due - b.due) }).due
	if !slices.ContainsFunc(due, func(head *row) bool {
		n, bear := bears(head, most), 0
		for _, r := range due {
			if bears(r, most) >= n {
				bear++
			}
		}
		return head.due == oldest && got == min(n, bear)
	}) {
		p.fail("how many rows a claim takes", "claimed %d rows of %d that are due", got, len(due))
	}
}

// got takes over one claimed row and the lease that came with it. Epochs rise
// over the whole installation; the rows of one call may share one.
func (p *player) got(c store.Claimed, owner string, n int, before int64) {
	r := p.truth.rows[spot{c.System, c.RecordID}]
	switch {
	case r == nil || !p.truth.isDue(r):
		p.fail("a row that is not due was claimed", "claimed %s, which is not due: %+v", c.RecordID, r)
	case r.cap != 0 && n > r.cap:
		p.fail("a row was claimed with more than it bears", "claimed %s with %d rows, it bears %d", c.RecordID, n, r.cap)
	}
	p.newEpoch(c.Epoch, before)
	p.tally["claimed rows"]++
	p.truth.claimed(r, owner, c.Epoch, modelLease, n)
	if c.Attempts != r.attempts || c.HintVersion != r.version || int(c.Gen) != r.gen || c.Cause != r.cause || c.DeliveryKey != r.key || c.Batch != n {
		p.fail("what a claimed row says", "claimed %+v, want %+v", c.Work, *r)
	}
	f := store.Finish{WorkRef: c.WorkRef}
	id := p.truth.holderOf(spot{c.System, c.RecordID})
	if (c.Identity == nil) != (id == "") || c.Identity != nil && c.Identity.ID != id {
		p.fail("whose record it is", "%s came with identity %+v, it belongs to %q", c.RecordID, c.Identity, id)
	}
	if id != "" {
		f.IdentityID = id
		p.leased(c.Identity, owner, before)
		p.sameIdentity(c.Identity)
	}
	p.works = keep(p.works, f)
}

// leased takes over a lease, which must be there if, and only if, it was free.
func (p *player) leased(i *store.Identity, owner string, before int64) {
	q := p.truth.ids[i.ID]
	if free := p.truth.isFree(q); free != (i.Epoch != 0) {
		p.fail("whose lease it is", "identity %s: epoch %d, free %v: %+v", i.ID, i.Epoch, free, *q)
	}
	if i.Epoch == 0 {
		return
	}
	p.newEpoch(i.Epoch, before)
	q.owner, q.epoch, q.until = owner, i.Epoch, p.truth.now+modelLease
	p.leases = keep(p.leases, lease{store.LeaseRef{ID: i.ID, Epoch: i.Epoch}, owner})
}

func (p *player) newEpoch(epoch, before int64) {
	if epoch <= before {
		p.fail("epochs rise", "epoch %d was given out after %d", epoch, before)
	}
	p.truth.last = max(p.truth.last, epoch)
}

func keep[T any](list []T, one T) []T {
	list = append(list, one)
	return list[max(0, len(list)-modelKept):]
}

package storetest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"syncd/store"
)

// found claims new identities: of either system, with keys that collide.
func (p *player) found() {
	var cs []store.NewIdentity
	first, named := p.n(modelPeople), map[spot]bool{}
	for n := 0; p.truth.ids[p.id(first)] != nil && n < modelPeople && p.n(8) > 0; n++ {
		first = (first + 1) % modelPeople
	}
	for k := range 1 + p.n(3) {
		n := (first + k) % modelPeople
		from := p.system()
		met, in := p.sentCreate()
		if in != "" && p.n(3) == 0 {
			from = in
		}
		c := store.NewIdentity{ID: p.id(n), Link: p.link(), CreatedBy: "test", Ask: p.n(4) == 0, Exact: p.n(5) == 0,
			Source: store.NewMember{System: from, Object: p.object(from), RecordID: p.record(from), Token: fmt.Sprintf("t%d-%s", n, p.where), Birth: fmt.Sprint("b", n)}}
		at := spot{from, c.Source.RecordID}
		if named[at] {
			continue // the rows of one batch are collapsed before (3.7)
		}
		named[at] = true
		if to := sides[1-slices.Index(sides, from)]; p.n(4) > 0 {
			c.Targets = []store.NewMember{{System: to, Object: p.object(to), Token: c.Source.Token}}
		}
		for range 1 + p.n(3) {
			c.Keys = append(c.Keys, p.key())
		}
		if in == from {
			c.Keys = append(c.Keys, met)
		}
		cs = append(cs, c)
	}
	slices.SortFunc(cs, func(a, b store.NewIdentity) int { return cmp.Compare(a.ID, b.ID) }) // so they are settled
	owner, before := p.owner(p.n(2)), p.truth.last
	each(p, cs, func(cs []store.NewIdentity) {
		got, err := p.e.ClaimIdentities(context.Background(), owner, modelLease, cs)
		p.must(err)
		for n, c := range cs {
			p.settled(c, got[n], p.truth.claim(c), owner, before)
		}
	})
}

// sentCreate finds a key whose holder waits for the answer of a create, and the
// system that the create went to: a claim from there must wait (F6).
func (p *player) sentCreate() (store.Key, string) {
	for _, k := range slices.SortedFunc(maps.Keys(p.truth.keys), compareKeys) {
		for _, s := range sides {
			if m := p.truth.ids[p.truth.keys[k].id].members[s]; m != nil && m.record == "" && m.sent {
				return k, s
			}
		}
	}
	return store.Key{}, ""
}

// settled compares one verdict.
func (p *player) settled(c store.NewIdentity, got, want store.ClaimResult, owner string, before int64) {
	if got.Verdict != want.Verdict || got.IdentityID != want.IdentityID || got.Free != want.Free {
		p.fail("the verdict on a claim", "claim of %s by %s %s: the store says %+v, the truth %+v", c.ID, c.Source.System, c.Source.RecordID, got, want)
	}
	p.tally[string(got.Verdict)]++
	if got.Verdict != store.VerdictNew {
		return
	}
	p.want("shared keys of "+c.ID, keysOf(got.Shared), keysOf(want.Shared))
	p.newEpoch(got.Epoch, before)
	q := p.truth.ids[c.ID]
	q.owner, q.epoch, q.until = owner, got.Epoch, p.truth.now+modelLease
	p.leases = keep(p.leases, lease{store.LeaseRef{ID: c.ID, Epoch: got.Epoch}, owner})
}

func keysOf(ks []store.Key) []string {
	var out []string
	for _, k := range ks {
		out = append(out, k.Kind+"="+k.Value)
	}
	return out
}

func (p *player) key() store.Key {
	return store.Key{Kind: []string{"email", "vat"}[p.n(2)], Value: fmt.Sprint("k", p.n(2))}
}

// some gives distinct leases by identity: the newest of each mostly, and stale
// ones, and now and then in another's name.
func (p *player) some() []lease {
	var out []lease
	named := map[string]bool{}
	for range 1 + p.n(3) {
		if len(p.leases) == 0 {
			return nil
		}
		l := p.leases[len(p.leases)-1-p.n(min(len(p.leases), 2+p.n(modelKept)))]
		if !named[l.ID] {
			named[l.ID] = true
			out = append(out, l)
		}
	}
	return out
}

// of keeps the leases of one owner, one of each identity: a call is made by one.
func (p *player) of(ls []lease) (string, []lease) {
	if len(ls) == 0 {
		return "", nil
	}
	owner := ls[0].owner
	if p.n(10) == 9 {
		return p.owner(p.n(2)), ls[:1]
	}
	named := map[string]bool{}
	return owner, slices.DeleteFunc(slices.Clone(ls), func(l lease) bool {
		out := l.owner != owner || named[l.ID]
		named[l.ID] = true
		return out
	})
}

func (p *player) confirm(system, record string) *store.Hint {
	if p.n(3) > 0 {
		return nil
	}
	return &store.Hint{System: system, Object: p.object(system), RecordID: record, Cause: "confirm"}
}

func (p *player) intend() {
	owner, ls := p.of(p.some())
	if n := slices.IndexFunc(p.leases, p.isOurs); n >= 0 && p.n(4) > 0 {
		owner, ls = p.of(p.leases[n:])
	}
	s := p.system()
	var is []store.UpdateIntent
	for _, l := range ls {
		is = append(is, store.UpdateIntent{IdentityID: l.ID, Epoch: l.Epoch, Link: p.link(), System: s, Intent: jsonOf(p.n(9)), Sent: jsonOf(p.n(9)),
			Confirm: p.confirm(s, p.record(s))})
	}
	each(p, is, func(is []store.UpdateIntent) {
		got, err := p.e.IntendUpdates(context.Background(), owner, is)
		p.must(err)
		var want []string
		var hints []store.Hint
		for _, i := range is {
			if p.truth.intendUpdate(owner, i) {
				want = append(want, i.IdentityID)
				if i.Confirm != nil {
					hints = append(hints, *i.Confirm)
				}
			}
		}
		p.truth.enqueue(hints)
		p.want("intended updates", got, want)
	})
}

func (p *player) create() {
	owner, ls := p.of(p.some())
	if n := slices.IndexFunc(p.leases, p.isOpen); n >= 0 && p.n(4) > 0 {
		owner, ls = p.of(p.leases[n : n+1])
	}
	s := p.system()
	for _, l := range ls {
		for _, side := range sides {
			if m := p.truth.ids[l.ID].members[side]; m != nil && m.state.Open() {
				s = side
			}
		}
	}
	var is []store.CreateIntent
	for _, l := range ls {
		i := store.CreateIntent{IdentityID: l.ID, Epoch: l.Epoch, Link: p.link(), System: s, Sends: p.n(2), Intent: jsonOf(p.n(9)), Sent: jsonOf(p.n(9))}
		if q := p.truth.ids[l.ID]; q != nil && q.members[s] != nil && p.n(4) > 0 {
			i.Sends = q.members[s].sends
		}
		is = append(is, i)
	}
	each(p, is, func(is []store.CreateIntent) {
		got, err := p.e.IntendCreates(context.Background(), owner, is)
		p.must(err)
		var want []string
		for _, i := range is {
			if p.truth.intendCreate(owner, i) {
				want = append(want, i.IdentityID)
			}
		}
		p.want("intended creates", got, want)
	})
}

// isOurs says that a lease counts.
func (p *player) isOurs(l lease) bool { return p.truth.leasedTo(l.owner, l.LeaseRef) != nil }

// isOpen says that a lease counts and that its identity waits for a create.
func (p *player) isOpen(l lease) bool {
	q := p.truth.leasedTo(l.owner, l.LeaseRef)
	if q != nil {
		for _, m := range q.members {
			if m.state.Open() && !m.sent {
				return true
			}
		}
	}
	return false
}

func (p *player) takeBack() {
	var rs []store.SendRef
	for range 1 + p.n(3) {
		rs = append(rs, store.SendRef{IdentityID: p.id(p.n(modelPeople)), System: p.system(), Sends: p.n(3)})
	}
	each(p, rs, func(rs []store.SendRef) {
		p.must(p.e.TakeBack(context.Background(), rs))
		for _, r := range rs {
			p.truth.takeBack(r)
		}
	})
}

// bind tells answers of creates; two may name one record.
func (p *player) bind() {
	s, first := p.system(), p.n(modelPeople)
	var bs []store.Binding
	for k := range 1 + p.n(3) {
		b := store.Binding{IdentityID: p.id((first + k) % modelPeople), System: s, Object: p.object(s), RecordID: p.record(s), Birth: []string{"", "bound"}[p.n(2)]}
		b.Confirm = p.confirm(s, b.RecordID)
		bs = append(bs, b)
	}
	each(p, bs, func(bs []store.Binding) {
		got, err := p.e.Bind(context.Background(), bs)
		p.must(err)
		var want []string
		var hints []store.Hint
		for _, b := range bs {
			if p.truth.bind(b) {
				want = append(want, b.IdentityID)
				if b.Confirm != nil {
					hints = append(hints, *b.Confirm)
				}
			}
		}
		p.truth.enqueue(hints)
		p.want("bound", got, want)
	})
}

func (p *player) takeCursor() {
	owner, before := p.owner(p.n(2)), p.truth.last
	c, ok, err := p.e.LeaseCursor(context.Background(), crm, p.object(crm), "changed", owner, modelLease)
	p.must(err)
	if want := p.truth.leaseCursor(owner, modelLease); ok != want {
		p.fail("whose cursor it is", "cursor for %s: leased %v, want %v: %+v", owner, ok, want, p.truth.cursor)
	}
	if !ok {
		return
	}
	p.newEpoch(c.Epoch, before)
	p.truth.cursor.epoch = c.Epoch
	if string(c.Pos) != p.truth.cursor.pos {
		p.fail("where the cursor stands", "the cursor stands at %s, want %s", c.Pos, p.truth.cursor.pos)
	}
	p.cursors = keep(p.cursors, store.CursorRef{System: crm, Object: p.object(crm), Kind: "changed", Epoch: c.Epoch})
}

func (p *player) aCursor() (store.CursorRef, bool) {
	if len(p.cursors) == 0 {
		return store.CursorRef{}, false
	}
	return p.cursors[len(p.cursors)-1-p.n(len(p.cursors))], true
}

func (p *player) sweep() {
	ref, ok := p.aCursor()
	if !ok {
		return
	}
	page := store.SweepPage{CursorRef: ref, Lane: store.LaneSweep, Cause: "sweep", Pos: json.RawMessage(fmt.Sprint(p.n(9)))}
	for range p.n(4) {
		page.Rows = append(page.Rows, store.SeenRow{RecordID: p.record(crm), Mark: fmt.Sprint("m", p.n(3)), Version: fmt.Sprint(p.n(4))})
	}
	n, err := p.e.CommitSweep(context.Background(), page, modelLease)
	want, fenced := p.truth.sweep(page, modelLease)
	if fenced != isFenced(err) || !fenced && err != nil || n != want {
		p.fail("what a sweep commits", "sweep: %d hints, %v; want %d, fenced %v", n, err, want, fenced)
	}
}

func (p *player) releaseCursor() {
	ref, ok := p.aCursor()
	if !ok {
		return
	}
	p.must(p.e.ReleaseCursor(context.Background(), ref))
	if p.truth.cursor.epoch == ref.Epoch {
		p.truth.cursor.owner = ""
	}
}

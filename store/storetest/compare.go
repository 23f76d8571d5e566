package storetest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"syncd/store"
)

// compare looks at what any call may have changed.
func (p *player) compare() {
	p.queues()
	p.pairs()
	p.inside()
	p.identities(false)
}

// identities compares those that a call should have changed, or all.
func (p *player) identities(all bool) {
	for _, id := range slices.Sorted(maps.Keys(p.truth.ids)) {
		if now := fmt.Sprint(shown(p.truth.ids[id])); all || now != p.known[id] {
			p.known[id] = now
			p.identity(id)
		}
	}
}

// all looks at what is left.
func (p *player) all() {
	p.identities(true)
	trash, err := p.e.Trash(context.Background(), 100_000)
	p.must(err)
	var open, want []string
	for _, r := range trash {
		if r.ResolvedAt.IsZero() && r.Object == p.object(r.System) {
			open = append(open, r.System+r.RecordID)
		}
	}
	for at := range p.truth.trash {
		want = append(want, at.system+at.record)
	}
	p.want("open trash", open, want)
	for _, s := range sides {
		for n := range modelRecords {
			at := spot{s, fmt.Sprintf("%s%d", s, n)}
			lines, err := p.e.History(context.Background(), s, p.object(s), at.record, 1000)
			p.must(err)
			if len(lines) != p.truth.history[at] {
				p.fail("lines of history", "%d lines of history of %s, want %d", len(lines), at.record, p.truth.history[at])
			}
		}
	}
	holds, err := p.e.Holds(context.Background())
	p.must(err)
	n := 0
	for _, h := range holds {
		if h.Reason == p.where {
			n++
		}
	}
	if n != len(p.truth.holds) {
		p.fail("closed catches", "%d catches are closed, want %d", n, len(p.truth.holds))
	}
}

type count struct{ due, running, waiting, parked int }

func (p *player) queues() {
	stats, err := p.e.Queues(context.Background())
	p.must(err)
	got, want := map[string]count{}, map[string]count{}
	for _, q := range stats {
		if q.Object == p.object(q.System) {
			got[fmt.Sprint(q.System, q.Lane)] = count{q.Due, q.Running, q.Waiting, q.Parked}
		}
	}
	for at, r := range p.truth.rows {
		name := fmt.Sprint(at.system, r.lane)
		c := want[name]
		switch {
		case r.parked:
			c.parked++
		case p.truth.isDue(r):
			c.due++
		case r.owner != "":
			c.running++
		default:
			c.waiting++
		}
		want[name] = c
	}
	if !maps.Equal(got, want) {
		p.fail("what the queues count", "the queues count %+v, want %+v", got, want)
	}
}

// pairs is I15: the pairwise view is the truth, and both of its directions are
// single-valued.
func (p *player) pairs() {
	ps, err := p.e.Pairs(context.Background(), store.PairQuery{Link: p.link()})
	p.must(err)
	var got, want []string
	partner := map[spot]string{}
	for _, r := range ps {
		got = append(got, fmt.Sprint(r.SourceSystem, r.SourceID, r.TargetSystem, r.TargetID, r.Active, r.CanonicalID))
		if !r.Active {
			continue
		}
		at := spot{r.SourceSystem, r.SourceID}
		if other, twice := partner[at]; twice && other != r.TargetID {
			p.fail("a record with two partners", "%s %s is paired with %s and %s", at.system, at.record, other, r.TargetID)
		}
		partner[at] = r.TargetID
	}
	for id, q := range p.truth.ids {
		for s, m := range q.members {
			for o, n := range q.members {
				if s != o && m.record != "" && n.record != "" {
					want = append(want, fmt.Sprint(s, m.record, o, n.record, m.state == "active" && n.state == "active", id))
				}
			}
		}
	}
	p.want("pairs", got, want)
}

func (p *player) look() Inside {
	in, err := p.e.Store.(Insider).Inside(p.link(), p.where)
	p.must(err)
	return in
}

func (p *player) holderInStore(k store.Key) string { return p.look().Keys[k] }

func (p *player) inside() {
	want := Inside{Keys: map[store.Key]string{}, Leases: map[string]string{}, Receipts: p.truth.receipts}
	for k, h := range p.truth.keys {
		want.Keys[k] = h.id
		if h.shared {
			want.Keys[k] += " shared"
		}
	}
	for id, q := range p.truth.ids {
		if q.owner != "" {
			want.Leases[id] = fmt.Sprint(q.owner, " ", q.epoch)
		}
	}
	if got := p.look(); !reflect.DeepEqual(got, want) {
		p.fail("keys, leases and receipts", "inside: %+v, want %+v", got, want)
	}
}

func (p *player) identity(id string) {
	i, err := p.e.Identity(context.Background(), id)
	p.must(err)
	if i == nil {
		p.fail("an identity is gone", "%s", id)
	}
	p.sameIdentity(i)
}

func (p *player) sameIdentity(i *store.Identity) {
	got := map[string]part{}
	for _, m := range i.Members {
		q := part{record: m.RecordID, token: m.Token, birth: m.Birth, state: m.State, sent: !m.SentAt.IsZero(), sends: m.Sends,
			base: string(m.Base), version: m.BaseVersion, intent: string(m.Intent), ledger: string(m.Sent)}
		for name, f := range m.Fields {
			if q.fields == nil {
				q.fields = map[string]string{}
			}
			q.fields[name] = f.State
		}
		got[m.System] = q
	}
	if want := shown(p.truth.ids[i.ID]); !reflect.DeepEqual(got, want) {
		p.fail("what an identity holds", "identity %s holds\n%+v, want\n%+v", i.ID, got, want)
	}
}

// shown is an identity as the contract shows it: once bound, no send is open.
func shown(q *person) map[string]part {
	out := map[string]part{}
	for s, m := range q.members {
		c := *m
		c.sent = c.sent && c.record == ""
		if len(c.fields) == 0 {
			c.fields = nil
		}
		out[s] = c
	}
	return out
}

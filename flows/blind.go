package flows

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"syncd/connectors"
	"syncd/store"
)

// candidatesShown bounds the records that a parked create is shown with.
const candidatesShown = 10

// parkBlind gives creates of class blind whose outcome is open to a person, with
// the records that may be theirs. They are never sent again; a late answer or
// an echo still binds them (CORRECTNESS 3.5).
func (b *batch) parkBlind(ctx context.Context, at place, list []pending) {
	if len(list) == 0 {
		return
	}
	lately := b.bornLately(ctx, at, list)
	for _, p := range list {
		p.member.parked = true
		b.askPerson(p.unit, "uncertain_create", "a create in "+at.system+" got no answer, and "+at.object+
			" cannot be looked up: check by hand; it is not sent again", b.resembling(p, lately))
	}
}

// bornLately gives the free records that were made since the oldest of the
// sends: one page, one call. A vendor that cannot be asked has no candidates.
func (b *batch) bornLately(ctx context.Context, at place, list []pending) []connectors.Record {
	since := list[0].member.stored.SentAt
	for _, p := range list {
		if p.member.stored.SentAt.Before(since) {
			since = p.member.stored.SentAt
		}
	}
	since = since.Add(-vendorClock)
	page, err := b.systems[at.system].Conn.List(ctx, at.object, connectors.Query{Since: since, Fields: b.projection[at]})
	if err != nil {
		b.trouble(at.system, err)
		return nil
	}
	b.well(at, false)
	b.beat.progress()
	born := slices.DeleteFunc(page.Records, func(r connectors.Record) bool { return r.Born.Before(since) || r.Archived })
	if len(born) == 0 {
		return nil
	}
	holders, serr := b.Store.Holders(ctx, at.system, at.object, idsOf(born))
	if serr != nil {
		return nil
	}
	return slices.DeleteFunc(born, func(r connectors.Record) bool { return holders[r.ID] != "" })
}

// resembling sorts the records that hold something of what was sent, those that
// hold most of it first.
func (b *batch) resembling(p pending, records []connectors.Record) []connectors.Record {
	if p.member.before.Intent == nil {
		return nil
	}
	alike := map[string]int{}
	for _, r := range records {
		if strings.EqualFold(strings.TrimSpace(r.Values[p.member.object.TokenField]), p.unit.token) {
			alike[r.ID] = len(p.member.before.Intent.Fields) + 1
			continue
		}
		held := p.unit.link.canonical(p.member.stored.System, r.Values)
		for row, e := range p.member.before.Intent.Fields {
			if v, shown := held[row]; shown && v != "" && v == e.W {
				alike[r.ID]++
			}
		}
	}
	out := slices.DeleteFunc(slices.Clone(records), func(r connectors.Record) bool { return alike[r.ID] == 0 })
	slices.SortStableFunc(out, func(x, y connectors.Record) int {
		return cmp.Or(cmp.Compare(alike[y.ID], alike[x.ID]), x.Born.Compare(y.Born))
	})
	return out[:min(len(out), candidatesShown)]
}

// wakeAfterSleep has the sources of creates looked at again whose answer took
// longer than the lease: somebody else may have parked them meanwhile, and what
// this process decides about them is fenced.
func (b *batch) wakeAfterSleep(ctx context.Context, list []*send) {
	if b.Now().Sub(b.started) <= b.Lease {
		return
	}
	for _, s := range list {
		i := store.Identity{ID: s.unit.id}
		for _, m := range s.unit.members {
			if m != s.member {
				i.Members = append(i.Members, m.stored)
			}
		}
		b.wakeSources(ctx, &i)
	}
}

package flows

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// adoptByInverse settles the strangers that cannot show a token and point back
// to a record whose create here has no answer: they are what it made, whether it
// is still waited for or parked (CORRECTNESS 3.5, class blind: its echo still
// binds it). An inverse id is believed only there, where the id map points the
// same way; anywhere else it may have been copied along with a record (F10).
func (b *batch) adoptByInverse(ctx context.Context, all []*stranger) []*stranger {
	if b.object(b.place).TokenVisible {
		return all
	}
	named := map[*stranger][]string{} // identities that a stranger points to
	pointers := b.pointers(all)
	for _, other := range sortedPlaces(pointers) {
		ids := pointers[other]
		holders, err := b.Store.Holders(ctx, other.system, other.object, slices.Sorted(maps.Keys(ids)))
		if err != nil {
			return slices.DeleteFunc(all, func(s *stranger) bool {
				if !s.known {
					b.end(s.row, "store", b.storeTrouble(s.row, err))
				}
				return !s.known
			})
		}
		for id, who := range ids {
			for _, s := range who {
				named[s] = append(named[s], holders[id])
			}
		}
	}
	return slices.DeleteFunc(all, func(s *stranger) bool {
		ids := named[s]
		if len(ids) == 0 || ids[0] == "" || slices.ContainsFunc(ids, func(id string) bool { return id != ids[0] }) {
			return false
		}
		return b.adoptAnswer(ctx, s, ids[0])
	})
}

// pointers lists the records that strangers point to by inverse id.
func (b *batch) pointers(all []*stranger) map[place]map[string][]*stranger {
	out := map[place]map[string][]*stranger{}
	for _, s := range all {
		if s.known {
			continue
		}
		for other, column := range s.link.member(b.place.system).Inverse {
			m, id := s.link.member(other), strings.TrimSpace(s.row.sight.Record.Values[column])
			if m == nil || id == "" {
				continue
			}
			at := place{m.System, m.Object}
			if out[at] == nil {
				out[at] = map[string][]*stranger{}
			}
			out[at][id] = append(out[at][id], s)
		}
	}
	return out
}

// adoptAnswer binds a stranger to the identity that it points to, if that has
// sent a create here that it may be the answer to. false: it has not.
func (b *batch) adoptAnswer(ctx context.Context, s *stranger, id string) bool {
	leased, busy, err := b.lookAt(ctx, id)
	switch {
	case err != nil:
		b.end(s.row, "store", b.storeTrouble(s.row, err))
		return true
	case len(busy) > 0:
		b.end(s.row, "leased_elsewhere", b.meetAgain(s.row))
		return true
	}
	for _, i := range leased {
		for _, m := range i.Members {
			born := s.row.sight.Record.Born
			if m.System == b.place.system && m.RecordID == "" && !m.SentAt.IsZero() && (born.IsZero() || born.After(m.SentAt.Add(-vendorClock))) {
				b.bindEcho(ctx, s, i)
				return true
			}
		}
	}
	return false
}

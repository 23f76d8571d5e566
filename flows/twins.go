package flows

import (
	"context"
	"maps"
	"slices"
	"strings"

	"syncd/connectors"
	"syncd/store"
)

// seeker is a record of the batch's own object that is about to be paired by a
// business key: the first of several with one key must not be paired for being the
// first that was announced.
type seeker struct {
	link     *Link
	set      []string          // the rows that must all be equal
	values   map[string]string // its canonical values
	recordID string
	token    string
}

// twins finds, for every seeker, the other free records of its own object with the
// same key: one look-up per leading column for all of them.
func (b *batch) twins(ctx context.Context, seekers []seeker) ([][]connectors.Record, *connectors.Error) {
	return b.twinsAt(ctx, b.place, seekers)
}

// twinsAt finds the free records of any object of the seekers' links with their keys.
func (b *batch) twinsAt(ctx context.Context, at place, seekers []seeker) ([][]connectors.Record, *connectors.Error) {
	out := make([][]connectors.Record, len(seekers))
	values := map[string][]string{}
	columns := make([]string, len(seekers))
	for i, s := range seekers {
		lead := s.link.row(s.set[0])
		if lead == nil || s.link.member(at.system) == nil || s.link.member(at.system).Object != at.object || len(lead.ColumnsOf(at.system)) != 1 {
			continue // spread over columns: nothing to look up by
		}
		columns[i] = lead.ColumnsOf(at.system)[0]
		values[columns[i]] = append(values[columns[i]], lead.Put(at.system, s.values[s.set[0]], nil)[columns[i]])
	}
	for _, column := range slices.Sorted(maps.Keys(values)) {
		records, err := b.find(ctx, at, column, values[column])
		if err != nil {
			return nil, err
		}
		holders := map[string]string{}
		records, serr := b.withoutErased(ctx, at, records)
		if serr == nil {
			holders, serr = b.Store.Holders(ctx, at.system, at.object, idsOf(records))
		}
		if serr != nil {
			return nil, &connectors.Error{Kind: connectors.KindTransient, System: at.system, Object: at.object, Op: "look up", Err: serr}
		}
		for i, s := range seekers {
			if columns[i] != column {
				continue
			}
			for _, r := range records {
				if !(at == b.place && r.ID == s.recordID) && holders[r.ID] == "" && b.isTwin(at, s, r) {
					out[i] = append(out[i], r)
				}
			}
		}
	}
	return out, nil
}

// isTwin says that a free record has the key of a seeker and might as well be meant.
func (b *batch) isTwin(at place, s seeker, r connectors.Record) bool {
	if r.Archived || !s.link.member(at.system).inScope(r.Values) {
		return false
	}
	if t := strings.TrimSpace(r.Values[b.object(at).TokenField]); t != "" && !strings.EqualFold(t, s.token) {
		return false // another identity's
	}
	return sameKey(s.link, s.set, s.values, s.link.canonical(at.system, r.Values))
}

// dropTwins asks a person about the waiting sides with one candidate there and
// another record like theirs here. It gives the others.
func (b *batch) dropTwins(ctx context.Context, asks []ask, found map[*unit][]connectors.Record) []ask {
	var seekers []seeker
	var sole []ask
	for _, a := range asks {
		source := a.unit.member(a.unit.source)
		if len(found[a.unit]) == 1 && !a.unit.shared[strings.Join(a.set, "+")] && a.unit.link.OnMatch == MatchPair && source.stored.System == b.place.system {
			sole = append(sole, a)
			seekers = append(seekers, seeker{a.unit.link, a.set, a.values, source.stored.RecordID, a.unit.token})
		}
	}
	if len(sole) == 0 {
		return asks
	}
	twins, err := b.twins(ctx, seekers)
	gone := map[*unit]bool{}
	for i, a := range sole {
		switch {
		case err != nil:
			gone[a.unit] = true
			b.endUnit(a.unit, string(err.Kind), b.outcome(a.unit.rows[0], err))
		case len(twins[i]) > 0:
			gone[a.unit] = true
			b.askPerson(a.unit, a.unit.link.severalReason(), "one record of "+a.member.stored.System+" matches by "+strings.Join(a.set, ", ")+
				", and several of "+b.place.system+" do", append(slices.Clone(found[a.unit]), twins[i]...))
		}
	}
	return slices.DeleteFunc(asks, func(a ask) bool { return gone[a.unit] })
}

// pairExisting pairs a waiting side with the record for which the vendor refused a
// second one, by the rules of a look-up: not where several of ours could be meant.
func (b *batch) pairExisting(ctx context.Context, p pending, rec connectors.Record) {
	l, source := p.unit.link, p.unit.member(p.unit.source)
	theirs := l.canonical(p.member.stored.System, rec.Values)
	at := slices.IndexFunc(l.Match, func(set []string) bool { return sameKey(l, set, source.side.Values, theirs) })
	if at < 0 { // it is unique there by something else
		b.bindFound(ctx, p, rec, "pair", false)
		return
	}
	a := ask{pending: p, set: l.Match[at], values: source.side.Values}
	found := map[*unit][]connectors.Record{p.unit: {rec}}
	for _, a := range b.dropTwins(ctx, []ask{a}, found) {
		b.judge(ctx, a, found[a.unit], map[string]bool{})
	}
}

// placesOf lists the objects of the links of strangers, their own first.
func (b *batch) placesOf(list []*stranger) []place {
	out := []place{b.place}
	for _, s := range list {
		for _, m := range s.link.Members {
			if at := (place{m.System, m.Object}); !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
	}
	return out
}

// severalReason is why records of one system with one key wait for a person.
func (l *Link) severalReason() string {
	if l.Mode == ModeExternal {
		return reasonIDTaken
	}
	return "ambiguous"
}

// claimAlone claims the strangers again whose business key belongs to an identity
// without a record here, unless another free record of any side has the key as well.
// The first claim only asked: joining an identity is pairing.
func (b *batch) claimAlone(ctx context.Context, met []*stranger, results map[*stranger]store.ClaimResult) {
	var seekers []seeker
	var of []*stranger
	for _, s := range met {
		values := s.link.canonical(b.place.system, s.row.sight.Record.Values)
		for _, set := range s.link.Match {
			if complete(s.link, set, values) {
				seekers, of = append(seekers, seeker{s.link, set, values, s.row.work.RecordID, s.token}), append(of, s)
			}
		}
	}
	like := map[*stranger][]connectors.Record{}
	for _, at := range b.placesOf(of) {
		twins, err := b.twinsAt(ctx, at, seekers)
		for i, s := range of {
			if err != nil {
				b.end(s.row, string(err.Kind), b.outcome(s.row, err))
			} else if s.link.member(at.system) != nil {
				like[s] = append(like[s], twins[i]...)
			}
		}
	}
	var alone []*stranger
	for _, s := range met {
		if len(like[s]) > 0 {
			reason := s.link.severalReason()
			b.end(s.row, reason, store.Finish{Disposition: store.Parked, Reason: reason, Detail: candidatesOf(like[s], results[s].IdentityID),
				Error: "several records have the business key of identity " + results[s].IdentityID})
		} else if s.row.finish == nil {
			alone = append(alone, s)
		}
	}
	b.claimNow(ctx, alone, false)
}

// recallShared learns, for identities that were claimed before this batch, which of
// their business keys are told apart.
func (b *batch) recallShared(ctx context.Context, fresh map[place][]pending) {
	asked := map[*unit][]store.Key{}
	keys := map[*Link][]store.Key{}
	for _, at := range sortedPlaces(fresh) {
		for _, p := range fresh[at] {
			if _, again := asked[p.unit]; !again && !p.unit.born {
				asked[p.unit] = b.keysOf(p.unit.link, p.unit.member(p.unit.source).side.Values)
				keys[p.unit.link] = append(keys[p.unit.link], asked[p.unit]...)
			}
		}
	}
	for _, l := range b.Links {
		shared, err := b.sharedKeys(ctx, l, keys[l])
		for u, own := range asked {
			switch {
			case u.link != l:
			case err != nil:
				b.endUnit(u, "store", b.storeTrouble(u.rows[0], err))
			default:
				for _, k := range own {
					u.shared[k.Kind] = u.shared[k.Kind] || slices.Contains(shared, k)
				}
			}
		}
	}
}

func (b *batch) sharedKeys(ctx context.Context, l *Link, keys []store.Key) ([]store.Key, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	return b.Store.SharedKeys(ctx, l.Name, keys)
}

// lonelyLooked bounds the identities that one look at a shared key leases.
const lonelyLooked = 10

// lonely parks a unit whose business key is told apart on the other side, if one of
// the records there has no partner here: it may wait for just this one.
func (b *batch) lonely(ctx context.Context, a ask, records []connectors.Record, holders map[string]string) bool {
	if !a.unit.shared[strings.Join(a.set, "+")] {
		return false
	}
	system := a.member.stored.System
	var alike []connectors.Record
	var ids []string
	for _, r := range records {
		if holders[r.ID] != "" && len(ids) < lonelyLooked && sameKey(a.unit.link, a.set, a.values, a.unit.link.canonical(system, r.Values)) {
			alike, ids = append(alike, r), append(ids, holders[r.ID])
		}
	}
	if len(ids) == 0 {
		return false
	}
	leased, busy, err := b.lookAt(ctx, dedupe(ids)...)
	switch {
	case err != nil:
		b.endUnit(a.unit, "store", b.storeTrouble(a.unit.rows[0], err))
		return true
	case len(busy) > 0:
		b.endUnit(a.unit, "leased_elsewhere", store.Finish{Disposition: store.Again, After: b.between(shortly, longer), Blame: b.unblamed(a.unit.rows[0])})
		return true
	}
	for _, i := range leased {
		if !slices.ContainsFunc(i.Members, func(m store.Member) bool { return m.System == a.unit.source && m.RecordID != "" }) {
			b.askPerson(a.unit, "ambiguous", "several records of "+system+" match by "+strings.Join(a.set, ", ")+", and not all have a partner", alike)
			return true
		}
	}
	return false
}

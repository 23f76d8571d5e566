package flows

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"syncd/connectors"
	"syncd/flows/plan"
	"syncd/store"
)

// keyColumn is the field of a side that holds the key of the system of record, ""
// where the link has none, or there.
func (l *Link) keyColumn(system string) string {
	if l.Mode != ModeSystem || system == l.Record {
		return ""
	}
	return l.member(system).Inverse[l.Record]
}

func keyIn(r *connectors.Record, column string) string { return strings.TrimSpace(r.Values[column]) }

// meetByKey settles the strangers that carry a key of the system of record: they
// are matched by it, before business keys, and never created beside its record.
func (b *batch) meetByKey(ctx context.Context, all []*stranger) []*stranger {
	keyed := map[*Link]map[string][]*stranger{}
	for _, s := range all {
		column := s.link.keyColumn(b.place.system)
		if column == "" || s.known {
			continue
		}
		if key := keyIn(&s.row.sight.Record, column); key != "" {
			if keyed[s.link] == nil {
				keyed[s.link] = map[string][]*stranger{}
			}
			keyed[s.link][key] = append(keyed[s.link][key], s)
		}
	}
	for _, l := range slices.SortedFunc(maps.Keys(keyed), func(x, y *Link) int { return cmp.Compare(x.Name, y.Name) }) {
		k := &keyMeeting{batch: b, link: l, by: keyed[l], facts: map[string]plan.KeyFacts{}, named: map[string]connectors.Record{}}
		k.run(ctx)
	}
	return slices.DeleteFunc(all, func(s *stranger) bool { return s.row.finish != nil })
}

// keyMeeting is the strangers of one link that carry keys.
type keyMeeting struct {
	*batch
	link    *Link
	by      map[string][]*stranger // by key
	holders map[string]string      // key → identity
	facts   map[string]plan.KeyFacts
	named   map[string]connectors.Record
}

// each runs over the strangers whose row is still open, in the order of the keys.
func (k *keyMeeting) each(f func(key string, s *stranger)) {
	for _, key := range slices.Sorted(maps.Keys(k.by)) {
		for _, s := range k.by[key] {
			if s.row.finish == nil {
				f(key, s)
			}
		}
	}
}

func (k *keyMeeting) run(ctx context.Context) {
	record := k.link.member(k.link.Record)
	at := place{record.System, record.Object}
	if wait := k.suspended(at.system); wait > 0 {
		k.each(func(_ string, s *stranger) {
			k.end(s.row, "system_down", store.Finish{Disposition: store.Again, After: wait, Blame: k.unblamed(s.row)})
		})
		return
	}
	keys := slices.Sorted(maps.Keys(k.by))
	var err error
	if k.holders, err = k.Store.Holders(ctx, at.system, at.object, keys); err != nil {
		k.each(func(_ string, s *stranger) { k.end(s.row, "store", k.storeTrouble(s.row, err)) })
		return
	}
	k.lookThere(ctx, at)
	k.lookHere(ctx)
	var starts, joins []*stranger
	k.each(func(key string, s *stranger) {
		switch means := plan.MeetByKey(k.facts[key]); means {
		case plan.KeyStarts:
			starts = append(starts, s)
		case plan.KeyJoins:
			joins = append(joins, s)
		default:
			k.leave(ctx, s, key, means)
		}
	})
	joins = append(joins, k.start(ctx, at, starts)...)
	k.join(ctx, joins)
}

// lookThere reads the named records that belong to nobody yet: one call.
func (k *keyMeeting) lookThere(ctx context.Context, at place) {
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(k.by)) {
		if k.holders[key] == "" {
			unknown = append(unknown, key)
		} else {
			k.facts[key] = plan.KeyFacts{Seat: plan.SeatFree} // the store says, when it is claimed
		}
	}
	if len(unknown) == 0 {
		return
	}
	sights, err := k.read(ctx, request{at, unknown})
	for _, key := range unknown {
		f := plan.KeyFacts{Seat: plan.SeatNobody, Named: plan.NamedMissing}
		switch sight := sights[key]; {
		case err != nil:
			for _, s := range k.by[key] {
				k.end(s.row, string(err.Kind), k.outcome(s.row, err))
			}
		case sight.Sight == connectors.SightFound && sight.Record.ID == key && !k.link.member(at.system).inScope(sight.Record.Values):
			f.Named = plan.NamedExcluded
		case sight.Sight == connectors.SightFound && sight.Record.ID == key:
			f.Named, k.named[key] = plan.NamedShown, sight.Record
		case sight.Sight == connectors.SightMissing && k.Now().Sub(k.by[key][0].row.work.FirstHint) < missingPatience:
			f.Named = plan.NamedFresh
		}
		k.facts[key] = f
	}
	k.leaveErasedOut(ctx, at)
}

// leaveErasedOut takes the records of people who were erased for records that are
// not there: a key must not bring them back (F44).
func (k *keyMeeting) leaveErasedOut(ctx context.Context, at place) {
	named := slices.Collect(maps.Values(k.named))
	free, err := k.withoutErased(ctx, at, named)
	for _, r := range named {
		switch {
		case err != nil:
			for _, s := range k.by[r.ID] {
				k.end(s.row, "store", k.storeTrouble(s.row, err))
			}
		case !slices.ContainsFunc(free, func(o connectors.Record) bool { return o.ID == r.ID }):
			k.facts[r.ID] = plan.KeyFacts{Seat: plan.SeatNobody, Named: plan.NamedMissing}
		}
	}
}

// lookHere finds other records of this side with the keys that are about to pair:
// one look-up.
func (k *keyMeeting) lookHere(ctx context.Context) {
	column := k.link.keyColumn(k.place.system)
	var keys []string
	k.each(func(key string, s *stranger) {
		f := k.facts[key]
		if f.Twins = len(k.by[key]) > 1; f.Twins {
			k.facts[key] = f
		} else if means := plan.MeetByKey(f); means == plan.KeyJoins || means == plan.KeyStarts {
			keys = append(keys, key)
		}
	})
	if len(keys) == 0 {
		return
	}
	records, err := k.find(ctx, k.place, column, keys)
	k.each(func(key string, s *stranger) {
		if err != nil {
			k.end(s.row, string(err.Kind), k.outcome(s.row, err))
			return
		}
		f := k.facts[key]
		f.Twins = f.Twins || slices.ContainsFunc(records, func(r connectors.Record) bool {
			return r.ID != s.row.work.RecordID && !r.Archived && keyIn(&r, column) == key
		})
		k.facts[key] = f
	})
}

// start claims the identities of named records that nobody knew: what their own
// hint would have done. It gives the strangers that can join one now.
func (k *keyMeeting) start(ctx context.Context, at place, list []*stranger) (joins []*stranger) {
	if len(list) == 0 {
		return nil
	}
	claims := make([]store.NewIdentity, len(list))
	for i, s := range list {
		rec := k.named[k.keyOf(s)]
		id := k.bornIdentity(k.link, at, &rec)
		token, err := k.Keyring.Token(id)
		if err != nil {
			token = "" // an id that we made ourselves has one
		}
		claims[i] = k.identityOf(k.link, at, &rec, id, token, k.keysOf(k.link, k.link.canonical(at.system, rec.Values)), s.row.work.Cause)
	}
	results, err := k.Store.ClaimIdentities(ctx, k.Owner, k.Lease, claims)
	for i, s := range list {
		switch {
		case err != nil:
			k.end(s.row, "store", k.storeTrouble(s.row, err))
		case results[i].Verdict == store.VerdictNew:
			k.release(store.LeaseRef{ID: claims[i].ID, Epoch: results[i].Epoch})
			k.holders[k.keyOf(s)] = claims[i].ID
			joins = append(joins, s)
		case results[i].Verdict == store.VerdictJoined:
			k.holders[k.keyOf(s)] = results[i].IdentityID
			joins = append(joins, s)
		case results[i].Verdict == store.VerdictWait:
			k.waitFor(ctx, s, results[i].IdentityID)
		default: // its own hint was faster
			k.end(s.row, "taken", store.Finish{Disposition: store.Again, After: k.between(shortly, longer), Blame: k.unblamed(s.row)})
		}
	}
	return joins
}

func (k *keyMeeting) keyOf(s *stranger) string {
	return keyIn(&s.row.sight.Record, k.link.keyColumn(k.place.system))
}

// join makes strangers the records of the identities that their keys name, if those
// have none here.
func (k *keyMeeting) join(ctx context.Context, list []*stranger) {
	if len(list) == 0 {
		return
	}
	claims := make([]store.NewIdentity, len(list))
	for i, s := range list {
		claims[i] = k.newIdentity(s)
		claims[i].Join = k.holders[k.keyOf(s)]
	}
	results, err := k.Store.ClaimIdentities(ctx, k.Owner, k.Lease, claims)
	for i, s := range list {
		switch {
		case err != nil:
			k.end(s.row, "store", k.storeTrouble(s.row, err))
		case results[i].Verdict == store.VerdictJoined:
			k.end(s.row, "joined", store.Finish{Disposition: store.Again, Blame: k.unblamed(s.row)})
		case results[i].Verdict == store.VerdictWait:
			k.leave(ctx, s, k.keyOf(s), plan.MeetByKey(plan.KeyFacts{Seat: plan.SeatWaits}))
		case results[i].Verdict == store.VerdictClash:
			k.leave(ctx, s, k.keyOf(s), plan.MeetByKey(plan.KeyFacts{Seat: plan.SeatAnother}))
		default:
			k.end(s.row, "taken", store.Finish{Disposition: store.Again, After: k.between(shortly, longer), Blame: k.unblamed(s.row)})
		}
	}
}

// leave ends a stranger that its key does not pair now.
func (k *keyMeeting) leave(ctx context.Context, s *stranger, key string, means plan.KeyMeans) {
	column, there := k.link.keyColumn(k.place.system), k.link.Record+" "+key
	switch means {
	case plan.KeyWaits:
		k.waitFor(ctx, s, k.holders[key])
	case plan.KeyEarly:
		k.end(s.row, "not_seen_yet", store.Finish{Disposition: store.Again, After: max(longer, k.Now().Sub(s.row.work.FirstHint)), Blame: k.unblamed(s.row)})
	case plan.KeyTaken:
		k.end(s.row, "key_taken", store.Finish{Disposition: store.Parked, Reason: "key_taken", Detail: candidatesOf([]connectors.Record{s.row.sight.Record}, k.holders[key]),
			Error: "another record of " + k.place.system + " has the key " + there + " too: correct " + column + " of one of them, or merge them"})
	case plan.KeyExcluded:
		k.end(s.row, "key_out_of_scope", store.Finish{Disposition: store.Parked, Reason: "key_out_of_scope",
			Error: column + " names " + there + ", which does not pass the link's filter"})
	default:
		k.end(s.row, "key_missing", store.Finish{Disposition: store.Parked, Reason: "key_missing",
			Error: column + " names " + there + ", which is not there, is archived, or was merged away: correct it, or empty it to have a new one created"})
	}
}

// matchKeys looks for the records that carry the key of a record of the system of
// record already, before business keys: one look-up per object.
func (b *batch) matchKeys(ctx context.Context) {
	fresh := b.pendings(func(p pending) bool {
		return p.unit.link.keyColumn(p.member.stored.System) != "" && p.unit.source == p.unit.link.Record && p.member.stored.SentAt.IsZero()
	})
	for _, at := range sortedPlaces(fresh) {
		columns := map[string][]pending{}
		for _, p := range fresh[at] {
			c := p.unit.link.keyColumn(at.system)
			columns[c] = append(columns[c], p)
		}
		for _, column := range slices.Sorted(maps.Keys(columns)) {
			b.matchKeyed(ctx, at, column, columns[column])
		}
	}
}

func (b *batch) matchKeyed(ctx context.Context, at place, column string, list []pending) {
	keys := make([]string, len(list))
	for i, p := range list {
		keys[i] = p.unit.member(p.unit.source).stored.RecordID
	}
	records, err := b.find(ctx, at, column, keys)
	if err != nil {
		b.endPendings(list, err)
		return
	}
	records = slices.DeleteFunc(records, func(r connectors.Record) bool { return r.Archived })
	holders := map[string]string{}
	if len(records) > 0 {
		var serr error
		if records, serr = b.withoutErased(ctx, at, records); serr == nil {
			holders, serr = b.Store.Holders(ctx, at.system, at.object, idsOf(records))
		}
		if serr != nil {
			for _, p := range list {
				b.endUnit(p.unit, "store", b.storeTrouble(p.unit.rows[0], serr))
			}
			return
		}
	}
	for i, p := range list {
		mine := slices.DeleteFunc(slices.Clone(records), func(r connectors.Record) bool { return keyIn(&r, column) != keys[i] })
		b.judgeKeyed(ctx, p, mine, holders)
	}
}

// judgeKeyed pairs a waiting side with the one free record that carries its key.
func (b *batch) judgeKeyed(ctx context.Context, p pending, mine []connectors.Record, holders map[string]string) {
	if len(mine) == 0 {
		return
	}
	system, token := p.member.stored.System, strings.TrimSpace(mine[0].Values[p.member.object.TokenField])
	switch {
	case len(mine) > 1:
		b.askPerson(p.unit, "key_taken", "several records of "+system+" carry the key of this one: correct all but one", mine)
	case holders[mine[0].ID] != "" || token != "" && !strings.EqualFold(token, p.unit.token):
		b.askPerson(p.unit, "key_taken", "a record of "+system+" carries the key of this one and is paired with another", mine)
	case !p.member.rule.inScope(mine[0].Values):
		b.askPerson(p.unit, "key_out_of_scope", "the record of "+system+" that carries the key of this one does not pass the link's filter", mine)
	default:
		b.bindFound(ctx, p, mine[0], "pair", false)
	}
}

// keyedElsewhere says that a record which matches by a business key carries the key
// of another record of the system of record: it is another customer's.
func keyedElsewhere(a ask, r connectors.Record) bool {
	l := a.unit.link
	column := l.keyColumn(a.member.stored.System)
	if column == "" {
		return false
	}
	key := keyIn(&r, column)
	record := a.unit.member(l.Record)
	return key != "" && (record == nil || key != record.stored.RecordID)
}

// awaitsKey says that a record may not be created yet, since the system of record
// has not made the key that it is to carry. Where it never will, a person must.
func (b *batch) awaitsKey(u *unit, system string) bool {
	if u.link.keyColumn(system) == "" {
		return false
	}
	record := u.member(u.link.Record)
	if record == nil {
		b.endUnit(u, "unmatched", store.Finish{Disposition: store.Parked, Reason: "unmatched",
			Error: "no partner in " + u.link.Record + ", which is the system of record and is not written"})
		return true
	}
	return record.stored.RecordID == ""
}

// checkKeys parks the pairs of which a person changed the key that a record carries.
// One that was emptied is written again, like every fixed field.
func (b *batch) checkKeys(ctx context.Context) {
	for _, u := range b.open() {
		record := u.member(u.link.Record)
		if u.link.Mode != ModeSystem || record == nil || record.stored.RecordID == "" {
			continue
		}
		must := record.stored.RecordID
		for _, m := range u.members {
			column := u.link.keyColumn(m.stored.System)
			if column == "" || m.record == nil {
				continue
			}
			switch shown := keyIn(m.record, column); {
			case plan.KeyMoved(shown, must, m.ledger.Key):
				m.mark(markKey, stateMoved)
				b.endUnit(u, "key_changed", store.Finish{Disposition: store.Parked, Reason: "key_changed",
					Error: column + " of " + m.where() + " names another record than the one that it is paired with: set it back, or empty it"})
			default:
				b.unmark(ctx, u, m, markKey, stateMoved)
				if shown == must && m.ledger.Key != must {
					m.ledger.Key, m.keyed = must, true
				}
			}
		}
	}
}

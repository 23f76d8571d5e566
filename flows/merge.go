package flows

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

// Why a record is another one by now: labels of the id map.
const (
	whyMerged  = "merged"  // it went into that one (CORRECTNESS F40)
	whyRenamed = "renamed" // it has another id (F43)
)

const (
	// causeMerge is the cause of a look at a record that others went into, and
	// causeOrphan that of one at a record whose counterpart went into another.
	causeMerge  = "merge"
	causeOrphan = "orphan"
	// mergeDelay has such a look come after the persist that it is about.
	mergeDelay = time.Second
)

// merging is a record that others went into, as a batch has met it. Whose record it
// is, and what becomes of the others, is settled when the batch ends.
type merging struct {
	at   place
	to   connectors.Record // its id; what was read of it, if it was
	why  string
	from []*unit // in this batch, each with a member here that went into it
}

type mergeKey struct {
	at place
	id string
}

// moved takes in that a member's record is another one by now. The unit goes no
// further: what was read belongs to the other record, which is looked at by itself.
func (b *batch) moved(u *unit, at place, to connectors.Record, why string) {
	if u.ended != nil {
		return
	}
	u.ended, u.reason = &store.Finish{Disposition: store.Again}, whyMerged
	g := b.merging(at, to, why)
	g.from = append(g.from, u)
}

func (b *batch) merging(at place, to connectors.Record, why string) *merging {
	key := mergeKey{at, to.ID}
	g := b.merges[key]
	if g == nil {
		g = &merging{at: at, to: to, why: why}
		b.merges[key] = g
	}
	if g.to.Values == nil {
		g.to = to
	}
	return g
}

// absorbs finds, among the records just read, those that others went into which are
// paired still: the events about the losers were lost, or are still to come.
func (b *batch) absorbs(ctx context.Context) {
	for _, u := range b.open() {
		m := u.member(b.place.system)
		if m == nil || m.record == nil || len(m.record.Merged) == 0 {
			continue
		}
		held, err := b.Store.Holders(ctx, b.place.system, b.place.object, m.record.Merged)
		if err != nil {
			b.endUnit(u, "store", b.storeTrouble(u.rows[0], err))
			continue
		}
		if len(held) > 0 {
			b.merging(b.place, *m.record, whyMerged)
		}
	}
}

// mergedHere keeps the strangers that nobody's record went into. The others come back
// when it is settled whose they are.
func (b *batch) mergedHere(ctx context.Context, all []*stranger) []*stranger {
	return slices.DeleteFunc(all, func(s *stranger) bool {
		rec := s.row.sight.Record
		if b.merges[mergeKey{b.place, rec.ID}] == nil {
			if len(rec.Merged) == 0 {
				return false
			}
			held, err := b.Store.Holders(ctx, b.place.system, b.place.object, rec.Merged)
			if err != nil {
				b.end(s.row, "store", b.storeTrouble(s.row, err))
				return true
			}
			if len(held) == 0 {
				return false
			}
		}
		b.merging(b.place, rec, whyMerged)
		b.end(s.row, whyMerged, store.Finish{Disposition: store.Again, After: b.between(300*time.Millisecond, time.Second), Blame: b.unblamed(s.row)})
		return true
	})
}

// wentInto says that a stranger with an identity's token is what that identity's
// record went into, and not a copy of it: the vendor is asked what became of the one
// that is paired. Without this a merge that copies the token would look like a clone.
func (b *batch) wentInto(ctx context.Context, s *stranger, i *store.Identity, paired *store.Member) bool {
	if !paired.State.Bound() {
		return false
	}
	rec := s.row.sight.Record
	loc, err := b.systems[b.place.system].Conn.Locate(ctx, b.place.object, paired.RecordID, s.token)
	b.beat.progress()
	why := map[connectors.Place]string{connectors.PlaceMerged: whyMerged, connectors.PlaceRenamed: whyRenamed}[loc.Place]
	switch {
	case err != nil:
		b.end(s.row, "locate", b.outcome(s.row, b.trouble(b.place.system, err)))
		return true
	case why == "" || loc.ID != rec.ID:
		return false
	case why == whyRenamed && paired.Birth != birthText(rec.Born): // another record that has the token (F43)
		return false
	}
	u, err := b.newUnit(i, b.place.system)
	if err != nil || u.stopped != "" {
		return false
	}
	u.rows = []*row{s.row} // for its history; the row stays nobody's
	b.units = append(b.units, u)
	b.moved(u, b.place, rec, why)
	b.end(s.row, whyMerged, store.Finish{Disposition: store.Again, After: b.between(300*time.Millisecond, time.Second), Blame: b.unblamed(s.row)})
	return true
}

// settleMerges decides whose the records are that others went into. All of it is
// committed by the one persist that ends the batch; the looks that follow are asked
// for before it, so that a crash loses none.
func (b *batch) settleMerges(ctx context.Context) {
	keys := slices.SortedFunc(maps.Keys(b.merges), func(x, y mergeKey) int {
		return cmp.Or(strings.Compare(x.at.key(), y.at.key()), strings.Compare(x.id, y.id))
	})
	for _, k := range keys {
		b.settleMerge(ctx, b.merges[k])
	}
	if len(b.leads) == 0 {
		return
	}
	if err := b.Store.Enqueue(ctx, b.leads); err != nil {
		for _, g := range b.merges {
			b.unsettle(g, "store", b.storeTrouble(b.rows[0], err))
		}
		b.ended, b.moves = nil, nil
	}
}

// unsettle has the units of a merge come back.
func (b *batch) unsettle(g *merging, reason string, f store.Finish) {
	for _, u := range g.from {
		for _, r := range u.rows {
			again := f
			again.Blame = b.unblamed(r)
			b.end(r, reason, again)
		}
	}
}

func (b *batch) settleMerge(ctx context.Context, g *merging) {
	later := store.Finish{Disposition: store.Again, After: b.between(300*time.Millisecond, time.Second)}
	held, err := b.Store.Holders(ctx, g.at.system, g.at.object, append([]string{g.to.ID}, g.to.Merged...))
	if err != nil {
		b.unsettle(g, "store", b.storeTrouble(b.rows[0], err))
		return
	}
	holder := held[g.to.ID]
	units, ok, err := b.involved(ctx, g, held)
	switch {
	case err != nil:
		b.unsettle(g, "store", b.storeTrouble(b.rows[0], err))
		return
	case !ok:
		b.unsettle(g, "leased_elsewhere", later)
		return
	}
	winner := b.survivorOf(g, units, holder)
	for _, u := range units {
		switch {
		case u == winner && u.id == holder:
		case u == winner:
			b.repoint(u, g)
		default:
			b.retire(u, g, winner)
		}
		b.finishMerged(u, g)
	}
	b.lead(g.at, g.to.ID, causeMerge)
}

// involved gives the units of a merge: those of the batch that met it, the identities
// that still hold an id which went into the record, and the one that holds the record
// itself. ok is false if one of them is in somebody else's hands.
func (b *batch) involved(ctx context.Context, g *merging, held map[string]string) (units []*unit, ok bool, err error) {
	units = slices.Clone(g.from)
	var ids []string
	for _, id := range held {
		if !slices.ContainsFunc(units, func(u *unit) bool { return u.id == id }) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, u := range b.units { // in the batch for another reason, and leased by it
		if at := slices.Index(ids, u.id); at >= 0 {
			if u.id != held[g.to.ID] || u.epoch == 0 || u.openCreate() {
				return nil, false, nil // it comes back when it is through
			}
			ids = slices.Delete(ids, at, at+1)
			units = append(units, u)
		}
	}
	if len(ids) == 0 {
		return units, true, nil
	}
	leased, busy, err := b.lookAt(ctx, ids...)
	if err != nil || len(busy) > 0 {
		return nil, false, err
	}
	for _, i := range leased {
		u, err := b.newUnit(i, g.at.system)
		if err != nil {
			return nil, false, err
		}
		u.rows, u.ended = b.rows[:1:1], &store.Finish{Disposition: store.Again} // for its history
		b.units = append(b.units, u)
		units = append(units, u)
	}
	return units, true, nil
}

// survivorOf says whose the record is: the identity's that has it; else that whose
// token it carries, for a vendor keeps the values of the record that people chose to
// keep; else, so that all replicas say the same, the smallest id.
func (b *batch) survivorOf(g *merging, units []*unit, holder string) *unit {
	best := units[0]
	token := ""
	if field := b.object(g.at).TokenField; field != "" && g.to.Values != nil {
		token, _ = b.Keyring.Parse(g.to.Values[field])
	}
	rank := func(u *unit) int {
		switch u.id {
		case holder:
			return 0
		case token:
			return 1
		}
		return 2
	}
	for _, u := range units[1:] {
		if c := cmp.Or(rank(u)-rank(best), strings.Compare(u.id, best.id)); c < 0 {
			best = u
		}
	}
	return best
}

// repoint moves an identity's member to the record that its own went into. Its base
// stays: what the record holds beside it are edits, and flow by the usual rules. What
// the others show as its id is owed to them: without that nothing would look at them.
func (b *batch) repoint(u *unit, g *merging) {
	m := u.member(g.at.system)
	u.repoint = true
	b.moves = append(b.moves, store.Move{IdentityID: u.id, System: g.at.system, Object: g.at.object,
		From: m.stored.RecordID, To: g.to.ID, Birth: birthText(g.to.Born), Why: g.why})
	u.note(b, m, g.why, map[string][2]string{"@record": {m.stored.RecordID, g.to.ID}})
	for _, o := range u.members {
		if o != m && o.rule.Inverse[g.at.system] != "" && o.stored.RecordID != "" && o.rule.Write {
			o.owed = map[string]plan.IntentEntry{fixedInverse + g.at.system: {W: g.to.ID}}
			if u.link.Mode == ModeSystem && u.link.Record == g.at.system {
				o.ledger.Key = m.stored.RecordID // what it shows is the key of before, and nobody's edit
			}
		}
	}
}

// retire ends an identity whose record went into that of another: it is merged into
// that one. Its records elsewhere are left over: the winner takes one where it has
// none and has sent nothing; of the others the link's policy decides, and until then
// they stay held, so that nobody makes them customers of their own.
func (b *batch) retire(u *unit, g *merging, winner *unit) {
	up := store.IdentityUpdate{LeaseRef: store.LeaseRef{ID: u.id, Epoch: u.epoch}, Link: u.link.Name, SetKeys: true,
		State: mapping.IdentityMerged, MergedInto: winner.id}
	cause := strings.TrimSpace(b.rows[0].work.Cause + " " + b.rows[0].work.DeliveryKey)
	for _, m := range u.members {
		mu := store.MemberUpdate{System: m.stored.System, Base: m.stored.Base, BaseVersion: m.stored.BaseVersion,
			Intent: m.stored.Intent, Sent: m.stored.Sent, Removal: m.stored.Removal}
		w := winner.member(m.stored.System)
		switch {
		case m.stored.System == g.at.system:
			mu.State, mu.Why, mu.Cause = mapping.MemberMerged, g.why, cause
		case m.stored.RecordID == "":
			mu.State = mapping.MemberParked // a late answer of its create still binds it
		case w != nil && w.stored.RecordID == "" && w.stored.SentAt.IsZero() && winner.ended != nil && w.stored.Object == m.stored.Object:
			mu.State, mu.Why, mu.Cause = mapping.MemberMerged, g.why, cause
			w.stored.RecordID = m.stored.RecordID // taken: no other loser's
			b.moves = append(b.moves, store.Move{IdentityID: winner.id, System: m.stored.System, Object: m.stored.Object,
				To: m.stored.RecordID, Birth: m.stored.Birth, Why: g.why})
			b.lead(place{m.stored.System, m.stored.Object}, m.stored.RecordID, causeMerge)
		default:
			b.lead(place{m.stored.System, m.stored.Object}, m.stored.RecordID, causeOrphan)
		}
		up.Members = append(up.Members, mu)
	}
	u.retired = true
	b.ended = append(b.ended, up)
	u.note(b, u.member(g.at.system), g.why, map[string][2]string{"@identity": {u.id, winner.id}})
}

// finishMerged ends the rows of a unit: those of an old id are through, the others
// come back with the record that theirs is by now.
func (b *batch) finishMerged(u *unit, g *merging) {
	if !slices.Contains(g.from, u) {
		return
	}
	old := u.member(g.at.system).stored.RecordID
	for _, r := range u.rows {
		if r.work.System == g.at.system && r.work.Object == g.at.object && r.work.RecordID == old {
			b.end(r, whyMerged, store.Finish{Disposition: store.Done})
		} else {
			b.end(r, whyMerged, store.Finish{Disposition: store.Again, After: b.between(300*time.Millisecond, time.Second), Blame: b.unblamed(r)})
		}
	}
}

// lead asks for a look at a record, unless it has a row of its own in the batch.
func (b *batch) lead(at place, id, cause string) {
	w := b.rows[0].work
	for _, r := range b.rows {
		if r.work.System == at.system && r.work.Object == at.object && r.work.RecordID == id {
			return
		}
	}
	b.leads = append(b.leads, store.Hint{System: at.system, Object: at.object, RecordID: id, Delay: mergeDelay, Cause: cause,
		DeliveryKey: w.DeliveryKey, Trace: w.Trace})
}

// relocated takes in what the vendor says has become of a member's record that it does
// not show (F41, F43). false: neither merged nor renamed, as far as is proved.
func (b *batch) relocated(ctx context.Context, u *unit, m *member, loc connectors.Location) bool {
	at := place{m.stored.System, m.stored.Object}
	switch loc.Place {
	case connectors.PlaceMerged:
		b.moved(u, at, connectors.Record{ID: loc.ID}, whyMerged)
		return true
	case connectors.PlaceRenamed: // a copy has the token, too: the same record was born when this one was
		sights, err := b.read(ctx, request{at, []string{loc.ID}})
		if err != nil {
			b.endUnit(u, string(err.Kind), b.outcome(u.rows[0], err))
			return true
		}
		s := sights[loc.ID]
		if s.Sight != connectors.SightFound || s.Record.ID != loc.ID || m.stored.Birth == "" || birthText(s.Record.Born) != m.stored.Birth {
			return false
		}
		b.moved(u, at, s.Record, whyRenamed)
		return true
	}
	return false
}

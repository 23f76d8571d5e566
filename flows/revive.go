package flows

import (
	"context"
	"slices"
	"time"

	"syncd/connectors"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

// causeRevive is the cause of a look at a record whose partner is to be made anew.
const causeRevive = "revive"

// bringBack gives records back that went: out of the bin where the connector can,
// else the claim is used again for a new record (F36, 3.8). The unit comes again,
// and is then like any other.
func (b *batch) bringBack(ctx context.Context, u *unit, list []*member) {
	restored := map[place][]*removing{}
	for _, m := range list {
		at := place{m.stored.System, m.stored.Object}
		sights, err := b.read(ctx, request{at, []string{m.stored.RecordID}})
		if err != nil {
			b.endUnit(u, string(err.Kind), b.outcome(u.rows[0], err))
			return
		}
		s := sights[m.stored.RecordID]
		same := s.Record.ID == m.stored.RecordID && (m.stored.Birth == "" || birthText(s.Record.Born) == m.stored.Birth)
		switch {
		case s.Sight == connectors.SightFound && same:
			m.back(b.Now())
		case s.Sight == connectors.SightArchived && same && slices.Contains(b.object(at).Removes, connectors.Restore) && m.rule.Write:
			restored[at] = append(restored[at], &removing{u, m, connectors.Restore})
		case !m.rule.Write || !u.link.Create[at.system]:
			b.lostAlone(ctx, u, m)
			return
		default:
			u.note(b, m, "reopen", nil) // the old id, which the claim forgets
			again := m.fate.noted(opReopen, b.Now())
			again.Old = append(again.Old, m.stored.RecordID)
			m.fate = change{moved: true, reopen: true, removal: again}
		}
	}
	for _, at := range sortedPlaces(restored) {
		b.restore(ctx, at, restored[at])
	}
	b.comeAgain(ctx, u)
}

// restore takes records out of the bin and proves it by a read.
func (b *batch) restore(ctx context.Context, at place, list []*removing) {
	if list = b.intendRemovals(ctx, at, connectors.Restore, list); len(list) == 0 {
		return
	}
	answers := b.callRemoval(ctx, at, connectors.Restore, list)
	for i, r := range list {
		m := r.member
		sights, err := b.read(ctx, request{at, []string{m.stored.RecordID}})
		s := sights[m.stored.RecordID]
		switch {
		case err != nil:
			b.endUnit(r.unit, string(err.Kind), b.outcome(r.unit.rows[0], err))
		case s.Sight == connectors.SightFound && s.Record.ID == m.stored.RecordID:
			m.fate.removal = m.fate.removal.over()
			m.back(b.Now())
			r.unit.note(b, m, "restore", nil)
		case answers[i].Outcome == connectors.NotApplied:
			m.fate.removal = m.fate.removal.over()
			b.endUnit(r.unit, reasonOf(answers[i].Err), b.outcome(r.unit.rows[0], refusal(answers[i], at.system)))
		default:
			b.endUnit(r.unit, "unknown", b.stillGone(r))
		}
	}
}

func (b *batch) stillGone(r *removing) store.Finish {
	return store.Finish{Disposition: store.Again, After: unknownDelay + b.between(0, unknownDelay), Retry: true, Blame: b.blamed(r.unit.rows[0]),
		Error: r.member.where() + " is not back after it was restored"}
}

// comeAgain ends a unit whose members changed under it. A record that is no member
// any more leads nowhere, so the others are hinted at, before the commit: a crash in
// between costs them a look for nothing.
func (b *batch) comeAgain(ctx context.Context, u *unit) {
	if u.ended != nil {
		return
	}
	if !u.leads(b.place.system) {
		if err := b.Store.Enqueue(ctx, u.others(b.place.system)); err != nil {
			b.endUnit(u, "store", b.storeTrouble(u.rows[0], err))
			for _, m := range u.all() {
				m.fate.reopen = false
			}
			return
		}
		b.endUnit(u, "revived", store.Finish{Disposition: store.Done})
		return
	}
	b.endUnit(u, "revived", store.Finish{Disposition: store.Again, Blame: b.unblamed(u.rows[0])})
}

// leads says that the unit's record in a system is a member after this batch.
func (u *unit) leads(system string) bool {
	for _, m := range u.all() {
		if m.stored.System == system {
			return !m.fate.reopen && (m.stored.State != mapping.MemberGone || m.fate.state == mapping.MemberActive)
		}
	}
	return false
}

// leftAlone looks at units of which a record is gone. What we removed comes back with
// the record that it was removed for; what went by itself stays away, unless the link
// treats what is left as unpaired and that has changed.
func (b *batch) leftAlone(ctx context.Context) {
	for _, u := range b.open() {
		m := u.member(b.place.system)
		if len(u.gone) == 0 || m == nil || m.record == nil {
			continue
		}
		var back []*member
		for _, g := range u.gone {
			if g.stored.Why == whyLeft {
				continue // it is there, and out of scope
			}
			unpaired := u.link.Delete.From[g.stored.System] == plan.RemovalUnpair && g.rule.Write
			if g.stored.Why == whyRemoved || unpaired && len(plan.Changed(u.rules(), m.side)) > 0 {
				back = append(back, g)
			}
		}
		switch {
		case len(back) > 0:
			b.bringBack(ctx, u, back)
		case len(u.members) < 2:
			b.endUnit(u, "partner_gone", store.Finish{Disposition: store.Done})
		}
	}
}

// comeBack finds the strangers that were members once and are there again: an
// un-delete, if they were born when that member was (F39). Any other birth is another
// record with an old id (F42).
func (b *batch) comeBack(ctx context.Context) {
	strangers := map[string]*row{}
	var ids []string
	for _, r := range b.rows {
		if r.finish == nil && r.unit == nil && r.sight != nil && r.sight.Sight == connectors.SightFound {
			strangers[r.work.RecordID] = r
			ids = append(ids, r.work.RecordID)
		}
	}
	if len(ids) == 0 {
		return
	}
	past, err := b.Store.Past(ctx, b.place.system, b.place.object, ids)
	for _, id := range ids {
		r := strangers[id]
		if err != nil {
			b.end(r, "store", b.storeTrouble(r, err))
			continue
		}
		for _, p := range past[id] {
			if b.undeleted(ctx, r, p) {
				break
			}
		}
	}
}

// undeleted takes a record back into the identity that it was a member of; false: it
// is not that record.
func (b *batch) undeleted(ctx context.Context, r *row, p store.Past) bool {
	if p.State != mapping.MemberGone || p.Of != mapping.IdentityLive || p.Birth == "" || birthText(r.sight.Record.Born) != p.Birth {
		return false
	}
	if l := b.links[p.Link]; p.Why == whyLeft && l != nil && l.member(b.place.system) != nil && !l.member(b.place.system).inScope(r.sight.Record.Values) {
		b.end(r, "out_of_scope", store.Finish{Disposition: store.Done})
		return true
	}
	leased, busy, err := b.Store.Lease(ctx, []string{p.IdentityID}, b.Owner, b.Lease)
	switch {
	case err != nil:
		b.end(r, "store", b.storeTrouble(r, err))
		return true
	case len(busy) > 0 || len(leased) == 0:
		b.end(r, "leased_elsewhere", store.Finish{Disposition: store.Again, After: b.between(300*time.Millisecond, time.Second), Blame: b.unblamed(r)})
		return true
	}
	ref := store.LeaseRef{ID: leased[0].ID, Epoch: leased[0].Epoch}
	u, err := b.newUnit(leased[0], b.place.system)
	if err != nil {
		b.release(ref)
		b.end(r, "broken", store.Finish{Disposition: store.Parked, Reason: "broken", Error: err.Error()})
		return true
	}
	b.beat.covers(ref)
	u.rows, r.unit = []*row{r}, u
	b.units = append(b.units, u)
	b.takeBackIn(ctx, u, r)
	return true
}

// takeBackIn makes a gone member active again. What went because of it comes back as
// well: by leftAlone, when the unit comes again. If it was removed by us, whatever went
// first and let us do so does.
func (b *batch) takeBackIn(ctx context.Context, u *unit, r *row) {
	var back []*member
	for _, g := range u.gone {
		switch {
		case g.stored.System == b.place.system && g.stored.RecordID == r.work.RecordID:
			g.back(b.Now())
			u.note(b, g, "undelete", nil)
			if g.stored.Why == whyRemoved {
				for _, o := range u.gone {
					if o != g && o.stored.Why != whyRemoved && o.rule.Write {
						back = append(back, o)
					}
				}
			}
		case g.stored.System == b.place.system: // the claim is another record's by now
			return
		}
	}
	if len(back) > 0 {
		b.bringBack(ctx, u, back)
	}
	b.endUnit(u, "undeleted", store.Finish{Disposition: store.Again, Blame: b.unblamed(r)})
}

// outlived says that a record with our token is one that the claim had before, in the
// vendor's bin, and not what our create made.
func (p pending) outlived(rec connectors.Record) bool {
	return rec.Archived && p.member.fate.removal != nil && slices.Contains(p.member.fate.removal.Old, rec.ID)
}

// keptInBin parks a create that the vendor refuses because of such a record: it keeps
// its unique values, and only a person can take it out.
func (b *batch) keptInBin(p pending, rec connectors.Record) bool {
	if !p.outlived(rec) {
		return false
	}
	b.endUnit(p.unit, "in_bin", store.Finish{Disposition: store.Parked, Reason: "in_bin",
		Error: "the record that this one had in " + p.member.stored.System + ", " + rec.ID + ", lies in the bin there and keeps its values: restore it there"})
	return true
}

// wakePartners has the others of a record that is back looked at: they may wait for a
// person's word about it, or hold edits that it has not seen.
func (b *batch) wakePartners(ctx context.Context) {
	for _, u := range b.units {
		if slices.ContainsFunc(u.members, func(m *member) bool { return m.fate.state == mapping.MemberActive && !m.stored.Missing.IsZero() }) {
			b.wakeOthers(ctx, u)
		}
	}
}

// wakeOthers has the unit's records elsewhere looked at.
func (b *batch) wakeOthers(ctx context.Context, u *unit) {
	if hints := u.others(b.place.system); len(hints) > 0 {
		if err := b.Store.Enqueue(ctx, hints); err != nil {
			b.Logger.Warn("the partner of a record is not woken: its next change does it", "event", "revive.wake", "identity", u.id, "error", err)
		}
	}
}

// others gives hints of the unit's records in other systems.
func (u *unit) others(but string) []store.Hint {
	var hints []store.Hint
	w := u.rows[0].work
	for _, m := range u.members {
		if m.stored.RecordID != "" && !m.fate.reopen && m.stored.System != but {
			hints = append(hints, store.Hint{System: m.stored.System, Object: m.stored.Object, RecordID: m.stored.RecordID,
				Cause: causeRevive, DeliveryKey: w.DeliveryKey, Trace: w.Trace})
		}
	}
	return hints
}

package flows

import (
	"context"
	"time"

	"syncd/connectors"
	"syncd/mapping"
	"syncd/store"
)

// Orphan says what becomes of a record whose counterpart was merged into another one.
type Orphan string

// The policies.
const (
	OrphanAsk     Orphan = "ask" // and where nothing is said
	OrphanKeep    Orphan = "keep"
	OrphanArchive Orphan = "archive"
)

// orphanAgain is when an archived orphan is read, to see that it is.
const orphanAgain = 15 * time.Second

// removalOf is an open removal, as the store keeps it.
type removalOf struct {
	Op connectors.Op `json:"op"`
	At int64         `json:"at"` // Unix milliseconds
}

// orphans ends the rows of records that a merge elsewhere left over (CORRECTNESS
// F40). They belong to an identity that is no more, which holds them, so that they
// are neither made customers of their own nor anybody's partner.
func (b *batch) orphans(ctx context.Context) {
	for _, u := range b.open() {
		if !u.orphan {
			continue
		}
		r, m := u.rows[0], u.member(b.place.system)
		switch s := r.sight; {
		case m == nil:
			b.endUnit(u, "orphan", store.Finish{Disposition: store.Done})
		case s.Sight == connectors.SightArchived:
			b.orphanWent(u, m, mapping.MemberGone, "archived")
		case s.Sight == connectors.SightFound && s.Record.ID != r.work.RecordID:
			b.orphanWent(u, m, mapping.MemberMerged, whyMerged)
		case s.Sight != connectors.SightFound: // nothing follows, so nothing need be proved
			b.endUnit(u, "orphan", store.Finish{Disposition: store.Done})
		default:
			b.left(ctx, u, m)
		}
	}
}

// orphanWent notes that a person, or we, put the orphan away.
func (b *batch) orphanWent(u *unit, m *member, state mapping.MemberState, why string) {
	b.ended = append(b.ended, store.IdentityUpdate{LeaseRef: store.LeaseRef{ID: u.id, Epoch: u.epoch}, Link: u.link.Name,
		Members: []store.MemberUpdate{{System: m.stored.System, State: state, Why: why, Cause: u.rows[0].work.Cause}}})
	u.retired = true
	b.endUnit(u, "orphan", store.Finish{Disposition: store.Done})
}

// left does with an orphan that is there what the link says.
func (b *batch) left(ctx context.Context, u *unit, m *member) {
	const choices = "merge it into the one that is left, archive it, or leave it: syncd does nothing with it"
	rec := u.rows[0].sight.Record
	u.show(m, &rec, false)
	switch {
	case u.link.Orphan == OrphanKeep:
		b.endUnit(u, "orphan", store.Finish{Disposition: store.Done})
	case u.link.Orphan != OrphanArchive:
		b.askOrphan(u, choices)
	case m.edited():
		b.askOrphan(u, "it was edited since, so it is not archived: "+choices)
	case !m.rule.Write || !b.canArchive():
		b.askOrphan(u, "it cannot be archived from here: "+choices)
	default:
		b.archiveOrphan(ctx, u, m)
	}
}

func (b *batch) askOrphan(u *unit, words string) {
	b.endUnit(u, "orphan", store.Finish{Disposition: store.Parked, Reason: "orphan", Error: "its counterpart was merged into another record; " + words,
		Detail: encode(map[string]any{"identity": u.id, "choices": []Orphan{OrphanKeep, OrphanArchive, "merge"}})})
}

// edited says that a record differs from its base.
func (m *member) edited() bool {
	for row, v := range m.side.Values {
		if base, known := m.side.Base[row]; known && !base.Never && base.V != v {
			return true
		}
	}
	return false
}

func (b *batch) canArchive() bool {
	for _, op := range b.object(b.place).Removes {
		if op == connectors.Archive {
			return true
		}
	}
	return false
}

// archiveOrphan commits what it is about to do, does it, and has the record read: what
// the call answers proves nothing.
func (b *batch) archiveOrphan(ctx context.Context, u *unit, m *member) {
	if b.beat.left() < b.callTimeout()+time.Second {
		b.endUnit(u, "out_of_time", store.Finish{Disposition: store.Again, Blame: b.unblamed(u.rows[0])})
		return
	}
	ok, err := b.Store.IntendRemovals(ctx, b.Owner, []store.RemovalIntent{{IdentityID: u.id, Epoch: u.epoch, Link: u.link.Name, System: m.stored.System,
		Removal: encode(removalOf{connectors.Archive, b.Now().UnixMilli()})}})
	switch {
	case err != nil:
		b.endUnit(u, "store", b.storeTrouble(u.rows[0], err))
		return
	case len(ok) == 0:
		f := store.Finish{Disposition: store.Again, After: b.between(300*time.Millisecond, time.Second), Blame: b.unblamed(u.rows[0])}
		if h, held := b.holdOn(m.stored.System, u.link.Name, "writes", "deletes"); held {
			f.After, f.Error = b.between(heldDelay, heldDelay+10*time.Second), heldWords(h)
		}
		b.endUnit(u, "held", f)
		return
	}
	res := b.call(ctx, b.place, connectors.Archive, []connectors.Write{{Key: u.token, RecordID: m.stored.RecordID}})[0]
	b.Observe.Wrote(u.link.Name, b.place.system, b.place.system, connectors.Archive, res.Outcome)
	switch {
	case res.Outcome == connectors.Applied:
		u.note(b, m, "archive", nil)
		b.endUnit(u, "orphan", store.Finish{Disposition: store.Again, After: orphanAgain, Blame: b.unblamed(u.rows[0])})
	case res.Outcome == connectors.Unknown:
		b.endUnit(u, "unknown", store.Finish{Disposition: store.Again, After: orphanAgain, Retry: true, Blame: b.blamed(u.rows[0])})
	default:
		b.endUnit(u, reasonOf(res.Err), b.outcome(u.rows[0], refusal(res, b.place.system)))
	}
}

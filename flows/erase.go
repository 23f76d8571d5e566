package flows

import (
	"context"
	"errors"
	"slices"
	"time"

	"syncd/connectors"
	"syncd/store"
)

const (
	// eraseProof is how long a vendor may go on showing a record that it says is
	// erased, before a person has to look.
	eraseProof = 10 * time.Minute
	// eraseAgain is how soon it is looked at again, and a record that was archived or
	// deleted because of an erasure is read: what a call answers proves nothing.
	eraseAgain = 15 * time.Second
)

// carryOutErasures ends the rows that have something to do beside bringing their
// record through (CORRECTNESS F44): to forget a person, or to do with a record of
// one who was forgotten what the link says. The order stays on the row until it is
// done, so a crash anywhere here is picked up by the next claim.
func (b *batch) carryOutErasures(ctx context.Context) {
	removals := map[connectors.Op][]*row{}
	for _, r := range b.rows {
		if r.work.Erase == "" || r.finish != nil {
			continue
		}
		if r.unit != nil && r.unit.epoch == 0 {
			b.endRow(r, "leased_elsewhere", store.Finish{Disposition: store.Again, After: b.between(300*time.Millisecond, time.Second), Blame: b.unblamed(r)})
			continue
		}
		switch r.work.Erase {
		case store.EraseAsked:
			b.eraseAsked(ctx, r)
		case store.EraseArchive:
			b.sortRemoval(r, connectors.Archive, removals)
		case store.EraseDelete:
			b.sortRemoval(r, connectors.Delete, removals)
		default:
			b.askElsewhere(r, "decide what becomes of it here")
		}
	}
	for _, op := range []connectors.Op{connectors.Archive, connectors.Delete} {
		b.remove(ctx, op, removals[op])
	}
}

// eraseAsked forgets a person whom the vendor says it has erased. The word of a
// webhook is a hint here as everywhere: as long as the vendor shows the record,
// nothing is forgotten.
func (b *batch) eraseAsked(ctx context.Context, r *row) {
	age := b.Now().Sub(r.work.FirstHint)
	switch s := r.sight.Sight; {
	case s == connectors.SightMissing, s == connectors.SightArchived:
		b.erase(ctx, r)
	case age < eraseProof:
		b.endRow(r, "erase_unproved", store.Finish{Disposition: store.Again, After: eraseAgain, Blame: b.unblamed(r)})
	default:
		b.endRow(r, "erase_unproved", store.Finish{Disposition: store.Parked, Reason: "erase_unproved",
			Error: b.place.system + " says that it has erased the record, and still shows it: look there, then run `syncd erase`"})
	}
}

// erase forgets a person. Their work rows go with it, this one included.
func (b *batch) erase(ctx context.Context, r *row) {
	o := store.Erasure{
		System: b.place.system, Object: b.place.object, RecordID: r.work.RecordID, Owner: b.Owner,
		By: "syncd", Reason: b.place.system + " erased the record", Mac: b.Keyring.RecordHash, Other: map[string]store.EraseOrder{},
	}
	for _, l := range b.Links {
		o.Other[l.Name] = l.EraseOther
	}
	done, err := b.Store.Erase(ctx, o)
	switch {
	case errors.Is(err, store.ErrInHand):
		b.endRow(r, "leased_elsewhere", store.Finish{Disposition: store.Again, After: b.between(time.Second, 2*time.Second), Blame: b.unblamed(r)})
		return
	case err != nil:
		b.endRow(r, "store", b.storeTrouble(r, err))
		return
	}
	b.Logger.Info("a person was forgotten", "event", "person.erased", "system", b.place.system, "object", b.place.object,
		"identities", done.Identities, "certificate", done.ID, "wiped", done.Wiped, "tombstones", done.Tombstones)
	b.endRow(r, "erased", store.Finish{Disposition: store.Done})
	b.Wake() // what was ordered elsewhere
}

// askElsewhere leaves a record whose person was erased in another system to a
// person, unless it has gone meanwhile.
func (b *batch) askElsewhere(r *row, words string) {
	if s := r.sight.Sight; s == connectors.SightMissing || s == connectors.SightArchived {
		b.endRow(r, "erased_elsewhere", store.Finish{Disposition: store.Done})
		return
	}
	b.endRow(r, "erased_elsewhere", store.Finish{Disposition: store.Parked, Reason: "erased_elsewhere",
		Error: "the person was erased in another system; " + words + " (`syncd erase --settle`)"})
}

// sortRemoval looks whether a record still has to be archived or deleted, and may be.
func (b *batch) sortRemoval(r *row, op connectors.Op, removals map[connectors.Op][]*row) {
	switch s := r.sight.Sight; {
	case s == connectors.SightMissing, s == connectors.SightArchived && op == connectors.Archive:
		b.endRow(r, "erased_elsewhere", store.Finish{Disposition: store.Done})
		return
	case s == connectors.SightDenied, s == connectors.SightFound && r.sight.Record.ID != r.work.RecordID:
		b.askElsewhere(r, "it cannot be told which record it is now")
		return
	case !slices.Contains(b.object(b.place).Removes, op):
		b.askElsewhere(r, b.place.system+" has no way to "+string(op)+" it")
		return
	case r.work.Attempts > attemptCap:
		b.askElsewhere(r, "it could not be done: "+string(op))
		return
	}
	if h, held := b.holdOn(b.place.system, "", "writes", "deletes"); held {
		b.endRow(r, "held", store.Finish{Disposition: store.Again, After: b.between(heldDelay, heldDelay+10*time.Second), Blame: b.unblamed(r), Error: heldWords(h)})
		return
	}
	removals[op] = append(removals[op], r)
}

// remove makes the calls that archive or delete. The order on the row is the
// intent: a repeat does no harm, and the row ends when a read shows it done.
func (b *batch) remove(ctx context.Context, op connectors.Op, rows []*row) {
	for part := range slices.Chunk(rows, max(1, b.object(b.place).WriteBatch)) {
		if b.beat.left() < b.callTimeout()+time.Second {
			for _, r := range part {
				b.endRow(r, "out_of_time", store.Finish{Disposition: store.Again, Blame: b.unblamed(r)})
			}
			continue
		}
		writes := make([]connectors.Write, len(part))
		for i, r := range part {
			writes[i] = connectors.Write{Key: b.Keyring.RecordHash(b.place.system, b.place.object, r.work.RecordID), RecordID: r.work.RecordID}
		}
		for i, res := range b.call(ctx, b.place, op, writes) {
			b.removed(part[i], op, res)
		}
	}
}

func (b *batch) removed(r *row, op connectors.Op, res connectors.Result) {
	b.Observe.Wrote(b.linksOf(b.place)[0].Name, b.place.system, b.place.system, op, res.Outcome)
	again := store.Finish{Disposition: store.Again, After: eraseAgain, Blame: b.unblamed(r)}
	switch {
	case res.Outcome == connectors.Applied || res.Outcome == connectors.Unknown:
		b.endRow(r, "erased_elsewhere", again)
	case res.Err == nil:
		b.askElsewhere(r, b.place.system+" refuses to "+string(op)+" it")
	case res.Err.Kind == connectors.KindGone:
		b.endRow(r, "erased_elsewhere", store.Finish{Disposition: store.Done})
	case !res.Err.WholeCall && (res.Err.Kind == connectors.KindInvalid || res.Err.Kind == connectors.KindForbidden):
		b.askElsewhere(r, b.place.system+" refuses to "+string(op)+" it: "+res.Err.Said)
	default:
		b.endRow(r, string(res.Err.Kind), b.outcome(r, res.Err))
	}
}

// passOverErased ends the rows of records that belong to somebody who was erased,
// before anything is read. The claim asks once more, in its transaction.
func (b *batch) passOverErased(ctx context.Context) {
	var strange []*row
	var asked []store.Tombstone
	for _, r := range b.rows {
		if r.finish == nil && r.unit == nil && r.work.Erase == "" {
			strange, asked = append(strange, r), append(asked, b.tombstone(b.place, r.work.RecordID))
		}
	}
	found, err := b.tombstones(ctx, asked)
	for i, r := range strange {
		if err != nil {
			b.end(r, "store", b.storeTrouble(r, err))
		} else if found[asked[i]] {
			b.end(r, "erased", store.Finish{Disposition: store.Done})
		}
	}
}

// leaveErased parks the strangers that carry the token of somebody who was erased:
// what a create made that was under way then, or a copy.
func (b *batch) leaveErased(ctx context.Context, all []*stranger) []*stranger {
	var asked []store.Tombstone
	for _, s := range all {
		if s.known {
			asked = append(asked, store.TombstoneOfIdentity(b.Keyring.RecordHash, s.id))
		}
	}
	found, err := b.tombstones(ctx, asked)
	return slices.DeleteFunc(all, func(s *stranger) bool {
		switch {
		case !s.known:
			return false
		case err != nil:
			b.end(s.row, "store", b.storeTrouble(s.row, err))
			return true
		case found[store.TombstoneOfIdentity(b.Keyring.RecordHash, s.id)]:
			b.end(s.row, "erased_elsewhere", store.Finish{Disposition: store.Parked, Reason: "erased_elsewhere",
				Error: "it carries the reference of a person who was erased: remove it, or clear the reference field if it is somebody else"})
			return true
		}
		return false
	})
}

func (e *Engine) tombstones(ctx context.Context, asked []store.Tombstone) (map[store.Tombstone]bool, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	return e.Store.Tombstones(ctx, asked)
}

func (e *Engine) tombstone(at place, recordID string) store.Tombstone {
	return store.Tombstone{System: at.system, Object: at.object, Mac: e.Keyring.RecordHash(at.system, at.object, recordID)}
}

// withoutErased takes out the records that belong to somebody who was erased: they
// are nobody's partner, and a listing leaves no trace of them.
func (e *Engine) withoutErased(ctx context.Context, at place, records []connectors.Record) ([]connectors.Record, error) {
	asked := make([]store.Tombstone, len(records))
	for i, r := range records {
		asked[i] = e.tombstone(at, r.ID)
	}
	found, err := e.tombstones(ctx, asked)
	if err != nil || len(found) == 0 {
		return records, err
	}
	return slices.DeleteFunc(slices.Clone(records), func(r connectors.Record) bool { return found[e.tombstone(at, r.ID)] }), nil
}

// named is the record as logs name it. Of one that is erased nothing is said.
func (r *row) named() string {
	id := r.work.RecordID
	if r.reason == "erased" {
		id = "erased"
	}
	return r.work.System + ":" + r.work.Object + ":" + id
}

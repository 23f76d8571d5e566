package flows

import (
	"context"
	"encoding/json"
	"time"

	"syncd/connectors"
	"syncd/mapping"
	"syncd/store"
)

// causeSurplus is the cause of a look at a record that may be one too many.
const causeSurplus = "surplus"

// vendorClock is what a vendor's clock may be off by (CORRECTNESS 3.5).
const vendorClock = 5 * time.Minute

// second judges a record that carries the token of an identity which has
// another record here: the one of the id map wins (F10). member is the
// identity's side here, nil if it has none.
func (b *batch) second(ctx context.Context, s *stranger, i *store.Identity, member *store.Member) {
	rec := &s.row.sight.Record
	switch {
	case member == nil:
		b.end(s.row, "clone", store.Finish{Disposition: store.Parked, Reason: "clone",
			Error: "carries the reference of a record that has no side in " + b.place.system + ": it looks like a copy; clear the field to sync it as a record of its own"})
	case i.State != mapping.IdentityLive && i.State != "", member.RecordID == rec.ID:
		b.end(s.row, "stopped", store.Finish{Disposition: store.Parked, Reason: "stopped",
			Error: "carries the reference of a record that is out of use: its identity is " + string(i.State) + ", its member " + string(member.State)})
	case member.Birth == "" && len(member.Intent) > 0:
		// The first read of the record that was paired is still to come.
		b.end(s.row, "not_seen_yet", store.Finish{Disposition: store.Again, After: confirmDelay, Blame: b.unblamed(s.row)})
	case b.wentInto(ctx, s, i, member):
	case b.copied(rec, member):
		b.disown(ctx, s)
	default:
		b.surplus(s, i, member)
	}
}

// copied says that a person must have copied the record: then, and only then,
// may its token be taken away and the record become a customer of its own. A
// record of ours treated so would be the second customer on the other side, so
// every doubt says no. A copy is younger than what it was copied from; and no
// send of ours can have made it: none went out; or only one did, or a vendor's
// constraint lets only one through, and that one made the paired record so long
// ago that nothing under way with it can land any more.
func (b *batch) copied(rec *connectors.Record, paired *store.Member) bool {
	if rec.Ours || rec.Born.IsZero() || paired.Birth == "" {
		return false
	}
	birth, known := birthOf(paired.Birth)
	if !known || !rec.Born.After(birth) {
		return false
	}
	if paired.Sends == 0 {
		return true
	}
	obj := b.object(b.place)
	if obj.CreateClass != connectors.ClassUnique && paired.Sends > 1 {
		return false
	}
	return rec.Born.After(birth.Add(obj.Settle + obj.IndexLag + vendorClock))
}

// disown blanks the token of a copy. The row comes back and finds a record
// without a token, which is treated as new.
func (b *batch) disown(ctx context.Context, s *stranger) {
	words := "it is a copy of another record: its reference is cleared, and it becomes a record of its own"
	if !s.link.member(b.place.system).Write {
		b.end(s.row, "clone", store.Finish{Disposition: store.Parked, Reason: "clone",
			Error: "it is a copy of another record, and the link does not write to " + b.place.system + ": clear the reference field by hand"})
		return
	}
	if h, held := b.holdOn(b.place.system, s.link.Name, "writes"); held {
		b.end(s.row, "held", store.Finish{Disposition: store.Again, After: b.between(heldDelay, heldDelay+10*time.Second), Blame: b.unblamed(s.row), Error: heldWords(h)})
		return
	}
	if b.beat.left() < b.callTimeout()+time.Second {
		b.end(s.row, "out_of_time", store.Finish{Disposition: store.Again, Blame: b.unblamed(s.row)})
		return
	}
	field := b.object(b.place).TokenField
	rec := &s.row.sight.Record
	results := b.call(ctx, b.place, connectors.Update, []connectors.Write{{Key: s.token, RecordID: rec.ID, Values: map[string]string{field: ""}}})
	r := results[0]
	b.Observe.Wrote(s.link.Name, b.place.system, b.place.system, connectors.Update, r.Outcome)
	switch r.Outcome {
	case connectors.Applied:
		b.noteRecord(s.row, "clone", map[string][2]string{fixedToken: {s.token, ""}})
		b.end(s.row, "clone", store.Finish{Disposition: store.Again, Blame: b.unblamed(s.row), Error: words})
	case connectors.Unknown:
		b.end(s.row, "unknown", store.Finish{Disposition: store.Again, After: unknownDelay + b.between(0, time.Second), Retry: true, Blame: b.blamed(s.row)})
	default:
		b.end(s.row, reasonOf(r.Err), b.outcome(s.row, refusal(r, b.place.system)))
	}
}

// surplus parks a second record that syncd made, or may have made. Nothing is
// archived or deleted: the connector contract has no such call.
func (b *batch) surplus(s *stranger, i *store.Identity, paired *store.Member) {
	id := s.row.work.RecordID
	b.Logger.Warn("a second record with one reference", "event", "create.surplus", "system", b.place.system, "object", b.place.object,
		"record", id, "identity", i.ID, "paired", paired.RecordID)
	b.Observe.Surplus(s.link.Name, b.place.system)
	b.noteRecord(s.row, "surplus", nil)
	detail, err := json.Marshal(map[string]any{"candidates": []string{paired.RecordID, id}, "identity": i.ID, "paired": paired.RecordID, "surplus": id})
	if err != nil {
		detail = nil
	}
	b.end(s.row, "surplus", store.Finish{Disposition: store.Parked, Reason: "surplus", Detail: detail,
		Error: "it has the same reference as " + b.place.system + " " + b.place.object + " " + paired.RecordID +
			", which is paired: syncd made one of them too many, and deletes nothing by itself. Merge or archive one, or clear the reference field if it is a customer of its own"})
}

// announce asks for a look at records that may be one too many. If the store
// cannot take the hints, their own webhooks or the sweep bring them.
func (b *batch) announce(ctx context.Context, at place, ids []string) {
	w := b.rows[0].work
	hints := make([]store.Hint, len(ids))
	for n, id := range ids {
		hints[n] = store.Hint{System: at.system, Object: at.object, RecordID: id, Cause: causeSurplus, DeliveryKey: w.DeliveryKey, Trace: w.Trace}
	}
	if err := b.Store.Enqueue(ctx, hints); err != nil {
		b.Logger.Warn("a record that may be surplus is not looked at before the next sweep", "event", "create.surplus", "system", at.system,
			"object", at.object, "records", len(ids), "error", err)
	}
}

// noteRecord adds a line of history about a record that is no identity's.
func (b *batch) noteRecord(r *row, action string, fields map[string][2]string) {
	e := store.Entry{System: b.place.system, Object: b.place.object, RecordID: r.work.RecordID,
		Cause: r.work.Cause, DeliveryKey: r.work.DeliveryKey, Trace: r.work.Trace, Action: action}
	if fields != nil {
		e.Fields = encode(fields)
	}
	b.history = append(b.history, e)
}

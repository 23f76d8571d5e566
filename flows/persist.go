package flows

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"syncd/failpoint"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

// release notes a lease that is given back with nothing written under it.
func (b *batch) release(ref store.LeaseRef) {
	b.extra = append(b.extra, ref)
	b.beat.covers(ref)
}

// lookAt leases identities that strangers may belong to, until persist. One that
// the batch has looked at before is leased by it already: asked for once more, the
// store would call it busy, and the stranger would come back for ever.
func (b *batch) lookAt(ctx context.Context, ids ...string) (leased []*store.Identity, busy []string, err error) {
	var fresh []string
	for _, id := range ids {
		if i := b.looked[id]; i != nil {
			leased = append(leased, i)
		} else {
			fresh = append(fresh, id)
		}
	}
	if len(fresh) == 0 {
		return leased, nil, nil
	}
	got, busy, err := b.Store.Lease(ctx, fresh, b.Owner, b.Lease)
	for _, i := range got {
		b.looked[i.ID] = i
		b.release(store.LeaseRef{ID: i.ID, Epoch: i.Epoch})
	}
	return append(leased, got...), busy, err
}

// persist ends the batch in one transaction.
func (b *batch) persist(ctx context.Context) error {
	p := store.Persist{Owner: b.Owner, History: b.history, Identities: b.ended, Moves: b.moves}
	for _, ref := range b.extra {
		if up, marked := b.marks[ref.ID]; marked {
			p.Identities = append(p.Identities, up)
		} else {
			p.Release = append(p.Release, ref)
		}
	}
	written := map[*unit]bool{}
	for _, u := range b.units {
		if u.epoch == 0 {
			continue
		}
		if u.retired { // its end says all that is to be written
			written[u] = true
			p.History = append(p.History, u.history...)
			continue
		}
		if up, ok := b.identityUpdate(u); ok {
			p.Identities = append(p.Identities, up)
			written[u] = true
		} else {
			p.Release = append(p.Release, store.LeaseRef{ID: u.id, Epoch: u.epoch})
			written[u] = u.repoint // its rows are done only if that is
		}
		p.History = append(p.History, u.history...)
	}
	for _, r := range b.rows {
		switch {
		case r.finish != nil:
		case r.unit != nil && r.unit.confirm && r.unit.member(b.place.system).side.Intent != nil:
			b.end(r, "to_confirm", store.Finish{Disposition: store.Again, After: confirmDelay, Blame: b.unblamed(r)})
		case r.unit != nil && r.unit.uncreated != "":
			b.end(r, "needs_reference", r.unit.needsReference(r.unit.uncreated, "is required for a create (required: true)"))
		case r.unit != nil && !r.unit.thaw.IsZero() && len(r.unit.frozenGroups()) > 0: // else a write has just ended it
			b.end(r, "frozen", b.thawing(r))
		default:
			b.end(r, "done", store.Finish{Disposition: store.Done})
		}
		f := *r.finish
		if r.unit != nil && written[r.unit] {
			f.IdentityID = r.unit.id
		}
		if f.Disposition == store.Dead && f.Detail == nil {
			f.Detail = b.payload(r)
		}
		p.Work = append(p.Work, f)
	}
	p.Answers = b.answers()
	done, err := b.Store.Persist(ctx, p)
	if err != nil {
		return fmt.Errorf("persist %d rows of %s %s: %w", len(b.rows), b.place.system, b.place.object, err)
	}
	failpoint.Hit("mid_complete")
	b.report(done)
	return nil
}

// identityUpdate says what moved in a unit; ok is false if nothing did.
func (b *batch) identityUpdate(u *unit) (store.IdentityUpdate, bool) {
	up := store.IdentityUpdate{LeaseRef: store.LeaseRef{ID: u.id, Epoch: u.epoch}, Link: u.link.Name}
	for _, m := range u.all() {
		if m.fate.reopen {
			up.Members = append(up.Members, store.MemberUpdate{System: m.stored.System, Reopen: true, Removal: encode(m.fate.removal)})
			continue
		}
		m.owe()
		b.noteLate(u, m)
		u.keep(m)
		if !m.dirty() {
			continue
		}
		mu := store.MemberUpdate{
			System: m.stored.System, Base: encode(m.side.Base), BaseVersion: m.stored.BaseVersion,
			Intent: encode(m.side.Intent), Sent: encode(m.ledger), Fields: map[string]store.FieldState{},
		}
		if m.parked {
			mu.State = mapping.MemberParked
		}
		m.fate.into(&mu)
		if m.ledger.At == 0 && len(m.ledger.F) == 0 && m.ledger.Key == "" {
			mu.Sent = nil
		}
		if m.record != nil {
			mu.BaseVersion, mu.Birth = m.record.Version, birthText(m.record.Born)
		}
		for row, st := range m.side.States {
			mu.Fields[row] = store.FieldState(st)
		}
		up.Members = append(up.Members, mu)
	}
	if len(up.Members) == 0 {
		return up, false
	}
	up.Needs, up.SetNeeds = u.needs()
	if u.keysMayMove() {
		up.Keys, up.SetKeys = b.unitKeys(u), true
	}
	return up, true
}

// keysMayMove: the keys come from bases and open intents.
func (u *unit) keysMayMove() bool {
	for _, m := range u.members {
		if m.intended || !maps.Equal(m.side.Base, m.before.Base) {
			return true
		}
	}
	return false
}

// unitKeys are the business keys of an identity by what its sides hold, were
// last known to hold, or are about to hold (3.7).
func (b *batch) unitKeys(u *unit) []store.KeyOf {
	var out []store.KeyOf
	seen := map[store.Key]bool{}
	for _, m := range u.members {
		values := map[string]string{}
		if m.side.Intent != nil {
			for row, e := range m.side.Intent.Fields {
				values[row] = e.W
			}
		}
		for row, e := range m.side.Base {
			values[row] = e.V
		}
		if m.side.Presence == plan.Present {
			maps.Copy(values, m.side.Values)
		}
		for _, k := range b.keysOf(u.link, values) {
			if !seen[k] {
				seen[k] = true
				out = append(out, store.KeyOf{Key: k, System: m.stored.System})
			}
		}
	}
	return out
}

// encode renders state for the store; nil maps and nil intents are NULL.
func encode(v any) json.RawMessage {
	switch x := v.(type) {
	case plan.Base:
		if x == nil {
			return nil
		}
	case *plan.Intent:
		if x == nil {
			return nil
		}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("state of plain strings does not encode: %v", err))
	}
	return raw
}

// payload keeps for the trash what was known of the record, field names only:
// the values are read afresh when somebody looks.
func (b *batch) payload(r *row) json.RawMessage {
	out := map[string]any{"cause": r.work.Cause, "delivery": r.work.DeliveryKey, "attempts": r.work.Attempts}
	if r.unit != nil {
		out["link"] = r.unit.link.Name
	}
	return encode(out)
}

// noteWrite adds a line of history: old and new value of every field written,
// keyed hashes for private ones.
func (u *unit) noteWrite(b *batch, m *member, action string, w plan.Write) {
	fields := map[string][2]string{}
	for name, e := range w.Fields {
		old := m.side.Values[name]
		if strings.HasPrefix(name, plan.FixedPrefix) {
			old = m.side.Fixed[name]
		}
		fields[name] = b.pairOf(u, name, old, e.W)
	}
	u.note(b, m, action, fields)
}

// findApplied notes what a record that was just read holds of a write that got no
// answer, or whose process died.
func (m *member) findApplied() {
	if m.before.Intent == nil || m.before.Intent.Acked {
		return
	}
	m.late = map[string]plan.IntentEntry{}
	for name, e := range m.before.Intent.Fields {
		v, shown := m.side.Values[name]
		if strings.HasPrefix(name, plan.FixedPrefix) {
			v, shown = m.side.Fixed[name]
		}
		if shown && v == e.W && e.W != e.O {
			m.late[name] = e
		}
	}
}

// noteLate writes the line of history of a write that is only known by what it
// left behind, once its intent is settled.
func (b *batch) noteLate(u *unit, m *member) {
	if m.side.Intent != nil && !m.intended {
		return // still open: noted when it is settled
	}
	fields := map[string][2]string{}
	for name, e := range m.late {
		fields[name] = b.pairOf(u, name, e.O, e.W)
	}
	if len(fields) == 0 {
		return
	}
	action := "update"
	if m.before.Intent.Create {
		action = "create"
	}
	u.note(b, m, action, fields)
}

// pairOf is old and new value as history keeps them: keyed hashes of private rows.
func (b *batch) pairOf(u *unit, row, old, new string) [2]string {
	if u.link.Private[row] {
		return [2]string{b.Keyring.ValueHash(row, old), b.Keyring.ValueHash(row, new)}
	}
	return [2]string{old, new}
}

func (u *unit) note(b *batch, m *member, action string, fields map[string][2]string) {
	w := u.rows[0].work
	e := store.Entry{
		IdentityID: u.id, System: m.stored.System, Object: m.stored.Object, RecordID: m.stored.RecordID,
		Cause: w.Cause, DeliveryKey: w.DeliveryKey, Trace: w.Trace, Action: action, Epoch: u.epoch,
	}
	if fields != nil {
		e.Fields = encode(fields)
	}
	u.history = append(u.history, e)
}

// report writes one wide line per attempt and feeds the metrics. Ids and field
// names only, no values (SECURITY S12).
func (b *batch) report(done store.Persisted) {
	fenced := map[string]bool{}
	for _, id := range done.Fenced {
		fenced[id] = true
	}
	for _, r := range b.rows {
		link, identity := "", ""
		var wrote []string
		reason := r.reason
		if r.unit != nil {
			link, identity = r.unit.link.Name, r.unit.id
			for _, h := range r.unit.history {
				wrote = append(wrote, h.Action+" "+h.System)
			}
			if fenced[identity] {
				reason = "fenced"
			}
		}
		b.Observe.Attempt(link, b.place.system, r.finish.Disposition, reason)
		b.Logger.Info("attempt", "event", "sync.attempted", "link", link, "system", b.place.system,
			"record", r.named(), "identity", identity,
			"cause", r.work.Cause, "delivery", r.work.DeliveryKey, "trace", r.work.Trace, "batch", r.work.Batch,
			"outcome", string(r.finish.Disposition), "reason", reason, "attempt", r.work.Attempts, "wrote", strings.Join(wrote, ", "),
			"fields", r.fieldNotes(), "duration_ms", b.Now().Sub(b.started).Milliseconds())
	}
}

// fieldNotes lists what was decided per field row, by name and reason.
func (r *row) fieldNotes() string {
	if r.unit == nil || len(r.unit.notes) == 0 {
		return ""
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.unit.notes)) {
		out = append(out, name+"="+r.unit.notes[name])
	}
	return strings.Join(out, " ")
}

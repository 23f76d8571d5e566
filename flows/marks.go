package flows

import (
	"context"
	"maps"
	"slices"

	"syncd/flows/plan"
	"syncd/store"
)

// States of a side that are about its record as a whole: kept among the field
// states, under names that no row has but SharedID. While one stands nothing is
// quiet, so that every look at the record goes all the way to where it is lifted.
const (
	markKey   = "@key"   // the key of the system of record
	markScope = "@scope" // the filter of the side

	stateMoved   = "moved"        // a person changed the key or the shared id
	stateTaken   = "taken"        // another record of the side has the shared id too
	stateOutside = "out_of_scope" // the record fails its filter
)

// mark notes on a side why nothing flows.
func (m *member) mark(name, state string) {
	m.side.States = maps.Clone(m.side.States)
	if m.side.States == nil {
		m.side.States = map[string]plan.FieldState{}
	}
	m.side.States[name] = plan.FieldState{State: state}
}

// marked says that a mark stands.
func (m *member) marked(name, state string) bool { return m.side.States[name].State == state }

// unmark takes a mark off, if it stands, and has the other records of the identity
// looked at again: what they had to tell meanwhile waits.
func (b *batch) unmark(ctx context.Context, u *unit, m *member, name, state string) {
	if !m.marked(name, state) {
		return
	}
	m.side.States = maps.Clone(m.side.States)
	delete(m.side.States, name)
	var hints []store.Hint
	for _, o := range u.members {
		if o.stored.RecordID != "" && o.stored.State.Bound() && o.stored.System != b.place.system {
			hints = append(hints, store.Hint{System: o.stored.System, Object: o.stored.Object, RecordID: o.stored.RecordID, Cause: causeWake})
		}
	}
	if err := b.Store.Enqueue(ctx, hints); err != nil {
		b.Logger.Warn("a record that waited is not woken: its next change does it", "event", "mark.wake", "identity", u.id, "error", err)
	}
}

// causeWake is the cause of a look at a record whose partner was what it waited for.
const causeWake = "wake"

// markHolder notes a mark on a record of an identity that was only looked at, under
// the lease of that look. Everything else of the side stays as it was.
func (b *batch) markHolder(i *store.Identity, epoch int64, system, name, state string) {
	at := slices.IndexFunc(i.Members, func(m store.Member) bool { return m.System == system })
	if at < 0 {
		return
	}
	m := i.Members[at]
	states := maps.Clone(m.Fields)
	if states == nil {
		states = map[string]store.FieldState{}
	}
	states[name] = store.FieldState{State: state}
	b.marks[i.ID] = store.IdentityUpdate{
		LeaseRef: store.LeaseRef{ID: i.ID, Epoch: epoch}, Link: i.Link,
		Members: []store.MemberUpdate{{System: system, Base: m.Base, BaseVersion: m.BaseVersion, Intent: m.Intent, Sent: m.Sent, Removal: m.Removal, Fields: states}},
	}
}

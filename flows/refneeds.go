package flows

import (
	"maps"
	"slices"

	"syncd/flows/plan"
	"syncd/store"
)

// needs lists what the references of a unit wait for. waits says that any
// reference waits, or waited before.
func (u *unit) needs() (needs []store.Need, waits bool) {
	for _, m := range u.members {
		for row := range u.link.Refs {
			if m.before.States[row].State == plan.StateReference {
				waits = true
			}
			w, ok := plan.WaitOf(m.side.States[row])
			if !ok {
				continue
			}
			waits = true
			switch {
			case w.Identity != "":
				needs = append(needs, store.Need{System: m.stored.System, Field: row, Identity: w.Identity, Wake: u.wakes()})
			case w.Record != "":
				needs = append(needs, u.needsOf(m, row, w)...)
			}
		}
	}
	return needs, waits
}

// needsOf are the needs of a reference whose target has no identity: one for each
// side that is to be told.
func (u *unit) needsOf(m *member, row string, w plan.Wait) []store.Need {
	link := u.engine.links[u.link.Refs[row].Link]
	at := link.member(m.stored.System)
	target := store.RecordRef{System: at.System, Object: at.Object, RecordID: w.Record}
	known, _ := u.refs.record(target)
	var out []store.Need
	for _, r := range u.link.Rules.Rows {
		for _, system := range r.Systems {
			if r.Name != row || system == m.stored.System || r.From == system || u.link.Rules.ReadOnly[system] {
				continue
			}
			out = append(out, store.Need{System: system, Field: row, Record: target, Answer: known.Answer,
				Fetch: at.Listen && known.Answer == "", Wake: u.wakes()})
		}
	}
	return out
}

// wakes is the system whose record is looked at again: one that is listened to.
func (u *unit) wakes() string {
	if m := u.member(u.source); m != nil && m.rule.Listen {
		return u.source
	}
	for _, m := range u.members {
		if m.rule.Listen && m.stored.RecordID != "" {
			return m.stored.System
		}
	}
	return u.source
}

// answers say of records that others may need why they belong to nobody, or what
// keeps them from having a record elsewhere.
func (b *batch) answers() []store.Answer {
	if !b.wanted[b.place] {
		return nil
	}
	var out []store.Answer
	for _, r := range b.rows {
		final := r.finish.Disposition == store.Parked || r.finish.Disposition == store.Dead || (r.finish.Disposition == store.Done && r.unit == nil)
		if !final || (r.unit != nil && !r.unit.openCreate()) {
			continue
		}
		out = append(out, store.Answer{RecordRef: store.RecordRef{System: r.work.System, Object: r.work.Object, RecordID: r.work.RecordID}, Answer: r.reason})
	}
	return out
}

// parked ends a unit of which nothing may be written, by the policy of a reference
// that is out of scope.
func (b *batch) parked(u *unit, d plan.Decision) bool {
	u.uncreated = ""
	for _, system := range slices.Sorted(maps.Keys(d.Uncreated)) {
		u.uncreated = d.Uncreated[system]
	}
	if d.Parks == "" {
		return false
	}
	f := u.needsReference(d.Parks, "is not written before what it refers to is known to be in scope (out_of_scope: park)")
	b.endUnit(u, f.Reason, f)
	return true
}

// needsReference ends a row whose record has to wait for a reference: what brings
// it wakes the row.
func (u *unit) needsReference(row, why string) store.Finish {
	words := "field " + row + " " + why
	for _, m := range u.members {
		if w, ok := plan.WaitOf(m.side.States[row]); ok {
			words += "; it waits for " + w.For + ": " + w.Reason
			break
		}
	}
	return store.Finish{Disposition: store.Parked, Reason: "needs_reference", Error: words}
}

package flows

import (
	"context"
	"slices"
	"strings"

	"syncd/connectors"
	"syncd/flows/plan"
	"syncd/store"
)

// reasonIDTaken is why records with one shared id wait for a person.
const reasonIDTaken = "external_id_taken"

// awaitIDs parks the strangers of links with shared ids that have none yet: the
// change that sets it is the hint that wakes them.
func (b *batch) awaitIDs(all []*stranger) []*stranger {
	return slices.DeleteFunc(all, func(s *stranger) bool {
		if s.link.Mode != ModeExternal || len(s.keys) > 0 {
			return false
		}
		b.end(s.row, "no_external_id", store.Finish{Disposition: store.Parked, Reason: "no_external_id",
			Error: "waiting: no external id in " + strings.Join(s.link.row(SharedID).ColumnsOf(b.place.system), ", ")})
		return true
	})
}

// apartByID parks the strangers of one batch that have one shared id: to take the
// first of them would be a coin toss.
func (b *batch) apartByID(all []*stranger) []*stranger {
	having := map[store.Key][]connectors.Record{}
	for _, s := range all {
		if s.link.Mode == ModeExternal {
			having[s.keys[0]] = append(having[s.keys[0]], s.row.sight.Record)
		}
	}
	return slices.DeleteFunc(all, func(s *stranger) bool {
		if s.link.Mode != ModeExternal || len(having[s.keys[0]]) < 2 {
			return false
		}
		b.parkTaken(s, having[s.keys[0]], "")
		return true
	})
}

func (b *batch) parkTaken(s *stranger, candidates []connectors.Record, identity string) {
	b.end(s.row, "external_id_taken", store.Finish{Disposition: store.Parked, Reason: "external_id_taken", Detail: candidatesOf(candidates, identity),
		Error: "another record of " + b.place.system + " has the same external id: give one of them its own, and save both"})
}

// idClash ends a stranger whose shared id names another record of its system. Both
// wait: whose id it is only a person knows.
func (b *batch) idClash(ctx context.Context, s *stranger, identity string) {
	leased, busy, err := b.lookAt(ctx, identity)
	switch {
	case err != nil:
		b.end(s.row, "store", b.storeTrouble(s.row, err))
		return
	case len(busy) > 0 || len(leased) == 0:
		b.end(s.row, "leased_elsewhere", store.Finish{Disposition: store.Again, After: b.between(shortly, longer), Blame: b.unblamed(s.row)})
		return
	}
	i := leased[0]
	b.markHolder(i, i.Epoch, b.place.system, SharedID, stateTaken)
	candidates := []connectors.Record{s.row.sight.Record}
	for _, m := range i.Members {
		if m.System == b.place.system && m.RecordID != "" {
			candidates = append(candidates, connectors.Record{ID: m.RecordID})
			b.wakeSources(ctx, &store.Identity{ID: i.ID, Members: []store.Member{m}})
		}
	}
	b.parkTaken(s, candidates, identity)
}

// idTaken parks a unit of which the shared id is another record's already that is
// not free to be paired: it belongs to somebody, is in the bin, or is out of scope.
// To create a second one with the id would be the duplicate.
func (b *batch) idTaken(a ask, records []connectors.Record, holders map[string]string) bool {
	if a.unit.link.Mode != ModeExternal {
		return false
	}
	system := a.member.stored.System
	for _, r := range records {
		if !sameKey(a.unit.link, a.set, a.values, a.unit.link.canonical(system, r.Values)) {
			continue
		}
		words := "and does not pass the link's filter"
		switch {
		case holders[r.ID] != "":
			words = "and is paired with another record"
		case r.Archived:
			words = "and is archived"
		}
		b.askPerson(a.unit, reasonIDTaken, "a record of "+system+" has this external id "+words, []connectors.Record{r})
		return true
	}
	return false
}

// checkContested looks again at the records whose shared id another record of their
// side was seen to have: one look-up for all of them.
func (b *batch) checkContested(ctx context.Context) {
	var seekers []seeker
	var units []*unit
	for _, u := range b.open() {
		for _, m := range u.members {
			switch {
			case !m.marked(SharedID, stateTaken):
			case m.stored.System != b.place.system: // its own look decides, and wakes this one
				b.wakeSources(ctx, &store.Identity{ID: u.id, Members: []store.Member{m.stored}})
				b.parkContested(u, m.stored.System, nil)
			case m.record != nil:
				units = append(units, u)
				seekers = append(seekers, seeker{u.link, []string{SharedID}, m.side.Values, m.stored.RecordID, u.token})
			}
		}
	}
	twins, err := b.twins(ctx, seekers)
	for n, u := range units {
		switch {
		case err != nil:
			b.endUnit(u, string(err.Kind), b.outcome(u.rows[0], err))
		case len(twins[n]) > 0:
			b.parkContested(u, b.place.system, twins[n])
		default:
			b.unmark(ctx, u, u.member(b.place.system), SharedID, stateTaken)
		}
	}
}

func (b *batch) parkContested(u *unit, system string, twins []connectors.Record) {
	b.endUnit(u, "external_id_taken", store.Finish{Disposition: store.Parked, Reason: "external_id_taken", Detail: candidatesOf(twins, u.id),
		Error: "several records of " + system + " have the same external id: give one of them its own, and save both"})
}

// checkSharedIDs parks the pairs of which a person changed the shared id on one
// side: until it is set back, or set alike on all sides.
func (b *batch) checkSharedIDs(ctx context.Context) {
	for _, u := range b.open() {
		if u.link.Mode != ModeExternal {
			continue
		}
		moved := plan.SharedIDMoved(SharedID, u.sides())
		for _, m := range u.members {
			if m.stored.System == moved {
				m.mark(SharedID, stateMoved)
				b.endUnit(u, "external_id_changed", store.Finish{Disposition: store.Parked, Reason: "external_id_changed",
					Error: "the external id of " + m.where() + " is another one than it was paired by: set it back, or set it alike on all sides"})
			} else if moved == "" {
				b.unmark(ctx, u, m, SharedID, stateMoved)
			}
		}
	}
}

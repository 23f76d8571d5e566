package connectortest

import (
	"maps"
	"slices"

	"syncd/connectors"
)

// removals are the operations that take no values.
var removals = []connectors.Op{connectors.Archive, connectors.Delete, connectors.Restore}

// can says that the connector declares an operation; the laws about the others
// are told by removalNotDeclared.
func (l *law) can(op connectors.Op) bool { return slices.Contains(l.shape.Removes, op) }

// remove does one removal that must succeed.
func (l *law) remove(op connectors.Op, ids ...string) {
	l.Helper()
	var writes []connectors.Write
	for _, id := range ids {
		writes = append(writes, l.update(id, nil))
	}
	for i, r := range l.write(op, writes...) {
		if r.Outcome != connectors.Applied || r.RecordID != ids[i] {
			l.Fatalf("%s of %s: %s of %q: %v%s", op, ids[i], r.Outcome, r.RecordID, r.Err, said(r.Err))
		}
	}
}

// sight reads one record and says how it is seen.
func (l *law) sight(id string) connectors.Sighting {
	l.Helper()
	got, err := l.c.Read(l.ctx, l.Object, []string{id}, []string{l.Text, l.Text2, l.Key})
	if err != nil || len(got) != 1 {
		l.Fatalf("read %s: %d sightings, %v", id, len(got), err)
	}
	return got[0]
}

func (l *law) seen(id string, want connectors.Sight) connectors.Sighting {
	l.Helper()
	s := l.sight(id)
	if s.Sight != want {
		l.Fatalf("record %s is %s, want %s", id, s.Sight, want)
	}
	return s
}

func archivedIsInTheBin(l *law) {
	if !l.can(connectors.Archive) {
		return
	}
	id := l.made(l.create())[0]
	live := l.seen(id, connectors.SightFound).Record
	l.remove(connectors.Archive, id)
	binned := l.seen(id, connectors.SightArchived).Record
	if binned.ID != id || !binned.Archived || !binned.Born.Equal(live.Born) || !maps.Equal(binned.Values, live.Values) {
		l.Errorf("in the bin: %+v, before: %+v", binned, live)
	}
	l.remove(connectors.Archive, id) // done already is done
	l.seen(id, connectors.SightArchived)
	if at, err := l.c.Locate(l.ctx, l.Object, id, ""); err != nil || at.Place != connectors.PlaceArchived {
		l.Errorf("located %s, %v; want archived", at.Place, err)
	}
}

func restoredIsAsBefore(l *law) {
	if !l.can(connectors.Restore) {
		return
	}
	id := l.made(l.create())[0]
	before := l.seen(id, connectors.SightFound).Record
	l.remove(connectors.Archive, id)
	l.remove(connectors.Restore, id)
	after := l.seen(id, connectors.SightFound).Record
	if after.Archived || !after.Born.Equal(before.Born) || !maps.Equal(after.Values, before.Values) {
		l.Errorf("restored: %+v, before: %+v", after, before)
	}
	l.remove(connectors.Restore, id) // done already is done
	l.seen(id, connectors.SightFound)
}

func deletedIsNotSeen(l *law) {
	if !l.can(connectors.Delete) {
		return
	}
	w := l.create()
	id := l.made(w)[0]
	l.remove(connectors.Delete, id)
	l.seen(id, connectors.SightMissing)
	at, err := l.c.Locate(l.ctx, l.Object, id, w.Token)
	if err != nil || at.Place == connectors.PlaceHere || at.Place == connectors.PlaceArchived || at.Place == connectors.PlaceMerged {
		l.Errorf("located %s, %v after a delete", at.Place, err)
	}
	l.remove(connectors.Delete, id) // done already is done
}

func removalLeavesOthers(l *law) {
	for _, op := range removals[:2] {
		if !l.can(op) {
			continue
		}
		ids := l.made(l.create(), l.create(), l.create())
		values := l.seen(ids[1], connectors.SightFound).Record.Values
		l.remove(op, ids[2], ids[0])
		if got := l.seen(ids[1], connectors.SightFound).Record.Values; !maps.Equal(got, values) {
			l.Errorf("%s of its neighbours changed a record", op)
		}
		for _, id := range []string{ids[0], ids[2]} {
			if s := l.sight(id); s.Sight == connectors.SightFound {
				l.Errorf("%s left record %s as it was", op, id)
			}
		}
	}
}

func removalLost(l *law) {
	for _, op := range removals[:2] {
		if !l.can(op) {
			continue
		}
		id := l.made(l.create())[0]
		l.DropAfterWrite()
		r := l.write(op, l.update(id, nil))[0]
		l.Clear()
		if r.Outcome != connectors.Unknown {
			l.Errorf("%s without an answer is %s", op, r.Outcome)
		}
		if s := l.sight(id); s.Sight == connectors.SightFound {
			l.Errorf("the lost %s had no effect: the fault of the pretend vendor is not met", op)
		}
	}
}

func removalNotDeclared(l *law) {
	for _, op := range removals {
		if l.can(op) {
			continue
		}
		id := l.made(l.create())[0]
		if r := l.write(op, l.update(id, nil))[0]; r.Outcome != connectors.NotApplied {
			l.Errorf("%s, which is not declared, is %s", op, r.Outcome)
		}
		l.seen(id, connectors.SightFound)
	}
}

func binLists(l *law) {
	if !l.shape.ListsBin || !l.can(connectors.Archive) {
		return
	}
	ids := l.made(l.create(), l.create(), l.create())
	l.remove(connectors.Archive, ids[0], ids[2])
	found := map[string]bool{}
	q := connectors.Query{Bin: true, Limit: 1}
	for pages := 0; ; pages++ {
		page, err := l.c.List(l.ctx, l.Object, q)
		if err != nil || pages > 1000 {
			l.Fatalf("page %d of the bin: %v", pages, err)
		}
		for _, r := range page.Records {
			if found[r.ID] = true; !r.Archived {
				l.Errorf("the bin holds %s, which is not archived", r.ID)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if !found[ids[0]] || !found[ids[2]] || found[ids[1]] {
		l.Errorf("the bin holds %v, want %s and %s and not %s", slices.Sorted(maps.Keys(found)), ids[0], ids[2], ids[1])
	}
}

package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"syncd/mapping"
	"syncd/store"
)

// Violation is a broken invariant.
type Violation struct {
	Invariant string
	Words     string
	About     string // what to look for in the trace
}

func (w *world) violate(invariant, about, format string, args ...any) {
	v := Violation{Invariant: invariant, Words: fmt.Sprintf(format, args...), About: about}
	w.s.note("VIOLATION %s: %s", v.Invariant, v.Words)
	w.violations = append(w.violations, v)
}

// lost notes an edit that we overwrote before we had read it.
func (w *world) lost(key recordKey, row, value string) {
	w.stats.Overwritten++
	w.overwritten(w.owner[key], row)[value] = true
}

// overwritten lists the edits that vanished inside a vendor before syncd could
// have read them: the one window that only a vendor's CAS closes.
func (w *world) overwritten(p *person, row string) map[string]bool {
	return notebook(w.unread, p, row)
}

// buried lists the edits that late writes of ours took the place of, read or not: if
// whoever read one died before it was on record, nobody has it any more (F32).
func (w *world) buried(p *person, row string) map[string]bool {
	return notebook(w.under, p, row)
}

// belated lists the values that late writes of ours brought: if one of them ends
// up as the final value, a stale own write was taken for a person's edit (F32).
func (w *world) belated(p *person, row string) map[string]bool {
	return notebook(w.stale, p, row)
}

func notebook(all map[string]map[string]bool, p *person, row string) map[string]bool {
	k := fmt.Sprintf("%d %s", p.n, row)
	if all[k] == nil {
		all[k] = map[string]bool{}
	}
	return all[k]
}

// live lists the records of a system that are there now, sorted.
func (w *world) live(system string) []recordKey {
	var out []recordKey
	for k := range w.owner {
		if k.system == system && w.values(k) != nil {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b recordKey) int { return cmpText(fmt.Sprintf("%20s", a.id), fmt.Sprintf("%20s", b.id)) })
	return out
}

// evidence is what the end of a run is judged by, beside the vendors' truth:
// what syncd says of itself.
type evidence struct {
	excused  map[recordKey]string               // parked or in the trash, and why
	partners map[recordKey]map[string]recordKey // by system
	groups   map[string]map[string]recordKey    // identity → system → record
	ids      map[recordKey]string               // its identity
	reasons  map[string]string                  // identity or root → why it may be unfinished
}

// check looks at the vendors' truth once everything is quiet.
func (w *world) check() {
	e, ok := w.gather()
	if !ok {
		return
	}
	w.checkPairs(e)
	w.checkDuplicates(e)
	if w.forgot {
		return // what was forgotten needs a rebuild: only I1 and I2 hold (I13)
	}
	w.checkAgreement(e)
	w.checkHeard(e)
	w.checkEffort()
}

// gather asks syncd's own tables.
func (w *world) gather() (*evidence, bool) {
	ctx := context.Background()
	pairs, err := w.db.Pairs(ctx, store.PairQuery{Limit: 10_000})
	waiting, werr := w.db.Waiting(ctx, 10_000)
	trash, terr := w.db.Trash(ctx, 10_000)
	if err := errors.Join(err, werr, terr); err != nil {
		w.violate("store", "", "pairs, waiting, trash: %v", err)
		return nil, false
	}
	e := &evidence{
		excused: map[recordKey]string{}, partners: map[recordKey]map[string]recordKey{}, groups: map[string]map[string]recordKey{},
		ids: map[recordKey]string{}, reasons: map[string]string{},
	}
	for _, row := range waiting {
		if row.Parked {
			e.excused[recordKey{row.System, row.RecordID}] = row.Error
			w.s.note("parked %s %s: %s", row.System, row.RecordID, row.Error)
			w.stats.Parked++
		}
	}
	for _, row := range trash {
		if row.ResolvedAt.IsZero() {
			e.excused[recordKey{row.System, row.RecordID}] = "trash: " + row.Why
			w.stats.Trash++
		}
	}
	for _, p := range pairs {
		w.pair(e, p)
	}
	for k, why := range e.excused {
		e.because(w, k, why)
	}
	for k := range w.binned {
		e.because(w, k, "archived by people")
	}
	return e, true
}

// because notes why the identity of a record, and what was made for it, may be
// unfinished.
func (e *evidence) because(w *world, k recordKey, why string) {
	e.reasons[w.root(k).String()] = why
	if id := e.ids[k]; id != "" {
		e.reasons[id] = why
	}
}

// excuses says that something is known to stand in a record's way.
func (e *evidence) excuses(w *world, k recordKey) bool {
	_, byRoot := e.reasons[w.root(k).String()]
	_, byIdentity := e.reasons[e.ids[k]]
	return byRoot || (byIdentity && e.ids[k] != "")
}

// pair takes in one row of the pairwise view: I2 and a part of I15.
func (w *world) pair(e *evidence, p store.Pair) {
	a, b := recordKey{p.SourceSystem, p.SourceID}, recordKey{p.TargetSystem, p.TargetID}
	if !p.Active {
		if i, err := w.db.Identity(context.Background(), p.CanonicalID); err == nil && i != nil && i.State == mapping.IdentityMerged {
			return // of a loser: its record elsewhere is left over, and checked for its own
		}
		if !w.bereaved(a) || p.InactiveAt.IsZero() || p.InactiveWhy == "" || p.InactiveCause == "" {
			w.violate("I15", a.id, "pair %v %v is not active since %v: %q by %q", a, b, p.InactiveAt, p.InactiveWhy, p.InactiveCause)
		}
		return
	}
	if e.partners[a] == nil {
		e.partners[a] = map[string]recordKey{}
	}
	if old, twice := e.partners[a][b.system]; twice && old != b {
		w.violate("I15", a.id, "%v is paired with %v and %v", a, old, b)
	}
	e.partners[a][b.system], e.ids[a] = b, p.CanonicalID
	if e.groups[p.CanonicalID] == nil {
		e.groups[p.CanonicalID] = map[string]recordKey{}
	}
	e.groups[p.CanonicalID][a.system] = a
	switch x, y := w.owner[a], w.owner[b]; {
	case x == nil || y == nil:
		w.violate("I15", a.id, "the pair %v %v names a record that is nobody's", a, b)
	case x.kin() != y.kin():
		w.violate("I2", a.id, "%v is person %d, its partner %v person %d", a, x.n, b, y.n)
	}
}

// checkPairs is the rest of I15: each record is in one pair per system, both
// ways, and the records' own inverse ids say the same.
func (w *world) checkPairs(e *evidence) {
	for _, a := range sortedKeys(e.partners) {
		for _, o := range w.systems {
			b, paired := e.partners[a][o.name]
			if !paired {
				continue
			}
			if back := e.partners[b][a.system]; back != a {
				w.violate("I15", a.id, "%v has the partner %v, which has %v", a, b, back)
			}
			column := w.vendors[a.system].inverse(o.name)
			if v := w.values(a); v != nil && v[column] != b.id && !w.forgot && !e.excuses(w, a) && !e.excuses(w, b) {
				w.violate("I15", a.id, "%v carries inverse id %q, its partner is %v", a, v[column], b)
			}
		}
	}
}

func sortedKeys[V any](m map[recordKey]V) []recordKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b recordKey) int { return cmpText(a.system+a.id, b.system+b.id) })
}

// checkHeard is I3: no acknowledged event without a read that began after it.
func (w *world) checkHeard(e *evidence) {
	for _, k := range sortedKeys(w.acked) {
		if !e.excuses(w, k) && w.values(k) != nil {
			w.violate("I3", k.id, "an event of %v acknowledged at %v led to no read", k, w.acked[k].Sub(start))
		}
	}
}

// checkEffort is I7: the writes that edits, creations and outcomes in doubt can
// explain, and no more; and no more records read than hints, and what may cost
// another look, ask for.
func (w *world) checkEffort() {
	const hops = 2
	targets := len(w.systems) - 1
	most := targets*((1+hops)*w.stats.Edits+2*(1+hops)*w.stats.Creations) + w.stats.Faults + len(linkRows)*w.stats.Crashes
	if w.stats.Writes > most {
		w.violate("I7", "", "%d writes for %d edits and %d creations", w.stats.Writes, w.stats.Edits, w.stats.Creations)
	}
	// A look costs at most one read in each system. What asks for one: a hint, by
	// webhook or sweep, a write whose answer shows no record, a birth, and whatever
	// went wrong and is tried again.
	looks := w.stats.Hints + w.stats.Writes + w.stats.Creations + w.stats.Faults + len(w.systems)*w.stats.Crashes
	if w.stats.Reads > len(w.systems)*looks {
		w.violate("I7", "", "%d reads for %d hints and %d writes", w.stats.Reads, w.stats.Hints, w.stats.Writes)
	}
}

package lab

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

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

// check looks at the vendors' truth once everything is quiet.
func (w *world) check() {
	ctx := context.Background()
	pairs, err := w.db.Pairs(ctx, store.PairQuery{Limit: 10_000})
	if err != nil {
		w.violate("store", "", "pairs: %v", err)
		return
	}
	waiting, err := w.db.Waiting(ctx, 10_000)
	if err != nil {
		w.violate("store", "", "waiting: %v", err)
		return
	}
	trash, err := w.db.Trash(ctx, 10_000)
	if err != nil {
		w.violate("store", "", "trash: %v", err)
		return
	}
	excused := map[recordKey]string{}
	for _, row := range waiting {
		if row.Parked {
			excused[recordKey{row.System, row.RecordID}] = row.Error
			w.stats.Parked++
		}
	}
	for _, row := range trash {
		if row.ResolvedAt.IsZero() {
			excused[recordKey{row.System, row.RecordID}] = "trash: " + row.Why
			w.stats.Trash++
		}
	}
	partner := w.checkPairs(pairs, excused)
	w.checkDuplicates(partner)
	if w.forgot {
		return // what was forgotten needs a rebuild: only I1 and I2 hold (I13)
	}
	w.checkAgreement(ctx, partner, pairs, excused)
	w.checkHeard(excused)
	w.checkEffort()
}

// checkDuplicates is I1: per source record at most one live record of ours. A
// person whom people made twice is two identities only if nobody is asked.
func (w *world) checkDuplicates(partner map[recordKey]recordKey) {
	made := map[recordKey][]recordKey{}
	persons := map[string][]recordKey{}
	for _, system := range []string{crm, erp} {
		for _, k := range w.live(system) {
			if from, ours := w.origin[k]; ours {
				made[from] = append(made[from], k)
			}
			if _, paired := partner[k]; paired {
				p := fmt.Sprintf("%d %s", w.owner[k].n, system)
				persons[p] = append(persons[p], k)
			}
		}
	}
	for _, from := range sortedKeys(made) {
		if list := made[from]; len(list) > 1 {
			w.stats.Duplicates += len(list) - 1
			w.violate("I1", from.id, "%s %s has %d records of ours: %v", from.system, from.id, len(list), list)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(persons)) {
		if list := persons[p]; len(list) > 1 {
			w.stats.Doubles++
			w.violate("double", list[0].id, "person %s has %d paired records: %v", p, len(list), list)
		}
	}
}

func sortedKeys[V any](m map[recordKey]V) []recordKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b recordKey) int { return cmpText(a.system+a.id, b.system+b.id) })
}

// checkPairs is I2 and I15: pairs join records of one person, each record is in
// one pair, and the records' own inverse ids say the same.
func (w *world) checkPairs(pairs []store.Pair, excused map[recordKey]string) map[recordKey]recordKey {
	partner := map[recordKey]recordKey{}
	for _, p := range pairs {
		a, b := recordKey{p.SourceSystem, p.SourceID}, recordKey{p.TargetSystem, p.TargetID}
		if !p.Active {
			w.violate("I15", a.id, "pair %v %v is not active", a, b)
		}
		if old, twice := partner[a]; twice && old != b {
			w.violate("I15", a.id, "%v is paired with %v and %v", a, old, b)
		}
		partner[a] = b
		if w.owner[a] == nil || w.owner[b] == nil {
			w.violate("I15", a.id, "the pair %v %v names a record that is nobody's", a, b)
		} else if w.owner[a] != w.owner[b] {
			w.violate("I2", a.id, "%v is person %d, its partner %v person %d", a, w.owner[a].n, b, w.owner[b].n)
		}
	}
	for _, a := range sortedKeys(partner) {
		b := partner[a]
		column := map[string]string{crm: "erp_id", erp: "x_crm_id"}[a.system]
		_, ea := excused[a]
		_, eb := excused[b]
		if v := w.values(a); v != nil && v[column] != b.id && !w.forgot && !ea && !eb {
			w.violate("I15", a.id, "%v carries inverse id %q, its partner is %v", a, v[column], b)
		}
		if partner[b] != a {
			w.violate("I15", a.id, "%v has the partner %v, which has %v", a, b, partner[b])
		}
	}
	return partner
}

// checkAgreement is I4, I5 and I8: both sides hold the same, and that is an
// edit that nobody has superseded knowingly.
func (w *world) checkAgreement(ctx context.Context, partner map[recordKey]recordKey, pairs []store.Pair, excused map[recordKey]string) {
	ids := map[recordKey]string{}
	for _, p := range pairs {
		ids[recordKey{p.SourceSystem, p.SourceID}] = p.CanonicalID
	}
	for _, system := range []string{crm, erp} {
		for _, a := range w.live(system) {
			b, paired := partner[a]
			if !paired {
				if _, why := excused[a]; !why {
					w.stats.Unconverged++
					w.violate("I4", a.id, "%v (person %d) has no partner and nothing says why", a, w.owner[a].n)
				}
				continue
			}
			if system == crm {
				w.compare(ctx, a, b, ids[a], excused)
			}
		}
	}
}

// compare looks at one pair.
func (w *world) compare(ctx context.Context, a, b recordKey, id string, excused map[recordKey]string) {
	va, vb := w.values(a), w.values(b)
	if va == nil || vb == nil {
		w.violate("I4", a.id, "%v or %v is gone", a, b)
		return
	}
	ca, cb := w.canonical(a.system, va), w.canonical(b.system, vb)
	identity, err := w.db.Identity(ctx, id)
	if err != nil || identity == nil {
		w.violate("store", "", "identity %s: %v", id, err)
		return
	}
	_, ea := excused[a]
	_, eb := excused[b]
	states := map[string]string{}
	for _, m := range identity.Members {
		for row, st := range m.Fields {
			states[row] += st.State + "@" + m.System + " "
		}
		if len(m.Intent) > 0 && !ea && !eb {
			w.violate("I4", a.id, "identity %s: an intent of %s is still open: %s", id, m.System, m.Intent)
		}
	}
	for _, r := range linkRows {
		row := r.name
		if r.group != "" {
			states[row] += states["zip"]
		}
		if ca[row] != cb[row] {
			w.stats.Unconverged++
			switch {
			case states[row] != "":
				w.stats.Stated++
				w.violate("state", a.id, "%v %v differ in %s: %q, %q; it is %s", a, b, row, ca[row], cb[row], states[row])
			case !ea && !eb:
				w.violate("I4", a.id, "%v %v differ in %s: %q, %q; nothing says why (identity %s)", a, b, row, ca[row], cb[row], id)
			}
			continue
		}
		if states[row] != "" {
			w.violate("I4", a.id, "%v %v agree in %s and yet it is %s", a, b, row, states[row])
		}
		w.final(a, row, ca[row])
	}
}

// final judges the value that both sides ended on.
func (w *world) final(a recordKey, row, value string) {
	p := w.owner[a]
	nodes := p.nodes[row]
	if nodes[value] == nil && row == address && len(w.overwritten(p, row))+len(w.belated(p, row)) > 0 {
		w.stats.Window++
		return // a write of ours met an unread edit of another part of the address
	}
	if nodes[value] == nil {
		w.violate("I8", a.id, "person %d ends with %s = %q, which nobody wrote", p.n, row, value)
		return
	}
	dominated := map[string]bool{}
	for _, n := range nodes {
		seen := map[string]bool{n.value: true}
		for at := n; at != nil && !at.first && !seen[at.saw]; at = nodes[at.saw] {
			dominated[at.saw], seen[at.saw] = true, true
		}
	}
	if !dominated[value] {
		return
	}
	var better []string
	unread := w.overwritten(p, row)
	for _, v := range slices.Sorted(maps.Keys(nodes)) {
		if !dominated[v] {
			better = append(better, v)
			if unread[v] {
				w.stats.Window++
				return // destroyed inside the vendor before anybody could read it
			}
		}
	}
	w.stats.LostEdits++
	kind := "I5"
	if w.belated(p, row)[value] {
		kind = "I5late"
	}
	w.violate(kind, a.id, "person %d ends with %s = %q, superseded by %s", p.n, row, value, strings.Join(better, ", "))
}

// checkHeard is I3: no acknowledged event without a read that began after it.
func (w *world) checkHeard(excused map[recordKey]string) {
	for _, k := range sortedKeys(w.acked) {
		if _, why := excused[k]; !why && w.values(k) != nil {
			w.violate("I3", k.id, "an event of %v acknowledged at %v led to no read", k, w.acked[k].Sub(start))
		}
	}
}

// checkEffort is I7: the writes that edits, creations and outcomes in doubt can
// explain, and no more.
func (w *world) checkEffort() {
	const hops = 2
	most := (1+hops)*w.stats.Edits + 2*(1+hops)*w.stats.Creations + w.stats.Faults + len(linkRows)*w.stats.Crashes
	if w.stats.Writes > most {
		w.violate("I7", "", "%d writes for %d edits and %d creations", w.stats.Writes, w.stats.Edits, w.stats.Creations)
	}
}

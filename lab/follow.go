package lab

import (
	"maps"
	"slices"
	"strings"

	"syncd/flows/plan"
	"syncd/simulator"
)

// wasRead notes that a read of ours of a record was taken at the vendor.
func (w *world) wasRead(system, id string) {
	key := recordKey{system, id}
	w.reads[key] = w.s.now
	if at, waits := w.acked[key]; waits && !at.After(w.s.now) {
		delete(w.acked, key)
	}
}

// counted takes in a call of ours that a vendor answered.
func (w *world) counted(t *task, v *vendor, c simulator.Call, fault string) {
	w.stats.Calls++
	w.s.note("%s call %s %s %s %v rows=%d: %d %s", t.name, v.name, c.Op, c.Object, c.IDs, c.Rows, c.Status, fault)
	if isRead(c.Op) && !strings.Contains(t.name, "sweep") {
		w.stats.Reads += max(1, len(c.IDs))
	}
	if w.story != nil {
		return
	}
	for _, word := range []string{"archive", "delete", "unlink", "merge", "purge"} {
		if strings.Contains(strings.ToLower(c.Op), word) {
			for _, id := range c.IDs {
				if !w.mayRemove(recordKey{v.name, id}) {
					w.violate("I9", id, "%s: a call of ours takes records away: %s %v", v.name, c.Op, c.IDs)
				}
			}
		}
	}
}

// follow takes in what changed at a vendor since the last look: records that
// syncd made, and edits that it overwrote unread. late: the write that made them
// outlived its sender's patience.
func (w *world) follow(v *vendor, late bool) {
	if w.story != nil {
		return // it looks for itself
	}
	changes := v.truth.Changes()
	for _, c := range changes[v.changes:] {
		if c.Object != v.object || len(c.Actor) < 4 || c.Actor[:4] != "app:" {
			continue
		}
		w.stats.Writes++
		key := recordKey{v.name, c.ID}
		w.s.note("   truth %s %s born=%v %s", v.name, c.ID, c.Born, sortedValues(c.Values))
		if c.Gone || c.Values["active"] == "false" {
			w.removed(key)
		}
		if c.Born {
			w.made(v, key, c.Values)
			continue
		}
		w.wrote(v, key, c, late)
	}
	v.changes = len(changes)
}

// removed is I9: we take nothing away but the partners of what people took away, and
// only where the link says so.
func (w *world) removed(key recordKey) {
	if !w.mayRemove(key) {
		w.violate("I9", key.id, "%v was taken away by us", key)
	}
}

func (w *world) mayRemove(key recordKey) bool {
	for k := range w.binned {
		policy := w.link.Delete.From[k.system]
		if k.system != key.system && w.owner[k] != nil && w.owner[key] != nil && w.owner[k].kin() == w.owner[key].kin() &&
			(policy == plan.RemovalArchive || policy == plan.RemovalDelete) {
			return true
		}
	}
	return false
}

// bereaved says that people took away a record of the one whose record this is.
func (w *world) bereaved(key recordKey) bool {
	for k := range w.binned {
		if w.owner[k] != nil && w.owner[key] != nil && w.owner[k].kin() == w.owner[key].kin() {
			return true
		}
	}
	return false
}

// wrote notes what a write of ours did to a record's rows.
func (w *world) wrote(v *vendor, key recordKey, c simulator.Change, late bool) {
	mapped := w.canonical(v.name, w.values(key))
	for _, r := range linkRows {
		if !slices.ContainsFunc(r.columns[v.kind], func(col string) bool { _, ok := c.Values[col]; return ok }) {
			continue
		}
		w.stats.FieldWrites++
		value := w.form(r.name, mapped[r.name])
		if late {
			w.belated(w.owner[key], r.name)[value] = true
		}
		e := w.edits[fieldKey{key, r.name}]
		if late && e != nil && value != e.value && e.gone == "" {
			w.buried(w.owner[key], r.name)[e.value] = true
		}
		if e != nil && value != e.value && e.at.After(w.reads[key]) && e.gone == "" {
			e.gone = value
			if w.edits[fieldKey{key, r.name}] == e {
				w.s.note("   the edit %q of %s %s %s is overwritten unread", e.value, v.name, c.ID, r.name)
			}
			w.lost(key, r.name, e.value)
		}
	}
}

func sortedValues(m map[string]string) string {
	out := ""
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out += k + "=" + m[k] + " "
	}
	return out
}

// made notes whose a record is that syncd created: its inverse ids say for which
// record. That one may be of our making too; what counts is the first.
func (w *world) made(v *vendor, key recordKey, values map[string]string) {
	for _, other := range w.systems {
		id := values[v.inverse(other.name)]
		if other == v || id == "" {
			continue
		}
		from := recordKey{other.name, id}
		p := w.owner[from]
		switch {
		case p == nil:
			w.violate("truth", key.id, "%v was created for %v, which is nobody's", key, from)
			return
		case w.owner[key] == nil:
			w.owner[key], w.origin[key] = p, w.root(from)
			w.births[recordKey{v.name, w.root(from).String()}]++
		case w.owner[key].kin() != p.kin():
			w.violate("I2", key.id, "%v was created for persons %d and %d", key, w.owner[key].n, p.n)
		default: // records that two sides' people made are one by now
			if a, b := w.root(key), w.root(from); a != b {
				w.joined[a] = b
			}
		}
	}
	if w.owner[key] == nil {
		w.violate("truth", key.id, "%v was created for nobody", key)
	}
}

// root is the record by hand that a record of ours goes back to.
func (w *world) root(k recordKey) recordKey {
	for {
		up, ok := w.origin[k]
		if !ok {
			up, ok = w.joined[k]
		}
		if !ok {
			return k
		}
		k = up
	}
}

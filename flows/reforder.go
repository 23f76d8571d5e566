package flows

import (
	"maps"
	"slices"
	"time"

	"syncd/mapping"
	"syncd/store"
)

// ranks sorts links by what they point to: those that others point to come first,
// so that a record and what it refers to are created in this order where one batch
// has both. Circles are cut where they are met.
func ranks(links []*Link) map[string]int {
	by := map[string]*Link{}
	for _, l := range links {
		by[l.Name] = l
	}
	out, met := map[string]int{}, map[string]bool{}
	var rank func(l *Link) int
	rank = func(l *Link) int {
		if l == nil || met[l.Name] {
			return out[name(l)]
		}
		met[l.Name] = true
		for _, row := range slices.Sorted(maps.Keys(l.Refs)) {
			if to := by[l.Refs[row].Link]; to != l {
				out[l.Name] = max(out[l.Name], rank(to)+1)
			}
		}
		return out[l.Name]
	}
	for _, l := range links {
		rank(l)
	}
	return out
}

func name(l *Link) string {
	if l == nil {
		return ""
	}
	return l.Name
}

// placesOf lists the objects whose records refer to others, and those that are
// referred to.
func placesOf(links []*Link) (referring, wanted map[place]bool) {
	referring, wanted = map[place]bool{}, map[place]bool{}
	by := map[string]*Link{}
	for _, l := range links {
		by[l.Name] = l
	}
	for _, l := range links {
		for row, ref := range l.Refs {
			for _, m := range l.Members {
				to := by[ref.Link]
				if r := l.row(row); r == nil || !r.Has(m.System) || to == nil || to.member(m.System) == nil {
					continue
				}
				referring[place{m.System, m.Object}] = true
				wanted[place{m.System, to.member(m.System).Object}] = true
			}
		}
	}
	return referring, wanted
}

// byRank sorts the open units that are wanted by what refers to what.
func (b *batch) byRank(wanted func(*unit) bool) [][]*unit {
	by := map[int][]*unit{}
	for _, u := range b.open() {
		if wanted(u) {
			n := b.ranks[u.link.Name]
			by[n] = append(by[n], u)
		}
	}
	var out [][]*unit
	for _, n := range slices.Sorted(maps.Keys(by)) {
		out = append(out, by[n])
	}
	return out
}

const (
	// targetPatience is how long a new record lets those go first that it refers to and
	// that were announced with it. One more read of it is less than to create it
	// without the reference and to come back. Those of a circle wait for each other no
	// longer than this.
	targetPatience = 2 * time.Second
	// targetDelay is when it comes back.
	targetDelay = time.Second
)

// letTargetsGoFirst sends strangers back for a moment of which a target is in the
// queue, or being created on a side that is to be told.
func (b *batch) letTargetsGoFirst(all []*stranger) []*stranger {
	return slices.DeleteFunc(all, func(s *stranger) bool {
		if len(s.link.Refs) == 0 || b.Now().Sub(s.row.work.FirstHint) >= targetPatience || !b.onItsWay(s) {
			return false
		}
		b.end(s.row, "target_first", store.Finish{Disposition: store.Again, After: targetDelay, Blame: b.unblamed(s.row)})
		return true
	})
}

func (b *batch) onItsWay(s *stranger) bool {
	for name := range s.link.Refs {
		target, raw := b.target(s.link, name, b.place.system, s.row.sight.Record.Values)
		if raw == "" || slices.ContainsFunc(b.rows, func(r *row) bool { return r.work.Object == target.Object && r.work.RecordID == raw }) {
			continue // it is in this batch
		}
		ref, _ := b.refs.record(target)
		if i := ref.Identity; ref.Pending && (i == nil || slices.ContainsFunc(i.Members, func(m store.RefMember) bool { return m.State == mapping.MemberCreating })) {
			return true
		}
	}
	return false
}

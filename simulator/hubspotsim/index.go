package hubspotsim

import (
	"cmp"
	"slices"
	"time"
)

// compactSlack is how many overtaken entries an index carries before it is
// tidied up, beside as many as there are live ones.
const compactSlack = 1024

// index is what search sees of an object: the newest versions that have
// reached it, in order of modification. It may be late (vendors/hubspot.md 8).
type index struct {
	shown map[*record]*version
	log   []*version
	stale int
	queue []arrival // not seen yet
}

type arrival struct {
	at time.Time
	v  *version
}

// add tells the index of a version, at once or late.
func (x *index) add(v *version, at time.Time, late bool) {
	if late || len(x.queue) > 0 {
		x.queue = append(x.queue, arrival{at, v})
		return
	}
	x.show(v)
}

// catchUp shows what has arrived by now.
func (x *index) catchUp(now time.Time) {
	n := 0
	for n < len(x.queue) && !x.queue[n].at.After(now) {
		x.show(x.queue[n].v)
		n++
	}
	x.queue = x.queue[n:]
}

func (x *index) show(v *version) {
	if x.shown == nil {
		x.shown = map[*record]*version{}
	}
	if old := x.shown[v.of]; old != nil {
		old.stale = true
		x.stale++
		delete(x.shown, v.of)
	}
	if !v.archived {
		x.shown[v.of] = v
		x.log = append(x.log, v)
	}
	if x.stale > len(x.shown)+compactSlack {
		x.log = slices.DeleteFunc(x.log, func(v *version) bool { return v.stale })
		x.stale = 0
	}
}

// since gives the entries that were modified at or after a time, oldest
// first, overtaken ones among them.
func (x *index) since(ms int64) []*version {
	i, _ := slices.BinarySearchFunc(x.log, ms, func(v *version, ms int64) int { return cmp.Compare(v.modified, ms) })
	return x.log[i:]
}

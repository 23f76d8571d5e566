package hubspotsim

import (
	"net/http"
	"slices"
	"strings"

	"syncd/simulator"
)

// mergeMax is the most merges in one record (vendors/hubspot.md 9).
const mergeMax = 250

// merge joins two records of an object.
func (s *Sim) merge(q *request) reply {
	var b struct {
		Primary string `json:"primaryObjectId"`
		Loser   string `json:"objectIdToMerge"`
	}
	if x := q.decode(&b); x != nil {
		return refuse(x)
	}
	q.ids, q.rows = []string{b.Primary, b.Loser}, 2
	r, x := s.join(q.table, b.Primary, b.Loser, q.who)
	if x != nil {
		return refuse(x)
	}
	q.ids = append(q.ids, r.id)
	return reply{http.StatusOK, s.showNew(q.table, r)}
}

// join merges a record into another. The primary's values win, the loser's
// fill its gaps. With NewIDOnMerge both ids go and a new one lives on; the old
// ones lead to it (vendors/hubspot.md 9).
func (s *Sim) join(t *table, primary, loser string, by *actor) (*record, *trouble) {
	p, l := t.byID[primary], t.byID[loser]
	switch {
	case p == nil || p.hidden():
		return nil, notFound("Object not found. objectId: %s", primary)
	case l == nil || l.hidden():
		return nil, notFound("Object not found. objectId: %s", loser)
	case p == l:
		return nil, invalid("A record cannot be merged with itself")
	}
	away := []*record{l}
	if s.o.NewIDOnMerge {
		away = append(away, p)
	}
	merged := slices.Concat(t.merges[p.id], t.merges[l.id])
	for _, r := range away {
		merged = append(merged, r.id)
	}
	if len(merged) > mergeMax {
		return nil, &trouble{status: http.StatusRequestURITooLong, category: catValidation, message: "Too many merges in one record"}
	}
	props, moved := blend(p.now.props, l.now.props)
	props[propMerged] = strings.Join(merged, ";")
	at, survivor, count := s.tick(t), p, len(moved)
	for _, r := range away {
		r.gone = true
		s.publish(t, &version{of: r, props: r.now.props, modified: at, archived: true})
		s.truth.Changed(simulator.Change{At: s.now(), Object: t.kind.name, ID: r.id, Gone: true, Actor: by.name})
	}
	if s.o.NewIDOnMerge {
		survivor = &record{num: s.mint(t), born: p.born}
		survivor.id = idText(survivor.num)
		t.order = append(t.order, survivor)
		t.byID[survivor.id] = survivor
		moved = props
	}
	t.merges[survivor.id] = merged
	for _, r := range away {
		t.survivor[r.id] = survivor.id
	}
	s.publish(t, &version{of: survivor, props: props, modified: at})
	s.truth.Changed(simulator.Change{
		At: s.now(), Object: t.kind.name, ID: survivor.id, Born: s.o.NewIDOnMerge, Actor: by.name, Values: moved,
	})
	s.raise(event{
		kind: eventMerge, table: t, object: survivor.num, at: at, by: by,
		merge: &mergeFacts{primary: p.num, loser: l.num, survivor: survivor.num, moved: count},
	})
	for _, r := range away {
		s.raise(event{kind: eventDeletion, table: t, object: r.num, at: at, by: by})
		if t.kind.name == "companies" {
			s.leaveAll(r.id, survivor.id, by)
		}
	}
	return survivor, nil
}

// blend puts two records' values together; moved are those of the loser that
// filled a gap. The loser's addresses become further ones of the survivor.
func blend(primary, loser map[string]string) (props, moved map[string]string) {
	props, moved = map[string]string{}, map[string]string{}
	for name, v := range loser {
		props[name] = v
		if primary[name] == "" {
			moved[name] = v
		}
	}
	for name, v := range primary {
		props[name] = v
	}
	var more []string
	if props[propEmail] != "" {
		list := slices.Concat(pieces(primary[propMoreEmails]), pieces(loser[propEmail]), pieces(loser[propMoreEmails]))
		for _, v := range list {
			if v != props[propEmail] && !slices.Contains(more, v) {
				more = append(more, v)
			}
		}
	}
	if len(more) > 0 {
		props[propMoreEmails] = strings.Join(more, ";")
	}
	return props, moved
}

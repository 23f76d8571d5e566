package hubspotsim

import (
	"net/http"
	"slices"
)

// upserted is one checked input of an upsert: changes of a record, or a new one.
type upserted struct {
	in     input
	record *record
	stored map[string]string
}

// batchUpsert updates or creates by a unique property (vendors/hubspot.md 3,
// batch upsert). Like a create it is all or none without trace ids.
func (s *Sim) batchUpsert(q *request) reply {
	t, started := q.table, stamp(s.now().UnixMilli())
	b, x := q.batch(true)
	if x != nil {
		return refuse(x)
	}
	for i := range b.Inputs {
		in := &b.Inputs[i]
		if in.IDProperty != propID && !slices.Contains(t.uniques, in.IDProperty) {
			return refuse(invalid("Unable to perform upsert by non-unique property %q", in.IDProperty))
		}
	}
	q.ids = nil
	traced := b.traced()
	var o outcome
	var ready []upserted
	claimed := map[key]bool{}
	for _, in := range b.Inputs {
		u, x := s.weigh(t, in, claimed)
		switch {
		case x != nil && traced:
			s.failed(&o, x, in)
		case x != nil:
			return refuse(s.blurred(x))
		case traced:
			s.upsert(q, &o, u)
		default:
			ready = append(ready, u)
			for _, k := range t.keys(u.stored) {
				claimed[k] = true
			}
		}
	}
	for _, u := range ready {
		s.upsert(q, &o, u)
	}
	return s.conclude(t, &o, http.StatusOK, started)
}

// weigh checks one input.
func (s *Sim) weigh(t *table, in input, claimed map[key]bool) (u upserted, x *trouble) {
	u.in = in
	u.record, x = t.lookup(in.ID, in.IDProperty, false)
	switch {
	case x != nil:
	case u.record != nil:
		u.stored, x = s.change(t, u.record, in.sent, claimed)
	case in.IDProperty == propID:
		x = notFound("Object not found. objectId: %s", in.ID).with("ids", in.ID)
	default:
		if in.sent[in.IDProperty] == "" {
			in.sent[in.IDProperty] = in.ID
		}
		u.stored, x = s.check(t, in.sent, claimed)
	}
	return u, x
}

func (s *Sim) upsert(q *request, o *outcome, u upserted) {
	if u.record == nil {
		s.born(q, o, u.in, u.stored)["new"] = true
		return
	}
	s.apply(q.table, u.record, u.stored, u.in.sent, q.who)
	q.ids = append(q.ids, u.record.id)
	row := s.showWritten(q.table, u.record, u.in.sent)
	row["new"] = false
	o.done(row, u.in.TraceID)
}

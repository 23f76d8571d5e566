package hubspotsim

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// listMax is the largest page of a list (vendors/hubspot.md 3).
const listMax = 100

type writeBody struct {
	Properties map[string]json.RawMessage `json:"properties"`
	TraceID    string                     `json:"objectWriteTraceId"`
}

func (q *request) properties() (map[string]string, *trouble) {
	var b writeBody
	if x := q.decode(&b); x != nil {
		return nil, x
	}
	return texts(b.Properties)
}

func (q *request) archived() bool { return q.query.Get("archived") == "true" }

// get reads one record. A merged-away id gives the survivor under its own id;
// an archived record is there only with archived=true (vendors/hubspot.md 9).
func (s *Sim) get(q *request) reply {
	q.ids, q.rows = []string{q.id}, 1
	r, x := q.table.lookup(q.id, q.query.Get("idProperty"), q.archived())
	if x != nil {
		return refuse(x)
	}
	if r == nil {
		return refuse(notFound("Object not found. objectId: %s", q.id))
	}
	return reply{http.StatusOK, s.show(q.table, r.now, q.table.wanted(asked(q.query["properties"])))}
}

// list pages by id, live records or archived ones.
func (s *Sim) list(q *request) reply {
	t, limit := q.table, defaultPage
	if text := q.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > listMax {
			return refuse(invalid("limit must be between 1 and %d", listMax))
		}
		limit = n
	}
	names := t.wanted(asked(q.query["properties"]))
	results := []map[string]any{}
	answer := map[string]any{}
	last := ""
	for _, r := range t.order[t.after(q.query.Get("after")):] {
		if r.gone || r.now.archived != q.archived() {
			continue
		}
		if len(results) == limit {
			answer["paging"] = map[string]any{"next": map[string]any{"after": last, "link": "?after=" + last}}
			break
		}
		last = r.id
		results = append(results, s.show(t, r.now, names))
		q.ids = append(q.ids, r.id)
	}
	q.rows = len(results)
	answer["results"] = results
	return reply{http.StatusOK, answer}
}

// create makes one record; a duplicate is 409 (vendors/hubspot.md 4).
func (s *Sim) create(q *request) reply {
	q.rows = 1
	sent, x := q.properties()
	if x != nil {
		return refuse(x)
	}
	stored, x := s.check(q.table, sent, nil)
	if x != nil {
		return refuse(x)
	}
	r := s.insert(q.table, stored, sent, q.who)
	q.ids = []string{r.id}
	return reply{http.StatusCreated, s.showNew(q.table, r)}
}

// update writes to one record; by a merged-away id it writes to the survivor,
// which answers under its own id (vendors/hubspot.md 9: compare the ids).
func (s *Sim) update(q *request) reply {
	q.ids, q.rows = []string{q.id}, 1
	sent, x := q.properties()
	if x != nil {
		return refuse(x)
	}
	r, x := q.table.lookup(q.id, q.query.Get("idProperty"), false)
	if x != nil {
		return refuse(x)
	}
	if r == nil {
		return refuse(notFound("Object not found. objectId: %s", q.id))
	}
	if x := s.edit(q.table, r, sent, q.who); x != nil {
		return refuse(x)
	}
	return reply{http.StatusOK, s.showWritten(q.table, r, sent)}
}

// remove archives one record; 204 also where there was none.
func (s *Sim) remove(q *request) reply {
	q.ids, q.rows = []string{q.id}, 1
	if r := q.table.byID[q.id]; r != nil && !r.hidden() {
		s.archive(q.table, r, q.who)
	}
	return reply{status: http.StatusNoContent}
}

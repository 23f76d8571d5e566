package shopsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The ERP's own numbers.
const (
	plainPage    = 50
	plainMaxPage = 200
)

// plainDialect is the plain ERP: GET, POST, PATCH and DELETE /customers/{id}, pages by
// number, times of whole seconds. What is deleted stays, marked.
var plainDialect = dialect{
	route: func(_ *Sim, r *http.Request) (request, bool) {
		rest, ok := strings.CutPrefix(r.URL.Path, "/customers")
		q := request{object: "customers", id: strings.TrimPrefix(rest, "/"), op: "unknown"}
		if !ok || strings.Contains(q.id, "/") {
			return q, false
		}
		switch {
		case q.id == "" && r.Method == http.MethodGet:
			q.op = "list"
			for key := range r.URL.Query() {
				if slices.Contains(known[Plain+"/customers"], key) {
					q.op = "find"
				}
			}
		case q.id == "" && r.Method == http.MethodPost:
			q.op = "create"
		case q.id != "" && r.Method == http.MethodGet:
			q.op = "get"
		case q.id != "" && r.Method == http.MethodPatch:
			q.op = "update"
		case q.id != "" && r.Method == http.MethodDelete:
			q.op = "archive"
		default:
			return q, false
		}
		return q, true
	},
	login: func(_ *Sim, h http.Header) string {
		token, _ := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
		return token
	},
	run:    (*Sim).plain,
	refuse: plainRefuse,
}

// plainRefuse writes a refusal.
func plainRefuse(x *trouble) reply {
	e := map[string]any{"code": x.code, "message": x.detail}
	status := x.status
	if x.field != "" {
		e["field"] = x.field
	}
	switch x.code {
	case "taken":
		e["code"], e["id"], status = "duplicate", x.holder, http.StatusConflict
	case "invalid", "unknown_field":
		status = http.StatusBadRequest
	}
	return reply{status: status, body: map[string]any{"error": e}}
}

func (s *Sim) plainRecord(r *record) map[string]any {
	out := map[string]any{
		"id": r.number, "created_at": r.created.Format(time.RFC3339), "updated_at": r.updated.Format(time.RFC3339),
		"deleted": !r.archived.IsZero(),
	}
	for _, name := range known[Plain+"/customers"] {
		out[name] = typed(name, r.values[name])
	}
	return out
}

func (s *Sim) plain(q *request) reply {
	switch q.op {
	case "list", "find":
		return s.plainList(q)
	case "create":
		var body map[string]any
		if !decode(q.body, &body) || body == nil {
			return plainRefuse(errBadJSON)
		}
		q.rows = 1
		values := flat(body)
		if x := s.check("customers", "", values); x != nil {
			return plainRefuse(x)
		}
		r := s.insert("customers", values, q.actor)
		q.ids = append(q.ids, r.id)
		return reply{status: http.StatusCreated, body: s.plainRecord(r)}
	}
	r := s.records[q.id]
	if r == nil || r.gone {
		return plainRefuse(&trouble{status: http.StatusNotFound, code: "customer_not_found", detail: "there is no customer " + q.id})
	}
	switch q.op {
	case "update":
		var body map[string]any
		if !decode(q.body, &body) || body == nil {
			return plainRefuse(errBadJSON)
		}
		values := flat(body)
		if x := s.check("customers", r.id, values); x != nil {
			return plainRefuse(x)
		}
		s.edit(r, values, q.actor)
	case "archive":
		s.archive(r, q.actor)
	}
	return reply{status: http.StatusOK, body: s.plainRecord(r)}
}

func (s *Sim) plainList(q *request) reply {
	var since time.Time
	if text := q.query.Get("updated_since"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return plainRefuse(&trouble{status: http.StatusBadRequest, code: "invalid", detail: "updated_since is no time"})
		}
		since = at
	}
	all := !since.IsZero() || q.query.Get("include_deleted") == "true"
	rows := s.sorted("customers", time.Second, func(r *record) bool {
		for _, name := range known[Plain+"/customers"] {
			if want, asked := q.query[name]; asked && !strings.EqualFold(r.values[name], want[0]) {
				return false
			}
		}
		return (all || r.archived.IsZero()) && !r.updated.Truncate(time.Second).Before(since)
	})
	size, err := strconv.Atoi(q.query.Get("per_page"))
	if err != nil || size < 1 {
		size = plainPage
	}
	size = min(size, plainMaxPage)
	page, err := strconv.Atoi(q.query.Get("page"))
	if err != nil || page < 1 {
		page = 1
	}
	total := len(rows)
	rows = rows[min(total, (page-1)*size):min(total, page*size)]
	list := []any{}
	for _, r := range rows {
		list = append(list, s.plainRecord(r))
		q.ids = append(q.ids, r.id)
	}
	q.rows = len(list)
	return reply{status: http.StatusOK, body: map[string]any{"customers": list, "total": total}}
}

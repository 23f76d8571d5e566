package shopsim

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EspoCRM's own numbers (section 3).
const (
	espoMax  = 200
	espoTime = "2006-01-02 15:04:05"
	espoBase = "/api/v1/"
	espoList = 5 // records that a duplicate's answer lists (section 5)
)

// espoDialect is EspoCRM 9.1 as far as the profile needs it: accounts, lists by
// where, the schema, duplicates by name and e-mail, X-Version-Number.
var espoDialect = dialect{
	route: func(_ *Sim, r *http.Request) (request, bool) {
		rest, ok := strings.CutPrefix(r.URL.Path, espoBase)
		parts := strings.Split(rest, "/")
		q := request{object: parts[0], op: "unknown"}
		switch {
		case !ok:
			return q, false
		case rest == "App/user":
			return request{op: "probe"}, true
		case rest == "Metadata":
			return request{op: "schema"}, true
		case q.object != "Account" || len(parts) > 2:
			return q, false
		}
		if len(parts) == 2 {
			q.id = parts[1]
		}
		switch {
		case q.id == "" && r.Method == http.MethodGet:
			q.op = "list"
			for _, w := range readWhere(r.URL.Query()) {
				if w.kind == "equals" {
					q.op = "find"
				}
			}
		case q.id == "" && r.Method == http.MethodPost:
			q.op = "create"
		case q.id != "" && r.Method == http.MethodGet:
			q.op = "get"
		case q.id != "" && (r.Method == http.MethodPut || r.Method == http.MethodPatch):
			q.op = "update"
		case q.id != "" && r.Method == http.MethodDelete:
			q.op = "delete"
		default:
			return q, false
		}
		return q, true
	},
	login:  func(_ *Sim, h http.Header) string { return h.Get("X-Api-Key") },
	run:    (*Sim).espo,
	refuse: espoRefuse,
}

// espoRefuse writes a refusal.
func espoRefuse(x *trouble) reply {
	switch x.code {
	case "unauthorized":
		return reply{status: http.StatusUnauthorized}
	case "no_such_path":
		return reply{status: http.StatusNotFound, header: map[string]string{"X-Status-Reason": "Controller does not exist."}}
	case "invalid":
		return reply{
			status: http.StatusBadRequest,
			header: map[string]string{"X-Status-Reason": "Field validation failure; entityType: Account, field: " + x.field + ", type: valid."},
			body: map[string]any{"messageTranslation": map[string]any{
				"label": "validationFailure", "scope": nil, "data": map[string]any{"field": x.field, "type": "valid"},
			}},
		}
	}
	return reply{status: x.status, header: map[string]string{"X-Status-Reason": x.detail}}
}

func (s *Sim) espoRecord(r *record) map[string]any {
	out := map[string]any{
		"id": r.id, "deleted": false, "createdAt": r.created.Format(espoTime), "modifiedAt": r.updated.Format(espoTime),
		"createdById": r.by, "modifiedById": nil, "versionNumber": r.revision,
	}
	if r.revision > 1 {
		out["modifiedById"] = r.by
	}
	for _, name := range known[Espo+"/Account"] {
		out[name] = typed(name, r.values[name])
	}
	return out
}

func (s *Sim) espo(q *request) reply {
	switch q.op {
	case "probe":
		return reply{status: http.StatusOK, body: map[string]any{"user": map[string]any{"id": appActor, "type": "api"}, "settings": map[string]any{"siteUrl": s.o.Tenant}}}
	case "schema":
		return s.espoSchema()
	case "list", "find":
		return s.espoListing(q)
	case "create":
		return s.espoCreate(q)
	}
	r := s.records[q.id]
	if r == nil || r.gone {
		word := "not found."
		if q.op == "get" {
			word = "does not exist."
		}
		return reply{status: http.StatusNotFound, header: map[string]string{"X-Status-Reason": "Record " + q.id + " " + word}}
	}
	switch q.op {
	case "update":
		return s.espoUpdate(q, r)
	case "delete":
		s.remove(r, q.actor)
		return reply{status: http.StatusOK, body: true}
	}
	return reply{status: http.StatusOK, body: s.espoRecord(r)}
}

func (s *Sim) espoSchema() reply {
	fields := map[string]any{
		"createdAt": map[string]any{"type": "datetime", "readOnly": true}, "modifiedAt": map[string]any{"type": "datetime", "readOnly": true},
	}
	for _, name := range known[Espo+"/Account"] {
		kind := "varchar"
		switch name {
		case "emailAddress":
			kind = "email"
		case "phoneNumber":
			kind = "phone"
		case "description":
			kind = "text"
		}
		fields[name] = map[string]any{"type": kind}
	}
	return reply{status: http.StatusOK, body: fields}
}

// espoCreate makes an account, unless one with its name or its e-mail is there
// (section 5).
func (s *Sim) espoCreate(q *request) reply {
	var body map[string]any
	if !decode(q.body, &body) {
		return reply{status: http.StatusInternalServerError}
	}
	q.rows = 1
	values := trimmed(flat(body))
	if x := s.check("Account", "", values); x != nil {
		return espoRefuse(x)
	}
	if q.header.Get("X-Skip-Duplicate-Check") != "true" {
		same := s.sorted("Account", time.Second, func(r *record) bool {
			return values["name"] != "" && r.values["name"] == values["name"] || values["emailAddress"] != "" && r.values["emailAddress"] == values["emailAddress"]
		})
		if len(same) > 0 {
			list := []any{}
			for _, r := range same[:min(len(same), espoList)] {
				list = append(list, s.espoRecord(r))
			}
			return reply{status: http.StatusConflict, header: map[string]string{"X-Status-Reason": "duplicate"}, body: list}
		}
	}
	r := s.insert("Account", values, q.actor)
	q.ids = append(q.ids, r.id)
	return reply{status: http.StatusOK, body: s.espoRecord(r)}
}

// trimmed trims values as EspoCRM does (section 2).
func trimmed(values map[string]string) map[string]string {
	for name, v := range values {
		values[name] = strings.TrimSpace(v)
	}
	return values
}

func (s *Sim) espoUpdate(q *request, r *record) reply {
	var body map[string]any
	if !decode(q.body, &body) {
		return reply{status: http.StatusInternalServerError}
	}
	if v := q.header.Get("X-Version-Number"); v != "" && v != strconv.Itoa(r.revision) {
		return reply{status: http.StatusConflict, header: map[string]string{"X-Status-Reason": "modified"}, body: map[string]any{"values": map[string]any{}, "versionNumber": r.revision}}
	}
	values := trimmed(flat(body))
	if x := s.check("Account", r.id, values); x != nil {
		return espoRefuse(x)
	}
	s.edit(r, values, q.actor)
	return reply{status: http.StatusOK, body: s.espoRecord(r)}
}

// where is one condition of a list.
type where struct {
	kind, attribute string
	values          []string
}

// readWhere reads where[0][type]=…&where[0][attribute]=…&where[0][value]=….
func readWhere(q url.Values) (out []where) {
	for i := 0; q.Has(fmt.Sprintf("where[%d][type]", i)); i++ {
		at := fmt.Sprintf("where[%d]", i)
		w := where{kind: q.Get(at + "[type]"), attribute: q.Get(at + "[attribute]"), values: q[at+"[value][]"]}
		if q.Has(at + "[value]") {
			w.values = []string{q.Get(at + "[value]")}
		}
		out = append(out, w)
	}
	return out
}

func (w where) fits(s *Sim, r *record) bool {
	v := plainText(s.espoRecord(r)[w.attribute])
	switch w.kind {
	case "equals":
		return len(w.values) == 1 && strings.EqualFold(v, w.values[0])
	case "in":
		return slices.Contains(w.values, v)
	case "greaterThanOrEquals":
		return len(w.values) == 1 && v >= w.values[0]
	case "after":
		return len(w.values) == 1 && v > w.values[0]
	}
	return false
}

func (s *Sim) espoListing(q *request) reply {
	size, err := strconv.Atoi(q.query.Get("maxSize"))
	if err != nil {
		size = espoMax
	}
	if size > espoMax {
		return reply{status: http.StatusForbidden, header: map[string]string{"X-Status-Reason": "Max size should not exceed 200. Use offset and limit."}}
	}
	conditions := readWhere(q.query)
	rows := s.sorted("Account", time.Second, func(r *record) bool {
		return !slices.ContainsFunc(conditions, func(w where) bool { return !w.fits(s, r) })
	})
	if q.query.Get("orderBy") == "id" {
		slices.SortFunc(rows, func(a, b *record) int { return strings.Compare(a.id, b.id) })
	}
	if q.query.Get("order") != "asc" {
		slices.Reverse(rows)
	}
	offset, err := strconv.Atoi(q.query.Get("offset"))
	if err != nil || offset < 0 {
		offset = 0
	}
	total := len(rows)
	rows = rows[min(total, offset):min(total, offset+size)]
	list := []any{}
	for _, r := range rows {
		list = append(list, s.espoRecord(r))
		q.ids = append(q.ids, r.id)
	}
	q.rows = len(list)
	return reply{status: http.StatusOK, body: map[string]any{"total": total, "list": list}}
}

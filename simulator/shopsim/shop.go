package shopsim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The shop's own numbers.
const (
	shopPage    = 50
	shopMaxPage = 100
	shopBatch   = 50
	shopTime    = "2006-01-02T15:04:05.000Z07:00"
)

// shopDialect is the web shop: /customers and /orders, {"data": …}, revisions with
// ETag and If-Match, page tokens, idempotency keys, a bin.
var shopDialect = dialect{
	route: func(_ *Sim, r *http.Request) (request, bool) {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		q := request{object: parts[0]}
		if r.Method == http.MethodGet && r.URL.Path == "/shop" {
			return request{op: "probe"}, true
		}
		if q.object != "customers" && q.object != "orders" {
			return request{op: "unknown"}, false
		}
		if len(parts) > 1 {
			q.id = parts[1]
		}
		switch {
		case len(parts) == 1 && r.Method == http.MethodGet:
			q.op = "list"
			if strings.Contains(r.URL.RawQuery, "filter") {
				q.op = "find"
			}
		case len(parts) == 1 && r.Method == http.MethodPost:
			q.op = "create"
		case len(parts) == 2 && r.Method == http.MethodPost && q.id == "batch":
			q.op, q.id = "create_batch", ""
		case len(parts) == 2 && r.Method == http.MethodGet:
			q.op = "get"
		case len(parts) == 2 && r.Method == http.MethodPatch:
			q.op = "update"
		case len(parts) == 2 && r.Method == http.MethodDelete:
			q.op = "delete"
		case len(parts) == 3 && r.Method == http.MethodPost && (parts[2] == "archive" || parts[2] == "restore"):
			q.op = parts[2]
		default:
			q.op = "unknown"
			return q, false
		}
		return q, true
	},
	login:  func(_ *Sim, h http.Header) string { return h.Get("X-Shop-Token") },
	run:    (*Sim).shop,
	refuse: shopRefuse,
}

// shopRefuse writes a refusal.
func shopRefuse(x *trouble) reply {
	return reply{status: x.status, body: map[string]any{"errors": []any{x.shop()}}}
}

func (t *trouble) shop() map[string]any {
	out := map[string]any{"code": t.code, "detail": t.detail}
	if t.field != "" {
		out["field"] = t.field
	}
	if t.holder != "" {
		out["holder"] = t.holder
	}
	return out
}

// shopPlaces are the fields that stand in a member of the record.
var shopPlaces = map[string]string{
	"street": "address", "zip": "address", "city": "address", "country": "address",
	"syncd_ref": "metafields", "crm_id": "metafields", "erp_id": "metafields",
}

// shopRecord writes a record as the shop shows it.
func (s *Sim) shopRecord(r *record) map[string]any {
	out := map[string]any{
		"id": r.id, "revision": r.revision, "created_at": r.created.Format(shopTime), "updated_at": r.updated.Format(shopTime),
		"updated_by": r.by, "archived_at": nil,
	}
	if !r.archived.IsZero() {
		out["archived_at"] = r.archived.Format(shopTime)
	}
	for _, name := range known[Shop+"/"+r.object] {
		to, key := out, name
		if member := shopPlaces[name]; member != "" && r.object == "customers" {
			inner, ok := out[member].(map[string]any)
			if !ok {
				inner = map[string]any{}
				out[member] = inner
			}
			to = inner
		}
		if name == "customer" {
			key = "customer_id"
		}
		to[key] = typed(name, r.values[name])
	}
	return out
}

// typed gives a value its JSON type; "" is null.
func typed(name, v string) any {
	switch {
	case v == "":
		return nil
	case slices.Contains(numbers, name) || name == "total":
		return json.Number(v)
	case slices.Contains(booleans, name):
		return v == "true"
	}
	return v
}

// flat gives the fields of a body, those in members too, as text.
func flat(body map[string]any, members ...string) map[string]string {
	out := map[string]string{}
	for name, v := range body {
		if inner, ok := v.(map[string]any); ok && slices.Contains(members, name) {
			for k, x := range inner {
				out[k] = plainText(x)
			}
			continue
		}
		out[name] = plainText(v)
	}
	return out
}

func plainText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case json.Number:
		return x.String()
	}
	return fmt.Sprint(v)
}

// decode reads a body; numbers keep their text.
func decode(body []byte, into any) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	return d.Decode(into) == nil
}

var errBadJSON = &trouble{status: http.StatusBadRequest, code: "bad_json", detail: "the body is no JSON"}

func (s *Sim) shop(q *request) reply {
	switch q.op {
	case "probe":
		return reply{status: http.StatusOK, body: map[string]any{
			"shop": map[string]any{"id": s.o.Tenant, "version": "2026.1"}, "client": map[string]any{"id": appActor},
		}}
	case "list", "find":
		return s.shopList(q)
	case "create":
		return s.shopCreate(q)
	case "create_batch":
		return s.shopBatch(q)
	}
	r := s.records[q.id]
	if r == nil || r.object != q.object || r.gone {
		return shopRefuse(&trouble{status: http.StatusNotFound, code: "no_such_" + strings.TrimSuffix(q.object, "s"), detail: "there is no " + q.id})
	}
	done := true
	switch q.op {
	case "update":
		return s.shopUpdate(q, r)
	case "archive":
		done = s.archive(r, q.actor)
	case "restore":
		done = s.restore(r, q.actor)
	case "delete":
		s.remove(r, q.actor)
		return reply{status: http.StatusNoContent}
	}
	if !done {
		return shopRefuse(&trouble{status: http.StatusConflict, code: "already", detail: "it is so already"})
	}
	return s.shopOne(r, http.StatusOK)
}

func (s *Sim) shopOne(r *record, status int) reply {
	return reply{status: status, header: map[string]string{"ETag": etag(r)}, body: map[string]any{"data": s.shopRecord(r)}}
}

func etag(r *record) string { return fmt.Sprintf(`W/"%s-%d"`, r.id, r.revision) }

// shopList pages by a token that names the last record given, so that no record that
// changes meanwhile pushes another out.
func (s *Sim) shopList(q *request) reply {
	var since time.Time
	if text := q.query.Get("updated_since"); text != "" {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return shopRefuse(&trouble{status: http.StatusUnprocessableEntity, code: "invalid", detail: "updated_since is no time", field: "updated_since"})
		}
		since = at
	}
	bin := q.query.Get("archived")
	rows := s.sorted(q.object, time.Millisecond, func(r *record) bool {
		if bin == "only" == r.archived.IsZero() && bin != "with" {
			return false
		}
		for key, v := range q.query {
			name := strings.TrimSuffix(strings.TrimPrefix(key, "filter["), "]")
			if strings.HasPrefix(key, "filter[") && !strings.EqualFold(r.values[name[strings.LastIndex(name, ".")+1:]], v[0]) {
				return false
			}
		}
		return !r.updated.Truncate(time.Millisecond).Before(since)
	})
	if token := q.query.Get("page_token"); token != "" {
		at, number, ok := readToken(token)
		if !ok {
			return shopRefuse(&trouble{status: http.StatusUnprocessableEntity, code: "bad_token", detail: "the page token is not known"})
		}
		rows = slices.DeleteFunc(rows, func(r *record) bool {
			ms := r.updated.UnixMilli()
			return ms < at || ms == at && r.number <= number
		})
	}
	size, err := strconv.Atoi(q.query.Get("page_size"))
	if err != nil || size < 1 {
		size = shopPage
	}
	size = min(size, shopMaxPage)
	body := map[string]any{"next_page_token": nil}
	if len(rows) > size {
		rows = rows[:size]
		last := rows[size-1]
		body["next_page_token"] = base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("%d|%d", last.updated.UnixMilli(), last.number)))
	}
	data := []any{}
	for _, r := range rows {
		data = append(data, s.shopRecord(r))
		q.ids = append(q.ids, r.id)
	}
	q.rows = len(data)
	body["data"] = data
	return reply{status: http.StatusOK, body: body}
}

func readToken(token string) (ms int64, number int, ok bool) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, 0, false
	}
	n, err := fmt.Sscanf(string(text), "%d|%d", &ms, &number)
	return ms, number, err == nil && n == 2
}

// shopCreate makes a record. A key that came before gives the answer of that time.
func (s *Sim) shopCreate(q *request) reply {
	var body struct {
		Data map[string]any `json:"data"`
	}
	if !decode(q.body, &body) || body.Data == nil {
		return shopRefuse(errBadJSON)
	}
	q.rows = 1
	out := s.keyed(q.header.Get("Idempotency-Key"), string(q.body), func() reply {
		r, x := s.shopInsert(q.object, body.Data, q.actor)
		if x != nil {
			return shopRefuse(x)
		}
		q.ids = append(q.ids, r.id)
		return s.shopOne(r, http.StatusCreated)
	})
	return out
}

func (s *Sim) shopInsert(object string, data map[string]any, actor string) (*record, *trouble) {
	values := flat(data, "address", "metafields")
	if x := s.check(object, "", values); x != nil {
		return nil, x
	}
	return s.insert(object, values, actor), nil
}

// keyed runs a create once per key, as long as the key is kept.
func (s *Sim) keyed(key, body string, work func() reply) reply {
	if key == "" || s.o.IgnoreKeys {
		return work()
	}
	now := s.o.Now()
	if old, ok := s.keys[key]; ok && now.Sub(old.at) < keyWindow {
		if old.body != body {
			return shopRefuse(&trouble{status: http.StatusUnprocessableEntity, code: "key_reused", detail: "the key came with another body"})
		}
		return old.reply
	}
	out := work()
	s.keys[key] = kept{body, now, out}
	return out
}

// shopBatch makes several records, each on its own.
func (s *Sim) shopBatch(q *request) reply {
	var body struct {
		Items []map[string]any `json:"items"`
	}
	if !decode(q.body, &body) || len(body.Items) == 0 || len(body.Items) > shopBatch {
		return shopRefuse(errBadJSON)
	}
	q.rows = len(body.Items)
	results := []any{}
	for i := len(body.Items) - 1; i >= 0; i-- { // the order of a batch's answer means nothing
		item := body.Items[i]
		ref := plainText(item["ref"])
		delete(item, "ref")
		text, _ := json.Marshal(item)
		out := s.keyed(ref, `{"data":`+string(text)+`}`, func() reply {
			r, x := s.shopInsert(q.object, item, q.actor)
			if x != nil {
				return shopRefuse(x)
			}
			q.ids = append(q.ids, r.id)
			return s.shopOne(r, http.StatusCreated)
		})
		result := map[string]any{"ref": ref, "status": out.status}
		for k, v := range out.body.(map[string]any) {
			result[k] = v
		}
		results = append(results, result)
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

func (s *Sim) shopUpdate(q *request, r *record) reply {
	var body struct {
		Data map[string]any `json:"data"`
	}
	if !decode(q.body, &body) || body.Data == nil {
		return shopRefuse(errBadJSON)
	}
	if match := q.header.Get("If-Match"); match != "" && match != "*" && match != etag(r) {
		return shopRefuse(&trouble{status: http.StatusPreconditionFailed, code: "stale", detail: "the record has changed since"})
	}
	values := flat(body.Data, "address", "metafields")
	if x := s.check(q.object, r.id, values); x != nil {
		return shopRefuse(x)
	}
	s.edit(r, values, q.actor)
	return s.shopOne(r, http.StatusOK)
}

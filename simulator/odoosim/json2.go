package odoosim

import (
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// json2 serves POST /json/2/<model>/<method>, the API of 19 and later: named
// arguments, bare results, real HTTP statuses (vendors/odoo.md 3, 5).
func (s *Sim) json2(r *http.Request) call {
	object, name, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/json/2/"), "/")
	if !ok || strings.Contains(name, "/") || r.Method != http.MethodPost {
		return call{op: "not_found", run: func() answer {
			return failed(failure(http.StatusNotFound, nameNotFound, "Did you mean POST /json/2/<model>/<method>?"))
		}}
	}
	c := call{op: name, object: object}
	refuse := func(err error) call {
		c.run = func() answer { return failed(err) }
		return c
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != typeJSON {
		return refuse(failure(http.StatusUnsupportedMediaType, "werkzeug.exceptions.UnsupportedMediaType",
			"Request inferred type is not compatible with the route: json2"))
	}
	if db := r.Header.Get("X-Odoo-Database"); db != "" && db != s.o.Database {
		return refuse(failure(http.StatusNotFound, nameNotFound, "No database is selected"))
	}
	body, err := decodeBody(r)
	args, isObject := body.(map[string]any)
	if err != nil || !isObject {
		return refuse(failure(http.StatusBadRequest, nameBadRequest, "could not parse the body as json"))
	}
	if bearer(r) != s.o.APIKey {
		return refuse(failure(http.StatusUnauthorized, nameUnauthorized, "Invalid apikey"))
	}
	q, m, err := s.bindNamed(object, name, args)
	if q != nil {
		c.ids, c.rows = q.ids, q.countRows()
	}
	if err != nil {
		return refuse(err)
	}
	c.run = func() answer {
		result, err := q.run(m)
		if err != nil {
			return failed(err)
		}
		if _, none := result.(nothing); none {
			result = nil
		}
		return answer{status: http.StatusOK, kind: typeJSON, body: encode(result, false), touched: q.touched}
	}
	return c
}

func bearer(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

// failed writes an exception with its HTTP status.
func failed(err error) answer {
	return answer{status: asError(err).Status, kind: typeJSON, body: encode(errorBody(err), false)}
}

// bindNamed matches a JSON-2 body with a method's signature: ids and context
// are special, every other key is a keyword argument.
func (s *Sim) bindNamed(object, name string, args map[string]any) (*request, method, error) {
	s.mu.Lock()
	mod := s.models[object]
	s.mu.Unlock()
	if mod == nil {
		return nil, method{}, failure(http.StatusNotFound, nameNotFound, "the model '%s' does not exist", object)
	}
	m, ok := methods[name]
	if !ok || (m.only != "" && m.only != object) {
		return nil, m, failure(http.StatusNotFound, nameNotFound, "The method '%s' does not exist on the model '%s'", name, object)
	}
	q := &request{s: s, uid: s.o.BotUID, model: mod, args: map[string]any{}, json2: true}
	ids, ok := asIDs(args["ids"])
	if !ok {
		return q, m, failure(http.StatusUnprocessableEntity, nameUnprocessed, "ids must be a list of integers")
	}
	if len(ids) > 0 && !m.records {
		return q, m, failure(http.StatusUnprocessableEntity, nameUnprocessed, "cannot call %s.%s with ids", object, name)
	}
	q.ids = ids
	rest := map[string]any{}
	for k, v := range args {
		if k != "ids" {
			rest[k] = v
		}
	}
	if err := q.keywords(name, m, rest); err != nil {
		e := asError(err)
		e.Name = nameUnprocessed
		return q, m, e
	}
	return q, m, nil
}

// version serves /web/version, without authentication, since 19.
func (s *Sim) version(*http.Request) call {
	return fixed("version", http.StatusOK, map[string]any{
		"version": fmt.Sprintf("%d.0", s.o.Major), "version_info": []any{s.o.Major, 0, 0, "final", 0, ""},
	})
}

package odoosim_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"syncd/simulator/odoosim"
)

// vendors/odoo.md 0, 2.
func TestVersionAndAuthenticate(t *testing.T) {
	a := serve(t, odoosim.Options{})
	v, _ := a.rpc("common", "version")
	info := v.(map[string]any)["server_version_info"].([]any)
	same(t, "major", info[0].(float64), 17)
	uid, _ := a.rpc("common", "authenticate", "acme", "syncd", "sim-key", map[string]any{})
	same(t, "uid", uid.(float64), 7)
	uid, e := a.rpc("common", "authenticate", "acme", "syncd", "wrong", map[string]any{})
	if uid != false || e != nil {
		t.Errorf("a wrong key gives %v, %v; want false", uid, e)
	}
	_, e = a.rpc("common", "authenticate", "nodb", "syncd", "sim-key", map[string]any{})
	if e == nil || e.name != "psycopg2.OperationalError" || !strings.Contains(e.message, `"nodb" does not exist`) {
		t.Errorf("a wrong database gives %v", e)
	}
	_, e = a.rpc("object", "execute_kw", "acme", 7, "wrong", partner, "read", []any{})
	if e == nil || e.name != "odoo.exceptions.AccessDenied" || e.message != "Access Denied" {
		t.Errorf("a wrong key in execute_kw gives %v", e)
	}
}

// vendors/odoo.md 3: no JSON answers.
func TestBadRequestsAreHTTP400Text(t *testing.T) {
	a := serve(t, odoosim.Options{})
	for name, c := range map[string]struct{ kind, body string }{
		"bad JSON": {"application/json", "{"}, "batch": {"application/json", "[]"}, "content type": {"text/plain", "{}"},
	} {
		res, body, err := a.post("/jsonrpc", map[string]string{"Content-Type": c.kind}, c.body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusBadRequest || json.Valid(body) {
			t.Errorf("%s: HTTP %d %s", name, res.StatusCode, body)
		}
	}
	res, err := a.hc.Get(a.url + "/jsonrpc")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	same(t, "GET", res.StatusCode, http.StatusBadRequest)
}

func TestWebRoutesFollowTheVersion(t *testing.T) {
	for major, want := range map[int]int{17: http.StatusNotFound, 18: http.StatusNotFound, 19: http.StatusOK, 20: http.StatusOK} {
		a := serve(t, odoosim.Options{Major: major})
		res, body, err := a.post("/web/version", nil, "")
		if err != nil {
			t.Fatal(err)
		}
		same(t, "/web/version", res.StatusCode, want)
		if want == http.StatusOK && !strings.Contains(string(body), `"version_info": [`) {
			t.Errorf("version: %s", body)
		}
		res, _, err = a.post("/web/health", nil, "")
		if err != nil {
			t.Fatal(err)
		}
		same(t, "/web/health", res.StatusCode, http.StatusOK)
	}
}

// vendors/odoo.md 3: action_archive has neither result nor error.
func TestArchiveAnswersWithoutResult(t *testing.T) {
	a := serve(t, odoosim.Options{})
	id := a.create(partner, map[string]any{"name": "A"})
	body := text(t, map[string]any{"jsonrpc": "2.0", "id": 36, "params": map[string]any{"service": "object", "method": "execute_kw",
		"args": []any{"acme", 7, "sim-key", partner, "action_archive", []any{[]any{id}}}}})
	_, raw, err := a.post("/jsonrpc", nil, body)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "answer", string(raw), `{"id": 36, "jsonrpc": "2.0"}`)
	same(t, "active", a.field(partner, id, "active"), any(false))
}

func TestCloseConnsSaysSo(t *testing.T) {
	a := serve(t, odoosim.Options{CloseConns: true})
	res, _, err := a.post("/web/health", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "Close", res.Close, true)
}

// json2 posts to JSON-2 and decodes.
func (a *api) json2(path string, body any) (int, any) {
	a.t.Helper()
	res, raw, err := a.post("/json/2/"+path, map[string]string{"Authorization": "bearer sim-key"}, text(a.t, body))
	if err != nil {
		a.t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		a.t.Fatalf("%v in %s", err, raw)
	}
	return res.StatusCode, v
}

// vendors/odoo.md 3, 5.
func TestJSON2StatusesAndBodies(t *testing.T) {
	a := serve(t, odoosim.Options{Major: 19})
	status, v := a.json2("res.partner/create", map[string]any{"vals_list": []any{map[string]any{"name": "A"}}})
	same(t, "create", status, http.StatusOK)
	id := numbers(v)[0]
	status, v = a.json2("res.partner/create", map[string]any{"vals_list": map[string]any{"name": "B"}})
	same(t, "create one", status, http.StatusOK)
	same(t, "a list of one", len(v.([]any)), 1)
	status, v = a.json2("res.partner/action_archive", map[string]any{"ids": []any{id}})
	same(t, "archive", status, http.StatusOK)
	same(t, "null", v, nil)

	for _, c := range []struct {
		path   string
		body   any
		status int
		name   string
	}{
		{"res.partner/write", map[string]any{"ids": []any{99999}, "vals": map[string]any{"name": "x"}}, 404, "odoo.exceptions.MissingError"},
		{"res.partner/write", map[string]any{"ids": []any{id}, "vals": map[string]any{"name": false}}, 422, "odoo.exceptions.ValidationError"},
		{"res.partner/write", map[string]any{"ids": []any{id}, "vals": map[string]any{"x_no": 1}}, 500, "builtins.ValueError"},
		{"res.partner/create", map[string]any{"ids": []any{1}, "vals_list": []any{}}, 422, "werkzeug.exceptions.UnprocessableEntity"},
		{"res.partner/read", map[string]any{"ids": []any{id}, "bogus": 1}, 422, "werkzeug.exceptions.UnprocessableEntity"},
		{"res.nosuch/read", map[string]any{}, 404, "werkzeug.exceptions.NotFound"},
		{"res.partner/nosuch", map[string]any{}, 404, "werkzeug.exceptions.NotFound"},
		{"res.partner/_private", map[string]any{}, 404, "werkzeug.exceptions.NotFound"},
		{"res.partner/read", []any{}, 400, "werkzeug.exceptions.BadRequest"},
	} {
		status, v := a.json2(c.path, c.body)
		body := v.(map[string]any)
		same(t, c.path, status, c.status)
		same(t, c.path, body["name"], any(c.name))
		for _, k := range []string{"message", "arguments", "context", "debug"} {
			if _, ok := body[k]; !ok {
				t.Errorf("%s: no %s", c.path, k)
			}
		}
	}
	res, _, err := a.post("/json/2/res.partner/read", map[string]string{"Authorization": "bearer no"}, "{}")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "wrong key", res.StatusCode, http.StatusUnauthorized)
}

// vendors/odoo.md 5: code 200 up to 18, 0 later.
func TestErrorCodeChangesWithTheVersion(t *testing.T) {
	for major, want := range map[int]string{17: `"code": 200`, 19: `"code": 0`} {
		a := serve(t, odoosim.Options{Major: major})
		body := `{"jsonrpc":"2.0","id":1,"params":{"service":"object","method":"execute_kw","args":["acme",7,"sim-key","res.nosuch","read",[]]}}`
		_, raw, err := a.post("/jsonrpc", nil, body)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), want) || !strings.Contains(string(raw), `"message": "Odoo Server Error"`) {
			t.Errorf("%d: %s", major, raw)
		}
	}
}

func TestRateLimitIsAProxysPage(t *testing.T) {
	c := newClock()
	a := serve(t, odoosim.Options{Now: c.now, PerSecond: 2})
	a.must(partner, "search", []any{[]any{}}, nil)
	a.must(partner, "search", []any{[]any{}}, nil)
	res, body, err := a.post("/jsonrpc", nil, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "third", res.StatusCode, http.StatusTooManyRequests)
	if !strings.Contains(string(body), "<html") {
		t.Errorf("body: %s", body)
	}
	c.add(1e9)
	a.must(partner, "search", []any{[]any{}}, nil)
}

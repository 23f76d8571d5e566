package odoo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// firstJSON2 is the first major version with JSON-2 (vendors/odoo.md 1).
const firstJSON2 = 19

// server is what we know about the other end.
type server struct {
	known   bool
	json2   bool
	version string
}

// named is one argument: JSON-2 wants its name, JSON-RPC its place.
type named struct {
	name  string
	value any
}

// method is one call in the terms that both protocols share.
type method struct {
	model, name string
	ids         []int64 // the records it is called on; nil for methods of the model
	args        []named // in the order of the Python signature
	opts        map[string]any
	write       bool
}

// flags is the context of every call: archived records are seen, messages are
// English, times UTC (vendors/odoo.md 2, 6).
func (m method) flags() map[string]any {
	f := map[string]any{"lang": "en_US", "tz": "UTC", "active_test": false}
	if m.write {
		for _, k := range []string{"tracking_disable", "mail_create_nolog", "mail_create_nosubscribe"} {
			f[k] = true
		}
	}
	return f
}

// call runs a method by whichever protocol the server has. A JSON-RPC that is
// gone was not applied, so the call is made again by JSON-2 (vendors/odoo.md 1).
func (c *Client) call(ctx context.Context, m method) (json.RawMessage, *trouble) {
	s, t := c.detect(ctx)
	if t != nil {
		return nil, unsent(t)
	}
	if !s.json2 {
		raw, t, gone := c.byRPC(ctx, m)
		if !gone {
			return raw, t
		}
	}
	raw, t := c.byJSON2(ctx, m)
	if !s.json2 && (t == nil || t.code != notFound) { // a proxy's 404 is no proof of an upgrade
		c.learn(server{known: true, json2: true, version: s.version})
	}
	return raw, t
}

// notFound is the code of a 404 that is not Odoo's.
const notFound = "404"

// unsent marks trouble that came before the call itself.
func unsent(t *trouble) *trouble {
	u := *t
	u.open = false
	return &u
}

// into runs a method and decodes its result.
func (c *Client) into(ctx context.Context, m method, v any) *trouble {
	raw, t := c.call(ctx, m)
	if t != nil {
		return t
	}
	// null is no result of these methods: taken for an empty list, it would end
	// a listing early.
	if err := decode(raw, v); err != nil || string(bytes.TrimSpace(raw)) == "null" {
		return broken("the result of " + m.name + " has another shape than expected")
	}
	return nil
}

// decode reads exactly one JSON value and keeps numbers as text.
func decode(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// byJSON2 calls POST /json/2/<model>/<method> (vendors/odoo.md 3).
func (c *Client) byJSON2(ctx context.Context, m method) (json.RawMessage, *trouble) {
	body := map[string]any{"context": m.flags()}
	for _, a := range m.args {
		body[a.name] = a.value
	}
	for k, v := range m.opts {
		body[k] = v
	}
	if m.ids != nil {
		body["ids"] = m.ids
	}
	if !modelName.MatchString(m.model) {
		return nil, &trouble{kind: connectors.KindConfig, noModel: true, said: "not a model's name"}
	}
	h := http.Header{"Authorization": {"bearer " + c.c.APIKey()}, "X-Odoo-Database": {c.c.Database}}
	r, t := c.post(ctx, "/json/2/"+m.model+"/"+m.name, h, body)
	if t != nil {
		return nil, t
	}
	if r.Status == http.StatusOK {
		if !json.Valid(r.Body) {
			return nil, broken("the answer is not JSON")
		}
		return r.Body, nil
	}
	if x, ok := refusal(r.Body); ok {
		t := judge(x, r.Status)
		t.after = c.retryAfter(r.Header)
		if r.Status == http.StatusTooManyRequests {
			t.kind, t.open = connectors.KindThrottled, false
		}
		return nil, t
	}
	t = c.status(r)
	t.noModel = r.Status == http.StatusNotFound
	if text := ""; decode(r.Body, &text) == nil { // a plain string, by an early document
		t.said = cut(text)
	}
	return nil, t
}

// refusal reads an error body of JSON-2 (vendors/odoo.md 5).
func refusal(body []byte) (exception, bool) {
	var x exception
	err := decode(body, &x)
	return x, err == nil && x.Name != ""
}

// byRPC calls execute_kw on /jsonrpc. gone says that the server has no JSON-RPC.
func (c *Client) byRPC(ctx context.Context, m method) (raw json.RawMessage, t *trouble, gone bool) {
	uid, t, gone := c.authenticate(ctx)
	if t != nil || gone {
		return nil, t, gone
	}
	args := make([]any, 0, len(m.args)+1)
	if m.ids != nil {
		args = append(args, m.ids)
	}
	for _, a := range m.args {
		args = append(args, a.value)
	}
	opts := map[string]any{"context": m.flags()}
	for k, v := range m.opts {
		opts[k] = v
	}
	raw, t, gone = c.rpc(ctx, "object", "execute_kw", c.c.Database, uid, c.c.APIKey(), m.model, m.name, args, opts)
	if t != nil && t.kind == connectors.KindAuth {
		c.forgetUser()
	}
	return raw, t, gone
}

// rpc makes one JSON-RPC call.
func (c *Client) rpc(ctx context.Context, service, name string, args ...any) (raw json.RawMessage, t *trouble, gone bool) {
	id := c.next.Add(1)
	body := map[string]any{
		"jsonrpc": "2.0", "method": "call", "id": id,
		"params": map[string]any{"service": service, "method": name, "args": args},
	}
	r, t := c.post(ctx, "/jsonrpc", nil, body)
	switch {
	case t != nil:
		return nil, t, false
	case r.Status == http.StatusNotFound:
		return nil, nil, true
	case r.Status != http.StatusOK:
		return nil, c.status(r), false
	}
	raw, t = rpcResult(r.Body, id)
	return raw, t, false
}

// rpcResult reads the envelope of a JSON-RPC answer. A missing result is null
// (vendors/odoo.md 3); an answer to another call is none.
func rpcResult(body []byte, id int64) (json.RawMessage, *trouble) {
	var e struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  json.RawMessage `json:"result"`
		Error   *struct {
			Message string    `json:"message"`
			Data    exception `json:"data"`
		} `json:"error"`
	}
	if err := decode(body, &e); err != nil || e.Version == "" {
		return nil, broken("the answer is not JSON-RPC")
	}
	if string(e.ID) != strconv.FormatInt(id, 10) {
		return nil, broken("the answer belongs to another call")
	}
	if e.Error != nil {
		if e.Error.Data.Message == "" {
			e.Error.Data.Message = e.Error.Message
		}
		return nil, judge(e.Error.Data, http.StatusOK)
	}
	if len(e.Result) == 0 {
		return json.RawMessage("null"), nil
	}
	return e.Result, nil
}

// post sends a JSON body.
func (c *Client) post(ctx context.Context, path string, h http.Header, body any) (wire.Response, *trouble) {
	b, err := json.Marshal(body)
	if err != nil {
		return wire.Response{}, &trouble{kind: connectors.KindBug, said: "the request cannot be encoded"}
	}
	return c.send(ctx, wire.Request{Method: http.MethodPost, URL: c.base.String() + path, Header: h, Body: b})
}

// send makes one HTTP call.
func (c *Client) send(ctx context.Context, r wire.Request) (wire.Response, *trouble) {
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "syncd")
	res, err := wire.Do(ctx, c.hc, r)
	if err != nil {
		return res, lost(err)
	}
	if res.Status == http.StatusOK && strings.HasPrefix(strings.ToLower(res.Header.Get("Content-Type")), "text/html") {
		return res, broken("the answer is a web page")
	}
	return res, nil
}

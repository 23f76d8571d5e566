package odoo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// detect gives what is known about the server, and asks it the first time.
func (c *Client) detect(ctx context.Context) (server, *trouble) {
	c.mu.Lock()
	s := c.server
	c.mu.Unlock()
	if s.known {
		return s, nil
	}
	return c.ask(ctx)
}

// learn keeps what was found out about the server.
func (c *Client) learn(s server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = s
}

// ask finds out version and protocol: /web/version, which 19 brought, then
// common.version; a server without JSON-RPC has JSON-2 (vendors/odoo.md 0, 1).
func (c *Client) ask(ctx context.Context) (server, *trouble) {
	r, t := c.send(ctx, wire.Request{Method: http.MethodGet, URL: c.base.String() + "/web/version"})
	if t != nil && t.err != nil {
		return server{}, t
	}
	if t == nil && r.Status == http.StatusOK {
		if s, ok := readVersion(r.Body); ok {
			c.learn(s)
			return s, nil
		}
	}
	if t == nil && (r.Status == http.StatusTooManyRequests || r.Status >= http.StatusInternalServerError) {
		return server{}, c.status(r)
	}
	raw, t, gone := c.rpc(ctx, "common", "version")
	if t != nil {
		return server{}, t
	}
	if gone { // not kept: it may be a proxy that knows neither
		return server{known: true, json2: true}, nil
	}
	s, ok := readVersion(raw)
	if !ok {
		return server{}, broken("the server does not tell its version")
	}
	c.learn(s)
	return s, nil
}

// readVersion reads the answers of /web/version and common.version.
func readVersion(body []byte) (server, bool) {
	var v struct {
		Version       string `json:"version"`
		Info          []any  `json:"version_info"`
		ServerVersion string `json:"server_version"`
		ServerInfo    []any  `json:"server_version_info"`
	}
	if decode(body, &v) != nil {
		return server{}, false
	}
	info, text := v.Info, v.Version
	if len(info) == 0 {
		info = v.ServerInfo
	}
	if text == "" {
		text = v.ServerVersion
	}
	major := 0
	if len(info) > 0 {
		switch v := info[0].(type) {
		case json.Number:
			major = firstNumber(v.String())
		case string:
			major = firstNumber(v)
		}
	}
	if major == 0 {
		major = firstNumber(text)
	}
	return server{known: true, json2: major >= firstJSON2, version: cut(text)}, major > 0
}

// firstNumber gives the first number in a text like "saas~18", 0 if none.
func firstNumber(s string) int {
	n, in := 0, false
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9' && n < 1000:
			n, in = n*10+int(r-'0'), true
		case in:
			return n
		}
	}
	return n
}

// authenticate gives the id of our user by JSON-RPC (vendors/odoo.md 2).
func (c *Client) authenticate(ctx context.Context) (uid int64, t *trouble, gone bool) {
	if uid := c.user(); uid != 0 {
		return uid, nil, false
	}
	raw, t, gone := c.rpc(ctx, "common", "authenticate", c.c.Database, c.c.Login, c.c.APIKey(), struct{}{})
	if t != nil {
		return 0, unsent(t), false
	}
	if gone {
		return 0, nil, true
	}
	uid, ok := parseID(strings.TrimSpace(string(raw)))
	if !ok {
		return 0, &trouble{kind: connectors.KindAuth, said: "login or API key is wrong", code: "authenticate"}, false
	}
	c.keepUser(uid)
	return uid, nil, false
}

// whoami gives the id of our user by whichever protocol there is.
func (c *Client) whoami(ctx context.Context) (int64, *trouble) {
	if uid := c.user(); uid != 0 {
		return uid, nil
	}
	s, t := c.detect(ctx)
	if t != nil {
		return 0, t
	}
	if !s.json2 {
		uid, t, gone := c.authenticate(ctx)
		if !gone {
			return uid, t
		}
	}
	var rows []struct {
		ID int64 `json:"id"`
	}
	domain := []any{[]any{"login", "=", c.c.Login}}
	if t := c.into(ctx, searchRead("res.users", domain, []string{"id"}, "id asc", 1), &rows); t != nil {
		return 0, t
	}
	if len(rows) != 1 || rows[0].ID <= 0 {
		return 0, &trouble{kind: connectors.KindConfig, code: "login", said: fmt.Sprintf("there is no user with the login %q", c.c.Login)}
	}
	c.keepUser(rows[0].ID)
	return rows[0].ID, nil
}

// user gives the id of our user if it is known, else 0.
func (c *Client) user() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uid
}

func (c *Client) keepUser(uid int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uid = uid
}

// forgetUser makes the next call ask again who we are.
func (c *Client) forgetUser() { c.keepUser(0) }

// searchRead is the call that most reads are made of. It always has an order:
// Odoo's own is by name and breaks paging (vendors/odoo.md 4).
func searchRead(model string, domain []any, fields []string, order string, limit int) method {
	return method{
		model: model, name: "search_read", args: []named{{"domain", domain}},
		opts: map[string]any{"fields": fields, "order": order, "limit": limit},
	}
}

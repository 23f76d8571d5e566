package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// call is one request to the vendor.
type call struct {
	op     string
	object string
	shape  *object // nil for calls about no object
	id     string  // of the record, "" if it is about none
	method string
	path   string // below the base URL, escaped
	whole  string // a next page of the same origin instead of path and query
	query  url.Values
	header http.Header
	body   any
	kind   string // of the body, default application/json
}

// name is how the call is named in errors.
func (k call) name() string {
	if k.object == "" {
		return k.op
	}
	return k.op + " " + k.object
}

// validID gives an id if it is one of the object's, else "".
func (k call) validID(id string) string {
	if k.shape == nil || !k.shape.idFormat.MatchString(id) {
		return ""
	}
	return id
}

// fault gives an error about the whole call.
func (c *Client) fault(k call, kind connectors.Kind, said string) *connectors.Error {
	return &connectors.Error{Kind: kind, System: c.system, Object: k.object, Op: k.name(), Said: said, WholeCall: true}
}

// send makes the call; the error is about the wire only, never a status.
func (c *Client) send(ctx context.Context, k call) (wire.Response, *connectors.Error) {
	h := http.Header{"Accept": {"application/json"}}
	for name, v := range c.spec.set.Headers {
		h.Set(name, v)
	}
	for name, v := range k.header {
		h[name] = v
	}
	q := k.query
	if q == nil {
		q = url.Values{}
	}
	if err := c.auth.authorize(ctx, h, q); err != nil {
		e := c.fault(k, grantKind(err), "no token was given for the client's id and secret")
		e.Code = "token"
		if ctx.Err() != nil {
			e.Err = ctx.Err()
		}
		return wire.Response{}, e // what lies below may quote the secret's exchange
	}
	req := wire.Request{Method: k.method, URL: c.spec.base.String() + k.path, Header: h, Timeout: c.spec.set.Timeout}
	if k.whole != "" {
		req.URL = k.whole
	}
	if len(q) > 0 {
		sep := "?"
		if strings.Contains(req.URL, "?") {
			sep = "&"
		}
		req.URL += sep + q.Encode()
	}
	if k.body != nil {
		body, err := json.Marshal(k.body)
		if err != nil {
			return wire.Response{}, c.fault(k, connectors.KindBug, "cannot encode the request")
		}
		req.Body = body
		if k.kind == "" {
			k.kind = "application/json"
		}
		h.Set("Content-Type", k.kind)
	}
	res, err := wire.Do(ctx, c.hc, req)
	if err != nil {
		e := c.fault(k, connectors.KindTransient, "")
		e.Err = bare(err)
		return wire.Response{}, e
	}
	if res.Status == http.StatusUnauthorized {
		c.auth.refused()
	}
	return res, nil
}

// bare takes the URL out of a network error: its query may hold a credential or
// somebody's address.
func bare(err error) error {
	var f *wire.Failure
	if !errors.As(err, &f) {
		return err
	}
	var u *url.Error
	if errors.As(f.Err, &u) {
		return &wire.Failure{Sent: f.Sent, Err: u.Err}
	}
	return f
}

// unsent says that the error is proof that the call never left.
func unsent(e *connectors.Error) bool {
	var f *wire.Failure
	if errors.As(e.Err, &f) {
		return !f.Sent
	}
	return true // it was refused before the wire
}

// get makes a call that reads. A refusal comes as a verdict with its error.
func (c *Client) get(ctx context.Context, k call) (answer, *refusal) {
	res, e := c.send(ctx, k)
	if e != nil {
		return answer{}, &refusal{err: e}
	}
	body, ok := decode(res)
	if r := c.rejected(k, res, body); r != nil {
		return answer{}, r
	}
	if !ok {
		return answer{}, &refusal{err: c.broken(k, res.Status)}
	}
	return answer{res: res, body: body}, nil
}

// answer is a good answer.
type answer struct {
	res  wire.Response
	body any
}

// refusal is an answer that was none.
type refusal struct {
	verdict
	err *connectors.Error
}

// rejected reads a refusal; nil for a success.
func (c *Client) rejected(k call, res wire.Response, body any) *refusal {
	failed := res.Status < 200 || res.Status > 299
	for _, p := range c.spec.failedIf {
		v, ok := p.get(body)
		failed = failed || ok && !blank(v)
	}
	if !failed {
		return nil
	}
	v := c.judge(k, res, body)
	if res.Status >= 200 && res.Status <= 299 && v.is == string(connectors.KindTransient) && v.code == "HTTP "+strconv.Itoa(res.Status) {
		v.said = "the answer says that it failed and not why"
	}
	return &refusal{v, c.refused(k, res, v)}
}

// blank says that a value says nothing.
func blank(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case bool:
		return !x
	case string:
		return x == ""
	case []any:
		return len(x) == 0
	case map[string]any:
		return len(x) == 0
	}
	return false
}

// broken is the error of a good status with a body that is not what it should be.
func (c *Client) broken(k call, status int) *connectors.Error {
	e := c.fault(k, connectors.KindTransient, "the answer is not the JSON it should be")
	e.Code, e.Status = "HTTP "+strconv.Itoa(status), status
	return e
}

// maxDepth bounds the nesting of an answer (SECURITY S19).
const maxDepth = 64

// decode reads a JSON answer; false for anything else. Numbers keep their text.
func decode(res wire.Response) (any, bool) {
	media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || media != "application/json" && media != "text/json" && !strings.HasSuffix(media, "+json") {
		return nil, false
	}
	return decodeJSON(res.Body)
}

func decodeJSON(body []byte) (any, bool) {
	if !shallow(body) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	return v, true
}

// shallow bounds the depth of a JSON text before it is parsed.
func shallow(body []byte) bool {
	depth, inText := 0, false
	for i := 0; i < len(body); i++ {
		switch ch := body[i]; {
		case inText && ch == '\\':
			i++
		case ch == '"':
			inText = !inText
		case inText:
		case ch == '{' || ch == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case ch == '}' || ch == ']':
			depth--
		}
	}
	return true
}

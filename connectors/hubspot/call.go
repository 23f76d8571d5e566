package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// call is one request to the vendor.
type call struct {
	op     string // for errors: "batch read"
	object string
	method string
	path   string
	query  url.Values
	body   any
}

// name is how the call is named in errors.
func (k call) name() string {
	if k.object == "" {
		return k.op
	}
	return k.op + " " + k.object
}

// send makes the call; the error is about the wire only, never a status.
func (c *Client) send(ctx context.Context, k call) (wire.Response, *connectors.Error) {
	if k.object != "" && !namePattern.MatchString(k.object) {
		return wire.Response{}, c.fault(k, connectors.KindConfig, "not an object name: "+fmt.Sprintf("%.40q", k.object))
	}
	req := wire.Request{
		Method: k.method,
		URL:    c.cfg.BaseURL + k.path,
		Header: http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + c.cfg.Token()}},
	}
	if len(k.query) > 0 {
		req.URL += "?" + k.query.Encode()
	}
	if k.body != nil {
		body, err := json.Marshal(k.body)
		if err != nil {
			return wire.Response{}, c.fault(k, connectors.KindBug, "cannot encode the request")
		}
		req.Body = body
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := wire.Do(ctx, c.hc, req)
	if err != nil {
		e := c.fault(k, connectors.KindTransient, "")
		e.Err = err
		return wire.Response{}, e
	}
	return res, nil
}

// unsent says that the error is proof that the call never left.
func unsent(e *connectors.Error) bool {
	var f *wire.Failure
	if errors.As(e.Err, &f) {
		return !f.Sent
	}
	return true // send refused the call before the wire
}

// get makes a call that reads, and decodes its answer into out.
func (c *Client) get(ctx context.Context, k call, out any) *connectors.Error {
	res, e := c.send(ctx, k)
	if e != nil {
		return e
	}
	if res.Status < 200 || res.Status > 299 {
		return c.refused(k, res)
	}
	if err := json.Unmarshal(res.Body, out); err != nil {
		return c.broken(k, res.Status)
	}
	return nil
}

// broken is the error of a good status with a body that is not what it should
// be. The decoder's own words may quote the body and stay out.
func (c *Client) broken(k call, status int) *connectors.Error {
	e := c.fault(k, connectors.KindTransient, "the answer is not the JSON it should be")
	e.Code, e.Status = fmt.Sprintf("HTTP %d", status), status
	return e
}

// fault gives an error about the whole call.
func (c *Client) fault(k call, kind connectors.Kind, said string) *connectors.Error {
	return &connectors.Error{
		Kind: kind, System: c.cfg.System, Object: k.object, Op: k.name(), Said: said, WholeCall: true,
	}
}

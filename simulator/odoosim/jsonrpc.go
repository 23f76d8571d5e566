package odoosim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// Error codes of JSON-RPC; they changed, so that nobody may rely on them
// (vendors/odoo.md 5).
const (
	rpcCodeOld = 200 // up to 18
	rpcCodeNew = 0
)

// badRequest answers what is no JSON-RPC at all: HTTP 400 with text
// (vendors/odoo.md 3).
func badRequest(text string) call {
	return call{op: "bad_request", run: func() answer { return page(http.StatusBadRequest, text) }}
}

// jsonrpc serves the services common and object (vendors/odoo.md 1, 3).
func (s *Sim) jsonrpc(r *http.Request) call {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || media != typeJSON {
		return badRequest("Function declared as capable of handling request of type 'json' but called otherwise")
	}
	body, err := decodeBody(r)
	if err != nil {
		return badRequest("Invalid JSON data")
	}
	envelope, ok := body.(map[string]any)
	if !ok {
		return badRequest("Invalid JSON-RPC data")
	}
	params, _ := envelope["params"].(map[string]any)
	service, _ := params["service"].(string)
	op, _ := params["method"].(string)
	args, _ := params["args"].([]any)
	c, work := s.dispatch(service, op, args)
	c.run = func() answer {
		result, touched, err := work()
		return answer{status: http.StatusOK, kind: typeJSON, body: s.envelope(envelope["id"], result, err), touched: touched}
	}
	return c
}

func decodeBody(r *http.Request) (any, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

// work does a call and gives its result and the ids it touched.
type work func() (result any, touched []int64, err error)

func fails(err error) work { return func() (any, []int64, error) { return nil, nil, err } }

func (s *Sim) dispatch(service, op string, args []any) (call, work) {
	switch {
	case service == "common" && op == "version":
		return call{op: "version"}, func() (any, []int64, error) { return s.rpcVersion(), nil, nil }
	case service == "common" && (op == "authenticate" || op == "login"):
		return call{op: "authenticate"}, func() (any, []int64, error) { uid, err := s.authenticate(args); return uid, nil, err }
	case service == "object" && (op == "execute_kw" || op == "execute"):
		return s.execute(op, args)
	}
	return call{op: op, object: service}, fails(attributeError("'%s' service has no method '%s'", service, op))
}

func (s *Sim) rpcVersion() map[string]any {
	serie := fmt.Sprintf("%d.0", s.o.Major)
	version := serie
	if s.o.Major == DefaultMajor {
		version += "-20240709"
	}
	return map[string]any{
		"server_version": version, "server_version_info": []any{s.o.Major, 0, 0, "final", 0, ""},
		"server_serie": serie, "protocol_version": 1,
	}
}

// database refuses an unknown database the way PostgreSQL does.
func (s *Sim) database(args []any) error {
	if len(args) == 0 || args[0] == s.o.Database {
		return nil
	}
	return failure(http.StatusInternalServerError, nameOperational,
		"connection to server at \"localhost\", port 5432 failed: FATAL:  database \"%s\" does not exist\n", textOf("", args[0]))
}

// authenticate gives the uid; a wrong login or key is false, not an error.
func (s *Sim) authenticate(args []any) (any, error) {
	if err := s.database(args); err != nil {
		return nil, err
	}
	if len(args) < 3 || args[1] != s.o.Login || args[2] != s.o.APIKey {
		return false, nil
	}
	return s.o.BotUID, nil
}

// execute prepares execute_kw: [db, uid, key, model, method, args, kwargs].
func (s *Sim) execute(how string, args []any) (call, work) {
	const fixedArgs = 5
	if len(args) < fixedArgs {
		return call{op: how}, fails(typeError("%s() missing required positional arguments", how))
	}
	object, _ := args[3].(string)
	name, _ := args[4].(string)
	var positional []any
	kwargs := map[string]any{}
	if how == "execute" {
		positional = args[fixedArgs:]
	} else {
		if len(args) > fixedArgs {
			positional, _ = args[fixedArgs].([]any)
		}
		if len(args) > fixedArgs+1 {
			kwargs, _ = args[fixedArgs+1].(map[string]any)
		}
	}
	q, m, err := s.bindCall(object, name, positional, kwargs)
	c := call{op: name, object: object}
	if q != nil {
		c.ids, c.rows = q.ids, q.countRows()
	}
	return c, func() (any, []int64, error) {
		if err := s.database(args); err != nil {
			return nil, nil, err
		}
		uid, ok := asID(args[1])
		bot := uid == s.o.BotUID && args[2] == s.o.APIKey
		person := s.o.PeopleKey != "" && uid == PeopleUID && args[2] == s.o.PeopleKey
		if !ok || (!bot && !person) {
			return nil, nil, failure(http.StatusForbidden, nameAccessDenied, "Access Denied")
		}
		if err != nil {
			return nil, nil, err
		}
		q.uid = uid
		result, err := q.run(m)
		return result, q.touched, err
	}
}

// bindCall matches positional and named arguments with a method's signature.
func (s *Sim) bindCall(object, name string, positional []any, kwargs map[string]any) (*request, method, error) {
	s.mu.Lock()
	mod := s.models[object]
	s.mu.Unlock()
	if mod == nil {
		return nil, method{}, userError("Object %s doesn't exist", object)
	}
	if strings.HasPrefix(name, "_") {
		return nil, method{}, failure(http.StatusForbidden, nameAccessError,
			"Private methods (such as %s) cannot be called remotely.", name)
	}
	m, ok := methods[name]
	if !ok || (m.only != "" && m.only != object) {
		return nil, method{}, attributeError("The method '%s' does not exist on the model '%s'", name, object)
	}
	q := &request{s: s, uid: s.o.BotUID, model: mod, args: map[string]any{}}
	if m.records {
		if len(positional) > 0 {
			ids, ok := asIDs(positional[0])
			if !ok {
				return nil, m, typeError("unhashable type: 'list'")
			}
			q.ids, positional = ids, positional[1:]
		}
	}
	if len(positional) > len(m.params) {
		return q, m, typeError("BaseModel.%s() takes %d positional arguments but %d were given",
			name, len(m.params)+1, len(positional)+1)
	}
	for i, v := range positional {
		q.args[m.params[i]] = v
	}
	return q, m, q.keywords(name, m, kwargs)
}

// keywords adds named arguments; an unknown one is a TypeError.
func (q *request) keywords(name string, m method, kwargs map[string]any) error {
	for k, v := range kwargs {
		if k == "context" {
			q.context, _ = v.(map[string]any)
			continue
		}
		known := false
		for _, p := range m.params {
			known = known || p == k
		}
		if !known {
			return typeError("BaseModel.%s() got an unexpected keyword argument '%s'", name, k)
		}
		if _, twice := q.args[k]; twice {
			return typeError("BaseModel.%s() got multiple values for argument '%s'", name, k)
		}
		q.args[k] = v
	}
	return nil
}

// countRows is how many records a request carries.
func (q *request) countRows() int {
	for _, name := range []string{"data", "vals_list"} {
		switch x := q.args[name].(type) {
		case []any:
			return len(x)
		case map[string]any:
			return 1
		}
	}
	return len(q.ids)
}

// envelope writes the JSON-RPC answer: HTTP 200 whatever happened; a result of
// None leaves the key out.
func (s *Sim) envelope(id, result any, err error) []byte {
	out := map[string]any{"jsonrpc": "2.0", "id": id}
	if err == nil {
		if _, none := result.(nothing); !none {
			out["result"] = result
		}
		return encode(out, false)
	}
	code := rpcCodeOld
	if s.o.Major >= majorJSON2 {
		code = rpcCodeNew
	}
	out["error"] = map[string]any{"code": code, "message": "Odoo Server Error", "data": errorBody(err)}
	return encode(out, false)
}

// errorBody is an exception as both protocols show it.
func errorBody(err error) map[string]any {
	e := asError(err)
	return map[string]any{
		"name": e.Name, "message": e.Message, "arguments": []any{e.Message}, "context": map[string]any{},
		"debug": "Traceback (most recent call last):\n  File \"/opt/odoo/odoo/http.py\", line 1764, in _serve_db\n" +
			e.Name + ": " + e.Message + "\n",
	}
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return failure(http.StatusInternalServerError, "builtins.Exception", "%s", err.Error())
}

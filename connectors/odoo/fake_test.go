package odoo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// asked is one method call that reached the fake.
type asked struct {
	Model, Method string
	Body          string // the JSON of all arguments
}

// fake is a server whose answers a test writes by hand: by "model.method" the
// raw result, or a whole HTTP answer.
type fake struct {
	json2   bool
	answers map[string][]string // results in turn, the last one repeats
	status  map[string]int      // HTTP status instead of 200
	mu      sync.Mutex
	calls   []asked
}

// partnerFields is fields_get of a small res.partner.
const partnerFields = `{
 "id":{"type":"integer","readonly":true,"string":"ID"},
 "name":{"type":"char","readonly":false,"string":"Name"},
 "email":{"type":"char","readonly":false,"string":"Email"},
 "phone":{"type":"char","readonly":false,"string":"Phone"},
 "comment":{"type":"html","readonly":false,"string":"Notes"},
 "active":{"type":"boolean","readonly":false,"string":"Active"},
 "is_company":{"type":"boolean","readonly":false,"string":"Is a Company"},
 "color":{"type":"integer","readonly":false,"string":"Color"},
 "credit":{"type":"monetary","readonly":true,"string":"Credit"},
 "birth":{"type":"date","readonly":false,"string":"Birth"},
 "seen":{"type":"datetime","readonly":false,"string":"Seen"},
 "type":{"type":"selection","readonly":false,"string":"Address Type","selection":[["contact","Contact"],["other","Other Address"]]},
 "parent_id":{"type":"many2one","readonly":false,"string":"Company","relation":"res.partner"},
 "category_id":{"type":"many2many","readonly":false,"string":"Tags","relation":"res.partner.category"},
 "x_syncd_ref":{"type":"char","readonly":false,"string":"syncd"},
 "write_date":{"type":"datetime","readonly":true,"string":"Last Updated on"},
 "write_uid":{"type":"many2one","readonly":true,"string":"Last Updated by","relation":"res.users"},
 "create_date":{"type":"datetime","readonly":true,"string":"Created on"}}`

func newFake() *fake {
	return &fake{status: map[string]int{}, answers: map[string][]string{
		"common.version":                {`{"server_version":"17.0-20240709","server_version_info":[17,0,0,"final",0,""]}`},
		"common.authenticate":           {`7`},
		"res.users.search_read":         {`[{"id":7}]`},
		"res.partner.fields_get":        {partnerFields},
		"ir.config_parameter.get_param": {`"uuid-1"`},
		"ir.model.data.search_read":     {`[]`},
	}}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/web/version" && f.json2:
		_, _ = io.WriteString(w, `{"version":"19.0","version_info":[19,0,0,"final",0,""]}`)
	case r.URL.Path == "/jsonrpc" && !f.json2:
		f.rpc(w, body)
	case f.json2 && r.Method == http.MethodPost && r.URL.Path != "/jsonrpc":
		model, method := "", ""
		rest := r.URL.Path[len("/json/2/"):]
		for i := range rest {
			if rest[i] == '/' {
				model, method = rest[:i], rest[i+1:]
			}
		}
		if answer, status := f.answer(asked{model, method, string(body)}); status != 0 {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, answer)
		} else {
			_, _ = io.WriteString(w, answer)
		}
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f *fake) rpc(w io.Writer, body []byte) {
	var q struct {
		ID     json.RawMessage
		Params struct {
			Service, Method string
			Args            []json.RawMessage
		}
	}
	_ = json.Unmarshal(body, &q)
	a := asked{q.Params.Service, q.Params.Method, ""}
	if a.Model == "object" {
		_ = json.Unmarshal(q.Params.Args[3], &a.Model)
		_ = json.Unmarshal(q.Params.Args[4], &a.Method)
		a.Body = string(q.Params.Args[5]) + string(q.Params.Args[6])
	}
	answer, status := f.answer(a)
	w.(http.ResponseWriter).Header().Set("Content-Type", "application/json")
	switch {
	case status != 0:
		w.(http.ResponseWriter).WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	case len(answer) > 8 && answer[:8] == `{"error"`:
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(q.ID)+`,`+answer[1:])
	case answer == "":
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(q.ID)+`}`)
	default:
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+string(q.ID)+`,"result":`+answer+`}`)
	}
}

func (f *fake) answer(a asked) (string, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, a)
	key := a.Model + "." + a.Method
	list := f.answers[key]
	if len(list) == 0 {
		return `{"error":{"code":200,"message":"Odoo Server Error","data":{"name":"builtins.AttributeError","message":"` + key + `"}}}`, f.status[key]
	}
	if len(list) > 1 {
		f.answers[key] = list[1:]
	}
	return list[0], f.status[key]
}

// of gives the calls of one method.
func (f *fake) of(model, method string) []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []asked
	for _, a := range f.calls {
		if a.Model == model && a.Method == method {
			out = append(out, a)
		}
	}
	return out
}

// oops gives the error part of a JSON-RPC answer.
func oops(name, message string) string {
	b, _ := json.Marshal(map[string]any{"error": map[string]any{
		"code": 200, "message": "Odoo Server Error",
		"data": map[string]any{"name": name, "message": message, "debug": "Traceback SECRET"},
	}})
	return string(b)
}

// simKey is the key that pretend Odoos take.
const simKey = "sim-key"

// dial gives a client of a handler; its pauses are counted, not slept.
func dial(t testing.TB, h http.Handler) (*Client, *atomic.Int64) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return dialURL(t, srv.URL, simKey)
}

// dialURL gives a client of a base URL.
func dialURL(t testing.TB, url, key string) (*Client, *atomic.Int64) {
	t.Helper()
	pauses := new(atomic.Int64)
	c, err := New(Config{
		System: "erp", URL: url, Database: "acme", Login: "syncd", APIKey: func() string { return key },
		Pause: func(context.Context, time.Duration) { pauses.Add(1) },
	}, wire.NewClient(&http.Transport{}))
	if err != nil {
		t.Fatal(err)
	}
	return c, pauses
}

// creates gives writes for records with names, token t0, t1, …
func creates(names ...string) []connectors.Write {
	var out []connectors.Write
	for i, n := range names {
		token := "t" + idText(int64(i))
		out = append(out, connectors.Write{Key: token + ".1", Token: token, Values: map[string]string{"name": n}})
	}
	return out
}

package shopsim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"syncd/simulator"
)

// maxBody bounds a request.
const maxBody = 4 << 20

// request is one call on its way through.
type request struct {
	op     string // probe, schema, get, list, find, create, create_batch, update, archive, restore, delete
	object string
	id     string
	query  url.Values
	header http.Header
	body   []byte
	actor  string
	ids    []string // for the truth
	rows   int
}

// reply is an answer before it is put into bytes.
type reply struct {
	status int
	header map[string]string
	body   any // nil: no body
}

// dialect is how one of the APIs looks from outside.
type dialect struct {
	route  func(s *Sim, r *http.Request) (request, bool)
	login  func(s *Sim, h http.Header) string // the credential
	run    func(s *Sim, q *request) reply
	refuse func(x *trouble) reply
}

// dialect gives the one that is spoken.
func (s *Sim) dialect() dialect {
	switch s.o.API {
	case Plain:
		return plainDialect
	case Espo:
		return espoDialect
	}
	return shopDialect
}

// serve takes a call all the way: fault, admission, work, truth, answer. The call is
// recorded before its answer leaves.
func (s *Sim) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "request body", http.StatusRequestEntityTooLarge)
		return
	}
	api := s.dialect()
	q, found := api.route(s, r)
	q.query, q.header, q.body = r.URL.Query(), r.Header, body
	if q.id != "" {
		q.ids, q.rows = []string{q.id}, 1
	}
	fault, met := s.faults.Meet(q.op, q.object)
	if met && fault.Effect == simulator.DelayApply {
		time.Sleep(fault.Delay)
	}
	answer := s.answer(api, &q, found, fault)
	time.Sleep(s.o.Latency)
	s.finish(w, &q, answer, fault)
}

// answer runs the call, unless a fault or the admission stands before it.
func (s *Sim) answer(api dialect, q *request, found bool, fault simulator.Fault) reply {
	scripted := func() reply {
		return api.refuse(&trouble{status: fault.Status, code: "scripted", detail: http.StatusText(fault.Status)})
	}
	switch fault.Effect {
	case simulator.DropBefore:
		return reply{}
	case simulator.RefuseStatus:
		return scripted()
	}
	var out reply
	s.locked(func() {
		token := api.login(s, q.header)
		switch {
		case token == s.o.Token:
			q.actor = appActor
		case s.o.PeopleToken != "" && token == s.o.PeopleToken:
			q.actor = userActor
		default:
			out = api.refuse(&trouble{status: http.StatusUnauthorized, code: "unauthorized", detail: "the credential is not known"})
			return
		}
		if !found {
			out = api.refuse(&trouble{status: http.StatusNotFound, code: "no_such_path", detail: "there is nothing here"})
			return
		}
		out = api.run(s, q)
	})
	if fault.Effect == simulator.ApplyStatus {
		return scripted()
	}
	return out
}

// finish records the call and sends its answer, or as much of it as the fault lets
// through.
func (s *Sim) finish(w http.ResponseWriter, q *request, out reply, fault simulator.Fault) {
	text, kind := []byte(nil), "application/json"
	if out.body != nil {
		b, err := json.Marshal(out.body)
		if err != nil {
			panic(err) // every body is made of maps, lists and text
		}
		text = b
	}
	if fault.Effect == simulator.Garbage {
		out.status, text, kind = http.StatusOK, []byte("<html><body>Something went wrong</body></html>"), "text/html"
	}
	dropped := fault.Effect == simulator.DropBefore || fault.Effect == simulator.DropAfter
	call := simulator.Call{
		At: s.o.Now(), Op: q.op, Object: q.object, IDs: q.ids, Rows: q.rows, Status: out.status, Fault: string(fault.Effect),
	}
	if dropped || fault.Effect == simulator.CutAnswer {
		call.Status = 0
	}
	s.truth.Called(call)
	if dropped {
		cut(w)
		return
	}
	for name, v := range out.header {
		w.Header().Set(name, v)
	}
	for name, v := range fault.Header {
		w.Header().Set(name, v)
	}
	if text == nil {
		w.WriteHeader(out.status)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(out.status)
	if fault.Effect == simulator.CutAnswer {
		_, _ = w.Write(text[:len(text)/2])
		_ = http.NewResponseController(w).Flush()
		cut(w)
		return
	}
	_, _ = w.Write(text)
}

// cut closes the connection under the client.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server then cuts it itself
	}
	_ = conn.Close()
}

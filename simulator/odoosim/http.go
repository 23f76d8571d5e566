package odoosim

import (
	"net/http"
	"strconv"
	"time"

	"syncd/simulator"
)

// Content types of the answers.
const (
	typeJSON = "application/json"
	typeHTML = "text/html; charset=utf-8"
)

// answer is a finished HTTP answer and what the truth notes about it.
type answer struct {
	status  int
	kind    string
	body    []byte
	touched []int64 // ids known only afterwards, as of a create
}

// call is a request on its way: what faults and truth know it by, and the work.
type call struct {
	op, object string
	ids        []int64
	rows       int
	run        func() answer
}

// Handler serves the API of this Odoo.
func (s *Sim) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/jsonrpc", s.entry(s.jsonrpc))
	mux.HandleFunc("/web/health", s.entry(func(*http.Request) call {
		return fixed("health", http.StatusOK, map[string]any{"status": "pass"})
	}))
	if s.o.Major >= majorJSON2 {
		mux.HandleFunc("/web/version", s.entry(s.version))
		mux.HandleFunc("/json/version", s.entry(s.version))
		mux.HandleFunc("/json/2/", s.entry(s.json2))
	}
	mux.HandleFunc("/web/dataset/call_kw", s.entry(func(*http.Request) call {
		return fixed("call_kw", http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": nil, "error": map[string]any{
			"code": 100, "message": "Odoo Session Expired",
			"data": map[string]any{"name": "odoo.http.SessionExpiredException", "message": "Session expired"},
		}})
	}))
	mux.HandleFunc("/", s.entry(func(*http.Request) call {
		return call{op: "not_found", run: func() answer { return page(http.StatusNotFound, "Not Found") }}
	}))
	return mux
}

func fixed(op string, status int, body map[string]any) call {
	return call{op: op, run: func() answer { return answer{status: status, kind: typeJSON, body: encode(body, false)} }}
}

// page is an HTML answer, from the web server or a proxy in front of it.
func page(status int, title string) answer {
	return answer{status: status, kind: typeHTML, body: []byte("<!doctype html>\n<html lang=en>\n<title>" +
		strconv.Itoa(status) + " " + title + "</title>\n<h1>" + title + "</h1>\n</html>\n")}
}

// entry puts latency, the proxy's limit and the fault script before a route.
func (s *Sim) entry(route func(r *http.Request) call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.o.Latency > 0 {
			time.Sleep(s.o.Latency)
		}
		c := route(r)
		if s.overLimit() {
			a := page(http.StatusTooManyRequests, "Too Many Requests")
			s.note(c, a, a.status, "")
			s.reply(w, a)
			return
		}
		s.perform(w, c)
	}
}

// overLimit counts the requests of a second, as a proxy does (vendors/odoo.md 12).
func (s *Sim) overLimit() bool {
	if s.o.PerSecond <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.o.Now().Unix(); now != s.second {
		s.second, s.inSecond = now, 0
	}
	s.inSecond++
	return s.inSecond > s.o.PerSecond
}

// perform runs a call under the fault that meets it, if any.
func (s *Sim) perform(w http.ResponseWriter, c call) {
	f, met := s.faults.Meet(c.op, c.object)
	if !met {
		a := c.run()
		s.note(c, a, a.status, "")
		s.reply(w, a)
		return
	}
	name := string(f.Effect)
	if f.Status == 0 {
		f.Status = http.StatusInternalServerError
	}
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	switch f.Effect {
	case simulator.RefuseStatus:
		s.note(c, answer{}, f.Status, name)
		s.reply(w, page(f.Status, http.StatusText(f.Status)))
		return
	case simulator.DropBefore:
		s.note(c, answer{}, 0, name)
		hangUp(w)
		return
	case simulator.DelayApply:
		time.Sleep(f.Delay)
	}
	a := c.run()
	switch f.Effect {
	case simulator.ApplyStatus:
		s.note(c, a, f.Status, name)
		s.reply(w, page(f.Status, http.StatusText(f.Status)))
	case simulator.DropAfter:
		s.note(c, a, 0, name)
		hangUp(w)
	case simulator.CutAnswer:
		s.note(c, a, 0, name)
		s.cut(w, a)
	case simulator.Garbage:
		s.note(c, a, http.StatusOK, name)
		s.reply(w, page(http.StatusOK, "Maintenance"))
	default:
		s.note(c, a, a.status, name)
		s.reply(w, a)
	}
}

// note records the request in the truth, before it is answered.
func (s *Sim) note(c call, a answer, status int, fault string) {
	ids := c.ids
	if a.touched != nil {
		ids = a.touched
	}
	s.truth.Called(simulator.Call{
		At: s.o.Now(), Op: c.op, Object: c.object, IDs: idTexts(ids), Rows: c.rows, Status: status, Fault: fault,
	})
}

func (s *Sim) reply(w http.ResponseWriter, a answer) {
	s.head(w, a)
	_, _ = w.Write(a.body)
}

func (s *Sim) head(w http.ResponseWriter, a answer) {
	if s.o.CloseConns {
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
}

// cut sends half of an answer and ends the connection.
func (s *Sim) cut(w http.ResponseWriter, a answer) {
	s.head(w, a)
	_, _ = w.Write(a.body[:len(a.body)/2])
	_ = http.NewResponseController(w).Flush()
	hangUp(w)
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: the server resets the stream
	}
	_ = conn.Close()
}

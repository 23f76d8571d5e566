package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"time"
)

// wire is the http.RoundTripper of one replica to one vendor. A request that
// was sent lives on its own: it lands whether or not its sender still lives.
type wire struct {
	w    *world
	v    *vendor
	gate *gate
}

var (
	errDial    = errors.New("lab: connection refused")
	errHangUp  = io.ErrUnexpectedEOF
	errTimeout = context.DeadlineExceeded
)

// patience is how long a caller waits for an answer before it gives up.
const patience = 25 * time.Second

// RoundTrip performs a call under the seed's faults.
func (x *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	t := x.w.s.current
	if t == nil {
		sentNow(req)
		return x.w.perform(x.v, req, body), nil
	}
	if t.dead {
		return nil, errDial
	}
	x.w.giveWay(t)
	x.gate.dial(t)
	if x.w.hit(callUnsent) || x.w.inject.gone(x.v.name) {
		x.w.s.note("%s call %s %s: not sent", t.name, x.v.name, req.URL.Path)
		return nil, errDial
	}
	sentNow(req)
	fault := x.w.callFault()
	if fault == callLate {
		return x.late(t, req, body)
	}
	defer x.gate.takeOff(req)()
	var res *http.Response
	x.w.s.after(x.w.s.between(time.Millisecond, x.w.slow()), func() {
		res = x.land(t, req, body, fault)
		back := x.w.s.between(time.Millisecond, x.w.slow())
		if fault == callStale {
			back = x.w.s.between(2*time.Second, patience-5*time.Second)
		}
		x.w.s.after(back, t.run)
	})
	t.wait()
	x.w.giveWay(t)
	switch fault {
	case callLost:
		return nil, errHangUp
	case callCut:
		text, _ := io.ReadAll(res.Body) // a bytes.Reader
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(text[:len(text)/2]), broken{}))
	}
	return res, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errHangUp }

// sentNow tells wire.Do that the request left.
func sentNow(req *http.Request) {
	if tr := httptrace.ContextClientTrace(req.Context()); tr != nil && tr.WroteHeaders != nil {
		tr.WroteHeaders()
	}
}

// late lets a request land after its caller gave up.
func (x *wire) late(t *task, req *http.Request, body []byte) (*http.Response, error) {
	at := patience + x.w.s.between(0, x.w.d.late)
	x.w.s.note("%s call %s %s: late by %v", t.name, x.v.name, req.URL.Path, at)
	x.w.inFlight++
	x.w.s.after(at, func() {
		x.w.inFlight--
		x.land(t, req, body, callLate)
	})
	t.sleep(patience)
	return nil, errTimeout
}

// land is the moment at which the vendor takes a request.
func (x *wire) land(t *task, req *http.Request, body []byte, fault string) *http.Response {
	switch fault {
	case callRefused, callPlain:
		x.w.s.note("%s call %s %s: 429", t.name, x.v.name, req.URL.Path)
		h := http.Header{"Content-Type": {"text/html"}}
		if fault == callRefused {
			h.Set("Retry-After", fmt.Sprint(1+x.w.s.rng.IntN(20)))
		}
		return answered(http.StatusTooManyRequests, h, "<html>slow down</html>")
	case call5xx:
		x.w.s.note("%s call %s %s: 5xx, not applied", t.name, x.v.name, req.URL.Path)
		return answered(500+x.w.s.rng.IntN(5), http.Header{"Content-Type": {"text/html"}}, "<html>oops</html>")
	}
	before := x.v.calls
	res := x.w.perform(x.v, req, body)
	x.w.noteCalls(t, x.v, before, res, fault, body)
	switch fault {
	case callApplied:
		return answered(500+x.w.s.rng.IntN(5), http.Header{"Content-Type": {"text/html"}}, "<html>oops</html>")
	case callHTML:
		return answered(http.StatusOK, http.Header{"Content-Type": {"text/html"}}, "<html>maintenance</html>")
	}
	return res
}

func answered(status int, h http.Header, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// perform hands a request to a vendor's handler and takes its answer.
func (w *world) perform(v *vendor, req *http.Request, body []byte) *http.Response {
	to := *req.URL
	in := &http.Request{
		Method: req.Method, URL: &to, RequestURI: to.RequestURI(), Host: to.Host, Header: req.Header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	rec := httptest.NewRecorder()
	v.handler.ServeHTTP(rec, in)
	return rec.Result()
}

// callFault draws what befalls a call that was sent, "" for nothing.
func (w *world) callFault() string {
	for _, name := range []string{callRefused, callPlain, call5xx, callApplied, callLost, callCut, callHTML, callLate, callStale} {
		if w.hit(name) {
			return name
		}
	}
	return ""
}

// noteCalls follows the vendor's truth after a call of ours: for the trace, and
// for what syncd has read and written.
func (w *world) noteCalls(t *task, v *vendor, before int, res *http.Response, fault string, body []byte) {
	calls := v.truth.Calls()
	for _, c := range calls[before:] {
		w.stats.Calls++
		w.s.note("%s call %s %s %s %v rows=%d: %d %s", t.name, v.name, c.Op, c.Object, c.IDs, c.Rows, c.Status, fault)
		if isRead(c.Op) && res.StatusCode == http.StatusOK && (fault == "" || fault == callStale) && !strings.Contains(t.name, "sweep") {
			for id := range shownIDs(peek(res)) {
				w.wasRead(v.name, id)
			}
		}
	}
	v.calls = len(calls)
	if w.o.Verbose && !strings.Contains(string(body), "fields_get") {
		w.s.note("   > %.1500s", body)
		w.s.note("   < %.1500s", peek(res))
	}
	w.follow(v, fault == callLate || t.paused)
}

// isRead says that a call's answer shows records to flows.
func isRead(op string) bool { return strings.Contains(op, "read") || op == "search" || op == "get" }

// shownIDs finds the ids of the records in an answer of either vendor: numbers
// after "id", quoted or not, that a comma or a brace ends.
func shownIDs(answer []byte) iter.Seq[string] {
	const field = `"id":`
	return func(yield func(string) bool) {
		for {
			n := bytes.Index(answer, []byte(field))
			if n < 0 {
				return
			}
			answer = answer[n+len(field):]
			rest := bytes.TrimLeft(answer, " ")
			rest, quoted := bytes.CutPrefix(rest, []byte{'"'})
			end := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
			if end <= 0 {
				continue
			}
			id := string(rest[:end])
			if rest = rest[end:]; quoted {
				rest = bytes.TrimPrefix(rest, []byte{'"'})
			}
			if len(rest) > 0 && (rest[0] == ',' || rest[0] == '}') && !yield(id) {
				return
			}
		}
	}
}

// peek reads an answer's body and puts it back.
func peek(res *http.Response) []byte {
	text, _ := io.ReadAll(res.Body) // a bytes.Reader
	res.Body = io.NopCloser(bytes.NewReader(text))
	return text
}

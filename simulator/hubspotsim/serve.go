package hubspotsim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"syncd/simulator"
)

// gatewayPage is what stands in the way of an answer now and then.
const gatewayPage = "<!DOCTYPE html><html><head><title>HubSpot</title></head><body><h1>Something went wrong</h1></body></html>"

// request is one call on its way through.
type request struct {
	route
	query url.Values
	body  []byte
	ids   []string // for the truth
	rows  int
	who   *actor // whose change a write is
}

// decode reads the body. Numbers keep their text.
func (q *request) decode(into any) *trouble {
	if err := json.Unmarshal(q.body, into); err != nil {
		return invalid("Invalid input JSON: %v", err)
	}
	return nil
}

// named makes up for a call that was never run: what its body and its path name.
func (q *request) named() {
	var b struct {
		Inputs []struct {
			ID string `json:"id"`
		} `json:"inputs"`
	}
	_ = json.Unmarshal(q.body, &b)
	q.rows = len(b.Inputs)
	for _, in := range b.Inputs {
		if in.ID != "" {
			q.ids = append(q.ids, in.ID)
		}
	}
	if q.table != nil && q.id != "" && q.op != opProperties {
		q.ids, q.rows = append(q.ids, q.id), 1
	}
	if q.op == opCreate {
		q.rows = 1
	}
}

// reply is an answer before it is put into bytes; either a body or a trouble.
type reply struct {
	status int
	body   any
}

func refuse(x *trouble) reply { return reply{x.status, x} }

// serve takes a call all the way: fault, admission, work, truth, answer. The
// call is recorded before its answer leaves.
func (s *Sim) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBodyMB<<20))
	if err != nil {
		http.Error(w, "request body", http.StatusRequestEntityTooLarge)
		return
	}
	q := &request{query: r.URL.Query(), body: body}
	var known bool
	q.route, known = s.resolve(r.Method, r.URL.EscapedPath())
	fault, met := s.faults.Meet(q.op, q.objectName())
	if met && fault.Effect == simulator.DelayApply {
		time.Sleep(fault.Delay)
	}
	answer, header := s.answer(q, r, known, fault)
	if s.o.Latency > 0 {
		time.Sleep(s.o.Latency)
	}
	s.finish(w, q, answer, header, fault)
}

// answer runs the call, unless a fault or the admission stands before it.
func (s *Sim) answer(q *request, r *http.Request, known bool, fault simulator.Fault) (reply, http.Header) {
	header := http.Header{}
	switch fault.Effect {
	case simulator.DropBefore:
		q.named()
		return reply{}, header
	case simulator.RefuseStatus:
		q.named()
		return refuse(s.scripted(fault.Status, q.op)), header
	}
	var answer reply
	s.locked(func() {
		if x := s.admit(q, r.Header.Get("Authorization"), known, header); x != nil {
			q.named()
			answer = refuse(x)
			return
		}
		answer = q.run(s, q)
	})
	if fault.Effect == simulator.ApplyStatus {
		return refuse(s.scripted(fault.Status, q.op)), header
	}
	return answer, header
}

// admit lets a call in: path, token, rate and scope, in this order.
func (s *Sim) admit(q *request, auth string, known bool, header http.Header) *trouble {
	if !known {
		return &trouble{status: http.StatusNotFound, message: "resource not found"}
	}
	q.who = s.app
	if s.o.PeopleToken != "" && auth == "Bearer "+s.o.PeopleToken {
		q.who = s.user
	} else if !q.open && auth != "Bearer "+s.o.Token {
		return &trouble{
			status: http.StatusUnauthorized, category: catAuth,
			message: "Authentication credentials not found. This API supports OAuth 2.0 authentication.",
		}
	}
	if x := s.throttle(q.op, header); x != nil {
		return x
	}
	if q.table == nil {
		return nil
	}
	if scope := q.table.kind.scope(q.op, q.write); s.denied[scope] {
		x := &trouble{
			status: http.StatusForbidden, category: catScopes,
			message: "This app hasn't been granted all required scopes to make this call.",
		}
		x.details = []detail{{
			Message: "One or more of the following scopes are required.",
			Context: map[string][]string{"requiredGranularScopes": {scope}},
		}}
		return x
	}
	return nil
}

// finish records the call and sends its answer, or as much of it as the fault
// lets through.
func (s *Sim) finish(w http.ResponseWriter, q *request, answer reply, header http.Header, fault simulator.Fault) {
	text, kind := s.encode(answer)
	if fault.Effect == simulator.Garbage {
		answer.status, text, kind = http.StatusOK, []byte(gatewayPage), "text/html;charset=utf-8"
	}
	withheld := fault.Effect == simulator.DropBefore || fault.Effect == simulator.DropAfter || fault.Effect == simulator.CutAnswer
	call := simulator.Call{
		At: s.now(), Op: q.op, Object: q.objectName(), IDs: q.ids, Rows: q.rows,
		Status: answer.status, Fault: string(fault.Effect),
	}
	if withheld {
		call.Status = 0
	}
	s.truth.Called(call)
	if fault.Effect == simulator.DropBefore || fault.Effect == simulator.DropAfter {
		cut(w)
		return
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	for name, value := range fault.Header {
		w.Header().Set(name, value)
	}
	if answer.status == http.StatusNoContent && len(text) == 0 {
		w.WriteHeader(answer.status)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(answer.status)
	if fault.Effect == simulator.CutAnswer {
		_, _ = w.Write(text[:len(text)/2])
		_ = http.NewResponseController(w).Flush()
		cut(w)
		return
	}
	_, _ = w.Write(text)
}

// encode puts an answer into bytes.
func (s *Sim) encode(answer reply) (text []byte, kind string) {
	const jsonKind = "application/json;charset=utf-8"
	if answer.body == nil {
		return nil, jsonKind
	}
	body := answer.body
	if x, ok := body.(*trouble); ok {
		if x.category == "" && x.policy == "" && (x.status >= 500 || x.status == http.StatusNotFound) {
			return []byte(gatewayPage), "text/html;charset=utf-8"
		}
		body = s.body(x)
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // every body is made of maps, lists and text
	}
	return text, jsonKind
}

// cut closes the connection under the client.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server then cuts it itself
	}
	_ = conn.Close()
}

// --- the account

// accountDetails is the first call of a client (vendors/hubspot.md 2).
func (s *Sim) accountDetails(*request) reply {
	return reply{http.StatusOK, map[string]any{
		"portalId": s.o.PortalID, "accountType": "STANDARD", "timeZone": "Europe/Dublin",
		"companyCurrency": "EUR", "additionalCurrencies": []string{}, "utcOffset": "+00:00",
		"utcOffsetMilliseconds": 0, "uiDomain": "app.hubspot.com", "dataHostingLocation": "eu1",
	}}
}

// tokenInfo says whose a static token is (vendors/hubspot.md 2).
func (s *Sim) tokenInfo(q *request) reply {
	var b struct {
		TokenKey string `json:"tokenKey"`
	}
	if x := q.decode(&b); x != nil {
		return refuse(x)
	}
	if b.TokenKey != s.o.Token {
		return refuse(&trouble{status: http.StatusUnauthorized, category: catAuth, message: "The token is not known."})
	}
	scopes := []string{}
	for _, k := range kinds() {
		for _, scope := range []string{k.scope(opGet, false), k.scope(opGet, true), k.scope(opProperties, true)} {
			if !s.denied[scope] {
				scopes = append(scopes, scope)
			}
		}
	}
	slices.Sort(scopes)
	scopes = slices.Compact(scopes)
	user, _ := strconv.ParseInt(uiUser, 10, 64)
	return reply{http.StatusOK, map[string]any{
		"userId": user, "hubId": s.o.PortalID, "appId": s.o.AppID, "scopes": scopes,
	}}
}

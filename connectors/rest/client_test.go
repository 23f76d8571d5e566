package rest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/rest"
	"syncd/simulator"
	"syncd/simulator/shopsim"
)

// seen is a request as a scripted vendor saw it.
type seen struct {
	Method, Path, Query, Body string
	Header                    http.Header
}

// scripted starts a vendor that answers by a function and remembers what it was asked.
func scripted(t *testing.T, answer func(w http.ResponseWriter, r seen)) (*httptest.Server, func() []seen) {
	t.Helper()
	var mu sync.Mutex
	var all []seen
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s := seen{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.Header}
		mu.Lock()
		all = append(all, s)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		answer(w, s)
	}))
	t.Cleanup(srv.Close)
	return srv, func() []seen {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// writable is what makes the minimal object one that can be written.
const writable = `
    find: {query: {"{field}": "{value}"}, fields: [syncd_ref]}
    create: {path: /customers, class: search}
    update: {method: PATCH}
`

// writes gives the minimal system with writes.
func writesTo(t *testing.T, base, more string) *rest.Client {
	t.Helper()
	text := strings.Replace(minimalSystem, "https://erp.example.com/api", base, 1)
	text = strings.Replace(text, "    fields: {name: {}}\n", "    fields: {name: {}, syncd_ref: {}, size: {type: number}, street: {path: address.street}}\n"+strings.TrimPrefix(writable, "\n"), 1)
	s, err := decoded(text+more, map[string]string{"TOKEN": "bearer-token"})
	if err != nil {
		t.Fatal(err)
	}
	return client(t, s)
}

// TestEveryAnswerToAWriteHasOneMeaning: CORRECTNESS F4, W4.
func TestEveryAnswerToAWriteHasOneMeaning(t *testing.T) {
	const good = `{"id":"7","updated_at":"2026-11-20T10:00:00Z","name":"Acme"}`
	for _, c := range []struct {
		name    string
		status  int
		body    string
		html    bool
		update  bool
		outcome connectors.Outcome
		kind    connectors.Kind
		whole   bool
	}{
		{name: "created", status: 201, body: good, outcome: connectors.Applied},
		{name: "200 with a page", status: 200, body: "<html>", html: true, outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "200 without an id", status: 200, body: `{}`, outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "204", status: 204, outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "accepted", status: 202, body: good, outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "200 with a failure", status: 200, body: `{"id":"7","failure":"no"}`, outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "redirect", status: 302, outcome: connectors.Unknown, kind: connectors.KindConfig, whole: true},
		{name: "bad request", status: 400, body: `{"message":"no"}`, outcome: connectors.NotApplied, kind: connectors.KindInvalid},
		{name: "unauthorized", status: 401, outcome: connectors.NotApplied, kind: connectors.KindAuth, whole: true},
		{name: "forbidden", status: 403, outcome: connectors.NotApplied, kind: connectors.KindForbidden, whole: true},
		{name: "no such path", status: 404, outcome: connectors.NotApplied, kind: connectors.KindConfig, whole: true},
		{name: "no such record", status: 404, update: true, outcome: connectors.NotApplied, kind: connectors.KindGone},
		{name: "time-out", status: 408, outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "conflict", status: 409, outcome: connectors.Unknown, kind: connectors.KindConflict},
		{name: "precondition", status: 412, update: true, outcome: connectors.NotApplied, kind: connectors.KindConflict},
		{name: "unprocessable", status: 422, outcome: connectors.NotApplied, kind: connectors.KindInvalid},
		{name: "too many, undeclared", status: 429, outcome: connectors.Unknown, kind: connectors.KindThrottled, whole: true},
		{name: "closed by the client", status: 499, outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "server error", status: 500, outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "bad gateway", status: 502, html: true, body: "<html>", outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "unavailable", status: 503, outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "gateway time-out", status: 504, outcome: connectors.Unknown, kind: connectors.KindTransient, whole: true},
		{name: "a duplicate by rule", status: 409, body: `{"code":"dup","other":"12"}`, outcome: connectors.Exists, kind: connectors.KindInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv, _ := scripted(t, func(w http.ResponseWriter, _ seen) {
				if c.html {
					w.Header().Set("Content-Type", "text/html")
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			conn := writesTo(t, srv.URL, "errors: {code: [code], message: [message], failed_if: [failure], rules: [{on: [create], status: [409], code: [dup], is: exists, id: other}]}\n")
			op, w := connectors.Create, connectors.Write{Key: "k1", Token: "ref", Values: map[string]string{"name": "Acme"}}
			if c.update {
				op, w.RecordID, w.Token = connectors.Update, "7", ""
			}
			got := conn.Write(t.Context(), "customers", op, []connectors.Write{w})[0]
			if got.Outcome != c.outcome || (got.Err == nil) != (c.outcome == connectors.Applied) {
				t.Fatalf("%s, %v; want %s", got.Outcome, got.Err, c.outcome)
			}
			if got.Err != nil && (got.Err.Kind != c.kind || got.Err.WholeCall != c.whole) {
				t.Errorf("%s, about the whole call: %v; want %s, %v", got.Err.Kind, got.Err.WholeCall, c.kind, c.whole)
			}
			if c.outcome == connectors.Exists && got.RecordID != "12" {
				t.Errorf("the record in the way is %q", got.RecordID)
			}
		})
	}
}

// TestARepeatedCreateWithOneKeyMakesOneRecord: the key of a shop that keeps it.
func TestARepeatedCreateWithOneKeyMakesOneRecord(t *testing.T) {
	sim, srv := simulated(t, shopsim.Options{})
	conn := client(t, settings(t, "shop", srv.URL, simToken, ""))
	w := connectors.Write{Key: "ref-1", Token: "ref", Values: map[string]string{"name": "Jane", "email": "jane@example.com"}}
	sim.Faults().Add(simulator.Fault{Op: "create", Effect: simulator.DropAfter, Times: 1})
	first := conn.Write(t.Context(), "customers", connectors.Create, []connectors.Write{w})[0]
	again := conn.Write(t.Context(), "customers", connectors.Create, []connectors.Write{w})[0]
	if first.Outcome != connectors.Unknown || again.Outcome != connectors.Applied {
		t.Errorf("%s, then %s: %v", first.Outcome, again.Outcome, again.Err)
	}
	other := connectors.Write{Key: "ref2-1", Token: "ref2", Values: map[string]string{"name": "Joe", "email": "joe@example.com"}}
	both := conn.Write(t.Context(), "customers", connectors.Create, []connectors.Write{other, w})
	if both[0].Outcome != connectors.Applied || both[1].Outcome != connectors.Applied || both[1].RecordID != again.RecordID {
		t.Errorf("in a batch: %+v", both)
	}
	if n := len(sim.Truth().Births("customers")); n != 2 {
		t.Errorf("%d records were made of 2 keys", n)
	}
}

// TestAnUpdateOverAChangeThatWasNotReadIsRefused: If-Match carries what the last
// Read showed; a listing in between makes it no newer.
func TestAnUpdateOverAChangeThatWasNotReadIsRefused(t *testing.T) {
	for _, c := range []struct{ profile, api, object, base string }{
		{"shop", shopsim.Shop, "customers", ""}, {"espocrm", shopsim.Espo, "Account", "/api/v1"},
	} {
		t.Run(c.profile, func(t *testing.T) {
			sim, srv := simulated(t, shopsim.Options{API: c.api})
			conn := client(t, settings(t, c.profile, srv.URL+c.base, simToken, ""))
			id, err := sim.UserCreate(c.object, map[string]string{"name": "Jane"})
			if err != nil {
				t.Fatal(err)
			}
			read := func() {
				if _, err := conn.Read(t.Context(), c.object, []string{id}, []string{"name"}); err != nil {
					t.Fatal(err)
				}
			}
			update := func(name string) connectors.Result {
				return conn.Write(t.Context(), c.object, connectors.Update, []connectors.Write{{Key: "k", RecordID: id, Values: map[string]string{"name": name}}})[0]
			}
			read()
			if err := sim.UserEdit(c.object, id, map[string]string{"name": "Joan"}); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.List(t.Context(), c.object, connectors.Query{Since: time.Now().Add(-time.Hour), Fields: []string{"name"}}); err != nil {
				t.Fatal(err)
			}
			if r := update("Jill"); r.Outcome != connectors.NotApplied || r.Err.Kind != connectors.KindConflict || r.Err.WholeCall {
				t.Errorf("over an edit: %s, %v", r.Outcome, r.Err)
			}
			if v, _ := sim.Get(c.object, id); v["name"] != "Joan" {
				t.Errorf("the edit is lost: %v", v)
			}
			read()
			for _, name := range []string{"Jill", "Jess"} { // the answer of the first is what the second knows
				if r := update(name); r.Outcome != connectors.Applied {
					t.Errorf("after a read: %s, %v", r.Outcome, r.Err)
				}
			}
		})
	}
}

// TestWhatIsArchivedIsSeenListedAndComesBack for the dialects with a bin.
func TestWhatIsArchivedIsSeenListedAndComesBack(t *testing.T) {
	sim, srv := simulated(t, shopsim.Options{})
	conn := client(t, settings(t, "shop", srv.URL, simToken, ""))
	id, err := sim.UserCreate("customers", map[string]string{"name": "Jane"})
	if err != nil {
		t.Fatal(err)
	}
	act := func(op connectors.Op) {
		t.Helper()
		if r := conn.Write(t.Context(), "customers", op, []connectors.Write{{Key: "k", RecordID: id}})[0]; r.Outcome != connectors.Applied {
			t.Fatalf("%s: %s, %v", op, r.Outcome, r.Err)
		}
	}
	place := func(want connectors.Place) {
		t.Helper()
		got, err := conn.Locate(t.Context(), "customers", id, "")
		if err != nil || got.Place != want {
			t.Errorf("%+v, %v; want %s", got, err, want)
		}
	}
	for range 2 { // done already is done
		act(connectors.Archive)
		place(connectors.PlaceArchived)
	}
	bin, err := conn.List(t.Context(), "customers", connectors.Query{Bin: true})
	if err != nil || len(bin.Records) != 1 || !bin.Records[0].Archived {
		t.Errorf("the bin: %+v, %v", bin, err)
	}
	act(connectors.Restore)
	place(connectors.PlaceHere)
	for range 2 {
		act(connectors.Delete)
	}
	place(connectors.PlaceDeleted)
}

// TestNothingOfAnAnswerLeadsElsewhere: SECURITY S9.
func TestNothingOfAnAnswerLeadsElsewhere(t *testing.T) {
	strayed := false
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed = true }))
	defer evil.Close()
	for _, c := range []struct {
		next string // as the vendor writes it; BASE is the server's own
		ok   bool
	}{
		{"BASE/api/customers?page=2", true},
		{"/api/customers?page=2", true},
		{"?page=2", true},
		{"customers?page=2", true},
		{evil.URL + "/api/customers", false},
		{"//" + strings.TrimPrefix(evil.URL, "http://") + "/api/customers", false},
		{"http://user@HOST/api/customers", false},
		{"https://HOST/api/customers", false},
		{"/admin/customers", false},
		{"/api/../admin", false},
		{"http://169.254.169.254/latest", false},
	} {
		for _, style := range []string{"next_url", "link"} {
			var base string
			srv, asked := scripted(t, func(w http.ResponseWriter, r seen) {
				next := strings.NewReplacer("BASE", base, "HOST", strings.TrimPrefix(base, "http://")).Replace(c.next)
				body := map[string]any{"items": []any{}}
				if !strings.Contains(r.Query, "page=2") {
					body["next"] = next
					w.Header().Set("Link", `<https://x.example/a,b;c>; rel="prev last", <`+next+`>; title="a, \"b\""; rel="Other NEXT"`)
				} else {
					w.Header().Del("Link")
				}
				_ = json.NewEncoder(w).Encode(body)
			})
			base = srv.URL
			paging := "paging: {style: link}"
			if style == "next_url" {
				paging = "paging: {style: next_url, next: next}"
			}
			text := strings.NewReplacer("https://erp.example.com/api", srv.URL+"/api", "path: /customers, order: none, paging: {style: none}", "path: /customers, items: items, order: none, "+paging).Replace(minimalSystem)
			s, err := decoded(text, map[string]string{"TOKEN": "bearer-token"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client(t, s).List(t.Context(), "customers", connectors.Query{})
			if (err == nil) != c.ok || len(asked()) != map[bool]int{true: 2, false: 1}[c.ok] {
				t.Errorf("%s %s: %v after %d calls", style, c.next, err, len(asked()))
			}
		}
	}
	if strayed {
		t.Error("another server was asked, with our credential")
	}
}

// TestIDsAreNeverPartOfAPath: SECURITY S4.
func TestIDsAreNeverPartOfAPath(t *testing.T) {
	srv, asked := scripted(t, func(w http.ResponseWriter, _ seen) { w.WriteHeader(http.StatusNotFound) })
	conn := writesTo(t, srv.URL, "")
	for _, id := range []string{"", "..", "../admin", "a/b", "a?b=c", "a#b", "a%2fb", "\x00", "a b", strings.Repeat("x", 10_000), "１２"} {
		got, err := conn.Read(t.Context(), "customers", []string{id}, nil)
		if err != nil || got[0].Sight != connectors.SightMissing {
			t.Errorf("%q: %+v, %v", id, got, err)
		}
		for _, op := range []connectors.Op{connectors.Update, connectors.Archive} {
			if r := conn.Write(t.Context(), "customers", op, []connectors.Write{{Key: "k", RecordID: id}})[0]; r.Outcome != connectors.NotApplied {
				t.Errorf("%s of %q: %s", op, id, r.Outcome)
			}
		}
		if at, err := conn.Locate(t.Context(), "customers", id, ""); err != nil || at.Place != connectors.PlaceUnknown {
			t.Errorf("%q: %+v, %v", id, at, err)
		}
	}
	if n := len(asked()); n > 0 {
		t.Errorf("%d calls were made: %+v", n, asked()[0])
	}
}

// TestUpdateStyles: what goes over the wire for each (section C.3).
func TestUpdateStyles(t *testing.T) {
	const now = `{"id":"7","updated_at":"2026-11-20T10:00:00Z","name":"Acme","size":3,"address":{"street":"Old","zip":"110"}}`
	for _, c := range []struct{ style, want string }{
		{"merge_deep", `{"address":{"street":"New"},"size":null}`},
		{"merge", `{"address":{"street":"New","zip":"110"},"size":null}`},
		{"replace", `{"address":{"street":"New","zip":"110"},"id":"7","name":"Acme","size":null,"updated_at":"2026-11-20T10:00:00Z"}`},
	} {
		srv, asked := scripted(t, func(w http.ResponseWriter, _ seen) { _, _ = io.WriteString(w, now) })
		text := strings.Replace(minimalSystem, "https://erp.example.com/api", srv.URL, 1)
		text = strings.Replace(text, "    fields: {name: {}}\n", "    fields: {name: {}, size: {type: number}, street: {path: address.street}}\n    update: {style: "+c.style+"}\n", 1)
		s, err := decoded(text, map[string]string{"TOKEN": "t"})
		if err != nil {
			t.Fatal(err)
		}
		conn := client(t, s)
		r := conn.Write(t.Context(), "customers", connectors.Update, []connectors.Write{{Key: "k", RecordID: "7", Values: map[string]string{"street": "New", "size": ""}}})[0]
		calls := asked()
		if last := calls[len(calls)-1]; r.Outcome != connectors.Applied || last.Body != c.want || last.Method != "PATCH" {
			t.Errorf("%s: %s, %v; sent %s %s", c.style, r.Outcome, r.Err, last.Method, last.Body)
		}
	}
}

// TestNoHeaderMakesTheTransportRepeatACall: CORRECTNESS 0.1.4; the key goes to a
// vendor that honours it, and nowhere else.
func TestNoHeaderMakesTheTransportRepeatACall(t *testing.T) {
	srv, asked := scripted(t, func(w http.ResponseWriter, _ seen) { w.WriteHeader(http.StatusBadRequest) })
	conn := writesTo(t, srv.URL, "")
	conn.Write(t.Context(), "customers", connectors.Create, []connectors.Write{{Key: "k", Token: "t", Values: map[string]string{"name": "x"}}})
	if h := asked()[0].Header; h.Get("Idempotency-Key") != "" || h.Get("X-Idempotency-Key") != "" || h.Get("Authorization") != "Bearer bearer-token" {
		t.Errorf("headers are %v", h)
	}
	_, err := decoded(minimalSystem+"headers: {Idempotency-Key: x}\n", map[string]string{"TOKEN": "t"})
	if err == nil {
		t.Error("a fixed idempotency key was taken")
	}
}

// TestOAuthTokensAreAskedForOnceAndAgainWhenRefused.
func TestOAuthTokensAreAskedForOnceAndAgainWhenRefused(t *testing.T) {
	grants, status := 0, 200
	srv, _ := scripted(t, func(w http.ResponseWriter, r seen) {
		if r.Path == "/token" {
			grants++
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"access_token":"token-`+string(rune('0'+grants))+`","token_type":"bearer","expires_in":3600}`)
			return
		}
		if r.Header.Get("Authorization") == "Bearer token-1" && grants == 1 && r.Path == "/customers/2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"id":"`+strings.TrimPrefix(r.Path, "/customers/")+`","updated_at":"2026-11-20T10:00:00Z"}`)
	})
	text := strings.NewReplacer("https://erp.example.com/api", srv.URL, "{type: bearer, token: {env: TOKEN}}", "{type: oauth2, token_url: "+srv.URL+"/token, client_id: me, client_secret: {env: CS}}").Replace(minimalSystem)
	s, err := decoded(text, map[string]string{"CS": "client-secret"})
	if err != nil {
		t.Fatal(err)
	}
	conn := client(t, s)
	read := func(id string) error {
		_, err := conn.Read(t.Context(), "customers", []string{id}, nil)
		return err
	}
	if err := read("1"); err != nil || grants != 1 {
		t.Fatalf("%d grants, %v", grants, err)
	}
	if err := read("2"); connectors.KindOf(err) != connectors.KindAuth {
		t.Errorf("a refused token: %v", err)
	}
	if err := read("2"); err != nil || grants != 2 {
		t.Errorf("%d grants, %v", grants, err)
	}
	conn = client(t, s)
	status = 401
	err = read("1")
	if connectors.KindOf(err) != connectors.KindAuth || strings.Contains(err.Error(), "client-secret") {
		t.Errorf("a refused client: %v", err)
	}
}

// TestAnErrorShowsNoCredentialAndNoAddress: a key in a query, a value in a look-up.
func TestAnErrorShowsNoCredentialAndNoAddress(t *testing.T) {
	text := strings.NewReplacer("https://erp.example.com/api", "http://127.0.0.1:1", "{type: bearer, token: {env: TOKEN}}", "{type: query, name: key, token: {env: TOKEN}}").Replace(minimalSystem)
	text = strings.Replace(text, "    fields: {name: {}}\n", "    fields: {name: {}, email: {}}\n    find: {query: {email: \"{value}\"}, fields: [email]}\n", 1)
	s, err := decoded(text, map[string]string{"TOKEN": "canary-token"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client(t, s).Find(t.Context(), "customers", connectors.Lookup{Field: "email", Values: []string{"canary@example.com"}}, nil)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}

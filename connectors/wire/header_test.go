package wire_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"syncd/connectors/wire"
)

// net/http sends a call with either of these again by itself (CORRECTNESS
// 0.1.4). Only a connector whose vendor honours them may set one.
func TestNoCallHasAnIdempotencyKeyOfItsOwn(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer server.Close()
	for _, header := range []http.Header{nil, {"Authorization": {"x"}}} {
		_, err := wire.Do(context.Background(), wire.NewClient(http.DefaultTransport), wire.Request{
			Method: http.MethodPost, URL: server.URL, Header: header, Body: []byte("{}"),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
			if v := got.Values(name); len(v) > 0 {
				t.Errorf("%s %q was sent", name, v)
			}
		}
		if header != nil && got.Get("Authorization") != "x" {
			t.Error("a header of the caller's is missing")
		}
	}
}

// A redirect would carry a credential, and turn a write into something else.
func TestNoRedirectIsFollowed(t *testing.T) {
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect} {
		calls := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls++; r.URL.Path != "/elsewhere" {
				http.Redirect(w, r, "/elsewhere", status)
			}
		}))
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			calls = 0
			res, err := wire.Do(context.Background(), wire.NewClient(http.DefaultTransport), wire.Request{Method: method, URL: server.URL, Body: []byte("{}")})
			if err != nil || res.Status != status || calls != 1 {
				t.Errorf("%s answered by %d: %d calls, status %d, %v; want the redirect itself", method, status, calls, res.Status, err)
			}
		}
		server.Close()
	}
}

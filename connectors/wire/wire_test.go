package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncd/connectors/wire"
)

// cutter answers the first call on a connection and cuts every later one after
// it was applied: what a vendor's gateway does to a re-used connection.
func cutter(t *testing.T, applied *atomic.Int32) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/first" {
			return
		}
		applied.Add(1)
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = c.Close()
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func client() *http.Client { return wire.NewClient(&http.Transport{}) }

func TestWriteIsNeverSentTwice(t *testing.T) {
	for _, c := range []struct{ header, body string }{{"", "x"}, {"Idempotency-Key", "x"}, {"X-Idempotency-Key", "x"}, {"", ""}} {
		header := c.header
		var applied atomic.Int32
		s, hc := cutter(t, &applied), client()
		if _, err := wire.Do(t.Context(), hc, wire.Request{Method: http.MethodPost, URL: s.URL + "/first", Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		if header != "" {
			h.Set(header, "k")
		}
		_, err := wire.Do(t.Context(), hc, wire.Request{Method: http.MethodPost, URL: s.URL + "/create", Header: h, Body: []byte(c.body)})
		var f *wire.Failure
		if !errors.As(err, &f) || !f.Sent {
			t.Errorf("%+v: %v, want a failure that was sent", c, err)
		}
		if n := applied.Load(); n != 1 {
			t.Errorf("%+v: the vendor applied it %d times", c, n)
		}
	}
}

// What has no body is replayed whatever GetBody is: net/http looks at the
// header alone then. Such a call is not made.
func TestWriteWithAKeyAndWithoutABodyIsRefused(t *testing.T) {
	for _, header := range []string{"Idempotency-Key", "X-Idempotency-Key", "x-idempotency-key"} {
		var applied atomic.Int32
		s, hc := cutter(t, &applied), client()
		if _, err := wire.Do(t.Context(), hc, wire.Request{Method: http.MethodPost, URL: s.URL + "/first"}); err != nil {
			t.Fatal(err)
		}
		_, err := wire.Do(t.Context(), hc, wire.Request{Method: http.MethodPost, URL: s.URL + "/create", Header: http.Header{header: {"k"}}})
		var f *wire.Failure
		if !errors.As(err, &f) || f.Sent || applied.Load() != 0 {
			t.Errorf("header %q: %v, applied %d times; want a failure that was not sent", header, err, applied.Load())
		}
	}
}

func TestUnreachableIsProvedUnsent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = wire.Do(t.Context(), client(), wire.Request{Method: http.MethodPost, URL: "http://" + addr, Body: []byte("x")})
	var f *wire.Failure
	if !errors.As(err, &f) || f.Sent {
		t.Fatalf("%v, want a failure that was not sent", err)
	}
}

func TestTimeoutAfterSendingIsSent(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	_, err := wire.Do(t.Context(), client(), wire.Request{Method: http.MethodPost, URL: s.URL, Body: []byte("x"), Timeout: 50 * time.Millisecond})
	var f *wire.Failure
	if !errors.As(err, &f) || !f.Sent || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v, want a time-out that was sent", err)
	}
}

func TestCutAnswerIsSent(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
	}))
	defer s.Close()
	_, err := wire.Do(t.Context(), client(), wire.Request{Method: http.MethodPost, URL: s.URL, Body: []byte("x")})
	var f *wire.Failure
	if !errors.As(err, &f) || !f.Sent {
		t.Fatalf("%v, want a failure that was sent", err)
	}
}

func TestHugeAnswerIsCutOff(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat("x", 1<<20))
		for range wire.MaxAnswer>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	if _, err := wire.Do(t.Context(), client(), wire.Request{Method: http.MethodGet, URL: s.URL}); err == nil {
		t.Fatal("an answer past the cap was taken")
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var strayed atomic.Bool
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Store(true) }))
	defer evil.Close()
	s := httptest.NewServer(http.RedirectHandler(evil.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	res, err := wire.Do(t.Context(), client(), wire.Request{Method: http.MethodPost, URL: s.URL, Header: http.Header{"Authorization": {"Bearer x"}}, Body: []byte("x")})
	if err != nil || res.Status != http.StatusTemporaryRedirect || strayed.Load() {
		t.Fatalf("status %d, error %v, followed %t", res.Status, err, strayed.Load())
	}
}

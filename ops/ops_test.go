package ops

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func get(t *testing.T, s *Server, method, host, target string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestRoutes(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "syncd_test", Help: "x"}, func() float64 { return 7 }))
	s := New(Options{
		Registry: registry,
		Checks:   map[string]func(context.Context) error{"store": func(context.Context) error { return nil }},
		Info:     func() any { return map[string]int{"systems": 2} },
	})
	tests := []struct {
		method, target string
		code           int
		want           string
	}{
		{"GET", "/livez", 200, "ok\n"},
		{"HEAD", "/livez", 200, ""},
		{"GET", "/readyz", 200, "ok\n"},
		{"GET", "/readyz?verbose", 200, "store ok\ndraining ok\nok\n"},
		{"GET", "/status", 200, `"systems": 2`},
		{"GET", "/metrics", 200, "syncd_test 7"},
		{"POST", "/livez", 405, ""},
		{"TRACE", "/metrics", 405, ""},
		{"GET", "/", 404, ""},
		{"GET", "/livez/x", 404, ""},
		{"POST", "/webhooks/hubspot/secret", 404, ""},
		{"GET", "/api/v1/pairs", 404, ""},
		{"GET", "/debug/pprof/", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			code, body := get(t, s, tt.method, "127.0.0.1:9320", tt.target)
			if code != tt.code || !strings.Contains(body, tt.want) {
				t.Errorf("%d %q", code, body)
			}
		})
	}
}

func TestHostNamesAreRefused(t *testing.T) {
	s := New(Options{})
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:9320": 200, "127.0.0.1": 200, "127.0.0.1:9320": 200, "[::1]:9320": 200, "[::1]": 200, "10.0.0.7:9320": 200,
		"evil.example": 403, "evil.example:9320": 403, "localhost.evil.example": 403, "127.0.0.1.nip.io": 403, "": 403, "localhost@evil.example": 403,
	} {
		for _, target := range []string{"/livez", "/metrics", "/status", "/readyz"} {
			if code, body := get(t, s, "GET", host, target); code != want || code == 403 && body != "" {
				t.Errorf("%s as %q: %d %q, want %d", target, host, code, body, want)
			}
		}
	}
}

func TestReadyzFailsWithAnyCheckAndShowsNoError(t *testing.T) {
	s := New(Options{Checks: map[string]func(context.Context) error{
		"a": func(context.Context) error { return nil },
		"b": func(context.Context) error { return errors.New("canary") },
		"c": func(context.Context) error { panic("canary") },
		"d": func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				return errors.New("no deadline")
			}
			return nil
		},
	}})
	code, body := get(t, s, "GET", "localhost", "/readyz?verbose")
	if code != 503 || body != "a ok\nb failed\nc failed\nd ok\ndraining ok\nnot ready\n" {
		t.Errorf("%d %q", code, body)
	}
	if code, _ := get(t, s, "GET", "localhost", "/livez"); code != 200 {
		t.Errorf("livez %d", code)
	}
}

func TestDrainingIsNotReadyButAlive(t *testing.T) {
	s := New(Options{})
	s.Drain()
	if code, body := get(t, s, "GET", "localhost", "/readyz?verbose"); code != 503 || !strings.Contains(body, "draining failed") {
		t.Errorf("%d %q", code, body)
	}
	if code, _ := get(t, s, "GET", "localhost", "/livez"); code != 200 {
		t.Errorf("livez %d", code)
	}
}

func TestStatusThatCannotBeShown(t *testing.T) {
	for _, info := range []func() any{func() any { return make(chan int) }, func() any { panic("canary") }} {
		if code, body := get(t, New(Options{Info: info}), "GET", "localhost", "/status"); code != 500 || body != "" {
			t.Errorf("%d %q", code, body)
		}
	}
}

func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := New(Options{})
	go func() { ended <- s.Serve(ctx, l) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 || string(body) != "ok\n" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Serve(context.Background(), l); err == nil {
		t.Error("a closed listener gave no error")
	}
}

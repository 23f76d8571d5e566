package odoosim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"syncd/simulator"
	"syncd/simulator/odoosim"
)

const (
	partner  = "res.partner"
	product  = "product.product"
	xmlTable = "ir.model.data"
)

// clock is a hand-moved clock.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock {
	return &clock{at: time.Date(2026, 11, 20, 10, 0, 0, 123456000, time.UTC)}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// api talks to a Sim over a real listener.
type api struct {
	t   *testing.T
	sim *odoosim.Sim
	url string
	hc  *http.Client
}

func serve(t *testing.T, o odoosim.Options) *api {
	t.Helper()
	sim := odoosim.New(o)
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(srv.Close)
	return &api{t, sim, srv.URL, srv.Client()}
}

// listening serves with webhooks delivered into a list.
func listening(t *testing.T, o odoosim.Options) (*api, *inbox) {
	t.Helper()
	in := &inbox{}
	o.Deliver = in.take
	o.WebhookURL = "http://syncd.example/webhooks/odoo/SECRET"
	return serve(t, o), in
}

type inbox struct {
	mu    sync.Mutex
	posts []simulator.Post
}

func (in *inbox) take(p simulator.Post) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.posts = append(in.posts, p)
}

func (in *inbox) drain() []simulator.Post {
	in.mu.Lock()
	defer in.mu.Unlock()
	out := in.posts
	in.posts = nil
	return out
}

// rpcError is data.name and data.message of an answer.
type rpcError struct{ name, message string }

func (a *api) post(path string, header map[string]string, body string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, a.url+path, bytes.NewBufferString(body))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := a.hc.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res, raw, err
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// call is execute_kw; it gives the decoded result or the error's data.
func (a *api) call(model, method string, args []any, kwargs map[string]any) (any, *rpcError) {
	a.t.Helper()
	return a.rpc("object", "execute_kw", "acme", 7, "sim-key", model, method, args, kwargs)
}

func (a *api) rpc(service, method string, args ...any) (any, *rpcError) {
	a.t.Helper()
	body := text(a.t, map[string]any{
		"jsonrpc": "2.0", "method": "call", "id": 1,
		"params": map[string]any{"service": service, "method": method, "args": args},
	})
	res, raw, err := a.post("/jsonrpc", nil, body)
	if err != nil {
		a.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		a.t.Fatalf("HTTP %d: %s", res.StatusCode, raw)
	}
	var out struct {
		Result any
		Error  *struct {
			Data struct{ Name, Message string }
		}
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		a.t.Fatalf("%v in %s", err, raw)
	}
	if out.Error != nil {
		return nil, &rpcError{out.Error.Data.Name, out.Error.Data.Message}
	}
	return out.Result, nil
}

// must is call for calls that have to succeed.
func (a *api) must(model, method string, args []any, kwargs map[string]any) any {
	a.t.Helper()
	v, e := a.call(model, method, args, kwargs)
	if e != nil {
		a.t.Fatalf("%s.%s: %s: %s", model, method, e.name, e.message)
	}
	return v
}

func (a *api) create(model string, vals map[string]any) int64 {
	a.t.Helper()
	return int64(a.must(model, "create", []any{vals}, nil).(float64))
}

func (a *api) field(model string, id int64, name string) any {
	a.t.Helper()
	rec, ok := a.sim.Get(model, id)
	if !ok {
		a.t.Fatalf("%s %d is gone", model, id)
	}
	return rec[name]
}

// search gives ids.
func (a *api) search(domain []any, kwargs map[string]any) []int64 {
	a.t.Helper()
	return numbers(a.must(partner, "search", []any{domain}, kwargs))
}

func numbers(v any) []int64 {
	out := []int64{}
	list, _ := v.([]any)
	for _, x := range list {
		out = append(out, int64(x.(float64)))
	}
	return out
}

// load calls load() and gives ids (nil if refused) and messages.
func (a *api) load(model string, fields []string, rows ...[]any) (ids []int64, messages []map[string]any) {
	a.t.Helper()
	out := a.must(model, "load", []any{fields, rows}, nil).(map[string]any)
	for _, m := range out["messages"].([]any) {
		messages = append(messages, m.(map[string]any))
	}
	if out["ids"] == false {
		return nil, messages
	}
	return numbers(out["ids"]), messages
}

func row(cells ...any) []any { return cells }

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (a *api) user(model string, vals map[string]any) int64 {
	a.t.Helper()
	return must[int64](a.t)(a.sim.UserCreate(model, vals))
}

func (a *api) ok(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func sameList[T comparable](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: got %v, want %v", what, got, want)
			return
		}
	}
}

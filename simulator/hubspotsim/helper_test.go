package hubspotsim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"syncd/simulator/hubspotsim"
)

const (
	contacts = "/crm/v3/objects/contacts"
	products = "/crm/v3/objects/products"
)

// clock is a time that only a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.UnixMilli(1763640001000)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is an account behind a real listener.
type world struct {
	testing.TB
	*hubspotsim.Sim
	clock *clock
	url   string
	token string
}

type obj = map[string]any

func start(t testing.TB, o hubspotsim.Options) *world {
	t.Helper()
	w := &world{TB: t, clock: newClock(), token: "pat-sim"}
	if o.Now == nil {
		o.Now = w.clock.now
	}
	if o.PerTenSeconds == 0 {
		o.PerTenSeconds = -1
	}
	if o.SearchPerSecond == 0 {
		o.SearchPerSecond = -1
	}
	w.Sim = hubspotsim.New(o)
	server := httptest.NewServer(w.Handler())
	w.url = server.URL
	t.Cleanup(func() { server.Close(); w.Close() })
	return w
}

// raw makes a call and gives its answer unread.
func (w *world) raw(method, path string, body any) (*http.Response, error) {
	w.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			w.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, w.url+path, bytes.NewReader(text))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	return http.DefaultClient.Do(req)
}

// call makes a call and gives status and body.
func (w *world) call(method, path string, body any) (int, obj) {
	w.Helper()
	res, err := w.raw(method, path, body)
	if err != nil {
		w.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatalf("%s %s: %v", method, path, err)
	}
	var out obj
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &out); err != nil {
			w.Fatal(err)
		}
	}
	return res.StatusCode, out
}

// must makes a call that has to be answered with a status.
func (w *world) must(status int, method, path string, body any) obj {
	w.Helper()
	got, out := w.call(method, path, body)
	if got != status {
		w.Fatalf("%s %s: status %d, want %d: %v", method, path, got, status, out)
	}
	return out
}

func (w *world) user(object string, props map[string]string) string {
	w.Helper()
	id, err := w.UserCreate(object, props)
	if err != nil {
		w.Fatal(err)
	}
	return id
}

// unique defines a unique property, as the tests of a token need it.
func (w *world) unique(name string) {
	w.Helper()
	if err := w.UserProperty("contacts", name, "string", true); err != nil {
		w.Fatal(err)
	}
}

func (w *world) equal(what string, got, want any) {
	w.Helper()
	if a, b := fmt.Sprint(got), fmt.Sprint(want); a != b {
		w.Errorf("%s: got %s, want %s", what, a, b)
	}
}

// at walks into an answer.
func at(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

func rows(out obj, name string) []any {
	l, _ := out[name].([]any)
	return l
}

// inputs makes a batch body.
func inputs(list ...obj) obj { return obj{"inputs": list} }

func props(kv ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

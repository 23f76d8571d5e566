package ratelimit

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// TestOverARealConnection: net/http tells when headers were written, and the
// server sees no window exceeded.
func TestOverARealConnection(t *testing.T) {
	const most, per, calls = 3, 200 * time.Millisecond, 10
	var mu sync.Mutex
	var arrivals []time.Time
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		arrivals = append(arrivals, time.Now())
		mu.Unlock()
		_, _ = w.Write([]byte("ok"))
	}))
	defer srv.Close()
	l := New(Options{Windows: []Window{{Name: "w", Max: most, Per: per}}, Concurrency: 2})
	hc := &http.Client{Transport: l}
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := hc.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	wg.Wait()
	if len(arrivals) != calls {
		t.Fatalf("%d of %d calls arrived", len(arrivals), calls)
	}
	if msg := exceeded(arrivals, most, per); msg != "" {
		t.Error(msg)
	}
	if s := l.State(); s.InFlight != 0 || s.Windows[0].Used > most {
		t.Errorf("state %+v", s)
	}
}

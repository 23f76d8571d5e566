package ratelimit

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// vendor is a Base that counts arrivals as a vendor sees them.
type vendor struct {
	dial, wire, think func() time.Duration // before the headers, on the way, before the answer
	traced            bool                 // tells when headers were written, as net/http does
	answer            func(n int, r *http.Request) *http.Response

	mu       sync.Mutex
	arrivals map[string][]time.Time // by path
	order    []string
	inFlight int
	most     int
}

func nap(f func() time.Duration) {
	if f != nil {
		time.Sleep(f())
	}
}

func (v *vendor) RoundTrip(r *http.Request) (*http.Response, error) {
	nap(v.dial)
	if trace := httptrace.ContextClientTrace(r.Context()); v.traced && trace != nil {
		trace.WroteHeaders()
	}
	nap(v.wire)
	v.mu.Lock()
	if v.arrivals == nil {
		v.arrivals = map[string][]time.Time{}
	}
	v.arrivals[r.URL.Path] = append(v.arrivals[r.URL.Path], time.Now())
	v.order = append(v.order, r.URL.RequestURI())
	n := len(v.order)
	v.inFlight++
	v.most = max(v.most, v.inFlight)
	v.mu.Unlock()
	nap(v.think)
	v.mu.Lock()
	v.inFlight--
	v.mu.Unlock()
	if v.answer != nil {
		if resp := v.answer(n, r); resp != nil {
			return resp, nil
		}
	}
	return reply(200, nil), nil
}

func reply(status int, h map[string]string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("x"))}
	for k, val := range h {
		resp.Header.Set(k, val)
	}
	return resp
}

// call makes one call to its end and gives its status.
func call(ctx context.Context, l *Limiter, uri string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://vendor.test"+uri, strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	resp, err := l.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Body.Close()
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// dice is a source of numbers for several goroutines.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{rng: rand.New(rand.NewPCG(seed, 1))} }

func (x *dice) upTo(d time.Duration) func() time.Duration {
	return func() time.Duration {
		x.mu.Lock()
		defer x.mu.Unlock()
		return time.Duration(x.rng.Int64N(int64(d) + 1))
	}
}

// exceeded looks at every pair of arrivals that are most apart: in no interval
// of length per may there be more than most of them.
func exceeded(arrivals []time.Time, most int, per time.Duration) string {
	slices.SortFunc(arrivals, time.Time.Compare)
	for i := range arrivals {
		for j := i + most; j < len(arrivals); j++ {
			if d := arrivals[j].Sub(arrivals[i]); d < per {
				return fmt.Sprintf("%d calls within %v, limit %d in %v", j-i+1, d, most, per)
			}
		}
	}
	return ""
}

// TestNoWindowIsEverExceeded holds for any dial time when net/http tells what
// was written and the way takes between 0 and guard, and for any time at all
// when nobody tells.
func TestNoWindowIsEverExceeded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		most := rapid.IntRange(1, 30).Draw(rt, "max")
		searchMax := rapid.IntRange(1, 5).Draw(rt, "search max")
		per := ms(rapid.IntRange(200, 10_000).Draw(rt, "per ms"))
		traced := rapid.Bool().Draw(rt, "traced")
		calls := rapid.IntRange(1, 120).Draw(rt, "calls")
		dial := ms(rapid.SampledFrom([]int{0, 0, 5, 700}).Draw(rt, "dial ms"))
		spread := ms(rapid.IntRange(0, 5000).Draw(rt, "spread ms"))
		var faults []string
		synctest.Test(t, func(t *testing.T) {
			rng := newDice(seed)
			v := &vendor{traced: traced, dial: rng.upTo(dial), think: rng.upTo(ms(300)), wire: rng.upTo(guard)}
			if !traced {
				v.wire = rng.upTo(2 * time.Second)
			}
			search := func(r *http.Request) bool { return r.URL.Path == "/search" }
			l := New(Options{System: "s", Base: v, Windows: []Window{
				{Name: "all", Max: most, Per: per}, {Name: "search", Max: searchMax, Per: time.Second, Applies: search},
			}})
			wait := rng.upTo(spread)
			var wg sync.WaitGroup
			for i := range calls {
				path := "/read"
				if i%3 == 0 {
					path = "/search"
				}
				d := wait()
				wg.Go(func() {
					time.Sleep(d)
					if status, err := call(t.Context(), l, path); status != 200 || err != nil {
						t.Errorf("got %d, %v", status, err)
					}
				})
			}
			wg.Wait()
			all := append(slices.Clone(v.arrivals["/read"]), v.arrivals["/search"]...)
			if len(all) != calls {
				faults = append(faults, fmt.Sprintf("%d of %d calls arrived", len(all), calls))
			}
			if msg := exceeded(all, most, per); msg != "" {
				faults = append(faults, "all: "+msg)
			}
			if msg := exceeded(v.arrivals["/search"], searchMax, time.Second); msg != "" {
				faults = append(faults, "search: "+msg)
			}
		})
		if faults != nil {
			rt.Fatal(strings.Join(faults, "; "))
		}
	})
}

func TestAWindowIsUsedToTheFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{traced: true}
		l := New(Options{Base: v, Windows: []Window{{Name: "w", Max: 5, Per: time.Second}}})
		begun := time.Now()
		for range 11 {
			if _, err := call(t.Context(), l, "/"); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took != 2*(time.Second+guard) {
			t.Errorf("11 calls at 5 per second took %v", took)
		}
	})
}

func TestHeadroomAboveTwenty(t *testing.T) {
	for most, want := range map[int]int{1: 1, 20: 20, 21: 20, 190: 189} {
		if s := New(Options{Windows: []Window{{Max: most, Per: time.Second}}}).State(); s.Windows[0].Limit != want {
			t.Errorf("max %d: limit %d, want %d", most, s.Windows[0].Limit, want)
		}
	}
}

func TestConcurrencyIsNeverExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{traced: true, think: newDice(1).upTo(time.Second)}
		l := New(Options{Base: v, Concurrency: 4})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _, _ = call(t.Context(), l, "/") })
		}
		wg.Wait()
		if v.most != 4 {
			t.Errorf("%d calls were in flight at once, want 4", v.most)
		}
		if s := l.State(); s.InFlight != 0 || len(s.Waiting) != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

func TestACallIsInFlightUntilItsBodyIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Base: &vendor{}, Concurrency: 1})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://vendor.test/", nil)
		resp, err := l.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if l.Ready() == 0 {
			t.Error("ready while the only place is taken")
		}
		_ = resp.Body.Close()
		_ = resp.Body.Close()
		if l.Ready() != 0 || l.State().InFlight != 0 {
			t.Error("a closed body frees the place once")
		}
	})
}

func Test429StopsEveryCaller(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		header map[string]string
		want   time.Duration
	}{
		{"seconds", 429, map[string]string{"Retry-After": "7"}, 7 * time.Second},
		{"decimals", 429, map[string]string{"Retry-After": "1.5"}, ms(1500)},
		{"date", 429, map[string]string{"Retry-After": "Fri, 20 Nov 2026 15:00:09 GMT", "Date": "Fri, 20 Nov 2026 15:00:00 GMT"}, 9 * time.Second},
		{"none", 429, nil, time.Second},
		{"nonsense", 429, map[string]string{"Retry-After": "soon"}, time.Second},
		{"503 that says when", 503, map[string]string{"Retry-After": "3"}, 3 * time.Second},
		{"503 that does not", 503, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &vendor{answer: func(n int, _ *http.Request) *http.Response {
					if n == 1 {
						return reply(tc.status, tc.header)
					}
					return nil
				}}
				seen := make(chan Observation, 4)
				l := New(Options{System: "s", Base: v, Observe: func(o Observation) { seen <- o }})
				if status, _ := call(t.Context(), l, "/"); status != tc.status {
					t.Fatalf("got %d", status)
				}
				if o := <-seen; o.Paused != tc.want || o.Status != tc.status || o.System != "s" || !o.Sent {
					t.Errorf("observed %+v", o)
				}
				begun := time.Now()
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						if _, err := call(t.Context(), l, "/"); err != nil || time.Since(begun) != tc.want {
							t.Errorf("went after %v, %v; want %v", time.Since(begun), err, tc.want)
						}
					})
				}
				synctest.Wait()
				if got := l.Ready(); tc.want > 0 && got != tc.want {
					t.Errorf("Ready says %v, want %v", got, tc.want)
				}
				wg.Wait()
			})
		})
	}
}

func TestPauseKeepsTheLaterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Base: &vendor{}})
		l.Pause(time.Minute, "long")
		l.Pause(time.Second, "short")
		l.Pause(-time.Second, "never")
		until, why := l.PausedUntil()
		if time.Until(until) != time.Minute || why != "long" {
			t.Errorf("paused for %v because %q", time.Until(until), why)
		}
		l.Pause(1000*time.Hour, "too long")
		if until, _ := l.PausedUntil(); time.Until(until) != MaxRetryAfter {
			t.Errorf("paused for %v", time.Until(until))
		}
		time.Sleep(MaxRetryAfter)
		if until, why := l.PausedUntil(); !until.IsZero() || why != "" || l.Ready() != 0 {
			t.Errorf("a pause ends: %v %q", until, why)
		}
	})
}

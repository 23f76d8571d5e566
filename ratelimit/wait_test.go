package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// closer is a request body that knows whether it was closed.
type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

func TestCancelWhileWaitingSaysNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{traced: true, think: func() time.Duration { return time.Minute }}
		l := New(Options{System: "crm", Base: v, Concurrency: 1})
		go func() { _, _ = call(context.Background(), l, "/first") }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		body := &closer{Reader: strings.NewReader("{}")}
		done := make(chan error)
		go func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, "https://vendor.test/second", body)
			_, err := l.RoundTrip(req)
			done <- err
		}()
		synctest.Wait()
		cancel()
		err := <-done
		var ns *NotSentError
		if !errors.As(err, &ns) || !errors.Is(err, context.Canceled) || ns.System != "crm" {
			t.Fatalf("got %v", err)
		}
		if !body.closed {
			t.Error("a RoundTripper closes the request's body whatever happens")
		}
		if want := "crm: call not sent: it waited for one of its calls in flight to end: context canceled"; err.Error() != want {
			t.Errorf("got %q", err)
		}
		time.Sleep(2 * time.Minute)
		if len(v.order) != 1 || l.Ready() != 0 || l.State().InFlight != 0 {
			t.Errorf("arrived: %v, state %+v", v.order, l.State())
		}
	})
}

func TestAnEndedContextIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		v := &vendor{}
		_, err := call(ctx, New(Options{Base: v}), "/")
		var ns *NotSentError
		if !errors.As(err, &ns) || len(v.order) != 0 {
			t.Errorf("got %v, arrived %v", err, v.order)
		}
	})
}

func TestNobodyWaitsForWhatCannotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{System: "s", Base: &vendor{traced: true}, Windows: []Window{{Name: "day", Max: 1, Per: time.Hour}}})
		if _, err := call(t.Context(), l, "/"); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := call(ctx, l, "/")
		var ns *NotSentError
		if !errors.As(err, &ns) || !errors.Is(err, context.DeadlineExceeded) || ns.After != time.Hour+guard {
			t.Fatalf("got %v", err)
		}
		if time.Since(begun) != 0 {
			t.Errorf("it came back after %v, not at once", time.Since(begun))
		}
	})
}

func TestAPauseSendsWaitersWithADeadlineAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Options{Base: &vendor{traced: true}, Windows: []Window{{Name: "w", Max: 1, Per: time.Second}}})
		_, _ = call(t.Context(), l, "/")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		errs := make(chan error, 2)
		go func() { _, err := call(ctx, l, "/patient"); errs <- err }()
		synctest.Wait()
		l.Pause(time.Minute, "quota")
		err := <-errs
		var ns *NotSentError
		if !errors.As(err, &ns) || ns.Why != "the end of a pause: quota" || time.Since(begun) != 0 {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
	})
}

// waitInTurn starts calls one after the other while the first holds the only
// place, and gives the order in which they arrived.
func waitInTurn(t *testing.T, lanes []Lane) []string {
	var order []string
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{traced: true, think: func() time.Duration { return time.Second }}
		l := New(Options{Base: v, Concurrency: 1})
		var wg sync.WaitGroup
		for i, lane := range lanes {
			wg.Go(func() {
				_, _ = call(WithLane(context.Background(), lane), l, fmt.Sprintf("/%s?%d", lane, i))
			})
			synctest.Wait()
		}
		wg.Wait()
		order = v.order
	})
	return order
}

func TestWaitersGoInOrderOfArrival(t *testing.T) {
	got := waitInTurn(t, []Lane{Live, Live, Live, Live, Live})
	if want := []string{"/live?0", "/live?1", "/live?2", "/live?3", "/live?4"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestLiveGoesFirst(t *testing.T) {
	got := waitInTurn(t, []Lane{Sweep, Backfill, Retry, Live, Sweep, Live})
	if want := []string{"/sweep?0", "/live?3", "/live?5", "/backfill?1", "/retry?2", "/sweep?4"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if LaneOf(context.Background()) != Live {
		t.Error("an unmarked call is live")
	}
}

func TestAFullSpecialWindowDoesNotStopOtherCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{traced: true}
		search := func(r *http.Request) bool { return r.URL.Path == "/search" }
		l := New(Options{Base: v, Windows: []Window{{Name: "all", Max: 10, Per: time.Second}, {Name: "search", Max: 1, Per: time.Minute, Applies: search}}})
		begun := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { _, _ = call(t.Context(), l, "/search") })
			synctest.Wait()
		}
		if _, err := call(t.Context(), l, "/read"); err != nil || time.Since(begun) != 0 {
			t.Errorf("the read waited %v, %v", time.Since(begun), err)
		}
		if s := l.State(); s.Waiting[Live] != 1 || s.Windows[0].Used != 2 || s.Windows[1].Used != 1 {
			t.Errorf("state %+v", s)
		}
		wg.Wait()
		if time.Since(begun) != time.Minute+guard {
			t.Errorf("the second search went after %v", time.Since(begun))
		}
	})
}

func TestAFailedCallGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("connection refused")
		var seen []Observation
		l := New(Options{
			Base: tripper(func(*http.Request) (*http.Response, error) { return nil, broken }), Concurrency: 1,
			Observe: func(o Observation) { seen = append(seen, o) },
		})
		for range 3 {
			if _, err := call(t.Context(), l, "/"); !errors.Is(err, broken) {
				t.Fatalf("got %v", err)
			}
		}
		if l.State().InFlight != 0 || len(seen) != 3 || !seen[0].Sent || !errors.Is(seen[0].Err, broken) {
			t.Errorf("state %+v, observed %+v", l.State(), seen)
		}
	})
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAClockOfItsOwn: with Now and After passed in, no real time passes.
func TestAClockOfItsOwn(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	l := New(Options{
		Base: &vendor{}, Windows: []Window{{Name: "w", Max: 1, Per: 24 * time.Hour}},
		Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now },
		After: func(d time.Duration, f func()) func() {
			go func() {
				mu.Lock()
				now = now.Add(d)
				mu.Unlock()
				f()
			}()
			return func() {}
		},
	})
	for range 5 {
		if _, err := call(t.Context(), l, "/"); err != nil {
			t.Fatal(err)
		}
	}
	if days := now.Day() - 20; days != 4 {
		t.Errorf("5 calls at one a day took %d days", days)
	}
}

func TestTheDefaultTransport(t *testing.T) {
	tr := NewTransport()
	if tr.TLSClientConfig.MinVersion != 0x0303 || tr.TLSClientConfig.InsecureSkipVerify || tr.Protocols.HTTP2() ||
		tr.DisableCompression || tr.MaxIdleConnsPerHost != 16 || tr.ResponseHeaderTimeout == 0 {
		t.Errorf("got %+v", tr)
	}
}

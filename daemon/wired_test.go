package daemon

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"syncd/config"
	"syncd/connectors/wire"
)

// The whole way down, as a connector gets it: a vendor that applies a write and
// then drops a connection that was used before has one record, and the caller
// has an error that says so (CORRECTNESS F8).
func TestWriteThatIsAppliedAndDroppedIsSentOnceByTheDaemonsOwnClient(t *testing.T) {
	var applied, answered atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path != "/create" {
			answered.Add(1)
			return
		}
		applied.Add(1)
		if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = c.Close()
		}
	}))
	defer s.Close()
	d := &Daemon{Options: Options{Now: time.Now}, metrics: newMetrics(prometheus.NewRegistry(), time.Now)}
	hc := wire.NewClient(d.limiter(config.System{Name: "crm"}, nil, 0))
	for n := range int32(3) {
		if _, err := wire.Do(t.Context(), hc, wire.Request{Method: http.MethodPost, URL: s.URL + "/read", Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		h := http.Header{"Idempotency-Key": {"k"}}
		_, err := wire.Do(t.Context(), hc, wire.Request{Method: http.MethodPost, URL: s.URL + "/create", Header: h, Body: []byte("x")})
		var f *wire.Failure
		if !errors.As(err, &f) || !f.Sent || applied.Load() != n+1 {
			t.Fatalf("applied %d times in %d calls: %v", applied.Load(), n+1, err)
		}
	}
	if answered.Load() != 3 {
		t.Errorf("%d reads", answered.Load())
	}
}

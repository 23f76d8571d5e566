package demo

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// ackClock measures how long webhooks wait for their answer.
type ackClock struct {
	mu   sync.Mutex
	took []time.Duration
}

func newAckClock() *ackClock { return &ackClock{} }

func (a *ackClock) client(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: a}
}

// RoundTrip implements http.RoundTripper.
func (a *ackClock) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		a.mu.Lock()
		a.took = append(a.took, time.Since(began))
		a.mu.Unlock()
	}
	return res, err
}

// String gives count, median and the slowest in a hundred.
func (a *ackClock) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.took) == 0 {
		return "none"
	}
	slices.Sort(a.took)
	at := func(q int) time.Duration { return a.took[(len(a.took)-1)*q/100].Round(10 * time.Microsecond) }
	return fmt.Sprintf("%d, median %s, p99 %s", len(a.took), at(50), at(99))
}

package flows_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/store"
)

// Two replicas on one store: the second runs through at every step of the first.
func TestTwoEnginesInterleavedAtEveryStepConverge(t *testing.T) {
	for _, sc := range scenes() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			for k := 1; ; k++ {
				ran := false
				t.Run(fmt.Sprintf("step %02d", k), func(t *testing.T) {
					w := sc.world(t)
					sc.start(w, w.engine("z", nil))
					other := w.engine("b", nil)
					s := &steps{}
					s.pause = func(n int, _ string) {
						if n != k {
							return
						}
						ran = true
						w.deliver()
						if _, err := w.drain(other); err != nil {
							t.Error(err)
						}
					}
					w.settle(w.engine("a", s))
					sc.check(w)
				})
				if !ran || t.Failed() {
					return
				}
				if testing.Short() {
					k += 2
				}
			}
		})
	}
}

// A replica that sleeps past its lease in the middle of a batch wakes up and
// goes on: what it still writes is harmless, and what it decides is fenced.
func TestPauseBeyondTheLeaseAtEveryStepConverges(t *testing.T) {
	for _, sc := range scenes() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			for k := 1; ; k++ {
				ran := false
				t.Run(fmt.Sprintf("step %02d", k), func(t *testing.T) {
					w := sc.world(t)
					sc.start(w, w.engine("z", nil))
					other := w.engine("b", nil)
					s := &steps{}
					s.pause = func(n int, _ string) {
						if n != k {
							return
						}
						ran = true
						w.clock.advance(leaseTime + 10*time.Second)
						w.deliver()
						if _, err := w.drain(other); err != nil {
							t.Error(err)
						}
					}
					w.settle(w.engine("a", s), other)
					sc.check(w)
				})
				if !ran || t.Failed() {
					return
				}
				if testing.Short() {
					k += 2
				}
			}
		})
	}
}

// Real goroutines, real time, two replicas, two queues: for the race detector.
func TestServeUnderRealTimeConverges(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for _, owner := range []string{"a", "b"} {
		e := w.engine(owner, nil, func(o *flows.Options) {
			o.Heartbeat, o.Together = 20*time.Millisecond, nil
			o.Logger = quiet()
		})
		go func() { done <- e.Serve(ctx, time.Second) }()
	}
	ticking := make(chan struct{})
	go func() { // the clock of the world runs fifty times as fast
		defer close(ticking)
		for ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
			w.clock.advance(500 * time.Millisecond)
		}
	}()
	for n := range 10 {
		w.person(crm, n)
		w.person(erp, 100+n)
		w.deliver()
	}
	for range 600 {
		w.deliver()
		if len(w.births(crm)) == 20 && len(w.births(erp)) == 20 && w.idle() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	<-ticking
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	w.settle(w.engine("c", nil))
	w.converged(20)
}

// A drain that ends in the middle of a call blames nobody, says nothing of the
// vendor, and leaves nothing that the next start cannot finish.
func TestDrainInTheMiddleOfABatchLeavesNoHalfState(t *testing.T) {
	for _, at := range []string{crm, erp} {
		t.Run(at, func(t *testing.T) {
			w := newWorld(t)
			w.person(crm, 1)
			w.deliver()
			ctx, stop := context.WithCancel(t.Context())
			s := &steps{}
			s.pause = func(_ int, name string) {
				if name == "call "+at {
					stop()
				}
			}
			e := w.engine("a", s)
			if _, err := e.Run(ctx, store.Queue{System: crm, Object: contacts}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(w.logs.String(), "system.trouble") || len(e.Troubles()) > 0 {
				t.Errorf("the vendor is blamed: %v\n%s", e.Troubles(), w.tail())
			}
			for _, row := range w.waiting() {
				if row.Attempts != 0 {
					t.Errorf("blamed: %+v", row)
				}
			}
			w.settle(w.engine("b", nil))
			w.converged(1)
		})
	}
}

func TestShortLeaseStillWorks(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil, func(o *flows.Options) { o.Lease = 4 * time.Second })
	w.person(crm, 1)
	w.settle(e)
	w.converged(1)
}

func TestPanickingConnectorEndsNoProcess(t *testing.T) {
	w := newWorld(t)
	bad := 2
	e := w.engine("a", nil, func(o *flows.Options) {
		o.Together = nil
		for _, s := range o.Systems {
			s.Conn = &panicking{Connector: s.Conn, left: &bad}
		}
	})
	w.person(crm, 1)
	w.settle(e)
	w.converged(1)
}

type panicking struct {
	connectors.Connector
	left *int
}

func (p *panicking) Read(ctx context.Context, object string, ids, fields []string) ([]connectors.Sighting, error) {
	if *p.left > 0 {
		*p.left--
		panic("an answer that no connector can bear")
	}
	return p.Connector.Read(ctx, object, ids, fields)
}

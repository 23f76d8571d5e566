package flows_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/mapping"
	"syncd/store"
)

// What the runner and the heartbeat do over time, with nobody to wake them.

// still is a store in which nothing is ever due but one row, once.
type still struct {
	flows.Store
	mu    sync.Mutex
	asked []time.Time // of Due
	beats []time.Time
	row   *store.Claimed
}

func (s *still) Due(_ context.Context, qs []store.Queue) ([]store.Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, time.Now())
	return nil, nil
}

func (s *still) Claim(context.Context, store.ClaimRequest) ([]store.Claimed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.row == nil {
		return nil, nil
	}
	out := []store.Claimed{*s.row}
	s.row = nil
	return out, nil
}

func (s *still) Heartbeat(_ context.Context, _ string, _ time.Duration, work []store.WorkRef, leases []store.LeaseRef) ([]store.WorkRef, []store.LeaseRef, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beats = append(s.beats, time.Now())
	return work, leases, nil
}

func (s *still) Persist(context.Context, store.Persist) (store.Persisted, error) {
	return store.Persisted{}, nil
}

func (s *still) Tombstones(context.Context, []store.Tombstone) (map[store.Tombstone]bool, error) {
	return nil, nil
}

func (s *still) Drop(context.Context, string) error { return nil }

// hung is a connector that does not answer a read until it is told to stop.
type hung struct {
	connectors.Connector
	most  time.Duration
	ended time.Duration // after which it was told to
}

func (h *hung) Read(ctx context.Context, _ string, _, _ []string) ([]connectors.Sighting, error) {
	began := time.Now()
	select {
	case <-ctx.Done():
	case <-time.After(h.most):
	}
	h.ended = time.Since(began)
	return nil, &connectors.Error{Kind: connectors.KindTransient, System: crm, Op: "read", WholeCall: true, Err: ctx.Err()}
}

// engineOver is an engine of one link over a store and a connector, in real
// time: that of the bubble which it is made in. It listens to nobody, so it
// sweeps nothing.
func engineOver(t *testing.T, s flows.Store, c connectors.Connector) *flows.Engine {
	t.Helper()
	keys, err := mapping.NewKeyring(installKey)
	if err != nil {
		t.Fatal(err)
	}
	info := connectors.System{Objects: map[string]connectors.Object{contacts: {ReadBatch: 10, WriteBatch: 10}}}
	e, err := flows.New(flows.Options{
		Store: s, Keyring: keys, Owner: "a", Lease: leaseTime, Now: time.Now, Rand: func() float64 { return 0.5 },
		Logger: quiet(), Observe: &observed{},
		Systems: []*flows.System{{Name: crm, Conn: c, Info: info, SweepEvery: time.Hour}},
		Links:   []*flows.Link{{Name: "customers", Members: []flows.Member{{System: crm, Object: contacts, Write: true}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A wake-up is lost when its process dies, and time makes rows due that nobody
// is woken for (CORRECTNESS section 4).
func TestQueueIsAskedThoughNobodyWakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &still{}
		e := engineOver(t, s, nil)
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		if err := e.Serve(ctx, time.Second); err != nil {
			t.Fatal(err)
		}
		if len(s.asked) == 0 {
			t.Fatal("never asked")
		}
		for i, at := range s.asked[1:] {
			if gap := at.Sub(s.asked[i]); gap > time.Second {
				t.Errorf("nobody asked for %v", gap)
			}
		}
		if last := s.asked[len(s.asked)-1]; time.Since(last) > time.Second {
			t.Errorf("asked last %v before the end", time.Since(last))
		}
	})
}

// A heartbeat proves progress, not life (CORRECTNESS section 4): a batch that
// hangs is not kept alive, and stops itself before its lease is another's.
func TestHungBatchLosesItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		row := store.Claimed{Work: store.Work{WorkRef: store.WorkRef{System: crm, Object: contacts, RecordID: "1", Epoch: 1}, Batch: 1}}
		s, c := &still{row: &row}, &hung{most: 10 * leaseTime}
		began := time.Now()
		if _, err := engineOver(t, s, c).Run(t.Context(), store.Queue{System: crm, Object: contacts}); err != nil {
			t.Fatal(err)
		}
		if c.ended >= c.most || len(s.beats) == 0 {
			t.Fatalf("told to stop after %v, with %d heartbeats", c.ended, len(s.beats))
		}
		last := slices.MaxFunc(s.beats, time.Time.Compare)
		if since := last.Sub(began); since > leaseTime/2 {
			t.Errorf("its lease was prolonged %v after the last progress", since)
		}
		if lease := last.Add(leaseTime); !began.Add(c.ended).Before(lease) {
			t.Errorf("it stopped after %v, when its lease was over", c.ended)
		}
	})
}

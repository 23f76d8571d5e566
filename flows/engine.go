// Package flows brings changes through: resolve (whose record is this?) →
// update or create → persist (DESIGN section 3). What to write is decided by
// flows/plan; this package reads, commits and calls, in batches, and ends every
// attempt in one of four dispositions.
package flows

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"syncd/connectors"
	"syncd/mapping"
	"syncd/store"
)

// Store is what flows use of the store; see storetest.Store for the contract.
type Store interface {
	Due(ctx context.Context, queues []store.Queue) ([]store.Queue, error)
	Claim(ctx context.Context, r store.ClaimRequest) ([]store.Claimed, error)
	Lease(ctx context.Context, ids []string, owner string, ttl time.Duration) ([]*store.Identity, []string, error)
	Holders(ctx context.Context, system, object string, recordIDs []string) (map[string]string, error)
	Past(ctx context.Context, system, object string, recordIDs []string) (map[string][]store.Past, error)
	Referents(ctx context.Context, records []store.RecordRef, ids []string) ([]store.Referent, error)
	Heartbeat(ctx context.Context, owner string, ttl time.Duration, work []store.WorkRef, leases []store.LeaseRef) ([]store.WorkRef, []store.LeaseRef, error)
	Drop(ctx context.Context, owner string) error
	OpenCreates(ctx context.Context, system, object string) (time.Time, bool, error)
	ClaimIdentities(ctx context.Context, owner string, ttl time.Duration, claims []store.NewIdentity) ([]store.ClaimResult, error)
	SharedKeys(ctx context.Context, link string, keys []store.Key) ([]store.Key, error)
	IntendUpdates(ctx context.Context, owner string, intents []store.UpdateIntent) ([]string, error)
	Removals(ctx context.Context, link string, within time.Duration, over int) (store.Removals, error)
	IntendRemovals(ctx context.Context, owner string, intents []store.RemovalIntent) ([]string, error)
	CommitListing(ctx context.Context, page store.Listing, ttl time.Duration) error
	Unlisted(ctx context.Context, system, object string, pass int64, began time.Time, after string, limit int) ([]string, error)
	IntendCreates(ctx context.Context, owner string, intents []store.CreateIntent) ([]string, error)
	TakeBack(ctx context.Context, sends []store.SendRef) error
	Bind(ctx context.Context, bindings []store.Binding) ([]string, error)
	Persist(ctx context.Context, p store.Persist) (store.Persisted, error)
	Enqueue(ctx context.Context, hints []store.Hint) error
	Erase(ctx context.Context, o store.Erasure) (store.Erased, error)
	Tombstones(ctx context.Context, asked []store.Tombstone) (map[store.Tombstone]bool, error)
	LeaseCursor(ctx context.Context, system, object, kind, owner string, ttl time.Duration) (store.Cursor, bool, error)
	CommitSweep(ctx context.Context, page store.SweepPage, ttl time.Duration) (int, error)
	ReleaseCursor(ctx context.Context, ref store.CursorRef) error
	Holds(ctx context.Context) ([]store.Hold, error)
	CloseHold(ctx context.Context, h store.Hold) error
	ReleaseHold(ctx context.Context, system, link, what, reason, by string) error
	Queues(ctx context.Context) ([]store.QueueStat, error)
}

// Pacer is the rate limit of a system.
type Pacer interface {
	Pause(d time.Duration, why string)
	PausedUntil() (time.Time, string)
}

// System is one connected system.
type System struct {
	Name       string
	Conn       connectors.Connector
	Info       connectors.System
	Pacer      Pacer
	SweepEvery time.Duration
	// SweepDeletedEvery is how often it is looked for records that went; 0 is never.
	SweepDeletedEvery time.Duration
}

// Options make an Engine.
type Options struct {
	Store   Store
	Keyring *mapping.Keyring
	Systems []*System
	Links   []*Link
	Owner   string        // names this replica; leases carry it
	Lease   time.Duration // how long a dead replica's work waits
	Now     func() time.Time
	Rand    func() float64 // in [0,1)
	Logger  *slog.Logger
	Observe Observer
	// Together runs calls side by side and returns when all have ended; nil
	// means a goroutine each. The lab runs them in an order of its own.
	Together func(calls []func())
	// SchemaDoubt is told that a system refused a field by name: it may have been
	// removed (F65). nil: nobody asks.
	SchemaDoubt func(system, object, field string)
	// Heartbeat is how often leases are prolonged, 0 means a quarter of Lease,
	// negative never. The lab has no use for a goroutine that wakes by itself.
	Heartbeat time.Duration
}

// Observer is told what happened, for metrics. Labels only, never record ids.
type Observer interface {
	Attempt(link, system string, d store.Disposition, reason string)
	Wrote(link, from, to string, op connectors.Op, outcome connectors.Outcome)
	Lag(link, from, to string, d time.Duration)
	Swept(system, object string, records, hints int)
	SystemOK(system string, ok bool)
	// Surplus is told of a second record of one customer that was flagged.
	Surplus(link, system string)
	// IndexLag is told how long a look-up by token took to show a create.
	IndexLag(system, object string, d time.Duration)
	// Forgot is told of evidence that the database has lost commits.
	Forgot(link, evidence string)
}

// Engine runs the flows of one replica. It is safe for concurrent use.
type Engine struct {
	Options
	systems    map[string]*System
	links      map[string]*Link
	projection map[place][]string
	referring  map[place]bool // objects whose records refer to others
	wanted     map[place]bool // objects that are referred to
	ranks      map[string]int // by link: what is referred to comes first
	health     map[string]*health
	wake       chan struct{}
	mu         sync.Mutex    // guards what follows, but recovering
	alarm      chan struct{} // closed when every sweep has something to do
	recoveries map[place]time.Time
	samples    map[sampleKey]sample
	rates      map[place]rate
	tenants    map[string]time.Time // when each system was last seen to be the account that it was
	recovering atomic.Bool          // a link recovers from lost commits: see amnesia.go
}

// place is an object of a system.
type place struct{ system, object string }

// New makes an engine. Systems must have been probed.
func New(o Options) (*Engine, error) {
	e := &Engine{
		Options: o, systems: map[string]*System{}, links: map[string]*Link{},
		projection: map[place][]string{}, health: map[string]*health{}, wake: make(chan struct{}, 1), alarm: make(chan struct{}),
		recoveries: map[place]time.Time{}, samples: map[sampleKey]sample{}, rates: map[place]rate{}, tenants: map[string]time.Time{},
	}
	if e.Together == nil {
		e.Together = together
	}
	if e.Heartbeat == 0 {
		e.Heartbeat = e.Lease / 4
	}
	e.referring, e.wanted = placesOf(o.Links)
	e.ranks = ranks(o.Links)
	for _, s := range o.Systems {
		e.systems[s.Name] = s
		e.health[s.Name] = &health{}
	}
	for _, l := range o.Links {
		e.links[l.Name] = l
		for _, m := range l.Members {
			s := e.systems[m.System]
			if s == nil {
				return nil, fmt.Errorf("link %q: system %q is not configured", l.Name, m.System)
			}
			obj, ok := s.Info.Objects[m.Object]
			if !ok {
				return nil, fmt.Errorf("link %q: %s has no object %q that this credential may see", l.Name, m.System, m.Object)
			}
			e.projection[place{m.System, m.Object}] = projection(o.Links, m.System, m.Object, obj)
		}
	}
	return e, nil
}

func together(calls []func()) {
	var wg sync.WaitGroup
	for _, call := range calls {
		wg.Go(call)
	}
	wg.Wait()
}

// Queues lists the queues that the links feed, most urgent lane first.
func (e *Engine) Queues() []store.Queue {
	var out []store.Queue
	for _, lane := range store.Lanes {
		for p := range e.projection {
			out = append(out, store.Queue{System: p.system, Object: p.object, Lane: lane})
		}
	}
	slices.SortFunc(out, func(a, b store.Queue) int { return a.Compare(b) })
	return out
}

// Wake says that work may have become due.
func (e *Engine) Wake() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *Engine) object(p place) connectors.Object { return e.systems[p.system].Info.Objects[p.object] }

// Tenant gives the account that a system answered with.
func (e *Engine) Tenant(system string) string {
	if s := e.systems[system]; s != nil {
		return s.Info.Tenant
	}
	return ""
}

// linksOf lists the links that have an object as a side that is listened to.
func (e *Engine) linksOf(p place) []*Link {
	var out []*Link
	for _, l := range e.Links {
		if m := l.member(p.system); m != nil && m.Object == p.object {
			out = append(out, l)
		}
	}
	return out
}

// between spreads comebacks so that those who met do not meet again.
func (e *Engine) between(low, high time.Duration) time.Duration {
	return low + time.Duration(e.Rand()*float64(high-low))
}

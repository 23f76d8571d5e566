package flows_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"syncd/flows"
	"syncd/store"
)

// trouble says how a step goes wrong.
type trouble string

const (
	crashBefore trouble = "crash before" // the process dies, the step never happened
	crashAfter  trouble = "crash after"  // the step took effect, then the process dies
	lostBefore  trouble = "not taken"    // the step fails and the process goes on
	lostAfter   trouble = "answer lost"  // the step took effect, the process does not learn it
)

// steps counts the store and vendor calls of one engine, and spoils one.
type steps struct {
	mu    sync.Mutex
	n     int
	at    int // the step to spoil, from 1; 0: none
	how   trouble
	dead  bool
	pass  bool                     // steps are not counted now
	names []string                 // of the steps so far
	pause func(n int, name string) // runs before step n
}

// fate is what becomes of one step.
type fate struct {
	before, after, dies bool
}

func (s *steps) enter(name string) fate {
	if s == nil || s.pass {
		return fate{}
	}
	s.mu.Lock()
	s.n++
	n := s.n
	s.names = append(s.names, name)
	pause := s.pause
	s.mu.Unlock()
	if pause != nil {
		pause(n, name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.dead:
		return fate{before: true}
	case n != s.at:
		return fate{}
	case s.how == crashBefore:
		s.dead = true
		return fate{before: true}
	case s.how == crashAfter:
		return fate{after: true, dies: true}
	case s.how == lostBefore:
		return fate{before: true}
	}
	return fate{after: true}
}

func (s *steps) leave(f fate) {
	if f.dies {
		s.mu.Lock()
		s.dead = true
		s.mu.Unlock()
	}
}

var errNoStore = errors.New("the store is gone")

// stepped is a store whose calls are steps.
type stepped struct {
	flows.Store
	steps *steps
}

func stepOf[T any](s *stepped, name string, call func() (T, error)) (T, error) {
	var zero T
	f := s.steps.enter(name)
	if f.before {
		return zero, errNoStore
	}
	v, err := call()
	s.steps.leave(f)
	if f.after {
		return zero, errNoStore
	}
	return v, err
}

func (s *stepped) Claim(ctx context.Context, r store.ClaimRequest) ([]store.Claimed, error) {
	return stepOf(s, "claim", func() ([]store.Claimed, error) { return s.Store.Claim(ctx, r) })
}

func (s *stepped) Lease(ctx context.Context, ids []string, owner string, ttl time.Duration) ([]*store.Identity, []string, error) {
	var busy []string
	got, err := stepOf(s, "lease", func() (got []*store.Identity, err error) {
		got, busy, err = s.Store.Lease(ctx, ids, owner, ttl)
		return got, err
	})
	return got, busy, err
}

func (s *stepped) Holders(ctx context.Context, system, object string, ids []string) (map[string]string, error) {
	return stepOf(s, "holders", func() (map[string]string, error) { return s.Store.Holders(ctx, system, object, ids) })
}

func (s *stepped) IntendRemovals(ctx context.Context, owner string, intents []store.RemovalIntent) ([]string, error) {
	return stepOf(s, "intend removals", func() ([]string, error) { return s.Store.IntendRemovals(ctx, owner, intents) })
}

func (s *stepped) Past(ctx context.Context, system, object string, ids []string) (map[string][]store.Past, error) {
	return stepOf(s, "past", func() (map[string][]store.Past, error) { return s.Store.Past(ctx, system, object, ids) })
}

func (s *stepped) Removals(ctx context.Context, link string, within time.Duration, over int) (store.Removals, error) {
	return stepOf(s, "removals", func() (store.Removals, error) { return s.Store.Removals(ctx, link, within, over) })
}

func (s *stepped) Referents(ctx context.Context, records []store.RecordRef, ids []string) ([]store.Referent, error) {
	return stepOf(s, "referents", func() ([]store.Referent, error) { return s.Store.Referents(ctx, records, ids) })
}

func (s *stepped) OpenCreates(ctx context.Context, system, object string) (time.Time, bool, error) {
	var ok bool
	at, err := stepOf(s, "open creates", func() (at time.Time, err error) {
		at, ok, err = s.Store.OpenCreates(ctx, system, object)
		return at, err
	})
	return at, ok && err == nil, err
}

func (s *stepped) ClaimIdentities(ctx context.Context, owner string, ttl time.Duration, claims []store.NewIdentity) ([]store.ClaimResult, error) {
	return stepOf(s, "claim identities", func() ([]store.ClaimResult, error) { return s.Store.ClaimIdentities(ctx, owner, ttl, claims) })
}

func (s *stepped) SharedKeys(ctx context.Context, link string, keys []store.Key) ([]store.Key, error) {
	return stepOf(s, "shared keys", func() ([]store.Key, error) { return s.Store.SharedKeys(ctx, link, keys) })
}

func (s *stepped) IntendUpdates(ctx context.Context, owner string, in []store.UpdateIntent) ([]string, error) {
	return stepOf(s, "intend updates", func() ([]string, error) { return s.Store.IntendUpdates(ctx, owner, in) })
}

func (s *stepped) IntendCreates(ctx context.Context, owner string, in []store.CreateIntent) ([]string, error) {
	return stepOf(s, "intend creates", func() ([]string, error) { return s.Store.IntendCreates(ctx, owner, in) })
}

func (s *stepped) TakeBack(ctx context.Context, sends []store.SendRef) error {
	_, err := stepOf(s, "take back", func() (any, error) { return nil, s.Store.TakeBack(ctx, sends) })
	return err
}

func (s *stepped) Bind(ctx context.Context, b []store.Binding) ([]string, error) {
	return stepOf(s, "bind", func() ([]string, error) { return s.Store.Bind(ctx, b) })
}

func (s *stepped) Persist(ctx context.Context, p store.Persist) (store.Persisted, error) {
	return stepOf(s, "persist", func() (store.Persisted, error) { return s.Store.Persist(ctx, p) })
}

func (s *stepped) LeaseCursor(ctx context.Context, system, object, kind, owner string, ttl time.Duration) (store.Cursor, bool, error) {
	var ok bool
	c, err := stepOf(s, "lease cursor", func() (c store.Cursor, err error) {
		c, ok, err = s.Store.LeaseCursor(ctx, system, object, kind, owner, ttl)
		return c, err
	})
	return c, ok && err == nil, err
}

func (s *stepped) CommitSweep(ctx context.Context, p store.SweepPage, ttl time.Duration) (int, error) {
	return stepOf(s, "commit sweep", func() (int, error) { return s.Store.CommitSweep(ctx, p, ttl) })
}

func (s *stepped) ReleaseCursor(ctx context.Context, ref store.CursorRef) error {
	_, err := stepOf(s, "release cursor", func() (any, error) { return nil, s.Store.ReleaseCursor(ctx, ref) })
	return err
}

// raw is JSON in a test.
func raw(s string) json.RawMessage { return json.RawMessage(s) }

func (s *stepped) Erase(ctx context.Context, o store.Erasure) (store.Erased, error) {
	return stepOf(s, "erase", func() (store.Erased, error) { return s.Store.Erase(ctx, o) })
}

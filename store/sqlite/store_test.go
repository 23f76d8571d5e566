package sqlite

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"syncd/store/storetest"
)

var _ storetest.Store = (*Store)(nil)

// moved is a store whose clock runs ahead of the real one by what it was told.
type moved struct {
	*Store
	ahead *atomic.Int64
}

func (m moved) Advance(d time.Duration) { m.ahead.Add(int64(d)) }

// fresh opens an empty database that is closed with its test.
func fresh(t testing.TB) moved {
	t.Helper()
	m := moved{ahead: new(atomic.Int64)}
	m.Store = reopen(t, filepath.Join(t.TempDir(), "syncd.db"), Options{KeyFingerprint: "fp", Replica: "r1",
		Now: func() time.Time { return time.Now().Add(time.Duration(m.ahead.Load())) }})
	return m
}

func reopen(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return fresh(t) })
}

func TestStress(t *testing.T) {
	storetest.Stress(t, func(t *testing.T) storetest.Store { return fresh(t) }, 2*time.Second)
}

// TestModel runs on a clock that stands still unless it is moved.
func TestModel(t *testing.T) {
	storetest.Model(t, func(t *testing.T) storetest.Store {
		m := moved{ahead: new(atomic.Int64)}
		m.Store = reopen(t, filepath.Join(t.TempDir(), "syncd.db"), Options{KeyFingerprint: "fp",
			Now: func() time.Time { return time.Unix(1_800_000_000, m.ahead.Load()) }})
		return m
	})
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) storetest.Store { return fresh(b) })
}

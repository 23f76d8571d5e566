package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncd/store"
	"syncd/store/storetest"
)

var _ storetest.Store = (*Store)(nil)

// moved is a store whose clock runs ahead of the real one by what it was told.
type moved struct {
	*Store
	ahead *atomic.Int64
}

func (m moved) Advance(d time.Duration) { m.ahead.Add(int64(d)) }

// migrated gives the file of an empty database: to migrate one for every law would
// take longer than the laws.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sqlite")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "syncd.db")
	s, err := Open(context.Background(), path, Options{KeyFingerprint: "fp", Replica: "r1"})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// fresh opens an empty database that is closed with its test.
func fresh(t testing.TB) moved {
	t.Helper()
	m := moved{ahead: new(atomic.Int64)}
	path := filepath.Join(t.TempDir(), "syncd.db")
	empty, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	m.Store = reopen(t, path, Options{KeyFingerprint: "fp", Replica: "r1",
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

// TestAScratchDatabaseKeepsTheContract: what the lab plays on differs in how it
// reaches the disk, and in nothing else.
func TestAScratchDatabaseKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		m := moved{ahead: new(atomic.Int64)}
		m.Store = reopen(t, filepath.Join(t.TempDir(), "syncd.db"), Options{KeyFingerprint: "fp", Replica: "r1", Scratch: true,
			Now: func() time.Time { return time.Now().Add(time.Duration(m.ahead.Load())) }})
		return m
	})
}

func TestStress(t *testing.T) {
	storetest.Stress(t, func(t *testing.T) storetest.Store { return fresh(t) }, 2*time.Second)
}

// still is a store whose clock stands still unless it is moved, that can be
// closed and opened again, and that shows its inside.
type still struct {
	moved
	path string
	o    Options
}

// The model and the law of batches run on one file: a corner of it is cheaper
// than a file of its own.
func openStill(t *testing.T) storetest.Store {
	s := &still{moved: moved{ahead: new(atomic.Int64)}, path: filepath.Join(t.TempDir(), "syncd.db")}
	s.o = Options{KeyFingerprint: "fp", Now: func() time.Time { return time.Unix(1_800_000_000, s.ahead.Load()) }}
	if _, err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Restart gives back every lease: the file lock proves that nobody has one.
func (s *still) Restart() (freed bool, err error) {
	if s.Store != nil {
		if err := s.Store.Close(); err != nil {
			return false, err
		}
	}
	s.Store, err = Open(context.Background(), s.path, s.o)
	return true, err
}

func (s *still) Inside(link, receipts string) (storetest.Inside, error) {
	in := storetest.Inside{Keys: map[store.Key]string{}, Leases: map[string]string{}, Receipts: map[string]int{}}
	return in, errors.Join(
		s.read(context.Background(), "keys", `SELECT kind, value, identity_id, shared FROM match_key WHERE link=?1`, func(r *sql.Rows) error {
			var k store.Key
			var id string
			var shared bool
			err := r.Scan(&k.Kind, &k.Value, &id, &shared)
			if in.Keys[k] = id; shared {
				in.Keys[k] += " shared"
			}
			return err
		}, link),
		s.read(context.Background(), "leases", `SELECT identity_id, lease_owner || ' ' || epoch FROM identity WHERE link=?1 AND lease_owner IS NOT NULL`, func(r *sql.Rows) error {
			var id, lease string
			err := r.Scan(&id, &lease)
			in.Leases[id] = lease
			return err
		}, link),
		s.read(context.Background(), "receipts", `SELECT delivery_key, times FROM inbox WHERE delivery_key LIKE '%-' || ?1`, func(r *sql.Rows) error {
			var key string
			var times int
			err := r.Scan(&key, &times)
			in.Receipts[key] = times
			return err
		}, receipts))
}

func TestModel(t *testing.T)            { storetest.Model(t, openStill) }
func TestBatchesAreSerial(t *testing.T) { storetest.Serial(t, openStill) }

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) storetest.Store { return fresh(b) })
}

// Everything implements storetest.Shower.
func (s *Store) Everything(ctx context.Context) ([]string, error) {
	var tables, out []string
	err := s.read(ctx, "list tables", `SELECT name FROM sqlite_schema WHERE type='table' AND name NOT LIKE 'sqlite_%' ORDER BY name`, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		tables = append(tables, name)
		return err
	})
	for _, table := range tables {
		if err != nil {
			return nil, err
		}
		err = s.read(ctx, "show "+table, `SELECT * FROM `+table, func(rows *sql.Rows) error {
			names, err := rows.Columns()
			if err != nil {
				return err
			}
			cells := make([]any, len(names))
			for n := range cells {
				cells[n] = new(any)
			}
			err = rows.Scan(cells...)
			line := table
			for n := range cells {
				line += fmt.Sprintf(" %s=%v", names[n], *cells[n].(*any))
			}
			out = append(out, line)
			return err
		})
	}
	return out, err
}

// TestAnErasedValueIsNotInTheFile: a deleted row stays in a database file, and in the
// log beside it, until something is written over it.
func TestAnErasedValueIsNotInTheFile(t *testing.T) {
	const canary = "canary.in.the.file@example.com"
	dir := t.TempDir()
	s := reopen(t, filepath.Join(dir, "syncd.db"), Options{KeyFingerprint: "fp"})
	ctx := t.Context()
	err := s.Register(ctx, []store.SystemRow{{System: "crm", Kind: "demo", Objects: []store.ObjectRow{{Object: "contacts", CreateClass: "unique"}}}})
	if err != nil {
		t.Fatal(err)
	}
	id := "00000000-0000-4000-8000-000000000001"
	res, err := s.ClaimIdentities(ctx, "w", time.Minute, []store.NewIdentity{{ID: id, Link: "l", CreatedBy: "test",
		Source: store.NewMember{System: "crm", Object: "contacts", RecordID: canary, Token: "t"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Persist(ctx, store.Persist{Owner: "w", Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: id, Epoch: res[0].Epoch}, Link: "l",
		Members: []store.MemberUpdate{{System: "crm", Base: []byte(`{"email":{"v":"` + canary + `"}}`)}}}},
		History: []store.Entry{{IdentityID: id, System: "crm", Object: "contacts", RecordID: canary, Cause: "webhook", Action: "update", Fields: []byte(`{"email":["","` + canary + `"]}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	found := func() (n int) {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(b, []byte(canary))
		}
		return n
	}
	if found() == 0 {
		t.Fatal("the canary was never in the file")
	}
	_, err = s.Erase(ctx, store.Erasure{System: "crm", Object: "contacts", RecordID: canary, By: "test", Mac: func(_, _, r string) string { return fmt.Sprint(len(r)) }})
	if err != nil {
		t.Fatal(err)
	}
	if n := found(); n > 0 {
		t.Fatalf("the canary is in the file %d times after the erasure", n)
	}
}

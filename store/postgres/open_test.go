package postgres_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"syncd/store"
	"syncd/store/postgres"
	"syncd/store/postgres/pgtest"
)

var ctx = context.Background()

func exec(tb testing.TB, s *postgres.Store, sql string, args ...any) {
	tb.Helper()
	if _, err := s.Pool().Exec(ctx, sql, args...); err != nil {
		tb.Fatal(err)
	}
}

func one[T any](tb testing.TB, s *postgres.Store, sql string, args ...any) T {
	tb.Helper()
	var v T
	if err := s.Pool().QueryRow(ctx, sql, args...).Scan(&v); err != nil {
		tb.Fatal(err)
	}
	return v
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func TestEightOpenersMigrateOnce(t *testing.T) {
	dsn := pgtest.DSN(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := postgres.Open(ctx, dsn, postgres.Options{KeyFingerprint: "fp"})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			if err := s.Register(ctx, systems); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := openAt(t, dsn)
	files, err := os.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, s, `SELECT count(*) FROM goose_db_version WHERE version_id > 0`); n != len(files) {
		t.Fatalf("%d migrations recorded, want %d", n, len(files))
	}
	if n := one[int](t, s, `SELECT max(version_id) FROM goose_db_version`); n != postgres.SchemaVersion {
		t.Fatalf("the newest migration is %d, this daemon says %d", n, postgres.SchemaVersion)
	}
	if n := one[int](t, s, `SELECT count(*) FROM installation`); n != 1 {
		t.Fatalf("%d installations, want 1", n)
	}
}

func TestOtherKeyRefused(t *testing.T) {
	dsn := pgtest.DSN(t)
	openAt(t, dsn)
	if _, err := postgres.Open(ctx, dsn, postgres.Options{KeyFingerprint: "other"}); !errors.Is(err, store.ErrOtherKey) {
		t.Fatalf("open with another key: %v, want ErrOtherKey", err)
	}
	if _, err := postgres.Open(ctx, dsn, postgres.Options{}); err == nil {
		t.Fatal("opened without a key fingerprint")
	}
}

func TestNewerSchemaRefused(t *testing.T) {
	dsn := pgtest.DSN(t)
	s := openAt(t, dsn)
	exec(t, s, `UPDATE installation SET schema_min=$1`, postgres.SchemaVersion+1)
	if _, err := postgres.Open(ctx, dsn, postgres.Options{KeyFingerprint: "fp"}); !errors.Is(err, store.ErrNewerSchema) {
		t.Fatalf("open of a newer schema: %v, want ErrNewerSchema", err)
	}
}

// A database that is at head opens while somebody holds the migration lock.
func TestAtHeadNeedsNoLock(t *testing.T) {
	dsn := pgtest.DSN(t)
	s := openAt(t, dsn)
	conn, err := s.Pool().Acquire(ctx)
	ok(t, err)
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, 0x73796e6364); err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	again, err := postgres.Open(soon, dsn, postgres.Options{KeyFingerprint: "fp"})
	ok(t, err)
	ok(t, again.Close())
	exec(t, s, `SELECT 1`)
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock_all()`); err != nil {
		t.Fatal(err)
	}
}

// Every transaction has its limits, whatever session it runs in (section 4).
func TestTransactionsAreLimited(t *testing.T) {
	s := open(t)
	ok(t, s.Register(ctx, systems))
	hold, err := s.Pool().Begin(ctx)
	ok(t, err)
	ok(t, s.Enqueue(ctx, []store.Hint{{System: crm, Object: contacts, RecordID: "A", Cause: "webhook"}}))
	if _, err := hold.Exec(ctx, `SELECT 1 FROM work FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var holder sync.WaitGroup
	holder.Go(func() {
		time.Sleep(2500 * time.Millisecond) // one lock_timeout, and then the repeat goes through
		_ = hold.Rollback(ctx)
	})
	defer holder.Wait()
	ok(t, s.Enqueue(ctx, []store.Hint{{System: crm, Object: contacts, RecordID: "A", Cause: "webhook"}}))
	if d := time.Since(began); d < 2*time.Second {
		t.Fatalf("waited %v, want longer than the lock timeout", d)
	}
}

// A transaction whose connection is lost is repeated as a whole (P2).
func TestLostConnectionsReachNobody(t *testing.T) {
	s := open(t)
	ok(t, s.Register(ctx, systems))
	stop := make(chan struct{})
	var killer, workers sync.WaitGroup
	killer.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(30 * time.Millisecond):
				_, _ = s.Pool().Exec(ctx, `SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
					WHERE datname=current_database() AND pid<>pg_backend_pid() AND state<>'idle' LIMIT 1) v`)
			}
		}
	})
	for w := range 4 {
		workers.Go(func() {
			for n := range 150 {
				if err := s.Enqueue(ctx, []store.Hint{{System: crm, Object: contacts, RecordID: recordID(w*1000 + n), Cause: "webhook"}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	killer.Wait()
	stats, err := s.Queues(ctx) // by the store: the last kill may have met a connection that lay idle since
	ok(t, err)
	n := 0
	for _, q := range stats {
		n += q.Due + q.Waiting
	}
	if n != 600 {
		t.Fatalf("%d rows, want 600", n)
	}
}

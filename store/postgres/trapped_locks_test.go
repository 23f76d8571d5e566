package postgres_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/store"
	"syncd/store/postgres"
)

// awaitBlocked waits until n sessions of this database wait for a lock.
func awaitBlocked(t *testing.T, s *postgres.Store, n int, over ...chan error) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		for _, c := range over {
			if len(c) > 0 {
				t.Fatalf("a session ended that was to wait: %v", <-c)
			}
		}
		if one[int](t, s, `SELECT count(*)::int FROM pg_stat_activity WHERE datname=current_database() AND wait_event_type='Lock'`) >= n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d sessions did not come to wait", n)
}

// hold runs a statement in a transaction that stays open until it is let go.
func hold(t *testing.T, s *postgres.Store, sql string, args ...any) (letGo func()) {
	t.Helper()
	tx, err := s.Pool().Begin(ctx)
	ok(t, err)
	t.Cleanup(func() { _ = tx.Rollback(ctx) }) // the store would wait for it
	if _, err := tx.Exec(ctx, sql, args...); err != nil {
		t.Fatal(err)
	}
	return func() { t.Helper(); ok(t, tx.Commit(ctx)) }
}

// meet has two sessions run one after the other into a lock that a third one
// holds, lets them go on at once, and says whether they deadlock.
func meet(t *testing.T, s *postgres.Store, holds string, a, b func(pgx.Tx) error) bool {
	t.Helper()
	letGo := hold(t, s, holds)
	errs := make(chan error, 2)
	for n, run := range []func(pgx.Tx) error{a, b} {
		go func() {
			errs <- pgx.BeginFunc(ctx, s.Pool(), func(tx pgx.Tx) error {
				// The order of a join is the order of its rows in a nested loop.
				if _, err := tx.Exec(ctx, `SET LOCAL enable_hashjoin=off; SET LOCAL enable_mergejoin=off; SET LOCAL enable_sort=on`); err != nil {
					return err
				}
				return run(tx)
			})
		}()
		awaitBlocked(t, s, n+1, errs)
	}
	letGo()
	deadlock := false
	for range 2 {
		err := <-errs
		if pg, is := errors.AsType[*pgconn.PgError](err); is && pg.Code == "40P01" {
			deadlock = true
		} else if err != nil {
			t.Error(err)
		}
	}
	return deadlock
}

func running(sql string, args ...any) func(pgx.Tx) error {
	return func(tx pgx.Tx) error { _, err := tx.Exec(ctx, sql, args...); return err }
}

// Two deliveries that name the same records in opposite order deadlock, unless
// the statement sorts them.
func TestTrapUnsortedEnqueue(t *testing.T) {
	trap := trapped(t, postgres.SQLEnqueue, `ORDER BY r.system COLLATE "C", r.object COLLATE "C", r.record_id COLLATE "C"`, "ORDER BY min(r.n)")
	forms(t, postgres.SQLEnqueue, trap, func(t *testing.T, sql string) bool {
		s := registered(t, 0)
		hintRow(t, s, "A", "M", "Z")
		return meet(t, s, `SELECT 1 FROM work WHERE record_id='M' FOR UPDATE`,
			running(sql, enqueueArgs("A", "M", "Z")...), running(sql, enqueueArgs("Z", "M", "A")...))
	})
}

// Late leases that wait, in the order of whatever plan is chosen, deadlock; with
// SKIP LOCKED they wait for nobody.
func TestTrapLeaseThatWaits(t *testing.T) {
	s := registered(t, 3)
	up, down := []string{identityID(0), identityID(1), identityID(2)}, []string{identityID(2), identityID(1), identityID(0)}
	const plain = `UPDATE identity i SET epoch=nextval('fence'), lease_owner=$2, lease_until=clock_timestamp() + $3::bigint * interval '1 microsecond'
FROM unnest($1::text[]::uuid[]) AS r(id) WHERE i.identity_id=r.id AND (i.lease_until IS NULL OR i.lease_until < now())`
	middle := `SELECT 1 FROM identity WHERE identity_id='` + identityID(1) + `' FOR UPDATE`
	if !meet(t, s, middle, running(plain, up, "a", 1), running(plain, down, "b", 1)) {
		t.Error("the trapped form did not deadlock")
	}
	letGo := hold(t, s, middle)
	defer letGo()
	for _, ids := range [][]string{up, down} {
		leased, busy, err := s.Lease(ctx, ids, "c", time.Microsecond)
		ok(t, err)
		if len(leased) != 2 || len(busy) != 1 {
			t.Errorf("%d leased, %d busy beside a lock, want 2 and 1", len(leased), len(busy))
		}
	}
}

// FOR UPDATE SKIP LOCKED skips a row on which a foreign-key check elsewhere
// holds KEY SHARE: the identity looks leased and is not.
func TestTrapLeaseSkipsForeignKeyChecks(t *testing.T) {
	forms(t, postgres.SQLLease, trapped(t, postgres.SQLLease, "FOR NO KEY UPDATE", "FOR UPDATE"), func(t *testing.T, sql string) bool {
		s := registered(t, 1)
		defer hold(t, s, `INSERT INTO match_key (link, kind, value, identity_id, system) VALUES ('l', 'k', 'v', $1::text::uuid, 'crm')`, identityID(0))()
		tag, err := s.Pool().Exec(ctx, sql, []string{identityID(0)}, "w", long.Microseconds())
		ok(t, err)
		return tag.RowsAffected() == 0
	})
}

// A claim whose snapshot is older than a persist would hand out the lease with
// the old base, if it joined by id alone.
func TestTrapLeaseWithAnOldBase(t *testing.T) {
	// Both forms stop between the snapshot and the lock.
	stopped := trapped(t, postgres.SQLResolve, "AND m.state IN ('active','quarantined')),", "AND m.state IN ('active','quarantined') AND pg_advisory_xact_lock(7) IS NOT NULL),")
	forms(t, stopped, trapped(t, stopped, "JOIN free USING (identity_id, rev)", "JOIN free USING (identity_id)"), func(t *testing.T, sql string) bool {
		s := registered(t, 1)
		// A lease that has run out and that nobody has taken over yet: its holder
		// may still persist.
		leased, _, err := s.Lease(ctx, []string{identityID(0)}, "first", time.Microsecond)
		ok(t, err)
		letGo := hold(t, s, `SELECT pg_advisory_xact_lock(7)`)
		ended := make(chan int64, 1)
		go func() {
			rows, err := s.Pool().Query(ctx, sql, crm, contacts, []string{recordID(0)}, "second", long.Microseconds())
			var epoch int64
			if err == nil {
				for rows.Next() {
					var v []any
					if v, err = rows.Values(); err != nil {
						break
					}
					epoch = v[2].(int64) // record, identity, epoch, …
				}
				err = errors.Join(err, rows.Err())
			}
			if err != nil {
				t.Error(err)
			}
			ended <- epoch
		}()
		awaitBlocked(t, s, 1)
		_, err = s.Persist(ctx, store.Persist{Owner: "first", Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: identityID(0), Epoch: leased[0].Epoch},
			Members: []store.MemberUpdate{{System: crm, Base: json.RawMessage(`{"n":1}`)}}}}})
		ok(t, err)
		letGo()
		return <-ended != 0 // the snapshot is older than the base: no lease may come with it
	})
}

// Two identities that swap a key: without taking all keys first, in key order,
// each waits for what the other deletes.
func TestTrapMatchKeysNotTakenFirst(t *testing.T) {
	s := registered(t, 2)
	exec(t, s, `INSERT INTO match_key (link, kind, value, identity_id, system) VALUES ('l', 'k', 'a', $1::text::uuid, 'crm'), ('l', 'k', 'b', $2::text::uuid, 'crm')`, identityID(0), identityID(1))
	swap := func(take bool, n int, wants string, deleted chan<- struct{}, next <-chan struct{}) func(pgx.Tx) error {
		return func(tx pgx.Tx) error {
			links, kinds, values, ids, systems := []string{"l"}, []string{"k"}, []string{wants}, []string{identityID(n)}, []string{crm}
			if take {
				if _, err := tx.Exec(ctx, postgres.SQLPersistTakeKeys, ids, links, kinds, values, ids, systems); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(ctx, postgres.SQLPersistDeleteKeys, ids, links, kinds, values, ids); err != nil {
				return err
			}
			if deleted != nil {
				close(deleted)
			}
			if next != nil && !take {
				<-next
			}
			_, err := tx.Exec(ctx, postgres.SQLPersistInsertKeys, links, kinds, values, ids, systems)
			return err
		}
	}
	for _, take := range []bool{false, true} {
		first, second := make(chan struct{}), make(chan struct{})
		errs := make(chan error, 2)
		go func() { errs <- pgx.BeginFunc(ctx, s.Pool(), swap(take, 0, "b", first, second)) }()
		go func() { errs <- pgx.BeginFunc(ctx, s.Pool(), swap(take, 1, "a", second, first)) }()
		deadlock := false
		for range 2 {
			if pg, is := errors.AsType[*pgconn.PgError](<-errs); is && pg.Code == "40P01" {
				deadlock = true
			}
		}
		if deadlock == take {
			t.Errorf("keys taken first: %v, deadlock: %v", take, deadlock)
		}
	}
}

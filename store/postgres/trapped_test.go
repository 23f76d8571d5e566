package postgres_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncd/store"
	"syncd/store/postgres"
	"syncd/store/postgres/pgtest"
)

// The traps of CORRECTNESS 3.3 and 3.7, each set beside the statement of the
// store: the trapped form must break the law that the real one keeps. Where two
// sessions have to meet, one of them is held by a lock, so that they always do.

// trapped gives a statement with a part put wrong.
func trapped(t *testing.T, sql string, parts ...string) string {
	t.Helper()
	for n := 0; n < len(parts); n += 2 {
		if !strings.Contains(sql, parts[n]) {
			t.Fatalf("the statement has no part %q any more:\n%s", parts[n], sql)
		}
		sql = strings.ReplaceAll(sql, parts[n], parts[n+1])
	}
	return sql
}

// forms runs a law on the real form of a statement and on the trapped one.
func forms(t *testing.T, sql, trap string, broken func(t *testing.T, sql string) bool) {
	t.Helper()
	for _, f := range []struct {
		name, sql string
		broken    bool
	}{{"real", sql, false}, {"trapped", trap, true}} {
		t.Run(f.name, func(t *testing.T) {
			if got := broken(t, f.sql); got != f.broken {
				t.Errorf("the law is broken: %v, want %v", got, f.broken)
			}
		})
	}
}

func hintRow(t *testing.T, s *postgres.Store, records ...string) {
	t.Helper()
	var hs []store.Hint
	for _, r := range records {
		hs = append(hs, store.Hint{System: crm, Object: contacts, RecordID: r, Cause: "webhook"})
	}
	ok(t, s.Enqueue(ctx, hs))
}

// claimWith claims one row by a form of the claim and gives its fence.
func claimWith(t *testing.T, s *postgres.Store, sql string) int64 {
	t.Helper()
	rows, err := s.Pool().Query(ctx, sql, crm, contacts, int16(store.LaneLive), 1, "w", long.Microseconds())
	ok(t, err)
	defer rows.Close()
	if !rows.Next() {
		t.Fatalf("nothing was claimed: %v", rows.Err())
	}
	v, err := rows.Values()
	ok(t, err)
	return v[1].(int64)
}

func work(record string, epoch int64) store.Finish {
	return store.Finish{WorkRef: store.WorkRef{System: crm, Object: contacts, RecordID: record, Epoch: epoch}, Disposition: store.Done}
}

// Done deletes the row, so an epoch that counts per row starts again, and a
// zombie's is the holder's (ABA).
func TestTrapEpochPerRow(t *testing.T) {
	forms(t, postgres.SQLClaim, trapped(t, postgres.SQLClaim, "epoch=nextval('fence')", "epoch=w.epoch+1"), func(t *testing.T, sql string) bool {
		s := registered(t, 0)
		hintRow(t, s, "A")
		zombie := claimWith(t, s, sql)
		exec(t, s, `UPDATE work SET not_before=now()`) // its lease runs out
		second := claimWith(t, s, sql)
		_, err := s.Persist(ctx, store.Persist{Owner: "w", Work: []store.Finish{work("A", second)}})
		ok(t, err)
		hintRow(t, s, "A")
		claimWith(t, s, sql)
		got, err := s.Persist(ctx, store.Persist{Owner: "w", Work: []store.Finish{work("A", zombie)}})
		ok(t, err)
		return len(got.Lost) == 0
	})
}

// The completion as one statement: both halves see the same snapshot, and a
// hint that comes in between matches neither. The record waits for its lease.
func TestTrapOneStatementCompletion(t *testing.T) {
	const oneStatement = `WITH d AS (DELETE FROM work WHERE record_id=$1 AND epoch=$2 AND gen=claimed_gen RETURNING 1),
u AS (UPDATE work SET owner=NULL, claimed_gen=NULL, not_before=clock_timestamp() WHERE record_id=$1 AND epoch=$2 AND gen<>claimed_gen RETURNING 1)
SELECT (SELECT count(*) FROM d) + (SELECT count(*) FROM u)`
	forms(t, "", oneStatement, func(t *testing.T, sql string) bool {
		s := registered(t, 0)
		hintRow(t, s, "A")
		epoch := claimWith(t, s, postgres.SQLClaim)
		letGo := hold(t, s, `UPDATE work SET gen=gen+1 WHERE record_id='A'`) // the hint, not committed yet
		ended := make(chan int, 1)
		go func() {
			if sql == "" {
				got, err := s.Persist(ctx, store.Persist{Owner: "w", Work: []store.Finish{work("A", epoch)}})
				if err != nil {
					t.Error(err)
				}
				ended <- len(got.Rerun)
				return
			}
			var n int
			if err := s.Pool().QueryRow(ctx, sql, "A", epoch).Scan(&n); err != nil {
				t.Error(err)
			}
			ended <- n
		}()
		awaitBlocked(t, s, 1)
		letGo()
		return <-ended == 0
	})
}

// clock_timestamp() is volatile, so the claim's condition is a filter over the
// whole queue; now() is an index condition.
func TestTrapVolatileClaim(t *testing.T) {
	s := registered(t, 0)
	exec(t, s, `INSERT INTO work (system, object, record_id, lane, cause) SELECT $1, $2, 'C' || n, 0, 'backfill' FROM generate_series(1, 2000) n`, crm, contacts)
	exec(t, s, `ANALYZE work`)
	forms(t, postgres.SQLClaim, trapped(t, postgres.SQLClaim, "not_before <= now()", "not_before <= clock_timestamp()"), func(t *testing.T, sql string) bool {
		plan := explain(t, s, sql, crm, contacts, int16(store.LaneLive), 100, "w", long.Microseconds())
		for line := range strings.Lines(plan) {
			if strings.Contains(line, "Index Cond") && strings.Contains(line, "not_before <= now()") {
				return false
			}
		}
		return true
	})
}

// Joined to the due rows by key, the claim is planned as a scan of the queue.
func TestTrapClaimJoinedByKey(t *testing.T) {
	s := registered(t, 0)
	exec(t, s, `INSERT INTO work (system, object, record_id, lane, cause) SELECT $1, $2, 'C' || n, 0, 'backfill' FROM generate_series(1, 50000) n`, crm, contacts)
	exec(t, s, `ANALYZE work`)
	trap := trapped(t, postgres.SQLClaim, "SELECT d.ctid AS tid FROM", "SELECT d.system, d.object, d.record_id FROM",
		"FROM got WHERE w.ctid = ANY (ARRAY(SELECT tid FROM due))",
		"FROM got, due WHERE (w.system, w.object, w.record_id) = (due.system, due.object, due.record_id)")
	forms(t, postgres.SQLClaim, trap, func(t *testing.T, sql string) bool {
		return strings.Contains(explain(t, s, sql, crm, contacts, int16(store.LaneLive), 100, "w", long.Microseconds()), "Seq Scan on work")
	})
}

func enqueueArgs(records ...string) []any {
	n := len(records)
	var systems, objects, versions, causes, keys []string
	for range records {
		systems, objects, versions, causes, keys = append(systems, crm), append(objects, contacts), append(versions, "1"), append(causes, "webhook"), append(keys, "d")
	}
	return []any{systems, objects, records, make([]int16, n), versions, make([]int64, n), causes, keys, keys, make([]bool, n), make([]*string, n)}
}

// A hint that cuts a running lease short makes two workers on one record.
func TestTrapHintShortensALease(t *testing.T) {
	trap := trapped(t, postgres.SQLEnqueue, "CASE WHEN w.owner IS NOT NULL OR w.attempts > 0 OR w.batch_cap IS NOT NULL THEN w.not_before\n"+
		"                    ELSE LEAST(w.not_before, EXCLUDED.not_before) END", "LEAST(w.not_before, EXCLUDED.not_before)")
	forms(t, postgres.SQLEnqueue, trap, func(t *testing.T, sql string) bool {
		s := registered(t, 0)
		hintRow(t, s, "A")
		claimWith(t, s, postgres.SQLClaim)
		exec(t, s, sql, enqueueArgs("A")...)
		cs, err := s.Claim(ctx, store.ClaimRequest{System: crm, Object: contacts, Max: 1, Owner: "second", Lease: long})
		ok(t, err)
		return len(cs) > 0
	})
}

// now() is the start of the transaction: a lease counted from there is shorter
// than it was asked for by whatever the transaction waited.
func TestTrapLeaseFromTheStartOfTheTransaction(t *testing.T) {
	const waited, ttl = 300 * time.Millisecond, time.Minute
	forms(t, postgres.SQLLease, trapped(t, postgres.SQLLease, "lease_until=clock_timestamp()", "lease_until=now()"), func(t *testing.T, sql string) bool {
		s := registered(t, 1)
		tx, err := s.Pool().Begin(ctx)
		ok(t, err)
		if _, err := tx.Exec(ctx, `SELECT pg_sleep($1)`, waited.Seconds()); err != nil {
			t.Fatal(err)
		}
		var before time.Time
		ok(t, tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&before))
		if _, err := tx.Exec(ctx, sql, []string{identityID(0)}, "w", ttl.Microseconds()); err != nil {
			t.Fatal(err)
		}
		ok(t, tx.Commit(ctx))
		return one[time.Time](t, s, `SELECT lease_until FROM identity`).Before(before.Add(ttl))
	})
}

// What tells the time and cannot be shadowed would leave virtual time, and one
// such lease would outlive all others there (TESTING 2(c)).
func TestTrapTimeThatCannotBeShadowed(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.go", "migrations/*.sql"} {
		found, err := filepath.Glob(pattern)
		ok(t, err)
		files = append(files, found...)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		ok(t, err)
		for _, word := range []string{"CURRENT_TIMESTAMP", "CURRENT_TIME", "CURRENT_DATE", "LOCALTIME", "TRANSACTION_TIMESTAMP", "STATEMENT_TIMESTAMP", "TIMEOFDAY"} {
			if strings.Contains(strings.ToUpper(string(text)), word) {
				t.Errorf("%s uses %s", file, word)
			}
		}
	}
	dsn, _ := pgtest.Clocked(t, time.Unix(1, 0))
	s := openAt(t, dsn)
	if got := one[time.Time](t, s, `SELECT CURRENT_TIMESTAMP`); got.Year() == 1970 {
		t.Error("CURRENT_TIMESTAMP can be shadowed by now: then this test can go")
	}
}

package postgres_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
	"syncd/store/postgres"
)

// Races that a stress test meets by luck, held still: one side waits for a lock
// while the other commits.

// waiting waits until n sessions of the database wait for a lock.
func waiting(t *testing.T, s *postgres.Store, n int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if one[int](t, s, `SELECT count(*)::int FROM pg_stat_activity WHERE datname=current_database() AND wait_event_type='Lock'`) >= n {
			return
		}
	}
	t.Fatal("nobody waits for a lock")
}

// begun is a transaction in which a statement has run.
func begun(t *testing.T, s *postgres.Store, sql string, args ...any) pgx.Tx {
	t.Helper()
	tx, err := s.Pool().Begin(ctx)
	ok(t, err)
	t.Cleanup(func() { _ = tx.Rollback(ctx) })
	_, err = tx.Exec(ctx, sql, args...)
	ok(t, err)
	return tx
}

// A hint is committed while persist waits for its row (3.3, the second trap):
// decided on a snapshot, the row would be neither deleted nor released, and
// wait for its lease to end.
func TestHintThatCommitsDuringPersistRunsAgain(t *testing.T) {
	s := registered(t, 1)
	hint := store.Hint{System: crm, Object: contacts, RecordID: recordID(0), Cause: "webhook"}
	ok(t, s.Enqueue(ctx, []store.Hint{hint}))
	queue := store.Queue{System: crm, Object: contacts}
	claimed, err := s.Claim(ctx, store.ClaimRequest{System: crm, Object: contacts, Max: 10, Owner: "w", Lease: long})
	ok(t, err)
	if len(claimed) != 1 {
		t.Fatalf("claimed %v", claimed)
	}
	news := begun(t, s, `UPDATE work SET gen=gen+1`)
	type result struct {
		out store.Persisted
		err error
	}
	done := make(chan result)
	go func() {
		out, err := s.Persist(ctx, store.Persist{Owner: "w", Work: []store.Finish{{WorkRef: claimed[0].WorkRef, Disposition: store.Done}}})
		done <- result{out, err}
	}()
	waiting(t, s, 1)
	ok(t, news.Commit(ctx))
	r := <-done
	ok(t, r.err)
	if len(r.out.Rerun) != 1 || len(r.out.Lost) != 0 {
		t.Errorf("persist says rerun %v, lost %v; want the row to run again", r.out.Rerun, r.out.Lost)
	}
	due, err := s.Due(ctx, []store.Queue{queue})
	ok(t, err)
	if len(due) != 1 {
		t.Error("the record waits for its lease to end, though a hint came")
	}
}

// Another flow leases and persists between the snapshot of the resolve and its
// lock (3.7): the lease comes with the base of that persist, or not at all. The
// statement is the store's own, but for a gate behind its snapshot.
func TestLeaseNeverComesWithAnOlderBase(t *testing.T) {
	const gate, mark = 42, "WHERE f.identity_id = ANY"
	if strings.Count(postgres.SQLResolve, mark) != 1 {
		t.Fatalf("the gate does not fit:\n%s", postgres.SQLResolve)
	}
	gated := strings.Replace(postgres.SQLResolve, mark,
		fmt.Sprintf("WHERE (SELECT pg_advisory_xact_lock(%d))::text IS NOT NULL AND f.identity_id = ANY", gate), 1)
	s := registered(t, 1)
	closed := begun(t, s, `SELECT pg_advisory_xact_lock($1)`, gate)
	type result struct {
		lines [][]any
		err   error
	}
	done := make(chan result)
	go func() {
		rows, err := s.Pool().Query(ctx, gated, crm, contacts, []string{recordID(0)}, "w", long.Microseconds())
		if err != nil {
			done <- result{err: err}
			return
		}
		lines, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) ([]any, error) { return r.Values() })
		done <- result{lines, err}
	}()
	waiting(t, s, 1)
	leased, _, err := s.Lease(ctx, []string{identityID(0)}, "other", long)
	ok(t, err)
	_, err = s.Persist(ctx, store.Persist{Owner: "other", Identities: []store.IdentityUpdate{{
		LeaseRef: store.LeaseRef{ID: identityID(0), Epoch: leased[0].Epoch}, Link: link,
		Members: []store.MemberUpdate{{System: crm, Base: json.RawMessage(`{"n":1}`)}},
	}}})
	ok(t, err)
	ok(t, closed.Commit(ctx))
	r := <-done
	ok(t, r.err)
	if len(r.lines) != 2 {
		t.Fatalf("%d lines, want one a member: %v", len(r.lines), r.lines)
	}
	const epoch, system, base = 2, 5, 13 // columns of the statement
	for _, l := range r.lines {
		if l[epoch] != int64(0) && l[system] == crm && l[base] == nil {
			t.Errorf("the lease %v came without the base that was persisted before it", l[epoch])
		}
	}
}

// The condition on the time is one of the index, not a filter on what the index
// gives (3.3, the third trap): a long queue of rows that are not due yet costs nothing.
func TestClaimFindsDueRowsByTheIndex(t *testing.T) {
	s := registered(t, 0)
	exec(t, s, `INSERT INTO work (system, object, record_id, lane, cause, not_before)
		SELECT $1, $2, 'C' || n, 0, 'backfill', now() + interval '1 hour' FROM generate_series(1, $3::int) n`, crm, contacts, queued)
	exec(t, s, `ANALYZE work`)
	plan := explain(t, s, postgres.SQLClaim, crm, contacts, int16(store.LaneLive), 100, "w", long.Microseconds())
	cond := regexp.MustCompile(`Index Cond: .*not_before <= now\(\)`)
	if n := len(cond.FindAllString(plan, -1)); n != 2 {
		t.Errorf("%d conditions on the time are conditions of the index, want both:\n%s", n, plan)
	}
}

// A claim that waits for one of its keys holds none that comes after it: keys
// are taken in their order, whatever order they came in (3.7).
func TestClaimThatWaitsForAKeyHoldsNoLaterOne(t *testing.T) {
	s := registered(t, 2)
	const take = `INSERT INTO match_key (link, kind, value, identity_id, system) VALUES ($1, 'email', $2, $3, $4)`
	first := begun(t, s, take, link, "a", identityID(0), crm)
	done := make(chan error)
	go func() {
		_, err := s.ClaimIdentities(ctx, "w", long, []store.NewIdentity{newIdentity(7, store.Key{Kind: "email", Value: "b"}, store.Key{Kind: "email", Value: "a"})})
		done <- err
	}()
	waiting(t, s, 1)
	other := begun(t, s, `SET LOCAL lock_timeout='1s'`)
	if _, err := other.Exec(ctx, take, link, "b", identityID(1), crm); err != nil {
		t.Errorf("the later key is held: %v", err)
	}
	ok(t, other.Rollback(ctx))
	ok(t, first.Rollback(ctx))
	ok(t, <-done)
}

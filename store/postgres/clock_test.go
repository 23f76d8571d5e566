package postgres_test

import (
	"testing"
	"time"

	"syncd/store"
	"syncd/store/postgres/pgtest"
)

// The store's own code runs in virtual time: what its statements and column
// defaults take for the time is what the clock shows, and a lease ends when the
// clock says so.
func TestClockedDatabaseLivesInVirtualTime(t *testing.T) {
	at := time.Date(2031, 5, 6, 7, 8, 9, 123456000, time.UTC)
	dsn, clock := pgtest.Clocked(t, at)
	s := openAt(t, dsn)
	ok(t, s.Register(ctx, systems))
	for _, sql := range []string{`SELECT now()`, `SELECT clock_timestamp()`, `SELECT created_at FROM installation`} {
		if got := one[time.Time](t, s, sql); !got.Equal(at) {
			t.Errorf("%s gives %v, want %v", sql, got, at)
		}
	}
	claim := func() []store.Claimed {
		t.Helper()
		cs, err := s.Claim(ctx, store.ClaimRequest{System: crm, Object: contacts, Max: 1, Owner: "w", Lease: long})
		ok(t, err)
		return cs
	}
	ok(t, s.Enqueue(ctx, []store.Hint{{System: crm, Object: contacts, RecordID: "A", Cause: "webhook"}}))
	if cs := claim(); len(cs) != 1 || !cs[0].FirstHint.Equal(at) {
		t.Fatalf("claimed %+v, want A, first hinted at %v", cs, at)
	}
	for _, c := range []struct {
		pass time.Duration
		rows int
	}{{long - time.Microsecond, 0}, {time.Microsecond, 1}} {
		ok(t, clock.Set(clock.Now().Add(c.pass)))
		if cs := claim(); len(cs) != c.rows {
			t.Errorf("%v after the claim: %d rows claimed, want %d", clock.Now().Sub(at), len(cs), c.rows)
		}
	}
	ok(t, clock.Empty(ctx))
	if n := one[int64](t, s, `SELECT nextval('fence')`); n != 1 {
		t.Errorf("the fence of an emptied database begins at %d, want 1", n)
	}
	if n := one[int](t, s, `SELECT count(*) FROM work`); n != 0 {
		t.Errorf("%d rows in an emptied database", n)
	}
}

// The claim keeps its index condition under the shadowed now().
func TestClockedClaimUsesTheIndex(t *testing.T) {
	dsn, _ := pgtest.Clocked(t, time.Now())
	s := openAt(t, dsn)
	claimPlanUsesTheIndex(t, s)
}

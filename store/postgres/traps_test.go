package postgres_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
	"syncd/store/postgres"
)

const (
	crm, contacts = "crm", "contacts"
	erp, partners = "erp", "partners"
	link          = "customers"
	long          = time.Minute
)

var systems = []store.SystemRow{
	{System: crm, Kind: "demo", Objects: []store.ObjectRow{{Object: contacts, CreateClass: "unique"}}},
	{System: erp, Kind: "demo", Objects: []store.ObjectRow{{Object: partners, CreateClass: "search"}}},
}

func recordID(n int) string { return fmt.Sprintf("C%06d", n) }
func identityID(n int) string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
}

func newIdentity(n int, keys ...store.Key) store.NewIdentity {
	token := fmt.Sprint("t", n)
	return store.NewIdentity{ID: identityID(n), Link: link, CreatedBy: "test", Keys: keys,
		Source:  store.NewMember{System: crm, Object: contacts, RecordID: recordID(n), Token: token},
		Targets: []store.NewMember{{System: erp, Object: partners, Token: token}}}
}

// registered is a store with n identities that nobody leases.
func registered(t *testing.T, n int) *postgres.Store {
	t.Helper()
	s := open(t)
	ok(t, s.Register(ctx, systems))
	var claims []store.NewIdentity
	for i := range n {
		claims = append(claims, newIdentity(i))
	}
	_, err := s.ClaimIdentities(ctx, "setup", long, claims)
	ok(t, err)
	ok(t, s.Drop(ctx, "setup"))
	return s
}

// deadlocks counts what the server resolved, repeats included.
func deadlocks(t *testing.T, s *postgres.Store) int {
	t.Helper()
	return one[int](t, s, `SELECT deadlocks FROM pg_stat_database WHERE datname=current_database()`)
}

const queued = 100_000

// The claim costs the same however long the queue is (3.3): every scan of work
// is by an index or by ctid, with the planner's statistics and without.
func TestClaimPlanUsesTheIndex(t *testing.T) { claimPlanUsesTheIndex(t, open(t)) }

func claimPlanUsesTheIndex(t *testing.T, s *postgres.Store) {
	t.Helper()
	ok(t, s.Register(ctx, systems))
	exec(t, s, `INSERT INTO work (system, object, record_id, lane, cause)
		SELECT $1, $2, 'C' || n, n % 4, 'backfill' FROM generate_series(1, $3::int) n`, crm, contacts, queued)
	for _, state := range []string{"without statistics", "with statistics"} {
		if state == "with statistics" {
			exec(t, s, `ANALYZE work`)
		}
		for _, most := range []int{1, 100} {
			plan := explain(t, s, postgres.SQLClaim, crm, contacts, int16(store.LaneLive), most, "w", long.Microseconds())
			if strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, "Tid Scan") || !strings.Contains(plan, "work_due") ||
				strings.Contains(plan, "Sort") {
				t.Errorf("claim of %d %s:\n%s", most, state, plan)
			}
		}
		timed := strings.Split(explain(t, s, "(ANALYZE, TIMING OFF) "+postgres.SQLClaim, crm, contacts, int16(store.LaneLive), 100, "w", long.Microseconds()), "\n")
		t.Logf("%s: %s", state, strings.Join(timed[len(timed)-2:], ", "))
		if plan := explain(t, s, postgres.SQLDue, []string{crm, crm, erp}, []string{contacts, contacts, partners}, []int16{0, 1, 0}); strings.Contains(plan, "Seq Scan") {
			t.Errorf("due %s:\n%s", state, plan)
		}
		began := time.Now()
		const claims = 20
		for range claims {
			got, err := s.Claim(ctx, store.ClaimRequest{System: crm, Object: contacts, Max: 100, Owner: "w", Lease: long})
			ok(t, err)
			if len(got) != 100 {
				t.Fatalf("claimed %d rows, want 100", len(got))
			}
		}
		t.Logf("%s: %v per claim of 100 rows with %d queued", state, time.Since(began)/claims, queued)
	}
}

func TestResolvePlanUsesTheIndexes(t *testing.T) {
	s := registered(t, 0)
	exec(t, s, `INSERT INTO identity (identity_id, link, created_by) SELECT gen_random_uuid(), 'customers', 'test' FROM generate_series(1, 50000)`)
	exec(t, s, `INSERT INTO member (identity_id, system, object, record_id, state, created_by)
		SELECT identity_id, 'crm', 'contacts', 'C' || row_number() OVER (), 'active', 'test' FROM identity`)
	exec(t, s, `ANALYZE identity, member`)
	var records []string
	for n := range 100 {
		records = append(records, fmt.Sprint("C", n+1))
	}
	plan := explain(t, s, postgres.SQLResolve, crm, contacts, records, "w", long.Microseconds())
	for _, table := range []string{"identity", "member"} {
		if strings.Contains(plan, "Seq Scan on "+table) {
			t.Errorf("resolve of 100 records scans %s:\n%s", table, plan)
		}
	}
}

func explain(t *testing.T, s *postgres.Store, sql string, args ...any) string {
	t.Helper()
	rows, err := s.Pool().Query(ctx, "EXPLAIN "+sql, args...)
	ok(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	ok(t, err)
	return strings.Join(lines, "\n")
}

const (
	stressClients = 16
	stressTime    = 3 * time.Second
	stressRecords = 100
)

// Sixteen clients enqueue, claim, intend, beat and persist overlapping batches
// in any order: with every statement locking in key order there is no deadlock,
// let alone one that reaches a caller (3.3, 3.7).
func TestOverlappingBatchesDoNotDeadlock(t *testing.T) {
	s := registered(t, stressRecords)
	before := deadlocks(t, s)
	var commits atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(stressTime)
	for w := range stressClients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(w)))
			for round := 0; time.Now().Before(end); round++ {
				if err := churn(s, r, fmt.Sprintf("w%d.%d", w, round)); err != nil {
					t.Error(err)
					return
				}
				commits.Add(1)
			}
		})
	}
	wg.Wait()
	time.Sleep(100 * time.Millisecond) // statistics are flushed with a delay
	n := deadlocks(t, s) - before
	t.Logf("%d rounds of %d clients, %d deadlocks", commits.Load(), stressClients, n)
	if n != 0 {
		t.Errorf("%d deadlocks, want 0", n)
	}
}

// churn hints a random batch and works on another.
func churn(s *postgres.Store, r *rand.Rand, owner string) error {
	var hints []store.Hint
	for range 20 {
		hints = append(hints, store.Hint{System: crm, Object: contacts, RecordID: recordID(r.IntN(stressRecords)), Cause: "webhook"})
	}
	receipt := store.Receipt{System: crm, DeliveryKey: fmt.Sprint(r.IntN(50)), Events: len(hints), Hints: hints}
	other := store.Receipt{System: crm, DeliveryKey: fmt.Sprint(r.IntN(50))}
	if err := s.Receive(ctx, []store.Receipt{receipt, other}); err != nil {
		return err
	}
	cs, err := s.Claim(ctx, store.ClaimRequest{System: crm, Object: contacts, Max: 20, Owner: owner, Lease: long})
	if err != nil || len(cs) == 0 {
		return err
	}
	r.Shuffle(len(cs), func(a, b int) { cs[a], cs[b] = cs[b], cs[a] })
	p := store.Persist{Owner: owner}
	var intents []store.UpdateIntent
	var work []store.WorkRef
	var leases []store.LeaseRef
	for _, c := range cs {
		work = append(work, c.WorkRef)
		p.Work = append(p.Work, store.Finish{WorkRef: c.WorkRef, Disposition: store.Done})
		if c.Identity == nil || c.Identity.Epoch == 0 {
			continue
		}
		l := store.LeaseRef{ID: c.Identity.ID, Epoch: c.Identity.Epoch}
		leases = append(leases, l)
		confirm := store.Hint{System: crm, Object: contacts, RecordID: recordID(r.IntN(stressRecords)), Cause: "confirm"}
		intents = append(intents, store.UpdateIntent{IdentityID: l.ID, Epoch: l.Epoch, Link: link, System: crm, Confirm: &confirm})
		p.Identities = append(p.Identities, store.IdentityUpdate{LeaseRef: l, Link: link, SetKeys: true,
			Members: []store.MemberUpdate{{System: crm, Base: json.RawMessage(`{}`)}},
			Keys:    []store.KeyOf{{Key: mailKey(r), System: crm}, {Key: mailKey(r), System: crm}}})
	}
	if _, err := s.IntendUpdates(ctx, owner, intents); err != nil {
		return err
	}
	if kept, _, err := s.Heartbeat(ctx, owner, long, work, leases); err != nil || len(kept) != len(work) {
		return fmt.Errorf("heartbeat kept %d of %d rows: %w", len(kept), len(work), err)
	}
	_, err = s.Persist(ctx, p)
	return err
}

func mailKey(r *rand.Rand) store.Key {
	return store.Key{Kind: "email", Value: fmt.Sprint(r.IntN(stressRecords))}
}

// Claims with several colliding keys run against persists that move the same
// keys: one identity per record, one holder per key, and no error.
func TestClaimsWithCollidingKeysSettle(t *testing.T) {
	s := registered(t, stressRecords)
	before := deadlocks(t, s)
	var verdicts sync.Map
	var wg sync.WaitGroup
	end := time.Now().Add(stressTime)
	for w := range stressClients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(9, uint64(w)))
			for round := 0; time.Now().Before(end); round++ {
				owner := fmt.Sprintf("c%d.%d", w, round)
				if w%2 == 0 {
					if err := churn(s, r, owner); err != nil {
						t.Error(err)
						return
					}
					continue
				}
				var claims []store.NewIdentity
				for range 5 {
					c := newIdentity(1000+r.IntN(5000), mailKey(r), mailKey(r), mailKey(r))
					if r.IntN(3) == 0 {
						c.Source = store.NewMember{System: erp, Object: partners, RecordID: "E" + c.ID, Token: c.Source.Token}
						c.Targets = nil
					}
					claims = append(claims, c)
				}
				results, err := s.ClaimIdentities(ctx, owner, long, claims)
				if err != nil {
					t.Error(err)
					return
				}
				for _, r := range results {
					n, _ := verdicts.LoadOrStore(r.Verdict, new(atomic.Int64))
					n.(*atomic.Int64).Add(1)
				}
			}
		})
	}
	wg.Wait()
	verdicts.Range(func(v, n any) bool { t.Logf("%v: %d", v, n.(*atomic.Int64).Load()); return true })
	time.Sleep(100 * time.Millisecond)
	t.Logf("%d deadlocks, all repeated", deadlocks(t, s)-before)
	if n := one[int](t, s, `SELECT count(*) FROM identity i WHERE NOT EXISTS (SELECT 1 FROM member m WHERE m.identity_id=i.identity_id)`); n != 0 {
		t.Errorf("%d identities have no member", n)
	}
	if n := one[int](t, s, `SELECT count(*) FROM (SELECT FROM member WHERE token IS NOT NULL GROUP BY identity_id HAVING count(DISTINCT token) > 1) v`); n != 0 {
		t.Errorf("%d identities have two tokens", n)
	}
}

// Two equal ids in one answer: the violation costs only the second row, and the
// confirming hint comes for the first only (P1).
func TestBindFallsBackToSavepoints(t *testing.T) {
	s := registered(t, 3)
	confirm := &store.Hint{System: erp, Object: partners, RecordID: "E7", Cause: "confirm"}
	var bs []store.Binding
	for n, record := range []string{"E7", "E7", "E8"} {
		bs = append(bs, store.Binding{IdentityID: identityID(n), System: erp, Object: partners, RecordID: record, Confirm: confirm})
	}
	bound, err := s.Bind(ctx, bs)
	ok(t, err)
	if len(bound) != 2 || bound[0] != identityID(0) || bound[1] != identityID(2) {
		t.Fatalf("bound %v, want the first and the third", bound)
	}
}

// What a vendor says may hold anything: none of it fails a batch.
func TestOddTextIsKept(t *testing.T) {
	s := registered(t, 1)
	ok(t, s.Enqueue(ctx, []store.Hint{{System: crm, Object: contacts, RecordID: recordID(0), Cause: "web\x00hook", Trace: "\xff"}}))
	cs, err := s.Claim(ctx, store.ClaimRequest{System: crm, Object: contacts, Max: 1, Owner: "w", Lease: long})
	ok(t, err)
	odd := json.RawMessage(`{"b":"\u0000\ud800","a":1e999999, "b":2}`)
	_, err = s.Persist(ctx, store.Persist{Owner: "w",
		Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: cs[0].Identity.ID, Epoch: cs[0].Identity.Epoch},
			Members: []store.MemberUpdate{{System: crm, Base: odd, BaseVersion: "v\x00"}}}},
		Work: []store.Finish{{WorkRef: cs[0].WorkRef, Disposition: store.Parked, Reason: "odd", Error: strings.Repeat("é\x00\xff", 1000), Detail: odd}}})
	ok(t, err)
	i, err := s.Identity(ctx, identityID(0))
	ok(t, err)
	if got := i.Members[0].Base; string(got) != string(odd) {
		t.Fatalf("base %s, want it byte for byte: %s", got, odd)
	}
}

package lab

import (
	"context"
	"flag"
	"sync"
	"testing"
	"time"

	"syncd/store"
	"syncd/store/postgres"
	"syncd/store/postgres/pgtest"
)

var flagPostgres = flag.Int("postgres", defaultPostgres, "how many seeds TestPostgresSeeds plays")

// places gives every world an empty database in virtual time: one per world
// that is played at the same time, emptied for the next.
type places struct {
	t    *testing.T
	mu   sync.Mutex
	free []*place
}

// place is one database and its clock.
type place struct {
	dsn   string
	clock *pgtest.Clock
}

// onPostgres has worlds run on PostgreSQL.
func onPostgres(t *testing.T, o Options) Options {
	s := &places{t: t}
	o.Open = s.open
	return o
}

func (s *places) open(keyFingerprint string, now func() time.Time) (Database, error) {
	p, err := s.take(keyFingerprint, now)
	if err != nil {
		return nil, err
	}
	db, err := postgres.Open(context.Background(), p.dsn, postgres.Options{KeyFingerprint: keyFingerprint, Replica: "lab", MaxConns: 1})
	if err != nil {
		return nil, err
	}
	return &timely{db: db, now: now, clock: p.clock, after: func() { s.give(p) }}, nil
}

// take gives a migrated, empty database.
func (s *places) take(keyFingerprint string, now func() time.Time) (*place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		p := s.free[n-1]
		s.free = s.free[:n-1]
		if err := p.clock.Set(now()); err != nil {
			return nil, err
		}
		return p, p.clock.Empty(context.Background())
	}
	dsn, clock := pgtest.ClockedAlone(s.t, now())
	db, err := postgres.Open(context.Background(), dsn, postgres.Options{KeyFingerprint: keyFingerprint, MaxConns: 1})
	if err != nil {
		return nil, err
	}
	p := &place{dsn, clock}
	return p, db.Close()
}

func (s *places) give(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, p)
}

// timely is the PostgreSQL store: before each of its transactions the database
// is told what time it is in the world. A transaction is one step, so time
// stands still in it.
type timely struct {
	db    *postgres.Store
	now   func() time.Time
	clock *pgtest.Clock
	after func()
}

func (x *timely) told(run func() error) error {
	if err := x.clock.Set(x.now()); err != nil {
		return err
	}
	return run()
}

// gives is told for a call with one result.
func gives[T any](x *timely, run func() (T, error)) (out T, err error) {
	err = x.told(func() error { out, err = run(); return err })
	return out, err
}

func (x *timely) Close() error { defer x.after(); return x.db.Close() }

func (x *timely) Register(ctx context.Context, systems []store.SystemRow) error {
	return x.told(func() error { return x.db.Register(ctx, systems) })
}

func (x *timely) Receive(ctx context.Context, receipts []store.Receipt) error {
	return x.told(func() error { return x.db.Receive(ctx, receipts) })
}

func (x *timely) Enqueue(ctx context.Context, hints []store.Hint) error {
	return x.told(func() error { return x.db.Enqueue(ctx, hints) })
}

func (x *timely) Due(ctx context.Context, queues []store.Queue) ([]store.Queue, error) {
	return gives(x, func() ([]store.Queue, error) { return x.db.Due(ctx, queues) })
}

func (x *timely) Claim(ctx context.Context, r store.ClaimRequest) ([]store.Claimed, error) {
	return gives(x, func() ([]store.Claimed, error) { return x.db.Claim(ctx, r) })
}

func (x *timely) Lease(ctx context.Context, ids []string, owner string, ttl time.Duration) (got []*store.Identity, busy []string, err error) {
	err = x.told(func() error { got, busy, err = x.db.Lease(ctx, ids, owner, ttl); return err })
	return got, busy, err
}

func (x *timely) Past(ctx context.Context, system, object string, records []string) (map[string][]store.Past, error) {
	return gives(x, func() (map[string][]store.Past, error) { return x.db.Past(ctx, system, object, records) })
}

func (x *timely) Holders(ctx context.Context, system, object string, records []string) (map[string]string, error) {
	return gives(x, func() (map[string]string, error) { return x.db.Holders(ctx, system, object, records) })
}

func (x *timely) Referents(ctx context.Context, records []store.RecordRef, ids []string) ([]store.Referent, error) {
	return gives(x, func() ([]store.Referent, error) { return x.db.Referents(ctx, records, ids) })
}

func (x *timely) Heartbeat(ctx context.Context, owner string, ttl time.Duration, work []store.WorkRef, leases []store.LeaseRef) (w []store.WorkRef, l []store.LeaseRef, err error) {
	err = x.told(func() error { w, l, err = x.db.Heartbeat(ctx, owner, ttl, work, leases); return err })
	return w, l, err
}

func (x *timely) Drop(ctx context.Context, owner string) error {
	return x.told(func() error { return x.db.Drop(ctx, owner) })
}

func (x *timely) OpenCreates(ctx context.Context, system, object string) (at time.Time, open bool, err error) {
	err = x.told(func() error { at, open, err = x.db.OpenCreates(ctx, system, object); return err })
	return at, open, err
}

func (x *timely) SharedKeys(ctx context.Context, link string, keys []store.Key) ([]store.Key, error) {
	return gives(x, func() ([]store.Key, error) { return x.db.SharedKeys(ctx, link, keys) })
}

func (x *timely) ClaimIdentities(ctx context.Context, owner string, ttl time.Duration, claims []store.NewIdentity) ([]store.ClaimResult, error) {
	return gives(x, func() ([]store.ClaimResult, error) { return x.db.ClaimIdentities(ctx, owner, ttl, claims) })
}

func (x *timely) IntendUpdates(ctx context.Context, owner string, intents []store.UpdateIntent) ([]string, error) {
	return gives(x, func() ([]string, error) { return x.db.IntendUpdates(ctx, owner, intents) })
}

func (x *timely) IntendRemovals(ctx context.Context, owner string, intents []store.RemovalIntent) ([]string, error) {
	return gives(x, func() ([]string, error) { return x.db.IntendRemovals(ctx, owner, intents) })
}

func (x *timely) Removals(ctx context.Context, link string, within time.Duration, over int) (store.Removals, error) {
	return gives(x, func() (store.Removals, error) { return x.db.Removals(ctx, link, within, over) })
}

func (x *timely) CommitListing(ctx context.Context, page store.Listing, ttl time.Duration) error {
	return x.told(func() error { return x.db.CommitListing(ctx, page, ttl) })
}

func (x *timely) Unlisted(ctx context.Context, system, object string, pass int64, began time.Time, after string, limit int) ([]string, error) {
	return gives(x, func() ([]string, error) { return x.db.Unlisted(ctx, system, object, pass, began, after, limit) })
}

func (x *timely) IntendCreates(ctx context.Context, owner string, intents []store.CreateIntent) ([]string, error) {
	return gives(x, func() ([]string, error) { return x.db.IntendCreates(ctx, owner, intents) })
}

func (x *timely) TakeBack(ctx context.Context, sends []store.SendRef) error {
	return x.told(func() error { return x.db.TakeBack(ctx, sends) })
}

func (x *timely) Bind(ctx context.Context, bindings []store.Binding) ([]string, error) {
	return gives(x, func() ([]string, error) { return x.db.Bind(ctx, bindings) })
}

func (x *timely) Persist(ctx context.Context, p store.Persist) (store.Persisted, error) {
	return gives(x, func() (store.Persisted, error) { return x.db.Persist(ctx, p) })
}

func (x *timely) LeaseCursor(ctx context.Context, system, object, kind, owner string, ttl time.Duration) (c store.Cursor, ok bool, err error) {
	err = x.told(func() error { c, ok, err = x.db.LeaseCursor(ctx, system, object, kind, owner, ttl); return err })
	return c, ok, err
}

func (x *timely) CommitSweep(ctx context.Context, page store.SweepPage, ttl time.Duration) (int, error) {
	return gives(x, func() (int, error) { return x.db.CommitSweep(ctx, page, ttl) })
}

func (x *timely) ReleaseCursor(ctx context.Context, ref store.CursorRef) error {
	return x.told(func() error { return x.db.ReleaseCursor(ctx, ref) })
}

func (x *timely) Holds(ctx context.Context) ([]store.Hold, error) {
	return gives(x, func() ([]store.Hold, error) { return x.db.Holds(ctx) })
}

func (x *timely) CloseHold(ctx context.Context, h store.Hold) error {
	return x.told(func() error { return x.db.CloseHold(ctx, h) })
}

func (x *timely) ReleaseHold(ctx context.Context, system, link, what, reason, by string) error {
	return x.told(func() error { return x.db.ReleaseHold(ctx, system, link, what, reason, by) })
}

func (x *timely) Fence(ctx context.Context) (int64, error) {
	return gives(x, func() (int64, error) { return x.db.Fence(ctx) })
}

func (x *timely) Queues(ctx context.Context) ([]store.QueueStat, error) {
	return gives(x, func() ([]store.QueueStat, error) { return x.db.Queues(ctx) })
}

func (x *timely) Waiting(ctx context.Context, limit int) ([]store.WaitingRow, error) {
	return gives(x, func() ([]store.WaitingRow, error) { return x.db.Waiting(ctx, limit) })
}

func (x *timely) Trash(ctx context.Context, limit int) ([]store.TrashRow, error) {
	return gives(x, func() ([]store.TrashRow, error) { return x.db.Trash(ctx, limit) })
}

func (x *timely) Pairs(ctx context.Context, q store.PairQuery) ([]store.Pair, error) {
	return gives(x, func() ([]store.Pair, error) { return x.db.Pairs(ctx, q) })
}

func (x *timely) History(ctx context.Context, system, object, recordID string, limit int) ([]store.Entry, error) {
	return gives(x, func() ([]store.Entry, error) { return x.db.History(ctx, system, object, recordID, limit) })
}

func (x *timely) Identity(ctx context.Context, id string) (*store.Identity, error) {
	return gives(x, func() (*store.Identity, error) { return x.db.Identity(ctx, id) })
}

// TestPostgresSeeds plays seeds on the store of production, in virtual time.
func TestPostgresSeeds(t *testing.T) {
	o := onPostgres(t, options(t))
	if *flagSeed != 0 {
		playOne(t, o)
		return
	}
	began := time.Now()
	total, failed := playMany(t, o, *flagFrom, *flagPostgres)
	for i, r := range failed {
		if i < 10 {
			report(t, r)
		}
	}
	took := time.Since(began)
	t.Logf("lab store=postgres seeds=%d hours=%.0f crashes=%d faults=%d store_calls=%d duplicates=%d lost_edits=%d unconverged=%d failed_seeds=%d seeds_per_second=%.2f",
		total.Seeds, total.Hours, total.Crashes, total.Faults, total.StoreCalls, total.Duplicates, total.LostEdits, total.Unconverged, len(failed),
		float64(total.Seeds)/took.Seconds())
}

// TestSameSeedSameTraceOnPostgres: nothing but the seed decides there either.
func TestSameSeedSameTraceOnPostgres(t *testing.T) {
	playTwice(t, onPostgres(t, options(t)), 3)
}

func (x *timely) Erase(ctx context.Context, o store.Erasure) (store.Erased, error) {
	return gives(x, func() (store.Erased, error) { return x.db.Erase(ctx, o) })
}

func (x *timely) Tombstones(ctx context.Context, asked []store.Tombstone) (map[store.Tombstone]bool, error) {
	return gives(x, func() (map[store.Tombstone]bool, error) { return x.db.Tombstones(ctx, asked) })
}

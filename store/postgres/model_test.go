package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
	"syncd/store/postgres"
	"syncd/store/postgres/pgtest"
	"syncd/store/storetest"
)

// still is a store whose clock stands still unless it is moved, that can be
// closed and opened again, and that shows its inside.
type still struct {
	*postgres.Store
	t     *testing.T
	dsn   string
	clock *pgtest.Clock
}

func openStill(t *testing.T) storetest.Store {
	s := &still{t: t}
	s.dsn, s.clock = pgtest.Clocked(t, time.Unix(1_800_000_000, 0))
	if _, err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (s *still) Advance(d time.Duration) { ok(s.t, s.clock.Set(s.clock.Now().Add(d))) }

// Restart gives no lease back: other replicas may hold them.
func (s *still) Restart() (freed bool, err error) {
	if s.Store != nil {
		if err := s.Store.Close(); err != nil {
			return false, err
		}
	}
	s.Store, err = postgres.Open(ctx, s.dsn, postgres.Options{KeyFingerprint: "fp", Replica: "test", MaxConns: 2})
	return false, err
}

func (s *still) Inside(link, receipts string) (in storetest.Inside, err error) {
	in = storetest.Inside{Keys: map[store.Key]string{}, Leases: map[string]string{}, Receipts: map[string]int{}}
	var k store.Key
	var id, lease, key string
	var times int
	var b pgx.Batch
	each := func(sql, of string, into []any, take func()) {
		b.Queue(sql, of).Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, into, func() error { take(); return nil })
			return err
		})
	}
	each(`SELECT kind, value, identity_id::text || CASE WHEN shared THEN ' shared' ELSE '' END FROM match_key WHERE link=$1`, link,
		[]any{&k.Kind, &k.Value, &id}, func() { in.Keys[k] = id })
	each(`SELECT identity_id::text, lease_owner || ' ' || epoch FROM identity WHERE link=$1 AND lease_owner IS NOT NULL`, link,
		[]any{&id, &lease}, func() { in.Leases[id] = lease })
	each(`SELECT delivery_key, times FROM inbox WHERE delivery_key LIKE '%-' || $1`, receipts,
		[]any{&key, &times}, func() { in.Receipts[key] = times })
	return in, s.Pool().SendBatch(ctx, &b).Close()
}

func TestModel(t *testing.T)            { storetest.Model(t, openStill) }
func TestBatchesAreSerial(t *testing.T) { storetest.Serial(t, openStill) }

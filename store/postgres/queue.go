package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const (
	sqlReceive = `INSERT INTO inbox AS b (system, delivery_key, n_events)
SELECT r.system, r.delivery_key, max(r.n_events)
FROM unnest($1::text[], $2::text[], $3::int[]) AS r(system, delivery_key, n_events)
GROUP BY 1, 2 ORDER BY r.system COLLATE "C", r.delivery_key COLLATE "C"
ON CONFLICT (system, delivery_key) DO UPDATE SET times=b.times+1, last_at=clock_timestamp()`

	// The coalescing upsert of 3.3. GROUP BY: the same key twice in one
	// statement is an error. ORDER BY: two deliveries in opposite order would
	// deadlock. HAVING: our own mark on a known member with nothing open makes
	// no row (F25 layer 1). The trash: one attempt an hour at most (3.4).
	sqlEnqueue = `INSERT INTO work AS w (system, object, record_id, lane, hint_ver, hints, not_before, cause, delivery_key, trace, erase)
SELECT r.system, r.object, r.record_id, min(r.lane), max(r.hint_ver COLLATE "C"), count(*),
  GREATEST(clock_timestamp() + min(r.delay) * interval '1 microsecond',
    (SELECT max(t.at) + interval '1 hour' FROM trash t
     WHERE (t.system, t.object, t.record_id) = (r.system, r.object, r.record_id)
       AND t.resolved_at IS NULL AND t.at > clock_timestamp() - interval '1 hour')),
  (array_agg(r.cause ORDER BY r.n DESC))[1], (array_agg(r.delivery_key ORDER BY r.n DESC))[1],
  (array_agg(r.trace ORDER BY r.n DESC))[1], max(r.erase)
FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::bigint[], $7::text[], $8::text[],
            $9::text[], $10::boolean[], $11::text[]) WITH ORDINALITY
     AS r(system, object, record_id, lane, hint_ver, delay, cause, delivery_key, trace, own, erase, n)
GROUP BY r.system, r.object, r.record_id
HAVING NOT bool_and(r.own)
    OR EXISTS (SELECT 1 FROM work p WHERE (p.system, p.object, p.record_id) = (r.system, r.object, r.record_id))
    OR NOT EXISTS (SELECT 1 FROM member m WHERE (m.system, m.object, m.record_id) = (r.system, r.object, r.record_id)
                   AND m.state='active' AND m.intent IS NULL)
ORDER BY r.system COLLATE "C", r.object COLLATE "C", r.record_id COLLATE "C"
ON CONFLICT (system, object, record_id) DO UPDATE SET
  gen = w.gen+1, hints = w.hints+EXCLUDED.hints, lane = LEAST(w.lane, EXCLUDED.lane),
  hint_ver = GREATEST(w.hint_ver, EXCLUDED.hint_ver),
  cause = EXCLUDED.cause, delivery_key = EXCLUDED.delivery_key, trace = EXCLUDED.trace, erase = COALESCE(w.erase, EXCLUDED.erase),
  not_before = CASE WHEN w.owner IS NOT NULL OR w.attempts > 0 OR w.batch_cap IS NOT NULL THEN w.not_before
                    ELSE LEAST(w.not_before, EXCLUDED.not_before) END`
)

// Receive commits receipts and their hints in one transaction, the inbox
// before the work rows (lock order).
func (s *Store) Receive(ctx context.Context, receipts []store.Receipt) error {
	if len(receipts) == 0 {
		return nil
	}
	var systems, keys []string
	var events []int32
	var hints []store.Hint
	for _, r := range receipts {
		systems, keys, events = append(systems, clean(r.System)), append(keys, clean(r.DeliveryKey)), append(events, int32(r.Events))
		for _, h := range r.Hints {
			if h.DeliveryKey == "" {
				h.DeliveryKey = r.DeliveryKey
			}
			hints = append(hints, h)
		}
	}
	_, err := inTx(ctx, s, "receive", func(ctx context.Context, tx pgx.Tx) (none, error) {
		var b pgx.Batch
		b.Queue(sqlReceive, systems, keys, events)
		queueEnqueue(&b, hints)
		return none{}, send(ctx, tx, &b)
	})
	return err
}

// Enqueue is the coalescing upsert alone.
func (s *Store) Enqueue(ctx context.Context, hints []store.Hint) error {
	if len(hints) == 0 {
		return nil
	}
	_, err := inTx(ctx, s, "enqueue", func(ctx context.Context, tx pgx.Tx) (none, error) {
		var b pgx.Batch
		queueEnqueue(&b, hints)
		return none{}, send(ctx, tx, &b)
	})
	return err
}

// queueEnqueue adds the upsert to a batch. Work rows come last in every lock
// order, so it stands after all else.
func queueEnqueue(b *pgx.Batch, hints []store.Hint) {
	if len(hints) == 0 {
		return
	}
	n := len(hints)
	systems, objects, records := make([]string, n), make([]string, n), make([]string, n)
	lanes, delays, own := make([]int16, n), make([]int64, n), make([]bool, n)
	versions, keys, traces, causes := make([]*string, n), make([]*string, n), make([]*string, n), make([]string, n)
	erased := make([]*string, n)
	for i, h := range hints {
		systems[i], objects[i], records[i] = clean(h.System), clean(h.Object), clean(h.RecordID)
		lanes[i], delays[i], own[i] = int16(h.Lane), micros(h.Delay), h.Own && !h.Erased
		versions[i], keys[i], traces[i], causes[i] = orNull(h.Version), orNull(h.DeliveryKey), orNull(h.Trace), clean(h.Cause)
		if h.Erased {
			erased[i] = orNull(string(store.EraseAsked))
		}
	}
	b.Queue(sqlEnqueue, systems, objects, records, lanes, versions, delays, causes, keys, traces, own, erased)
}

const (
	sqlBeatLeasesLock = `SELECT 1 FROM identity i JOIN unnest($1::text[]::uuid[], $2::bigint[]) AS r(identity_id, epoch)
  USING (identity_id, epoch)
WHERE i.lease_owner=$3 ORDER BY i.identity_id FOR NO KEY UPDATE OF i`

	sqlBeatLeases = `UPDATE identity i SET lease_until=clock_timestamp() + $4::bigint * interval '1 microsecond'
FROM unnest($1::text[]::uuid[], $2::bigint[]) AS r(identity_id, epoch)
WHERE i.identity_id=r.identity_id AND i.epoch=r.epoch AND i.lease_owner=$3
RETURNING i.identity_id::text, i.epoch`

	sqlBeatWorkLock = `SELECT 1 FROM work w JOIN unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
  AS r(system, object, record_id, epoch) USING (system, object, record_id, epoch)
WHERE w.owner=$5 ORDER BY w.system, w.object, w.record_id FOR UPDATE OF w`

	sqlBeatWork = `UPDATE work w SET not_before=clock_timestamp() + $6::bigint * interval '1 microsecond'
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS r(system, object, record_id, epoch)
WHERE (w.system, w.object, w.record_id) = (r.system, r.object, r.record_id) AND w.epoch=r.epoch AND w.owner=$5
RETURNING w.system, w.object, w.record_id, w.epoch`
)

// Heartbeat prolongs what is still ours. Identities come before work (lock
// order), and each is locked in key order by a statement of its own: an UPDATE
// locks in the order of its plan.
func (s *Store) Heartbeat(ctx context.Context, owner string, ttl time.Duration, work []store.WorkRef, leases []store.LeaseRef) ([]store.WorkRef, []store.LeaseRef, error) {
	type kept struct {
		work   []store.WorkRef
		leases []store.LeaseRef
	}
	k, err := inTx(ctx, s, "heartbeat", func(ctx context.Context, tx pgx.Tx) (k kept, err error) {
		var b pgx.Batch
		if len(leases) > 0 {
			ids, epochs := leaseColumns(leases)
			b.Queue(sqlBeatLeasesLock, ids, epochs, owner)
			b.Queue(sqlBeatLeases, ids, epochs, owner, micros(ttl)).Query(func(rows pgx.Rows) (err error) {
				k.leases, err = pgx.CollectRows(rows, pgx.RowToStructByPos[store.LeaseRef])
				return err
			})
		}
		if len(work) > 0 {
			systems, objects, records, epochs := workColumns(work)
			b.Queue(sqlBeatWorkLock, systems, objects, records, epochs, owner)
			b.Queue(sqlBeatWork, systems, objects, records, epochs, owner, micros(ttl)).Query(func(rows pgx.Rows) (err error) {
				k.work, err = pgx.CollectRows(rows, pgx.RowToStructByPos[store.WorkRef])
				return err
			})
		}
		return k, send(ctx, tx, &b)
	})
	return inOrder(work, k.work), inOrder(leases, k.leases), err
}

// inOrder gives what was kept in the order that it was asked in.
func inOrder[T comparable](asked, kept []T) []T {
	has := make(map[T]bool, len(kept))
	for _, k := range kept {
		has[k] = true
	}
	var out []T
	for _, a := range asked {
		if has[a] {
			out = append(out, a)
		}
	}
	return out
}

func leaseColumns(refs []store.LeaseRef) (ids []string, epochs []int64) {
	for _, r := range refs {
		ids, epochs = append(ids, r.ID), append(epochs, r.Epoch)
	}
	return ids, epochs
}

func idsOf(refs []store.LeaseRef) []string {
	ids, _ := leaseColumns(refs)
	return ids
}

func workColumns(refs []store.WorkRef) (systems, objects, records []string, epochs []int64) {
	for _, r := range refs {
		systems, objects = append(systems, r.System), append(objects, r.Object)
		records, epochs = append(records, r.RecordID), append(epochs, r.Epoch)
	}
	return systems, objects, records, epochs
}

// A drain blames nobody: a row that was claimed alone gets its attempt back,
// and batch_cap is cleared (CORRECTNESS 4).
const (
	sqlDropLeasesLock = `SELECT 1 FROM identity WHERE lease_owner=$1 ORDER BY identity_id FOR NO KEY UPDATE`
	sqlDropLeases     = `UPDATE identity SET lease_owner=NULL, lease_until=NULL WHERE lease_owner=$1`
	sqlDropWorkLock   = `SELECT 1 FROM work WHERE owner=$1 ORDER BY system, object, record_id FOR UPDATE`
	sqlDropWork       = `UPDATE work SET owner=NULL, claimed_gen=NULL, batch_cap=NULL, batch=NULL,
  attempts=CASE WHEN batch=1 THEN GREATEST(attempts-1, 0) ELSE attempts END, not_before=clock_timestamp() WHERE owner=$1`
	sqlDropCursors = `UPDATE cursor SET owner=NULL, lease_until=NULL WHERE owner=$1`
)

// Drop gives back everything that an owner holds.
func (s *Store) Drop(ctx context.Context, owner string) error {
	_, err := inTx(ctx, s, "drop leases", func(ctx context.Context, tx pgx.Tx) (none, error) {
		var b pgx.Batch
		for _, sql := range []string{sqlDropLeasesLock, sqlDropLeases, sqlDropWorkLock, sqlDropWork, sqlDropCursors} {
			b.Queue(sql, owner)
		}
		return none{}, send(ctx, tx, &b)
	})
	return err
}

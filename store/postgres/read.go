package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const defaultLimit = 1000

// list runs a query and reads its rows.
func list[T any](ctx context.Context, s *Store, what string, read pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	return inTx(ctx, s, what, func(ctx context.Context, tx pgx.Tx) ([]T, error) {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, read)
	})
}

func limitOf(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return n
}

// A row whose lease has run out is due: nobody works on it.
const sqlQueues = `SELECT system, object, lane,
  count(*) FILTER (WHERE not_before <= now()),
  count(*) FILTER (WHERE not_before > now() AND not_before < 'infinity' AND owner IS NOT NULL),
  count(*) FILTER (WHERE not_before > now() AND not_before < 'infinity' AND owner IS NULL),
  count(*) FILTER (WHERE not_before = 'infinity'),
  min(first_hint) FILTER (WHERE not_before < 'infinity')
FROM work GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`

// Queues counts the rows of every queue that has any.
func (s *Store) Queues(ctx context.Context) ([]store.QueueStat, error) {
	return list(ctx, s, "count queues", func(row pgx.CollectableRow) (q store.QueueStat, err error) {
		var oldest *time.Time
		err = row.Scan(&q.System, &q.Object, (*int16)(&q.Lane), &q.Due, &q.Running, &q.Waiting, &q.Parked, &oldest)
		q.OldestDue = deref(oldest)
		return q, err
	}, sqlQueues)
}

const sqlWaiting = `SELECT system, object, record_id, attempts, not_before = 'infinity', last_error, detail::text, first_hint,
  NULLIF(not_before, 'infinity')
FROM work WHERE owner IS NULL AND last_error IS NOT NULL ORDER BY first_hint, system, object, record_id LIMIT $1`

// Waiting lists the queued rows that say why they wait, oldest first.
func (s *Store) Waiting(ctx context.Context, limit int) ([]store.WaitingRow, error) {
	return list(ctx, s, "list waiting rows", func(row pgx.CollectableRow) (w store.WaitingRow, err error) {
		var detail *string
		var notBefore *time.Time
		err = row.Scan(&w.System, &w.Object, &w.RecordID, &w.Attempts, &w.Parked, &w.Error, &detail, &w.FirstHint, &notBefore)
		w.Detail, w.NotBefore = raw(detail), deref(notBefore)
		return w, err
	}, sqlWaiting, limitOf(limit))
}

const sqlListTrash = `SELECT id, system, object, record_id, COALESCE(identity_id::text, ''), why, COALESCE(error, ''), COALESCE(attempts, 0),
  payload::text, at, resolved_at
FROM trash ORDER BY resolved_at IS NOT NULL, id DESC LIMIT $1`

// Trash lists the changes given up on: open ones first, newest first.
func (s *Store) Trash(ctx context.Context, limit int) ([]store.TrashRow, error) {
	return list(ctx, s, "list trash", func(row pgx.CollectableRow) (t store.TrashRow, err error) {
		var payload *string
		var resolved *time.Time
		err = row.Scan(&t.ID, &t.System, &t.Object, &t.RecordID, &t.IdentityID, &t.Why, &t.Error, &t.Attempts, &payload, &t.At, &resolved)
		t.Payload, t.ResolvedAt = raw(payload), deref(resolved)
		return t, err
	}, sqlListTrash, limitOf(limit))
}

const sqlPairs = `SELECT source_system, source_object, source_id, target_system, target_object, target_id, active,
  canonical_id::text, link, created_at, created_by, inactive_at, COALESCE(inactive_why, ''), COALESCE(inactive_cause, '')
FROM id_mapping
WHERE ($1 = '' OR link = $1) AND ($2 = '' OR source_system = $2) AND ($3 = '' OR source_id = $3) AND ($4 = '' OR target_system = $4)
ORDER BY canonical_id, source_system, target_system LIMIT $5`

// Pairs selects rows of the id_mapping view.
func (s *Store) Pairs(ctx context.Context, q store.PairQuery) ([]store.Pair, error) {
	return list(ctx, s, "list pairs", func(row pgx.CollectableRow) (p store.Pair, err error) {
		var ended *time.Time
		err = row.Scan(&p.SourceSystem, &p.SourceObject, &p.SourceID, &p.TargetSystem, &p.TargetObject, &p.TargetID, &p.Active,
			&p.CanonicalID, &p.Link, &p.CreatedAt, &p.CreatedBy, &ended, &p.InactiveWhy, &p.InactiveCause)
		p.InactiveAt = deref(ended)
		return p, err
	}, sqlPairs,
		q.Link, q.SourceSystem, q.SourceID, q.TargetSystem, limitOf(q.Limit))
}

const sqlListHistory = `SELECT at, COALESCE(identity_id::text, ''), system, object, record_id, cause, COALESCE(delivery_key, ''),
  COALESCE(trace, ''), action, fields::text, COALESCE(epoch, 0)
FROM history WHERE system=$1 AND object=$2 AND record_id=$3 ORDER BY id DESC LIMIT $4`

// History lists what was done to a record, newest first.
func (s *Store) History(ctx context.Context, system, object, recordID string, limit int) ([]store.Entry, error) {
	return list(ctx, s, "list history", func(row pgx.CollectableRow) (e store.Entry, err error) {
		var fields *string
		err = row.Scan(&e.At, &e.IdentityID, &e.System, &e.Object, &e.RecordID, &e.Cause, &e.DeliveryKey, &e.Trace, &e.Action, &fields, &e.Epoch)
		e.Fields = raw(fields)
		return e, err
	}, sqlListHistory, system, object, recordID, limitOf(limit))
}

// Identity reads an identity without a lease; nil if there is none.
func (s *Store) Identity(ctx context.Context, id string) (*store.Identity, error) {
	return inTx(ctx, s, "read identity", func(ctx context.Context, tx pgx.Tx) (*store.Identity, error) {
		all, err := identities(ctx, tx, []string{id})
		if err != nil || len(all) == 0 {
			return nil, err
		}
		all[0].Epoch = 0
		return all[0], nil
	})
}

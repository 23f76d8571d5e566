package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const (
	sqlNewRun = `INSERT INTO run (kind, link, config_rev, state, created_by) VALUES ($1, $2, $3, 'planning', $4) RETURNING id`
	sqlRunRow = `INSERT INTO run_row (run_id, n, identity_id, system, object, record_id, class) VALUES ($1, $2, $3::text::uuid, $4, $5, $6, $7)
ON CONFLICT DO NOTHING`
	sqlEndRun = `UPDATE run SET state=$2, report=COALESCE($3::text::json, report),
  finished_at=CASE WHEN $2 IN ('done','failed') THEN clock_timestamp() END WHERE id=$1`
	sqlRuns = `SELECT id, kind, COALESCE(link, ''), config_rev, state, report::text, created_at, created_by, applied_at, COALESCE(applied_by, '') FROM run
WHERE ($1::bigint = 0 OR id=$1) AND ($2 = '' OR state=$2) ORDER BY id DESC LIMIT $3`
	sqlRunDue     = `SELECT n, system, object, record_id FROM run_row WHERE run_id=$1 AND state='planned' ORDER BY n LIMIT $2 FOR UPDATE`
	sqlRunRowDone = `UPDATE run_row SET state='done' WHERE run_id=$1 AND n<=$2 AND state='planned'`
)

// NewRun begins a run.
func (s *Store) NewRun(ctx context.Context, r store.Run) (int64, error) {
	return inTx(ctx, s, "begin a run", func(ctx context.Context, tx pgx.Tx) (id int64, err error) {
		err = tx.QueryRow(ctx, sqlNewRun, r.Kind, orNull(r.Link), r.ConfigRev, clean(r.CreatedBy)).Scan(&id)
		return id, err
	})
}

// AddRunRows adds lines to a run's plan.
func (s *Store) AddRunRows(ctx context.Context, run int64, rows []store.RunRow) error {
	_, err := inTx(ctx, s, "add to a run", func(ctx context.Context, tx pgx.Tx) (none, error) {
		var b pgx.Batch
		for _, r := range rows {
			b.Queue(sqlRunRow, run, r.N, orNull(r.IdentityID), r.System, r.Object, r.RecordID, r.Class)
		}
		return none{}, send(ctx, tx, &b)
	})
	return err
}

// EndRun moves a run on.
func (s *Store) EndRun(ctx context.Context, r store.Run) error {
	_, err := inTx(ctx, s, "end a run", func(ctx context.Context, tx pgx.Tx) (none, error) {
		_, err := tx.Exec(ctx, sqlEndRun, r.ID, r.State, jsonOrNull(r.Report))
		return none{}, err
	})
	return err
}

// Runs lists runs, newest first.
func (s *Store) Runs(ctx context.Context, id int64, state string, limit int) ([]store.Run, error) {
	return list(ctx, s, "read runs", func(row pgx.CollectableRow) (r store.Run, err error) {
		var report *string
		var applied *time.Time
		err = row.Scan(&r.ID, &r.Kind, &r.Link, &r.ConfigRev, &r.State, &report, &r.CreatedAt, &r.CreatedBy, &applied, &r.AppliedBy)
		r.Report, r.AppliedAt = raw(report), deref(applied)
		return r, err
	}, sqlRuns, id, state, limitOf(limit))
}

// EnqueueRun enqueues the next records of a run: hints and the lines that gave
// them are one commit, so that a page is never half done.
func (s *Store) EnqueueRun(ctx context.Context, run int64, limit int, lane store.Lane, cause string) (int, error) {
	return inTx(ctx, s, "enqueue a run", func(ctx context.Context, tx pgx.Tx) (int, error) {
		rows, err := tx.Query(ctx, sqlRunDue, run, limit)
		if err != nil {
			return 0, err
		}
		var last int64
		hints, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Hint, error) {
			h := store.Hint{Lane: lane, Cause: cause}
			return h, row.Scan(&last, &h.System, &h.Object, &h.RecordID)
		})
		if err != nil || len(hints) == 0 {
			return 0, err
		}
		var b pgx.Batch
		b.Queue(sqlRunRowDone, run, last)
		queueEnqueue(&b, hints) // work comes last in every lock order
		return len(hints), send(ctx, tx, &b)
	})
}

const sqlIdentityIDs = `SELECT identity_id::text FROM identity WHERE link=$1 AND state='live' AND ($2 = '' OR identity_id > NULLIF($2, '')::uuid)
ORDER BY identity_id LIMIT $3`

// Identities pages through the living identities of a link, by id.
func (s *Store) Identities(ctx context.Context, link, after string, limit int) ([]*store.Identity, error) {
	return inTx(ctx, s, "page through identities", func(ctx context.Context, tx pgx.Tx) ([]*store.Identity, error) {
		ids, err := collect(ctx, tx, sqlIdentityIDs, link, after, limitOf(limit))
		if err != nil {
			return nil, err
		}
		all, err := identities(ctx, tx, ids)
		for _, i := range all {
			i.Epoch = 0
		}
		return all, err
	})
}

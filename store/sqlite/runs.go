package sqlite

import (
	"context"
	"database/sql"

	"syncd/store"
)

const (
	sqlNewRun = `INSERT INTO run (kind, link, config_rev, state, created_at, created_by) VALUES (?1, ?2, ?3, 'planning', ?4, ?5) RETURNING id`
	sqlRunRow = `INSERT INTO run_row (run_id, n, identity_id, system, object, record_id, class) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING`
	sqlEndRun = `UPDATE run SET state=?2, report=COALESCE(?3, report), finished_at=CASE WHEN ?2 IN ('done','failed') THEN ?4 END WHERE id=?1`
	sqlRuns   = `SELECT id, kind, COALESCE(link, ''), config_rev, state, report, created_at, created_by, applied_at, COALESCE(applied_by, '') FROM run
WHERE (?1=0 OR id=?1) AND (?2='' OR state=?2) ORDER BY id DESC LIMIT ?3`
	sqlRunDue     = `SELECT n, system, object, record_id FROM run_row WHERE run_id=?1 AND state='planned' ORDER BY n LIMIT ?2`
	sqlRunRowDone = `UPDATE run_row SET state='done' WHERE run_id=?1 AND n<=?2 AND state='planned'`
)

// NewRun implements the contract.
func (s *Store) NewRun(ctx context.Context, r store.Run) (id int64, err error) {
	err = s.write(ctx, "begin a run", func(t *tx) error {
		_, err := t.row(sqlNewRun, []any{r.Kind, text(r.Link), r.ConfigRev, t.now, r.CreatedBy}, &id)
		return err
	})
	return id, err
}

// AddRunRows implements the contract.
func (s *Store) AddRunRows(ctx context.Context, run int64, rows []store.RunRow) error {
	return s.write(ctx, "add to a run", func(t *tx) error {
		for _, r := range rows {
			if _, err := t.exec(sqlRunRow, run, r.N, text(r.IdentityID), r.System, r.Object, r.RecordID, r.Class); err != nil {
				return err
			}
		}
		return nil
	})
}

// EndRun implements the contract.
func (s *Store) EndRun(ctx context.Context, r store.Run) error {
	return s.write(ctx, "end a run", func(t *tx) error {
		_, err := t.exec(sqlEndRun, r.ID, r.State, raw(r.Report), t.now)
		return err
	})
}

// Runs implements the contract, newest first.
func (s *Store) Runs(ctx context.Context, id int64, state string, limit int) ([]store.Run, error) {
	var out []store.Run
	err := s.read(ctx, "read runs", sqlRuns, func(rows *sql.Rows) error {
		var r store.Run
		var report sql.NullString
		var made, applied sql.NullInt64
		err := rows.Scan(&r.ID, &r.Kind, &r.Link, &r.ConfigRev, &r.State, &report, &made, &r.CreatedBy, &applied, &r.AppliedBy)
		r.Report, r.CreatedAt, r.AppliedAt = rawOf(report), at(made), at(applied)
		out = append(out, r)
		return err
	}, id, state, limit)
	return out, err
}

// EnqueueRun implements the contract: hints and the lines that gave them are one
// commit, so that a page is never half done.
func (s *Store) EnqueueRun(ctx context.Context, run int64, limit int, lane store.Lane, cause string) (n int, err error) {
	err = s.write(ctx, "enqueue a run", func(t *tx) error {
		var hints []store.Hint
		var last int64
		err := t.query(sqlRunDue, func(r *sql.Rows) error {
			h := store.Hint{Lane: lane, Cause: cause}
			err := r.Scan(&last, &h.System, &h.Object, &h.RecordID)
			hints = append(hints, h)
			return err
		}, run, limit)
		if n = len(hints); err != nil || n == 0 {
			return orNothing(err)
		}
		if err := t.enqueue(hints); err != nil {
			return err
		}
		_, err = t.exec(sqlRunRowDone, run, last)
		return err
	})
	return n, err
}

const sqlIdentitiesOf = `SELECT ` + sqlMember + ` FROM identity i JOIN member o ON o.identity_id=i.identity_id
WHERE i.identity_id IN (SELECT identity_id FROM identity WHERE link=?1 AND state='live' AND identity_id>?2 ORDER BY identity_id LIMIT ?3)
ORDER BY i.identity_id, o.system`

// Identities implements the contract.
func (s *Store) Identities(ctx context.Context, link, after string, limit int) ([]*store.Identity, error) {
	ids := identities{}
	var order []*store.Identity
	err := s.read(ctx, "page through identities", sqlIdentitiesOf, func(rows *sql.Rows) error {
		before := len(ids)
		i, err := ids.scan(rows)
		if len(ids) > before {
			order = append(order, i)
		}
		return err
	}, link, after, limit)
	return order, err
}

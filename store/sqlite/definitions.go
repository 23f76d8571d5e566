package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"syncd/store"
)

const (
	sqlColumns = `SELECT link, system, object, field, type, read_only, gone, times_gone FROM link_column ORDER BY link, system, object, field`
	// A column is counted once for each time that it comes back, however many look.
	sqlKeepColumn = `INSERT INTO link_column AS c (link, system, object, field, type, read_only, gone, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (link, system, object, field) DO UPDATE SET gone=excluded.gone, times_gone=times_gone+c.gone, since=excluded.since
WHERE c.gone <> excluded.gone`
	sqlTakeUpColumn = `INSERT INTO link_column AS c (link, system, object, field, type, read_only, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (link, system, object, field) DO UPDATE SET type=excluded.type, read_only=excluded.read_only, since=excluded.since`
)

// Columns implements the contract.
func (s *Store) Columns(ctx context.Context) ([]store.LinkColumn, error) {
	var cs []store.LinkColumn
	err := s.read(ctx, "read columns", sqlColumns, func(rows *sql.Rows) error {
		var c store.LinkColumn
		err := rows.Scan(&c.Link, &c.System, &c.Object, &c.Field, &c.Type, &c.ReadOnly, &c.Gone, &c.TimesGone)
		cs = append(cs, c)
		return err
	})
	return cs, err
}

// KeepColumns implements the contract.
func (s *Store) KeepColumns(ctx context.Context, columns []store.LinkColumn) error {
	return s.write(ctx, "keep columns", func(t *tx) error {
		for _, c := range columns {
			if _, err := t.exec(sqlKeepColumn, c.Link, c.System, c.Object, c.Field, c.Type, c.ReadOnly, c.Gone, t.now); err != nil {
				return err
			}
		}
		return nil
	})
}

const (
	sqlDefinitions = `SELECT link, field, rev, superseded, COALESCE(run_id, 0), applied_at, applied_by FROM field_rev ORDER BY link, field`
	sqlHasForce    = `SELECT 1 FROM field_rev WHERE link=?1 LIMIT 1`
	sqlPutInForce  = `INSERT INTO field_rev AS f (link, field, rev, run_id, applied_at, applied_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (link, field) DO UPDATE SET rev=excluded.rev, run_id=excluded.run_id, applied_at=excluded.applied_at, applied_by=excluded.applied_by,
  superseded=replace(' '||f.superseded||' '||f.rev||' ', ' '||excluded.rev||' ', ' ')
WHERE f.rev <> excluded.rev`
	sqlApplyRun = `UPDATE run SET state='applying', applied_at=?3, applied_by=?4 WHERE id=?1 AND state='planned' AND config_rev=?2`
)

// Definitions implements the contract.
func (s *Store) Definitions(ctx context.Context) ([]store.Definition, error) {
	var ds []store.Definition
	err := s.read(ctx, "read definitions", sqlDefinitions, func(rows *sql.Rows) error {
		var d store.Definition
		var superseded string
		var when sql.NullInt64
		err := rows.Scan(&d.Link, &d.Field, &d.Rev, &superseded, &d.RunID, &when, &d.AppliedBy)
		d.AppliedAt, d.Superseded = at(when), strings.Fields(superseded)
		ds = append(ds, d)
		return err
	})
	return ds, err
}

// PutInForce implements the contract.
func (s *Store) PutInForce(ctx context.Context, f store.InForce) (done bool, err error) {
	err = s.write(ctx, "put definitions in force", func(t *tx) error {
		done = false
		if f.First {
			has, err := t.row(sqlHasForce, []any{f.Link}, new(int))
			if err != nil {
				return err
			}
			if has {
				return errNothing
			}
		}
		var run any
		if f.RunID != 0 {
			run = f.RunID
			n, err := t.exec(sqlApplyRun, f.RunID, f.ConfigRev, t.now, f.Audit.Actor)
			if err != nil {
				return err
			}
			if n == 0 {
				return store.ErrStale
			}
		}
		for field, rev := range f.Revs {
			if _, err := t.exec(sqlPutInForce, f.Link, field, rev, run, t.now, f.Audit.Actor); err != nil {
				return err
			}
		}
		for _, c := range f.Columns {
			if _, err := t.exec(sqlTakeUpColumn, c.Link, c.System, c.Object, c.Field, c.Type, c.ReadOnly, t.now); err != nil {
				return err
			}
		}
		done = true
		return t.audit(f.Audit)
	})
	return done, err
}

const (
	sqlDescribed = `SELECT system, object, fingerprint, at FROM described ORDER BY system, object`
	sqlDescribe  = `INSERT INTO described (system, object, fingerprint, at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (system, object) DO UPDATE SET fingerprint=excluded.fingerprint, at=excluded.at`
)

// Described implements the contract.
func (s *Store) Described(ctx context.Context) ([]store.Description, error) {
	var ds []store.Description
	err := s.read(ctx, "read descriptions", sqlDescribed, func(rows *sql.Rows) error {
		var d store.Description
		var when sql.NullInt64
		err := rows.Scan(&d.System, &d.Object, &d.Fingerprint, &when)
		d.At = at(when)
		ds = append(ds, d)
		return err
	})
	return ds, err
}

// Describe implements the contract.
func (s *Store) Describe(ctx context.Context, ds []store.Description) error {
	return s.write(ctx, "keep descriptions", func(t *tx) error {
		for _, d := range ds {
			if _, err := t.exec(sqlDescribe, d.System, d.Object, d.Fingerprint, t.now); err != nil {
				return err
			}
		}
		return nil
	})
}

// One record of each identity will do, and it has to be one whose side waits: another
// may hold nothing new and be taken for an echo.
const sqlSuspended = `SELECT m.system, m.object, m.record_id FROM (
  SELECT f.identity_id, min(f.system) AS system FROM field_state f JOIN member o ON o.identity_id=f.identity_id AND o.system=f.system
  WHERE f.state='suspended' AND f.field IN (SELECT value FROM json_each(?2)) AND f.system IN (SELECT value FROM json_each(?3)) AND o.state='active'
  GROUP BY f.identity_id) w
JOIN identity i ON i.identity_id=w.identity_id AND i.link=?1 AND i.state='live'
JOIN member m ON m.identity_id=w.identity_id AND m.system=w.system`

// WakeSuspended implements the contract.
func (s *Store) WakeSuspended(ctx context.Context, link string, rows, systems []string, lane store.Lane, cause string) (n int, err error) {
	names, err := list(rows)
	if err != nil {
		return 0, err
	}
	heard, err := list(systems)
	if err != nil {
		return 0, err
	}
	err = s.write(ctx, "wake suspended pairs", func(t *tx) error {
		var hints []store.Hint
		err := t.query(sqlSuspended, func(r *sql.Rows) error {
			h := store.Hint{Lane: lane, Cause: cause}
			err := r.Scan(&h.System, &h.Object, &h.RecordID)
			hints = append(hints, h)
			return err
		}, link, names, heard)
		if n = len(hints); err != nil || n == 0 {
			return orNothing(err)
		}
		for part := range slices.Chunk(hints, wakeChunk) {
			if err := t.enqueue(part); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// wakeChunk bounds the hints of one statement.
const wakeChunk = 1000

// orNothing ends a transaction without a commit where nothing went wrong.
func orNothing(err error) error {
	if err == nil {
		return errNothing
	}
	return err
}

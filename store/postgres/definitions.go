package postgres

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const (
	sqlColumns = `SELECT link, system, object, field, type, read_only, gone, times_gone FROM link_column ORDER BY link, system, object, field`
	// A column is counted once for each time that it comes back, however many look.
	sqlKeepColumn = `INSERT INTO link_column AS c (link, system, object, field, type, read_only, gone) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (link, system, object, field) DO UPDATE SET gone=EXCLUDED.gone, times_gone=c.times_gone + c.gone::int, since=clock_timestamp()
WHERE c.gone <> EXCLUDED.gone`
	sqlTakeUpColumn = `INSERT INTO link_column AS c (link, system, object, field, type, read_only) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (link, system, object, field) DO UPDATE SET type=EXCLUDED.type, read_only=EXCLUDED.read_only, since=clock_timestamp()`
)

// Columns lists the columns that links run with.
func (s *Store) Columns(ctx context.Context) ([]store.LinkColumn, error) {
	return list(ctx, s, "read columns", func(row pgx.CollectableRow) (c store.LinkColumn, err error) {
		err = row.Scan(&c.Link, &c.System, &c.Object, &c.Field, &c.Type, &c.ReadOnly, &c.Gone, &c.TimesGone)
		return c, err
	}, sqlColumns)
}

// KeepColumns takes up new columns, and notes which of the known are missing now.
func (s *Store) KeepColumns(ctx context.Context, columns []store.LinkColumn) error {
	_, err := inTx(ctx, s, "keep columns", func(ctx context.Context, tx pgx.Tx) (none, error) {
		var b pgx.Batch
		for _, c := range columnsInOrder(columns) {
			b.Queue(sqlKeepColumn, c.Link, c.System, c.Object, c.Field, c.Type, c.ReadOnly, c.Gone)
		}
		return none{}, send(ctx, tx, &b)
	})
	return err
}

// columnsInOrder is the order of locks.
func columnsInOrder(columns []store.LinkColumn) []store.LinkColumn {
	key := func(c store.LinkColumn) string {
		return strings.Join([]string{c.Link, c.System, c.Object, c.Field}, "\x00")
	}
	return slices.SortedFunc(slices.Values(columns), func(a, b store.LinkColumn) int { return strings.Compare(key(a), key(b)) })
}

const (
	sqlDefinitions = `SELECT link, field, rev, superseded, COALESCE(run_id, 0), applied_at, applied_by FROM field_rev ORDER BY link, field`
	sqlHasForce    = `SELECT count(*) FROM field_rev WHERE link=$1`
	// Two replicas that start at once put the same in force; one of them is first.
	sqlForceLock  = `SELECT pg_advisory_xact_lock(hashtextextended('definitions ' || $1, 0))`
	sqlPutInForce = `INSERT INTO field_rev AS f (link, field, rev, run_id, applied_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (link, field) DO UPDATE SET rev=EXCLUDED.rev, run_id=EXCLUDED.run_id, applied_at=clock_timestamp(), applied_by=EXCLUDED.applied_by,
  superseded=replace(' ' || f.superseded || ' ' || f.rev || ' ', ' ' || EXCLUDED.rev || ' ', ' ')
WHERE f.rev <> EXCLUDED.rev`
	sqlApplyRun = `UPDATE run SET state='applying', applied_at=clock_timestamp(), applied_by=$3 WHERE id=$1 AND state='planned' AND config_rev=$2`
)

// Definitions lists the definitions in force.
func (s *Store) Definitions(ctx context.Context) ([]store.Definition, error) {
	return list(ctx, s, "read definitions", func(row pgx.CollectableRow) (d store.Definition, err error) {
		var superseded string
		err = row.Scan(&d.Link, &d.Field, &d.Rev, &superseded, &d.RunID, &d.AppliedAt, &d.AppliedBy)
		d.Superseded = strings.Fields(superseded)
		return d, err
	}, sqlDefinitions)
}

// PutInForce puts definitions in force; false if they were to be the first and
// are not.
func (s *Store) PutInForce(ctx context.Context, f store.InForce) (bool, error) {
	return inTx(ctx, s, "put definitions in force", func(ctx context.Context, tx pgx.Tx) (bool, error) {
		if _, err := tx.Exec(ctx, sqlForceLock, f.Link); err != nil {
			return false, err
		}
		if f.First {
			var n int
			if err := tx.QueryRow(ctx, sqlHasForce, f.Link).Scan(&n); err != nil || n > 0 {
				return false, err
			}
		}
		var run *int64
		if f.RunID != 0 {
			run = &f.RunID
			done, err := tx.Exec(ctx, sqlApplyRun, f.RunID, f.ConfigRev, clean(f.Audit.Actor))
			if err != nil {
				return false, err
			}
			if done.RowsAffected() == 0 {
				return false, store.ErrStale
			}
		}
		var b pgx.Batch
		for _, field := range slices.Sorted(maps.Keys(f.Revs)) {
			b.Queue(sqlPutInForce, f.Link, field, f.Revs[field], run, clean(f.Audit.Actor))
		}
		for _, c := range columnsInOrder(f.Columns) {
			b.Queue(sqlTakeUpColumn, c.Link, c.System, c.Object, c.Field, c.Type, c.ReadOnly)
		}
		if err := send(ctx, tx, &b); err != nil {
			return false, err
		}
		return true, audit(ctx, tx, f.Audit)
	})
}

const (
	sqlDescribed = `SELECT system, object, fingerprint, at FROM described ORDER BY system, object`
	sqlDescribe  = `INSERT INTO described (system, object, fingerprint) VALUES ($1, $2, $3)
ON CONFLICT (system, object) DO UPDATE SET fingerprint=EXCLUDED.fingerprint, at=clock_timestamp()`
)

// Described lists what the objects looked like when they were asked last.
func (s *Store) Described(ctx context.Context) ([]store.Description, error) {
	return list(ctx, s, "read descriptions", pgx.RowToStructByPos[store.Description], sqlDescribed)
}

// Describe keeps what objects look like.
func (s *Store) Describe(ctx context.Context, ds []store.Description) error {
	_, err := inTx(ctx, s, "keep descriptions", func(ctx context.Context, tx pgx.Tx) (none, error) {
		var b pgx.Batch
		for _, d := range slices.SortedFunc(slices.Values(ds), func(a, b store.Description) int {
			return strings.Compare(a.System+"\x00"+a.Object, b.System+"\x00"+b.Object)
		}) {
			b.Queue(sqlDescribe, d.System, d.Object, d.Fingerprint)
		}
		return none{}, send(ctx, tx, &b)
	})
	return err
}

// One record of each identity will do, and it has to be one whose side waits: another
// may hold nothing new and be taken for an echo.
const sqlSuspended = `SELECT m.system, m.object, m.record_id FROM (
  SELECT f.identity_id, min(f.system) AS system FROM field_state f JOIN member o USING (identity_id, system)
  WHERE f.state='suspended' AND f.field = ANY($2::text[]) AND f.system = ANY($3::text[]) AND o.state='active'
  GROUP BY f.identity_id) w
JOIN identity i ON i.identity_id=w.identity_id AND i.link=$1 AND i.state='live'
JOIN member m ON m.identity_id=w.identity_id AND m.system=w.system ORDER BY 1, 2, 3`

// WakeSuspended enqueues the pairs of a link that have one of the rows suspended.
func (s *Store) WakeSuspended(ctx context.Context, link string, rows, systems []string, lane store.Lane, cause string) (int, error) {
	hints, err := list(ctx, s, "find suspended pairs", func(row pgx.CollectableRow) (store.Hint, error) {
		h := store.Hint{Lane: lane, Cause: cause}
		return h, row.Scan(&h.System, &h.Object, &h.RecordID)
	}, sqlSuspended, link, rows, systems)
	if err != nil {
		return 0, err
	}
	for part := range slices.Chunk(hints, wakeChunk) {
		if err := s.Enqueue(ctx, part); err != nil {
			return 0, err
		}
	}
	return len(hints), nil
}

// wakeChunk bounds the hints of one transaction.
const wakeChunk = 1000

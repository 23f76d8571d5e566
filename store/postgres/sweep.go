package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const (
	sqlLeaseCursor = `INSERT INTO cursor AS c (system, object, kind, epoch, owner, lease_until)
VALUES ($1, $2, $3, nextval('fence'), $4, clock_timestamp() + $5::bigint * interval '1 microsecond')
ON CONFLICT (system, object, kind) DO UPDATE SET epoch=EXCLUDED.epoch, owner=EXCLUDED.owner, lease_until=EXCLUDED.lease_until
WHERE c.lease_until IS NULL OR c.owner=EXCLUDED.owner OR c.lease_until < clock_timestamp()
RETURNING c.pos::text, c.epoch, clock_timestamp()`

	sqlSaveCursor = `UPDATE cursor SET pos=$5::text::json, lease_until=clock_timestamp() + $6::bigint * interval '1 microsecond'
WHERE system=$1 AND object=$2 AND kind=$3 AND epoch=$4 AND owner IS NOT NULL`

	sqlReleaseCursor = `UPDATE cursor SET owner=NULL, lease_until=NULL WHERE system=$1 AND object=$2 AND kind=$3 AND epoch=$4`

	sqlLockSeen = `SELECT record_id FROM seen JOIN unnest($3::text[], $4::text[]) AS r(record_id, mark) USING (record_id)
WHERE system=$1 AND object=$2 AND ver=r.mark ORDER BY record_id FOR UPDATE OF seen`

	sqlSeen = `INSERT INTO seen AS s (system, object, record_id, birth, ver, last_seen)
SELECT $1, $2, r.record_id, r.birth, r.mark, clock_timestamp()
FROM unnest($3::text[], $4::text[], $5::text[]) AS r(record_id, mark, birth) ORDER BY r.record_id COLLATE "C"
ON CONFLICT (system, object, record_id) DO UPDATE SET ver=EXCLUDED.ver, birth=COALESCE(EXCLUDED.birth, s.birth),
  last_seen=EXCLUDED.last_seen, gone_at=NULL`
)

// LeaseCursor takes a sweep's cursor. Its holder gets it again, under a new
// epoch: a sweep of the same daemon that hangs is a zombie and is fenced.
func (s *Store) LeaseCursor(ctx context.Context, system, object, kind, owner string, ttl time.Duration) (store.Cursor, bool, error) {
	c, err := inTx(ctx, s, "lease cursor", func(ctx context.Context, tx pgx.Tx) (c store.Cursor, err error) {
		var pos *string
		err = tx.QueryRow(ctx, sqlLeaseCursor, system, object, kind, owner, micros(ttl)).Scan(&pos, &c.Epoch, &c.At)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.Cursor{}, nil
		}
		c.Pos = raw(pos)
		return c, err
	})
	return c, c.Epoch != 0, err
}

// CommitSweep commits a page under the cursor's fence and returns how many
// hints it made: one for each record whose mark is not the one seen last.
func (s *Store) CommitSweep(ctx context.Context, page store.SweepPage, ttl time.Duration) (int, error) {
	rows := newest(page.Rows)
	records, marks, births := make([]string, len(rows)), make([]string, len(rows)), make([]*string, len(rows))
	for n, r := range rows {
		records[n], marks[n], births[n] = clean(r.RecordID), clean(r.Mark), orNull(r.Birth)
	}
	return inTx(ctx, s, "commit sweep", func(ctx context.Context, tx pgx.Tx) (int, error) {
		tag, err := tx.Exec(ctx, sqlSaveCursor, page.System, page.Object, page.Kind, page.Epoch, jsonOrNull(page.Pos), micros(ttl))
		if err != nil {
			return 0, err
		}
		if tag.RowsAffected() == 0 {
			return 0, store.ErrFenced
		}
		if len(rows) == 0 {
			return 0, nil
		}
		same, err := collect(ctx, tx, sqlLockSeen, page.System, page.Object, records, marks)
		if err != nil {
			return 0, err
		}
		hints := hintsOf(page, rows, setOf(same))
		var b pgx.Batch
		b.Queue(sqlSeen, page.System, page.Object, records, marks, births)
		queueEnqueue(&b, hints)
		return len(hints), send(ctx, tx, &b)
	})
}

// newest keeps the last row of each record: a page of a moving list may show
// one twice.
func newest(rows []store.SeenRow) []store.SeenRow {
	at := make(map[string]int, len(rows))
	var out []store.SeenRow
	for _, r := range rows {
		if n, again := at[r.RecordID]; again {
			out[n] = r
			continue
		}
		at[r.RecordID] = len(out)
		out = append(out, r)
	}
	return out
}

func hintsOf(page store.SweepPage, rows []store.SeenRow, same map[string]bool) []store.Hint {
	var hints []store.Hint
	for _, r := range rows {
		if !same[clean(r.RecordID)] {
			hints = append(hints, store.Hint{System: page.System, Object: page.Object, RecordID: r.RecordID, Lane: page.Lane,
				Version: r.Version, Cause: page.Cause, Trace: page.Trace})
		}
	}
	return hints
}

// ReleaseCursor gives a cursor back; one that was taken over stays where it is.
func (s *Store) ReleaseCursor(ctx context.Context, ref store.CursorRef) error {
	_, err := inTx(ctx, s, "release cursor", func(ctx context.Context, tx pgx.Tx) (none, error) {
		_, err := tx.Exec(ctx, sqlReleaseCursor, ref.System, ref.Object, ref.Kind, ref.Epoch)
		return none{}, err
	})
	return err
}

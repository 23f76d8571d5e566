package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"syncd/store"
)

const (
	sqlNewCursor   = `INSERT INTO cursor (system, object, kind) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING`
	sqlLeaseCursor = `UPDATE cursor SET epoch=?4, owner=?5, lease_until=?6+?7
WHERE system=?1 AND object=?2 AND kind=?3 AND (owner IS NULL OR owner=?5 OR lease_until < ?6) RETURNING pos`
)

// LeaseCursor implements the contract.
func (s *Store) LeaseCursor(ctx context.Context, system, object, kind, owner string, ttl time.Duration) (store.Cursor, bool, error) {
	var c store.Cursor
	ok := false
	err := s.write(ctx, "lease cursor", func(t *tx) error {
		epoch, err := t.fence()
		if err != nil {
			return err
		}
		if _, err := t.exec(sqlNewCursor, system, object, kind); err != nil {
			return err
		}
		var pos sql.NullString
		ok, err = t.row(sqlLeaseCursor, []any{system, object, kind, epoch, owner, t.now, ms(ttl)}, &pos)
		if err == nil && !ok {
			return errNothing
		}
		c = store.Cursor{Pos: rawOf(pos), Epoch: epoch, At: time.UnixMilli(t.now).UTC()}
		return err
	})
	if err != nil || !ok {
		return store.Cursor{}, false, err
	}
	return c, true, nil
}

const (
	sqlSavePos = `UPDATE cursor SET pos=?5, lease_until=?6 WHERE system=?1 AND object=?2 AND kind=?3 AND epoch=?4 AND owner IS NOT NULL`
	// sqlUnseen gives the rows of a page whose mark is new, in their order.
	sqlUnseen = `SELECT r.key FROM json_each(?3) r LEFT JOIN seen s ON s.system=?1 AND s.object=?2 AND s.record_id=r.value->>0
WHERE s.ver IS NOT r.value->>1 ORDER BY r.key`
	sqlSeen = `INSERT INTO seen AS s (system, object, record_id, ver, birth, last_seen)
SELECT ?1, ?2, value->>0, value->>1, value->>2, ?4 FROM json_each(?3) WHERE true
ON CONFLICT (system, object, record_id) DO UPDATE SET ver=excluded.ver, birth=COALESCE(excluded.birth, s.birth),
  last_seen=excluded.last_seen, gone_at=NULL`
)

// CommitSweep implements the contract: hints, marks and position are one
// commit under the cursor's fence, so a page is never half done.
func (s *Store) CommitSweep(ctx context.Context, page store.SweepPage, ttl time.Duration) (int, error) {
	rows, arg, err := marks(page.Rows)
	if err != nil {
		return 0, err
	}
	var hints []store.Hint
	err = s.write(ctx, fmt.Sprintf("commit sweep of %s/%s", page.System, page.Object), func(t *tx) error {
		hints = nil
		n, err := t.exec(sqlSavePos, page.System, page.Object, page.Kind, page.Epoch, raw(page.Pos), t.now+ms(ttl))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrFenced
		}
		err = t.query(sqlUnseen, func(r *sql.Rows) error {
			var n int
			if err := r.Scan(&n); err != nil {
				return err
			}
			hints = append(hints, store.Hint{System: page.System, Object: page.Object, RecordID: rows[n].RecordID, Lane: page.Lane,
				Version: rows[n].Version, Cause: page.Cause, Trace: page.Trace})
			return nil
		}, page.System, page.Object, arg)
		if err != nil {
			return err
		}
		if _, err := t.exec(sqlSeen, page.System, page.Object, arg, t.now); err != nil {
			return err
		}
		return t.enqueue(hints)
	})
	if err != nil {
		return 0, err
	}
	return len(hints), nil
}

// marks drops all but the last row of a record that a page names twice.
func marks(page []store.SeenRow) ([]store.SeenRow, string, error) {
	last := map[string]int{}
	for n, r := range page {
		last[r.RecordID] = n
	}
	var rows []store.SeenRow
	var lines [][3]any
	for n, r := range page {
		if last[r.RecordID] == n {
			rows = append(rows, r)
			lines = append(lines, [3]any{r.RecordID, r.Mark, text(r.Birth)})
		}
	}
	arg, err := json.Marshal(lines)
	if lines == nil {
		arg = []byte("[]")
	}
	return rows, string(arg), err
}

const sqlReleaseCursor = `UPDATE cursor SET owner=NULL, lease_until=NULL WHERE system=?1 AND object=?2 AND kind=?3 AND epoch=?4`

// ReleaseCursor implements the contract; another's lease stays.
func (s *Store) ReleaseCursor(ctx context.Context, ref store.CursorRef) error {
	return s.write(ctx, "release cursor", func(t *tx) error {
		_, err := t.exec(sqlReleaseCursor, ref.System, ref.Object, ref.Kind, ref.Epoch)
		return err
	})
}

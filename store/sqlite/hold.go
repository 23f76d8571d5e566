package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"syncd/store"
)

const (
	sqlSystem = `INSERT INTO system AS s (system, kind, tenant_fp) VALUES (?1, ?2, ?3)
ON CONFLICT (system) DO UPDATE SET kind=excluded.kind, tenant_fp=COALESCE(s.tenant_fp, excluded.tenant_fp)
WHERE s.tenant_fp IS NULL OR excluded.tenant_fp IS NULL OR s.tenant_fp=excluded.tenant_fp`
	sqlObject = `INSERT INTO system_object (system, object, create_class, settle, index_lag)
VALUES (?1, ?2, ?3, COALESCE(?4, 300000), COALESCE(?5, 120000))
ON CONFLICT (system, object) DO UPDATE SET create_class=excluded.create_class, settle=excluded.settle, index_lag=excluded.index_lag`
)

// Register implements the contract: the tenant of a system is pinned at its
// first registration that names one (F54).
func (s *Store) Register(ctx context.Context, systems []store.SystemRow) error {
	var refused error
	err := s.write(ctx, "register systems", func(t *tx) error {
		refused = nil
		for _, row := range systems {
			n, err := t.exec(sqlSystem, row.System, row.Kind, text(row.Tenant))
			if err != nil {
				return err
			}
			if n == 0 {
				refused = errors.Join(refused, fmt.Errorf("register system %s: %w", row.System, store.ErrOtherTenant))
				continue
			}
			for _, o := range row.Objects {
				if _, err := t.exec(sqlObject, row.System, o.Object, o.CreateClass, positive(ms(o.Settle)), positive(ms(o.IndexLag))); err != nil {
					return fmt.Errorf("object %s of %s: %w", o.Object, row.System, err)
				}
			}
		}
		return nil
	})
	return errors.Join(err, refused)
}

// positive gives SQL NULL, and so the default, for what is not set.
func positive(n int64) any {
	if n <= 0 {
		return nil
	}
	return n
}

const (
	sqlCloseHold = `INSERT INTO hold (system, link, what, reason, detail, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (system, link, what, reason) WHERE released_at IS NULL DO NOTHING`
	sqlReleaseHold = `UPDATE hold SET released_at=?1, released_by=?2
WHERE system=?3 AND link=?4 AND what=?5 AND reason=?6 AND released_at IS NULL`
	sqlHolds = `SELECT id, system, link, what, reason, detail, since FROM hold WHERE released_at IS NULL ORDER BY id`
)

// CloseHold implements the contract.
func (s *Store) CloseHold(ctx context.Context, h store.Hold) error {
	return s.write(ctx, "close hold", func(t *tx) error {
		_, err := t.exec(sqlCloseHold, h.System, h.Link, h.What, h.Reason, raw(h.Detail), t.now)
		return err
	})
}

// ReleaseHold implements the contract.
func (s *Store) ReleaseHold(ctx context.Context, system, link, what, reason, by string) error {
	return s.write(ctx, "release hold", func(t *tx) error {
		_, err := t.exec(sqlReleaseHold, t.now, by, system, link, what, reason)
		return err
	})
}

// Holds implements the contract: the holds that are closed.
func (s *Store) Holds(ctx context.Context) ([]store.Hold, error) {
	var hs []store.Hold
	err := s.read(ctx, "list holds", sqlHolds, func(rows *sql.Rows) error {
		var h store.Hold
		var detail sql.NullString
		var since sql.NullInt64
		err := rows.Scan(&h.ID, &h.System, &h.Link, &h.What, &h.Reason, &detail, &since)
		h.Detail, h.Since = rawOf(detail), at(since)
		hs = append(hs, h)
		return err
	})
	return hs, err
}

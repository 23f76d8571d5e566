package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const (
	sqlCloseHold = `INSERT INTO hold (system, link, what, reason, detail) VALUES ($1, $2, $3, $4, $5::text::json)
ON CONFLICT (system, link, what, reason) WHERE released_at IS NULL DO NOTHING`

	sqlReleaseHold = `UPDATE hold SET released_at=clock_timestamp(), released_by=$5
WHERE system=$1 AND link=$2 AND what=$3 AND reason=$4 AND released_at IS NULL`

	sqlHolds = `SELECT id, system, link, what, reason, detail::text, since FROM hold WHERE released_at IS NULL ORDER BY id`
)

// CloseHold closes a safety catch; one that is closed stays as it is.
func (s *Store) CloseHold(ctx context.Context, h store.Hold) error {
	_, err := inTx(ctx, s, "close hold", func(ctx context.Context, tx pgx.Tx) (none, error) {
		_, err := tx.Exec(ctx, sqlCloseHold, h.System, h.Link, h.What, h.Reason, jsonOrNull(h.Detail))
		return none{}, err
	})
	return err
}

// ReleaseHold opens a safety catch; by is who did it.
func (s *Store) ReleaseHold(ctx context.Context, system, link, what, reason, by string) error {
	_, err := inTx(ctx, s, "release hold", func(ctx context.Context, tx pgx.Tx) (none, error) {
		_, err := tx.Exec(ctx, sqlReleaseHold, system, link, what, reason, by)
		return none{}, err
	})
	return err
}

// Holds lists the closed safety catches, oldest first.
func (s *Store) Holds(ctx context.Context) ([]store.Hold, error) {
	return list(ctx, s, "list holds", func(row pgx.CollectableRow) (h store.Hold, err error) {
		var detail *string
		err = row.Scan(&h.ID, &h.System, &h.Link, &h.What, &h.Reason, &detail, &h.Since)
		h.Detail = raw(detail)
		return h, err
	}, sqlHolds)
}

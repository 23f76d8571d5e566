package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

// Old evidence goes oldest first. History and trash number their rows as they
// come, so the lowest ids are the oldest and the look ends at once where they
// are young. Rows that somebody holds are left for the next time: nothing waits
// for a prune, and a prune waits for nothing.
const (
	sqlPruneDeliveries = `DELETE FROM inbox WHERE (system, delivery_key) IN
(SELECT system, delivery_key FROM inbox WHERE received_at < now() - $1::interval ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED)`

	sqlPruneHistory = `DELETE FROM history WHERE at < now() - $1::interval AND id IN
(SELECT id FROM history ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)`

	sqlPruneTrash = `DELETE FROM trash WHERE id IN
(SELECT id FROM trash WHERE resolved_at < now() - $1::interval ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)`
)

// Prune implements the contract.
func (s *Store) Prune(ctx context.Context, ages store.Ages, most int) (store.Pruned, error) {
	return inTx(ctx, s, "prune", func(ctx context.Context, tx pgx.Tx) (done store.Pruned, err error) {
		for _, p := range []struct {
			sql string
			age time.Duration
			n   *int
		}{
			{sqlPruneDeliveries, ages.Deliveries, &done.Deliveries},
			{sqlPruneHistory, ages.History, &done.History},
			{sqlPruneTrash, ages.Trash, &done.Trash},
		} {
			if p.age == 0 {
				continue
			}
			tag, err := tx.Exec(ctx, p.sql, p.age, most)
			if err != nil {
				return done, err
			}
			*p.n = int(tag.RowsAffected())
		}
		return done, nil
	})
}

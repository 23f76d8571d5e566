package sqlite

import (
	"context"

	"syncd/store"
)

// Old evidence goes oldest first. History and trash number their rows as they
// come, so the lowest ids are the oldest and the look ends at once where they
// are young.
const (
	sqlPruneDeliveries = `DELETE FROM inbox WHERE (system, delivery_key) IN
(SELECT system, delivery_key FROM inbox WHERE received_at < ?1 ORDER BY received_at LIMIT ?2)`
	sqlPruneHistory = `DELETE FROM history WHERE at < ?1 AND id IN (SELECT id FROM history ORDER BY id LIMIT ?2)`
	sqlPruneTrash   = `DELETE FROM trash WHERE id IN (SELECT id FROM trash WHERE resolved_at < ?1 ORDER BY id LIMIT ?2)`
)

// Prune implements the contract.
func (s *Store) Prune(ctx context.Context, ages store.Ages, most int) (done store.Pruned, err error) {
	err = s.write(ctx, "prune", func(t *tx) error {
		done = store.Pruned{}
		for _, p := range []struct {
			sql string
			age int64
			n   *int
		}{
			{sqlPruneDeliveries, ms(ages.Deliveries), &done.Deliveries},
			{sqlPruneHistory, ms(ages.History), &done.History},
			{sqlPruneTrash, ms(ages.Trash), &done.Trash},
		} {
			if p.age == 0 {
				continue
			}
			n, err := t.exec(p.sql, t.now-p.age, most)
			if err != nil {
				return err
			}
			*p.n = int(n)
		}
		if done == (store.Pruned{}) {
			return errNothing
		}
		return nil
	})
	return done, err
}

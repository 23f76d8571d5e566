package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const (
	sqlBeatReplica = `INSERT INTO replica (replica, version, config_rev) VALUES ($1, $2, $3)
ON CONFLICT (replica) DO UPDATE SET version=EXCLUDED.version, config_rev=EXCLUDED.config_rev, seen_at=clock_timestamp()`
	sqlForgetReplicas = `DELETE FROM replica WHERE seen_at < clock_timestamp() - $1::bigint * interval '1 microsecond'`
	sqlReplicas       = `SELECT replica, version, config_rev, started_at, seen_at FROM replica
WHERE seen_at >= clock_timestamp() - $1::bigint * interval '1 microsecond' AND config_rev <> '' ORDER BY replica`
)

// replicaKept is how long a replica that is no more is remembered: each start has a
// name of its own.
const replicaKept = 7 * 24 * time.Hour

// Beat notes what a replica runs.
func (s *Store) Beat(ctx context.Context, r store.Replica) error {
	_, err := inTx(ctx, s, "note the replica", func(ctx context.Context, tx pgx.Tx) (none, error) {
		if _, err := tx.Exec(ctx, sqlBeatReplica, clean(r.Name), clean(r.Version), clean(r.ConfigRev)); err != nil {
			return none{}, err
		}
		_, err := tx.Exec(ctx, sqlForgetReplicas, micros(replicaKept))
		return none{}, err
	})
	return err
}

// Replicas lists those that were seen lately.
func (s *Store) Replicas(ctx context.Context, within time.Duration) ([]store.Replica, error) {
	return list(ctx, s, "list replicas", pgx.RowToStructByPos[store.Replica], sqlReplicas, micros(within))
}

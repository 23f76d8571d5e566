package sqlite

import (
	"context"
	"database/sql"
	"time"

	"syncd/store"
)

const (
	sqlBeatReplica = `INSERT INTO replica (replica, version, config_rev, started_at, seen_at) VALUES (?1, ?2, ?3, ?4, ?4)
ON CONFLICT (replica) DO UPDATE SET version=excluded.version, config_rev=excluded.config_rev, seen_at=excluded.seen_at`
	sqlForgetReplicas = `DELETE FROM replica WHERE seen_at < ?1`
	sqlReplicas       = `SELECT replica, version, config_rev, started_at, seen_at FROM replica WHERE seen_at >= ?1 ORDER BY replica`
)

// replicaKept is how long a replica that is no more is remembered: each start has a
// name of its own.
const replicaKept = 7 * 24 * time.Hour

// Beat implements the contract.
func (s *Store) Beat(ctx context.Context, r store.Replica) error {
	return s.write(ctx, "note the replica", func(t *tx) error {
		if _, err := t.exec(sqlBeatReplica, r.Name, r.Version, r.ConfigRev, t.now); err != nil {
			return err
		}
		_, err := t.exec(sqlForgetReplicas, t.now-ms(replicaKept))
		return err
	})
}

// Replicas implements the contract.
func (s *Store) Replicas(ctx context.Context, within time.Duration) ([]store.Replica, error) {
	var rs []store.Replica
	err := s.read(ctx, "list replicas", sqlReplicas, func(rows *sql.Rows) error {
		var r store.Replica
		var started, seen sql.NullInt64
		err := rows.Scan(&r.Name, &r.Version, &r.ConfigRev, &started, &seen)
		r.StartedAt, r.SeenAt = at(started), at(seen)
		if r.ConfigRev != "" {
			rs = append(rs, r)
		}
		return err
	}, s.clock()-ms(within))
	return rs, err
}

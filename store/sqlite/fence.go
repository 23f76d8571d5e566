package sqlite

import (
	"context"
	"database/sql"
)

const sqlFenceNow = `SELECT n FROM fence`

// Fence implements the contract.
func (s *Store) Fence(ctx context.Context) (int64, error) {
	var n int64
	err := s.read(ctx, "look at the fence", sqlFenceNow, func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n, err
}

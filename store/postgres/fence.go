package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

const sqlFenceNow = `SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM fence`

// Fence gives the newest number of the fencing sequence. A server that crashed,
// or a standby that took over, may give one that is up to 32 ahead: PostgreSQL
// logs a sequence in strides.
func (s *Store) Fence(ctx context.Context) (int64, error) {
	return inTx(ctx, s, "look at the fence", func(ctx context.Context, tx pgx.Tx) (n int64, err error) {
		err = tx.QueryRow(ctx, sqlFenceNow).Scan(&n)
		return n, err
	})
}

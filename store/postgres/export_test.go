package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The statements whose plans are laws, or that traps are set in.
const (
	SQLClaim             = sqlClaim
	SQLResolve           = sqlResolve
	SQLDue               = sqlDue
	SQLEnqueue           = sqlEnqueue
	SQLLease             = sqlLease
	SQLPersistTakeKeys   = sqlPersistTakeKeys
	SQLPersistDeleteKeys = sqlPersistDeleteKeys
	SQLPersistInsertKeys = sqlPersistInsertKeys
)

// SchemaVersion is the newest migration known.
const SchemaVersion = schemaVersion

// Pool gives the connections to tests that look behind the contract.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Everything implements storetest.Shower.
func (s *Store) Everything(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname=current_schema() ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	var out []string
	for _, table := range tables {
		if err != nil {
			return nil, err
		}
		if rows, err = s.pool.Query(ctx, `SELECT t::text FROM `+pgx.Identifier{table}.Sanitize()+` t`); err != nil {
			return nil, err
		}
		var lines []string
		lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
		for _, l := range lines {
			out = append(out, table+" "+l)
		}
	}
	return out, err
}

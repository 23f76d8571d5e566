package postgres

import "github.com/jackc/pgx/v5/pgxpool"

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

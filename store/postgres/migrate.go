package postgres

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// schemaVersion is the newest migration that this daemon knows. Migrations go
// forward only, and expand before they contract (F49): a database whose
// installation.schema_min is higher is refused.
const schemaVersion = 8

const (
	migrationLock = 0x73796e6364 // "syncd"
	lockPoll      = 100 * time.Millisecond
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

const (
	sqlVersioned = `SELECT to_regclass('goose_db_version') IS NOT NULL`
	sqlAtHead    = `SELECT COALESCE(max(version_id), 0) >= $1 FROM goose_db_version WHERE is_applied`
)

// migrate brings the schema up to date under an advisory lock. A database that
// is at head needs no lock, so a restart does not wait for a migration of
// somebody else and works behind a connection pooler.
func (s *Store) migrate(ctx context.Context, cfg *pgx.ConnConfig) error {
	atHead, err := s.atHead(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	if atHead {
		return nil
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*cfg)
	defer func() { _ = db.Close() }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(advisoryLock{}), goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	for _, m := range done {
		s.log.InfoContext(ctx, "schema migrated", "migration", m.Source.Path, "took", m.Duration)
	}
	return nil
}

func (s *Store) atHead(ctx context.Context) (bool, error) {
	var ok bool
	if err := s.pool.QueryRow(ctx, sqlVersioned).Scan(&ok); err != nil || !ok {
		return false, err
	}
	err := s.pool.QueryRow(ctx, sqlAtHead, schemaVersion).Scan(&ok)
	return ok, err
}

// advisoryLock is a session lock that is polled for: a session that waits
// inside pg_advisory_lock holds a snapshot, which a concurrent index build of
// the migrating session would wait for in turn.
type advisoryLock struct{}

// SessionLock waits for the lock.
func (advisoryLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	for {
		var got bool
		if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", migrationLock).Scan(&got); err != nil {
			return fmt.Errorf("take the migration lock: %w", err)
		}
		if got {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the migration lock: %w", ctx.Err())
		case <-time.After(lockPoll/2 + rand.N(lockPoll)):
		}
	}
}

// SessionUnlock gives the lock back.
func (advisoryLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", migrationLock); err != nil {
		return fmt.Errorf("give back the migration lock: %w", err)
	}
	return nil
}

// Package postgres is the store on PostgreSQL: the one for production, and the
// only one for several replicas, which share nothing else (CORRECTNESS 4).
//
// Every method is one READ COMMITTED transaction of guarded statements. The
// statements are those of CORRECTNESS 3.3, 3.5 and 3.7; what looks roundabout
// in them is there because the plain form was measured to fail.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncd/store"
)

const (
	defaultMaxConns = 16
	minIdleConns    = 2
	connectTimeout  = 10 * time.Second
	idleConnection  = 5 * time.Minute
)

// Options configure a store.
type Options struct {
	KeyFingerprint string       // of install_key; a database made with another one is refused
	Replica        string       // name of this daemon in history
	MaxConns       int          // 0: 16
	Logger         *slog.Logger // nil: silent
}

// Store is a store on PostgreSQL. It is safe for concurrent use.
type Store struct {
	pool    *pgxpool.Pool
	replica string
	log     *slog.Logger
}

// Open connects, brings the schema up to date and makes sure that the database
// belongs to this install_key. It returns store.ErrOtherKey or
// store.ErrNewerSchema, wrapped, where it does not.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	if o.KeyFingerprint == "" {
		return nil, errors.New("open postgres: no key fingerprint given")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	cfg, err := poolConfig(dsn, o.MaxConns)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	s := &Store{pool: pool, replica: o.Replica, log: o.Logger}
	if err := s.prepare(ctx, cfg.ConnConfig, o.KeyFingerprint); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	return s, nil
}

// poolConfig uses the extended protocol without named statements: each
// execution is planned for the queue as it is now (a plan made while the queue
// was empty is a sequential scan later), and it works behind a connection
// pooler in transaction mode.
func poolConfig(dsn string, maxConns int) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the connection string: %w", err)
	}
	if maxConns <= 0 {
		maxConns = defaultMaxConns
	}
	cfg.MaxConns = int32(maxConns)
	cfg.MinConns = int32(min(minIdleConns, maxConns))
	cfg.MaxConnIdleTime = idleConnection
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectTimeout
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "syncd"
	}
	return cfg, nil
}

// prepare checks and migrates. A database that exists already is checked first:
// nothing is written to one that is not ours.
func (s *Store) prepare(ctx context.Context, conn *pgx.ConnConfig, keyFP string) error {
	var installed bool
	if err := s.pool.QueryRow(ctx, sqlInstalled).Scan(&installed); err != nil {
		return fmt.Errorf("look for an installation: %w", err)
	}
	if installed {
		if err := s.checkInstallation(ctx, keyFP); err != nil {
			return err
		}
	}
	if err := s.migrate(ctx, conn); err != nil {
		return err
	}
	return s.checkInstallation(ctx, keyFP)
}

const (
	sqlInstalled = `SELECT to_regclass('installation') IS NOT NULL`

	sqlInstall = `INSERT INTO installation (key_fp) VALUES ($1) ON CONFLICT (one) DO NOTHING`

	sqlInstallation = `SELECT key_fp, schema_min FROM installation`
)

// checkInstallation pins the key of a new database. Two first daemons with
// different keys meet on the row: one of them is refused.
func (s *Store) checkInstallation(ctx context.Context, keyFP string) error {
	_, err := inTx(ctx, s, "check the installation", func(ctx context.Context, tx pgx.Tx) (none, error) {
		if _, err := tx.Exec(ctx, sqlInstall, keyFP); err != nil {
			return none{}, err
		}
		var pinned string
		var schemaMin int64
		if err := tx.QueryRow(ctx, sqlInstallation).Scan(&pinned, &schemaMin); err != nil {
			return none{}, err
		}
		switch {
		case schemaMin > schemaVersion:
			return none{}, store.ErrNewerSchema
		case pinned != keyFP:
			return none{}, store.ErrOtherKey
		}
		return none{}, nil
	})
	return err
}

// Close ends all connections.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

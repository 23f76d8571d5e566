// Package sqlite is the embedded store: one process, one file, a single writer
// (CORRECTNESS 3.10). It keeps the contract of package store and passes
// store/storetest, as store/postgres does.
package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"syncd/store"
)

// schemaVersion is what this build understands; a database that needs more
// says so in installation.schema_min (F49).
const schemaVersion = 8

// defaultBusy is how long a connection waits for a lock of the database.
const defaultBusy = 5 * time.Second

// ErrNetworkFS says that the database file is on a network file system, where
// neither file locks nor the shared memory of WAL can be relied on.
var ErrNetworkFS = errors.New("the database is on a network file system; use a local disk, or PostgreSQL")

//go:embed migrations/*.sql
var migrations embed.FS

// Options are what Open needs to know. All but KeyFingerprint have defaults.
type Options struct {
	KeyFingerprint string           // of the install key; another one than the database's is refused
	Replica        string           // name of this daemon in history; default: the host name
	Now            func() time.Time // the process clock, which is the database clock here
	Logger         *slog.Logger
	Busy           time.Duration // how long to wait for a lock of the database; default 5 s

	// Scratch is for the lab alone, whose databases die with their process: one
	// connection for everything, no lock on the file, and a commit is on the
	// disk when the operating system likes. A power loss would take commits back,
	// and a claim taken back is a duplicate (F47), so no configuration sets it
	// (layout_test.go). The statements are the same.
	Scratch bool
}

func (o Options) withDefaults() Options {
	if o.Replica == "" {
		o.Replica, _ = os.Hostname() // a label only: "" is as good if the host has no name
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Busy = cmp.Or(o.Busy, defaultBusy)
	return o
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	o     Options
	path  string
	lock  *os.File
	reads *sql.DB
	dues  sync.Map // number of objects → sqlDue
	asks  asks     // prepared on reads; on w in a scratch database
	wdb   *sql.DB
	w     *sql.Conn            // the one writer
	stmts map[string]*sql.Stmt // prepared on w; used in turn only
	turn  chan struct{}        // whose turn it is to write: waiters are served in order
	last  atomic.Int64         // the newest time given out, in ms
}

// Open opens the database at path, making or migrating it, and takes it for
// this process: the lock on path + ".lock" is held until Close. As no other
// daemon lives then, every lease in it is released.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s := &Store{o: o.withDefaults(), path: path, stmts: map[string]*sql.Stmt{}, turn: make(chan struct{}, 1)}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if err := localFS(filepath.Dir(s.path)); err != nil {
		return err
	}
	var err error
	if s.lock, err = lockFile(s.path + ".lock"); err != nil {
		return err
	}
	// The file holds customers' data: made readable by its owner only. SQLite
	// gives its -wal and -shm the same mode.
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if s.wdb, err = sql.Open("sqlite", s.dsn(false)); err != nil {
		return err
	}
	s.wdb.SetMaxOpenConns(1)
	if err := s.checkInstallation(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if s.w, err = s.wdb.Conn(ctx); err != nil {
		return err
	}
	s.asks.db = s.w
	if !s.o.Scratch {
		if s.reads, err = sql.Open("sqlite", s.dsn(true)); err != nil {
			return err
		}
		s.reads.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
		s.reads.SetMaxIdleConns(max(4, runtime.GOMAXPROCS(0)))
		s.asks.db = s.reads
	}
	return s.start(ctx)
}

// dsn gives the connection settings of 3.10. FULL, not NORMAL: a claim that a
// power loss takes back is a duplicate (F47). What is deleted or written over is
// overwritten in the file: an erased person must not be read out of it (F44).
func (s *Store) dsn(readOnly bool) string {
	keeping := []string{"journal_mode(WAL)", "synchronous(FULL)"}
	if s.o.Scratch {
		keeping = []string{"locking_mode(EXCLUSIVE)", "journal_mode(MEMORY)", "synchronous(OFF)"}
	}
	q := url.Values{"_pragma": append(append([]string{
		fmt.Sprintf("busy_timeout(%d)", s.o.Busy.Milliseconds())}, // first: the others may have to wait
		keeping...),
		"foreign_keys(ON)", "secure_delete(ON)", "journal_size_limit(67108864)", "cache_size(-16384)", "temp_store(MEMORY)")}
	if readOnly {
		q.Add("_pragma", "query_only(ON)")
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(s.path), RawQuery: q.Encode()}).String()
}

const (
	sqlHasInstallation = `SELECT count(*) FROM sqlite_schema WHERE type='table' AND name='installation'`
	sqlInstallation    = `SELECT key_fp, schema_min FROM installation`
)

// checkInstallation looks before anything is changed: a database of a newer
// syncd or of another key is left as it is.
func (s *Store) checkInstallation(ctx context.Context) error {
	var made int
	if err := s.wdb.QueryRowContext(ctx, sqlHasInstallation).Scan(&made); err != nil || made == 0 {
		return err
	}
	var key string
	var needs int
	switch err := s.wdb.QueryRowContext(ctx, sqlInstallation).Scan(&key, &needs); {
	case errors.Is(err, sql.ErrNoRows):
		return nil // migrated, but never started
	case err != nil:
		return fmt.Errorf("read installation: %w", err)
	case needs > schemaVersion:
		return fmt.Errorf("schema %d, this one knows %d: %w", needs, schemaVersion, store.ErrNewerSchema)
	case key != s.o.KeyFingerprint:
		return store.ErrOtherKey
	}
	return nil
}

// migrate brings the schema up to date. The file lock is the lock that goose
// would take elsewhere.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, s.wdb, files)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, r := range done {
		s.o.Logger.Info("store migrated", "version", r.Source.Version, "took", r.Duration)
	}
	return nil
}

const (
	sqlLastMS      = `SELECT last_ms FROM fence`
	sqlInstall     = `INSERT INTO installation (one, key_fp, created_at) VALUES (1, ?1, ?2) ON CONFLICT (one) DO NOTHING`
	sqlReplicaUp   = `INSERT INTO replica (replica, version, config_rev, started_at, seen_at) VALUES (?1, '', '', ?2, ?2) ON CONFLICT (replica) DO UPDATE SET started_at=excluded.started_at, seen_at=excluded.seen_at`
	sqlFreeWork    = `UPDATE work SET owner=NULL, claimed_gen=NULL, lone=0, not_before=?1 WHERE owner IS NOT NULL`
	sqlFreeLeases  = `UPDATE identity SET lease_owner=NULL, lease_until=NULL WHERE lease_owner IS NOT NULL`
	sqlFreeCursors = `UPDATE cursor SET owner=NULL, lease_until=NULL WHERE owner IS NOT NULL`
)

// start releases every lease instead of waiting for it: the file lock proves
// that nobody holds one. batch_cap stays, so that a row that kills the process
// is still isolated (3.7).
func (s *Store) start(ctx context.Context) error {
	var last int64
	if err := s.w.QueryRowContext(ctx, sqlLastMS).Scan(&last); err != nil {
		return fmt.Errorf("read the clock: %w", err)
	}
	s.last.Store(last)
	return s.write(ctx, "start", func(t *tx) error {
		if _, err := t.exec(sqlInstall, s.o.KeyFingerprint, t.now); err != nil {
			return err
		}
		if _, err := t.exec(sqlReplicaUp, s.o.Replica, t.now); err != nil {
			return err
		}
		freed, err := t.exec(sqlFreeWork, t.now)
		if err != nil {
			return err
		}
		if _, err := t.exec(sqlFreeLeases); err != nil {
			return err
		}
		if freed > 0 {
			s.o.Logger.Info("work of the last run released", "rows", freed)
		}
		_, err = t.exec(sqlFreeCursors)
		return err
	})
}

// Close gives the file back. Leases stay until the next Open.
func (s *Store) Close() error {
	s.turn <- struct{}{} // after the write that is under way
	defer func() { <-s.turn }()
	var errs []error
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	clear(s.stmts)
	errs = append(errs, s.asks.close())
	if s.reads != nil {
		errs = append(errs, s.reads.Close())
	}
	if s.w != nil {
		if err := s.w.Close(); !errors.Is(err, sql.ErrConnDone) {
			errs = append(errs, err)
		}
	}
	if s.wdb != nil {
		errs = append(errs, s.wdb.Close())
	}
	if s.lock != nil { // last: the next daemon may open the file from here on
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

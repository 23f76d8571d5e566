// Package pgtest gives tests a real PostgreSQL: a server of their own that dies
// with the test binary, or the one that SYNCD_TEST_POSTGRES_DSN names.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// EnvDSN names a running server to use: its user must be allowed to create
// databases.
const EnvDSN = "SYNCD_TEST_POSTGRES_DSN"

const (
	startTimeout = 2 * time.Minute
	adminTimeout = 30 * time.Second
)

// ErrNoServer says that this machine has no PostgreSQL to start.
var ErrNoServer = errors.New("no PostgreSQL server was found for the tests: install one " +
	"(Debian: apt-get install postgresql; macOS: brew install postgresql) or set " + EnvDSN + " to the connection string of a running one")

// shared is the one server of this test binary.
var shared struct {
	sync.Mutex
	server *Server
	err    error
	tried  bool
}

// Main runs the tests and stops the server that they shared. A package that
// uses DSN calls it from TestMain: os.Exit(pgtest.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if err := dropMaster(); err != nil {
		fmt.Fprintln(os.Stderr, "drop the master database:", err)
	}
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the test server:", err)
		}
		shared.server = nil
	}
	return code
}

// DSN gives the connection string of a fresh, empty database, dropped when the
// test ends. It fails the test where there is no server: nothing is skipped.
func DSN(tb testing.TB) string {
	tb.Helper()
	return database(tb, "")
}

// Copy gives the connection string of a fresh copy of a database that prepare has
// filled and closed, once for all tests of the package: to copy the tables is far
// cheaper than to migrate to them each time.
func Copy(tb testing.TB, prepare func(dsn string) error) string {
	tb.Helper()
	master, err := masterDatabase(prepare)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return database(tb, master)
}

// database makes a database for one test, empty or a copy of another.
func database(tb testing.TB, master string) string {
	tb.Helper()
	server, err := sharedServer()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	name := "syncd_test_" + strings.ToLower(rand.Text())
	if err := createDatabase(ctx, server, name, master); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
		defer cancel()
		if err := admin(ctx, server, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			tb.Errorf("pgtest: drop the test database: %v", err)
		}
	})
	dsn, err := withDatabase(server, name)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return dsn
}

// sharedServer gives the connection string of a database to give orders in.
func sharedServer() (string, error) {
	if dsn := os.Getenv(EnvDSN); dsn != "" {
		return dsn, nil
	}
	shared.Lock()
	defer shared.Unlock()
	if !shared.tried {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		shared.tried = true
		shared.server, shared.err = Start(ctx)
	}
	if shared.err != nil {
		return "", shared.err
	}
	return shared.server.DSN("postgres"), nil
}

// createDatabase makes an empty database, or a copy of one that nobody is connected to.
func createDatabase(ctx context.Context, server, name, master string) error {
	order := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
	if master != "" {
		order += " TEMPLATE " + pgx.Identifier{master}.Sanitize()
	}
	if err := admin(ctx, server, order); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// master is the database that Copy copies, made at its first call.
var master struct {
	sync.Mutex
	name string
}

func masterDatabase(prepare func(dsn string) error) (string, error) {
	master.Lock()
	defer master.Unlock()
	if master.name != "" {
		return master.name, nil
	}
	server, err := sharedServer()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	name := "syncd_master_" + strings.ToLower(rand.Text())
	if err := createDatabase(ctx, server, name, ""); err != nil {
		return "", err
	}
	dsn, err := withDatabase(server, name)
	if err != nil {
		return "", err
	}
	if err := prepare(dsn); err != nil {
		return "", fmt.Errorf("fill database %s: %w", name, err)
	}
	master.name = name
	return name, nil
}

// dropMaster drops it from a server that outlives the tests.
func dropMaster() error {
	master.Lock()
	defer master.Unlock()
	server := os.Getenv(EnvDSN)
	if master.name == "" || server == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	return admin(ctx, server, "DROP DATABASE "+pgx.Identifier{master.name}.Sanitize()+" WITH (FORCE)")
}

func admin(ctx context.Context, server, sql string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

// withDatabase puts another database into a connection string of either form.
func withDatabase(dsn, name string) (string, error) {
	if !strings.Contains(dsn, "://") {
		return dsn + " dbname=" + name, nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("read %s: it is no URL", EnvDSN) // the error would show the password
	}
	u.Path = "/" + name
	return u.String(), nil
}

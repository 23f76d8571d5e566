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
	server, err := sharedServer()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	name := "syncd_test_" + strings.ToLower(rand.Text())
	if err := createDatabase(ctx, server, name); err != nil {
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

func createDatabase(ctx context.Context, server, name string) error {
	if err := admin(ctx, server, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
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

package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// simSchema holds what stands before pg_catalog in the sessions of a clocked
// database. A function of this name there is what the store's SQL finds.
const simSchema = "sim"

// The clock is a sequence: moving it takes one statement and no flush, and
// every session sees it at once. now() must be stable, or the claim loses its
// index condition (CORRECTNESS 3.3); in plpgsql its plan is kept, while a
// function in SQL would be planned in each statement. CURRENT_TIMESTAMP is no
// function and cannot be shadowed; the store does not use it.
const sqlClock = `CREATE SCHEMA sim;
CREATE UNLOGGED SEQUENCE sim.clock;
CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE plpgsql STABLE
  AS $$ BEGIN RETURN timestamptz 'epoch' + pg_sequence_last_value('sim.clock'::regclass) * interval '1 microsecond'; END $$;
CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
  AS $$ SELECT timestamptz 'epoch' + pg_sequence_last_value('sim.clock'::regclass) * interval '1 microsecond' $$`

// Clock is the time of one database. It stands still until it is set.
type Clock struct {
	conn *pgx.Conn
	at   time.Time
}

// Clocked gives a fresh database like DSN, whose now() and clock_timestamp()
// tell the time of the clock: the store's own code in virtual time. What
// differs is the session's search_path, and it must be so from the first
// migration on, since column defaults are bound when their table is made.
func Clocked(tb testing.TB, at time.Time) (dsn string, clock *Clock) {
	tb.Helper()
	return clocked(tb, DSN(tb), at)
}

// ClockedAlone is Clocked on a server of its own, where nothing but the caller
// decides: which rows of equal rank come first depends on where they lie, and
// that on when the server finds room, for which it looks at its other databases
// too. A server that is named by the environment is shared all the same.
func ClockedAlone(tb testing.TB, at time.Time) (dsn string, clock *Clock) {
	tb.Helper()
	if os.Getenv(EnvDSN) != "" {
		return Clocked(tb, at)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	server, err := start(ctx, "", true)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	tb.Cleanup(func() {
		if err := server.Stop(); err != nil {
			tb.Errorf("pgtest: %v", err)
		}
	})
	dsn, err = server.CreateDatabase(ctx, "syncd_test")
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return clocked(tb, dsn, at)
}

func clocked(tb testing.TB, of string, at time.Time) (dsn string, clock *Clock) {
	tb.Helper()
	dsn, err := withSearchPath(of)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	clock = &Clock{conn: conn}
	tb.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(ctx, sqlClock); err != nil {
		tb.Fatalf("pgtest: make the clock: %v", err)
	}
	if err := clock.Set(at); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return dsn, clock
}

// Set moves the clock, to the microsecond.
func (c *Clock) Set(at time.Time) error {
	if at.Equal(c.at) {
		return nil
	}
	if _, err := c.conn.Exec(context.Background(), `SELECT setval('sim.clock', $1)`, at.UnixMicro()); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	c.at = at
	return nil
}

// Now is what the clock shows.
func (c *Clock) Now() time.Time { return c.at }

// sqlTables leaves out what the migrations wrote.
const sqlTables = `SELECT string_agg(quote_ident(schemaname) || '.' || quote_ident(tablename), ', ' ORDER BY tablename)
FROM pg_tables WHERE schemaname='sim' AND tablename <> 'goose_db_version'`

// Empty brings the database back to what it was after the migrations: no rows,
// and every sequence at its beginning, so that the same calls give the same
// numbers again.
func (c *Clock) Empty(ctx context.Context) error {
	var tables string
	if err := c.conn.QueryRow(ctx, sqlTables).Scan(&tables); err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	if _, err := c.conn.Exec(ctx, "TRUNCATE "+tables+" RESTART IDENTITY; ALTER SEQUENCE fence RESTART"); err != nil {
		return fmt.Errorf("empty the database: %w", err)
	}
	return nil
}

// withSearchPath adds the session setting to a connection string of either form.
func withSearchPath(dsn string) (string, error) {
	const option = "-c search_path=" + simSchema + ",pg_catalog,public"
	if !strings.Contains(dsn, "://") {
		return dsn + " options='" + option + "'", nil
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("read the connection string: it is no URL")
	}
	q := u.Query()
	q.Set("options", option)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String(), nil
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// parked is the not_before of a row that waits for something else than time.
const parked = int64(math.MaxInt64)

// busyTries is how often a transaction that meets a busy database is run. Only
// a stranger's tool can make it busy: syncd has one writer.
const busyTries = 3

// errNothing ends a write transaction that has nothing to write, so that it
// costs no commit.
var errNothing = errors.New("nothing to write")

// tx is a write transaction of the one writer.
type tx struct {
	s     *Store
	ctx   context.Context
	now   int64 // the clock of the whole transaction
	epoch int64 // what fence gave, 0 before
}

// clock gives the process clock in ms, never going back (3.10).
func (s *Store) clock() int64 {
	now := s.o.Now().UnixMilli()
	for {
		last := s.last.Load()
		if now <= last {
			return last
		}
		if s.last.CompareAndSwap(last, now) {
			return now
		}
	}
}

// write runs fn as one transaction, in the order of arrival. A caller that
// gives up waits no longer, but a transaction that has begun is not cut off:
// it takes milliseconds, and its end would be unknown.
func (s *Store) write(ctx context.Context, what string, fn func(*tx) error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var err error
	for range busyTries {
		t := &tx{s: s, ctx: context.WithoutCancel(ctx), now: s.clock()}
		if err = t.run(fn); !isBusy(err) {
			break
		}
	}
	if err != nil && !errors.Is(err, errNothing) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (t *tx) run(fn func(*tx) error) (err error) {
	if _, err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	committed := false
	defer func() { // also when fn panics: the writer must not stay in a transaction
		if !committed {
			_, rb := t.exec("ROLLBACK")
			err = errors.Join(err, rb)
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	if _, err := t.exec("COMMIT"); err != nil {
		return err
	}
	committed = true
	return nil
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// stmt prepares a statement once for the life of the writer.
func (t *tx) stmt(q string) (*sql.Stmt, error) {
	if st, ok := t.s.stmts[q]; ok {
		return st, nil
	}
	st, err := t.s.w.PrepareContext(t.ctx, q)
	if err != nil {
		return nil, err
	}
	t.s.stmts[q] = st
	return st, nil
}

// exec runs a statement and says how many rows it changed.
func (t *tx) exec(q string, args ...any) (int64, error) {
	st, err := t.stmt(q)
	if err != nil {
		return 0, err
	}
	r, err := st.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// query runs a statement to its end and hands every row to each.
func (t *tx) query(q string, each func(*sql.Rows) error, args ...any) error {
	st, err := t.stmt(q)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(t.ctx, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, each)
}

// row scans the first row of a statement; found is false if there is none.
func (t *tx) row(q string, args []any, dest ...any) (found bool, err error) {
	err = t.query(q, func(r *sql.Rows) error {
		if found {
			return nil
		}
		found = true
		return r.Scan(dest...)
	}, args...)
	return found, err
}

const sqlFence = `UPDATE fence SET n=n+1, last_ms=max(last_ms, ?1) RETURNING n`

// fence takes the next number of the one fencing sequence; the rows of one
// transaction share it.
func (t *tx) fence() (int64, error) {
	if t.epoch > 0 {
		return t.epoch, nil
	}
	_, err := t.row(sqlFence, []any{t.now}, &t.epoch)
	return t.epoch, err
}

func eachRow(rows *sql.Rows, each func(*sql.Rows) error) error {
	for rows.Next() {
		if err := each(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// list encodes rows for json_each.
func list[T any](rows []T) (string, error) {
	if rows == nil {
		return "[]", nil
	}
	b, err := json.Marshal(rows)
	return string(b), err
}

// text and raw give SQL NULL for what is not told.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func raw(j json.RawMessage) any {
	if j == nil {
		return nil
	}
	return string(j)
}

func rawOf(s sql.NullString) json.RawMessage {
	if !s.Valid {
		return nil
	}
	return json.RawMessage(s.String)
}

func ms(d time.Duration) int64 { return d.Milliseconds() }

// at turns stored milliseconds into a time; NULL is the zero time.
func at(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMilli(n.Int64).UTC()
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// asks are the statements of the read pool. To parse and to plan a query costs
// several times what it costs to run one that finds its rows by an index, so
// each is prepared once. A *sql.Stmt of a pool is prepared on every connection
// that it meets. The texts are constants and those that Pairs puts together:
// a few dozen, so nothing is ever thrown out.
type asks struct {
	db     preparer
	mu     sync.Mutex
	stmts  map[string]*sql.Stmt
	closed bool
}

type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// stmt gives the statement for a query, preparing it at its first use.
func (a *asks) stmt(ctx context.Context, q string) (*sql.Stmt, error) {
	a.mu.Lock()
	st, closed := a.stmts[q], a.closed
	a.mu.Unlock()
	if closed {
		return nil, sql.ErrConnDone
	}
	if st != nil {
		return st, nil
	}
	made, err := a.db.PrepareContext(ctx, q) // not under the lock: it may wait for a connection
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch st := a.stmts[q]; {
	case a.closed:
		return nil, errors.Join(sql.ErrConnDone, made.Close())
	case st != nil: // somebody was faster
		return st, made.Close()
	case a.stmts == nil:
		a.stmts = map[string]*sql.Stmt{}
	}
	a.stmts[q] = made
	return made, nil
}

// close finalises every statement; asking ends with it.
func (a *asks) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	var errs []error
	for _, st := range a.stmts {
		errs = append(errs, st.Close())
	}
	clear(a.stmts)
	return errors.Join(errs...)
}

// read runs a query on the read pool and hands every row to each.
func (s *Store) read(ctx context.Context, what, q string, each func(*sql.Rows) error, args ...any) error {
	if s.o.Scratch { // what reads is what writes
		s.turn <- struct{}{}
		defer func() { <-s.turn }()
	}
	st, err := s.asks.stmt(ctx, q)
	if err == nil {
		var rows *sql.Rows
		if rows, err = st.QueryContext(ctx, args...); err == nil {
			err = eachRow(rows, each)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

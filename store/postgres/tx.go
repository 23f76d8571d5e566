package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// beginTx opens every transaction. The settings are local to it, in the round
// trip that BEGIN needs anyway: a connection pooler may hand each transaction
// to another session (CORRECTNESS 4). The idle limit also enforces that no
// transaction is open during a vendor call (3.1 rule 3).
const beginTx = `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout='2s'; SET LOCAL statement_timeout='10s'; ` +
	`SET LOCAL idle_in_transaction_session_timeout='15s'; SET LOCAL synchronous_commit=on`

const (
	maxTries        = 5
	firstBackoff    = 20 * time.Millisecond
	rollbackTimeout = 5 * time.Second
)

// Codes of PostgreSQL that a repeat of the whole transaction may cure.
const (
	codeSerialization    = "40001"
	codeDeadlock         = "40P01"
	codeLockNotAvailable = "55P03"
	codeUniqueViolation  = "23505"
	codeForeignKey       = "23503"
	codeTooManyConns     = "53300"
	codeAdminShutdown    = "57P01"
	codeCrashShutdown    = "57P02"
	codeCannotConnectNow = "57P03"
	classConnection      = "08"
)

// none is the result of a transaction that has none.
type none struct{}

// inTx runs do in a transaction, and all of it again after a deadlock, a lost
// race or a lost connection (CORRECTNESS 3.7 P2). That is safe even where the
// commit was applied and only its answer lost: every statement is guarded. do
// must not touch anything outside: it may run several times.
func inTx[T any](ctx context.Context, s *Store, what string, do func(context.Context, pgx.Tx) (T, error)) (T, error) {
	for try := 1; ; try++ {
		v, err := once(ctx, s, do)
		if err == nil {
			return v, nil
		}
		var zero T
		if try == maxTries || !repeatable(err) {
			return zero, fmt.Errorf("%s: %w", what, err)
		}
		s.log.DebugContext(ctx, "transaction repeated", "what", what, "try", try, "error", err)
		select {
		case <-ctx.Done():
			return zero, fmt.Errorf("%s: %w", what, errors.Join(ctx.Err(), err))
		case <-time.After(rand.N(firstBackoff << try)):
		}
	}
}

func once[T any](ctx context.Context, s *Store, do func(context.Context, pgx.Tx) (T, error)) (T, error) {
	var zero T
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: beginTx})
	if err != nil {
		return zero, err
	}
	v, err := do(ctx, tx)
	if err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(clean) // the error of do says more; a dead connection leaves the pool
		return zero, err
	}
	if err := tx.Commit(ctx); err != nil {
		return zero, err
	}
	return v, nil
}

// repeatable says whether another try may succeed. A unique violation is a
// lost race: each insert skips what it conflicts with and each update looks
// first, so the next try sees the winner.
func repeatable(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case codeSerialization, codeDeadlock, codeLockNotAvailable, codeUniqueViolation,
			codeTooManyConns, codeAdminShutdown, codeCrashShutdown, codeCannotConnectNow:
			return true
		}
		return strings.HasPrefix(pg.Code, classConnection)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}

// violates says that an error is about a row and not about the connection:
// its siblings may still go through, each in a savepoint of its own (3.7 P1).
func violates(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == codeUniqueViolation || pg.Code == codeForeignKey)
}

// savepoint runs do so that its failure leaves the transaction usable.
func savepoint(ctx context.Context, tx pgx.Tx, do func(pgx.Tx) error) error {
	sp, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	if err := do(sp); err != nil {
		if back := sp.Rollback(ctx); back != nil {
			return errors.Join(err, back)
		}
		return err
	}
	return sp.Commit(ctx)
}

// collect runs a query that returns one text column.
func collect(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]string, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// send runs the statements of a batch in their order, in one round trip.
func send(ctx context.Context, tx pgx.Tx, b *pgx.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, b).Close()
}

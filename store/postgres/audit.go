package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const (
	sqlAudit = `INSERT INTO audit (actor, via, action, target, reason, before, after)
VALUES ($1, $2, $3, $4, $5, $6::text::json, $7::text::json)`

	sqlAudits = `SELECT id, at, actor, via, action, target, COALESCE(reason, ''), before::text, after::text FROM audit ORDER BY id DESC LIMIT $1`
)

// Audit adds lines of who did what.
func (s *Store) Audit(ctx context.Context, lines ...store.Audit) error {
	_, err := inTx(ctx, s, "audit", func(ctx context.Context, tx pgx.Tx) (none, error) {
		return none{}, audit(ctx, tx, lines...)
	})
	return err
}

// audit adds lines within a transaction that does what they tell.
func audit(ctx context.Context, tx pgx.Tx, lines ...store.Audit) error {
	b := &pgx.Batch{}
	for _, a := range lines {
		b.Queue(sqlAudit, clean(a.Actor), clean(a.Via), clean(a.Action), clean(a.Target), orNull(a.Reason), jsonOrNull(a.Before), jsonOrNull(a.After))
	}
	return send(ctx, tx, b)
}

// Audits lists who did what, newest first.
func (s *Store) Audits(ctx context.Context, limit int) ([]store.Audit, error) {
	return list(ctx, s, "read the audit", func(row pgx.CollectableRow) (a store.Audit, err error) {
		var before, after *string
		err = row.Scan(&a.ID, &a.At, &a.Actor, &a.Via, &a.Action, &a.Target, &a.Reason, &before, &after)
		a.Before, a.After = raw(before), raw(after)
		return a, err
	}, sqlAudits, limitOf(limit))
}

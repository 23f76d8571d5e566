package sqlite

import (
	"context"
	"database/sql"

	"syncd/store"
)

const (
	sqlAudit = `INSERT INTO audit (at, actor, via, action, target, reason, before, after) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`
	// Newest first.
	sqlAudits = `SELECT id, at, actor, via, action, target, reason, before, after FROM audit ORDER BY id DESC LIMIT ?1`
)

// Audit implements the contract.
func (s *Store) Audit(ctx context.Context, lines ...store.Audit) error {
	return s.write(ctx, "audit", func(t *tx) error { return t.audit(lines...) })
}

// audit adds lines within a transaction that does what they tell.
func (t *tx) audit(lines ...store.Audit) error {
	for _, a := range lines {
		if _, err := t.exec(sqlAudit, t.now, a.Actor, a.Via, a.Action, a.Target, text(a.Reason), raw(a.Before), raw(a.After)); err != nil {
			return err
		}
	}
	return nil
}

// Audits implements the contract, newest first.
func (s *Store) Audits(ctx context.Context, limit int) ([]store.Audit, error) {
	var as []store.Audit
	err := s.read(ctx, "read the audit", sqlAudits, func(rows *sql.Rows) error {
		var a store.Audit
		var when sql.NullInt64
		var reason, before, after sql.NullString
		err := rows.Scan(&a.ID, &when, &a.Actor, &a.Via, &a.Action, &a.Target, &reason, &before, &after)
		a.At, a.Reason, a.Before, a.After = at(when), reason.String, rawOf(before), rawOf(after)
		as = append(as, a)
		return err
	}, limit)
	return as, err
}

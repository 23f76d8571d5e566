package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const (
	sqlModeFirst = `INSERT INTO link_mode (link, mode) VALUES ($1, $2) ON CONFLICT (link) DO NOTHING`
	sqlMode      = `SELECT mode FROM link_mode WHERE link=$1`
	sqlModeSet   = `INSERT INTO link_mode AS l (link, mode) VALUES ($1, $2)
ON CONFLICT (link) DO UPDATE SET mode=excluded.mode, since=excluded.since WHERE l.mode<>excluded.mode`
)

// LinkMode gives the identity mode that a link runs by; the first that is named is remembered.
func (s *Store) LinkMode(ctx context.Context, link, mode string) (string, error) {
	return inTx(ctx, s, "remember an identity mode", func(ctx context.Context, tx pgx.Tx) (inForce string, err error) {
		if _, err := tx.Exec(ctx, sqlModeFirst, link, mode); err != nil {
			return "", err
		}
		err = tx.QueryRow(ctx, sqlMode, link).Scan(&inForce)
		return inForce, err
	})
}

// SetLinkMode puts an identity mode in force, and tells the audit.
func (s *Store) SetLinkMode(ctx context.Context, link, mode string, lines ...store.Audit) error {
	_, err := inTx(ctx, s, "accept an identity mode", func(ctx context.Context, tx pgx.Tx) (none, error) {
		if _, err := tx.Exec(ctx, sqlModeSet, link, mode); err != nil {
			return none{}, err
		}
		return none{}, audit(ctx, tx, lines...)
	})
	return err
}

package sqlite

import (
	"context"

	"syncd/store"
)

const (
	sqlModeFirst = `INSERT INTO link_mode (link, mode, since) VALUES (?1, ?2, ?3) ON CONFLICT (link) DO NOTHING`
	sqlMode      = `SELECT mode FROM link_mode WHERE link=?1`
	sqlModeSet   = `INSERT INTO link_mode (link, mode, since) VALUES (?1, ?2, ?3)
ON CONFLICT (link) DO UPDATE SET mode=excluded.mode, since=excluded.since WHERE link_mode.mode<>excluded.mode`
)

// LinkMode implements the contract.
func (s *Store) LinkMode(ctx context.Context, link, mode string) (inForce string, err error) {
	err = s.write(ctx, "remember an identity mode", func(t *tx) error {
		if _, err := t.exec(sqlModeFirst, link, mode, t.now); err != nil {
			return err
		}
		_, err := t.row(sqlMode, []any{link}, &inForce)
		return err
	})
	return inForce, err
}

// SetLinkMode implements the contract.
func (s *Store) SetLinkMode(ctx context.Context, link, mode string, lines ...store.Audit) error {
	return s.write(ctx, "accept an identity mode", func(t *tx) error {
		if _, err := t.exec(sqlModeSet, link, mode, t.now); err != nil {
			return err
		}
		return t.audit(lines...)
	})
}

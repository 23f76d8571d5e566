package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const (
	// An unknown tenant pins nothing and unpins nothing (F54).
	sqlRegisterSystem = `INSERT INTO system AS s (system, kind, tenant_fp) VALUES ($1, $2, $3)
ON CONFLICT (system) DO UPDATE SET kind=EXCLUDED.kind, tenant_fp=COALESCE(s.tenant_fp, EXCLUDED.tenant_fp)
WHERE s.tenant_fp IS NULL OR EXCLUDED.tenant_fp IS NULL OR s.tenant_fp = EXCLUDED.tenant_fp`

	sqlRegisterObject = `INSERT INTO system_object (system, object, create_class, settle, index_lag)
VALUES ($1, $2, $3, $4::bigint * interval '1 microsecond', $5::bigint * interval '1 microsecond')
ON CONFLICT (system, object) DO UPDATE SET create_class=EXCLUDED.create_class,
  settle=EXCLUDED.settle, index_lag=EXCLUDED.index_lag`
)

// Register upserts systems and their objects. A system that answers with
// another tenant than the pinned one is left as it was and named in the error;
// the others are registered.
func (s *Store) Register(ctx context.Context, systems []store.SystemRow) error {
	systems = slices.SortedFunc(slices.Values(systems), func(a, b store.SystemRow) int { return cmp.Compare(a.System, b.System) })
	refused, err := inTx(ctx, s, "register systems", func(ctx context.Context, tx pgx.Tx) (refused []error, err error) {
		for _, row := range systems {
			tag, err := tx.Exec(ctx, sqlRegisterSystem, row.System, row.Kind, orNull(row.Tenant))
			if err != nil {
				return nil, fmt.Errorf("system %s: %w", row.System, err)
			}
			if tag.RowsAffected() == 0 {
				refused = append(refused, fmt.Errorf("system %s: %w", row.System, store.ErrOtherTenant))
				continue
			}
			if err := registerObjects(ctx, tx, row); err != nil {
				return nil, err
			}
		}
		return refused, nil
	})
	if err != nil {
		return err
	}
	return errors.Join(refused...)
}

func registerObjects(ctx context.Context, tx pgx.Tx, row store.SystemRow) error {
	objects := slices.SortedFunc(slices.Values(row.Objects), func(a, b store.ObjectRow) int { return cmp.Compare(a.Object, b.Object) })
	for _, o := range objects {
		_, err := tx.Exec(ctx, sqlRegisterObject, row.System, o.Object, o.CreateClass, micros(o.Settle), micros(o.IndexLag))
		if err != nil {
			return fmt.Errorf("system %s, object %s: %w", row.System, o.Object, err)
		}
	}
	return nil
}

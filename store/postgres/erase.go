package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"syncd/store"
	"syncd/store/erase"
)

// errDry takes a dry run back.
var errDry = errors.New("dry run")

// Erase forgets a person in one transaction. PostgreSQL itself keeps deleted rows
// until vacuum has passed, and its backups until they end.
func (s *Store) Erase(ctx context.Context, o store.Erasure) (store.Erased, error) {
	var dry store.Erased
	out, err := inTx(ctx, s, "erase", func(ctx context.Context, tx pgx.Tx) (store.Erased, error) {
		var now time.Time
		if err := tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
			return store.Erased{}, err
		}
		q := erase.SQL{
			Exec: func(stmt string, args ...any) (int64, error) {
				tag, err := tx.Exec(ctx, stmt, args...)
				return tag.RowsAffected(), err
			},
			Rows: func(stmt string, args ...any) ([][]string, error) {
				rows, err := tx.Query(ctx, stmt, args...)
				if err != nil {
					return nil, err
				}
				return pgx.CollectRows(rows, texts)
			},
			Now: now, At: now.UTC(), Never: pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, Lock: " FOR NO KEY UPDATE",
		}
		out, err := erase.Run(q, o)
		if err == nil && o.DryRun {
			dry = out
			return store.Erased{}, errDry
		}
		return out, err
	})
	if o.DryRun && errors.Is(err, errDry) {
		return dry, nil
	}
	return out, err
}

// texts reads a row of which every column is text.
func texts(row pgx.CollectableRow) ([]string, error) {
	cells := make([]*string, len(row.FieldDescriptions()))
	into, line := make([]any, len(cells)), make([]string, len(cells))
	for n := range cells {
		into[n] = &cells[n]
	}
	err := row.Scan(into...)
	for n, c := range cells {
		if c != nil {
			line[n] = *c
		}
	}
	return line, err
}

const sqlTombstones = `SELECT t.system, t.object, t.id_mac FROM tombstone t
JOIN unnest($1::text[], $2::text[], $3::text[]) AS r(system, object, id_mac) USING (system, object, id_mac)`

// Tombstones finds which of the records belong to somebody who was erased.
func (s *Store) Tombstones(ctx context.Context, asked []store.Tombstone) (map[store.Tombstone]bool, error) {
	if len(asked) == 0 {
		return map[store.Tombstone]bool{}, nil
	}
	return inTx(ctx, s, "look for tombstones", func(ctx context.Context, tx pgx.Tx) (map[store.Tombstone]bool, error) {
		return tombstones(ctx, tx, asked)
	})
}

func tombstones(ctx context.Context, tx pgx.Tx, asked []store.Tombstone) (map[store.Tombstone]bool, error) {
	var systems, objects, macs []string
	for _, a := range asked {
		systems, objects, macs = append(systems, a.System), append(objects, a.Object), append(macs, a.Mac)
	}
	rows, err := tx.Query(ctx, sqlTombstones, systems, objects, macs)
	if err != nil {
		return nil, err
	}
	found := map[store.Tombstone]bool{}
	var t store.Tombstone
	_, err = pgx.ForEachRow(rows, []any{&t.System, &t.Object, &t.Mac}, func() error {
		found[t] = true
		return nil
	})
	return found, err
}

const sqlCertificates = `SELECT id, at, certificate FROM erasure ORDER BY id DESC LIMIT $1`

// Certificates lists the certificates of erasures, newest first.
func (s *Store) Certificates(ctx context.Context, limit int) ([]store.Certificate, error) {
	return list(ctx, s, "list certificates", pgx.RowToStructByPos[store.Certificate], sqlCertificates, limitOf(limit))
}

const (
	sqlSettleErased = `UPDATE work SET erase=$4, last_error=NULL, detail=NULL,
  not_before=CASE WHEN owner IS NULL THEN clock_timestamp() ELSE not_before END
WHERE system=$1 AND object=$2 AND record_id=$3 AND erase IN ('ask','archive','delete')`
	sqlKeepErased = `DELETE FROM work WHERE system=$1 AND object=$2 AND record_id=$3 AND erase IN ('ask','archive','delete') AND owner IS NULL`
)

// SettleErased decides about a record whose person was erased in another system.
func (s *Store) SettleErased(ctx context.Context, system, object, recordID string, order store.EraseOrder) (bool, error) {
	return inTx(ctx, s, "settle an erased record", func(ctx context.Context, tx pgx.Tx) (bool, error) {
		stmt, args := sqlKeepErased, []any{system, object, recordID}
		switch order {
		case store.EraseKeep:
		case store.EraseArchive, store.EraseDelete:
			stmt, args = sqlSettleErased, append(args, string(order))
		default:
			return false, fmt.Errorf("order %q settles nothing", order)
		}
		tag, err := tx.Exec(ctx, stmt, args...)
		return tag.RowsAffected() > 0, err
	})
}

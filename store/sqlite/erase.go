package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"syncd/store"
	"syncd/store/erase"
)

// errDry takes a dry run back.
var errDry = errors.New("dry run")

// Erase implements the contract. The log in front of the file, which holds older
// pages, is emptied.
func (s *Store) Erase(ctx context.Context, o store.Erasure) (store.Erased, error) {
	var out store.Erased
	err := s.write(ctx, "erase", func(t *tx) error {
		var err error
		if out, err = erase.Run(erase.SQL{Exec: t.exec, Rows: t.texts, Now: t.now, At: at(sql.NullInt64{Int64: t.now, Valid: true}), Never: parked}, o); err == nil && o.DryRun {
			return errDry
		}
		return err
	})
	switch {
	case o.DryRun && errors.Is(err, errDry):
		return out, nil
	case err != nil:
		return store.Erased{}, err
	}
	return out, s.emptyLog(ctx)
}

// texts runs a query of which every column is text.
func (t *tx) texts(q string, args ...any) ([][]string, error) {
	var out [][]string
	err := t.query(q, func(rows *sql.Rows) error {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		cells := make([]sql.NullString, len(columns))
		into, line := make([]any, len(columns)), make([]string, len(columns))
		for n := range cells {
			into[n] = &cells[n]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for n, c := range cells {
			line[n] = c.String
		}
		out = append(out, line)
		return nil
	}, args...)
	return out, err
}

// sqlEmptyLog moves the log into the file and cuts it. A reader may keep it from
// doing so; then the next erasure, or the end of the daemon, does.
const sqlEmptyLog = `PRAGMA wal_checkpoint(TRUNCATE)`

func (s *Store) emptyLog(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil // it is erased; the log is emptied later
	}
	if _, err := s.w.ExecContext(context.WithoutCancel(ctx), sqlEmptyLog); err != nil {
		s.o.Logger.Warn("the log of the database could not be emptied after an erasure", "event", "erase.log", "error", err)
	}
	return nil
}

const sqlTombstones = `SELECT t.system, t.object, t.id_mac FROM tombstone t JOIN json_each(?1) r
  ON t.system=r.value->>0 AND t.object=r.value->>1 AND t.id_mac=r.value->>2`

// Tombstones implements the contract.
func (s *Store) Tombstones(ctx context.Context, asked []store.Tombstone) (map[store.Tombstone]bool, error) {
	found := map[store.Tombstone]bool{}
	if len(asked) == 0 {
		return found, nil
	}
	rows := make([][3]string, len(asked))
	for n, a := range asked {
		rows[n] = [3]string{a.System, a.Object, a.Mac}
	}
	arg, err := list(rows)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, "look for tombstones", sqlTombstones, func(rows *sql.Rows) error {
		var t store.Tombstone
		err := rows.Scan(&t.System, &t.Object, &t.Mac)
		found[t] = true
		return err
	}, arg)
	return found, err
}

const sqlCertificates = `SELECT id, at, certificate FROM erasure ORDER BY id DESC LIMIT ?1`

// Certificates implements the contract, newest first.
func (s *Store) Certificates(ctx context.Context, limit int) ([]store.Certificate, error) {
	var out []store.Certificate
	err := s.read(ctx, "list certificates", sqlCertificates, func(rows *sql.Rows) error {
		var c store.Certificate
		var when sql.NullInt64
		err := rows.Scan(&c.ID, &when, &c.Text)
		c.At = at(when)
		out = append(out, c)
		return err
	}, limit)
	return out, err
}

// ?4 order, ?5 due, ?6 why it waits. A row that somebody works on keeps its lease.
const sqlSettleErased = `UPDATE work SET erase=?4, last_error=?6, detail=NULL, not_before=CASE WHEN owner IS NULL THEN ?5 ELSE not_before END
WHERE system=?1 AND object=?2 AND record_id=?3 AND erase IN ('ask','archive','delete')`

const sqlKeepErased = `DELETE FROM work WHERE system=?1 AND object=?2 AND record_id=?3 AND erase IN ('ask','archive','delete') AND owner IS NULL`

// SettleErased implements the contract.
func (s *Store) SettleErased(ctx context.Context, system, object, recordID string, order store.EraseOrder) (bool, error) {
	var n int64
	err := s.write(ctx, "settle an erased record", func(t *tx) (err error) {
		switch order {
		case store.EraseKeep:
			n, err = t.exec(sqlKeepErased, system, object, recordID)
		case store.EraseArchive, store.EraseDelete:
			n, err = t.exec(sqlSettleErased, system, object, recordID, string(order), t.now, nil)
		default:
			return fmt.Errorf("order %q settles nothing", order)
		}
		return err
	})
	return n > 0, err
}

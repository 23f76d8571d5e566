package erase

import (
	"encoding/json"
	"fmt"

	"syncd/store"
)

const (
	sqlTombstone = `INSERT INTO tombstone (system, object, id_mac, erased_at, erased_by) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`
	sqlBefore    = `SELECT CAST(MAX(erasure_id) AS TEXT) FROM tombstone WHERE system=$1 AND object=$2 AND id_mac=$3 AND erasure_id IS NOT NULL`
)

// bury leaves the tombstones: keyed hashes of every id that the person had.
func (w *wipe) bury() error {
	asked := record{w.order.System, w.order.Object, w.order.RecordID}
	rows, err := w.Rows(sqlBefore, asked.system, asked.object, w.mac(asked))
	if err != nil {
		return fmt.Errorf("earlier erasure: %w", err)
	}
	if len(rows) > 0 && rows[0][0] != "" {
		if _, err := fmt.Sscan(rows[0][0], &w.out.Before); err != nil {
			return fmt.Errorf("earlier erasure: %w", err)
		}
	}
	for _, r := range w.records {
		n, err := w.Exec(sqlTombstone, r.system, r.object, w.mac(r), w.Now, w.order.By)
		if err != nil {
			return fmt.Errorf("tombstone: %w", err)
		}
		w.out.Tombstones += int(n)
	}
	for _, id := range w.ids { // for records that show up with its token
		if _, err := w.Exec(sqlTombstone, "", "", w.order.Mac("", "", id), w.Now, w.order.By); err != nil {
			return fmt.Errorf("tombstone: %w", err)
		}
	}
	return nil
}

const sqlOrder = `INSERT INTO work (system, object, record_id, not_before, cause, first_hint, erase, last_error) VALUES ($1, $2, $3, $4, 'erase', $5, $6, $7)`

// WaitsElsewhere is what a record says that waits for a person's decision.
const WaitsElsewhere = "erased_elsewhere: the person was erased in "

// elsewhere orders what becomes of the person's records in other systems. Until it
// is done their ids stay in the queue: somebody has to find them.
func (w *wipe) elsewhere() error {
	for _, m := range w.active {
		if (m.record == record{w.order.System, w.order.Object, w.order.RecordID}) {
			continue
		}
		order := w.order.Other[m.link]
		if order == "" {
			order = store.EraseAsk
		}
		w.out.Elsewhere = append(w.out.Elsewhere, store.Elsewhere{System: m.system, Object: m.object, Order: order})
		if order == store.EraseKeep {
			continue
		}
		due, words := w.Now, any(nil)
		if order == store.EraseAsk {
			due, words = w.Never, WaitsElsewhere+w.order.System+"; decide what becomes of it here"
		}
		if _, err := w.Exec(sqlOrder, m.system, m.object, m.id, due, w.Now, string(order), words); err != nil {
			return fmt.Errorf("order in %s: %w", m.system, err)
		}
	}
	return nil
}

const (
	sqlCertify = `INSERT INTO erasure (at, certificate) VALUES ($1, $2) RETURNING CAST(id AS TEXT)`
	sqlOfThis  = `UPDATE tombstone SET erasure_id=CAST($1 AS BIGINT) WHERE system=$2 AND object=$3 AND id_mac=$4 AND erasure_id IS NULL`
)

// certify keeps the certificate. A run that found nothing to wipe and nobody to
// bury leaves none.
func (w *wipe) certify() error {
	if len(w.out.Wiped)+w.out.Tombstones == 0 || w.order.DryRun {
		return nil
	}
	text, err := json.Marshal(w.out)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	rows, err := w.Rows(sqlCertify, w.Now, string(text))
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if _, err := fmt.Sscan(rows[0][0], &w.out.ID); err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	for _, r := range w.records {
		if _, err := w.Exec(sqlOfThis, rows[0][0], r.system, r.object, w.mac(r)); err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
	}
	return nil
}

// Package erase forgets a person (CORRECTNESS F44): which rows of which tables hold
// what of an erased record, and what is left of them. Both stores run it, each in
// one transaction; its statements are the SQL that both engines speak.
//
// What stays: the canonical id, so that history keeps its thread and nobody is
// given that id again; keyed hashes of the record ids, so that the person is never
// brought back; and the certificate.
package erase

import (
	"fmt"
	"slices"
	"time"

	"syncd/store"
)

// SQL is a transaction of a store.
type SQL struct {
	Exec  func(stmt string, args ...any) (int64, error)
	Rows  func(stmt string, args ...any) ([][]string, error) // every column is text
	Now   any                                                // the clock, as the engine takes it
	At    time.Time                                          // the same
	Never any                                                // the not_before of a parked row
	Lock  string                                             // what ends a SELECT that locks
}

// record is a record by its id.
type record struct{ system, object, id string }

// wipe is an erasure under way.
type wipe struct {
	SQL
	order   store.Erasure
	out     store.Erased
	ids     []string // identities
	records []record // all that the person ever had, sorted
	active  []member // those that were paired until now
	values  []string // what the person's records held
}

type member struct {
	record
	link string
}

// Run erases. A second run finds nothing to wipe and says so; what was announced of
// the record meanwhile is wiped by it, too.
func Run(q SQL, o store.Erasure) (store.Erased, error) {
	w := &wipe{SQL: q, order: o, out: store.Erased{At: q.At, By: o.By, Reason: o.Reason, System: o.System, Object: o.Object, Wiped: map[string]int{}}}
	for _, step := range []func() error{w.find, w.free, w.remember, w.deliveries, w.identities, w.evidence, w.queue, w.others, w.audit, w.bury, w.elsewhere, w.certify} {
		if err := step(); err != nil {
			return store.Erased{}, err
		}
	}
	return w.out, nil
}

func (w *wipe) mac(r record) string { return w.order.Mac(r.system, r.object, r.id) }

// masked is what stands in place of a record's id.
func (w *wipe) masked(r record) string { return store.ErasedPrefix + w.mac(r) }

// count runs a statement and counts its rows to a table.
func (w *wipe) count(table, stmt string, args ...any) error {
	n, err := w.Exec(stmt, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	if n > 0 {
		w.out.Wiped[table] += int(n)
	}
	return nil
}

const (
	sqlHolders = `SELECT CAST(identity_id AS TEXT) FROM member WHERE system=$1 AND object=$2 AND (record_id=$3 OR record_id=$4)
UNION SELECT CAST(identity_id AS TEXT) FROM alias WHERE system=$1 AND object=$2 AND record_id=$3`
	sqlMergedHere = `SELECT CAST(identity_id AS TEXT) FROM identity WHERE merged_into=$1
UNION SELECT CAST(merged_into AS TEXT) FROM identity WHERE identity_id=$1 AND merged_into IS NOT NULL`
	sqlRecordsOf = `SELECT system, object, record_id FROM member WHERE identity_id=$1 AND record_id IS NOT NULL AND record_id NOT LIKE 'erased:%'
UNION SELECT system, object, record_id FROM alias WHERE identity_id=$1
UNION SELECT system, object, record_id FROM history WHERE identity_id=$1 AND system IS NOT NULL AND object IS NOT NULL
  AND record_id IS NOT NULL AND record_id <> '' AND record_id NOT LIKE 'erased:%'`
	sqlActiveOf = `SELECT m.system, m.object, m.record_id, i.link FROM member m JOIN identity i ON i.identity_id=m.identity_id
WHERE m.identity_id=$1 AND m.state IN ('active','quarantined') ORDER BY m.system`
	sqlOpenOf = `SELECT system FROM member WHERE identity_id=$1 AND record_id IS NULL AND sent_at IS NOT NULL ORDER BY system`
)

// find collects the identities: that of the record, all that was merged into it, and
// what it was merged into. They are one person by the vendor's own word (F40).
func (w *wipe) find() error {
	asked := record{w.order.System, w.order.Object, w.order.RecordID}
	w.records = []record{asked}
	todo, err := w.Rows(sqlHolders, asked.system, asked.object, asked.id, w.masked(asked))
	for ; err == nil && len(todo) > 0; todo = todo[1:] {
		id := todo[0][0]
		if slices.Contains(w.ids, id) {
			continue
		}
		w.ids = append(w.ids, id)
		var more [][]string
		if more, err = w.Rows(sqlMergedHere, id); err == nil {
			todo = append(todo, more...)
		}
	}
	if err != nil {
		return fmt.Errorf("whose record it is: %w", err)
	}
	slices.Sort(w.ids)
	w.out.Identities = w.ids
	return nil
}

const (
	sqlLeasedElsewhere = `SELECT CAST(identity_id AS TEXT) FROM identity WHERE identity_id=$1 AND lease_until >= $2 AND lease_owner <> $3`
	sqlLockIdentity    = `SELECT CAST(identity_id AS TEXT) FROM identity WHERE identity_id=$1`
	sqlWorkElsewhere   = `SELECT record_id FROM work WHERE system=$1 AND object=$2 AND record_id=$3 AND owner IS NOT NULL AND owner <> $5 AND not_before > $4`
)

// free makes sure that nobody has the person in hand: what such a worker has read
// would be written after the wipe, and a record that it claims would be paired.
func (w *wipe) free() error {
	for _, id := range w.ids {
		if _, err := w.Rows(sqlLockIdentity+w.Lock, id); err != nil {
			return fmt.Errorf("lock identity %s: %w", id, err)
		}
		leased, err := w.Rows(sqlLeasedElsewhere, id, w.Now, w.order.Owner)
		if err != nil {
			return fmt.Errorf("identity %s: %w", id, err)
		}
		if len(leased) > 0 {
			return store.ErrInHand
		}
	}
	busy, err := w.Rows(sqlWorkElsewhere, w.order.System, w.order.Object, w.order.RecordID, w.Now, w.order.Owner)
	if err != nil {
		return fmt.Errorf("who works on the record: %w", err)
	}
	if len(busy) > 0 {
		return store.ErrInHand
	}
	return nil
}

const sqlValuesOf = `SELECT COALESCE(CAST(base AS TEXT), ''), COALESCE(CAST(intent AS TEXT), '') FROM member WHERE identity_id=$1`

// remember notes, for the length of the transaction, whom to look for.
func (w *wipe) remember() error {
	for _, id := range w.ids {
		rows, err := w.Rows(sqlRecordsOf, id)
		if err != nil {
			return fmt.Errorf("records of %s: %w", id, err)
		}
		for _, r := range rows {
			if rec := (record{r[0], r[1], r[2]}); !slices.Contains(w.records, rec) {
				w.records = append(w.records, rec)
			}
		}
		if rows, err = w.Rows(sqlActiveOf, id); err != nil {
			return fmt.Errorf("members of %s: %w", id, err)
		}
		for _, r := range rows {
			w.active = append(w.active, member{record{r[0], r[1], r[2]}, r[3]})
		}
		if rows, err = w.Rows(sqlOpenOf, id); err != nil {
			return fmt.Errorf("open creates of %s: %w", id, err)
		}
		for _, r := range rows {
			w.out.OpenCreates = append(w.out.OpenCreates, r[0])
		}
		if rows, err = w.Rows(sqlValuesOf, id); err != nil {
			return fmt.Errorf("values of %s: %w", id, err)
		}
		for _, r := range rows {
			w.values = append(w.values, valuesIn(r[0])...)
			w.values = append(w.values, valuesIn(r[1])...)
		}
	}
	slices.SortFunc(w.records, func(a, b record) int {
		return slices.Compare([]string{a.system, a.object, a.id}, []string{b.system, b.object, b.id})
	})
	return nil
}

const (
	sqlDeliveriesOf = `SELECT DISTINCT system, delivery_key FROM history WHERE identity_id=$1 AND delivery_key IS NOT NULL AND system IS NOT NULL`
	sqlDeliveries   = `SELECT DISTINCT system, delivery_key FROM history WHERE system=$1 AND object=$2 AND record_id=$3 AND delivery_key IS NOT NULL
UNION SELECT system, delivery_key FROM work WHERE system=$1 AND object=$2 AND record_id=$3 AND delivery_key IS NOT NULL`
	// A line of history keeps the key of a delivery of any system.
	sqlForgetDelivery = `DELETE FROM inbox WHERE delivery_key=$1`
)

// deliveries takes the receipts of what was announced of the person: a key is the
// hash of a body that held values. It comes first, as everywhere (lock order).
func (w *wipe) deliveries() error {
	keys := map[string]bool{}
	note := func(rows [][]string, err error) error {
		for _, r := range rows {
			keys[r[1]] = true
		}
		return err
	}
	for _, id := range w.ids {
		if err := note(w.Rows(sqlDeliveriesOf, id)); err != nil {
			return fmt.Errorf("deliveries about %s: %w", id, err)
		}
	}
	for _, r := range w.records {
		if err := note(w.Rows(sqlDeliveries, r.system, r.object, r.id)); err != nil {
			return fmt.Errorf("deliveries about a record: %w", err)
		}
	}
	for _, key := range sorted(keys) {
		if err := w.count("inbox", sqlForgetDelivery, key); err != nil {
			return err
		}
	}
	return nil
}

const (
	sqlEndIdentity = `UPDATE identity SET state=CASE WHEN state='merged' THEN state ELSE 'retired' END, note=NULL,
  lease_owner=NULL, lease_until=NULL, rev=rev+1 WHERE identity_id=$1 AND (state IN ('live','quarantined') OR note IS NOT NULL)`
	// A side without a record has nothing to keep. Where a create of it is under way,
	// its late answer must find nothing to bind to.
	sqlEndOpen   = `DELETE FROM member WHERE identity_id=$1 AND record_id IS NULL`
	sqlEndMember = `UPDATE member SET record_id=$4, state=CASE WHEN state='merged' THEN state ELSE 'gone' END, birth=NULL, base=NULL, base_ver=NULL,
  base_at=NULL, intent=NULL, sent_vals=NULL, sent_at=NULL, removal=NULL,
  missing_at=NULL, gone_at=COALESCE(gone_at, $5), gone_why='erased', gone_cause='erase' WHERE identity_id=$1 AND system=$2 AND record_id=$3`
	sqlRecordIDs  = `SELECT system, object, record_id FROM member WHERE identity_id=$1 AND record_id IS NOT NULL AND record_id NOT LIKE 'erased:%' ORDER BY system`
	sqlEndFields  = `DELETE FROM field_state WHERE identity_id=$1`
	sqlEndKeys    = `DELETE FROM match_key WHERE identity_id=$1 AND NOT shared`
	sqlEndAliases = `DELETE FROM alias WHERE identity_id=$1`
	sqlEndNeeds   = `DELETE FROM needs WHERE identity_id=$1 OR wants_identity=$1`
)

// identities ends the identities and what they remember. Their rows of the id map
// stay, inactive, with keyed hashes for ids. A key that several people share is
// nobody's (F11): it stays, for without it they would be taken for one another.
func (w *wipe) identities() error {
	for _, id := range w.ids {
		if err := w.count("identity", sqlEndIdentity, id); err != nil {
			return err
		}
		if err := w.count("member", sqlEndOpen, id); err != nil {
			return err
		}
		rows, err := w.Rows(sqlRecordIDs, id)
		if err != nil {
			return fmt.Errorf("members of %s: %w", id, err)
		}
		for _, r := range rows {
			if err := w.count("member", sqlEndMember, id, r[0], r[2], w.masked(record{r[0], r[1], r[2]}), w.Now); err != nil {
				return err
			}
		}
		for _, s := range []struct{ table, stmt string }{{"field_state", sqlEndFields}, {"match_key", sqlEndKeys}, {"alias", sqlEndAliases}, {"needs", sqlEndNeeds}} {
			if err := w.count(s.table, s.stmt, id); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	sqlHistory = `UPDATE history SET fields=NULL, delivery_key=NULL, trace=NULL, record_id=$4 WHERE system=$1 AND object=$2 AND record_id=$3`
	// Lines of the identity that name no record of it any more.
	sqlHistoryOf = `UPDATE history SET fields=NULL, delivery_key=NULL, trace=NULL WHERE identity_id=$1
  AND (fields IS NOT NULL OR delivery_key IS NOT NULL OR trace IS NOT NULL)`
	sqlTrash = `UPDATE trash SET error=NULL, payload=NULL, record_id=$4, resolved_at=COALESCE(resolved_at, $5),
  resolved_by=COALESCE(resolved_by, 'syncd'), resolution='erased' WHERE system=$1 AND object=$2 AND record_id=$3`
	sqlTrashOf = `UPDATE trash SET error=NULL, payload=NULL, resolved_at=COALESCE(resolved_at, $2),
  resolved_by=COALESCE(resolved_by, 'syncd'), resolution='erased' WHERE identity_id=$1 AND (error IS NOT NULL OR payload IS NOT NULL)`
	sqlRunRow   = `UPDATE run_row SET state=CASE WHEN state='planned' THEN 'done' ELSE state END, plan=NULL, vers=NULL, reason=NULL, record_id=$4 WHERE system=$1 AND object=$2 AND record_id=$3`
	sqlRunRowOf = `UPDATE run_row SET plan=NULL, vers=NULL, reason=NULL WHERE identity_id=$1 AND (plan IS NOT NULL OR vers IS NOT NULL OR reason IS NOT NULL)`
	sqlSeen     = `DELETE FROM seen WHERE system=$1 AND object=$2 AND record_id=$3`
	// References to the record that wait, of whoever they are.
	sqlPointing = `UPDATE field_state SET detail=NULL WHERE (identity_id, field) IN (SELECT n.identity_id, n.field FROM needs n
  WHERE n.wants_system=$1 AND n.wants_object=$2 AND n.wants_record=$3)`
	sqlNeeds = `DELETE FROM needs WHERE wants_system=$1 AND wants_object=$2 AND wants_record=$3`
)

// evidence takes the values out of history and trash: that something was done, when
// and why stays.
func (w *wipe) evidence() error {
	for _, r := range w.records {
		if err := w.count("history", sqlHistory, r.system, r.object, r.id, w.masked(r)); err != nil {
			return err
		}
		if err := w.count("trash", sqlTrash, r.system, r.object, r.id, w.masked(r), w.Now); err != nil {
			return err
		}
		for _, s := range []struct{ table, stmt string }{{"seen", sqlSeen}, {"field_state", sqlPointing}, {"needs", sqlNeeds}} {
			if err := w.count(s.table, s.stmt, r.system, r.object, r.id); err != nil {
				return err
			}
		}
		if err := w.count("run_row", sqlRunRow, r.system, r.object, r.id, w.masked(r)); err != nil {
			return err
		}
	}
	for _, id := range w.ids {
		if err := w.count("history", sqlHistoryOf, id); err != nil {
			return err
		}
		if err := w.count("trash", sqlTrashOf, id, w.Now); err != nil {
			return err
		}
		if err := w.count("run_row", sqlRunRowOf, id); err != nil {
			return err
		}
	}
	return nil
}

const sqlWork = `DELETE FROM work WHERE system=$1 AND object=$2 AND record_id=$3`

// queue cancels what was to be done. The row that asked for the erasure goes, too.
func (w *wipe) queue() error {
	for _, r := range w.records {
		if err := w.count("work", sqlWork, r.system, r.object, r.id); err != nil {
			return err
		}
	}
	return nil
}

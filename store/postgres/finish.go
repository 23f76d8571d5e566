package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const maxErrorText = 500 // characters of an error that a work row keeps

const (
	// The lock comes first, in a statement of its own: what it returns is the
	// row as it is now, with the hints that came meanwhile (the trap of 3.3
	// «completion as one statement»). The owner makes a repeat a no-op.
	sqlLockWork = `SELECT w.system, w.object, w.record_id, w.epoch, w.gen IS DISTINCT FROM w.claimed_gen, COALESCE(w.batch, 0), w.attempts
FROM work w JOIN unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS r(system, object, record_id, epoch)
  USING (system, object, record_id, epoch)
WHERE w.owner=$5 ORDER BY w.system, w.object, w.record_id FOR UPDATE OF w`

	sqlDeleteWork = `DELETE FROM work w USING unnest($1::text[], $2::text[], $3::text[]) AS r(system, object, record_id)
WHERE (w.system, w.object, w.record_id) = (r.system, r.object, r.record_id) AND w.gen=w.claimed_gen`

	// A hint came meanwhile: again at once.
	sqlRerunWork = `UPDATE work w SET owner=NULL, claimed_gen=NULL, batch=NULL, batch_cap=NULL, attempts=0, last_error=NULL, detail=NULL,
  not_before=clock_timestamp()
FROM unnest($1::text[], $2::text[], $3::text[]) AS r(system, object, record_id)
WHERE (w.system, w.object, w.record_id) = (r.system, r.object, r.record_id)`

	sqlAgainWork = `UPDATE work w SET owner=NULL, claimed_gen=NULL, batch=NULL, lane=GREATEST(w.lane, r.lane),
  attempts=GREATEST(w.attempts+r.blame, 0), batch_cap=CASE WHEN r.whole THEN w.batch_cap END,
  not_before=clock_timestamp() + r.after * interval '1 microsecond', last_error=COALESCE(r.error, w.last_error)
FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::int[], $6::boolean[], $7::bigint[], $8::text[])
  AS r(system, object, record_id, lane, blame, whole, after, error)
WHERE (w.system, w.object, w.record_id) = (r.system, r.object, r.record_id)`

	sqlParkWork = `UPDATE work w SET owner=NULL, claimed_gen=NULL, batch=NULL, batch_cap=NULL, attempts=0,
  not_before='infinity', last_error=r.error, detail=r.detail::json
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS r(system, object, record_id, error, detail)
WHERE (w.system, w.object, w.record_id) = (r.system, r.object, r.record_id)`

	sqlTrash = `INSERT INTO trash AS t (system, object, record_id, identity_id, why, error, attempts, payload, at)
SELECT r.system, r.object, r.record_id, r.identity_id, r.why, r.error, r.attempts, r.payload::json, clock_timestamp()
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]::uuid[], $5::text[], $6::text[], $7::int[], $8::text[])
  AS r(system, object, record_id, identity_id, why, error, attempts, payload)
ON CONFLICT (system, object, record_id, why) WHERE resolved_at IS NULL DO UPDATE SET
  identity_id=COALESCE(EXCLUDED.identity_id, t.identity_id), error=EXCLUDED.error, attempts=EXCLUDED.attempts,
  payload=EXCLUDED.payload, at=EXCLUDED.at`

	sqlResolveTrash = `UPDATE trash t SET resolved_at=clock_timestamp(), resolved_by='syncd', resolution='went through'
FROM unnest($1::text[], $2::text[], $3::text[]) AS r(system, object, record_id)
WHERE (t.system, t.object, t.record_id) = (r.system, r.object, r.record_id) AND t.resolved_at IS NULL`
)

// lockedRow is a work row that is still ours.
type lockedRow struct {
	store.WorkRef
	moved    bool // a hint came since the claim
	batch    int  // rows that it was claimed with
	attempts int
}

// queueLockWork locks the rows that are to be finished, in key order.
func queueLockWork(b *pgx.Batch, p store.Persist) *[]lockedRow {
	var locked []lockedRow
	if len(p.Work) == 0 {
		return &locked
	}
	refs := make([]store.WorkRef, len(p.Work))
	for n, f := range p.Work {
		refs[n] = f.WorkRef
	}
	systems, objects, records, epochs := workColumns(refs)
	b.Queue(sqlLockWork, systems, objects, records, epochs, p.Owner).Query(func(rows pgx.Rows) error {
		var l lockedRow
		_, err := pgx.ForEachRow(rows, []any{&l.System, &l.Object, &l.RecordID, &l.Epoch, &l.moved, &l.batch, &l.attempts}, func() error {
			locked = append(locked, l)
			return nil
		})
		return err
	})
	return &locked
}

// fates sorts rows by the statement that ends them.
type fates struct {
	done, rerun, deleted []store.WorkRef
	again, parked        []store.Finish
	dead                 []store.Finish
	attempts             []int32 // of dead
}

// finish ends the attempts of the locked rows by the four-case table of 3.7.
func (s *Store) finish(ctx context.Context, tx pgx.Tx, p store.Persist, rows []lockedRow, held map[string]bool, out *store.Persisted) error {
	locked := make(map[store.WorkRef]lockedRow, len(rows))
	for _, r := range rows {
		locked[r.WorkRef] = r
	}
	var f fates
	for _, fin := range p.Work {
		row, ours := locked[fin.WorkRef]
		if !ours {
			out.Lost = append(out.Lost, fin.WorkRef)
			continue
		}
		delete(locked, fin.WorkRef) // two finishes of one row: the first counts
		if err := f.add(fin, row, fencedFinish(fin, held), out); err != nil {
			return err
		}
	}
	var b pgx.Batch
	f.queue(&b)
	return send(ctx, tx, &b)
}

// add decides one row. A row that a hint reached since the claim is never
// parked or buried: that hint may be what it waits for.
func (f *fates) add(fin store.Finish, row lockedRow, fenced bool, out *store.Persisted) error {
	if fenced { // again at once, the attempt given back: nobody failed
		blame := 0
		if row.batch == 1 {
			blame = -1
		}
		f.again = append(f.again, store.Finish{WorkRef: fin.WorkRef, Blame: blame})
		return nil
	}
	switch fin.Disposition {
	case store.Again:
		f.again = append(f.again, fin)
		return nil
	case store.Done:
		f.done = append(f.done, fin.WorkRef)
		if row.moved {
			out.Rerun = append(out.Rerun, fin.WorkRef)
		}
	case store.Parked, store.Dead:
	default:
		return fmt.Errorf("work row %s/%s/%s: unknown disposition %q", fin.System, fin.Object, fin.RecordID, fin.Disposition)
	}
	switch {
	case row.moved:
		f.rerun = append(f.rerun, fin.WorkRef)
	case fin.Disposition == store.Parked:
		f.parked = append(f.parked, fin)
	default:
		f.deleted = append(f.deleted, fin.WorkRef)
	}
	if fin.Disposition == store.Dead && !row.moved {
		f.dead, f.attempts = append(f.dead, fin), append(f.attempts, int32(row.attempts))
	}
	return nil
}

func (f *fates) queue(b *pgx.Batch) {
	byKey := func(sql string, refs []store.WorkRef) {
		if len(refs) > 0 {
			systems, objects, records, _ := workColumns(refs)
			b.Queue(sql, systems, objects, records)
		}
	}
	byKey(sqlDeleteWork, f.deleted)
	byKey(sqlRerunWork, f.rerun)
	f.queueAgain(b)
	f.queueParked(b)
	byKey(sqlResolveTrash, f.done)
	f.queueDead(b)
}

func (f *fates) queueAgain(b *pgx.Batch) {
	if len(f.again) == 0 {
		return
	}
	systems, objects, records, _ := workColumns(refsOf(f.again))
	var lanes []int16
	var blames []int32
	var whole []bool
	var after []int64
	var errs []*string
	for _, a := range f.again {
		lane := store.LaneLive
		if a.Retry {
			lane = store.LaneRetry
		}
		lanes, blames, whole = append(lanes, int16(lane)), append(blames, int32(a.Blame)), append(whole, a.WholeCall)
		after, errs = append(after, micros(a.After)), append(errs, orNull(cut(a.Error)))
	}
	b.Queue(sqlAgainWork, systems, objects, records, lanes, blames, whole, after, errs)
}

func (f *fates) queueParked(b *pgx.Batch) {
	if len(f.parked) == 0 {
		return
	}
	systems, objects, records, _ := workColumns(refsOf(f.parked))
	var errs, details []*string
	for _, p := range f.parked {
		why := p.Reason
		if p.Error != "" {
			why += ": " + p.Error
		}
		errs, details = append(errs, orNull(cut(why))), append(details, jsonOrNull(p.Detail))
	}
	b.Queue(sqlParkWork, systems, objects, records, errs, details)
}

func (f *fates) queueDead(b *pgx.Batch) {
	if len(f.dead) == 0 {
		return
	}
	systems, objects, records, _ := workColumns(refsOf(f.dead))
	var ids, errs, payloads []*string
	var whys []string
	for _, d := range f.dead {
		ids, whys = append(ids, orNull(d.IdentityID)), append(whys, clean(d.Reason))
		errs, payloads = append(errs, orNull(d.Error)), append(payloads, jsonOrNull(d.Detail))
	}
	b.Queue(sqlTrash, systems, objects, records, ids, whys, errs, f.attempts, payloads)
}

func refsOf(fs []store.Finish) []store.WorkRef {
	refs := make([]store.WorkRef, len(fs))
	for n, f := range fs {
		refs[n] = f.WorkRef
	}
	return refs
}

// cut shortens the vendor's words to what a work row keeps.
func cut(s string) string {
	n := 0
	for at := range s {
		if n++; n > maxErrorText {
			return s[:at]
		}
	}
	return s
}

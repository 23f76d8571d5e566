package sqlite

import (
	"fmt"

	"syncd/store"
)

// Every statement here is guarded by the row's epoch and by its being claimed:
// a finish that is repeated finds nothing.
const (
	mine = ` WHERE system=?1 AND object=?2 AND record_id=?3 AND epoch=?4 AND owner IS NOT NULL`
	free = `UPDATE work SET owner=NULL, claimed_gen=NULL, lone=0, `

	sqlDone  = `DELETE FROM work` + mine + ` AND gen=claimed_gen RETURNING attempts`
	sqlRerun = free + `batch_cap=NULL, attempts=0, last_error=NULL, detail=NULL, not_before=?5` + mine
	// The identity's fence was lost: nobody's fault.
	sqlGiveBack = free + `batch_cap=NULL, attempts=attempts-lone, not_before=?5` + mine
	// ?5 due, ?6 least lane, ?7 blame, ?8 a whole call failed, ?9 error
	sqlAgain = free + `lane=max(lane,?6), attempts=max(0,attempts+?7), batch_cap=CASE WHEN ?8 THEN batch_cap END,
  detail=CASE WHEN ?9 IS NULL THEN detail END, last_error=COALESCE(substr(?9,1,500), last_error), not_before=?5` + mine
	// ?5 now, ?6 parked, ?7 error, ?8 detail. News came meanwhile: at once, and nothing to ask
	sqlPark = free + `attempts=0, batch_cap=NULL, not_before=CASE WHEN gen=claimed_gen THEN ?6 ELSE ?5 END,
  last_error=CASE WHEN gen=claimed_gen THEN substr(?7,1,500) END, detail=CASE WHEN gen=claimed_gen THEN ?8 END` + mine
)

// work ends the rows of the batch. A row that is not ours by now is lost; a row
// whose identity's fence is lost runs again at once.
func (b *batch) work() error {
	for _, f := range b.p.Work {
		ours, err := b.finish(f)
		if err != nil {
			return fmt.Errorf("finish %s/%s %s as %s: %w", f.System, f.Object, f.RecordID, f.Disposition, err)
		}
		if !ours {
			b.out.Lost = append(b.out.Lost, f.WorkRef)
		}
	}
	return nil
}

func (b *batch) finish(f store.Finish) (ours bool, err error) {
	if f.IdentityID != "" && !b.held[f.IdentityID] {
		return b.end(sqlGiveBack, f, b.now)
	}
	switch f.Disposition {
	case store.Done:
		return b.done(f)
	case store.Again:
		lane := store.LaneLive
		if f.Retry {
			lane = store.LaneRetry
		}
		return b.end(sqlAgain, f, b.now+ms(f.After), lane, f.Blame, f.WholeCall, text(f.Error))
	case store.Parked:
		reason := f.Reason
		if f.Error != "" {
			reason += ": " + f.Error
		}
		return b.end(sqlPark, f, b.now, parked, reason, raw(f.Detail))
	case store.Dead:
		return b.dead(f)
	}
	return false, fmt.Errorf("disposition %q is unknown", f.Disposition)
}

func (b *batch) end(q string, f store.Finish, args ...any) (bool, error) {
	n, err := b.exec(q, append([]any{f.System, f.Object, f.RecordID, f.Epoch}, args...)...)
	return n > 0, err
}

const sqlResolveTrash = `UPDATE trash SET resolved_at=?4, resolved_by='syncd', resolution='went through'
WHERE system=?1 AND object=?2 AND record_id=?3 AND resolved_at IS NULL`

func (b *batch) done(f store.Finish) (bool, error) {
	deleted, err := b.row(sqlDone, []any{f.System, f.Object, f.RecordID, f.Epoch}, new(int))
	if err != nil {
		return false, err
	}
	if !deleted { // a hint came meanwhile, or the row is lost
		ours, err := b.end(sqlRerun, f, b.now)
		if err != nil || !ours {
			return false, err
		}
		b.out.Rerun = append(b.out.Rerun, f.WorkRef)
	}
	_, err = b.exec(sqlResolveTrash, f.System, f.Object, f.RecordID, b.now)
	return true, err
}

const sqlTrashIt = `INSERT INTO trash (system, object, record_id, identity_id, why, error, attempts, payload, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (system, object, record_id, why) WHERE resolved_at IS NULL DO UPDATE SET
  identity_id=excluded.identity_id, error=excluded.error, attempts=excluded.attempts, payload=excluded.payload, at=excluded.at`

// dead moves the row to the trash, unless news came: those may cure it.
func (b *batch) dead(f store.Finish) (bool, error) {
	var attempts int
	deleted, err := b.row(sqlDone, []any{f.System, f.Object, f.RecordID, f.Epoch}, &attempts)
	if err != nil {
		return false, err
	}
	if !deleted {
		return b.end(sqlRerun, f, b.now)
	}
	_, err = b.exec(sqlTrashIt, f.System, f.Object, f.RecordID, text(f.IdentityID), f.Reason, text(f.Error), attempts, raw(f.Detail), b.now)
	return true, err
}

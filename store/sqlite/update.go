package sqlite

import (
	"context"

	"syncd/store"
)

// sqlIntendUpdate writes an intent under the identity's fence and no hold.
// ?1 identity, ?2 epoch, ?3 owner, ?4 link, ?5 system, ?6 intent, ?7 ledger
const sqlIntendUpdate = `UPDATE member SET intent=?6, sent_vals=?7
WHERE identity_id=?1 AND system=?5 AND state='active'
  AND EXISTS (SELECT 1 FROM identity i WHERE i.identity_id=?1 AND i.epoch=?2 AND i.lease_owner=?3)
  AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.released_at IS NULL AND h.system=?5 AND h.link IN ('',?4)
                  AND h.what IN ('all','writes'))`

// IntendUpdates implements the contract. The confirming hint is committed with
// its intent: persist holds work rows of its own (3.6).
func (s *Store) IntendUpdates(ctx context.Context, owner string, intents []store.UpdateIntent) ([]string, error) {
	if len(intents) == 0 {
		return nil, nil
	}
	var ids []string
	err := s.write(ctx, "intend updates", func(t *tx) error {
		ids = nil
		var confirm []store.Hint
		for _, i := range intents {
			n, err := t.exec(sqlIntendUpdate, i.IdentityID, i.Epoch, owner, i.Link, i.System, raw(i.Intent), raw(i.Sent))
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			ids = append(ids, i.IdentityID)
			if i.Confirm != nil {
				confirm = append(confirm, *i.Confirm)
			}
		}
		return t.enqueue(confirm)
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// sqlIntendCreate moves a send once: sends is what the caller read.
// ?1 identity, ?2 epoch, ?3 owner, ?4 link, ?5 system, ?6 body, ?7 ledger, ?8 sends, ?9 now
//
// A member that was parked waited for a person's word, and the world has moved on:
// whoever asks has made sure that it may be created now.
const sqlIntendCreate = `UPDATE member SET sent_at=?9, sends=sends+1, sent_epoch=?2, intent=?6, sent_vals=?7,
  state=CASE state WHEN 'parked' THEN 'creating' ELSE state END
WHERE identity_id=?1 AND system=?5 AND sends=?8 AND state IN ('creating','uncertain','parked')
  AND EXISTS (SELECT 1 FROM identity i WHERE i.identity_id=?1 AND i.epoch=?2 AND i.lease_owner=?3)
  AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.released_at IS NULL AND h.system=?5 AND h.link IN ('',?4)
                  AND h.what IN ('all','writes','creates'))`

// IntendCreates implements the contract.
func (s *Store) IntendCreates(ctx context.Context, owner string, intents []store.CreateIntent) ([]string, error) {
	return intend(ctx, s, "intend creates", intents, func(t *tx, i store.CreateIntent) (string, int64, error) {
		n, err := t.exec(sqlIntendCreate, i.IdentityID, i.Epoch, owner, i.Link, i.System, raw(i.Intent), raw(i.Sent), i.Sends, t.now)
		return i.IdentityID, n, err
	})
}

// intend commits intents in one transaction and gives the identities of those that
// may be carried out: put says whose an intent is, and how many rows took it.
func intend[T any](ctx context.Context, s *Store, op string, intents []T, put func(*tx, T) (id string, n int64, err error)) ([]string, error) {
	if len(intents) == 0 {
		return nil, nil
	}
	var ids []string
	err := s.write(ctx, op, func(t *tx) error {
		ids = nil
		for _, i := range intents {
			id, n, err := put(t, i)
			if err != nil {
				return err
			}
			if n > 0 {
				ids = append(ids, id)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

const sqlTakeBack = `UPDATE member SET sent_at=NULL WHERE identity_id=?1 AND system=?2 AND sends=?3 AND state='creating'`

// TakeBack implements the contract: a definite failure takes back its own send
// and no other.
func (s *Store) TakeBack(ctx context.Context, sends []store.SendRef) error {
	if len(sends) == 0 {
		return nil
	}
	return s.write(ctx, "take back sends", func(t *tx) error {
		for _, r := range sends {
			if _, err := t.exec(sqlTakeBack, r.IdentityID, r.System, r.Sends); err != nil {
				return err
			}
		}
		return nil
	})
}

// sqlBind has no fence: a zombie that learns a true record id must record it.
const sqlBind = `UPDATE member SET record_id=?3, state='active', birth=COALESCE(?4, birth), last_seen=?5
WHERE identity_id=?1 AND system=?2 AND object=?6 AND record_id IS NULL AND state IN ('creating','uncertain','parked')
  AND NOT EXISTS (SELECT 1 FROM member o WHERE o.system=member.system AND o.object=member.object AND o.record_id=?3
                  AND o.state IN ('active','quarantined'))`

// Bind implements the contract: a commit of its own, right after the answer. What
// waited for the record is woken by the same commit (F64).
func (s *Store) Bind(ctx context.Context, bindings []store.Binding) ([]string, error) {
	if len(bindings) == 0 {
		return nil, nil
	}
	var ids []string
	err := s.write(ctx, "bind", func(t *tx) error {
		ids = nil
		var confirm []store.Hint
		for _, b := range bindings {
			n, err := t.exec(sqlBind, b.IdentityID, b.System, b.RecordID, text(b.Birth), t.now, b.Object)
			if err != nil {
				return err
			}
			if n == 0 {
				continue // a surplus, a conflict, or bound before: the caller looks
			}
			ids = append(ids, b.IdentityID)
			if b.Confirm != nil {
				confirm = append(confirm, *b.Confirm)
			}
		}
		woken, err := t.wokenBy(ids)
		if err != nil {
			return err
		}
		return t.enqueue(append(confirm, woken...))
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

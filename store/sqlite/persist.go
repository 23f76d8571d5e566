package sqlite

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"syncd/failpoint"
	"syncd/store"
)

// Persist implements the contract: the one transaction that ends a batch,
// guarded per row, so that a fenced row does not roll back its siblings (3.7).
func (s *Store) Persist(ctx context.Context, p store.Persist) (store.Persisted, error) {
	var out store.Persisted
	if len(p.Identities)+len(p.Moves)+len(p.Release)+len(p.History)+len(p.Work)+len(p.Answers) == 0 {
		return out, nil
	}
	err := s.write(ctx, "persist", func(t *tx) error {
		out = store.Persisted{}
		b := &batch{tx: t, p: p, out: &out, held: map[string]bool{}}
		for _, step := range []func() error{b.identities, b.keys, b.release, b.moves, b.history, b.work, b.wakeActive, b.needs} {
			if err := step(); err != nil {
				return err
			}
		}
		failpoint.Hit("mid_persist")
		return nil
	})
	if err != nil {
		return store.Persisted{}, err
	}
	return out, nil
}

// batch is a persist under way. held tells, for every identity that the batch
// names, whether its fence is ours.
type batch struct {
	*tx
	p    store.Persist
	out  *store.Persisted
	held map[string]bool
}

// sqlEnd is fence and end of an identity's lease in one. The owner is part of
// the fence and is cleared here, so a persist that is repeated because its
// answer was lost is a no-op.
const sqlEnd = `UPDATE identity SET rev=rev+1, lease_owner=NULL, lease_until=NULL WHERE identity_id=?1 AND epoch=?2 AND lease_owner=?3`

// sqlMemberEnd writes a member. A bind is not fenced, so it may have come after
// the decision that is persisted here: a state of "not created yet" does not
// take the record away again, and none takes a record that is another's by now.
// ?1 identity, ?2 system, ?3 state, ?4 base, ?5 version, ?6 birth, ?7 intent, ?8 ledger, ?9 now, ?10 removal
const sqlMemberEnd = `UPDATE member SET base=?4, base_ver=?5, base_at=?9, birth=COALESCE(birth, ?6), intent=?7, sent_vals=?8, last_seen=?9, removal=?10,
  state=CASE
    WHEN ?3 IS NULL OR (record_id IS NULL) <> (?3 IN ('creating','uncertain','parked')) THEN state
    WHEN ?3 IN ('active','quarantined') AND state NOT IN ('active','quarantined')
      AND EXISTS (SELECT 1 FROM member o WHERE o.system=member.system AND o.object=member.object AND o.record_id=member.record_id
                  AND o.state IN ('active','quarantined')) THEN state
    ELSE ?3 END
WHERE identity_id=?1 AND system=?2`

func (b *batch) identities() error {
	for _, u := range b.p.Identities {
		if _, again := b.held[u.ID]; !again {
			n, err := b.exec(sqlEnd, u.ID, u.Epoch, b.p.Owner)
			if err != nil {
				return err
			}
			if b.held[u.ID] = n > 0; n == 0 {
				b.out.Fenced = append(b.out.Fenced, u.ID)
			}
		}
		if !b.held[u.ID] {
			continue
		}
		if err := b.identity(u); err != nil {
			return err
		}
		for _, m := range u.Members {
			if m.Reopen {
				if _, err := b.exec(sqlReopen, u.ID, m.System, raw(m.Removal)); err != nil {
					return fmt.Errorf("reopen the member of %s in %s: %w", u.ID, m.System, err)
				}
				continue
			}
			_, err := b.exec(sqlMemberEnd, u.ID, m.System, text(string(m.State)), raw(m.Base), text(m.BaseVersion), text(m.Birth), raw(m.Intent), raw(m.Sent), b.now, raw(m.Removal))
			if err != nil {
				return fmt.Errorf("member of %s in %s: %w", u.ID, m.System, err)
			}
			if err := b.absence(u.ID, m); err != nil {
				return fmt.Errorf("absence of %s in %s: %w", u.ID, m.System, err)
			}
			if err := b.fields(u.ID, m); err != nil {
				return fmt.Errorf("field states of %s in %s: %w", u.ID, m.System, err)
			}
		}
	}
	return nil
}

const (
	sqlFieldsAgreed = `DELETE FROM field_state WHERE identity_id=?1 AND system=?2 AND field NOT IN (SELECT value FROM json_each(?3))`
	sqlFieldState   = `INSERT INTO field_state AS f (identity_id, system, field, state, detail, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (identity_id, system, field) DO UPDATE SET detail=excluded.detail, state=excluded.state,
  since=CASE WHEN f.state=excluded.state THEN f.since ELSE excluded.since END`
)

func (b *batch) fields(id string, m store.MemberUpdate) error {
	if m.Fields == nil {
		return nil
	}
	names, err := list(slices.Sorted(maps.Keys(m.Fields)))
	if err != nil {
		return err
	}
	if _, err := b.exec(sqlFieldsAgreed, id, m.System, names); err != nil {
		return err
	}
	for name, f := range m.Fields {
		if _, err := b.exec(sqlFieldState, id, m.System, name, f.State, raw(f.Detail), b.now); err != nil {
			return err
		}
	}
	return nil
}

// All that is no longer held goes before anything comes, so that two
// identities can swap a key. A key that another holds stays there.
const (
	sqlKeysGone = `DELETE FROM match_key WHERE identity_id IN (SELECT value FROM json_each(?1)) AND NOT shared
  AND (link,kind,value,identity_id) NOT IN (SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?2))`
	sqlKeysCome = `INSERT INTO match_key (link,kind,value,identity_id,system,claimed_at)
SELECT value->>0, value->>1, value->>2, value->>3, value->>4, ?2 FROM json_each(?1) WHERE true
ON CONFLICT (link,kind,value) DO NOTHING`
)

func (b *batch) keys() error {
	var ids []string
	var keys [][5]string
	for _, u := range b.p.Identities {
		if !u.SetKeys || !b.held[u.ID] {
			continue
		}
		ids = append(ids, u.ID)
		for _, k := range u.Keys {
			keys = append(keys, [5]string{u.Link, k.Kind, k.Value, u.ID, k.System})
		}
	}
	if len(ids) == 0 {
		return nil
	}
	idList, err := list(ids)
	if err != nil {
		return err
	}
	keyList, err := list(keys)
	if err != nil {
		return err
	}
	if _, err := b.exec(sqlKeysGone, idList, keyList); err != nil {
		return fmt.Errorf("match keys: %w", err)
	}
	if _, err := b.exec(sqlKeysCome, keyList, b.now); err != nil {
		return fmt.Errorf("match keys: %w", err)
	}
	return nil
}

const sqlRelease = `UPDATE identity SET lease_owner=NULL, lease_until=NULL WHERE identity_id=?1 AND epoch=?2 AND lease_owner=?3`

func (b *batch) release() error {
	for _, l := range b.p.Release {
		n, err := b.exec(sqlRelease, l.ID, l.Epoch, b.p.Owner)
		if err != nil {
			return err
		}
		if _, ended := b.held[l.ID]; !ended {
			b.held[l.ID] = n > 0
		}
	}
	return nil
}

const sqlHistory = `INSERT INTO history (at, identity_id, system, object, record_id, cause, delivery_key, trace, action, fields, epoch, replica)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)`

// history writes the entries of identities that are held or that the batch
// does not name: a fenced row leaves no trace of a decision (3.7 P3).
func (b *batch) history() error {
	for _, e := range b.p.History {
		if b.lost(e.IdentityID) {
			continue
		}
		var epoch any
		if e.Epoch != 0 {
			epoch = e.Epoch
		}
		if _, err := b.exec(sqlHistory, b.now, text(e.IdentityID), e.System, e.Object, e.RecordID, e.Cause, text(e.DeliveryKey), text(e.Trace),
			e.Action, raw(e.Fields), epoch, text(b.s.o.Replica)); err != nil {
			return fmt.Errorf("history: %w", err)
		}
	}
	return nil
}

// lost says that the batch names the identity and its fence is not ours.
func (b *batch) lost(identity string) bool {
	held, named := b.held[identity]
	return named && !held
}

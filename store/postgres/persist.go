package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"syncd/failpoint"
	"syncd/store"
)

const (
	// A state that contradicts a fact is not written: bound without a record,
	// bound to a record that is another identity's by now, or open although a
	// bind, which needs no lease, gave the member its record meanwhile.
	sqlPersistMembers = `UPDATE member m SET
  state=CASE WHEN r.state IS NULL THEN m.state
             WHEN (m.record_id IS NULL) <> (r.state IN ('creating','uncertain','parked')) THEN m.state
             WHEN r.state IN ('active','quarantined') AND m.state NOT IN ('active','quarantined')
              AND EXISTS (SELECT 1 FROM member o WHERE o.system=m.system AND o.object=m.object AND o.record_id=m.record_id
                          AND o.state IN ('active','quarantined')) THEN m.state
             ELSE r.state END,
  base=r.base::json, base_ver=r.ver, base_at=clock_timestamp(), birth=COALESCE(m.birth, r.birth),
  intent=r.intent::json, sent_vals=r.sent::json, removal=r.removal::json, last_seen=clock_timestamp()
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
  AS r(identity_id, system, state, base, ver, birth, intent, sent, removal)
WHERE m.identity_id=r.identity_id AND m.system=r.system`

	sqlDeleteFields = `DELETE FROM field_state f USING unnest($1::text[]::uuid[], $2::text[]) AS r(identity_id, system)
WHERE f.identity_id=r.identity_id AND f.system=r.system
  AND NOT EXISTS (SELECT 1 FROM unnest($3::text[]::uuid[], $4::text[], $5::text[]) AS k(identity_id, system, field)
                  WHERE (k.identity_id, k.system, k.field) = (f.identity_id, f.system, f.field))`

	sqlSetFields = `INSERT INTO field_state AS f (identity_id, system, field, state, detail)
SELECT r.identity_id, r.system, r.field, r.state, r.detail::json
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS r(identity_id, system, field, state, detail)
ON CONFLICT (identity_id, system, field) DO UPDATE SET state=EXCLUDED.state, detail=EXCLUDED.detail,
  since=CASE WHEN f.state=EXCLUDED.state THEN f.since ELSE EXCLUDED.since END`

	sqlPersistIdentities = `UPDATE identity SET rev=rev+1, lease_owner=NULL, lease_until=NULL
WHERE identity_id = ANY($1::text[]::uuid[])`

	sqlRelease = `UPDATE identity SET lease_owner=NULL, lease_until=NULL WHERE identity_id = ANY($1::text[]::uuid[])`

	// Keys: take what is held and what is wanted in one pass in key order, as a
	// claim does; delete what is no longer wanted; insert again what one identity
	// of the batch gave up for another. The second and third wait for nobody.
	sqlPersistTakeKeys = `INSERT INTO match_key AS k (link, kind, value, identity_id, system)
SELECT DISTINCT ON (u.link COLLATE "C", u.kind COLLATE "C", u.value COLLATE "C") u.link, u.kind, u.value, u.identity_id, u.system
FROM (SELECT m.link, m.kind, m.value, m.identity_id, m.system FROM match_key m WHERE m.identity_id = ANY($1::text[]::uuid[])
      UNION ALL
      SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]::uuid[], $6::text[])) AS u(link, kind, value, identity_id, system)
ORDER BY u.link COLLATE "C", u.kind COLLATE "C", u.value COLLATE "C"
ON CONFLICT (link, kind, value) DO UPDATE SET shared=k.shared WHERE false`

	sqlPersistDeleteKeys = `DELETE FROM match_key m WHERE m.identity_id = ANY($1::text[]::uuid[]) AND NOT m.shared
  AND NOT EXISTS (SELECT 1 FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]::uuid[]) AS r(link, kind, value, identity_id)
                  WHERE (r.link, r.kind, r.value, r.identity_id) = (m.link, m.kind, m.value, m.identity_id))`

	sqlPersistInsertKeys = `INSERT INTO match_key (link, kind, value, identity_id, system)
SELECT r.link, r.kind, r.value, r.identity_id, r.system
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]::uuid[], $5::text[]) AS r(link, kind, value, identity_id, system)
ORDER BY r.link COLLATE "C", r.kind COLLATE "C", r.value COLLATE "C" ON CONFLICT (link, kind, value) DO NOTHING`

	sqlHistory = `INSERT INTO history (identity_id, system, object, record_id, cause, delivery_key, trace, action, fields, epoch, replica)
SELECT r.identity_id, r.system, r.object, r.record_id, r.cause, r.delivery_key, r.trace, r.action, r.fields::json, r.epoch, $11
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::bigint[]) WITH ORDINALITY
     AS r(identity_id, system, object, record_id, cause, delivery_key, trace, action, fields, epoch, n)
ORDER BY r.n`
)

// Persist ends a batch in one transaction (3.7). The fence is its first
// statement; a fenced identity drops out of everything that decides, and its
// siblings go on. The locks are taken identity → member → match_key → work.
func (s *Store) Persist(ctx context.Context, p store.Persist) (store.Persisted, error) {
	return inTx(ctx, s, "persist", func(ctx context.Context, tx pgx.Tx) (out store.Persisted, err error) {
		if err := lockNeeds(ctx, tx, p); err != nil {
			return out, fmt.Errorf("lock the needs: %w", err)
		}
		leases := append([]store.LeaseRef(nil), p.Release...)
		for _, i := range p.Identities {
			leases = append(leases, i.LeaseRef)
		}
		held, err := fence(ctx, tx, p.Owner, leases)
		if err != nil {
			return out, fmt.Errorf("fence: %w", err)
		}
		var ok []store.IdentityUpdate
		ours := map[string]bool{} // in p.Identities
		named := setOf(idsOf(leases))
		for _, i := range p.Identities {
			ours[i.ID] = true
			if held[i.ID] {
				ok = append(ok, i)
			} else {
				out.Fenced = append(out.Fenced, i.ID)
			}
		}
		var b pgx.Batch
		queueMembers(&b, ok)
		queueAbsences(&b, ok)
		queueReopened(&b, ok)
		queueMoves(&b, p.Moves, held)
		queueFields(&b, ok)
		queueStates(&b, ok)
		queueIdentities(&b, ok, p.Release, ours, held)
		queueKeys(&b, ok)
		s.queueHistory(&b, p.History, named, held)
		rows := queueLockWork(&b, p)
		if err := send(ctx, tx, &b); err != nil {
			return out, err
		}
		if err := s.finish(ctx, tx, p, *rows, held, &out); err != nil {
			return out, err
		}
		if err := needs(ctx, tx, p, ok, held); err != nil {
			return out, fmt.Errorf("needs: %w", err)
		}
		failpoint.Hit("mid_persist")
		return out, nil
	})
}

func queueMembers(b *pgx.Batch, ok []store.IdentityUpdate) {
	var ids, systems []string
	var states, bases, versions, births, intents, sent, removals []*string
	for _, i := range ok {
		for _, m := range i.Members {
			if m.Reopen {
				continue
			}
			ids, systems = append(ids, i.ID), append(systems, m.System)
			states, bases = append(states, orNull(string(m.State))), append(bases, jsonOrNull(m.Base))
			versions, births = append(versions, orNull(m.BaseVersion)), append(births, orNull(m.Birth))
			intents, sent = append(intents, jsonOrNull(m.Intent)), append(sent, jsonOrNull(m.Sent))
			removals = append(removals, jsonOrNull(m.Removal))
		}
	}
	if len(ids) > 0 {
		b.Queue(sqlLockMembers, ids, systems)
		b.Queue(sqlPersistMembers, ids, systems, states, bases, versions, births, intents, sent, removals)
	}
}

func queueFields(b *pgx.Batch, ok []store.IdentityUpdate) {
	var ids, systems []string // members whose field states are replaced
	var ofIDs, ofSystems, fields, states []string
	var details []*string
	for _, i := range ok {
		for _, m := range i.Members {
			if m.Fields == nil || m.Reopen {
				continue
			}
			ids, systems = append(ids, i.ID), append(systems, m.System)
			for name, f := range m.Fields {
				ofIDs, ofSystems = append(ofIDs, i.ID), append(ofSystems, m.System)
				fields, states, details = append(fields, clean(name)), append(states, f.State), append(details, jsonOrNull(f.Detail))
			}
		}
	}
	if len(ids) > 0 {
		b.Queue(sqlDeleteFields, ids, systems, ofIDs, ofSystems, fields)
	}
	if len(fields) > 0 {
		b.Queue(sqlSetFields, ofIDs, ofSystems, fields, states, details)
	}
}

// queueIdentities gives the leases back. rev rises only where something was
// written: it tells a claim that its snapshot is old.
func queueIdentities(b *pgx.Batch, ok []store.IdentityUpdate, release []store.LeaseRef, ours, held map[string]bool) {
	var written, released []string
	for _, i := range ok {
		written = append(written, i.ID)
	}
	for _, r := range release {
		if held[r.ID] && !ours[r.ID] {
			released = append(released, r.ID)
		}
	}
	if len(written) > 0 {
		b.Queue(sqlPersistIdentities, written)
	}
	if len(released) > 0 {
		b.Queue(sqlRelease, released)
	}
}

// queueKeys rewrites the keys of the identities whose keys changed. A key that
// another identity holds stays there: shared (F11) or a suspected duplicate (F6).
func queueKeys(b *pgx.Batch, ok []store.IdentityUpdate) {
	var set, ids, systems []string
	var keys []linkKey
	for _, i := range ok {
		if !i.SetKeys {
			continue
		}
		set = append(set, i.ID)
		for _, k := range i.Keys {
			keys, ids, systems = append(keys, linkKey{i.Link, k.Key}), append(ids, i.ID), append(systems, k.System)
		}
	}
	if len(set) == 0 {
		return
	}
	links, kinds, values := keyColumns(keys)
	b.Queue(sqlPersistTakeKeys, set, links, kinds, values, ids, systems)
	b.Queue(sqlPersistDeleteKeys, set, links, kinds, values, ids)
	if len(keys) > 0 {
		b.Queue(sqlPersistInsertKeys, links, kinds, values, ids, systems)
	}
}

// queueHistory leaves out what a fenced identity would have written: one that
// the batch names and does not hold.
func (s *Store) queueHistory(b *pgx.Batch, entries []store.Entry, named, held map[string]bool) {
	var ids, systems, objects, records, keys, traces, fields []*string
	var causes, actions []string
	var epochs []int64
	for _, e := range entries {
		if named[e.IdentityID] && !held[e.IdentityID] {
			continue
		}
		ids, systems, objects = append(ids, orNull(e.IdentityID)), append(systems, orNull(e.System)), append(objects, orNull(e.Object))
		records, keys, traces = append(records, orNull(e.RecordID)), append(keys, orNull(e.DeliveryKey)), append(traces, orNull(e.Trace))
		causes, actions = append(causes, clean(e.Cause)), append(actions, clean(e.Action))
		fields, epochs = append(fields, jsonOrNull(e.Fields)), append(epochs, e.Epoch)
	}
	if len(actions) > 0 {
		b.Queue(sqlHistory, ids, systems, objects, records, causes, keys, traces, actions, fields, epochs, orNull(s.replica))
	}
}

// fencedFinish says that a finish decides under a lease that is gone.
func fencedFinish(f store.Finish, held map[string]bool) bool {
	return f.IdentityID != "" && !held[f.IdentityID]
}

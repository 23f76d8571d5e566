package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"syncd/mapping"
	"syncd/store"
)

// sqlReferents finds whose a record is, whose another name of it was, and whose it
// was. ?1 records, ?2 parked
const sqlReferents = `WITH r AS (SELECT value->>0 AS system, value->>1 AS object, value->>2 AS record_id FROM json_each(?1))
SELECT r.system, r.object, r.record_id,
  (SELECT m.identity_id FROM member m WHERE m.system=r.system AND m.object=r.object AND m.record_id=r.record_id
     AND m.state IN ('active','quarantined')),
  (SELECT m.identity_id FROM member m WHERE m.system=r.system AND m.object=r.object AND m.record_id=r.record_id
     AND m.state IN ('gone','merged') ORDER BY m.gone_at DESC LIMIT 1),
  (SELECT a.identity_id FROM alias a WHERE a.system=r.system AND a.object=r.object AND a.record_id=r.record_id),
  (SELECT n.answer FROM needs n WHERE n.wants_system=r.system AND n.wants_object=r.object AND n.wants_record=r.record_id
     AND n.answer IS NOT NULL ORDER BY n.since DESC LIMIT 1),
  EXISTS (SELECT 1 FROM work w WHERE w.system=r.system AND w.object=r.object AND w.record_id=r.record_id AND w.not_before<?2)
FROM r`

const sqlRefIdentities = `SELECT i.identity_id, i.link, i.state, i.merged_into, m.system, m.object, m.record_id, m.state
FROM identity i JOIN member m ON m.identity_id=i.identity_id
WHERE i.identity_id IN (SELECT value FROM json_each(?1)) ORDER BY i.identity_id, m.system`

// Referents implements the contract.
func (s *Store) Referents(ctx context.Context, records []store.RecordRef, ids []string) ([]store.Referent, error) {
	var out []store.Referent
	var whose []string // of out
	if len(records) > 0 {
		rows := make([][3]string, len(records))
		for n, r := range records {
			rows[n] = [3]string{r.System, r.Object, r.RecordID}
		}
		arg, err := list(rows)
		if err != nil {
			return nil, err
		}
		err = s.read(ctx, "read referents", sqlReferents, func(rows *sql.Rows) error {
			var r store.Referent
			var now, once, alias, answer sql.NullString
			err := rows.Scan(&r.Asked.System, &r.Asked.Object, &r.Asked.RecordID, &now, &once, &alias, &answer, &r.Pending)
			r.Answer = answer.String
			out, whose = append(out, r), append(whose, cmp.Or(now.String, alias.String, once.String))
			return err
		}, arg, parked)
		if err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		out, whose = append(out, store.Referent{}), append(whose, id)
	}
	known, err := s.refIdentities(ctx, whose)
	if err != nil {
		return nil, err
	}
	for n := range out {
		out[n].Identity = known[whose[n]]
	}
	return out, nil
}

// refIdentities reads identities, each by the id that was asked for: one that was
// merged away is the one that goes on.
func (s *Store) refIdentities(ctx context.Context, ids []string) (map[string]*store.RefIdentity, error) {
	known, into := map[string]*store.RefIdentity{}, map[string]string{}
	for range store.MaxAliases {
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == "" || known[id] != nil })
		if len(ids) == 0 {
			break
		}
		arg, err := list(ids)
		if err != nil {
			return nil, err
		}
		var next []string
		err = s.read(ctx, "read what is referred to", sqlRefIdentities, func(rows *sql.Rows) error {
			var i store.RefIdentity
			var m store.RefMember
			var state, mstate string
			var merged, record sql.NullString
			if err := rows.Scan(&i.ID, &i.Link, &state, &merged, &m.System, &m.Object, &record, &mstate); err != nil {
				return err
			}
			i.State, m.State, m.RecordID = mapping.IdentityState(state), mapping.MemberState(mstate), record.String
			if known[i.ID] == nil {
				known[i.ID] = &i
			}
			known[i.ID].Members = append(known[i.ID].Members, m)
			if merged.Valid {
				into[i.ID] = merged.String
				next = append(next, merged.String)
			}
			return nil
		}, arg)
		if err != nil {
			return nil, err
		}
		ids = next
	}
	return store.FollowAliases(known, into), nil
}

const (
	sqlNeedsGone = `DELETE FROM needs WHERE identity_id=?1 AND (system, field) NOT IN (SELECT value->>0, value->>1 FROM json_each(?2))`
	// A need for the same keeps what is known of it.
	sqlNeed = `INSERT INTO needs (identity_id, system, field, wants_identity, wants_system, wants_object, wants_record, answer, wake, since)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (identity_id, system, field) DO UPDATE SET wants_identity=excluded.wants_identity, wants_system=excluded.wants_system,
  wants_object=excluded.wants_object, wants_record=excluded.wants_record, answer=excluded.answer, wake=excluded.wake, since=excluded.since
WHERE (needs.wants_identity, needs.wants_system, needs.wants_object, needs.wants_record, needs.wake)
  IS NOT (excluded.wants_identity, excluded.wants_system, excluded.wants_object, excluded.wants_record, excluded.wake)`
	// sqlUnlooked says that nobody looks at a record, and nobody has it.
	sqlUnlooked = `SELECT NOT EXISTS (SELECT 1 FROM work WHERE system=?1 AND object=?2 AND record_id=?3)
  AND NOT EXISTS (SELECT 1 FROM member WHERE system=?1 AND object=?2 AND record_id=?3 AND state IN ('active','quarantined'))`
	sqlAnswer = `UPDATE needs SET answer=?4 WHERE wants_system=?1 AND wants_object=?2 AND wants_record=?3 AND answer IS NOT ?4
RETURNING identity_id`

	// met holds of a need n whose identity v has a record on the side that is to be
	// told. Wakened is the record of an identity that is looked at again then.
	met     = ` EXISTS (SELECT 1 FROM member t WHERE t.identity_id=v.identity_id AND t.system=n.system AND t.state='active')`
	wakened = `(SELECT w.system || char(31) || w.object || char(31) || w.record_id FROM member w WHERE w.identity_id=n.identity_id
     AND w.state='active' ORDER BY w.system<>n.wake, w.system LIMIT 1)`
	// sqlMetOf lists what wakes up of the needs of one identity, sqlMetBy what wakes up
	// by one, sqlWake the record of one.
	sqlMetOf = `SELECT ` + wakened + ` FROM needs n JOIN identity v ON v.identity_id=n.wants_identity WHERE n.identity_id=?1 AND` + met + `
UNION
SELECT ` + wakened + ` FROM needs n JOIN member v ON v.system=n.wants_system AND v.object=n.wants_object AND v.record_id=n.wants_record
  AND v.state IN ('active','quarantined') WHERE n.identity_id=?1 AND` + met
	sqlMetBy = `SELECT ` + wakened + ` FROM identity v JOIN needs n ON n.wants_identity=v.identity_id WHERE v.identity_id=?1 AND` + met + `
UNION
SELECT ` + wakened + ` FROM member v JOIN needs n ON n.wants_system=v.system AND n.wants_object=v.object AND n.wants_record=v.record_id
WHERE v.identity_id=?1 AND v.state IN ('active','quarantined') AND` + met
	sqlWake = `SELECT ` + wakened + ` FROM needs n WHERE n.identity_id=?1`
)

// needs notes what references wait for, last of a persist: rows that it has ended
// are woken like any other.
func (b *batch) needs() error {
	var hints []store.Hint
	for _, u := range b.p.Identities {
		if !u.SetNeeds || !b.held[u.ID] {
			continue
		}
		fetch, err := b.note(u)
		if err != nil {
			return fmt.Errorf("needs of %s: %w", u.ID, err)
		}
		hints = append(hints, fetch...)
		met, err := b.woken(sqlMetOf, u.ID)
		if err != nil {
			return fmt.Errorf("needs of %s: %w", u.ID, err)
		}
		hints = append(hints, met...)
	}
	for _, a := range b.p.Answers {
		var ids []string
		err := b.query(sqlAnswer, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		}, a.System, a.Object, a.RecordID, a.Answer)
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		for _, id := range ids {
			woken, err := b.woken(sqlWake, id)
			if err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			hints = append(hints, woken...)
		}
	}
	return b.enqueue(hints)
}

// note replaces the needs of an identity, and gives the records to be looked at.
func (b *batch) note(u store.IdentityUpdate) (fetch []store.Hint, err error) {
	keep := make([][2]string, len(u.Needs))
	for i, n := range u.Needs {
		keep[i] = [2]string{n.System, n.Field}
	}
	arg, err := list(keep)
	if err != nil {
		return nil, err
	}
	if _, err := b.exec(sqlNeedsGone, u.ID, arg); err != nil {
		return nil, err
	}
	for _, n := range u.Needs {
		r := n.Record
		if _, err := b.exec(sqlNeed, u.ID, n.System, n.Field, text(n.Identity), text(r.System), text(r.Object), text(r.RecordID), text(n.Answer), n.Wake, b.now); err != nil {
			return nil, err
		}
		if !n.Fetch {
			continue
		}
		var unseen bool
		if _, err := b.row(sqlUnlooked, []any{r.System, r.Object, r.RecordID}, &unseen); err != nil {
			return nil, err
		}
		if unseen {
			fetch = append(fetch, store.FetchHint(r))
		}
	}
	return fetch, nil
}

// woken gives the hints of one of the queries above.
func (t *tx) woken(q, identity string) (hints []store.Hint, err error) {
	err = t.query(q, func(rows *sql.Rows) error {
		var at sql.NullString
		if err := rows.Scan(&at); err != nil || !at.Valid {
			return err
		}
		hints = append(hints, store.WakeHint(at.String))
		return nil
	}, identity)
	return hints, err
}

// wokenBy gives the hints of what waited for identities that got a record.
func (t *tx) wokenBy(identities []string) (hints []store.Hint, err error) {
	for _, id := range identities {
		woken, err := t.woken(sqlMetBy, id)
		if err != nil {
			return nil, fmt.Errorf("wake what waits for %s: %w", id, err)
		}
		hints = append(hints, woken...)
	}
	return hints, nil
}

// sqlNeedsMerged has what waits for an identity wait for the one that it went into.
const sqlNeedsMerged = `UPDATE needs SET wants_identity=?2 WHERE wants_identity=?1`

// wakeActive wakes what waited for identities that have a record again, or another one.
func (b *batch) wakeActive() error {
	for id, into := range b.p.Merges(b.held) {
		if _, err := b.exec(sqlNeedsMerged, id, into); err != nil {
			return fmt.Errorf("needs of merged %s: %w", id, err)
		}
	}
	hints, err := b.wokenBy(b.p.Gives(b.held))
	if err != nil {
		return err
	}
	return b.enqueue(hints)
}

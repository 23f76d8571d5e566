package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"syncd/mapping"
	"syncd/store"
)

// Whoever gives an identity a record looks for what waits for it, and whoever
// notes a need looks whether it is met: neither sees what the other has not
// committed. So the first take a lock that they share, the others have it alone,
// each before anything else (F64: no wake-up is lost).
const (
	sqlMeetNeeds = `SELECT pg_advisory_xact_lock_shared(x'73796e64'::int, 1)`
	sqlNoteNeeds = `SELECT pg_advisory_xact_lock(x'73796e64'::int, 1)`
)

const (
	sqlReferents = `SELECT r.system, r.object, r.record_id,
  COALESCE((SELECT m.identity_id::text FROM member m WHERE m.system=r.system AND m.object=r.object AND m.record_id=r.record_id
     AND m.state IN ('active','quarantined')),
   (SELECT a.identity_id::text FROM alias a WHERE a.system=r.system AND a.object=r.object AND a.record_id=r.record_id),
   (SELECT m.identity_id::text FROM member m WHERE m.system=r.system AND m.object=r.object AND m.record_id=r.record_id
     AND m.state IN ('gone','merged') ORDER BY m.gone_at DESC NULLS LAST LIMIT 1), ''),
  COALESCE((SELECT n.answer FROM needs n WHERE n.wants_system=r.system AND n.wants_object=r.object AND n.wants_record=r.record_id
     AND n.answer IS NOT NULL ORDER BY n.since DESC LIMIT 1), ''),
  EXISTS (SELECT 1 FROM work w WHERE (w.system, w.object, w.record_id) = (r.system, r.object, r.record_id) AND w.not_before < 'infinity')
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS r(system, object, record_id, n) ORDER BY r.n`

	sqlRefIdentities = `SELECT i.identity_id::text, i.link, i.state, COALESCE(i.merged_into::text, ''), m.system, m.object, COALESCE(m.record_id, ''), m.state
FROM identity i JOIN member m ON m.identity_id=i.identity_id
WHERE i.identity_id = ANY($1::text[]::uuid[]) ORDER BY i.identity_id, m.system COLLATE "C"`

	sqlNeedsGone = `DELETE FROM needs WHERE identity_id=$1::text::uuid
  AND NOT EXISTS (SELECT 1 FROM unnest($2::text[], $3::text[]) AS k(system, field) WHERE (k.system, k.field) = (needs.system, needs.field))`
	// A need for the same keeps what is known of it.
	sqlNeed = `INSERT INTO needs (identity_id, system, field, wants_identity, wants_system, wants_object, wants_record, answer, wake)
VALUES ($1::text::uuid, $2, $3, $4::text::uuid, $5, $6, $7, $8, $9)
ON CONFLICT (identity_id, system, field) DO UPDATE SET wants_identity=EXCLUDED.wants_identity, wants_system=EXCLUDED.wants_system,
  wants_object=EXCLUDED.wants_object, wants_record=EXCLUDED.wants_record, answer=EXCLUDED.answer, wake=EXCLUDED.wake, since=now()
WHERE (needs.wants_identity, needs.wants_system, needs.wants_object, needs.wants_record, needs.wake)
  IS DISTINCT FROM (EXCLUDED.wants_identity, EXCLUDED.wants_system, EXCLUDED.wants_object, EXCLUDED.wants_record, EXCLUDED.wake)`
	// What waits for an identity waits for the one that it went into.
	sqlNeedsMerged = `UPDATE needs SET wants_identity=$2::text::uuid WHERE wants_identity=$1::text::uuid`
	// sqlUnlooked says of which records nobody looks at them, and nobody has them.
	sqlUnlooked = `SELECT r.system, r.object, r.record_id FROM unnest($1::text[], $2::text[], $3::text[]) AS r(system, object, record_id)
WHERE NOT EXISTS (SELECT 1 FROM work w WHERE (w.system, w.object, w.record_id) = (r.system, r.object, r.record_id))
  AND NOT EXISTS (SELECT 1 FROM member m WHERE m.system=r.system AND m.object=r.object AND m.record_id=r.record_id
                  AND m.state IN ('active','quarantined'))`
	sqlAnswer = `UPDATE needs n SET answer=r.answer FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS r(system, object, record_id, answer)
WHERE n.wants_system=r.system AND n.wants_object=r.object AND n.wants_record=r.record_id AND n.answer IS DISTINCT FROM r.answer
RETURNING n.identity_id::text`

	// met holds of a need n whose identity v has a record on the side that is to be
	// told; wakened joins the record of the waiting identity that is looked at again.
	met     = ` EXISTS (SELECT 1 FROM member t WHERE t.identity_id=v.identity_id AND t.system=n.system AND t.state='active')`
	wakened = ` SELECT DISTINCT w.system, w.object, w.record_id FROM n CROSS JOIN LATERAL (SELECT * FROM member w WHERE w.identity_id=n.identity_id
  AND w.state='active' ORDER BY w.system<>n.wake, w.system COLLATE "C" LIMIT 1) w`
	// sqlMetOf lists what wakes up of the needs of identities, sqlMetBy what wakes up by
	// them, sqlWake their records.
	sqlMetOf = `WITH n AS (
  SELECT n.identity_id, n.wake FROM needs n JOIN identity v ON v.identity_id=n.wants_identity
  WHERE n.identity_id = ANY($1::text[]::uuid[]) AND` + met + `
  UNION SELECT n.identity_id, n.wake FROM needs n JOIN member v ON v.system=n.wants_system AND v.object=n.wants_object AND v.record_id=n.wants_record
    AND v.state IN ('active','quarantined') WHERE n.identity_id = ANY($1::text[]::uuid[]) AND` + met + `)` + wakened
	sqlMetBy = `WITH n AS (
  SELECT n.identity_id, n.wake FROM identity v JOIN needs n ON n.wants_identity=v.identity_id
  WHERE v.identity_id = ANY($1::text[]::uuid[]) AND` + met + `
  UNION SELECT n.identity_id, n.wake FROM member v JOIN needs n ON n.wants_system=v.system AND n.wants_object=v.object AND n.wants_record=v.record_id
  WHERE v.identity_id = ANY($1::text[]::uuid[]) AND v.state IN ('active','quarantined') AND` + met + `)` + wakened
	sqlWake = `WITH n AS (SELECT n.identity_id, n.wake FROM needs n WHERE n.identity_id = ANY($1::text[]::uuid[]))` + wakened
)

// Referents implements the contract.
func (s *Store) Referents(ctx context.Context, records []store.RecordRef, ids []string) ([]store.Referent, error) {
	return inTx(ctx, s, "read referents", func(ctx context.Context, tx pgx.Tx) ([]store.Referent, error) {
		var out []store.Referent
		var whose []string // of out
		if len(records) > 0 {
			systems, objects, recordIDs := refColumns(records)
			rows, err := tx.Query(ctx, sqlReferents, systems, objects, recordIDs)
			if err != nil {
				return nil, err
			}
			var r store.Referent
			var id string
			if _, err := pgx.ForEachRow(rows, []any{&r.Asked.System, &r.Asked.Object, &r.Asked.RecordID, &id, &r.Answer, &r.Pending}, func() error {
				out, whose = append(out, r), append(whose, id)
				return nil
			}); err != nil {
				return nil, err
			}
		}
		for _, id := range ids {
			out, whose = append(out, store.Referent{}), append(whose, id)
		}
		known, err := refIdentities(ctx, tx, whose)
		for n := range out {
			out[n].Identity = known[whose[n]]
		}
		return out, err
	})
}

func refColumns(refs []store.RecordRef) (systems, objects, records []string) {
	for _, r := range refs {
		systems, objects, records = append(systems, clean(r.System)), append(objects, clean(r.Object)), append(records, clean(r.RecordID))
	}
	return systems, objects, records
}

// refIdentities reads identities, each by the id that was asked for: one that was
// merged away is the one that goes on.
func refIdentities(ctx context.Context, tx pgx.Tx, asked []string) (map[string]*store.RefIdentity, error) {
	known, into := map[string]*store.RefIdentity{}, map[string]string{}
	for range store.MaxAliases {
		var ids []string
		for _, id := range asked {
			if id != "" && known[id] == nil {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			break
		}
		rows, err := tx.Query(ctx, sqlRefIdentities, ids)
		if err != nil {
			return nil, err
		}
		asked = nil
		var i store.RefIdentity
		var m store.RefMember
		var state, mstate, merged string
		if _, err := pgx.ForEachRow(rows, []any{&i.ID, &i.Link, &state, &merged, &m.System, &m.Object, &m.RecordID, &mstate}, func() error {
			if known[i.ID] == nil {
				known[i.ID] = &store.RefIdentity{ID: i.ID, Link: i.Link, State: mapping.IdentityState(state)}
			}
			m.State = mapping.MemberState(mstate)
			known[i.ID].Members = append(known[i.ID].Members, m)
			if merged != "" {
				into[i.ID], asked = merged, append(asked, merged)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return store.FollowAliases(known, into), nil
}

// lockNeeds takes the lock that a persist takes first, if it notes or meets needs.
func lockNeeds(ctx context.Context, tx pgx.Tx, p store.Persist) error {
	sql, named := "", map[string]bool{} // whoever's fence is held in the end
	for _, m := range p.Moves {
		named[m.IdentityID] = true
	}
	for _, i := range p.Identities {
		if named[i.ID] = true; i.SetNeeds {
			sql = sqlNoteNeeds
		}
	}
	if sql == "" && (len(p.Answers) > 0 || len(p.Gives(named)) > 0) {
		sql = sqlMeetNeeds
	}
	if sql == "" {
		return nil
	}
	_, err := tx.Exec(ctx, sql)
	return err
}

// needs notes what references wait for, last of a persist: rows that it has ended
// are woken like any other.
func needs(ctx context.Context, tx pgx.Tx, p store.Persist, ok []store.IdentityUpdate, held map[string]bool) error {
	var noted []string
	var fetch []store.RecordRef
	var b pgx.Batch
	for _, i := range ok {
		if i.SetNeeds {
			noted = append(noted, i.ID)
			fetch = append(fetch, queueNeeds(&b, i)...)
		}
	}
	for id, into := range p.Merges(held) {
		b.Queue(sqlNeedsMerged, id, into)
	}
	if err := send(ctx, tx, &b); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	hints, err := wakes(ctx, tx, sqlMetOf, noted)
	if err != nil {
		return err
	}
	for _, more := range []func() ([]store.Hint, error){
		func() ([]store.Hint, error) { return wakes(ctx, tx, sqlMetBy, p.Gives(held)) },
		func() ([]store.Hint, error) { return unlooked(ctx, tx, fetch) },
		func() ([]store.Hint, error) { return answered(ctx, tx, p.Answers) },
	} {
		got, err := more()
		if err != nil {
			return err
		}
		hints = append(hints, got...)
	}
	queueEnqueue(&b, hints)
	return send(ctx, tx, &b)
}

// queueNeeds replaces the needs of an identity, and gives the records to be looked at.
func queueNeeds(b *pgx.Batch, i store.IdentityUpdate) (fetch []store.RecordRef) {
	var systems, fields []string
	for _, n := range i.Needs {
		systems, fields = append(systems, n.System), append(fields, clean(n.Field))
	}
	b.Queue(sqlNeedsGone, i.ID, systems, fields)
	for _, n := range i.Needs {
		r := n.Record
		b.Queue(sqlNeed, i.ID, n.System, clean(n.Field), orNull(n.Identity), orNull(r.System), orNull(r.Object), orNull(r.RecordID), orNull(n.Answer), n.Wake)
		if n.Fetch {
			fetch = append(fetch, r)
		}
	}
	return fetch
}

// wakes gives the hints of one of the queries above.
func wakes(ctx context.Context, tx pgx.Tx, sql string, ids []string) ([]store.Hint, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return refHints(ctx, tx, "wake", sql, ids)
}

func unlooked(ctx context.Context, tx pgx.Tx, refs []store.RecordRef) ([]store.Hint, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	systems, objects, records := refColumns(refs)
	return refHints(ctx, tx, "fetch", sqlUnlooked, systems, objects, records)
}

func answered(ctx context.Context, tx pgx.Tx, answers []store.Answer) ([]store.Hint, error) {
	if len(answers) == 0 {
		return nil, nil
	}
	var refs []store.RecordRef
	var said []string
	for _, a := range answers {
		refs, said = append(refs, a.RecordRef), append(said, clean(a.Answer))
	}
	systems, objects, records := refColumns(refs)
	ids, err := collect(ctx, tx, sqlAnswer, systems, objects, records, said)
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return wakes(ctx, tx, sqlWake, ids)
}

func refHints(ctx context.Context, tx pgx.Tx, what, sql string, args ...any) ([]store.Hint, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	hints, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Hint, error) {
		var r store.RecordRef
		err := row.Scan(&r.System, &r.Object, &r.RecordID)
		return store.FetchHint(r), err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return hints, nil
}

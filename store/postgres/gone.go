package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/mapping"
	"syncd/store"
)

const (
	// sqlAbsences follows the state that a member has by now: what was refused to
	// become active stays gone, with its reason.
	sqlAbsences = `UPDATE member m SET
  gone_at=CASE WHEN m.state IN ('gone','merged') THEN COALESCE(m.gone_at, clock_timestamp()) END,
  missing_at=CASE WHEN r.missing THEN COALESCE(m.missing_at, clock_timestamp())
                  WHEN m.state IN ('gone','merged') THEN m.missing_at END,
  gone_why=CASE WHEN r.missing OR m.state IN ('gone','merged') THEN COALESCE(r.why, m.gone_why) END,
  gone_cause=CASE WHEN r.missing OR m.state IN ('gone','merged') THEN COALESCE(r.cause, m.gone_cause) END
FROM unnest($1::text[]::uuid[], $2::text[], $3::boolean[], $4::text[], $5::text[]) AS r(identity_id, system, missing, why, cause)
WHERE m.identity_id=r.identity_id AND m.system=r.system AND m.record_id IS NOT NULL`

	sqlReopen = `UPDATE member m SET state='creating', record_id=NULL, birth=NULL, base=NULL, base_ver=NULL, base_at=NULL, intent=NULL,
  sent_vals=NULL, sent_at=NULL, missing_at=NULL, gone_at=NULL, gone_why=NULL, gone_cause=NULL, removal=r.removal::json
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[]) AS r(identity_id, system, removal)
WHERE m.identity_id=r.identity_id AND m.system=r.system AND m.state IN ('active','gone','merged')`

	sqlStates = `UPDATE identity i SET state=COALESCE(r.state, i.state), note=COALESCE(r.note, i.note),
  merged_into=CASE WHEN r.state IS NULL THEN i.merged_into WHEN r.state='merged' THEN COALESCE(r.into_id::uuid, i.merged_into) END
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::text[]) AS r(identity_id, state, into_id, note)
WHERE i.identity_id=r.identity_id`
)

// queueAbsences writes since when and why members' records are missing or gone.
func queueAbsences(b *pgx.Batch, ok []store.IdentityUpdate) {
	var ids, systems []string
	var missing []bool
	var whys, causes []*string
	for _, i := range ok {
		for _, m := range i.Members {
			if m.State == "" && !m.Missing || m.Reopen {
				continue
			}
			ids, systems, missing = append(ids, i.ID), append(systems, m.System), append(missing, m.Missing)
			whys, causes = append(whys, orNull(m.Why)), append(causes, orNull(m.Cause))
		}
	}
	if len(ids) > 0 {
		b.Queue(sqlAbsences, ids, systems, missing, whys, causes)
	}
}

// queueReopened lets members wait for a new record.
func queueReopened(b *pgx.Batch, ok []store.IdentityUpdate) {
	var ids, systems []string
	var removals []*string
	for _, i := range ok {
		for _, m := range i.Members {
			if m.Reopen {
				ids, systems, removals = append(ids, i.ID), append(systems, m.System), append(removals, jsonOrNull(m.Removal))
			}
		}
	}
	if len(ids) > 0 {
		b.Queue(sqlLockMembers, ids, systems)
		b.Queue(sqlReopen, ids, systems, removals)
	}
}

// queueStates writes what updates say of the identities themselves. Their rows are
// locked by the fence.
func queueStates(b *pgx.Batch, ok []store.IdentityUpdate) {
	var ids []string
	var states, into, notes []*string
	for _, i := range ok {
		if i.State == "" && i.Note == "" {
			continue
		}
		ids, states = append(ids, i.ID), append(states, orNull(string(i.State)))
		into, notes = append(into, orNull(i.MergedInto)), append(notes, orNull(i.Note))
	}
	if len(ids) > 0 {
		b.Queue(sqlStates, ids, states, into, notes)
	}
}

const sqlIntendRemovals = `UPDATE member m SET removal=r.removal::json
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[]) AS r(identity_id, system, link, removal, restore)
WHERE m.identity_id=r.identity_id AND m.system=r.system AND m.record_id IS NOT NULL
  AND (m.state='active' OR r.restore AND m.state='gone')
  AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.released_at IS NULL AND h.system=r.system AND h.link IN ('', r.link)
                  AND (h.what IN ('all','writes') OR h.what='deletes' AND NOT r.restore))
RETURNING m.identity_id::text`

// IntendRemovals commits removals and restores before the wire.
func (s *Store) IntendRemovals(ctx context.Context, owner string, intents []store.RemovalIntent) ([]string, error) {
	if len(intents) == 0 {
		return nil, nil
	}
	leases := make([]store.LeaseRef, len(intents))
	for n, i := range intents {
		leases[n] = store.LeaseRef{ID: i.IdentityID, Epoch: i.Epoch}
	}
	return inTx(ctx, s, "intend removals", func(ctx context.Context, tx pgx.Tx) (allowed []string, err error) {
		held, err := fence(ctx, tx, owner, leases)
		if err != nil || len(held) == 0 {
			return nil, err
		}
		var ids, systems, links []string
		var removals []*string
		var restores []bool
		for _, i := range intents {
			if held[i.IdentityID] {
				ids, systems, links = append(ids, i.IdentityID), append(systems, i.System), append(links, i.Link)
				removals, restores = append(removals, jsonOrNull(i.Removal)), append(restores, i.Restore)
			}
		}
		var b pgx.Batch
		b.Queue(sqlLockMembers, ids, systems)
		queueReturning(&b, &allowed, sqlIntendRemovals, ids, systems, links, removals, restores)
		return allowed, send(ctx, tx, &b)
	})
}

const sqlPast = `SELECT m.record_id, m.identity_id::text, i.link, m.state, i.state, COALESCE(i.merged_into::text, ''), COALESCE(m.birth, ''),
  m.gone_at, COALESCE(m.gone_why, ''), COALESCE(m.gone_cause, '')
FROM member m JOIN identity i USING (identity_id)
WHERE m.system=$1 AND m.object=$2 AND m.record_id = ANY($3::text[]) AND m.state IN ('gone','merged')
UNION ALL
SELECT a.record_id, a.identity_id::text, i.link, 'merged', i.state, COALESCE(i.merged_into::text, ''), '', a.since, a.why, ''
FROM alias a JOIN identity i USING (identity_id)
WHERE a.system=$1 AND a.object=$2 AND a.record_id = ANY($3::text[])
ORDER BY 8 DESC NULLS LAST, 2`

// Past finds the identities that had records as gone or merged members, the newest
// first, leased or not.
func (s *Store) Past(ctx context.Context, system, object string, recordIDs []string) (map[string][]store.Past, error) {
	return inTx(ctx, s, "read past members", func(ctx context.Context, tx pgx.Tx) (map[string][]store.Past, error) {
		past := map[string][]store.Past{}
		rows, err := tx.Query(ctx, sqlPast, system, object, recordIDs)
		if err != nil {
			return nil, err
		}
		var record, state, of string
		var p store.Past
		var gone *time.Time
		_, err = pgx.ForEachRow(rows, []any{&record, &p.IdentityID, &p.Link, &state, &of, &p.MergedInto, &p.Birth, &gone, &p.Why, &p.Cause}, func() error {
			one := p
			one.State, one.Of, one.Gone = mapping.MemberState(state), mapping.IdentityState(of), deref(gone)
			past[record] = append(past[record], one)
			return nil
		})
		return past, err
	})
}

const (
	// What a person let go before is accepted and does not count again.
	sqlRemovals = `SELECT count(DISTINCT m.identity_id) FROM member m JOIN identity i USING (identity_id)
WHERE m.missing_at > now() - $2::bigint * interval '1 microsecond' AND i.link=$1 AND m.missing_at > COALESCE(
  (SELECT max(h.released_at) FROM hold h WHERE h.link=$1 AND h.what='deletes'), '-infinity')`
	sqlLive = `SELECT count(*) FROM identity WHERE link=$1 AND state='live'`
)

// Removals counts the identities of a link of which a record went lately, and, where
// these are over a number, those that the link has.
func (s *Store) Removals(ctx context.Context, link string, within time.Duration, over int) (store.Removals, error) {
	return inTx(ctx, s, "count removals", func(ctx context.Context, tx pgx.Tx) (r store.Removals, err error) {
		if err = tx.QueryRow(ctx, sqlRemovals, link, micros(within)).Scan(&r.Count); err == nil && r.Count > over {
			err = tx.QueryRow(ctx, sqlLive, link).Scan(&r.Live)
		}
		return r, err
	})
}

const (
	sqlListed = `INSERT INTO seen AS s (system, object, record_id, listed_gen, last_seen)
SELECT DISTINCT ON (r.record_id COLLATE "C") $1, $2, r.record_id, $4::bigint, clock_timestamp()
FROM unnest($3::text[]) AS r(record_id) ORDER BY r.record_id COLLATE "C"
ON CONFLICT (system, object, record_id) DO UPDATE SET listed_gen=EXCLUDED.listed_gen, last_seen=EXCLUDED.last_seen, gone_at=NULL`
	// A record that was read or bound since the pass began is there, wherever the
	// listing was by then.
	sqlUnlisted = `SELECT m.record_id FROM member m LEFT JOIN seen s USING (system, object, record_id)
WHERE m.system=$1 AND m.object=$2 AND m.state IN ('active','quarantined') AND m.state='active' AND m.record_id > $5
  AND COALESCE(s.listed_gen, 0) <> $3 AND COALESCE(m.last_seen, m.first_seen) < $4
ORDER BY m.record_id LIMIT $6`
)

// CommitListing commits a page of a listing of all ids under the cursor's fence.
func (s *Store) CommitListing(ctx context.Context, page store.Listing, ttl time.Duration) error {
	ids := make([]string, len(page.RecordIDs))
	for n, id := range page.RecordIDs {
		ids[n] = clean(id)
	}
	_, err := inTx(ctx, s, "commit a listing", func(ctx context.Context, tx pgx.Tx) (none, error) {
		tag, err := tx.Exec(ctx, sqlSaveCursor, page.System, page.Object, page.Kind, page.Epoch, jsonOrNull(page.Pos), micros(ttl))
		if err != nil {
			return none{}, err
		}
		if tag.RowsAffected() == 0 {
			return none{}, store.ErrFenced
		}
		_, err = tx.Exec(ctx, sqlListed, page.System, page.Object, ids, page.Pass)
		return none{}, err
	})
	return err
}

// Unlisted gives the members that a finished listing left out, by id.
func (s *Store) Unlisted(ctx context.Context, system, object string, pass int64, began time.Time, after string, limit int) ([]string, error) {
	return inTx(ctx, s, "read what a listing left out", func(ctx context.Context, tx pgx.Tx) ([]string, error) {
		return collect(ctx, tx, sqlUnlisted, system, object, pass, began, after, limit)
	})
}

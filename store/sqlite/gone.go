package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"syncd/mapping"
	"syncd/store"
)

const (
	// sqlAbsence follows the state that a member has by now: what was refused to
	// become active stays gone, with its reason.
	// ?1 identity, ?2 system, ?3 missing, ?4 why, ?5 cause, ?6 now, ?7 a state was asked for
	sqlAbsence = `UPDATE member SET
  gone_at=CASE WHEN state IN ('gone','merged') THEN COALESCE(gone_at, ?6) END,
  missing_at=CASE WHEN ?3 THEN COALESCE(missing_at, ?6) WHEN state IN ('gone','merged') THEN missing_at END,
  gone_why=CASE WHEN ?3 OR state IN ('gone','merged') THEN COALESCE(?4, gone_why) END,
  gone_cause=CASE WHEN ?3 OR state IN ('gone','merged') THEN COALESCE(?5, gone_cause) END
WHERE identity_id=?1 AND system=?2 AND record_id IS NOT NULL AND (?3 OR ?7)`

	sqlReopen = `UPDATE member SET state='creating', record_id=NULL, birth=NULL, base=NULL, base_ver=NULL, base_at=NULL, intent=NULL,
  sent_vals=NULL, sent_at=NULL, missing_at=NULL, gone_at=NULL, gone_why=NULL, gone_cause=NULL, removal=?3
WHERE identity_id=?1 AND system=?2 AND state IN ('active','gone','merged')`

	sqlIdentityState = `UPDATE identity SET state=COALESCE(?2, state), note=COALESCE(?4, note),
  merged_into=CASE WHEN ?2 IS NULL THEN merged_into WHEN ?2='merged' THEN COALESCE(?3, merged_into) END
WHERE identity_id=?1`
)

// identity writes what an update says of the identity itself.
func (b *batch) identity(u store.IdentityUpdate) error {
	if u.State == "" && u.Note == "" {
		return nil
	}
	if _, err := b.exec(sqlIdentityState, u.ID, text(string(u.State)), text(u.MergedInto), text(u.Note)); err != nil {
		return fmt.Errorf("state of identity %s: %w", u.ID, err)
	}
	return nil
}

// absence writes since when and why a member's record is missing or gone.
func (b *batch) absence(id string, m store.MemberUpdate) error {
	if m.State == "" && !m.Missing {
		return nil
	}
	_, err := b.exec(sqlAbsence, id, m.System, m.Missing, text(m.Why), text(m.Cause), b.now, m.State != "")
	return err
}

// sqlIntendRemoval writes a removal under the identity's fence and no hold.
// ?1 identity, ?2 epoch, ?3 owner, ?4 link, ?5 system, ?6 removal, ?7 a restore
const sqlIntendRemoval = `UPDATE member SET removal=?6
WHERE identity_id=?1 AND system=?5 AND record_id IS NOT NULL AND (state='active' OR ?7 AND state='gone')
  AND EXISTS (SELECT 1 FROM identity i WHERE i.identity_id=?1 AND i.epoch=?2 AND i.lease_owner=?3)
  AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.released_at IS NULL AND h.system=?5 AND h.link IN ('',?4)
                  AND (h.what IN ('all','writes') OR h.what='deletes' AND NOT ?7))`

// IntendRemovals implements the contract.
func (s *Store) IntendRemovals(ctx context.Context, owner string, intents []store.RemovalIntent) ([]string, error) {
	return intend(ctx, s, "intend removals", intents, func(t *tx, i store.RemovalIntent) (string, int64, error) {
		n, err := t.exec(sqlIntendRemoval, i.IdentityID, i.Epoch, owner, i.Link, i.System, raw(i.Removal), i.Restore)
		return i.IdentityID, n, err
	})
}

const sqlPast = `SELECT m.record_id, m.identity_id, i.link, m.state, i.state, i.merged_into, m.birth, m.gone_at, m.gone_why, m.gone_cause
FROM member m JOIN identity i ON i.identity_id=m.identity_id
WHERE m.system=?1 AND m.object=?2 AND m.record_id IN (SELECT value FROM json_each(?3)) AND m.state IN ('gone','merged')
UNION ALL
SELECT a.record_id, a.identity_id, i.link, 'merged', i.state, i.merged_into, NULL, a.since, a.why, NULL
FROM alias a JOIN identity i ON i.identity_id=a.identity_id
WHERE a.system=?1 AND a.object=?2 AND a.record_id IN (SELECT value FROM json_each(?3))
ORDER BY 8 DESC, 2`

// Past implements the contract.
func (s *Store) Past(ctx context.Context, system, object string, recordIDs []string) (map[string][]store.Past, error) {
	arg, err := list(recordIDs)
	if err != nil {
		return nil, err
	}
	past := map[string][]store.Past{}
	err = s.read(ctx, "read past members", sqlPast, func(rows *sql.Rows) error {
		var record, state, of string
		var p store.Past
		var into, birth, why, cause sql.NullString
		var gone sql.NullInt64
		err := rows.Scan(&record, &p.IdentityID, &p.Link, &state, &of, &into, &birth, &gone, &why, &cause)
		p.State, p.Of, p.MergedInto = mapping.MemberState(state), mapping.IdentityState(of), into.String
		p.Birth, p.Gone, p.Why, p.Cause = birth.String, at(gone), why.String, cause.String
		past[record] = append(past[record], p)
		return err
	}, system, object, arg)
	if err != nil {
		return nil, err
	}
	return past, nil
}

const (
	// What a person let go before is accepted and does not count again.
	sqlRemovals = `SELECT count(DISTINCT m.identity_id) FROM member m INDEXED BY member_missing JOIN identity i ON i.identity_id=m.identity_id
WHERE m.missing_at IS NOT NULL AND i.link=?1 AND m.missing_at > max(?2, COALESCE(
  (SELECT max(h.released_at) FROM hold h WHERE h.link=?1 AND h.what='deletes' AND h.released_at IS NOT NULL), -1))`
	sqlLive = `SELECT count(*) FROM identity WHERE link=?1 AND state='live'`
)

// Removals implements the contract.
func (s *Store) Removals(ctx context.Context, link string, within time.Duration, over int) (store.Removals, error) {
	var r store.Removals
	count := func(into *int) func(*sql.Rows) error {
		return func(rows *sql.Rows) error { return rows.Scan(into) }
	}
	if err := s.read(ctx, "count removals", sqlRemovals, count(&r.Count), link, s.clock()-ms(within)); err != nil {
		return store.Removals{}, err
	}
	if r.Count > over {
		if err := s.read(ctx, "count identities", sqlLive, count(&r.Live), link); err != nil {
			return store.Removals{}, err
		}
	}
	return r, nil
}

const (
	sqlListed = `INSERT INTO seen AS s (system, object, record_id, listed_gen, last_seen)
SELECT ?1, ?2, value, ?4, ?5 FROM json_each(?3) WHERE true
ON CONFLICT (system, object, record_id) DO UPDATE SET listed_gen=excluded.listed_gen, last_seen=excluded.last_seen, gone_at=NULL`
	// ?3 pass, ?4 since, ?5 after, ?6 limit. A record that was read or bound since the
	// pass began is there, wherever the listing was by then.
	sqlUnlisted = `SELECT m.record_id FROM member m LEFT JOIN seen s ON s.system=m.system AND s.object=m.object AND s.record_id=m.record_id
WHERE m.system=?1 AND m.object=?2 AND m.state IN ('active','quarantined') AND m.state='active' AND m.record_id>?5
  AND COALESCE(s.listed_gen, 0)<>?3 AND COALESCE(m.last_seen, m.first_seen)<?4
ORDER BY m.record_id LIMIT ?6`
)

// CommitListing implements the contract.
func (s *Store) CommitListing(ctx context.Context, page store.Listing, ttl time.Duration) error {
	arg, err := list(page.RecordIDs)
	if err != nil {
		return err
	}
	return s.write(ctx, fmt.Sprintf("commit a listing of %s/%s", page.System, page.Object), func(t *tx) error {
		n, err := t.exec(sqlSavePos, page.System, page.Object, page.Kind, page.Epoch, raw(page.Pos), t.now+ms(ttl))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrFenced
		}
		_, err = t.exec(sqlListed, page.System, page.Object, arg, page.Pass, t.now)
		return err
	})
}

// Unlisted implements the contract.
func (s *Store) Unlisted(ctx context.Context, system, object string, pass int64, began time.Time, after string, limit int) ([]string, error) {
	var ids []string
	err := s.read(ctx, "read what a listing left out", sqlUnlisted, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, system, object, pass, began.UnixMilli(), after, limit)
	return ids, err
}

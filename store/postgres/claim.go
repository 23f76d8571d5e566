package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

const (
	// The claim of 3.3. now() and not clock_timestamp(): only then is the
	// condition an index condition. ctid = ANY(ARRAY(…)): joined by key, the
	// plan is a scan of the whole queue.
	sqlClaim = `WITH head AS (SELECT LEAST($4::int, h.batch_cap) AS n FROM work h
  WHERE h.system=$1 AND h.object=$2 AND h.lane=$3 AND h.not_before <= now() ORDER BY h.not_before LIMIT 1),
due AS (SELECT d.ctid AS tid FROM work d
  WHERE d.system=$1 AND d.object=$2 AND d.lane=$3 AND d.not_before <= now()
    AND COALESCE(d.batch_cap, $4::int) >= (SELECT n FROM head)
  ORDER BY d.not_before LIMIT (SELECT n FROM head) FOR UPDATE SKIP LOCKED),
got AS (SELECT count(*)::int AS n FROM due)
UPDATE work w SET owner=$5, epoch=nextval('fence'), claimed_gen=w.gen,
  not_before=clock_timestamp() + $6::bigint * interval '1 microsecond',
  attempts = w.attempts + CASE WHEN got.n = 1 THEN 1 ELSE 0 END, batch = got.n, batch_cap = GREATEST(1, got.n/2)
FROM got WHERE w.ctid = ANY (ARRAY(SELECT tid FROM due)) AND w.not_before <= now()
RETURNING w.record_id, w.epoch, w.gen, w.attempts, COALESCE(w.hint_ver, ''), w.cause, COALESCE(w.delivery_key, ''),
  COALESCE(w.trace, ''), w.first_hint, got.n, COALESCE(w.erase, '')`

	memberColumns = `o.system, o.object, COALESCE(o.record_id, ''), o.state, COALESCE(o.token, ''), COALESCE(o.birth, ''),
  CASE WHEN o.record_id IS NULL THEN o.sent_at END, o.sends, o.base::text, COALESCE(o.base_ver, ''), o.intent::text,
  o.sent_vals::text, o.missing_at, o.gone_at, COALESCE(o.gone_why, ''), COALESCE(o.gone_cause, ''), o.removal::text,
  (SELECT json_object_agg(s.field, json_build_object('state', s.state, 'detail', s.detail))::text FROM field_state s
    WHERE s.identity_id=o.identity_id AND s.system=o.system)`

	// Resolve and lease of 3.7. rev in the join: known is the statement's
	// snapshot, free the row as it is when locked, and a persist between the two
	// would hand out the lease with an old base. SKIP LOCKED never waits, so it
	// cannot deadlock although the transaction holds work rows. FOR NO KEY
	// UPDATE: a foreign-key check elsewhere must not make it skip.
	sqlResolve = `WITH known AS MATERIALIZED (SELECT m.record_id, i.identity_id, i.rev FROM member m JOIN identity i USING (identity_id)
  WHERE m.system=$1 AND m.object=$2 AND m.record_id = ANY($3::text[]) AND m.state IN ('active','quarantined')),
free AS MATERIALIZED (SELECT f.identity_id, f.rev FROM identity f
  WHERE f.identity_id = ANY (ARRAY(SELECT identity_id FROM known)) AND (f.lease_until IS NULL OR f.lease_until < now())
  ORDER BY f.identity_id FOR NO KEY UPDATE SKIP LOCKED),
held AS (UPDATE identity i SET epoch=nextval('fence'), lease_owner=$4,
    lease_until=clock_timestamp() + $5::bigint * interval '1 microsecond'
  WHERE i.identity_id = ANY (ARRAY(SELECT identity_id FROM known JOIN free USING (identity_id, rev)))
    AND (i.lease_until IS NULL OR i.lease_until < now())
  RETURNING i.identity_id, i.epoch)
SELECT k.record_id, k.identity_id::text, COALESCE(h.epoch, 0), i.link, i.state, ` + memberColumns + `
FROM known k JOIN identity i USING (identity_id) JOIN member o USING (identity_id) LEFT JOIN held h USING (identity_id)
ORDER BY k.record_id, o.system`
)

// Claim takes due rows of one queue and resolves and leases the identities of
// their records, in one transaction of two statements: what is read after the
// lease is what the lease protects (3.7 R3).
func (s *Store) Claim(ctx context.Context, r store.ClaimRequest) ([]store.Claimed, error) {
	if r.Max <= 0 {
		return nil, nil
	}
	return inTx(ctx, s, "claim", func(ctx context.Context, tx pgx.Tx) ([]store.Claimed, error) {
		claimed, err := claimRows(ctx, tx, r)
		if err != nil || len(claimed) == 0 {
			return nil, err
		}
		records := make([]string, len(claimed))
		for i := range claimed {
			records[i] = claimed[i].RecordID
		}
		rows, err := tx.Query(ctx, sqlResolve, r.System, r.Object, records, r.Owner, micros(r.Lease))
		if err != nil {
			return nil, fmt.Errorf("resolve: %w", err)
		}
		byRecord, _, err := readIdentities(rows)
		if err != nil {
			return nil, fmt.Errorf("resolve: %w", err)
		}
		for i := range claimed {
			claimed[i].Identity = byRecord[claimed[i].RecordID]
		}
		return claimed, nil
	})
}

// claimRows gives the rows in the order in which they first asked (3.7
// "Collapse").
func claimRows(ctx context.Context, tx pgx.Tx, r store.ClaimRequest) ([]store.Claimed, error) {
	rows, err := tx.Query(ctx, sqlClaim, r.System, r.Object, int16(r.Lane), r.Max, r.Owner, micros(r.Lease))
	if err != nil {
		return nil, err
	}
	claimed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c store.Claimed, err error) {
		c.System, c.Object = r.System, r.Object
		err = row.Scan(&c.RecordID, &c.Epoch, &c.Gen, &c.Attempts, &c.HintVersion, &c.Cause, &c.DeliveryKey, &c.Trace,
			&c.FirstHint, &c.Batch, (*string)(&c.Erase))
		return c, err
	})
	slices.SortFunc(claimed, func(a, b store.Claimed) int {
		return cmp.Or(a.FirstHint.Compare(b.FirstHint), cmp.Compare(a.RecordID, b.RecordID))
	})
	return claimed, err
}

// readIdentities reads lines of (key, identity, member): the identities by key
// and all of them in the order met.
func readIdentities(rows pgx.Rows) (byKey map[string]*store.Identity, all []*store.Identity, err error) {
	byKey = map[string]*store.Identity{}
	byID := map[string]*store.Identity{}
	keyOf := map[string]string{} // of an identity met by several records: the key whose lines are read
	var key string
	var i store.Identity
	var m store.Member
	var sentAt, missing, gone *time.Time
	var base, intent, sent, removal, fields *string
	_, err = pgx.ForEachRow(rows, []any{&key, &i.ID, &i.Epoch, &i.Link, (*string)(&i.State), &m.System, &m.Object, &m.RecordID,
		(*string)(&m.State), &m.Token, &m.Birth, &sentAt, &m.Sends, &base, &m.BaseVersion, &intent, &sent,
		&missing, &gone, &m.Why, &m.Cause, &removal, &fields}, func() error {
		known := byID[i.ID]
		if known == nil {
			known = &store.Identity{ID: i.ID, Link: i.Link, State: i.State, Epoch: i.Epoch}
			byID[i.ID], keyOf[i.ID] = known, key
			all = append(all, known)
		}
		byKey[key] = known
		if keyOf[i.ID] != key {
			return nil
		}
		one := m
		one.SentAt, one.Base, one.Intent, one.Sent = deref(sentAt), raw(base), raw(intent), raw(sent)
		one.Missing, one.Gone, one.Removal = deref(missing), deref(gone), raw(removal)
		if one.Fields, err = readFields(fields); err != nil {
			return err
		}
		known.Members = append(known.Members, one)
		return nil
	})
	return byKey, all, err
}

func readFields(text *string) (map[string]store.FieldState, error) {
	if text == nil {
		return nil, nil
	}
	var fields map[string]store.FieldState
	if err := json.Unmarshal([]byte(*text), &fields); err != nil {
		return nil, fmt.Errorf("read field states: %w", err)
	}
	for name, f := range fields {
		if string(f.Detail) == "null" {
			f.Detail = nil
			fields[name] = f
		}
	}
	return fields, nil
}

const (
	sqlLease = `UPDATE identity i SET epoch=nextval('fence'), lease_owner=$2,
  lease_until=clock_timestamp() + $3::bigint * interval '1 microsecond'
WHERE i.identity_id = ANY (ARRAY(
        SELECT f.identity_id FROM identity f
        WHERE f.identity_id = ANY($1::text[]::uuid[]) AND (f.lease_until IS NULL OR f.lease_until < now())
        ORDER BY f.identity_id FOR NO KEY UPDATE SKIP LOCKED))
  AND (i.lease_until IS NULL OR i.lease_until < now())
RETURNING i.identity_id::text`

	sqlIdentities = `SELECT i.identity_id::text, i.identity_id::text, i.epoch, i.link, i.state, ` + memberColumns + `
FROM identity i JOIN member o USING (identity_id) WHERE i.identity_id = ANY($1::text[]::uuid[])
ORDER BY i.identity_id, o.system`

	sqlExisting = `SELECT identity_id::text FROM identity
WHERE identity_id = ANY($1::text[]::uuid[]) AND NOT identity_id = ANY($2::text[]::uuid[]) ORDER BY identity_id`
)

// Lease takes identities that only a read revealed. Their members are read
// after the lease: what was read before it proves nothing (3.7 R3).
func (s *Store) Lease(ctx context.Context, ids []string, owner string, ttl time.Duration) (leased []*store.Identity, busy []string, err error) {
	if len(ids) == 0 {
		return nil, nil, nil
	}
	type result struct {
		leased []*store.Identity
		busy   []string
	}
	r, err := inTx(ctx, s, "lease identities", func(ctx context.Context, tx pgx.Tx) (r result, err error) {
		got, err := collect(ctx, tx, sqlLease, ids, owner, micros(ttl))
		if err != nil {
			return r, err
		}
		if r.busy, err = collect(ctx, tx, sqlExisting, ids, got); err != nil {
			return r, err
		}
		r.leased, err = identities(ctx, tx, got)
		return r, err
	})
	return r.leased, r.busy, err
}

// identities reads identities with their members, by id.
func identities(ctx context.Context, tx pgx.Tx, ids []string) ([]*store.Identity, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, sqlIdentities, ids)
	if err != nil {
		return nil, err
	}
	_, all, err := readIdentities(rows)
	return all, err
}

const sqlHolders = `SELECT record_id, identity_id::text FROM member
WHERE system=$1 AND object=$2 AND record_id = ANY($3::text[]) AND state IN ('active','quarantined')`

// Holders finds the identities that records belong to, without leasing them.
func (s *Store) Holders(ctx context.Context, system, object string, recordIDs []string) (map[string]string, error) {
	return inTx(ctx, s, "find holders", func(ctx context.Context, tx pgx.Tx) (map[string]string, error) {
		holders := map[string]string{}
		rows, err := tx.Query(ctx, sqlHolders, system, object, recordIDs)
		if err != nil {
			return nil, err
		}
		var record, id string
		_, err = pgx.ForEachRow(rows, []any{&record, &id}, func() error {
			holders[record] = id
			return nil
		})
		return holders, err
	})
}

package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"syncd/store"
)

// sqlIsDue is asked on the read pool, so that polling an empty queue takes no
// turn of the writer.
const sqlIsDue = `SELECT 1 FROM work WHERE system=?1 AND object=?2 AND lane=+?3 AND not_before<=?4 LIMIT 1`

// sqlClaim is the claim of 3.10: the oldest due row says how many at most
// (batch_cap), and a row is only claimed with as many as it bears. Alone is an
// attempt; half of this claim is the next one's cap, should it not end (3.7).
// ?1 system, ?2 object, ?3 lane, ?4 now, ?5 most rows, ?6 owner, ?7 epoch, ?8 lease
const sqlClaim = `
WITH head AS (SELECT min(?5, COALESCE(batch_cap,?5)) AS n FROM work
  WHERE system=?1 AND object=?2 AND lane=+?3 AND not_before<=?4 ORDER BY not_before LIMIT 1),
due AS MATERIALIZED (SELECT system,object,record_id FROM work
  WHERE system=?1 AND object=?2 AND lane=+?3 AND not_before<=?4
    AND COALESCE(batch_cap,?5) >= (SELECT n FROM head) ORDER BY not_before LIMIT COALESCE((SELECT n FROM head),0))
UPDATE work SET owner=?6, epoch=?7, claimed_gen=gen, not_before=?4+?8,
  attempts=attempts+((SELECT count(*) FROM due)=1), lone=((SELECT count(*) FROM due)=1),
  batch_cap=max(1,(SELECT count(*) FROM due)/2)
WHERE (system,object,record_id) IN (SELECT system,object,record_id FROM due)
RETURNING record_id, gen, attempts, hint_ver, cause, delivery_key, trace, first_hint, COALESCE(erase, '')`

// Claim implements the contract: claim, lease, resolve, in one transaction.
func (s *Store) Claim(ctx context.Context, r store.ClaimRequest) ([]store.Claimed, error) {
	due := false
	err := s.read(ctx, "claim", sqlIsDue, func(*sql.Rows) error { due = true; return nil }, r.System, r.Object, r.Lane, s.clock())
	if err != nil || !due || r.Max <= 0 {
		return nil, err
	}
	var got []store.Claimed
	err = s.write(ctx, "claim", func(t *tx) error {
		if got, err = t.claimRows(r); err != nil {
			return err
		}
		if len(got) == 0 {
			return errNothing // another worker was faster
		}
		return t.resolve(r, got)
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

func (t *tx) claimRows(r store.ClaimRequest) ([]store.Claimed, error) {
	epoch, err := t.fence()
	if err != nil {
		return nil, err
	}
	var got []store.Claimed
	err = t.query(sqlClaim, func(rows *sql.Rows) error {
		c := store.Claimed{Work: store.Work{WorkRef: store.WorkRef{System: r.System, Object: r.Object, Epoch: epoch}}}
		var version, key, trace sql.NullString
		var first sql.NullInt64
		if err := rows.Scan(&c.RecordID, &c.Gen, &c.Attempts, &version, &c.Cause, &key, &trace, &first, (*string)(&c.Erase)); err != nil {
			return err
		}
		c.HintVersion, c.DeliveryKey, c.Trace, c.FirstHint = version.String, key.String, trace.String, at(first)
		got = append(got, c)
		return nil
	}, r.System, r.Object, r.Lane, t.now, r.Max, r.Owner, epoch, ms(r.Lease))
	slices.SortFunc(got, func(a, b store.Claimed) int { return cmp.Compare(a.RecordID, b.RecordID) })
	for n := range got {
		got[n].Batch = len(got)
	}
	return got, err
}

// sqlLeaseOfRecords leases the free identities of claimed records.
// ?1 system, ?2 object, ?3 record ids, ?4 now, ?5 owner, ?6 epoch, ?7 lease
const sqlLeaseOfRecords = `UPDATE identity SET epoch=?6, lease_owner=?5, lease_until=?4+?7
WHERE identity_id IN (SELECT m.identity_id FROM member m WHERE m.system=?1 AND m.object=?2
    AND m.record_id IN (SELECT value FROM json_each(?3)) AND m.state IN ('active','quarantined'))
  AND (lease_until IS NULL OR lease_until < ?4)`

// sqlMember gives the columns that scanMember reads, o being the member and i
// its identity.
const sqlMember = `i.identity_id, i.link, i.state, o.system, o.object, o.record_id, o.state, o.token, o.birth, o.sent_at, o.sends,
  o.base, o.base_ver, o.intent, o.sent_vals, o.missing_at, o.gone_at, o.gone_why, o.gone_cause, o.removal,
  (SELECT json_group_object(f.field, json_object('state', f.state, 'detail', f.detail)) FROM field_state f
    WHERE f.identity_id=o.identity_id AND f.system=o.system)`

// sqlResolve gives a line per claimed record and member of its identity.
// Epoch 0: leased elsewhere.
const sqlResolve = `SELECT k.record_id, CASE WHEN i.lease_owner=?4 AND i.epoch=?5 THEN i.epoch ELSE 0 END, ` + sqlMember + `
FROM member k JOIN identity i ON i.identity_id=k.identity_id JOIN member o ON o.identity_id=k.identity_id
WHERE k.system=?1 AND k.object=?2 AND k.record_id IN (SELECT value FROM json_each(?3))
  AND k.state IN ('active','quarantined') ORDER BY k.record_id, o.system`

// resolve leases the identities of claimed rows and reads them. With one
// writer nothing can happen between the claim, the lease and the read.
func (t *tx) resolve(r store.ClaimRequest, got []store.Claimed) error {
	records := make([]string, len(got))
	for n, c := range got {
		records[n] = c.RecordID
	}
	arg, err := list(records)
	if err != nil {
		return err
	}
	if _, err := t.exec(sqlLeaseOfRecords, r.System, r.Object, arg, t.now, r.Owner, t.epoch, ms(r.Lease)); err != nil {
		return err
	}
	ids, byRecord := identities{}, map[string]*store.Identity{}
	err = t.query(sqlResolve, func(rows *sql.Rows) error {
		var record string
		var epoch int64
		i, err := ids.scan(rows, &record, &epoch)
		if err == nil {
			i.Epoch = epoch
			byRecord[record] = i
		}
		return err
	}, r.System, r.Object, arg, r.Owner, t.epoch)
	for n := range got {
		got[n].Identity = byRecord[got[n].RecordID]
	}
	return err
}

const (
	sqlLease = `UPDATE identity SET epoch=?4, lease_owner=?3, lease_until=?2+?5
WHERE identity_id IN (SELECT value FROM json_each(?1)) AND (lease_until IS NULL OR lease_until < ?2)`
	sqlLeased = `SELECT (i.lease_owner=?2 AND i.epoch=?3) AS ours, ` + sqlMember + `
FROM identity i JOIN member o ON o.identity_id=i.identity_id
WHERE i.identity_id IN (SELECT value FROM json_each(?1)) ORDER BY i.identity_id, o.system`
)

// Lease implements the contract: late leases (3.7), read after they are taken.
func (s *Store) Lease(ctx context.Context, ids []string, owner string, ttl time.Duration) ([]*store.Identity, []string, error) {
	if len(ids) == 0 {
		return nil, nil, nil
	}
	arg, err := list(ids)
	if err != nil {
		return nil, nil, err
	}
	var leased []*store.Identity
	var busy []string
	err = s.write(ctx, "lease", func(t *tx) error {
		leased, busy = nil, nil
		epoch, err := t.fence()
		if err != nil {
			return err
		}
		if _, err := t.exec(sqlLease, arg, t.now, owner, epoch, ms(ttl)); err != nil {
			return err
		}
		found := identities{}
		return t.query(sqlLeased, func(rows *sql.Rows) error {
			var ours sql.NullBool
			i, err := found.scan(rows, &ours)
			switch {
			case err != nil || len(i.Members) > 1: // listed with its first member
			case ours.Bool:
				i.Epoch = epoch
				leased = append(leased, i)
			default:
				busy = append(busy, i.ID)
			}
			return err
		}, arg, owner, epoch)
	})
	if err != nil {
		return nil, nil, err
	}
	return leased, busy, nil
}

const (
	sqlBeatWork  = `UPDATE work SET not_before=?1 WHERE system=?2 AND object=?3 AND record_id=?4 AND epoch=?5 AND owner=?6`
	sqlBeatLease = `UPDATE identity SET lease_until=?1 WHERE identity_id=?2 AND epoch=?3 AND lease_owner=?4`
)

// Heartbeat implements the contract. What it does not return has another owner
// by now: stop with it.
func (s *Store) Heartbeat(ctx context.Context, owner string, ttl time.Duration, work []store.WorkRef, leases []store.LeaseRef) ([]store.WorkRef, []store.LeaseRef, error) {
	var w []store.WorkRef
	var l []store.LeaseRef
	err := s.write(ctx, "heartbeat", func(t *tx) error {
		w, l = nil, nil
		for _, r := range work {
			n, err := t.exec(sqlBeatWork, t.now+ms(ttl), r.System, r.Object, r.RecordID, r.Epoch, owner)
			if err != nil {
				return err
			}
			if n > 0 {
				w = append(w, r)
			}
		}
		for _, r := range leases {
			n, err := t.exec(sqlBeatLease, t.now+ms(ttl), r.ID, r.Epoch, owner)
			if err != nil {
				return err
			}
			if n > 0 {
				l = append(l, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return w, l, nil
}

// A drain is no crash: the attempt is given back and the cap is lifted.
const (
	sqlDropWork = `UPDATE work SET owner=NULL, claimed_gen=NULL, batch_cap=NULL, attempts=attempts-lone, lone=0, not_before=?2
WHERE owner=?1 AND owner IS NOT NULL`
	sqlDropLeases  = `UPDATE identity SET lease_owner=NULL, lease_until=NULL WHERE lease_owner=?1`
	sqlDropCursors = `UPDATE cursor SET owner=NULL, lease_until=NULL WHERE owner=?1`
)

// Drop implements the contract: the end of a drain.
func (s *Store) Drop(ctx context.Context, owner string) error {
	return s.write(ctx, fmt.Sprintf("drop what %s holds", owner), func(t *tx) error {
		if _, err := t.exec(sqlDropWork, owner, t.now); err != nil {
			return err
		}
		if _, err := t.exec(sqlDropLeases, owner); err != nil {
			return err
		}
		_, err := t.exec(sqlDropCursors, owner)
		return err
	})
}

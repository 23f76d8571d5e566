package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"syncd/mapping"
	"syncd/store"
)

const (
	sqlMet = `SELECT i.state, COALESCE(m.state, ''), COALESCE(m.record_id, ''), m.sent_at IS NOT NULL
FROM identity i LEFT JOIN member m ON m.identity_id=i.identity_id AND m.system=$2 WHERE i.identity_id=$1::text::uuid`

	// All members of an identity carry its token, not that of the claim.
	sqlJoinMember = `INSERT INTO member (identity_id, system, object, record_id, state, token, birth, created_by)
SELECT $1::text::uuid, $2, $3, $4, 'active',
  (SELECT o.token FROM member o WHERE o.identity_id=$1::text::uuid AND o.token IS NOT NULL ORDER BY o.system LIMIT 1), $5, $6
ON CONFLICT DO NOTHING`

	// SKIP LOCKED: whoever works on the member right now may be sending its
	// create, and waiting here with the keys in hand could deadlock with it.
	sqlLockMetMember = `SELECT m.system FROM member m WHERE m.identity_id=$1::text::uuid AND m.system=$2
FOR NO KEY UPDATE SKIP LOCKED`

	sqlJoinBind = `UPDATE member m SET record_id=$4, state='active', birth=COALESCE($5, m.birth), last_seen=clock_timestamp(),
  base=NULL, intent=NULL
WHERE m.identity_id=$1::text::uuid AND m.system=$2 AND m.object=$3 AND m.record_id IS NULL AND m.sent_at IS NULL
  AND m.state='creating'
  AND NOT EXISTS (SELECT 1 FROM member o WHERE o.system=m.system AND o.object=m.object AND o.record_id=$4
                  AND o.state IN ('active','quarantined'))`

	// The person came back: the record was deleted and made anew (3.8). The row
	// is the claim, so it is used again, with nothing of the old record.
	sqlJoinReturn = `UPDATE member m SET record_id=$4, state='active', birth=$5, base=NULL, base_ver=NULL, base_at=NULL,
  intent=NULL, gone_at=NULL, missing_at=NULL, gone_why=NULL, gone_cause=NULL, removal=NULL, last_seen=clock_timestamp()
WHERE m.identity_id=$1::text::uuid AND m.system=$2 AND m.object=$3 AND m.state IN ('gone','merged')
  AND NOT EXISTS (SELECT 1 FROM member o WHERE o.system=m.system AND o.object=m.object AND o.record_id=$4
                  AND o.state IN ('active','quarantined'))`

	sqlMarkShared = `UPDATE match_key SET shared=true WHERE link=$1 AND kind=$2 AND value=$3`

	sqlMoveKey = `UPDATE match_key SET identity_id=$4::text::uuid, system=$5 WHERE link=$1 AND kind=$2 AND value=$3`
)

// settle looks at each key of a claim: whose is it, and what follows (F6, F11).
func (c *claiming) settle(ctx context.Context, n int) error {
	claim := c.claims[n]
	if claim.Join != "" {
		return c.joinNamed(ctx, n)
	}
	for _, k := range claim.Keys {
		key := linkKey{claim.Link, k}
		switch h := c.keys[key]; {
		case h.id == claim.ID: // ours
		case h.id == "": // given back by a claim before this one
			c.keys[key] = keyHolder{id: claim.ID}
			if _, err := c.tx.Exec(ctx, sqlTakeKeys, []string{key.link}, []string{key.Kind}, []string{key.Value},
				[]string{claim.ID}, []string{claim.Source.System}); err != nil {
				return err
			}
		case h.shared && claim.Exact:
			return c.takeBack(ctx, n, store.ClaimResult{Verdict: store.VerdictClash, IdentityID: h.id})
		case h.shared:
			c.result[n].Shared = append(c.result[n].Shared, k)
		default:
			ended, err := c.meet(ctx, n, key, h.id)
			if err != nil || ended {
				return err
			}
		}
	}
	return nil
}

// meet decides what a claim is to the identity that holds one of its keys.
// ended says that nothing of the claim is left.
func (c *claiming) meet(ctx context.Context, n int, key linkKey, met string) (ended bool, err error) {
	src := c.claims[n].Source
	var identity mapping.IdentityState
	var member mapping.MemberState
	var record string
	var sent bool
	if err := c.tx.QueryRow(ctx, sqlMet, met, src.System).Scan((*string)(&identity), (*string)(&member), &record, &sent); err != nil {
		return false, err
	}
	wait := store.ClaimResult{Verdict: store.VerdictWait, IdentityID: met}
	there := record != "" && member != mapping.MemberGone && member != mapping.MemberMerged
	switch {
	case identity == mapping.IdentityRetired || identity == mapping.IdentityMerged: // nobody's any more
		c.keys[key] = keyHolder{id: c.claims[n].ID}
		_, err = c.tx.Exec(ctx, sqlMoveKey, key.link, key.Kind, key.Value, c.claims[n].ID, src.System)
		return false, err
	case (member.Bound() || there) && c.claims[n].Exact:
		return true, c.takeBack(ctx, n, store.ClaimResult{Verdict: store.VerdictClash, IdentityID: met})
	case member.Bound(), there:
		c.keys[key] = keyHolder{id: met, shared: true}
		c.result[n].Shared = append(c.result[n].Shared, key.Key)
		_, err = c.tx.Exec(ctx, sqlMarkShared, key.link, key.Kind, key.Value)
		return false, err
	case identity == mapping.IdentityQuarantined: // in doubt: neither joined nor created beside it
		return true, c.takeBack(ctx, n, wait)
	case c.claims[n].Ask:
		wait.Free = member == "" || record != "" || !sent && member == mapping.MemberCreating
		return true, c.takeBack(ctx, n, wait)
	case member == "":
		return true, c.join(ctx, n, met, sqlJoinMember, c.claims[n].CreatedBy)
	case member == mapping.MemberGone, member == mapping.MemberMerged:
		return true, c.joinLocked(ctx, n, met, sqlJoinReturn)
	case !sent && member == mapping.MemberCreating:
		return true, c.joinLocked(ctx, n, met, sqlJoinBind)
	}
	return true, c.takeBack(ctx, n, wait)
}

// joinNamed settles a claim that says whose record its source is.
func (c *claiming) joinNamed(ctx context.Context, n int) error {
	claim := c.claims[n]
	var identity mapping.IdentityState
	var member mapping.MemberState
	var record string
	var sent bool
	err := c.tx.QueryRow(ctx, sqlMet, claim.Join, claim.Source.System).Scan((*string)(&identity), (*string)(&member), &record, &sent)
	switch {
	case errors.Is(err, pgx.ErrNoRows), err == nil && identity != mapping.IdentityLive:
		return c.takeBack(ctx, n, store.ClaimResult{Verdict: store.VerdictTaken})
	case err != nil:
		return err
	case member == "":
		return c.join(ctx, n, claim.Join, sqlJoinMember, claim.CreatedBy)
	case member == mapping.MemberGone, member == mapping.MemberMerged:
		return c.joinLocked(ctx, n, claim.Join, sqlJoinReturn)
	case record != "":
		return c.takeBack(ctx, n, store.ClaimResult{Verdict: store.VerdictClash, IdentityID: claim.Join})
	case !sent && member == mapping.MemberCreating:
		return c.joinLocked(ctx, n, claim.Join, sqlJoinBind)
	}
	return c.takeBack(ctx, n, store.ClaimResult{Verdict: store.VerdictWait, IdentityID: claim.Join})
}

// joinLocked joins by changing a member row that exists, unless somebody else
// is at it.
func (c *claiming) joinLocked(ctx context.Context, n int, met, sql string) error {
	locked, err := collect(ctx, c.tx, sqlLockMetMember, met, c.claims[n].Source.System)
	if err != nil {
		return err
	}
	if len(locked) == 0 {
		return c.takeBack(ctx, n, store.ClaimResult{Verdict: store.VerdictWait, IdentityID: met})
	}
	return c.join(ctx, n, met, sql)
}

// join makes the claim's source a member of the identity that was met. Where
// the row does not come to be, record or place went to somebody else meanwhile.
func (c *claiming) join(ctx context.Context, n int, met, sql string, more ...any) error {
	src := c.claims[n].Source
	if err := c.takeBack(ctx, n, store.ClaimResult{Verdict: store.VerdictTaken}); err != nil {
		return err
	}
	var joined bool
	err := savepoint(ctx, c.tx, func(tx pgx.Tx) error {
		args := append([]any{met, src.System, src.Object, src.RecordID, orNull(src.Birth)}, more...)
		tag, err := tx.Exec(ctx, sql, args...)
		joined = tag.RowsAffected() == 1
		return err
	})
	switch {
	case err != nil && !violates(err):
		return err
	case err == nil && joined:
		c.result[n] = store.ClaimResult{Verdict: store.VerdictJoined, IdentityID: met}
	}
	return nil
}

const sqlSharedKeys = `SELECT k.kind, k.value FROM match_key k JOIN unnest($2::text[], $3::text[]) AS r(kind, value) USING (kind, value)
WHERE k.link=$1 AND k.shared ORDER BY k.kind COLLATE "C", k.value COLLATE "C"`

// SharedKeys gives those of a link's keys that more than one record of a system has.
func (s *Store) SharedKeys(ctx context.Context, link string, keys []store.Key) ([]store.Key, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	kinds, values := make([]string, len(keys)), make([]string, len(keys))
	for n, k := range keys {
		kinds[n], values[n] = k.Kind, k.Value
	}
	return inTx(ctx, s, "look for shared keys", func(ctx context.Context, tx pgx.Tx) ([]store.Key, error) {
		rows, err := tx.Query(ctx, sqlSharedKeys, link, kinds, values)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(row pgx.CollectableRow) (k store.Key, err error) { return k, row.Scan(&k.Kind, &k.Value) })
	})
}

package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"syncd/mapping"
	"syncd/store"
)

// vendorClock is what a vendor's clock may be off by (3.5).
const vendorClock = 5 * time.Minute

const sqlOpenCreates = `SELECT min(sent_at) FROM member
WHERE system=?1 AND object=?2 AND state IN ('creating','uncertain') AND sent_at IS NOT NULL`

// OpenCreates implements the contract.
func (s *Store) OpenCreates(ctx context.Context, system, object string) (time.Time, bool, error) {
	var first sql.NullInt64
	err := s.read(ctx, "look for open creates", sqlOpenCreates, func(rows *sql.Rows) error { return rows.Scan(&first) }, system, object)
	if err != nil || !first.Valid {
		return time.Time{}, false, err
	}
	return at(first).Add(-vendorClock), true, nil
}

// ClaimIdentities implements the contract. With one writer a claim can look at
// everything first and writes only what stays, so there is nothing to take back.
func (s *Store) ClaimIdentities(ctx context.Context, owner string, ttl time.Duration, claims []store.NewIdentity) ([]store.ClaimResult, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	order := make([]int, len(claims))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(claims[a].ID, claims[b].ID) })
	results := make([]store.ClaimResult, len(claims))
	err := s.write(ctx, "claim identities", func(t *tx) error {
		if _, err := t.fence(); err != nil {
			return err
		}
		for _, n := range order {
			r, err := t.claimIdentity(owner, ttl, claims[n])
			if err != nil {
				return fmt.Errorf("identity %s: %w", claims[n].ID, err)
			}
			results[n] = r
		}
		hints, err := t.wokenBy(store.Met(claims, results))
		if err != nil {
			return err
		}
		return t.enqueue(hints)
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// sqlTaken also asks for the token: the same one is the same identity.
const sqlTaken = `SELECT EXISTS (SELECT 1 FROM identity WHERE identity_id=?1)
  OR EXISTS (SELECT 1 FROM member WHERE system=?2 AND object=?3 AND record_id=?4 AND state IN ('active','quarantined'))
  OR EXISTS (SELECT 1 FROM member WHERE system=?2 AND token=?5)`

// sqlBuried is asked in the transaction of the claim: an erasure that comes before it
// counts.
const sqlBuried = `SELECT 1 FROM tombstone WHERE system=?1 AND object=?2 AND id_mac=?3`

func (t *tx) claimIdentity(owner string, ttl time.Duration, c store.NewIdentity) (store.ClaimResult, error) {
	var taken bool
	if _, err := t.row(sqlTaken, []any{c.ID, c.Source.System, c.Source.Object, c.Source.RecordID, text(c.Source.Token)}, &taken); err != nil {
		return store.ClaimResult{}, err
	}
	if buried, err := t.row(sqlBuried, []any{c.Source.System, c.Source.Object, c.Source.Mac}, new(int)); err != nil || buried {
		return store.ClaimResult{Verdict: store.VerdictErased}, err
	}
	if taken {
		return store.ClaimResult{Verdict: store.VerdictTaken}, nil
	}
	if c.Join != "" {
		return t.joinNamed(c)
	}
	r, err := t.meet(c)
	if err != nil || r.Verdict != store.VerdictNew {
		return r, err
	}
	r.Epoch = t.epoch
	return r, t.insertIdentity(owner, ttl, c)
}

// sqlMet looks who holds a key, and what that identity has in our system.
const sqlMet = `SELECT k.identity_id, k.shared, i.state, m.state, m.record_id IS NOT NULL, m.sent_at IS NOT NULL
FROM match_key k JOIN identity i ON i.identity_id=k.identity_id
LEFT JOIN member m ON m.identity_id=k.identity_id AND m.system=?4
WHERE k.link=?1 AND k.kind=?2 AND k.value=?3`

const (
	// A record that joins takes the token of the identity: all its members have the same.
	sqlJoin = `INSERT INTO member (identity_id, system, object, record_id, state, token, birth, first_seen, last_seen, created_by)
VALUES (?1, ?2, ?3, ?4, 'active', (SELECT token FROM member WHERE identity_id=?1 AND token IS NOT NULL LIMIT 1), ?5, ?6, ?6, ?7)`
	sqlJoinUnsent = `UPDATE member SET object=?3, record_id=?4, state='active', birth=?5, last_seen=?6, base=NULL, intent=NULL WHERE identity_id=?1 AND system=?2`
	// The person came back: the record was deleted and made anew (3.8). The row
	// is the claim, so it is used again, with nothing of the old record.
	sqlJoinReturn = `UPDATE member SET object=?3, record_id=?4, state='active', birth=?5, last_seen=?6, base=NULL, base_ver=NULL, base_at=NULL,
  intent=NULL, gone_at=NULL, missing_at=NULL, gone_why=NULL, gone_cause=NULL, removal=NULL WHERE identity_id=?1 AND system=?2`
	sqlShare = `UPDATE match_key SET shared=1 WHERE link=?1 AND kind=?2 AND value=?3`
)

// meet looks for live identities that hold the claim's keys: two systems that
// create the same person meet here (F6), and two records of one system with
// one key are told apart for good (F11). The keys are looked at in the order of
// the claim, each once.
func (t *tx) meet(c store.NewIdentity) (store.ClaimResult, error) {
	r := store.ClaimResult{Verdict: store.VerdictNew}
	src := c.Source
	for n, k := range c.Keys {
		if slices.Contains(c.Keys[:n], k) {
			continue
		}
		var other, state string
		var theirs sql.NullString
		var shared, bound, sent bool
		held, err := t.row(sqlMet, []any{c.Link, k.Kind, k.Value, src.System}, &other, &shared, &state, &theirs, &bound, &sent)
		member := mapping.MemberState(theirs.String)
		switch {
		case err != nil:
			return r, err
		case !held, !shared && mapping.IdentityState(state) != mapping.IdentityLive:
			continue
		case c.Exact && (shared || bound && member != mapping.MemberGone && member != mapping.MemberMerged):
			r.Verdict, r.IdentityID = store.VerdictClash, other
			return r, nil
		case shared:
			r.Shared = append(r.Shared, k)
		case c.Ask && (!bound || member == mapping.MemberGone || member == mapping.MemberMerged):
			r.Verdict, r.IdentityID = store.VerdictWait, other
			r.Free = member == "" || bound || !sent && member == mapping.MemberCreating
			return r, nil
		case bound && member != mapping.MemberGone && member != mapping.MemberMerged: // two records of one system
			r.Shared = append(r.Shared, k)
			if _, err := t.exec(sqlShare, c.Link, k.Kind, k.Value); err != nil {
				return r, err
			}
		default:
			r.Verdict, r.IdentityID = store.VerdictWait, other
			joined, err := t.join(c, other, member, sent)
			if joined {
				r.Verdict = store.VerdictJoined
			}
			return r, err
		}
	}
	return r, nil
}

// join makes the claim's source the record of an identity that has none in its
// system, or had one. false: a create of it is open, or was given to a person. Our
// record may be its answer, or one of those that the person was asked about. A new
// identity beside it would be a second customer elsewhere: that record waits.
func (t *tx) join(c store.NewIdentity, id string, member mapping.MemberState, sent bool) (bool, error) {
	src := c.Source
	args := []any{id, src.System, src.Object, src.RecordID, text(src.Birth), t.now}
	sql := ""
	switch {
	case member == "": // it has no record here: ours is the one
		sql, args = sqlJoin, append(args, c.CreatedBy)
	case member == mapping.MemberGone || member == mapping.MemberMerged:
		sql = sqlJoinReturn
	case !sent && member == mapping.MemberCreating: // its create here never went out
		sql = sqlJoinUnsent
	default:
		return false, nil
	}
	_, err := t.exec(sql, args...)
	return err == nil, err
}

const sqlNamed = `SELECT i.state, m.state, m.record_id IS NOT NULL, m.sent_at IS NOT NULL
FROM identity i LEFT JOIN member m ON m.identity_id=i.identity_id AND m.system=?2 WHERE i.identity_id=?1`

// joinNamed settles a claim that says whose record its source is.
func (t *tx) joinNamed(c store.NewIdentity) (store.ClaimResult, error) {
	var state string
	var theirs sql.NullString
	var bound, sent bool
	known, err := t.row(sqlNamed, []any{c.Join, c.Source.System}, &state, &theirs, &bound, &sent)
	member := mapping.MemberState(theirs.String)
	r := store.ClaimResult{Verdict: store.VerdictWait, IdentityID: c.Join}
	switch {
	case err != nil:
		return store.ClaimResult{}, err
	case !known, mapping.IdentityState(state) != mapping.IdentityLive:
		return store.ClaimResult{Verdict: store.VerdictTaken}, nil
	case bound && member != mapping.MemberGone && member != mapping.MemberMerged:
		r.Verdict = store.VerdictClash
		return r, nil
	}
	joined, err := t.join(c, c.Join, member, sent)
	if joined {
		r.Verdict = store.VerdictJoined
	}
	return r, err
}

const (
	sqlNewIdentity = `INSERT INTO identity (identity_id, link, epoch, lease_owner, lease_until, created_at, created_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`
	sqlNewMember   = `INSERT INTO member (identity_id, system, object, record_id, state, token, birth, first_seen, created_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`
	// The key of an identity that is no more goes to the one that uses it now.
	sqlNewKey = `INSERT INTO match_key (link, kind, value, identity_id, system, claimed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (link, kind, value) DO UPDATE SET identity_id=excluded.identity_id, system=excluded.system, claimed_at=excluded.claimed_at
WHERE NOT shared AND (SELECT i.state FROM identity i WHERE i.identity_id=match_key.identity_id) IN ('retired','merged')`
)

func (t *tx) insertIdentity(owner string, ttl time.Duration, c store.NewIdentity) error {
	if _, err := t.exec(sqlNewIdentity, c.ID, c.Link, t.epoch, owner, t.now+ms(ttl), t.now, c.CreatedBy); err != nil {
		return err
	}
	src := c.Source
	if _, err := t.exec(sqlNewMember, c.ID, src.System, src.Object, src.RecordID, mapping.MemberActive, text(src.Token), text(src.Birth), t.now, c.CreatedBy); err != nil {
		return fmt.Errorf("member in %s: %w", src.System, err)
	}
	for _, m := range c.Targets {
		if _, err := t.exec(sqlNewMember, c.ID, m.System, m.Object, nil, mapping.MemberCreating, text(m.Token), text(m.Birth), t.now, c.CreatedBy); err != nil {
			return fmt.Errorf("member in %s: %w", m.System, err)
		}
	}
	for _, k := range c.Keys {
		if _, err := t.exec(sqlNewKey, c.Link, k.Kind, k.Value, c.ID, src.System, t.now); err != nil {
			return fmt.Errorf("match key %s: %w", k.Kind, err)
		}
	}
	return nil
}

const sqlSharedKeys = `SELECT k.kind, k.value FROM match_key k JOIN json_each(?2) r ON k.kind=r.value->>0 AND k.value=r.value->>1
WHERE k.link=?1 AND k.shared ORDER BY 1, 2`

// SharedKeys implements the contract.
func (s *Store) SharedKeys(ctx context.Context, link string, keys []store.Key) ([]store.Key, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	asked := make([][2]string, len(keys))
	for n, k := range keys {
		asked[n] = [2]string{k.Kind, k.Value}
	}
	texts, err := list(asked)
	if err != nil {
		return nil, err
	}
	var out []store.Key
	err = s.read(ctx, "look for shared keys", sqlSharedKeys, func(rows *sql.Rows) error {
		var k store.Key
		err := rows.Scan(&k.Kind, &k.Value)
		out = append(out, k)
		return err
	}, link, texts)
	return out, err
}

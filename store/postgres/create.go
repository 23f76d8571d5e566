package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/mapping"
	"syncd/store"
)

// All inserts of a claim skip what they conflict with, after waiting for it:
// the loser of a race then sees the winner (F5, F6).
const (
	sqlClaimIdentities = `INSERT INTO identity (identity_id, link, created_by, epoch, lease_owner, lease_until)
SELECT r.identity_id, r.link, r.created_by, nextval('fence'), $4, clock_timestamp() + $5::bigint * interval '1 microsecond'
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[]) AS r(identity_id, link, created_by)
ORDER BY r.identity_id ON CONFLICT (identity_id) DO NOTHING RETURNING identity_id::text, epoch`

	sqlClaimMembers = `INSERT INTO member (identity_id, system, object, record_id, state, token, birth, created_by)
SELECT r.identity_id, r.system, r.object, r.record_id, r.state, r.token, r.birth, r.created_by
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
  AS r(identity_id, system, object, record_id, state, token, birth, created_by)
ORDER BY r.identity_id, r.system COLLATE "C" ON CONFLICT DO NOTHING RETURNING identity_id::text`

	// One pass in key order inserts each key or locks the row that is there.
	// Locking what exists and then inserting the rest deadlocks: what a claim
	// does not see yet, a persist may be deleting. WHERE false: lock, write
	// nothing.
	sqlTakeKeys = `INSERT INTO match_key AS k (link, kind, value, identity_id, system)
SELECT r.link, r.kind, r.value, r.identity_id, r.system
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]::uuid[], $5::text[]) AS r(link, kind, value, identity_id, system)
ORDER BY r.link COLLATE "C", r.kind COLLATE "C", r.value COLLATE "C"
ON CONFLICT (link, kind, value) DO UPDATE SET shared=k.shared WHERE false`

	sqlReadKeys = `SELECT link, kind, value, identity_id::text, shared FROM match_key
JOIN unnest($1::text[], $2::text[], $3::text[]) AS r(link, kind, value) USING (link, kind, value)`

	sqlTakeBackIdentity = `WITH k AS (DELETE FROM match_key WHERE identity_id=$1::text::uuid),
m AS (DELETE FROM member WHERE identity_id=$1::text::uuid)
DELETE FROM identity WHERE identity_id=$1::text::uuid`
)

// linkKey is a business key where it is unique.
type linkKey struct {
	link string
	store.Key
}

// keyHolder is a key as it stands in the transaction.
type keyHolder struct {
	id     string
	shared bool
}

// claiming is the state of one ClaimIdentities transaction.
type claiming struct {
	tx     pgx.Tx
	claims []store.NewIdentity // in id order
	result []store.ClaimResult // of claims
	keys   map[linkKey]keyHolder
}

// ClaimIdentities takes the constraints before the create calls (3.5). The
// claims are settled in id order, as if they had come one after the other.
func (s *Store) ClaimIdentities(ctx context.Context, owner string, ttl time.Duration, claims []store.NewIdentity) ([]store.ClaimResult, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	claims = withIDs(claims)
	order := make([]int, len(claims))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(claims[a].ID, claims[b].ID) })
	sorted := make([]store.NewIdentity, len(claims))
	for n, at := range order {
		sorted[n] = claims[at]
		sorted[n].Keys = eachOnce(claims[at].Keys)
	}
	settled, err := inTx(ctx, s, "claim identities", func(ctx context.Context, tx pgx.Tx) ([]store.ClaimResult, error) {
		c := &claiming{tx: tx, claims: sorted, result: make([]store.ClaimResult, len(sorted)), keys: map[linkKey]keyHolder{}}
		if _, err := tx.Exec(ctx, sqlMeetNeeds); err != nil {
			return nil, err
		}
		if err := c.run(ctx, owner, ttl); err != nil {
			return nil, err
		}
		woken, err := wakes(ctx, tx, sqlMetBy, store.Met(sorted, c.result))
		if err != nil {
			return nil, err
		}
		var b pgx.Batch
		queueEnqueue(&b, woken)
		return c.result, send(ctx, tx, &b)
	})
	if err != nil {
		return nil, err
	}
	results := make([]store.ClaimResult, len(claims))
	for n, at := range order {
		results[at] = settled[n]
	}
	return results, nil
}

// withIDs gives every claim an id. One that names the identity which it joins may
// come without: here its own is inserted all the same, and taken back when it has
// joined.
func withIDs(claims []store.NewIdentity) []store.NewIdentity {
	out := slices.Clone(claims)
	for n := range out {
		if out[n].ID == "" && out[n].Join != "" {
			var id [16]byte
			_, _ = rand.Read(id[:]) // it never fails
			out[n].ID = fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
		}
	}
	return out
}

// eachOnce gives each key once, in the caller's order: the first that anybody
// holds decides. They are locked in key order all the same, in one statement.
func eachOnce(keys []store.Key) []store.Key {
	out := make([]store.Key, 0, len(keys))
	for _, k := range keys {
		if !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

// run keeps the lock order: identities, members, keys, each in key order. From
// settle on every key in question is locked or ours, so nothing there waits
// for another claim.
func (c *claiming) run(ctx context.Context, owner string, ttl time.Duration) error {
	if err := c.lookForGraves(ctx); err != nil {
		return fmt.Errorf("look for tombstones: %w", err)
	}
	if err := c.insertIdentities(ctx, owner, ttl); err != nil {
		return fmt.Errorf("insert identities: %w", err)
	}
	if err := c.insertMembers(ctx); err != nil {
		return fmt.Errorf("insert members: %w", err)
	}
	if err := c.takeKeys(ctx); err != nil {
		return fmt.Errorf("take match keys: %w", err)
	}
	for n := range c.claims {
		if c.result[n].Verdict != store.VerdictNew {
			continue
		}
		if err := c.settle(ctx, n); err != nil {
			return fmt.Errorf("settle the match keys: %w", err)
		}
	}
	return nil
}

// lookForGraves finds the sources that belong to somebody who was erased. An erasure
// that is under way has their work rows, so it is over or not begun.
func (c *claiming) lookForGraves(ctx context.Context) error {
	var asked []store.Tombstone
	for _, i := range c.claims {
		asked = append(asked, store.Tombstone{System: i.Source.System, Object: i.Source.Object, Mac: i.Source.Mac})
	}
	found, err := tombstones(ctx, c.tx, asked)
	for n, a := range asked {
		if found[a] {
			c.result[n].Verdict = store.VerdictErased
		}
	}
	return err
}

func (c *claiming) insertIdentities(ctx context.Context, owner string, ttl time.Duration) error {
	var ids, links, by []string
	for n, i := range c.claims {
		if c.result[n].Verdict == store.VerdictErased {
			continue
		}
		ids, links, by = append(ids, i.ID), append(links, i.Link), append(by, i.CreatedBy)
	}
	rows, err := c.tx.Query(ctx, sqlClaimIdentities, ids, links, by, owner, micros(ttl))
	if err != nil {
		return err
	}
	epochs := map[string]int64{}
	var id string
	var epoch int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &epoch}, func() error { epochs[id] = epoch; return nil }); err != nil {
		return err
	}
	for n, i := range c.claims {
		if c.result[n].Verdict == store.VerdictErased {
			continue
		}
		c.result[n] = store.ClaimResult{Verdict: store.VerdictTaken}
		if e, ours := epochs[i.ID]; ours {
			c.result[n] = store.ClaimResult{Verdict: store.VerdictNew, Epoch: e}
			delete(epochs, i.ID) // a second claim of the same id in this call is taken
		}
	}
	return nil
}

func (c *claiming) insertMembers(ctx context.Context) error {
	var ids, systems, objects, states, by []string
	var records, tokens, births []*string
	add := func(i store.NewIdentity, m store.NewMember, state mapping.MemberState) {
		ids, systems, objects = append(ids, i.ID), append(systems, m.System), append(objects, m.Object)
		states, by, records = append(states, string(state)), append(by, i.CreatedBy), append(records, orNull(m.RecordID))
		tokens, births = append(tokens, orNull(m.Token)), append(births, orNull(m.Birth))
	}
	for n, i := range c.claims {
		if c.result[n].Verdict != store.VerdictNew {
			continue
		}
		add(i, i.Source, mapping.MemberActive)
		for _, t := range i.Targets {
			add(i, t, mapping.MemberCreating)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	got, err := collect(ctx, c.tx, sqlClaimMembers, ids, systems, objects, records, states, tokens, births, by)
	if err != nil {
		return err
	}
	inserted := map[string]int{}
	for _, id := range got {
		inserted[id]++
	}
	for n, i := range c.claims {
		if c.result[n].Verdict != store.VerdictNew || inserted[i.ID] == 1+len(i.Targets) {
			continue
		}
		if err := c.takeBack(ctx, n, store.ClaimResult{Verdict: store.VerdictTaken}); err != nil {
			return err
		}
	}
	return nil
}

// takeKeys takes every key of the claims, its own or another's, so that no
// other transaction touches it until the end of this one.
func (c *claiming) takeKeys(ctx context.Context) error {
	var want []linkKey
	var ids, systems []string
	for n, i := range c.claims {
		if c.result[n].Verdict != store.VerdictNew {
			continue
		}
		if i.Join != "" {
			continue // it looks at no keys
		}
		for _, k := range i.Keys {
			key := linkKey{i.Link, k}
			if !slices.Contains(want, key) { // the first claim of the call has it
				want, ids, systems = append(want, key), append(ids, i.ID), append(systems, i.Source.System)
			}
		}
	}
	if len(want) == 0 {
		return nil
	}
	links, kinds, values := keyColumns(want)
	if _, err := c.tx.Exec(ctx, sqlTakeKeys, links, kinds, values, ids, systems); err != nil {
		return err
	}
	rows, err := c.tx.Query(ctx, sqlReadKeys, links, kinds, values)
	if err != nil {
		return err
	}
	var k linkKey
	var h keyHolder
	_, err = pgx.ForEachRow(rows, []any{&k.link, &k.Kind, &k.Value, &h.id, &h.shared}, func() error {
		c.keys[k] = h
		return nil
	})
	return err
}

func keyColumns(keys []linkKey) (links, kinds, values []string) {
	for _, k := range keys {
		links, kinds, values = append(links, k.link), append(kinds, k.Kind), append(values, k.Value)
	}
	return links, kinds, values
}

// takeBack deletes what this transaction inserted for a claim. Its keys are
// free again for the claims after it.
func (c *claiming) takeBack(ctx context.Context, n int, verdict store.ClaimResult) error {
	id := c.claims[n].ID
	if _, err := c.tx.Exec(ctx, sqlTakeBackIdentity, id); err != nil {
		return err
	}
	for k, h := range c.keys {
		if h.id == id {
			c.keys[k] = keyHolder{}
		}
	}
	c.result[n] = verdict
	return nil
}

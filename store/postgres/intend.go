package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

// sqlFence is the first statement of every transaction that decides (3.7): it
// locks in id order and returns the rows that are still ours. The owner is
// part of it, so that a repeated persist is a no-op.
const sqlFence = `SELECT i.identity_id::text FROM identity i
JOIN unnest($1::text[]::uuid[], $2::bigint[]) AS r(identity_id, epoch) USING (identity_id, epoch)
WHERE i.lease_owner=$3 ORDER BY i.identity_id FOR NO KEY UPDATE OF i`

// fence returns the ids of the leases that owner still holds.
func fence(ctx context.Context, tx pgx.Tx, owner string, leases []store.LeaseRef) (map[string]bool, error) {
	if len(leases) == 0 {
		return map[string]bool{}, nil
	}
	ids, epochs := leaseColumns(leases)
	held, err := collect(ctx, tx, sqlFence, ids, epochs, owner)
	return setOf(held), err
}

const (
	sqlIntendUpdates = `UPDATE member m SET intent=r.intent::json, sent_vals=r.sent::json
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS r(identity_id, system, link, intent, sent)
WHERE m.identity_id=r.identity_id AND m.system=r.system AND m.state='active'
  AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.released_at IS NULL AND h.system=r.system AND h.link IN ('', r.link)
                  AND h.what IN ('all','writes'))
RETURNING m.identity_id::text`

	// A member that was parked waited for a person's word, and the world has moved on:
	// whoever asks has made sure that it may be created now.
	sqlIntendCreates = `UPDATE member m SET sent_at=clock_timestamp(), sends=m.sends+1, sent_epoch=r.epoch,
  intent=r.body::json, sent_vals=r.sent::json, state=CASE m.state WHEN 'parked' THEN 'creating' ELSE m.state END
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::int[])
  AS r(identity_id, system, link, body, sent, epoch, sends)
WHERE m.identity_id=r.identity_id AND m.system=r.system AND m.sends=r.sends AND m.state IN ('creating','uncertain','parked')
  AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.released_at IS NULL AND h.system=r.system AND h.link IN ('', r.link)
                  AND h.what IN ('all','writes','creates'))
RETURNING m.identity_id::text`
)

// intentRows are the columns that both kinds of intent have.
type intentRows struct {
	ids, systems, links []string
	bodies, sent        []*string
}

// IntendUpdates commits intents before the wire. Confirming hints are enqueued
// here and not in persist, which holds its own work rows already (3.6).
func (s *Store) IntendUpdates(ctx context.Context, owner string, intents []store.UpdateIntent) ([]string, error) {
	if len(intents) == 0 {
		return nil, nil
	}
	leases := make([]store.LeaseRef, len(intents))
	for n, i := range intents {
		leases[n] = store.LeaseRef{ID: i.IdentityID, Epoch: i.Epoch}
	}
	return inTx(ctx, s, "intend updates", func(ctx context.Context, tx pgx.Tx) (allowed []string, err error) {
		held, err := fence(ctx, tx, owner, leases)
		if err != nil || len(held) == 0 {
			return nil, err
		}
		var r intentRows
		for _, i := range intents {
			if held[i.IdentityID] {
				r.ids, r.systems, r.links = append(r.ids, i.IdentityID), append(r.systems, i.System), append(r.links, i.Link)
				r.bodies, r.sent = append(r.bodies, jsonOrNull(i.Intent)), append(r.sent, jsonOrNull(i.Sent))
			}
		}
		var b pgx.Batch
		b.Queue(sqlLockMembers, r.ids, r.systems)
		queueReturning(&b, &allowed, sqlIntendUpdates, r.ids, r.systems, r.links, r.bodies, r.sent)
		if err := send(ctx, tx, &b); err != nil {
			return nil, err
		}
		may := setOf(allowed)
		var hints []store.Hint
		for _, i := range intents {
			if may[i.IdentityID] && i.Confirm != nil {
				hints = append(hints, *i.Confirm)
			}
		}
		b = pgx.Batch{}
		queueEnqueue(&b, hints)
		return allowed, send(ctx, tx, &b)
	})
}

// IntendCreates commits the sends of creates before the wire. A row whose
// sends moved on is somebody else's decision by now.
func (s *Store) IntendCreates(ctx context.Context, owner string, intents []store.CreateIntent) ([]string, error) {
	if len(intents) == 0 {
		return nil, nil
	}
	leases := make([]store.LeaseRef, len(intents))
	for n, i := range intents {
		leases[n] = store.LeaseRef{ID: i.IdentityID, Epoch: i.Epoch}
	}
	return inTx(ctx, s, "intend creates", func(ctx context.Context, tx pgx.Tx) (allowed []string, err error) {
		held, err := fence(ctx, tx, owner, leases)
		if err != nil || len(held) == 0 {
			return nil, err
		}
		var r intentRows
		var epochs []int64
		var sends []int32
		for _, i := range intents {
			if held[i.IdentityID] {
				r.ids, r.systems, r.links = append(r.ids, i.IdentityID), append(r.systems, i.System), append(r.links, i.Link)
				r.bodies, r.sent = append(r.bodies, jsonOrNull(i.Intent)), append(r.sent, jsonOrNull(i.Sent))
				epochs, sends = append(epochs, i.Epoch), append(sends, int32(i.Sends))
			}
		}
		var b pgx.Batch
		b.Queue(sqlLockMembers, r.ids, r.systems)
		queueReturning(&b, &allowed, sqlIntendCreates, r.ids, r.systems, r.links, r.bodies, r.sent, epochs, sends)
		return allowed, send(ctx, tx, &b)
	})
}

// queueReturning adds a statement that returns one text column to a batch.
func queueReturning(b *pgx.Batch, into *[]string, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
}

package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/store"
)

// sqlLockMembers locks members in key order; an UPDATE of several rows locks
// them in the order of its plan, and bind and intent meet on the same rows.
const sqlLockMembers = `SELECT 1 FROM member m JOIN unnest($1::text[]::uuid[], $2::text[]) AS r(identity_id, system)
  USING (identity_id, system) ORDER BY m.identity_id, m.system FOR NO KEY UPDATE OF m`

const sqlBind = `UPDATE member m SET record_id=r.record_id, state='active', birth=COALESCE(r.birth, m.birth), last_seen=clock_timestamp()
FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS r(identity_id, system, object, record_id, birth)
WHERE m.identity_id=r.identity_id AND m.system=r.system AND m.object=r.object AND m.record_id IS NULL
  AND m.state IN ('creating','uncertain','parked')
  AND NOT EXISTS (SELECT 1 FROM member o WHERE o.system=m.system AND o.object=m.object AND o.record_id=r.record_id
                  AND o.state IN ('active','quarantined'))
RETURNING m.identity_id::text`

// Bind records true facts. It is not fenced: a zombie that learns a true id
// must record it (3.5). One row that collides costs its siblings nothing (P1).
// What waited for a record is woken by the same commit (F64).
func (s *Store) Bind(ctx context.Context, bindings []store.Binding) ([]string, error) {
	if len(bindings) == 0 {
		return nil, nil
	}
	return inTx(ctx, s, "bind", func(ctx context.Context, tx pgx.Tx) ([]string, error) {
		ids, systems := make([]string, len(bindings)), make([]string, len(bindings))
		for n, b := range bindings {
			ids[n], systems[n] = b.IdentityID, b.System
		}
		var b pgx.Batch
		b.Queue(sqlMeetNeeds)
		b.Queue(sqlLockMembers, ids, systems)
		if err := send(ctx, tx, &b); err != nil {
			return nil, err
		}
		bound, err := bindRows(ctx, tx, bindings)
		if err != nil {
			return nil, err
		}
		woken, err := wakes(ctx, tx, sqlMetBy, bound)
		if err != nil {
			return nil, err
		}
		b = pgx.Batch{}
		queueEnqueue(&b, append(confirmsOf(bindings, bound), woken...))
		return bound, send(ctx, tx, &b)
	})
}

// bindRows binds all rows in one statement, or each in a savepoint of its own
// after a violation: two equal ids in one answer, or a race.
func bindRows(ctx context.Context, tx pgx.Tx, bindings []store.Binding) (bound []string, err error) {
	err = savepoint(ctx, tx, func(tx pgx.Tx) (err error) {
		bound, err = bindOnce(ctx, tx, bindings)
		return err
	})
	if err == nil || !violates(err) {
		return bound, err
	}
	bound = nil
	for n := range bindings {
		err := savepoint(ctx, tx, func(tx pgx.Tx) error {
			got, err := bindOnce(ctx, tx, bindings[n:n+1])
			bound = append(bound, got...)
			return err
		})
		if err != nil && !violates(err) {
			return nil, err
		}
	}
	return bound, nil
}

func bindOnce(ctx context.Context, tx pgx.Tx, bindings []store.Binding) ([]string, error) {
	var ids, systems, objects, records []string
	var births []*string
	for _, b := range bindings {
		ids, systems, objects = append(ids, b.IdentityID), append(systems, b.System), append(objects, b.Object)
		records, births = append(records, b.RecordID), append(births, orNull(b.Birth))
	}
	return collect(ctx, tx, sqlBind, ids, systems, objects, records, births)
}

func confirmsOf(bindings []store.Binding, bound []string) []store.Hint {
	is := setOf(bound)
	var hints []store.Hint
	for _, b := range bindings {
		if is[b.IdentityID] && b.Confirm != nil {
			hints = append(hints, *b.Confirm)
		}
	}
	return hints
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

const sqlTakeBack = `UPDATE member m SET sent_at=NULL
FROM unnest($1::text[]::uuid[], $2::text[], $3::int[]) AS r(identity_id, system, sends)
WHERE m.identity_id=r.identity_id AND m.system=r.system AND m.sends=r.sends AND m.state='creating'`

// TakeBack clears sent_at after a definite failure of just that send.
func (s *Store) TakeBack(ctx context.Context, sends []store.SendRef) error {
	if len(sends) == 0 {
		return nil
	}
	var ids, systems []string
	var counts []int32
	for _, r := range sends {
		ids, systems, counts = append(ids, r.IdentityID), append(systems, r.System), append(counts, int32(r.Sends))
	}
	_, err := inTx(ctx, s, "take sends back", func(ctx context.Context, tx pgx.Tx) (none, error) {
		var b pgx.Batch
		b.Queue(sqlLockMembers, ids, systems)
		b.Queue(sqlTakeBack, ids, systems, counts)
		return none{}, send(ctx, tx, &b)
	})
	return err
}

const sqlOpenCreates = `SELECT min(sent_at) - interval '5 min' FROM member
WHERE system=$1 AND object=$2 AND state IN ('creating','uncertain') AND sent_at IS NOT NULL`

// OpenCreates gives the time after which a record without a token may be one
// of our own unbound creates; 5 minutes are for the vendor's clock (3.5).
func (s *Store) OpenCreates(ctx context.Context, system, object string) (time.Time, bool, error) {
	after, err := inTx(ctx, s, "look for open creates", func(ctx context.Context, tx pgx.Tx) (after *time.Time, err error) {
		err = tx.QueryRow(ctx, sqlOpenCreates, system, object).Scan(&after)
		return after, err
	})
	return deref(after), after != nil, err
}

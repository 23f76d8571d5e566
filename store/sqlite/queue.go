package sqlite

import (
	"context"

	"syncd/store"
)

// trashQuiet is how long a record with an open trash row is left alone: a new
// hint starts at most one attempt in that time (3.4).
const trashQuiet = int64(3_600_000)

// Enqueue implements the contract: the coalescing upsert of 3.3.
func (s *Store) Enqueue(ctx context.Context, hints []store.Hint) error {
	if len(hints) == 0 {
		return nil
	}
	return s.write(ctx, "enqueue", func(t *tx) error { return t.enqueue(hints) })
}

const sqlInbox = `INSERT INTO inbox AS b (system, delivery_key, received_at, last_at, n_events) VALUES (?1, ?2, ?3, ?3, ?4)
ON CONFLICT (system, delivery_key) DO UPDATE SET times=b.times+1, last_at=excluded.last_at`

// Receive implements the contract. A known delivery key is counted and
// suppresses nothing: two edits can send identical bodies (F14).
func (s *Store) Receive(ctx context.Context, receipts []store.Receipt) error {
	if len(receipts) == 0 {
		return nil
	}
	return s.write(ctx, "receive", func(t *tx) error {
		var hints []store.Hint
		for _, r := range receipts {
			if _, err := t.exec(sqlInbox, r.System, r.DeliveryKey, t.now, r.Events); err != nil {
				return err
			}
			hints = append(hints, r.Hints...)
		}
		return t.enqueue(hints)
	})
}

// sqlEnqueue is the statement of 3.10. GROUP BY: vendors post several events of
// one record together. It never shortens a lease or a back-off, forgets no
// version (max of a NULL is NULL here, hence COALESCE), and makes no row for a
// hint of our own mark if the record is a quiet member (F25 layer 1); the index
// member_record is only used if its own condition stands in the query. An open
// trash row holds a new row back.
const sqlEnqueue = `
WITH r AS MATERIALIZED (SELECT key AS n, value->>0 AS system, value->>1 AS object, value->>2 AS record_id, value->>3 AS lane,
    value->>4 AS hint_ver, value->>5 AS delay, value->>6 AS cause, value->>7 AS delivery_key, value->>8 AS trace,
    value->>9 AS own, value->>10 AS erase FROM json_each(?1)),
g AS (SELECT system, object, record_id, min(lane) AS lane, max(hint_ver) AS hint_ver, count(*) AS hints,
    ?2+min(delay) AS due, min(own) AS own, max(erase) AS erase, max(n) AS n FROM r GROUP BY 1,2,3)
INSERT INTO work AS w (system,object,record_id,lane,hint_ver,hints,not_before,cause,delivery_key,trace,first_hint,erase)
SELECT g.system, g.object, g.record_id, g.lane, g.hint_ver, g.hints,
  max(g.due, COALESCE((SELECT max(t.at) FROM trash t WHERE t.system=g.system AND t.object=g.object
      AND t.record_id=g.record_id AND t.resolved_at IS NULL)+?3, 0)),
  r.cause, r.delivery_key, r.trace, ?2, g.erase
FROM g JOIN r USING (n) WHERE NOT g.own
  OR EXISTS (SELECT 1 FROM work p WHERE p.system=g.system AND p.object=g.object AND p.record_id=g.record_id)
  OR NOT EXISTS (SELECT 1 FROM member m WHERE m.system=g.system AND m.object=g.object AND m.record_id=g.record_id
                 AND m.state IN ('active','quarantined') AND m.state='active' AND m.intent IS NULL)
ON CONFLICT (system,object,record_id) DO UPDATE SET
  gen=w.gen+1, hints=w.hints+excluded.hints, lane=min(w.lane,excluded.lane),
  hint_ver=COALESCE(max(w.hint_ver,excluded.hint_ver), w.hint_ver, excluded.hint_ver),
  cause=excluded.cause, delivery_key=excluded.delivery_key, trace=excluded.trace, erase=COALESCE(w.erase, excluded.erase),
  not_before=CASE WHEN w.owner IS NOT NULL OR w.attempts>0 OR w.batch_cap IS NOT NULL THEN w.not_before
                  ELSE min(w.not_before,excluded.not_before) END`

func (t *tx) enqueue(hints []store.Hint) error {
	if len(hints) == 0 {
		return nil
	}
	rows := make([][11]any, len(hints))
	for n, h := range hints {
		var asked any
		if h.Erased {
			asked = string(store.EraseAsked)
		}
		rows[n] = [11]any{h.System, h.Object, h.RecordID, h.Lane, text(h.Version), ms(h.Delay), h.Cause, text(h.DeliveryKey), text(h.Trace), h.Own && !h.Erased, asked}
	}
	arg, err := list(rows)
	if err != nil {
		return err
	}
	_, err = t.exec(sqlEnqueue, arg, t.now, trashQuiet)
	return err
}

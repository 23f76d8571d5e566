package postgres

import (
	"context"
	"fmt"

	"syncd/store"
)

// An index look-up per queue: however long a queue is, only its head is asked.
const sqlDue = `SELECT q.n FROM unnest($1::text[], $2::text[], $3::smallint[]) WITH ORDINALITY AS q(system, object, lane, n)
WHERE EXISTS (SELECT 1 FROM work w WHERE w.system=q.system AND w.object=q.object AND w.lane=q.lane AND w.not_before <= now())
ORDER BY q.n`

// Due gives those of the queues that have a due row.
func (s *Store) Due(ctx context.Context, queues []store.Queue) ([]store.Queue, error) {
	systems, objects, lanes := make([]string, len(queues)), make([]string, len(queues)), make([]int16, len(queues))
	for i, q := range queues {
		systems[i], objects[i], lanes[i] = q.System, q.Object, int16(q.Lane)
	}
	rows, err := s.pool.Query(ctx, sqlDue, systems, objects, lanes)
	if err != nil {
		return nil, fmt.Errorf("ask which queues are due: %w", err)
	}
	defer rows.Close()
	var due []store.Queue
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			return nil, fmt.Errorf("ask which queues are due: %w", err)
		}
		due = append(due, queues[n-1])
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("ask which queues are due: %w", err)
	}
	return due, nil
}

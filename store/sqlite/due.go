package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"syncd/store"
)

// An index look-up per queue: however long a queue is, only its head is asked.
const sqlDue = `SELECT q.key FROM json_each(@queues) q
WHERE EXISTS (SELECT 1 FROM work w WHERE w.system=q.value->>0 AND w.object=q.value->>1 AND w.lane=q.value->>2 AND w.not_before<=@now)
ORDER BY q.key`

// Due gives those of the queues that have a due row. It reads only, so that an
// idle daemon commits nothing.
func (s *Store) Due(ctx context.Context, queues []store.Queue) ([]store.Queue, error) {
	asked := make([][3]any, len(queues))
	for i, q := range queues {
		asked[i] = [3]any{q.System, q.Object, int(q.Lane)}
	}
	rows, err := list(asked)
	if err != nil {
		return nil, fmt.Errorf("ask which queues are due: %w", err)
	}
	var due []store.Queue
	err = s.read(ctx, "ask which queues are due", sqlDue, func(r *sql.Rows) error {
		var i int
		if err := r.Scan(&i); err != nil {
			return err
		}
		due = append(due, queues[i])
		return nil
	}, sql.Named("queues", rows), sql.Named("now", s.clock()))
	return due, err
}

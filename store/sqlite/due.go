package sqlite

import (
	"context"
	"database/sql"
	"strings"

	"syncd/store"
)

// sqlDue asks one index look-up per queue: however long a queue is, only its
// head is looked at. The queues are rows of a VALUES and no JSON, for this is
// asked all the time and to take JSON apart costs more than the looking.
// System, object and lane of every queue, then now.
func sqlDue(queues int) string {
	return `WITH q(system,object,lane) AS (VALUES ` + strings.TrimSuffix(strings.Repeat(`(?,?,?),`, queues), ",") + `)
SELECT q.system, q.object, q.lane FROM q
WHERE EXISTS (SELECT 1 FROM work w WHERE w.system=q.system AND w.object=q.object AND w.lane=q.lane AND w.not_before<=?)`
}

// Due gives those of the queues that have a due row, in their order. It reads
// only, so that an idle daemon commits nothing.
func (s *Store) Due(ctx context.Context, queues []store.Queue) ([]store.Queue, error) {
	if len(queues) == 0 {
		return nil, nil
	}
	args := make([]any, 0, 3*len(queues)+1)
	for _, q := range queues {
		args = append(args, q.System, q.Object, int64(q.Lane))
	}
	args = append(args, s.clock())
	var found map[store.Queue]bool
	err := s.read(ctx, "ask which queues are due", sqlDue(len(queues)), func(r *sql.Rows) error {
		var q store.Queue
		if err := r.Scan(&q.System, &q.Object, &q.Lane); err != nil {
			return err
		}
		if found == nil {
			found = make(map[store.Queue]bool, len(queues))
		}
		found[q] = true
		return nil
	}, args...)
	var due []store.Queue
	for _, q := range queues {
		if found[q] {
			due = append(due, q)
		}
	}
	return due, err
}

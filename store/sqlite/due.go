package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"syncd/store"
)

// sqlDue asks one index look-up per object and lane: however long a queue is,
// only its head is looked at. They are rows of a VALUES and no JSON, for this is
// asked all the time and to take JSON apart costs more than the looking. Every
// lane is asked, since hardly anybody wants less, and few parameters are bound:
// system and object of each, then now.
func sqlDue(objects int) string {
	var rows []string
	for n := range objects {
		for _, lane := range store.Lanes {
			rows = append(rows, fmt.Sprintf("(?%d,?%d,%d)", 2*n+1, 2*n+2, lane))
		}
	}
	return fmt.Sprintf(`WITH q(system,object,lane) AS (VALUES %s)
SELECT q.system, q.object, q.lane FROM q
WHERE EXISTS (SELECT 1 FROM work w WHERE w.system=q.system AND w.object=q.object AND w.lane=q.lane AND w.not_before<=?%d)`,
		strings.Join(rows, ","), 2*objects+1)
}

// Due gives those of the queues that have a due row, in their order. It reads
// only, so that an idle daemon commits nothing.
func (s *Store) Due(ctx context.Context, queues []store.Queue) ([]store.Queue, error) {
	if len(queues) == 0 {
		return nil, nil
	}
	var objects []store.Queue // of lane 0, each once
	var args []any
	for _, q := range queues {
		q.Lane = 0
		if !slices.Contains(objects, q) { // they are a handful
			objects, args = append(objects, q), append(args, q.System, q.Object)
		}
	}
	var found []store.Queue
	err := s.read(ctx, "ask which queues are due", s.dueOf(len(objects)), func(r *sql.Rows) error {
		var q store.Queue
		err := r.Scan(&q.System, &q.Object, &q.Lane)
		found = append(found, q)
		return err
	}, append(args, s.clock())...)
	var due []store.Queue
	for _, q := range queues {
		if slices.Contains(found, q) {
			due = append(due, q)
		}
	}
	return due, err
}

// dueOf gives sqlDue's text, which takes as long to write as to run.
func (s *Store) dueOf(objects int) string {
	if q, known := s.dues.Load(objects); known {
		return q.(string)
	}
	q := sqlDue(objects)
	s.dues.Store(objects, q)
	return q
}

package odoosim

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"syncd/simulator"
)

// tx is one transaction: an overlay over the committed rows, the webhook posts
// made on the way and what the truth will hold. With an empty overlay it is a
// view for reading. All of it runs under Sim.mu.
type tx struct {
	s       *Sim
	uid     int64
	actor   string
	at      time.Time // start: the write_date of every row (vendors/odoo.md 6)
	context map[string]any
	rows    map[key]*row // nil = deleted
	touched []key        // in order
	names   map[string]int64
	posts   []simulator.Post
	facts   []simulator.Change

	rollback  bool // posts go out, rows do not: a failed load()
	mirroring bool // a product and its template are being kept alike
	many      bool // a write on several ids at once
}

func (s *Sim) view(context map[string]any) *tx {
	return &tx{s: s, uid: s.o.BotUID, context: context}
}

func (s *Sim) begin(uid int64, context map[string]any) *tx {
	actor := "user:"
	if uid == s.o.BotUID {
		actor = "app:"
	}
	return &tx{
		s: s, uid: uid, actor: actor + strconv.FormatInt(uid, 10), at: s.now(), context: context,
		rows: map[key]*row{}, names: map[string]int64{},
	}
}

// transact runs a transaction. One that meets a row of an uncommitted
// transaction waits and, if retry, starts again, as the server does for plain
// writes; else it fails with errBusy (vendors/odoo.md 7).
func (s *Sim) transact(uid int64, context map[string]any, retry bool, work func(t *tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		t := s.begin(uid, context)
		err := work(t)
		if errors.Is(err, errBusy) {
			s.committed.Wait()
			if retry {
				continue
			}
			return err
		}
		if err != nil {
			return err
		}
		s.finish(t)
		return nil
	}
}

// finish sends what a transaction has to post and commits it: in that order.
func (s *Sim) finish(t *tx) {
	s.posts = append(s.posts, t.posts...)
	if s.postsFirst(t) {
		for _, k := range t.touched {
			s.locked[k] = t
		}
		s.mu.Unlock()
		s.send(t.posts)
		if s.o.CommitDelay > 0 {
			time.Sleep(s.o.CommitDelay)
		}
		s.mu.Lock()
		for _, k := range t.touched {
			delete(s.locked, k)
		}
		defer s.committed.Broadcast()
	} else {
		s.send(t.posts)
	}
	if !t.rollback {
		t.commit()
	}
}

// postsFirst says that others may act between the posts and the commit.
func (s *Sim) postsFirst(t *tx) bool {
	return len(t.posts) > 0 && (s.o.Deliver != nil || s.o.Blocking || s.o.CommitDelay > 0)
}

func (t *tx) commit() {
	for _, k := range t.touched {
		m := t.s.models[k.model]
		if m == nil {
			continue // an external id's lock
		}
		r, old := t.rows[k], m.table.rows[k.id]
		if r == nil && old == nil {
			continue
		}
		m.table.put(k.id, r)
		if m.committed != nil {
			m.committed(t.s, k.id, r, old)
		}
	}
	now := t.s.now()
	for _, c := range t.facts {
		c.At = now
		t.s.truth.Changed(c)
	}
}

// get gives a row as this transaction sees it, nil if there is none.
func (t *tx) get(model string, id int64) *row {
	if r, ok := t.rows[key{model, id}]; ok {
		return r
	}
	if m := t.s.models[model]; m != nil {
		return m.table.rows[id]
	}
	return nil
}

// edit gives a row's version of this transaction, to be changed.
func (t *tx) edit(model string, id int64) (*row, error) {
	k := key{model, id}
	if r := t.rows[k]; r != nil {
		return r, nil
	}
	if err := t.lock(k); err != nil {
		return nil, err
	}
	r := t.get(model, id)
	if r == nil {
		return nil, missingError(model, t.uid, id)
	}
	r = r.clone()
	t.put(k, r)
	return r, nil
}

func (t *tx) lock(k key) error {
	if o := t.s.locked[k]; o != nil && o != t {
		return errBusy
	}
	return nil
}

func (t *tx) put(k key, r *row) {
	if _, known := t.rows[k]; !known {
		t.touched = append(t.touched, k)
	}
	t.rows[k] = r
}

// having gives the ids of the rows whose field holds a value, as this
// transaction sees them, ascending.
func (t *tx) having(model, name string, value any) []int64 {
	var ids []int64
	for _, id := range t.s.models[model].table.having(name, value) {
		if _, changed := t.rows[key{model, id}]; !changed {
			ids = append(ids, id)
		}
	}
	for k, r := range t.rows {
		if k.model == model && r != nil && r.vals[name] == value {
			ids = append(ids, k.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// fact notes a write for the truth.
func (t *tx) fact(model string, id int64, born, gone bool, values map[string]string) {
	if gone {
		values = nil
	}
	t.facts = append(t.facts, simulator.Change{
		Object: model, ID: strconv.FormatInt(id, 10), Born: born, Gone: gone, Actor: t.actor, Values: values,
	})
}

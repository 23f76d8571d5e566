package odoosim

import (
	"errors"
	"slices"
	"strconv"
)

// request is one call of a model method, whatever protocol it came by.
type request struct {
	s       *Sim
	uid     int64
	model   *model
	ids     []int64
	args    map[string]any
	context map[string]any
	json2   bool
	touched []int64 // ids for the truth, new ones included
}

// method is a public method of every model, or of some.
type method struct {
	params  []string // names, in order, without self
	records bool     // it is called on records: takes ids
	only    string   // the model that has it, "" = all
	op      string   // the right it needs
	run     func(q *request) (any, error)
}

// nothing is the result of a method that returns None: JSON-RPC answers
// without a result key (vendors/odoo.md 3).
type nothing struct{}

var methods = map[string]method{
	"create":           {params: []string{"vals_list"}, op: OpCreate, run: (*request).create},
	"write":            {params: []string{"vals"}, records: true, op: OpWrite, run: (*request).write},
	"unlink":           {records: true, op: OpUnlink, run: (*request).unlink},
	"read":             {params: []string{"fields", "load"}, records: true, op: OpRead, run: (*request).read},
	"exists":           {records: true, op: OpRead, run: (*request).exists},
	"search":           {params: []string{"domain", "offset", "limit", "order"}, op: OpRead, run: (*request).search},
	"search_count":     {params: []string{"domain", "limit"}, op: OpRead, run: (*request).searchCount},
	"search_read":      {params: []string{"domain", "fields", "offset", "limit", "order", "load"}, op: OpRead, run: (*request).searchRead},
	"fields_get":       {params: []string{"allfields", "attributes"}, op: OpRead, run: (*request).fieldsGet},
	"load":             {params: []string{"fields", "data"}, op: OpWrite, run: (*request).load},
	"action_archive":   {records: true, op: OpWrite, run: func(q *request) (any, error) { return q.setActive(false) }},
	"action_unarchive": {records: true, op: OpWrite, run: func(q *request) (any, error) { return q.setActive(true) }},
	"action_merge":     {records: true, only: modelWizard, op: OpWrite, run: (*request).merge},
}

// run performs the method with rights checked; the result is JSON-ready.
func (q *request) run(m method) (any, error) {
	q.s.mu.Lock()
	denied := q.s.forbidden[q.model.name+" "+m.op]
	q.s.mu.Unlock()
	if denied {
		return nil, accessError(q.model, m.op)
	}
	return m.run(q)
}

func (q *request) change(work func(t *tx) error) error {
	return q.s.transact(q.uid, q.context, true, work)
}

// look runs work on a view of the committed state.
func (q *request) look(work func(t *tx) error) error {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return work(q.s.view(q.context))
}

func (q *request) create() (any, error) {
	arg := q.args["vals_list"]
	single, one := arg.(map[string]any)
	list, _ := arg.([]any)
	if one {
		list = []any{single}
	} else if list == nil {
		return nil, typeError("create() takes a list of values")
	}
	var ids []int64
	err := q.change(func(t *tx) error {
		ids = make([]int64, 0, len(list))
		for _, item := range list {
			vals, ok := item.(map[string]any)
			if !ok {
				return attributeError("'%s' object has no attribute 'items'", pyType(item))
			}
			id, err := t.create(q.model, vals)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	q.touched = ids
	if one && !q.json2 {
		return ids[0], nil
	}
	return ids, nil
}

func (q *request) write() (any, error) {
	vals, ok := q.args["vals"].(map[string]any)
	if !ok {
		return nil, attributeError("'%s' object has no attribute 'items'", pyType(q.args["vals"]))
	}
	return true, q.change(func(t *tx) error { return t.write(q.model, q.ids, vals) })
}

func (q *request) unlink() (any, error) {
	return true, q.change(func(t *tx) error { return t.unlink(q.model, q.ids) })
}

func (q *request) setActive(active bool) (any, error) {
	return nothing{}, q.change(func(t *tx) error {
		return t.write(q.model, q.ids, map[string]any{fieldActive: active})
	})
}

func (q *request) merge() (any, error) {
	err := q.change(func(t *tx) error {
		for _, id := range q.ids {
			if err := t.mergeWizard(id); err != nil {
				return err
			}
		}
		return nil
	})
	return map[string]any{"type": "ir.actions.act_window", "res_model": modelWizard, "view_mode": "form", "target": "new"}, err
}

func (q *request) read() (out any, err error) {
	names, err := q.names("fields")
	if err != nil {
		return nil, err
	}
	err = q.look(func(t *tx) error {
		out, err = t.read(q.model, q.ids, names, q.bare())
		return err
	})
	return out, err
}

// bare says that many2one fields are asked for as ids: load is null or "".
func (q *request) bare() bool {
	load, given := q.args["load"]
	return given && load != "_classic_read"
}

func (q *request) exists() (any, error) {
	out := []int64{}
	err := q.look(func(t *tx) error {
		for _, id := range q.ids {
			if t.get(q.model.name, id) != nil && !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
		return nil
	})
	return out, err
}

// find runs the search that the arguments describe.
func (q *request) find(t *tx) ([]int64, error) {
	n, err := t.domain(q.model, q.args["domain"])
	if err != nil {
		return nil, err
	}
	order, _ := q.args["order"].(string)
	offset, _ := asID(q.args["offset"])
	limit, _ := asID(q.args["limit"])
	return t.search(q.model, query{
		domain: t.hideArchived(q.model, q.args["domain"], n), order: order, offset: int(offset), limit: int(limit),
	})
}

func (q *request) search() (any, error) {
	out := []int64{}
	err := q.look(func(t *tx) error {
		ids, err := q.find(t)
		out = append(out, ids...)
		return err
	})
	return out, err
}

func (q *request) searchCount() (any, error) {
	n := 0
	err := q.look(func(t *tx) error {
		d, err := t.domain(q.model, q.args["domain"])
		if err != nil {
			return err
		}
		n = t.count(q.model, t.hideArchived(q.model, q.args["domain"], d))
		if limit, ok := asID(q.args["limit"]); ok && limit > 0 {
			n = min(n, int(limit))
		}
		return nil
	})
	return n, err
}

func (q *request) searchRead() (out any, err error) {
	names, err := q.names("fields")
	if err != nil {
		return nil, err
	}
	err = q.look(func(t *tx) error {
		if _, err := q.model.columns(names); err != nil {
			return err
		}
		ids, err := q.find(t)
		if err != nil {
			return err
		}
		out, err = t.read(q.model, ids, names, q.bare())
		return err
	})
	return out, err
}

func (q *request) fieldsGet() (out any, err error) {
	only, err := q.names("allfields")
	if err != nil {
		return nil, err
	}
	attributes, err := q.names("attributes")
	if err != nil {
		return nil, err
	}
	if len(only) == 0 {
		only = nil
	}
	err = q.look(func(*tx) error {
		out = q.model.describe(only, attributes)
		return nil
	})
	return out, err
}

func (q *request) load() (out any, err error) {
	names, err := q.names("fields")
	if err != nil {
		return nil, err
	}
	rows, ok := q.args["data"].([]any)
	if !ok {
		return nil, typeError("'%s' object is not iterable", pyType(q.args["data"]))
	}
	data := make([][]any, len(rows))
	for i, row := range rows {
		if data[i], ok = row.([]any); !ok {
			return nil, typeError("'%s' object is not subscriptable", pyType(row))
		}
	}
	if q.s.conflictDue() {
		return conflict(), nil
	}
	if q.context == nil {
		q.context = map[string]any{}
	}
	q.context[loading] = true
	var answer map[string]any
	err = q.s.transact(q.uid, q.context, false, func(t *tx) error {
		answer, err = t.load(q.model, names, data)
		return err
	})
	if errors.Is(err, errBusy) {
		return conflict(), nil // not retried by the server (vendors/odoo.md 7)
	}
	if err != nil {
		return nil, err
	}
	q.touched, _ = answer["ids"].([]int64)
	return answer, nil
}

// conflictDue spends one of the conflicts set by ConflictNextLoads.
func (s *Sim) conflictDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conflicts == 0 {
		return false
	}
	s.conflicts--
	return true
}

// names reads an argument that is a list of field names.
func (q *request) names(arg string) ([]string, error) {
	switch x := q.args[arg].(type) {
	case nil:
		return nil, nil
	case bool:
		return nil, nil
	case []any:
		out := make([]string, len(x))
		for i, item := range x {
			name, ok := item.(string)
			if !ok {
				return nil, invalidField(q.model.name, pyRepr(item))
			}
			out[i] = name
		}
		return out, nil
	}
	return nil, typeError("'%s' object is not iterable", pyType(q.args[arg]))
}

func idTexts(ids []int64) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = strconv.FormatInt(id, 10)
	}
	return out
}

package odoo

import (
	"context"
	"encoding/json"
	"slices"

	"syncd/connectors"
)

// row is one record of an answer, as Odoo gives it.
type row map[string]any

// id gives the record's id, 0 if it has none.
func (r row) id() int64 {
	n, ok := r[fieldID].(json.Number)
	if !ok {
		return 0
	}
	id, _ := parseID(n.String())
	return id
}

// record turns a row into the contract's record. Values has what was asked for
// and shown; a field that the answer left out stays out (CORRECTNESS F66).
func (c *Client) record(s schema, r row, fields []string) connectors.Record {
	out := connectors.Record{ID: idText(r.id()), Values: map[string]connectors.Value{}}
	if text, ok := r[fieldWritten].(string); ok {
		if t, ok := parseTime(text); ok {
			out.Modified, out.Version = t, version(t)
		}
	}
	if text, ok := r[fieldCreated].(string); ok {
		if t, ok := parseTime(text); ok {
			out.Born = t
		}
	}
	active, has := r[fieldActive].(bool)
	out.Archived = has && !active
	if uid := c.user(); uid != 0 {
		out.Ours = toText(typeMany2one, r[fieldWriter]) == idText(uid)
	}
	for _, f := range fields {
		if v, ok := r[f]; ok {
			out.Values[f] = toText(s[f].kind, v)
		}
	}
	return out
}

// Read reads records by id. Odoo leaves out ids that no longer exist, and
// refuses the whole call for one that a rule hides (vendors/odoo.md 4, 9).
func (c *Client) Read(ctx context.Context, object string, ids, fields []string) ([]connectors.Sighting, error) {
	const op = "read"
	numbers := make([]int64, 0, len(ids))
	for _, s := range ids {
		if id, ok := parseID(s); ok && !slices.Contains(numbers, id) {
			numbers = append(numbers, id)
		}
	}
	found, denied, t := c.look(ctx, object, numbers, fields)
	if t != nil {
		return nil, c.ours(op, object, t)
	}
	out := make([]connectors.Sighting, len(ids))
	for i, s := range ids {
		out[i] = connectors.Sighting{Asked: s, Sight: connectors.SightMissing}
		id, ok := parseID(s)
		if !ok {
			continue
		}
		r, ok := found[id]
		switch {
		case ok && r.Archived:
			out[i].Sight, out[i].Record = connectors.SightArchived, r
		case ok:
			out[i].Sight, out[i].Record = connectors.SightFound, r
		case slices.Contains(denied, id):
			out[i].Sight = connectors.SightDenied
		}
	}
	return out, nil
}

// look reads what can be read of some records, and says which exist but are
// hidden from our user.
func (c *Client) look(ctx context.Context, object string, ids []int64, fields []string) (map[int64]connectors.Record, []int64, *trouble) {
	if len(ids) == 0 {
		return nil, nil, nil
	}
	found, t := c.fetch(ctx, object, ids, fields)
	if t == nil || t.kind != connectors.KindForbidden {
		return found, nil, t
	}
	// One hidden record fails the read of all: a search obeys the same rules
	// and leaves it out. Where the model itself is closed, it fails as well.
	visible, t := c.search(ctx, object, []any{[]any{fieldID, "in", ids}}, len(ids))
	if t != nil {
		return nil, nil, t
	}
	if len(visible) > 0 {
		if found, t = c.fetch(ctx, object, visible, fields); t != nil {
			return nil, nil, t
		}
	}
	hidden := slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return slices.Contains(visible, id) })
	denied, t := c.exist(ctx, object, hidden)
	return found, denied, t
}

// fetch calls read().
func (c *Client) fetch(ctx context.Context, object string, ids []int64, fields []string) (map[int64]connectors.Record, *trouble) {
	if _, t := c.whoami(ctx); t != nil {
		return nil, t
	}
	s, t := c.schemaOf(ctx, object)
	if t != nil {
		return nil, t
	}
	rows, t := c.rows(ctx, method{model: object, name: "read", ids: ids, args: []named{{"fields", c.wanted(s, fields)}}})
	if t != nil {
		return nil, t
	}
	out := make(map[int64]connectors.Record, len(rows))
	for _, r := range rows {
		if id := r.id(); slices.Contains(ids, id) {
			out[id] = c.record(s, r, fields)
		}
	}
	return out, nil
}

// rows runs a method that answers with records.
func (c *Client) rows(ctx context.Context, m method) ([]row, *trouble) {
	var rows []row
	if t := c.into(ctx, m, &rows); t != nil {
		return nil, t
	}
	if slices.ContainsFunc(rows, func(r row) bool { return r.id() == 0 }) {
		return nil, broken(m.name + " gave a record without an id")
	}
	return rows, nil
}

// search gives the ids of the records in a domain, archived ones included.
func (c *Client) search(ctx context.Context, object string, domain []any, limit int) ([]int64, *trouble) {
	var ids []int64
	m := method{
		model: object, name: "search", args: []named{{"domain", domain}},
		opts: map[string]any{"order": "id desc", "limit": limit},
	}
	t := c.into(ctx, m, &ids)
	return ids, t
}

// exist gives those of some ids that are in the table, whatever rules hide.
func (c *Client) exist(ctx context.Context, object string, ids []int64) ([]int64, *trouble) {
	if len(ids) == 0 {
		return nil, nil
	}
	var have []int64
	t := c.into(ctx, method{model: object, name: "exists", ids: ids}, &have)
	return have, t
}

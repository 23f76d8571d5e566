package odoo

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	"syncd/connectors"
)

// xmlName is what a token may be: it becomes the name of an external id
// (vendors/odoo.md 7).
var xmlName = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,128}$`)

// repeats is how often a load that met a conflict is sent again, and how often
// one that failed for an unknown reason. Nothing was written by either.
const (
	conflictRepeats = 2
	oddRepeats      = 1
)

// Write creates by load() with an external id made of the token, and updates
// by write() where values are equal or a record stands alone, else by load()
// over database ids (vendors/odoo.md 7). Several calls may be made; after one
// of unknown outcome no other is.
func (c *Client) Write(ctx context.Context, object string, op connectors.Op, writes []connectors.Write) []connectors.Result {
	b := c.newBatch(op, object, writes)
	if len(writes) == 0 {
		return b.results
	}
	if op == connectors.Archive || op == connectors.Delete || op == connectors.Restore {
		b.removal(ctx, op, writes)
		return b.results
	}
	s, t := c.schemaFor(ctx, object, writes)
	if t != nil {
		for i := range writes {
			b.refuse(i, unsent(t), true)
		}
		return b.results
	}
	if op == connectors.Create {
		b.create(ctx, s, b.prepare(s, op, writes))
	} else {
		b.update(ctx, b.prepare(s, op, writes))
	}
	return b.results
}

// schemaFor gives the schema, asked for anew if a write names a field that it
// does not know: somebody may have just made it.
func (c *Client) schemaFor(ctx context.Context, object string, writes []connectors.Write) (schema, *trouble) {
	s, t := c.schemaOf(ctx, object)
	if t != nil {
		return nil, t
	}
	for _, w := range writes {
		for name := range w.Values {
			if _, ok := s[name]; !ok {
				return c.describe(ctx, object)
			}
		}
	}
	return s, nil
}

// prepare turns writes into lines and refuses those that cannot be sent.
func (b *batch) prepare(s schema, op connectors.Op, writes []connectors.Write) []line {
	var lines []line
	taken := map[string]bool{}
	for i, w := range writes {
		l := line{i: i, token: w.Token, cells: map[string]string{}, values: map[string]any{}}
		name := w.Token
		ok := xmlName.MatchString(name)
		if op == connectors.Update {
			name = w.RecordID
			l.id, ok = parseID(name)
		}
		switch {
		case !ok:
			b.refuse(i, &trouble{kind: connectors.KindBug, said: "neither a usable token nor a record id"}, false)
		case taken[name]:
			b.refuse(i, &trouble{kind: connectors.KindBug, said: "twice in one batch"}, false)
		default:
			taken[name] = true
			if t := l.fill(s, op, w.Values); t != nil {
				b.refuse(i, t, t.kind == connectors.KindConfig)
				continue
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// fill gives the line its values. A create leaves empty values out instead of
// clearing what Odoo would set by itself.
func (l *line) fill(s schema, op connectors.Op, values map[string]string) *trouble {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text := values[name]
		if op == connectors.Create && text == "" {
			continue
		}
		f, ok := s[name]
		if !ok || name == fieldID {
			return &trouble{kind: connectors.KindConfig, field: name, code: "no_field", said: "the model has no such field to write"}
		}
		v, err := toWire(f, text)
		if err != nil {
			kind := connectors.KindInvalid
			if err == errUnwritable {
				kind = connectors.KindConfig
			}
			return &trouble{kind: kind, field: name, code: "bad_value", said: "the value does not fit the field: it is " + f.kind}
		}
		column, cell, err := toCell(f, text)
		if err != nil {
			return &trouble{kind: connectors.KindInvalid, field: name, code: "bad_value", said: "the value does not fit the field: it is " + f.kind}
		}
		l.values[name], l.cells[column] = v, cell
	}
	l.columns = slices.Sorted(maps.Keys(l.cells))
	return nil
}

// group puts lines with one key together, in the order of their first ones.
func group(lines []line, key func(line) string) [][]line {
	at := map[string]int{}
	var out [][]line
	for _, l := range lines {
		k := key(l)
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], l)
	}
	return out
}

// create loads the lines, a call for each set of columns: an empty cell would
// clear. The token goes into the external id and into the field that shows it.
func (b *batch) create(ctx context.Context, s schema, lines []line) {
	if f, ok := s[b.c.c.TokenField]; ok && f.kind == typeChar {
		for i, l := range lines {
			l.cells[f.name] = l.token
			lines[i].columns = slices.Sorted(maps.Keys(l.cells))
		}
	}
	for _, g := range group(lines, line.shape) {
		if !b.load(ctx, fieldID, g) {
			return
		}
	}
}

// update writes lines of equal values at once, loads the rest by columns, and
// writes alone what is alone.
func (b *batch) update(ctx context.Context, lines []line) {
	var singles []line
	for _, g := range group(lines, sameValues) {
		switch {
		case len(g[0].values) == 0:
			for _, l := range g {
				b.applied(l, l.id) // nothing to write is written
			}
		case len(g) == 1:
			singles = append(singles, g[0])
		case !b.write(ctx, g):
			return
		}
	}
	for _, g := range group(singles, line.shape) {
		if len(g) == 1 && !b.write(ctx, g) {
			return
		}
		if len(g) > 1 && !b.load(ctx, ownID, g) {
			return
		}
	}
}

// sameValues names the values of a line.
func sameValues(l line) string {
	b, err := json.Marshal(l.values) // sorts its keys
	if err != nil {
		return l.token
	}
	return string(b)
}

// write gives the same values to some records; false means that no further
// call should be made.
func (b *batch) write(ctx context.Context, lines []line) bool {
	ids := make([]int64, len(lines))
	for i, l := range lines {
		ids[i] = l.id
	}
	raw, t := b.c.call(ctx, method{
		model: b.object, name: "write", ids: ids, args: []named{{"vals", lines[0].values}}, write: true,
	})
	if t == nil && string(raw) != "true" {
		t = broken("write() did not answer true")
	}
	if t != nil {
		return b.failed(lines, t)
	}
	for _, l := range lines {
		b.applied(l, l.id)
	}
	return true
}

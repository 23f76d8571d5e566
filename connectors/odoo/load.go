package odoo

import (
	"context"
	"slices"

	"syncd/connectors"
)

// ownID is the column of load() that holds database ids.
const ownID = ".id"

// load sends lines of one shape by load(), by external id ("id") or by database
// id (".id"), and repeats it after a pause where it met a conflict: nothing was
// written (vendors/odoo.md 7). False means that no further call should be made.
func (b *batch) load(ctx context.Context, key string, lines []line) bool {
	for try := 0; len(lines) > 0; try++ {
		raw, t := b.c.call(ctx, b.loadCall(key, lines))
		if t != nil {
			return b.failed(lines, t)
		}
		a := readLoad(raw, len(lines))
		switch {
		case a.fate == loadBroken:
			return b.failed(lines, broken("load() answered in another shape than expected"))
		case a.fate == loadDone:
			return b.loaded(key, lines, a.ids)
		case a.fate == loadConflict && try >= conflictRepeats:
			for _, l := range lines {
				b.refuse(l.i, &trouble{kind: connectors.KindTransient, said: a.any(), code: "load_conflict"}, true)
			}
			return true
		case a.fate == loadRefused, a.fate == loadOdd && try >= oddRepeats:
			b.refusedRows(ctx, key, lines, a)
			return true
		}
		b.c.c.Pause(ctx, b.c.jitter())
		if ctx.Err() != nil {
			return b.failed(lines, &trouble{kind: connectors.KindTransient, said: a.any(), code: "load_conflict", err: ctx.Err()})
		}
		if lines = b.unborn(ctx, key, lines); lines == nil {
			return false
		}
	}
	return true
}

// loadCall gives the call for some lines. Every cell is a string and no id
// cell is ever empty: that would create a record without an external id.
func (b *batch) loadCall(key string, lines []line) method {
	columns := append([]string{key}, lines[0].columns...)
	data := make([][]string, len(lines))
	for i, l := range lines {
		id := idText(l.id)
		if key == fieldID {
			id = b.c.c.Module + "." + l.token
		}
		data[i] = append(data[i], id)
		for _, column := range lines[0].columns {
			data[i] = append(data[i], l.cells[column])
		}
	}
	return method{model: b.object, name: "load", args: []named{{"fields", columns}, {"data", data}}, write: true}
}

// loaded notes the ids of a load that went through; they are in row order. One
// by database id must answer with the very ids that it was given.
func (b *batch) loaded(key string, lines []line, ids []int64) bool {
	fine := true
	for i, l := range lines {
		if key == ownID && ids[i] != l.id {
			b.failed([]line{l}, broken("load() answered with the id of another record"))
			fine = false
			continue
		}
		b.applied(l, ids[i])
	}
	return fine
}

// refusedRows notes a load that wrote nothing: the rows named fail by
// themselves, the others were in the same boat.
func (b *batch) refusedRows(ctx context.Context, key string, lines []line, a loadAnswer) {
	for i, l := range lines {
		r, named := a.rows[i]
		switch {
		case !named && len(a.rows) == 0: // nobody in particular: the call
			b.refuse(l.i, &trouble{kind: connectors.KindInvalid, said: a.said, code: "load"}, len(lines) > 1)
		case !named || r.conflict:
			b.refuse(l.i, b.later("nothing was written: another row of the call was refused"), true)
		case key == ownID && r.field == ownID:
			b.refuse(l.i, b.unseen(ctx, l.id, r.said), false)
		default:
			b.refuse(l.i, &trouble{kind: connectors.KindInvalid, field: r.field, said: r.said, code: "load"}, false)
		}
	}
}

// unseen says why a load did not find a database id: load() searches, which
// rules restrict, and only exists() tells a record that is gone.
func (b *batch) unseen(ctx context.Context, id int64, said string) *trouble {
	have, t := b.c.exist(ctx, b.object, []int64{id})
	switch {
	case t != nil:
		return unsent(t)
	case slices.Contains(have, id):
		return &trouble{kind: connectors.KindForbidden, said: said, code: "load"}
	default:
		return &trouble{kind: connectors.KindGone, said: said, code: "load"}
	}
}

// unborn looks before a create is sent again: a conflict may mean that a twin
// of the call got there first, and a second load() would write over what it
// made (CORRECTNESS 3.5). It gives the lines still to send, nil if it cannot
// tell.
func (b *batch) unborn(ctx context.Context, key string, lines []line) []line {
	if key != fieldID {
		return lines
	}
	tokens := make([]string, len(lines))
	for i, l := range lines {
		tokens[i] = l.token
	}
	known := map[string]int64{}
	records, t := b.c.findTokens(ctx, b.object, tokens, nil)
	if t != nil {
		for _, l := range lines {
			b.refuse(l.i, &trouble{kind: connectors.KindTransient, said: t.said, code: "load_conflict", err: t.err}, true)
		}
		return nil
	}
	for _, r := range records {
		known[r.Values[b.c.c.TokenField]], _ = parseID(r.ID)
	}
	left := make([]line, 0, len(lines))
	for _, l := range lines {
		if id, ok := known[l.token]; ok {
			b.exists(l, id)
		} else {
			left = append(left, l)
		}
	}
	return left
}

// any gives one of the messages, for people.
func (a loadAnswer) any() string {
	if a.said != "" || len(a.rows) == 0 {
		return a.said
	}
	first := -1
	for i := range a.rows {
		if first < 0 || i < first {
			first = i
		}
	}
	return a.rows[first].said
}

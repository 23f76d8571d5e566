package odoosim

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// maxLoadErrors ends a load() that goes too wrong.
const maxLoadErrors = 10

// serialization is what the loser of a race gets from load(): a row error
// without a field, in PostgreSQL's words (vendors/odoo.md 7).
const serialization = "could not serialize access due to concurrent update\n"

// column is one column of a load().
type column struct {
	field *field // nil for the record's own ids
	by    string // "" = the value or the name, "id" = external id, ".id" = database id
}

// The names of id columns.
const (
	byXMLID    = "id"
	byDatabase = ".id"
)

// columns reads the header of a load(); an unknown name is a KeyError.
func (m *model) loadColumns(names []string) ([]column, error) {
	cols := make([]column, len(names))
	for i, name := range names {
		if name == byXMLID || name == byDatabase {
			cols[i].by = name
			continue
		}
		base, by, qualified := strings.Cut(name, "/")
		f := m.fields[base]
		if f == nil || (qualified && (f.relation == "" || (by != byXMLID && by != byDatabase))) {
			return nil, failure(http.StatusInternalServerError, nameKey, "%s", name)
		}
		cols[i] = column{f, by}
	}
	return cols, nil
}

// load is the batch upsert by external id, exactly as vendors/odoo.md 7: every
// cell is text, an empty cell clears, any error takes all rows back although
// the webhooks of the rows before it are already sent.
func (t *tx) load(m *model, names []string, data [][]any) (map[string]any, error) {
	cols, err := m.loadColumns(names)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, 0, len(data))
	messages := []any{}
	failures := 0
	var heard int // posts up to the first error: the phantoms
	for i, cells := range data {
		id, warnings, err := t.loadRow(m, cols, cells)
		for _, w := range warnings {
			messages = append(messages, rowMessage(i, "warning", w))
		}
		if err == nil {
			ids = append(ids, id)
			continue
		}
		if errors.Is(err, errBusy) {
			return nil, err
		}
		var e *loadError
		if !errors.As(err, &e) {
			return nil, err
		}
		if failures++; failures == 1 {
			heard = len(t.posts)
		}
		messages = append(messages, rowMessage(i, "error", *e))
		if failures >= maxLoadErrors && failures >= i/maxLoadErrors {
			messages = append(messages, map[string]any{"type": "warning", "message": "Found more than 10 errors and more" +
				" than one error per 10 records, interrupted to avoid showing too many errors."})
			break
		}
	}
	if failures > 0 {
		t.rollback, t.facts, t.posts = true, nil, t.posts[:heard]
		return map[string]any{"ids": false, "messages": messages, "nextrow": 0}, nil
	}
	return map[string]any{"ids": ids, "messages": messages, "nextrow": 0}, nil
}

// loadError is a row's failure as load() reports it.
type loadError struct {
	message string
	field   *field // nil: the message names no field
	more    any    // moreinfo
}

func (e *loadError) Error() string { return e.message }

func rowMessage(row int, kind string, e loadError) map[string]any {
	m := map[string]any{
		"rows": map[string]any{"from": row, "to": row}, "record": row, "type": kind, "message": e.message,
	}
	if e.field != nil {
		m["field"], m["field_name"] = e.field.name, e.field.label
	}
	if e.more != nil {
		m["moreinfo"] = e.more
	}
	return m
}

// conflict is the whole answer of a load() that lost a race.
func conflict() map[string]any {
	return map[string]any{
		"ids": false, "messages": []any{rowMessage(0, "error", loadError{message: serialization})}, "nextrow": 0,
	}
}

// loadRow converts, then writes or creates one row.
func (t *tx) loadRow(m *model, cols []column, cells []any) (id int64, warnings []loadError, err error) {
	vals := map[string]any{}
	xmlid := ""
	for i, c := range cols {
		var cell any
		if i < len(cells) {
			cell = cells[i]
		}
		if _, isBool := cell.(bool); isBool && cell == true {
			return 0, nil, attributeError("'bool' object has no attribute 'lower'")
		}
		switch {
		case c.field == nil && c.by == byXMLID:
			s, ok := cell.(string)
			if !ok && !empty(cell) {
				return 0, nil, attributeError("'%s' object has no attribute 'split'", pyType(cell))
			}
			xmlid = s
		case c.field == nil:
			if id, err = t.ownID(m, cell); err != nil {
				return 0, warnings, err
			}
		default:
			v, warning, err := t.cell(m, c, cell)
			if err != nil {
				return 0, warnings, err
			}
			if warning != nil {
				warnings = append(warnings, *warning)
			}
			vals[c.field.name] = v
		}
	}
	id, err = t.upsert(m, xmlid, id, vals)
	return id, warnings, asLoadError(err)
}

// asLoadError turns an exception of the ORM into a row's message without a
// field. A check constraint is shown quoted (vendors/odoo.md 7).
func asLoadError(err error) error {
	var e *Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	message := e.Message
	if rest, ok := strings.CutPrefix(message, cannotComplete); ok && rest == needsName {
		message = "'" + rest + "'"
	}
	return &loadError{message: message}
}

func (t *tx) ownID(m *model, cell any) (int64, error) {
	if empty(cell) || cell == "" {
		return 0, nil
	}
	id, ok := cellID(cell)
	if !ok || t.get(m.name, id) == nil {
		return 0, &loadError{message: "Unknown database identifier '" + textOf("", cell) + "'", field: &field{name: byDatabase, label: byDatabase}}
	}
	return id, nil
}

// upsert writes the record behind an external id or a database id, or creates
// it. The external id of a deleted record makes a new one, that of a merged
// one is the winner's, an empty one makes a record each time.
func (t *tx) upsert(m *model, xmlid string, id int64, vals map[string]any) (int64, error) {
	if xmlid == "" {
		if id != 0 {
			return id, t.writeOne(m, id, vals)
		}
		return t.create(m, vals)
	}
	module, name := t.splitXMLID(xmlid)
	if slices.Contains([]byte(name), ' ') {
		return 0, validationError("%s", noSpaces)
	}
	data := t.external(module, name)
	if data == nil {
		if err := t.claim(module, name); err != nil {
			return 0, err
		}
		if id != 0 {
			if err := t.writeOne(m, id, vals); err != nil {
				return 0, err
			}
			return id, t.bind(module, name, m.name, id)
		}
		id, err := t.create(m, vals)
		if err != nil {
			return 0, err
		}
		return id, t.bind(module, name, m.name, id)
	}
	if data.text(dataModel) != m.name {
		return 0, validationError("For external id %s when trying to create/update a record of model %s found record"+
			" of different model %s (%d)", xmlid, m.name, data.text(dataModel), data.id)
	}
	id = data.num(dataResID)
	if t.get(m.name, id) != nil {
		return id, t.writeOne(m, id, vals)
	}
	t.put(key{modelData, data.id}, nil)
	id, err := t.create(m, vals)
	if err != nil {
		return 0, err
	}
	return id, t.bind(module, name, m.name, id)
}

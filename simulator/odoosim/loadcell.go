package odoosim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cell converts one cell of a load() (vendors/odoo.md 7). Empty clears.
func (t *tx) cell(m *model, c column, cell any) (v any, warning *loadError, err error) {
	if empty(cell) || cell == "" {
		return nil, nil, nil
	}
	f := c.field
	if f.relation != "" {
		v, err = t.cellReference(f, c.by, cell)
		return v, nil, err
	}
	text, ok := cell.(string)
	if !ok {
		if f.kind == kindBool || f.kind == kindSelection {
			return nil, nil, attributeError("'%s' object has no attribute 'lower'", pyType(cell))
		}
		text = textOf("", cell)
	}
	switch f.kind {
	case kindBool:
		switch strings.ToLower(text) {
		case "1", "true", "yes":
			return true, nil, nil
		case "0", "false", "no":
			return false, nil, nil
		}
		return true, &loadError{message: fmt.Sprintf("Unknown value '%s' for boolean field '%s'", text, f.label), field: f}, nil
	case kindInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, nil, &loadError{message: fmt.Sprintf("'%s' does not seem to be an integer for field '%s'", text, f.label), field: f}
		}
		return n, nil, nil
	case kindFloat:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, nil, &loadError{message: fmt.Sprintf("'%s' does not seem to be a number for field '%s'", text, f.label), field: f}
		}
		return n, nil, nil
	case kindDate, kindDatetime:
		return cellTime(f, text)
	case kindSelection:
		return cellOption(f, text)
	}
	return text, nil, nil
}

func cellTime(f *field, text string) (any, *loadError, error) {
	layout, what, example := datetimeLayout, "datetime", "2012-12-31 23:59:59"
	if f.kind == kindDate {
		layout, what, example = dateLayout, "date", "2012-12-31"
	}
	if _, err := time.Parse(layout, text); err != nil {
		return nil, nil, &loadError{
			message: fmt.Sprintf("'%s' does not seem to be a valid %s for field '%s'", text, what, f.label),
			field:   f, more: "Use the format '" + example + "'",
		}
	}
	return text, nil, nil
}

// cellOption takes a key or a label, in any case.
func cellOption(f *field, text string) (any, *loadError, error) {
	labels := []string{}
	for _, o := range f.options {
		if strings.EqualFold(text, o.key) || strings.EqualFold(text, o.label) {
			return o.key, nil, nil
		}
		labels = append(labels, o.label)
	}
	return nil, nil, &loadError{
		message: fmt.Sprintf("Value '%s' not found in selection field '%s'", text, f.label), field: f, more: labels,
	}
}

// cellReference resolves the cell of a relational column: one record for a
// many2one, a comma-separated list for a many2many.
func (t *tx) cellReference(f *field, by string, cell any) (any, error) {
	text, ok := cell.(string)
	if !ok {
		text = textOf("", cell)
	}
	if f.kind == kindMany2one {
		id, err := t.resolve(f, by, text)
		return id, err
	}
	var ids []int64
	for part := range strings.SplitSeq(text, ",") {
		id, err := t.resolve(f, by, strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (t *tx) resolve(f *field, by, text string) (int64, error) {
	missing := func(kind string) error {
		return &loadError{
			message: fmt.Sprintf("No matching record found for %s '%s' in field '%s'", kind, text, f.label), field: f,
			more: map[string]any{
				"name": "Possible Values", "type": "ir.actions.act_window", "res_model": f.relation,
				"target": "new", "view_mode": "tree,form",
			},
		}
	}
	switch by {
	case byXMLID:
		module, name := t.splitXMLID(text)
		data := t.external(module, name)
		if data == nil || data.text(dataModel) != f.relation || t.get(f.relation, data.num(dataResID)) == nil {
			return 0, missing("external id")
		}
		return data.num(dataResID), nil
	case byDatabase:
		id, ok := cellID(text)
		if !ok {
			return 0, &loadError{message: fmt.Sprintf("Invalid database id '%s' for the field '%s'", text, f.label), field: f}
		}
		if t.get(f.relation, id) == nil {
			return 0, missing("database id")
		}
		return id, nil
	}
	id := t.named(f.relation, text)
	if id == 0 {
		return 0, missing("name")
	}
	return id, nil
}

// named is the name search of a bare relational column: the first of possibly
// many records with that display name, which is why it is to be avoided.
func (t *tx) named(model, text string) int64 {
	m := t.s.models[model]
	ids := slices.Clone(m.table.ids)
	for _, k := range t.touched {
		if k.model == model && m.table.rows[k.id] == nil {
			ids = append(ids, k.id)
		}
	}
	for _, id := range ids {
		r := t.get(model, id)
		if r == nil || (m.fields[fieldActive] != nil && !r.flag(fieldActive)) {
			continue
		}
		if t.display(model, id) == text {
			return id
		}
	}
	return 0
}

// cellID reads a database id of a cell, text or number.
func cellID(cell any) (int64, bool) {
	if s, ok := cell.(string); ok {
		id, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		return id, err == nil
	}
	return asID(cell)
}

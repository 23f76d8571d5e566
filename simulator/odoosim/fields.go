package odoosim

import (
	"slices"
	"strings"
)

// The field types that this Odoo knows.
const (
	kindChar      = "char"
	kindText      = "text"
	kindHTML      = "html"
	kindBool      = "boolean"
	kindInt       = "integer"
	kindFloat     = "float"
	kindDate      = "date"
	kindDatetime  = "datetime"
	kindSelection = "selection"
	kindMany2one  = "many2one"
	kindMany2many = "many2many"
	kindOne2many  = "one2many"
)

// Names of fields with a meaning of their own.
const (
	fieldID         = "id"
	fieldName       = "name"
	fieldActive     = "active"
	fieldWriteDate  = "write_date"
	fieldCreateDate = "create_date"
	fieldWriteUID   = "write_uid"
	fieldCreateUID  = "create_uid"
	fieldDisplay    = "display_name"
)

// option is one value of a selection field.
type option struct{ key, label string }

// field is one field of a model.
type field struct {
	name, label, kind string
	relation          string // relational kinds: the target model
	options           []option
	digits            int  // float: digits after the dot, 0 = as sent
	required          bool // NOT NULL in the database
	readonly          bool // writes are ignored
	indexed           bool // equality is looked up instead of scanned
	compute           func(t *tx, r *row) any
}

// model is one Odoo model with its table.
type model struct {
	name, label string
	fields      map[string]*field
	names       []string // of fields, sorted
	order       string   // default order
	defaults    map[string]any
	// check refuses a row, after completes it and what depends on it; before
	// changes the values of a create or write; old is nil on create.
	before func(t *tx, vals map[string]any) error
	check  func(t *tx, r, old *row) error
	after  func(t *tx, r, old *row) error
	// gone lets go of a row: refuses an unlink or clears what hangs on it.
	gone func(t *tx, r *row) error
	// committed follows a change of the table itself.
	committed func(s *Sim, id int64, r, old *row)
	table     table
}

func (m *model) add(fields ...*field) {
	for _, f := range fields {
		if f.kind == kindChar && f.compute == nil {
			f.indexed = true
		}
		m.fields[f.name] = f
		if i, found := slices.BinarySearch(m.names, f.name); !found {
			m.names = slices.Insert(m.names, i, f.name)
		}
	}
}

func (m *model) drop(name string) {
	delete(m.fields, name)
	if i, found := slices.BinarySearch(m.names, name); found {
		m.names = slices.Delete(m.names, i, i+1)
	}
}

// logAccess says that Odoo fills the field itself and drops it from writes.
func logAccess(name string) bool {
	switch name {
	case fieldID, fieldWriteDate, fieldCreateDate, fieldWriteUID, fieldCreateUID:
		return true
	}
	return false
}

// describe is fields_get (vendors/odoo.md 4).
func (m *model) describe(only, attributes []string) map[string]any {
	out := map[string]any{}
	for name, f := range m.fields {
		if only != nil && !slices.Contains(only, name) {
			continue
		}
		d := map[string]any{
			"name": name, "type": f.kind, "string": f.label, "readonly": f.readonly,
			"required": f.required && m.name != modelPartner, "searchable": true, "sortable": true,
			"store": f.compute == nil, "manual": strings.HasPrefix(name, customPrefix),
		}
		if f.relation != "" {
			d["relation"] = f.relation
		}
		if f.kind == kindSelection {
			pairs := []any{}
			for _, o := range f.options {
				pairs = append(pairs, []any{o.key, o.label})
			}
			d["selection"] = pairs
		}
		for a := range d {
			if len(attributes) > 0 && !slices.Contains(attributes, a) {
				delete(d, a)
			}
		}
		out[name] = d
	}
	return out
}

package odoosim

import (
	"time"
)

// value gives a field of a row as stored or computed; nil is NULL.
func (t *tx) value(f *field, r *row) any {
	switch f.name {
	case fieldID:
		return r.id
	case fieldWriteDate:
		return r.written
	case fieldCreateDate:
		return r.created
	case fieldWriteUID:
		return r.writtenBy
	case fieldCreateUID:
		return r.createdBy
	}
	if f.compute != nil {
		return f.compute(t, r)
	}
	v := r.vals[f.name]
	if v == nil && f.kind == kindBool {
		return false // a column younger than the row
	}
	return v
}

// render gives a field as read() answers it: false for NULL, [id, name] for a
// many2one unless bare (vendors/odoo.md 4).
func (t *tx) render(f *field, r *row, bare bool) any {
	v := t.value(f, r)
	switch x := v.(type) {
	case nil:
		switch f.kind {
		case kindInt:
			return int64(0)
		case kindFloat:
			return 0.0
		case kindMany2many, kindOne2many:
			return []int64{}
		}
		return false
	case time.Time:
		if f.kind == kindDate {
			return x.Format(dateLayout)
		}
		return x.Format(datetimeLayout)
	case int64:
		if f.kind == kindMany2one && !bare {
			return []any{x, t.display(f.relation, x)}
		}
	}
	return v
}

// display gives the display name of a record, false if it has none.
func (t *tx) display(model string, id int64) any {
	r, m := t.get(model, id), t.s.models[model]
	if r == nil || m == nil {
		return false
	}
	if name := t.value(m.fields[fieldDisplay], r); name != nil {
		return name
	}
	return false
}

// columns gives the fields asked for, all if none are named.
func (m *model) columns(names []string) ([]*field, error) {
	if len(names) == 0 {
		names = m.names
	}
	out := make([]*field, 0, len(names)+1)
	out = append(out, m.fields[fieldID])
	for _, name := range names {
		f := m.fields[name]
		if f == nil {
			return nil, invalidField(m.name, name)
		}
		if name != fieldID {
			out = append(out, f)
		}
	}
	return out, nil
}

// read gives records in the asked order; it leaves out the missing and repeats
// the repeated (vendors/odoo.md 4).
func (t *tx) read(m *model, ids []int64, names []string, bare bool) ([]map[string]any, error) {
	cols, err := m.columns(names)
	if err != nil {
		return nil, err
	}
	out := make([]map[string]any, 0, len(ids))
	for _, id := range ids {
		r := t.get(m.name, id)
		if r == nil {
			continue
		}
		rec := make(map[string]any, len(cols))
		for _, f := range cols {
			rec[f.name] = t.render(f, r, bare)
		}
		out = append(out, rec)
	}
	return out, nil
}

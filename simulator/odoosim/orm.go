package odoosim

import (
	"maps"
	"slices"
)

// create makes one record and gives its id.
func (t *tx) create(m *model, vals map[string]any) (int64, error) {
	r := &row{
		vals: map[string]any{}, created: t.at, written: t.at, createdBy: t.uid, writtenBy: t.uid,
	}
	for name, f := range m.fields {
		switch f.kind {
		case kindBool:
			r.vals[name] = false
		case kindInt:
			r.vals[name] = int64(0)
		case kindFloat:
			r.vals[name] = 0.0
		}
	}
	maps.Copy(r.vals, m.defaults)
	sent, err := t.fill(m, r, vals)
	if err != nil {
		return 0, err
	}
	for _, name := range m.names {
		if f := m.fields[name]; f.required && f.compute == nil && r.vals[name] == nil && m.name != modelPartner {
			return 0, validationError("%s\n- Create/update: a mandatory field is not set.\n- Delete: another model"+
				" requires the record being deleted. If possible, archive it instead.\n\nModel: %s (%s)\nField: %s (%s)",
				cannotComplete[:len(cannotComplete)-1], m.label, m.name, f.label, name)
		}
	}
	m.table.next++
	r.id = m.table.next
	t.put(key{m.name, r.id}, r)
	if err := t.settle(m, r, nil); err != nil {
		return 0, err
	}
	t.fact(m.name, r.id, true, false, sent)
	t.announceSave(m, r, nil)
	return r.id, nil
}

// write sets the same values on records; all or none.
func (t *tx) write(m *model, ids []int64, vals map[string]any) error {
	var missing []int64
	for _, id := range ids {
		if t.get(m.name, id) == nil {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return missingError(m.name, t.uid, missing...)
	}
	t.many = len(ids) > 1
	for _, id := range ids {
		if err := t.writeOne(m, id, vals); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) writeOne(m *model, id int64, vals map[string]any) error {
	r, err := t.edit(m.name, id)
	if err != nil {
		return err
	}
	old := r.clone()
	sent, err := t.fill(m, r, vals)
	if err != nil {
		return err
	}
	r.written, r.writtenBy = t.at, t.uid
	if err := t.settle(m, r, old); err != nil {
		return err
	}
	archived := m.fields[fieldActive] != nil && old.flag(fieldActive) && !r.flag(fieldActive)
	t.fact(m.name, id, false, archived, sent)
	t.announceSave(m, r, old)
	return nil
}

// fill sets values on a row and gives them as text.
func (t *tx) fill(m *model, r *row, vals map[string]any) (map[string]string, error) {
	if m.before != nil {
		vals = maps.Clone(vals)
		if err := m.before(t, vals); err != nil {
			return nil, err
		}
	}
	sent := make(map[string]string, len(vals))
	for _, name := range slices.Sorted(maps.Keys(vals)) {
		if logAccess(name) {
			continue
		}
		f := m.fields[name]
		if f == nil {
			return nil, invalidField(m.name, name)
		}
		if f.readonly {
			continue
		}
		v, err := t.coerce(m, f, vals[name])
		if err != nil {
			return nil, err
		}
		r.vals[name] = v
		sent[name] = textOf(f.kind, vals[name])
	}
	return sent, nil
}

func (t *tx) settle(m *model, r, old *row) error {
	if m.check != nil {
		if err := m.check(t, r, old); err != nil {
			return err
		}
	}
	if m.after != nil {
		return m.after(t, r, old)
	}
	return nil
}

// unlink deletes records for good, their external ids with them (vendors/odoo.md
// 7, 10). The hook goes out first, with the full values.
func (t *tx) unlink(m *model, ids []int64) error {
	var missing []int64
	for _, id := range ids {
		if t.get(m.name, id) == nil {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return missingError(m.name, t.uid, missing...)
	}
	for _, id := range ids {
		r := t.get(m.name, id)
		if r == nil {
			continue // asked twice
		}
		if err := t.lock(key{m.name, id}); err != nil {
			return err
		}
		t.announceUnlink(m, r)
		if m.gone != nil {
			if err := m.gone(t, r); err != nil {
				return err
			}
		}
		t.erase(m, id)
	}
	return nil
}

func (t *tx) erase(m *model, id int64) {
	t.put(key{m.name, id}, nil)
	t.fact(m.name, id, false, true, nil)
	for _, data := range t.having(modelData, dataResID, id) {
		if t.get(modelData, data).text(dataModel) == m.name {
			t.put(key{modelData, data}, nil)
		}
	}
}

// sync writes values that follow from another record's, as Odoo's recompute
// does: write_date moves, rules with trigger_field_ids stay silent.
func (t *tx) sync(m *model, id int64, vals map[string]any) error {
	r, err := t.edit(m.name, id)
	if err != nil {
		return err
	}
	old := r.clone()
	sent := map[string]string{}
	for name, v := range vals {
		if !equal(r.vals[name], v) {
			r.vals[name] = v
			sent[name] = textOf(m.fields[name].kind, v)
		}
	}
	r.written, r.writtenBy = t.at, t.uid
	if len(sent) > 0 {
		t.fact(m.name, id, false, false, sent)
	}
	t.announceSync(m, r)
	if m.after != nil {
		return m.after(t, r, old)
	}
	return nil
}

package odoosim

// UserCreate makes a record as one of the vendor's own people.
func (s *Sim) UserCreate(object string, vals map[string]any) (id int64, err error) {
	err = s.people(object, func(t *tx, m *model) error {
		id, err = t.create(m, vals)
		return err
	})
	return id, err
}

// UserWrite changes a record as one of the vendor's own people; archiving is
// writing active=false.
func (s *Sim) UserWrite(object string, id int64, vals map[string]any) error {
	return s.people(object, func(t *tx, m *model) error { return t.write(m, []int64{id}, vals) })
}

// UserUnlink deletes a record for good as one of the vendor's own people.
func (s *Sim) UserUnlink(object string, id int64) error {
	return s.people(object, func(t *tx, m *model) error { return t.unlink(m, []int64{id}) })
}

// UserMerge merges partners into dst as one of the vendor's own people
// (vendors/odoo.md 10). The wizard's limit of three does not hold here.
func (s *Sim) UserMerge(dst int64, src ...int64) error {
	return s.people(modelPartner, func(t *tx, _ *model) error { return t.merge(dst, src) })
}

func (s *Sim) people(name string, work func(t *tx, m *model) error) error {
	return s.transact(PeopleUID, nil, true, func(t *tx) error {
		m := s.models[name]
		if m == nil {
			return userError("Object %s doesn't exist", name)
		}
		return work(t, m)
	})
}

// Get gives a record as committed: every field as read() with an empty load
// answers it, so false for empty, bare ids, times as text in whole seconds.
func (s *Sim) Get(model string, id int64) (map[string]any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.models[model]
	if m == nil {
		return nil, false
	}
	list, err := s.view(nil).read(m, []int64{id}, nil, true)
	if err != nil || len(list) == 0 {
		return nil, false
	}
	return list[0], true
}

// All gives every committed record of a model, archived ones included.
func (s *Sim) All(model string) map[int64]map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[int64]map[string]any{}
	m := s.models[model]
	if m == nil {
		return out
	}
	list, err := s.view(nil).read(m, m.table.ids, nil, true)
	if err != nil {
		return out
	}
	for i, rec := range list {
		out[m.table.ids[i]] = rec
	}
	return out
}

// XMLID gives the external id of a record, "module.name"; of several, as after
// a merge, the oldest of module syncd, else the oldest.
func (s *Sim) XMLID(model string, id int64) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.view(nil)
	found := ""
	for _, data := range t.having(modelData, dataResID, id) {
		r := t.get(modelData, data)
		if r.text(dataModel) != model {
			continue
		}
		full := r.text(dataModule) + "." + r.text(fieldName)
		if r.text(dataModule) == syncdModule {
			return full, true
		}
		if found == "" {
			found = full
		}
	}
	return found, found != ""
}

// syncdModule is the module part of syncd's external ids.
const syncdModule = "syncd"

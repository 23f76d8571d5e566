package odoosim

import "slices"

// maxMerge is how many contacts the wizard takes at once.
const maxMerge = 3

// mergeWizard is action_merge of base.partner.merge.automatic.wizard.
func (t *tx) mergeWizard(id int64) error {
	w := t.get(modelWizard, id)
	if w == nil {
		return missingError(modelWizard, t.uid, id)
	}
	all, _ := w.vals[wizardSet].([]int64)
	if len(all) > maxMerge {
		return userError("For safety reasons, you cannot merge more than 3 contacts together." +
			" You can re-open the wizard several times if needed.")
	}
	winner := w.num(wizardWinner)
	if winner == 0 && len(all) > 0 {
		winner = all[0]
	}
	sources := slices.DeleteFunc(slices.Clone(all), func(id int64) bool { return id == winner })
	return t.merge(winner, sources)
}

// merge merges partners into one (vendors/odoo.md 10): foreign keys and
// external ids move by SQL, values that the winner lacks are copied by ORM,
// then the losers are deleted, with one unlink hook each.
func (t *tx) merge(winner int64, sources []int64) error {
	m := t.s.models[modelPartner]
	for _, id := range append([]int64{winner}, sources...) {
		if t.get(modelPartner, id) == nil {
			return missingError(modelPartner, t.uid, id)
		}
	}
	all := append([]int64{winner}, sources...)
	for i, id := range all {
		if slices.Contains(all[:i], id) {
			return userError("You cannot merge a contact with itself.")
		}
		up := t.get(modelPartner, id)
		for range maxDepth {
			if up = t.get(modelPartner, up.num(partnerParent)); up == nil {
				break
			}
			if slices.Contains(all, up.id) {
				return userError("You cannot merge a contact with one of his parent.")
			}
		}
	}
	vals := t.missingValues(m, winner, sources)
	for _, id := range sources {
		if err := t.repoint(id, winner); err != nil {
			return err
		}
	}
	if err := t.copyOver(m, winner, vals); err != nil {
		return err
	}
	if rule := hookRules[modelPartner]; t.s.o.TriggerAll {
		t.post(m, t.get(modelPartner, winner), rule.path+"/save", rule.save, postsPerMerged)
		for _, id := range sources {
			t.post(m, t.get(modelPartner, id), rule.path+"/save", rule.save, postsPerMerged)
		}
	}
	return t.unlink(m, sources)
}

// missingValues are the values that the winner lacks; of several sources the
// last one that has it counts.
func (t *tx) missingValues(m *model, winner int64, sources []int64) map[string]any {
	vals := map[string]any{}
	for _, id := range append(slices.Clone(sources), winner) {
		for name, v := range t.get(modelPartner, id).vals {
			f := m.fields[name]
			if f == nil || f.compute != nil || f.readonly || f.kind == kindMany2many {
				continue
			}
			if name == partnerParent && v == winner {
				continue
			}
			if truthy(v) && v != 0.0 {
				vals[name] = v
			}
		}
	}
	for name, v := range t.get(modelPartner, winner).vals {
		if equal(vals[name], v) {
			delete(vals, name)
		}
	}
	return vals
}

// repoint moves what refers to a loser. Orders and external ids keep their
// write_date; children get one because their stored names are recomputed.
func (t *tx) repoint(loser, winner int64) error {
	move := func(model, name string, touch bool) error {
		for _, id := range t.having(model, name, loser) {
			if model == modelData && t.get(model, id).text(dataModel) != modelPartner {
				continue
			}
			if id == winner && model == modelPartner {
				continue
			}
			r, err := t.edit(model, id)
			if err != nil {
				return err
			}
			r.vals[name] = winner
			if touch {
				r.written, r.writtenBy = t.at, t.uid
				t.fact(model, id, false, false, map[string]string{name: textOf(kindMany2one, winner)})
				t.announceSync(t.s.models[model], r)
			}
		}
		return nil
	}
	if err := move(modelPartner, partnerParent, true); err != nil {
		return err
	}
	if err := move(modelOrder, orderPartner, false); err != nil {
		return err
	}
	return move(modelData, dataResID, false)
}

// copyOver writes the winner. Its write_date moves in any case.
func (t *tx) copyOver(m *model, winner int64, vals map[string]any) error {
	if len(vals) > 0 {
		return t.writeOne(m, winner, vals)
	}
	r, err := t.edit(modelPartner, winner)
	if err != nil {
		return err
	}
	r.written, r.writtenBy = t.at, t.uid
	return nil
}

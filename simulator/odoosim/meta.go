package odoosim

import (
	"slices"
	"strings"
)

// Custom fields (vendors/odoo.md 8).
const (
	customPrefix = "x_"
	metaModelID  = "model_id"
	metaType     = "ttype"
)

// customKinds are the types a custom field can have here.
var customKinds = []string{kindChar, kindText, kindHTML, kindBool, kindInt, kindFloat, kindDate, kindDatetime, kindMany2one}

func (s *Sim) defineMeta() {
	s.model(modelModel, "Models", col("model", "Model", kindChar).need(), col("name", "Model Description", kindChar))
	kinds := make([]option, 0, len(customKinds)+3)
	for _, k := range append(slices.Clone(customKinds), kindSelection, kindMany2many, kindOne2many) {
		kinds = append(kinds, option{k, k})
	}
	fields := s.model(modelField, "Fields",
		col("name", "Field Name", kindChar).need(), ref(metaModelID, "Model", modelModel).need(),
		col("model", "Model Name", kindChar), choice(metaType, "Field Type", kinds...).need(),
		col("field_description", "Field Label", kindChar), col("relation", "Related Model", kindChar),
		choice("state", "Type", option{"manual", "Custom Field"}, option{"base", "Base Field"}),
		col("index", "Indexed", kindBool), col("copied", "Copied", kindBool), col("required", "Required", kindBool),
		col("readonly", "Readonly", kindBool), col("store", "Stored", kindBool), col("size", "Size", kindInt),
		col("help", "Field Help", kindText), col("tracking", "Enable Ordered Tracking", kindInt),
	)
	fields.order = "name asc"
	fields.defaults["state"], fields.defaults["store"] = "manual", true
	fields.check, fields.gone, fields.committed = checkField, goneField, fieldCommitted
	data := s.model(modelData, "Model Data",
		col("module", "Module", kindChar).need(), col("name", "External Identifier", kindChar).need(),
		col("model", "Model Name", kindChar).need(), col(dataResID, "Record ID", kindInt).index(),
		col("noupdate", "Non Updatable", kindBool),
	)
	data.add(col("complete_name", "Complete ID", kindChar).computed(func(_ *tx, r *row) any {
		return r.text(dataModule) + "." + r.text(fieldName)
	}))
	data.order = "module asc, model asc, name asc"
	data.check = checkData
	s.model(modelAction, "Server Action", col("name", "Action Name", kindChar), ref(metaModelID, "Model", modelModel),
		col("state", "Type", kindChar), col("usage", "Usage", kindChar), col("webhook_url", "Webhook URL", kindChar),
		many("webhook_field_ids", "Webhook Fields", modelField))
	s.model(modelAutomation, "Automation Rule", col("name", "Automation Rule Name", kindChar).need(),
		ref(metaModelID, "Model", modelModel).need(), col("trigger", "Trigger", kindChar).need(),
		many("trigger_field_ids", "Trigger Fields", modelField), col("filter_domain", "Apply on", kindChar),
		col("filter_pre_domain", "Before Update Domain", kindChar), col("active", "Active", kindBool),
		many("action_server_ids", "Actions", modelAction))
}

func checkField(t *tx, r, old *row) error {
	if old != nil {
		return nil
	}
	target := t.get(modelModel, r.num(metaModelID)).text("model")
	m, name := t.s.models[target], r.text(fieldName)
	if m == nil {
		return validationError("%sModel %s does not exist", cannotComplete, target)
	}
	if m.fields[name] != nil {
		return validationError("%sField names must be unique per model.", cannotComplete)
	}
	for _, id := range t.having(modelField, fieldName, name) {
		if id != r.id && t.get(modelField, id).num(metaModelID) == r.num(metaModelID) {
			return validationError("%sField names must be unique per model.", cannotComplete)
		}
	}
	if r.text("state") == "manual" && !strings.HasPrefix(name, customPrefix) {
		return validationError("%sCustom fields must have a name that starts with 'x_'!", cannotComplete)
	}
	for _, c := range name {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return validationError("Field names can only contain characters, digits and underscores (up to 63).")
		}
	}
	kind := r.text(metaType)
	if !slices.Contains(customKinds, kind) || (kind == kindMany2one && t.s.models[r.text("relation")] == nil) {
		return validationError("The field type %s is not supported for custom fields", kind)
	}
	r.vals["model"] = target
	return nil
}

// goneField keeps base fields.
func goneField(_ *tx, r *row) error {
	if r.text("state") != "manual" {
		return userError("This column contains module data and cannot be removed!")
	}
	return nil
}

// fieldCommitted makes a custom field usable in the next call, or drops it.
func fieldCommitted(s *Sim, _ int64, r, old *row) {
	switch {
	case r == nil:
		if m := s.models[old.text("model")]; m != nil {
			m.drop(old.text(fieldName))
		}
	case old == nil && r.text("state") == "manual":
		label := r.text("field_description")
		if label == "" {
			label = r.text(fieldName)
		}
		s.models[r.text("model")].add(&field{
			name: r.text(fieldName), label: label, kind: r.text(metaType), relation: r.text("relation"),
		})
	}
}

// noSpaces is the check constraint on external ids (vendors/odoo.md 7).
const noSpaces = "new row for relation \"ir_model_data\" violates check constraint \"ir_model_data_name_nospaces\"\n"

func checkData(t *tx, r, _ *row) error {
	if strings.Contains(r.text(fieldName), " ") {
		return validationError("%s", noSpaces)
	}
	for _, id := range t.having(modelData, fieldName, r.text(fieldName)) {
		if id != r.id && t.get(modelData, id).text(dataModule) == r.text(dataModule) {
			return validationError("%sYou cannot have multiple records with the same external ID in the same module!",
				cannotComplete)
		}
	}
	return nil
}

// external gives the row behind an external id, nil if it is unknown.
func (t *tx) external(module, name string) *row {
	for _, id := range t.having(modelData, fieldName, name) {
		if r := t.get(modelData, id); r.text(dataModule) == module {
			return r
		}
	}
	return nil
}

// bind makes an external id for a record. The name is locked: of two
// transactions with one new name only one goes on (vendors/odoo.md 7).
func (t *tx) bind(module, name, model string, id int64) error {
	if err := t.claim(module, name); err != nil {
		return err
	}
	m := t.s.models[modelData]
	noupdate, _ := t.context["noupdate"].(bool)
	vals := map[string]any{
		dataModule: module, fieldName: name, dataModel: model, dataResID: id, "noupdate": noupdate,
	}
	r := &row{vals: vals, created: t.at, written: t.at, createdBy: t.uid, writtenBy: t.uid}
	m.table.next++
	r.id = m.table.next
	t.put(key{modelData, r.id}, r)
	return checkData(t, r, nil)
}

func (t *tx) claim(module, name string) error {
	k := key{model: "xmlid " + module + "." + name}
	if err := t.lock(k); err != nil {
		return err
	}
	t.put(k, nil)
	return nil
}

// splitXMLID gives module and name; without a dot the module is the context's
// or __import__ (vendors/odoo.md 7).
func (t *tx) splitXMLID(xmlid string) (module, name string) {
	if module, name, dotted := strings.Cut(xmlid, "."); dotted {
		return module, name
	}
	if module, ok := t.context["module"].(string); ok && module != "" {
		return module, xmlid
	}
	return "__import__", xmlid
}

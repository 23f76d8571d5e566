package odoosim

import (
	"fmt"
	"slices"
	"strings"
)

// country is a row of res.country; Odoo's external ids are the lower-cased
// codes but for the United Kingdom.
type country struct {
	id         int64
	code, name string
}

var countries = []country{
	{12, "AT", "Austria"}, {20, "BE", "Belgium"}, {43, "CH", "Switzerland"}, {56, "CZ", "Czech Republic"},
	{57, "DE", "Germany"}, {59, "DK", "Denmark"}, {68, "ES", "Spain"}, {75, "FR", "France"}, {109, "IT", "Italy"},
	{165, "NL", "Netherlands"}, {177, "PL", "Poland"}, {197, "SK", "Slovakia"}, {231, "GB", "United Kingdom"},
	{233, "US", "United States"},
}

const (
	baseModule  = "base"
	firstMetaID = 80  // ids of ir.model begin here
	firstFldID  = 800 // ids of ir.model.fields
	// parameterUUID is the system parameter that names a database for good.
	parameterUUID = "database.uuid"
)

// seed fills in what an installation holds before anybody works with it. None
// of it is in the truth.
func (s *Sim) seed() {
	put := func(model string, id int64, vals map[string]any, xmlid string) {
		m := s.models[model]
		at := s.now()
		m.table.put(id, &row{id: id, vals: vals, created: at, written: at, createdBy: 1, writtenBy: 1})
		m.table.next = max(m.table.next, id)
		if module, name, ok := strings.Cut(xmlid, "."); ok {
			data := &s.models[modelData].table
			data.next++
			data.put(data.next, &row{
				id: data.next, created: at, written: at, createdBy: 1, writtenBy: 1,
				vals: map[string]any{dataModule: module, fieldName: name, dataModel: model, dataResID: id, "noupdate": true},
			})
		}
	}
	put(modelUser, 1, map[string]any{"name": "OdooBot", "login": "__system__", "active": false}, "base.user_root")
	put(modelUser, PeopleUID, map[string]any{"name": "Administrator", "login": "admin", "active": true}, "base.user_admin")
	put(modelUser, s.o.BotUID, map[string]any{"name": "syncd bot", "login": s.o.Login, "active": true, "lang": "en_US", "tz": "UTC"}, "")
	put(modelCompany, 1, map[string]any{"name": "My Company"}, "base.main_company")
	put(modelUnit, 1, map[string]any{"name": "Units"}, "uom.product_uom_unit")
	put(modelProdCat, 1, map[string]any{"name": "All"}, "product.product_category_all")
	for _, c := range countries {
		xmlid := strings.ToLower(c.code)
		if c.code == "GB" {
			xmlid = "uk"
		}
		put(modelCountry, c.id, map[string]any{"name": c.name, "code": c.code}, baseModule+"."+xmlid)
	}
	uuid := fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(s.o.Seed), s.o.Seed&0xffffffffffff)
	put(modelParameter, 1, map[string]any{"key": parameterUUID, "value": uuid}, "")
	s.seedMeta(put)
}

func (s *Sim) seedMeta(put func(model string, id int64, vals map[string]any, xmlid string)) {
	var names []string
	for name := range s.models {
		names = append(names, name)
	}
	slices.Sort(names)
	nextField := int64(firstFldID)
	for i, name := range names {
		m := s.models[name]
		id := int64(firstMetaID + i)
		under := strings.ReplaceAll(name, ".", "_")
		put(modelModel, id, map[string]any{"model": name, "name": m.label}, "base.model_"+under)
		for _, fname := range m.names {
			f := m.fields[fname]
			put(modelField, nextField, map[string]any{
				"name": fname, metaModelID: id, "model": name, metaType: f.kind, "field_description": f.label,
				"state": "base", "store": f.compute == nil, "readonly": f.readonly, "required": f.required,
				"relation": orNull(f.relation), "index": f.indexed, "copied": true,
			}, "base.field_"+under+"__"+fname)
			nextField++
		}
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

package hubspotsim_test

import (
	"fmt"
	"net/http"
	"testing"

	"syncd/simulator/hubspotsim"
)

const contactProperties = "/crm/v3/properties/contacts"

func define(name string, unique bool) obj {
	return obj{"groupName": "contactinformation", "name": name, "label": name, "type": "string", "fieldType": "text", "hasUniqueValue": unique}
}

func TestPropertyIsDefinedOnce(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.must(404, http.MethodGet, contactProperties+"/vat_id", nil)
	out := w.must(201, http.MethodPost, contactProperties, define("vat_id", false))
	w.equal("name", out["name"], "vat_id")
	w.must(200, http.MethodGet, "/crm/properties/2026-09/contacts/vat_id", nil)
	out = w.must(409, http.MethodPost, contactProperties, define("vat_id", true))
	w.equal("category", out["category"], "OBJECT_ALREADY_EXISTS")
	w.equal("subCategory", out["subCategory"], "Properties.PROPERTY_WITH_NAME_EXISTS")
	w.must(201, http.MethodPost, contacts, obj{"properties": obj{"vat_id": "CZ1"}})
}

func TestAtMostTenUniquePropertiesAndNoneOfProducts(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	for i := range 10 {
		w.must(201, http.MethodPost, contactProperties, define(fmt.Sprintf("u%d", i), true))
	}
	w.must(400, http.MethodPost, contactProperties, define("u10", true))
	w.must(201, http.MethodPost, contactProperties, define("plain", false))
	d := define("ref", true)
	d["groupName"] = "productinformation"
	w.must(400, http.MethodPost, "/crm/v3/properties/products", d)
	d["hasUniqueValue"] = false
	w.must(201, http.MethodPost, "/crm/v3/properties/products", d)
}

func TestPropertyBatchCreateTakesEachForItself(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.must(201, http.MethodPost, contactProperties+"/batch/create", inputs(define("a", true), define("b", false)))
	out := w.must(207, http.MethodPost, contactProperties+"/batch/create", inputs(define("b", false), define("c", false)))
	w.equal("made", at(out, "results", 0, "name"), "c")
	w.equal("refused", at(out, "errors", 0, "context", "name"), "[b]")
	w.equal("category", at(out, "errors", 0, "category"), "OBJECT_ALREADY_EXISTS")
}

func TestSchemaTellsOptionsUniquenessAndReadOnly(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.unique("syncd_ref")
	byName := map[any]any{}
	for _, p := range rows(w.must(200, http.MethodGet, contactProperties, nil), "results") {
		byName[at(p, "name")] = p
	}
	w.equal("unique", at(byName["syncd_ref"], "hasUniqueValue"), true)
	w.equal("read only", at(byName["lastmodifieddate"], "modificationMetadata", "readOnlyValue"), true)
	w.equal("writable", at(byName["phone"], "modificationMetadata", "readOnlyValue"), false)
	w.equal("options", at(byName["lifecyclestage"], "options", 5, "value"), "customer")
	w.equal("not standard", byName["vat_id"], nil)
	groups := w.must(200, http.MethodGet, contactProperties+"/groups", nil)
	w.equal("group", at(groups, "results", 0, "name"), "contactinformation")
}

func TestDefinitionsAreChecked(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	for name, change := range map[string]obj{
		"capital letters":     {"name": "VatID"},
		"no label":            {"label": ""},
		"wrong field type":    {"fieldType": "number"},
		"unknown group":       {"groupName": "nosuch"},
		"choice without any":  {"type": "enumeration", "fieldType": "select"},
		"unique of a boolean": {"type": "bool", "fieldType": "booleancheckbox", "hasUniqueValue": true},
	} {
		d := define("x", false)
		for k, v := range change {
			d[k] = v
		}
		if status, _ := w.call(http.MethodPost, contactProperties, d); status != 400 {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

package hubspotsim_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/simulator/hubspotsim"
)

func TestBothPathShapesServeNamesAndTypeIDs(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	id := w.user("contacts", props("email", "Ana@Example.com"))
	for _, stem := range []string{contacts, "/crm/objects/2026-09/contacts", "/crm/v3/objects/0-1", "/crm/objects/2026-09/0-1"} {
		out := w.must(200, http.MethodGet, stem+"/"+id+"?properties=email", nil)
		w.equal("email is lower-cased", at(out, "properties", "email"), "ana@example.com")
		w.equal("id", out["id"], id)
	}
	w.must(200, http.MethodGet, "/crm/properties/2026-09/deals", nil)
	w.must(200, http.MethodGet, "/crm/v3/properties/0-3", nil)
	w.must(404, http.MethodGet, "/crm/v3/objects/unicorns/1", nil)
	w.must(404, http.MethodGet, "/crm/v9/objects/contacts", nil)
	w.must(404, http.MethodPost, products+"/merge", obj{})
}

func TestAccountAndTokenTellWhoWeAre(t *testing.T) {
	w := start(t, hubspotsim.Options{PortalID: 77, AppID: 99})
	w.equal("portal", w.must(200, http.MethodGet, "/account-info/2026-09/details", nil)["portalId"], 77)
	out := w.must(200, http.MethodPost, "/oauth/v2/private-apps/get/access-token-info", obj{"tokenKey": "pat-sim"})
	w.equal("app", out["appId"], 99)
	w.equal("hub", out["hubId"], 77)
	w.must(401, http.MethodPost, "/oauth/v2/private-apps/get/access-token-info", obj{"tokenKey": "pat-other"})
}

func TestWrongTokenIs401(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.token = "pat-wrong"
	out := w.must(401, http.MethodGet, contacts, nil)
	w.equal("category", out["category"], "INVALID_AUTHENTICATION")
}

func TestDeniedScopeIs403OnlyWhereItIsNeeded(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.DenyScope("crm.objects.contacts.write")
	out := w.must(403, http.MethodPost, contacts, obj{"properties": obj{"email": "a@b.cz"}})
	w.equal("category", out["category"], "MISSING_SCOPES")
	w.equal("scope", at(out, "errors", 0, "context", "requiredGranularScopes", 0), "crm.objects.contacts.write")
	w.must(200, http.MethodGet, contacts, nil)
	w.must(201, http.MethodPost, "/crm/v3/objects/companies", obj{"properties": obj{"name": "Acme"}})
	w.AllowScope("crm.objects.contacts.write")
	w.must(201, http.MethodPost, contacts, obj{"properties": obj{"email": "a@b.cz"}})
}

func TestDuplicateEmailIs409WithTheExistingID(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	first := w.must(201, http.MethodPost, contacts, obj{"properties": obj{"email": "a@b.cz"}})
	out := w.must(409, http.MethodPost, contacts, obj{"properties": obj{"email": "A@B.cz"}})
	w.equal("category", out["category"], "CONFLICT")
	w.equal("message", out["message"], fmt.Sprintf("Contact already exists. Existing ID: %v", first["id"]))
	if _, err := w.UserCreate("contacts", props("email", "a@b.cz")); err == nil {
		t.Error("a user could make a second contact of one e-mail")
	}
	found := w.must(200, http.MethodGet, contacts+"/a%40b.cz?idProperty=email", nil)
	w.equal("found by e-mail", found["id"], first["id"])
}

func TestBadValuesAreNamed(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	for name, c := range map[string]struct{ property, value, code string }{
		"unknown property": {"erpid", "1", "PROPERTY_DOESNT_EXIST"},
		"no at sign":       {"email", "ana.example.com", "INVALID_EMAIL"},
		"no dot":           {"email", "ana@example", "INVALID_EMAIL"},
		"no option":        {"lifecyclestage", "Customer", "INVALID_OPTION"},
		"no number":        {"associatedcompanyid", "abc", "INVALID_INTEGER"},
		"read only":        {"lastmodifieddate", "1", "READ_ONLY_VALUE"},
	} {
		out := w.must(400, http.MethodPost, contacts, obj{"properties": obj{c.property: c.value}})
		w.equal(name, at(out, "errors", 0, "code"), c.code)
		w.equal(name, at(out, "errors", 0, "context", "propertyName", 0), c.property)
		if !strings.Contains(fmt.Sprint(out["message"]), `"error":"`+c.code+`"`) {
			t.Errorf("%s: message %v", name, out["message"])
		}
	}
	w.equal("nothing was made", len(w.Truth().Births("contacts")), 0)
}

func TestRequiredPropertiesAreAskedForAtCreation(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.must(400, http.MethodPost, "/crm/v3/objects/companies", obj{"properties": obj{"city": "Brno"}})
	w.must(400, http.MethodPost, "/crm/v3/objects/deals", obj{"properties": obj{"dealname": "Big"}})
	w.must(400, http.MethodPost, products, obj{"properties": obj{"price": "1"}})
	p := w.must(201, http.MethodPost, products, obj{"properties": obj{"name": "Pen", "price": "1.50", "hs_sku": "P"}})
	l := w.must(201, http.MethodPost, "/crm/v3/objects/line_items", obj{"properties": obj{"hs_product_id": p["id"]}})
	w.equal("a line item takes the price of its product", at(l, "properties", "price"), "1.50")
}

func TestValuesAreTextOrNullAndEmptyClears(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	id := w.user("contacts", props("email", "a@b.cz", "phone", "1", "city", "Brno"))
	w.must(200, http.MethodPatch, contacts+"/"+id, obj{"properties": obj{"phone": "", "associatedcompanyid": 12}})
	nulls, gaps := 0, 0
	for range 64 {
		out := w.must(200, http.MethodGet, contacts+"/"+id+"?properties=phone,city,associatedcompanyid,nosuch", nil)
		p := out["properties"].(map[string]any)
		w.equal("number as text", p["associatedcompanyid"], "12")
		if _, there := p["nosuch"]; there {
			t.Fatal("an unknown name was answered")
		}
		if v, there := p["phone"]; !there {
			gaps++
		} else if v == nil {
			nulls++
		}
	}
	if nulls == 0 || gaps == 0 || nulls+gaps != 64 {
		t.Errorf("empty property: %d times null, %d times left out", nulls, gaps)
	}
}

func TestNoOpWriteMovesNothingAndRaisesNothing(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	id := w.user("contacts", props("email", "a@b.cz"))
	before, _ := w.Get("contacts", id)
	_, n := w.EventsSince(0)
	w.clock.move(time.Minute)
	w.must(200, http.MethodPatch, contacts+"/"+id, obj{"properties": obj{"email": "A@b.cz", "phone": ""}})
	after, _ := w.Get("contacts", id)
	w.equal("record", after, before)
	_, m := w.EventsSince(0)
	w.equal("events", m, n)
	w.equal("changes", len(w.Truth().Changes()), 1)
}

func TestModificationTimeHasMillisecondsAndNeverGoesBack(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	id := w.user("contacts", props("email", "a@b.cz"))
	w.clock.move(-time.Hour)
	w.must(200, http.MethodPatch, contacts+"/"+id, obj{"properties": obj{"phone": "5"}})
	p, _ := w.Get("contacts", id)
	w.equal("modified", p["lastmodifieddate"], "2025-11-20T12:00:01.000Z")
	if _, there := p["hs_lastmodifieddate"]; there {
		t.Error("contacts have no hs_lastmodifieddate")
	}
	w.clock.move(time.Hour + 7*time.Millisecond)
	c := w.user("companies", props("name", "Acme"))
	p, _ = w.Get("companies", c)
	w.equal("modified", p["hs_lastmodifieddate"], "2025-11-20T12:00:01.007Z")
}

func TestUpdateAnswersWhatWasSentOnly(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	id := w.user("contacts", props("email", "a@b.cz", "city", "Brno"))
	out := w.must(200, http.MethodPatch, contacts+"/"+id, obj{"properties": obj{"phone": "5"}})
	names := slices.Sorted(maps.Keys(out["properties"].(map[string]any)))
	w.equal("properties", names, "[createdate hs_object_id lastmodifieddate phone]")
}

func TestArchivedRecordIsSeenOnlyWhereAskedForAndFreesItsEmail(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.unique("syncd_ref")
	id := w.user("contacts", props("email", "a@b.cz", "syncd_ref", "r1"))
	w.must(204, http.MethodDelete, contacts+"/"+id, nil)
	w.must(204, http.MethodDelete, contacts+"/"+id, nil)
	w.must(404, http.MethodGet, contacts+"/"+id, nil)
	out := w.must(200, http.MethodGet, contacts+"/"+id+"?archived=true", nil)
	w.equal("archived", out["archived"], true)
	w.equal("archivedAt", out["archivedAt"], "2025-11-20T12:00:01.000Z")
	w.equal("live list", len(rows(w.must(200, http.MethodGet, contacts, nil), "results")), 0)
	w.equal("bin", at(w.must(200, http.MethodGet, contacts+"?archived=true", nil), "results", 0, "id"), id)
	w.must(404, http.MethodPatch, contacts+"/"+id, obj{"properties": obj{"phone": "5"}})
	found := w.must(200, http.MethodGet, contacts+"/r1?idProperty=syncd_ref&archived=true", nil)
	w.equal("found in the bin", found["id"], id)
	w.must(201, http.MethodPost, contacts, obj{"properties": obj{"email": "a@b.cz", "syncd_ref": "r1"}})
}

func TestArchivedRecordMayKeepItsCustomUniqueValueTaken(t *testing.T) {
	w := start(t, hubspotsim.Options{ArchivedBlocksUnique: true})
	w.unique("syncd_ref")
	id := w.user("contacts", props("email", "a@b.cz", "syncd_ref", "r1"))
	if err := w.UserArchive("contacts", id); err != nil {
		t.Fatal(err)
	}
	status, out := w.call(http.MethodPost, contacts, obj{"properties": obj{"syncd_ref": "r1"}})
	if status != 400 && status != 409 || !strings.Contains(fmt.Sprint(out["message"]), id) {
		t.Errorf("%d %v", status, out)
	}
	w.must(201, http.MethodPost, contacts, obj{"properties": obj{"email": "a@b.cz"}})
}

func TestListPagesThroughAllOnce(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	want := map[string]bool{}
	for i := range 25 {
		want[w.user("contacts", props("email", fmt.Sprintf("u%d@x.cz", i)))] = true
	}
	seen, after := 0, ""
	for pages := 0; ; pages++ {
		out := w.must(200, http.MethodGet, contacts+"?limit=10&after="+after, nil)
		for _, r := range rows(out, "results") {
			if !want[fmt.Sprint(at(r, "id"))] {
				t.Fatalf("unknown %v", r)
			}
			seen++
		}
		if out["paging"] == nil {
			w.equal("pages", pages+1, 3)
			break
		}
		after = fmt.Sprint(at(out, "paging", "next", "after"))
	}
	w.equal("records", seen, 25)
	w.must(400, http.MethodGet, contacts+"?limit=101", nil)
}

func TestIDsOfDifferentObjectsOverlap(t *testing.T) {
	w := start(t, hubspotsim.Options{Seed: 3})
	for i := range 200 {
		w.user("contacts", props("email", fmt.Sprintf("u%d@x.cz", i)))
		w.user("companies", props("name", "c"))
	}
	companies := w.All("companies")
	for id := range w.All("contacts") {
		if companies[id] != nil {
			return
		}
	}
	t.Error("no id is used twice")
}

func TestOwnRecordsCarryTheirSource(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	out := w.must(201, http.MethodPost, contacts, obj{"properties": obj{"email": "a@b.cz"}})
	w.equal("source", at(out, "properties", "hs_object_source"), "INTEGRATION")
	w.equal("source id", at(out, "properties", "hs_object_source_id"), "54321")
	c := w.Truth().Changes()[0]
	w.equal("actor", c.Actor, "app:54321")
	w.equal("values", c.Values, "map[email:a@b.cz]")
}

func TestSameSeedSameAnswers(t *testing.T) {
	run := func(seed uint64) string {
		w := start(t, hubspotsim.Options{Seed: seed})
		for i := range 20 {
			w.user("contacts", props("email", fmt.Sprintf("u%d@x.cz", i)))
		}
		events, _ := w.EventsSince(0)
		return fmt.Sprintf("%s %v", events, w.must(200, http.MethodGet, contacts+"?properties=phone", nil))
	}
	if run(7) != run(7) {
		t.Error("the same seed gave other answers")
	}
	if run(7) == run(8) {
		t.Error("another seed gave the same answers")
	}
}

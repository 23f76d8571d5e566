package hubspotsim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncd/simulator/hubspotsim"
)

func where(property, operator, value string) obj {
	return obj{"propertyName": property, "operator": operator, "value": value}
}

// search gives the ids of the answer, in order.
func (w *world) search(object string, body obj) []string {
	w.Helper()
	var ids []string
	for _, r := range rows(w.must(200, http.MethodPost, "/crm/v3/objects/"+object+"/search", body), "results") {
		ids = append(ids, fmt.Sprint(at(r, "id")))
	}
	return ids
}

func filters(list ...obj) obj { return obj{"filterGroups": []obj{{"filters": list}}, "limit": 200} }

func TestSearchOperators(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	ana := w.user("contacts", props("email", "ana@x.cz", "firstname", "Ana", "lifecyclestage", "lead", "associatedcompanyid", "9"))
	w.clock.move(time.Second)
	ben := w.user("contacts", props("email", "ben@x.cz", "firstname", "Ben", "lifecyclestage", "customer", "associatedcompanyid", "10"))
	stamp := strconv.FormatInt(w.clock.now().UnixMilli(), 10)
	both := []string{ana, ben}
	for _, c := range []struct {
		f    obj
		want []string
	}{
		{where("email", "EQ", "ANA@x.cz"), []string{ana}},
		{where("firstname", "NEQ", "ana"), []string{ben}},
		{where("associatedcompanyid", "LT", "10"), []string{ana}},
		{where("associatedcompanyid", "GTE", "9"), both},
		{where("associatedcompanyid", "GT", "9"), []string{ben}},
		{where("associatedcompanyid", "LTE", "9"), []string{ana}},
		{obj{"propertyName": "associatedcompanyid", "operator": "BETWEEN", "value": "9", "highValue": "9"}, []string{ana}},
		{where("lastmodifieddate", "GTE", stamp), []string{ben}},
		{where("lastmodifieddate", "GT", stamp), nil},
		{where("lastmodifieddate", "LT", stamp), []string{ana}},
		{where("hs_object_id", "GT", ana), []string{ben}},
		{obj{"propertyName": "email", "operator": "IN", "values": []string{"ana@x.cz", "no@x.cz"}}, []string{ana}},
		{obj{"propertyName": "firstname", "operator": "IN", "values": []string{"ana"}}, []string{ana}},
		{obj{"propertyName": "firstname", "operator": "IN", "values": []string{"Ana"}}, nil},
		{obj{"propertyName": "firstname", "operator": "NOT_IN", "values": []string{"ana"}}, []string{ben}},
		{obj{"propertyName": "lifecyclestage", "operator": "IN", "values": []string{"customer"}}, []string{ben}},
		{where("lifecyclestage", "EQ", "Customer"), nil},
		{where("phone", "HAS_PROPERTY", ""), nil},
		{where("phone", "NOT_HAS_PROPERTY", ""), both},
		{where("email", "CONTAINS_TOKEN", "be*"), []string{ben}},
	} {
		w.equal(fmt.Sprint(c.f), w.search("contacts", filters(c.f)), c.want)
	}
	or := obj{"filterGroups": []obj{{"filters": []obj{where("firstname", "EQ", "Ana")}}, {"filters": []obj{where("firstname", "EQ", "Ben")}}}}
	w.equal("groups are OR", w.search("contacts", or), both)
	w.equal("filters are AND", w.search("contacts", filters(where("firstname", "EQ", "Ana"), where("email", "EQ", "ben@x.cz"))), "[]")
}

func TestSearchSortsAndPages(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	var ids []string
	for i := range 30 {
		ids = append(ids, w.user("companies", props("name", fmt.Sprintf("n%02d", 29-i))))
		w.clock.move(time.Millisecond)
	}
	by := func(name, direction string) obj {
		return obj{"sorts": []obj{{"propertyName": name, "direction": direction}}, "limit": 200}
	}
	w.equal("by change", w.search("companies", by("hs_lastmodifieddate", "ASCENDING")), ids)
	w.equal("by name down", w.search("companies", by("name", "DESCENDING")), ids)
	slices.Reverse(ids)
	w.equal("by change down", w.search("companies", by("hs_lastmodifieddate", "DESCENDING")), ids)
	w.equal("bare name", w.search("companies", obj{"sorts": []string{"-hs_lastmodifieddate"}, "limit": 200}), ids)
	out := w.must(200, http.MethodPost, "/crm/v3/objects/companies/search", obj{"limit": 20})
	w.equal("total", out["total"], 30)
	after := at(out, "paging", "next", "after")
	w.equal("after", after, "20")
	out = w.must(200, http.MethodPost, "/crm/v3/objects/companies/search", obj{"limit": 20, "after": after})
	w.equal("second page", len(rows(out, "results")), 10)
	w.equal("end", out["paging"], nil)
}

func TestSearchLimits(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	f := where("email", "HAS_PROPERTY", "")
	group := func(n int) obj { return obj{"filters": slices.Repeat([]obj{f}, n)} }
	for name, body := range map[string]obj{
		"limit":            {"limit": 201},
		"filters":          {"filterGroups": []obj{group(7)}},
		"groups":           {"filterGroups": slices.Repeat([]obj{group(1)}, 6)},
		"all filters":      {"filterGroups": slices.Repeat([]obj{group(5)}, 4)},
		"past 10,000":      {"after": "10000"},
		"body":             {"query": strings.Repeat("x", 3000)},
		"unknown property": filters(where("erpid", "EQ", "1")),
		"unknown operator": filters(where("email", "LIKE", "1")),
		"unknown sort":     {"sorts": []string{"erpid"}},
		"two sorts":        {"sorts": []string{"email", "phone"}},
		"no number":        filters(where("hs_object_id", "GT", "abc")),
	} {
		if status, _ := w.call(http.MethodPost, contacts+"/search", body); status != 400 {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

func TestSearchEndsAt10000Results(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	for i := range 10_050 {
		w.user("companies", props("name", strconv.Itoa(i)))
	}
	out := w.must(200, http.MethodPost, "/crm/v3/objects/companies/search", obj{"limit": 200, "after": "9900"})
	w.equal("total", out["total"], 10_050)
	w.equal("cut page", len(rows(out, "results")), 100)
	after := at(out, "paging", "next", "after")
	w.must(400, http.MethodPost, "/crm/v3/objects/companies/search", obj{"limit": 200, "after": after})
}

func TestSearchIndexIsLate(t *testing.T) {
	w := start(t, hubspotsim.Options{SearchLag: 5 * time.Second})
	id := w.user("contacts", props("email", "a@x.cz", "city", "Brno"))
	city := func() any {
		out := w.must(200, http.MethodPost, contacts+"/search", obj{"properties": []string{"city"}})
		return at(out, "results", 0, "properties", "city")
	}
	w.equal("not there yet", city(), nil)
	w.must(200, http.MethodGet, contacts+"/a@x.cz?idProperty=email", nil)
	w.clock.move(5 * time.Second)
	w.equal("there", city(), "Brno")
	if err := w.UserEdit("contacts", id, props("city", "Praha")); err != nil {
		t.Fatal(err)
	}
	w.clock.move(time.Second)
	w.equal("old value", city(), "Brno")
	w.clock.move(4 * time.Second)
	w.equal("new value", city(), "Praha")
	if err := w.UserArchive("contacts", id); err != nil {
		t.Fatal(err)
	}
	w.equal("still there", city(), "Praha")
	w.clock.move(5 * time.Second)
	w.equal("gone", len(w.search("contacts", obj{})), 0)
}

func TestSearchForgetsOvertakenVersions(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	id := w.user("contacts", props("email", "a@x.cz"))
	for i := range 5000 {
		w.clock.move(time.Millisecond)
		if err := w.UserEdit("contacts", id, props("city", strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	w.equal("one record", w.search("contacts", filters(where("lastmodifieddate", "GTE", "0"))), "["+id+"]")
	w.equal("old value", w.search("contacts", filters(where("city", "EQ", "7"))), "[]")
}

func fill(w *world, n int) {
	for i := range n {
		ref := strconv.Itoa(i)
		w.user("contacts", props("email", "u"+ref+"@x.cz", "syncd_ref", ref))
		w.clock.move(time.Millisecond)
	}
}

func sweepPage(w *world) {
	body := filters(where("lastmodifieddate", "GTE", strconv.FormatInt(w.clock.now().UnixMilli()-200, 10)))
	body["sorts"] = []string{"lastmodifieddate"}
	w.equal("hits", len(w.search("contacts", body)), 200)
}

func TestManyContactsAreFoundByIndex(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.unique("syncd_ref")
	fill(w, 10_000)
	sweepPage(w)
	w.must(200, http.MethodGet, contacts+"/7777?idProperty=syncd_ref", nil)
	w.must(409, http.MethodPost, contacts, obj{"properties": obj{"email": "u5@x.cz"}})
}

// BenchmarkSweepPage reads a page of 200 changes out of 100,000 contacts.
func BenchmarkSweepPage(b *testing.B) {
	w := start(b, hubspotsim.Options{})
	w.unique("syncd_ref")
	fill(w, 100_000)
	for b.Loop() {
		sweepPage(w)
	}
}

package hubspotsim_test

import (
	"net/http"
	"testing"

	"syncd/simulator/hubspotsim"
)

func TestMergeMintsANewIDOrKeepsThePrimary(t *testing.T) {
	for _, minted := range []bool{true, false} {
		w := start(t, hubspotsim.Options{NewIDOnMerge: minted})
		w.unique("syncd_ref")
		a := w.user("contacts", props("email", "a@x.cz", "city", "Brno"))
		b := w.user("contacts", props("email", "b@x.cz", "phone", "5", "syncd_ref", "r-b", "city", "Praha"))
		out := w.must(200, http.MethodPost, contacts+"/merge", obj{"primaryObjectId": a, "objectIdToMerge": b})
		id, _ := out["id"].(string)
		if (id != a) != minted || id == b {
			t.Fatalf("minted %v: survivor %s of %s and %s", minted, id, a, b)
		}
		p, _ := w.Get("contacts", id)
		w.equal("the primary wins", p["city"], "Brno")
		w.equal("gaps are filled", p["phone"], "5")
		w.equal("further address", p["hs_additional_emails"], "b@x.cz")
		merged := b
		if minted {
			merged = b + ";" + a
		}
		w.equal("merged ids", p["hs_merged_object_ids"], merged)
		w.equal("live records", len(w.All("contacts")), 1)
		w.must(409, http.MethodPost, contacts, obj{"properties": obj{"email": "b@x.cz"}})
		token := w.must(200, http.MethodGet, contacts+"/r-b?idProperty=syncd_ref", nil)
		w.equal("found by the loser's token", token["id"], id)
	}
}

func TestMergedAwayIDReadsAsTheSurvivor(t *testing.T) {
	w := start(t, hubspotsim.Options{NewIDOnMerge: true})
	a, b := w.user("contacts", props("email", "a@x.cz")), w.user("contacts", props("email", "b@x.cz"))
	c := w.user("contacts", props("email", "c@x.cz"))
	one, err := w.UserMerge("contacts", a, b)
	if err != nil {
		t.Fatal(err)
	}
	two, err := w.UserMerge("contacts", one, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{a, b, c, one} {
		w.equal("GET "+old, w.must(200, http.MethodGet, contacts+"/"+old, nil)["id"], two)
		out := w.must(200, http.MethodPost, contacts+"/batch/read", inputs(obj{"id": old}))
		w.equal("batch read "+old, at(out, "results", 0, "id"), two)
		w.must(404, http.MethodGet, contacts+"/"+old+"?archived=true", nil)
	}
	if _, err := w.UserMerge("contacts", a, two); err == nil {
		t.Error("a merged-away record was merged again")
	}
}

func TestBatchUpdateOfAMergedAwayIDIsSilentlyLost(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	a, b := w.user("contacts", props("email", "a@x.cz")), w.user("contacts", props("email", "b@x.cz"))
	if _, err := w.UserMerge("contacts", a, b); err != nil {
		t.Fatal(err)
	}
	out := w.must(200, http.MethodPost, contacts+"/batch/update",
		inputs(obj{"id": b, "objectWriteTraceId": "w", "properties": props("phone", "1")}))
	w.equal("results", len(rows(out, "results")), 0)
	w.equal("errors", out["errors"], nil)
	p, _ := w.Get("contacts", a)
	w.equal("phone", p["phone"], "")
	one := w.must(200, http.MethodPatch, contacts+"/"+b, obj{"properties": obj{"phone": "2"}})
	w.equal("a single update answers the survivor", one["id"], a)
	w.must(204, http.MethodDelete, contacts+"/"+b, nil)
	w.equal("the survivor stays", len(w.All("contacts")), 1)
}

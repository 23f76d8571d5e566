package hubspotsim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"syncd/simulator/hubspotsim"
)

func traced(trace string, kv ...string) obj {
	return obj{"objectWriteTraceId": trace, "properties": props(kv...)}
}

func TestBatchCreateWithoutTraceIDsIsAllOrNothing(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.user("contacts", props("email", "old@x.cz"))
	good := obj{"properties": props("email", "new@x.cz")}
	lacking, naming := 0, 0
	for range 32 {
		out := w.must(409, http.MethodPost, contacts+"/batch/create",
			inputs(good, obj{"properties": props("email", "old@x.cz")}))
		w.equal("category", out["category"], "CONFLICT")
		if strings.Contains(fmt.Sprint(out["message"]), "Existing ID") {
			naming++
		} else {
			lacking++
		}
	}
	if lacking == 0 || naming == 0 {
		t.Errorf("the id was named %d times and left out %d times", naming, lacking)
	}
	w.must(400, http.MethodPost, contacts+"/batch/create", inputs(good, traced("w-1", "erpid", "1")))
	w.must(409, http.MethodPost, contacts+"/batch/create", inputs(good, good))
	w.must(409, http.MethodPost, contacts+"/batch/create",
		inputs(traced("same", "email", "a@x.cz"), traced("same", "email", "old@x.cz")))
	w.equal("births", len(w.Truth().Births("contacts")), 1)
	out := w.must(201, http.MethodPost, contacts+"/batch/create", inputs(good))
	w.equal("results", len(rows(out, "results")), 1)
}

func TestBatchCreateWithTraceIDsIsAppliedInPart(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	old := w.user("contacts", props("email", "old@x.cz"))
	out := w.must(207, http.MethodPost, contacts+"/batch/create", inputs(
		traced("w-1", "email", "old@x.cz"), traced("w-2", "email", "b@x.cz"),
		traced("w-3", "erpid", "1"), traced("w-4", "email", "b@x.cz")))
	w.equal("status", out["status"], "COMPLETE")
	w.equal("numErrors", out["numErrors"], 3)
	w.equal("results", len(rows(out, "results")), 1)
	made := at(out, "results", 0, "id")
	w.equal("trace of the result", at(out, "results", 0, "objectWriteTraceId"), "w-2")
	want := map[string]string{"w-1": "CONFLICT", "w-3": "VALIDATION_ERROR", "w-4": "CONFLICT"}
	existing := map[string]any{"w-1": old, "w-4": made}
	for _, e := range rows(out, "errors") {
		trace := fmt.Sprint(at(e, "context", "objectWriteTraceId", 0))
		w.equal(trace, at(e, "category"), want[trace])
		w.equal(trace, at(e, "context", "existingId", 0), existing[trace])
		if want[trace] == "CONFLICT" {
			w.equal(trace, at(e, "message"), fmt.Sprintf("Contact already exists. Existing ID: %v", existing[trace]))
		}
		delete(want, trace)
	}
	w.equal("errors without an answer", len(want), 0)
}

func TestPartialAnswerOf2026_09HasTheNormalStatus(t *testing.T) {
	w := start(t, hubspotsim.Options{APIVersion: "2026-09"})
	out := w.must(201, http.MethodPost, "/crm/objects/2026-09/contacts/batch/create", inputs(
		traced("w-1", "email", "a@x.cz"), traced("w-2", "email", "nonsense")))
	w.equal("errors", len(rows(out, "errors")), 1)
	w.equal("results", len(rows(out, "results")), 1)
}

func TestResultsAndErrorsComeInAnyOrder(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	var list []obj
	for i := range 20 {
		list = append(list, traced(fmt.Sprintf("g-%02d", i), "email", fmt.Sprintf("g%d@x.cz", i)),
			traced(fmt.Sprintf("w-%02d", i), "email", "bad"))
	}
	out := w.must(207, http.MethodPost, contacts+"/batch/create", inputs(list...))
	var good, bad []string
	for _, r := range rows(out, "results") {
		good = append(good, fmt.Sprint(at(r, "objectWriteTraceId")))
	}
	for _, e := range rows(out, "errors") {
		bad = append(bad, fmt.Sprint(at(e, "context", "objectWriteTraceId", 0)))
	}
	if len(good) != 20 || len(bad) != 20 || slices.IsSorted(good) || slices.IsSorted(bad) {
		t.Errorf("results %v, errors %v", good, bad)
	}
}

func TestTakenCustomValueIsNamedInTheTextOnly(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.unique("syncd_ref")
	old := w.user("contacts", props("email", "a@x.cz", "syncd_ref", "r1"))
	kinds := map[string]int{}
	for range 32 {
		out := w.must(207, http.MethodPost, contacts+"/batch/create", inputs(traced("w", "syncd_ref", "r1")))
		e := at(out, "errors", 0)
		kinds[fmt.Sprint(at(e, "category"))]++
		message := fmt.Sprint(at(e, "message"))
		if !strings.Contains(message, "syncd_ref") || !strings.Contains(message, "Existing ID: "+old) {
			t.Fatalf("message %q", message)
		}
		w.equal("existingId", at(e, "context", "existingId"), nil)
	}
	if kinds["CONFLICT"] == 0 || kinds["VALIDATION_ERROR"] == 0 || len(kinds) != 2 {
		t.Errorf("categories %v", kinds)
	}
	w.equal("births", len(w.Truth().Births("contacts")), 1)
}

func TestBatchHoldsAtMost100Inputs(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	var list []obj
	for i := range 101 {
		list = append(list, obj{"id": fmt.Sprint(i), "idProperty": "email", "properties": obj{}})
	}
	for _, verb := range []string{"read", "create", "update", "upsert", "archive"} {
		w.must(400, http.MethodPost, contacts+"/batch/"+verb, inputs(list...))
		w.must(400, http.MethodPost, contacts+"/batch/"+verb, inputs())
	}
	w.equal("rows are in the truth", w.Truth().Calls()[0].Rows, 101)
}

func TestSameIDTwiceRefusesTheWholeBatch(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	id := w.user("contacts", props("email", "a@x.cz"))
	twice := inputs(obj{"id": id, "objectWriteTraceId": "1", "properties": props("phone", "1")},
		obj{"id": id, "objectWriteTraceId": "2", "properties": props("phone", "2")})
	out := w.must(400, http.MethodPost, contacts+"/batch/update", twice)
	w.equal("category", out["category"], "VALIDATION_ERROR")
	w.equal("ids", at(out, "context", "ids", 0), id)
	if !strings.HasPrefix(fmt.Sprint(out["message"]), "Duplicate IDs found in batch input") {
		t.Errorf("message %v", out["message"])
	}
	p, _ := w.Get("contacts", id)
	w.equal("phone", p["phone"], "")
}

func TestBatchReadNamesMissingIDs(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.unique("syncd_ref")
	id := w.user("contacts", props("email", "a@x.cz", "syncd_ref", "r1"))
	read := func(status int, property string, ids ...string) obj {
		b := obj{"properties": []string{"email"}, "idProperty": property}
		var list []obj
		for _, i := range ids {
			list = append(list, obj{"id": i})
		}
		b["inputs"] = list
		return w.must(status, http.MethodPost, contacts+"/batch/read", b)
	}
	out := read(207, "", id, "1", "2")
	w.equal("found", at(out, "results", 0, "id"), id)
	w.equal("category", at(out, "errors", 0, "category"), "OBJECT_NOT_FOUND")
	w.equal("ids", at(out, "errors", 0, "context", "ids"), "[1 2]")
	w.equal("by token", at(read(200, "syncd_ref", "r1"), "results", 0, "id"), id)
	w.equal("by e-mail", at(read(200, "email", "A@x.cz"), "results", 0, "id"), id)
	read(400, "phone", "1")
	if err := w.UserArchive("contacts", id); err != nil {
		t.Fatal(err)
	}
	read(207, "", id)
	b := obj{"idProperty": "syncd_ref", "inputs": []obj{{"id": "r1"}}}
	out = w.must(200, http.MethodPost, contacts+"/batch/read?archived=true", b)
	w.equal("archived", at(out, "results", 0, "archived"), true)
}

func TestBatchReadRefusesUnknownPropertyNames(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	id := w.user("contacts", props("email", "a@x.cz"))
	w.must(400, http.MethodPost, contacts+"/batch/read", obj{"properties": []string{"erpid"}, "inputs": []obj{{"id": id}}})
}

func TestBatchUpdateTakesEachInputForItself(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	a := w.user("contacts", props("email", "a@x.cz"))
	b := w.user("contacts", props("email", "b@x.cz"))
	out := w.must(207, http.MethodPost, contacts+"/batch/update", inputs(
		obj{"id": a, "objectWriteTraceId": "w-a", "properties": props("phone", "1")},
		obj{"id": b, "objectWriteTraceId": "w-b", "properties": props("email", "a@x.cz")},
		obj{"id": "1", "objectWriteTraceId": "w-c", "properties": props("phone", "1")}))
	w.equal("trace", at(out, "results", 0, "objectWriteTraceId"), "w-a")
	w.equal("written", at(out, "results", 0, "properties", "phone"), "1")
	w.equal("errors", len(rows(out, "errors")), 2)
	for _, e := range rows(out, "errors") {
		switch at(e, "category") {
		case "OBJECT_NOT_FOUND":
			w.equal("ids", at(e, "context", "ids"), "[1]")
			w.equal("traces", at(e, "context", "objectWriteTraceId"), "[w-c]")
		case "CONFLICT":
			w.equal("existing", at(e, "context", "existingId"), "["+a+"]")
			w.equal("traces", at(e, "context", "objectWriteTraceId"), "[w-b]")
		default:
			t.Errorf("error %v", e)
		}
	}
	w.must(400, http.MethodPost, contacts+"/batch/update",
		inputs(obj{"id": "a@x.cz", "idProperty": "email", "properties": props("phone", "2")}))
}

func TestBatchUpsertSaysWhatIsNew(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	w.unique("erp_id")
	old := w.user("contacts", props("email", "a@x.cz", "erp_id", "C-1"))
	up := func(trace, id string, kv ...string) obj {
		return obj{"idProperty": "erp_id", "id": id, "objectWriteTraceId": trace, "properties": props(kv...)}
	}
	out := w.must(207, http.MethodPost, contacts+"/batch/upsert",
		inputs(up("1", "C-1", "phone", "7"), up("2", "C-2", "email", "b@x.cz"), up("3", "C-3", "email", "a@x.cz")))
	w.equal("results", len(rows(out, "results")), 2)
	for _, r := range rows(out, "results") {
		w.equal("new", at(r, "new"), at(r, "objectWriteTraceId") == "2")
	}
	p, _ := w.Get("contacts", old)
	w.equal("phone", p["phone"], "7")
	w.equal("e-mail stays", p["email"], "a@x.cz")
	w.must(400, http.MethodPost, contacts+"/batch/upsert",
		inputs(obj{"idProperty": "phone", "id": "7", "properties": props("city", "Brno")}))
	bare := inputs(up("", "C-9", "city", "Brno"), up("", "C-1", "email", "nonsense"))
	w.must(400, http.MethodPost, contacts+"/batch/upsert", bare)
	w.equal("births", len(w.Truth().Births("contacts")), 2)
}

func TestBatchArchiveIs204ForUnknownIDsToo(t *testing.T) {
	w := start(t, hubspotsim.Options{})
	a := w.user("contacts", props("email", "a@x.cz"))
	w.must(204, http.MethodPost, contacts+"/batch/archive", inputs(obj{"id": a}, obj{"id": "1"}))
	w.equal("left", len(w.All("contacts")), 0)
	w.equal("changes", len(w.Truth().Changes()), 2)
}

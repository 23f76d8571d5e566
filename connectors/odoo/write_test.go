package odoo

import (
	"fmt"
	"strings"
	"testing"

	"syncd/connectors"
)

const object = "res.partner"

// outcomes gives results as "applied 5, not_applied invalid own", …
func outcomes(results []connectors.Result) string {
	var out []string
	for _, r := range results {
		s := string(r.Outcome)
		if r.Err == nil {
			s += " " + r.RecordID
		} else {
			s += " " + string(r.Err.Kind)
			if r.Err.WholeCall {
				s += " whole"
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func TestCreate(t *testing.T) {
	missing := oops("odoo.exceptions.MissingError", "Record does not exist or has been deleted.\n(Record: res.country(9,), User: 2)")
	for _, x := range []struct {
		name    string
		answers []string
		status  int
		want    string
		loads   int
		pauses  int64
	}{
		{"in row order", []string{loadOK}, 0, "applied 1113, applied 1114", 1, 0},
		{"bad row", []string{loadBogus}, 0, "not_applied transient whole, not_applied invalid", 1, 0},
		{"constraint", []string{loadNoName}, 0, "not_applied transient whole, not_applied invalid", 1, 0},
		{"race once", []string{loadLostRace, loadOK}, 0, "applied 1113, applied 1114", 2, 1},
		{"race thrice", []string{loadLostRace}, 0, "not_applied transient whole, not_applied transient whole", 3, 2},
		{"strange once", []string{loadStrange, loadOK}, 0, "applied 1113, applied 1114", 2, 1},
		{"strange twice", []string{loadStrange}, 0, "not_applied invalid, not_applied transient whole", 2, 1},
		{"race, then broken", []string{loadLostRace, `7`}, 0, "unknown transient whole, unknown transient whole", 2, 1},
		{"nameless refusal", []string{`{"ids":false,"messages":[{"type":"error","field":"x","message":"m"}]}`}, 0, "not_applied invalid whole, not_applied invalid whole", 1, 0},
		{"not ours", []string{`{"ids":[1]}`}, 0, "unknown transient whole, unknown transient whole", 1, 0},
		{"no result", []string{""}, 0, "unknown transient whole, unknown transient whole", 1, 0},
		{"unknown column", []string{oops("builtins.KeyError", "nofield")}, 0, "not_applied config whole, not_applied config whole", 1, 0},
		{"no right", []string{oops("odoo.exceptions.AccessError", "You are not allowed to create 'Contact' (res.partner) records.")}, 0, "not_applied forbidden whole, not_applied forbidden whole", 1, 0},
		{"dangling", []string{missing}, 0, "not_applied invalid whole, not_applied invalid whole", 1, 0},
		{"proxy", []string{"busy"}, 429, "not_applied throttled whole, not_applied throttled whole", 1, 0},
		{"gateway", []string{"oops"}, 502, "unknown transient whole, unknown transient whole", 1, 0},
		{"database lost", []string{oops("psycopg2.OperationalError", "server closed the connection unexpectedly")}, 0, "unknown transient whole, unknown transient whole", 1, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			f := newFake()
			f.answers["res.partner.load"] = x.answers
			f.answers["res.partner.search_read"] = []string{`[]`}
			f.status["res.partner.load"] = x.status
			c, pauses := dial(t, f)
			writes := creates("Ann", "Ben")
			results := c.Write(t.Context(), object, connectors.Create, writes)
			checkResults(t, connectors.Create, writes, results)
			if got := outcomes(results); got != x.want {
				t.Errorf("got %s, want %s", got, x.want)
			}
			if n := len(f.of(object, "load")); n != x.loads || pauses.Load() != x.pauses {
				t.Errorf("%d loads, %d pauses", n, pauses.Load())
			}
			for _, r := range results {
				if r.Err != nil && (strings.Contains(r.Err.Error()+r.Err.Said, "SECRET") || strings.Contains(r.Err.Error(), "sim-key")) {
					t.Errorf("the error shows what it must not: %v", r.Err)
				}
			}
		})
	}
}

// A conflict may mean that a twin of the call made the record: it is not
// written over.
func TestCreateLooksBeforeItRepeats(t *testing.T) {
	f := newFake()
	f.answers["res.partner.load"] = []string{loadLostRace, `{"ids":[9]}`}
	f.answers["res.partner.search_read"] = []string{`[]`}
	f.answers["ir.model.data.search_read"] = []string{`[{"id":1,"name":"t0","res_id":8}]`}
	f.answers["res.partner.read"] = []string{`[{"id":8}]`}
	c, _ := dial(t, f)
	got := outcomes(c.Write(t.Context(), object, connectors.Create, creates("Ann", "Ben")))
	if got != "exists 8, applied 9" {
		t.Error(got)
	}
	if second := f.of(object, "load")[1].Body; strings.Contains(second, "syncd.t0") || !strings.Contains(second, "syncd.t1") {
		t.Errorf("the repeat sent %s", second)
	}
}

func TestCreateSendsStringsGroupedByColumns(t *testing.T) {
	f := newFake()
	f.answers["res.partner.load"] = []string{`{"ids":[1,2]}`, `{"ids":[3]}`}
	c, _ := dial(t, f)
	writes := creates("Ann", "Ben", "Cid")
	writes[0].Values["is_company"], writes[0].Values["parent_id"] = "false", "5"
	writes[2].Values["is_company"], writes[2].Values["parent_id"] = "true", "6"
	writes[1].Values["email"] = "" // left out, not cleared
	if got := outcomes(c.Write(t.Context(), object, connectors.Create, writes)); got != "applied 1, applied 3, applied 2" {
		t.Error(got)
	}
	calls := f.of(object, "load")
	want := []string{
		`[["id","is_company","name","parent_id/.id","x_syncd_ref"],[["syncd.t0","False","Ann","5","t0"],["syncd.t2","True","Cid","6","t2"]]]`,
		`[["id","name","x_syncd_ref"],[["syncd.t1","Ben","t1"]]]`,
	}
	for i, w := range want {
		if !strings.HasPrefix(calls[i].Body, w) {
			t.Errorf("load %d sent %s, want %s", i, calls[i].Body, w)
		}
	}
	if !strings.Contains(calls[0].Body, `"tracking_disable":true`) || !strings.Contains(calls[0].Body, `"active_test":false`) {
		t.Errorf("context: %s", calls[0].Body)
	}
}

func TestCreateRefusesWhatItCannotSend(t *testing.T) {
	f := newFake()
	f.answers["res.partner.load"] = []string{`{"ids":[1]}`}
	c, _ := dial(t, f)
	writes := creates("fine", "a", "b", "c", "d", "e")
	writes[1].Token = ""
	writes[2].Token = "with space"
	writes[3].Token = writes[0].Token
	writes[4].Values["x_nope"] = "1"
	writes[5].Values["color"] = "red"
	got := outcomes(c.Write(t.Context(), object, connectors.Create, writes))
	if got != "applied 1, not_applied bug, not_applied bug, not_applied bug, not_applied config whole, not_applied invalid" {
		t.Error(got)
	}
}

func TestUpdate(t *testing.T) {
	gone := oops("odoo.exceptions.MissingError", "Record does not exist or has been deleted.\n(Record: res.partner(2,), User: 2)")
	dangling := oops("odoo.exceptions.MissingError", "Record does not exist or has been deleted.\n(Record: res.partner(77,), User: 2)")
	country := oops("odoo.exceptions.MissingError", "Record does not exist or has been deleted.\n(Record: res.country(2,), User: 2)")
	rule := oops("odoo.exceptions.AccessError", "Due to security restrictions, you are not allowed to modify 'Contact' (res.partner) records.")
	unseen := `{"ids":false,"messages":[{"type":"error","record":1,"field":".id","message":"Unknown database identifier '2'"}]}`
	for _, x := range []struct {
		name   string
		values []string
		write  string
		load   string
		exists string
		want   string
		calls  string
	}{
		{"one", []string{"a"}, `true`, "", "", "applied 1", "write"},
		{"equal values", []string{"a", "a", "a"}, `true`, "", "", "applied 1, applied 2, applied 3", "write"},
		{"different values", []string{"a", "b"}, "", `{"ids":[1,2]}`, "", "applied 1, applied 2", "load"},
		{"equal and single", []string{"a", "a", "b"}, `true`, "", "", "applied 1, applied 2, applied 3", "write write"},
		{"null", []string{""}, `true`, "", "", "applied 1", "write"},
		{"not true", []string{"a"}, `null`, "", "", "unknown transient whole", "write"},
		{"gone", []string{"a", "a"}, gone, "", "", "not_applied transient whole, not_applied gone", "write"},
		{"parent gone", []string{"a"}, dangling, "", "", "not_applied invalid", "write"},
		{"country gone", []string{"a", "a"}, country, "", "", "not_applied invalid whole, not_applied invalid whole", "write"},
		{"rule", []string{"a"}, rule, "", "", "not_applied forbidden", "write"},
		{"load unseen, gone", []string{"a", "b"}, "", unseen, `[]`, "not_applied transient whole, not_applied gone", "load exists"},
		{"load unseen, hidden", []string{"a", "b"}, "", unseen, `[2]`, "not_applied transient whole, not_applied forbidden", "load exists"},
		{"load of another record", []string{"a", "b"}, "", `{"ids":[1,9]}`, "", "applied 1, unknown transient whole", "load"},
	} {
		t.Run(x.name, func(t *testing.T) {
			f := newFake()
			f.answers["res.partner.write"] = []string{x.write}
			f.answers["res.partner.load"] = []string{x.load}
			f.answers["res.partner.exists"] = []string{x.exists}
			c, _ := dial(t, f)
			writes := updates(x.values...)
			results := c.Write(t.Context(), object, connectors.Update, writes)
			if got := outcomes(results); got != x.want {
				t.Errorf("got %s, want %s", got, x.want)
			}
			var calls []string
			for _, a := range f.calls {
				if a.Model == object && a.Method != "fields_get" {
					calls = append(calls, a.Method)
				}
			}
			if got := strings.Join(calls, " "); got != x.calls {
				t.Errorf("calls %s, want %s", got, x.calls)
			}
		})
	}
}

// After a call of unknown outcome no other is made.
func TestUnknownEndsTheBatch(t *testing.T) {
	f := newFake()
	f.answers["res.partner.write"] = []string{"oops"}
	f.status["res.partner.write"] = 502
	c, _ := dial(t, f)
	writes := updates("a", "a", "b")
	writes[2].Values = map[string]string{"email": "b"}
	if got := outcomes(c.Write(t.Context(), object, connectors.Update, writes)); got != "unknown transient whole, unknown transient whole, not_applied transient whole" {
		t.Error(got)
	}
	if n := len(f.of(object, "write")); n != 1 {
		t.Errorf("%d writes", n)
	}
}

func TestNothingToWrite(t *testing.T) {
	f := newFake()
	c, _ := dial(t, f)
	if got := c.Write(t.Context(), object, connectors.Update, nil); len(got) != 0 {
		t.Error(got)
	}
	w := []connectors.Write{{Key: "k", RecordID: "5"}}
	if got := outcomes(c.Write(t.Context(), object, connectors.Update, w)); got != "applied 5" {
		t.Error(got)
	}
}

// A server whose JSON-RPC is gone is spoken to by JSON-2.
func TestFallsBackToJSON2(t *testing.T) {
	f := newFake()
	f.json2 = true
	f.answers["res.partner.write"] = []string{`true`}
	c, _ := dial(t, f)
	c.learn(server{known: true, version: "17.0"})
	if got := outcomes(c.Write(t.Context(), object, connectors.Update, updates("a"))); got != "applied 1" {
		t.Error(got)
	}
	if got := f.of(object, "write")[0].Body; !strings.Contains(got, `"ids":[1]`) || !strings.Contains(got, `"vals":{"name":"a"}`) {
		t.Errorf("sent %s", got)
	}
}

func TestJSON2Refusals(t *testing.T) {
	for _, x := range []struct {
		status int
		body   string
		want   string
	}{
		{422, `{"name":"odoo.exceptions.ValidationError","message":"no","debug":"Traceback SECRET"}`, "not_applied invalid"},
		{422, `"no"`, "not_applied bug whole"},
		{401, `{"name":"werkzeug.exceptions.Unauthorized","message":"Invalid apikey"}`, "not_applied auth whole"},
		{403, `{"name":"odoo.exceptions.AccessDenied","message":"Access Denied"}`, "not_applied auth whole"},
		{404, `{"name":"odoo.exceptions.MissingError","message":"gone\n(Record: res.partner(1,), User: 2)"}`, "not_applied gone"},
		{409, `{"name":"odoo.exceptions.LockError","message":"locked"}`, "not_applied transient whole"},
		{500, `{"name":"builtins.ValueError","message":"Wrong value for res.partner.type: 'bogus'"}`, "not_applied invalid"},
		{500, `{"name":"somebody.Error","message":"?"}`, "unknown transient whole"},
		{500, `<html>`, "unknown transient whole"},
		{429, ``, "not_applied throttled whole"},
	} {
		t.Run(fmt.Sprint(x.status, x.want), func(t *testing.T) {
			f := newFake()
			f.json2 = true
			f.answers["res.partner.write"] = []string{x.body}
			f.status["res.partner.write"] = x.status
			c, _ := dial(t, f)
			if got := outcomes(c.Write(t.Context(), object, connectors.Update, updates("a"))); got != x.want {
				t.Errorf("got %s, want %s", got, x.want)
			}
		})
	}
}

package odoo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// The answers are those of vendors/odoo.md 7, as they were seen.
const (
	loadOK       = `{"ids": [1113, 1114], "messages": [], "nextrow": 0}`
	loadBogus    = `{"ids": false, "messages": [{"rows": {"from": 1, "to": 1}, "type": "error", "record": 1, "field": "type", "message": "Value 'bogus' not found in selection field 'Address Type'", "moreinfo": ["Contact"], "field_name": "Address Type"}], "nextrow": 0}`
	loadNoName   = `{"ids": false, "messages": [{"rows": {"from": 1, "to": 1}, "record": 1, "type": "error", "message": "'Contacts require a name'"}], "nextrow": 0}`
	loadLostRace = `{"ids": false, "messages": [{"rows": {"from": 0, "to": 0}, "record": 0, "type": "error", "message": "could not serialize access due to concurrent update\n"}], "nextrow": 0}`
	loadStrange  = `{"ids": false, "messages": [{"rows": {"from": 0, "to": 0}, "record": 0, "type": "error", "message": "no se pudo seriar el acceso"}], "nextrow": 0}`
)

func TestReadLoad(t *testing.T) {
	for _, x := range []struct {
		name, raw string
		fate      fate
		rows      map[int]string // row → field
	}{
		{"done", loadOK, loadDone, nil},
		{"warnings", `{"ids":[1,2],"messages":[{"type":"warning","message":"m","record":0}]}`, loadDone, nil},
		{"data", loadBogus, loadRefused, map[int]string{1: "type"}},
		{"constraint", loadNoName, loadRefused, map[int]string{1: ""}},
		{"race", loadLostRace, loadConflict, map[int]string{0: ""}},
		{"deadlock", `{"ids":false,"messages":[{"type":"error","record":0,"message":"deadlock detected"}]}`, loadConflict, map[int]string{0: ""}},
		{"locked order", `{"ids":false,"messages":[{"type":"error","record":0,"message":"The order is locked"}]}`, loadOdd, map[int]string{0: ""}},
		{"race in a field", `{"ids":false,"messages":[{"type":"error","record":0,"field":"name","message":"serialize"}]}`, loadRefused, map[int]string{0: "name"}},
		{"column path", `{"ids":false,"messages":[{"type":"error","record":0,"field":"parent_id/.id","message":"m"}]}`, loadRefused, map[int]string{0: "parent_id"}},
		{"no messages", `{"ids":false}`, loadConflict, nil},
		{"rows out of range", `{"ids":false,"messages":[{"type":"error","rows":{"from":0,"to":7},"field":"name","message":"m"}]}`, loadRefused, nil},
		{"strange message", `{"ids":false,"messages":[{"record":"x"},7,{"type":"error","record":1,"field":"name","message":"m"}]}`, loadRefused, map[int]string{1: "name"}},
		{"too few ids", `{"ids":[1]}`, loadBroken, nil},
		{"too many ids", `{"ids":[1,2,3]}`, loadBroken, nil},
		{"id false", `{"ids":[1,false]}`, loadBroken, nil},
		{"id null", `{"ids":[1,null]}`, loadBroken, nil},
		{"id zero", `{"ids":[1,0]}`, loadBroken, nil},
		{"ids true", `{"ids":true}`, loadBroken, nil},
		{"ids null", `{"ids":null}`, loadBroken, nil},
		{"null", `null`, loadBroken, nil},
		{"list", `[1,2]`, loadBroken, nil},
		{"empty", ``, loadBroken, nil},
	} {
		got := readLoad(json.RawMessage(x.raw), 2)
		if got.fate != x.fate || len(got.rows) != len(x.rows) {
			t.Errorf("%s: %+v", x.name, got)
		}
		for i, f := range x.rows {
			if r, ok := got.rows[i]; !ok || r.field != f {
				t.Errorf("%s: row %d: %+v", x.name, i, got.rows)
			}
		}
	}
}

// canned answers every execute_kw with one body, in process.
type canned struct {
	body     []byte
	envelope bool // wrap the body as a result
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	var q struct {
		ID int64 `json:"id"`
	}
	sent, _ := io.ReadAll(r.Body)
	_ = json.Unmarshal(sent, &q)
	body := c.body
	if c.envelope {
		body = fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"result":%s}`, q.ID, c.body)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)), Request: r,
	}, nil
}

// primed gives a client that knows server, user and schema already.
func primed(t testing.TB, rt http.RoundTripper) *Client {
	t.Helper()
	c, err := New(Config{
		System: "erp", URL: "http://erp.example", Database: "acme", Login: "syncd", APIKey: func() string { return "k" },
		Pause: func(context.Context, time.Duration) {},
	}, wire.NewClient(rt))
	if err != nil {
		t.Fatal(err)
	}
	c.learn(server{known: true, version: "17.0"})
	c.keepUser(7)
	c.schemas["res.partner"] = schema{
		"name": {name: "name", kind: typeChar}, "email": {name: "email", kind: typeChar},
		DefaultTokenField: {name: DefaultTokenField, kind: typeChar},
	}
	return c
}

// checkResults states what holds for any answer: one result per write, each
// under its own key; what is applied has an id, an update its own.
func checkResults(t *testing.T, op connectors.Op, writes []connectors.Write, results []connectors.Result) {
	t.Helper()
	if len(results) != len(writes) {
		t.Fatalf("%d results for %d writes", len(results), len(writes))
	}
	for i, r := range results {
		_, idOK := parseID(r.RecordID)
		switch {
		case r.Key != writes[i].Key:
			t.Fatalf("result %d has key %q", i, r.Key)
		case r.Outcome == connectors.Applied && !idOK:
			t.Fatalf("applied without an id: %+v", r)
		case r.Outcome == connectors.Applied && op == connectors.Update && r.RecordID != writes[i].RecordID:
			t.Fatalf("update of %s applied to %s", writes[i].RecordID, r.RecordID)
		case (r.Outcome == connectors.NotApplied || r.Outcome == connectors.Unknown) != (r.Err != nil):
			t.Fatalf("outcome %s with error %v", r.Outcome, r.Err)
		}
	}
}

// updates gives writes of one field to records from id 1 on.
func updates(values ...string) []connectors.Write {
	var out []connectors.Write
	for i, v := range values {
		id := strconv.Itoa(i + 1)
		out = append(out, connectors.Write{Key: "u" + id, RecordID: id, Values: map[string]string{"name": v}})
	}
	return out
}

// FuzzLoadAnswer: whatever load() answers, no row gets another row's result.
func FuzzLoadAnswer(f *testing.F) {
	for _, s := range []string{loadOK, loadBogus, loadNoName, loadLostRace, loadStrange, `{"ids":[2,1]}`, `{"ids":false}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for n := range 4 {
			a := readLoad(raw, n)
			if a.fate == loadDone && len(a.ids) != n {
				t.Fatalf("%d ids for %d rows", len(a.ids), n)
			}
			for i := range a.rows {
				if i < 0 || i >= n {
					t.Fatalf("row %d of %d", i, n)
				}
			}
		}
		if !json.Valid(raw) {
			return
		}
		c := primed(t, canned{body: raw, envelope: true})
		for op, writes := range map[connectors.Op][]connectors.Write{connectors.Create: creates("a", "b"), connectors.Update: updates("a", "b")} {
			checkResults(t, op, writes, c.Write(t.Context(), "res.partner", op, writes))
		}
	})
}

// FuzzRPCAnswer: whatever body arrives, nothing panics, a call is answered by
// its own answer only, and a write is never taken for done without proof.
func FuzzRPCAnswer(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"result":true}`, `{"jsonrpc":"2.0","id":2,"result":true}`, `{"jsonrpc":"2.0","id":1}`, `{"jsonrpc":"2.0","id":1,"result":` + loadOK + `}`,
		`{"jsonrpc":"2.0","id":1,"error":{"code":200,"message":"Odoo Server Error","data":{"name":"odoo.exceptions.MissingError","message":"(Record: res.partner(1,), User: 2)"}}}`,
		`{"jsonrpc":"2.0","id":1,"error":{}}`, `<html>`, `[]`, `null`, ``, `{"jsonrpc":"2.0","id":1,"result":[{"id":1,"name":false,"write_date":"2026-11-20 15:05:42","write_uid":[7,"b"]}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for op, writes := range map[connectors.Op][]connectors.Write{connectors.Create: creates("a", "b"), connectors.Update: updates("a")} {
			c := primed(t, canned{body: body})
			checkResults(t, op, writes, c.Write(t.Context(), "res.partner", op, writes))
		}
		c := primed(t, canned{body: body})
		seen, err := c.Read(t.Context(), "res.partner", []string{"1", "2"}, []string{"name"})
		if err == nil && (len(seen) != 2 || seen[0].Asked != "1" || seen[1].Asked != "2") {
			t.Fatalf("sightings %+v", seen)
		}
		for _, s := range seen {
			if s.Sight == connectors.SightFound && s.Record.ID != s.Asked {
				t.Fatalf("asked %s, found %s", s.Asked, s.Record.ID)
			}
		}
		c = primed(t, canned{body: body})
		_, _ = c.Find(t.Context(), "res.partner", connectors.Lookup{Field: DefaultTokenField, Values: []string{"a"}}, nil)
		_, _ = c.List(t.Context(), "res.partner", connectors.Query{Since: time.Unix(1, 0), Limit: 2})
		_, _ = c.Locate(t.Context(), "res.partner", "1", "a")
		_, _ = c.Probe(t.Context(), []string{"res.partner"})
	})
}

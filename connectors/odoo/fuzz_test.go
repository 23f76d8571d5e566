package odoo

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
)

// counted answers every call with one status and body, and counts them.
type counted struct {
	status int
	body   []byte
	json2  bool // the body as it is, else as the result of a JSON-RPC call
	calls  int
}

// runaway ends a loop of calls that would never end by itself.
const runaway = 100

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.calls++; c.calls > runaway {
		return nil, errors.New("too many calls")
	}
	if !c.json2 {
		return canned{body: c.body, envelope: true}.RoundTrip(r)
	}
	return &http.Response{
		StatusCode: c.status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(c.body)), Request: r,
	}, nil
}

// position puts cursors of one mode of listing in order: what follows a cursor
// is greater, so that a listing ends.
func (k cursor) position() (second, after int64) {
	second = 2 * k.at
	if k.mode == inside {
		second++
	}
	return second, k.after
}

// FuzzCursor: a text is either a cursor of ours, in its one spelling, and asks
// for times that Odoo can read, or it is refused without a call.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{"1.t.1795187142.0", "1.s.1795187142.7", "1.i.0.5", "1.t.-5.0", "1.t.+5.0", "1.t.99999999999999.0", "1.x.1.1", "1.t.1.1.1", "", "1.t.1 .1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, ok := parseCursor(s)
		rt := &counted{body: []byte(`[]`)}
		_, err := primed(t, rt).List(t.Context(), object, connectors.Query{Since: time.Unix(1, 0), Cursor: s})
		if !ok {
			if s != "" && (connectors.KindOf(err) != connectors.KindBug || rt.calls != 0) {
				t.Fatalf("%d calls by a strange cursor, %v", rt.calls, err)
			}
			return
		}
		if k.text() != s || err != nil {
			t.Fatalf("%q is taken for %q: %v", s, k.text(), err)
		}
		for _, leaf := range k.domain() {
			parts, _ := leaf.([]any)
			if text, isTime := parts[2].(string); isTime {
				if at, ok := parseTime(text); !ok || (at.Unix() != k.at && at.Unix() != k.at+1) {
					t.Fatalf("%q asks for %q", s, text)
				}
			}
		}
	})
}

// listMostCalls bounds the calls for one page, however odd the answers.
const listMostCalls = 4

// FuzzListAnswer: whatever a search_read answers, records have ids, a listing
// goes on behind where it was, in a few calls, and what fails gives nothing.
func FuzzListAnswer(f *testing.F) {
	for _, s := range []string{
		"[" + annRow + "," + benRow + "]", "[" + benRow + "," + annRow + "," + annRow + "]", `[{"id":3,"write_date":false},{"id":2}]`,
		`[{"id":1,"write_date":"0000-01-01 00:00:00"},{"id":2,"write_date":"9999-12-31 23:59:59"}]`, `[{"id":"1"}]`, `[{}]`, `[]`, `null`, `{}`,
	} {
		for _, k := range []string{"1.t.1795187142.0", "1.s.1795187142.1", "1.i.0.0"} {
			f.Add([]byte(s), k, uint8(1))
		}
	}
	f.Fuzz(func(t *testing.T, rows []byte, text string, limit uint8) {
		k, ok := parseCursor(text)
		if !ok || !json.Valid(rows) {
			return
		}
		rt := &counted{body: rows}
		q := connectors.Query{Since: time.Unix(1, 0), Cursor: text, Limit: int(limit), Fields: []string{"name"}}
		p, err := primed(t, rt).List(t.Context(), object, q)
		if rt.calls > listMostCalls || (err != nil && (p.Next != "" || len(p.Records) > 0)) {
			t.Fatalf("%d calls, %+v, %v", rt.calls, p, err)
		}
		for _, r := range p.Records {
			if id, ok := parseID(r.ID); !ok || (k.mode == byID && id <= k.after) {
				t.Fatalf("after %q comes record %q", text, r.ID)
			}
		}
		if p.Next == "" || strings.Contains(p.Next, idText(lastSecond+1)) { // the end, or that of all times
			return
		}
		next, ok := parseCursor(p.Next)
		s1, a1 := k.position()
		s2, a2 := next.position()
		if !ok || (next.mode == byID) != (k.mode == byID) || cmp.Or(cmp.Compare(s1, s2), cmp.Compare(a1, a2)) >= 0 {
			t.Fatalf("after %q comes %q", text, p.Next)
		}
	})
}

var firstDigits = regexp.MustCompile(`[0-9]+`)

// referenceMajor gives the first number in a version, 0 for none: of the list
// where there is one, else of the text (vendors/odoo.md 0).
func referenceMajor(info []any, text string) *big.Int {
	n := new(big.Int)
	if len(info) > 0 {
		switch v := info[0].(type) {
		case string:
			n.SetString(firstDigits.FindString(v), 10)
		case json.Number:
			n.SetString(firstDigits.FindString(v.String()), 10)
		}
	}
	if n.Sign() == 0 {
		n.SetString(firstDigits.FindString(text), 10)
	}
	return n
}

// FuzzVersion: a version is known only if it has a number, and JSON-2 is
// spoken only to 19 and later.
func FuzzVersion(f *testing.F) {
	for _, s := range []string{
		`{"version":"19.0","version_info":[19,0,0,"final",0,""]}`, `{"server_version":"17.0-20240709","server_version_info":[17,0,0,"final",0,""]}`,
		`{"version":"saas~19.1","version_info":["saas~19",1]}`, `{"version":"x","version_info":["saas\u007e19"]}`, `{"version":"0.19"}`,
		`{"version_info":[{"a":19}]}`, `{"version_info":[[19]]}`, `{"version":"99999999999999999999"}`, `{"version":"18","version_info":[null]}`,
		`{"version_info":[18.9]}`, `null`, `[]`, `<html>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, ok := readVersion(body)
		if !ok {
			return
		}
		var v struct {
			Version       string `json:"version"`
			Info          []any  `json:"version_info"`
			ServerVersion string `json:"server_version"`
			ServerInfo    []any  `json:"server_version_info"`
		}
		if err := decode(body, &v); err != nil {
			t.Fatalf("%q has a version", body)
		}
		info, text := v.Info, v.Version
		if len(info) == 0 {
			info = v.ServerInfo
		}
		if text == "" {
			text = v.ServerVersion
		}
		major := referenceMajor(info, text)
		if major.Sign() == 0 || !got.known || got.json2 != (major.Cmp(big.NewInt(firstJSON2)) >= 0) || len(got.version) > maxSaid+len("…") {
			t.Fatalf("%q: %+v, the reference says %s", body, got, major)
		}
	})
}

// FuzzJSON2Answer: whatever status and body arrive, a write is taken for done
// only by a 200 that says so, and a record is never another one.
func FuzzJSON2Answer(f *testing.F) {
	for _, s := range []string{
		`true`, `{"ids":[1,2]}`, `null`, `"no"`, ``, `<html>`, "[" + annRow + "]",
		`{"name":"odoo.exceptions.MissingError","message":"(Record: res.partner(1,), User: 2)"}`, `{"name":"builtins.KeyError","message":"x"}`,
	} {
		for _, status := range []uint16{200, 201, 404, 422, 429, 500} {
			f.Add(status, []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		c := primed(t, &counted{status: int(status), body: body, json2: true})
		c.learn(server{known: true, json2: true, version: "19.0"})
		for op, writes := range map[connectors.Op][]connectors.Write{connectors.Create: creates("a", "b"), connectors.Update: updates("a")} {
			results := c.Write(t.Context(), object, op, writes)
			checkResults(t, op, writes, results)
			applied := slices.ContainsFunc(results, func(r connectors.Result) bool { return r.Outcome == connectors.Applied })
			if proof := status == http.StatusOK && (op == connectors.Create || strings.TrimSpace(string(body)) == "true"); applied && !proof {
				t.Fatalf("%s is done by %d %q", op, status, body)
			}
		}
		seen, err := c.Read(t.Context(), object, []string{"1", "2"}, []string{"name"})
		if err == nil && (status != http.StatusOK || len(seen) != 2) {
			t.Fatalf("%d %q: %+v", status, body, seen)
		}
		for _, s := range seen {
			if s.Sight == connectors.SightFound && s.Record.ID != s.Asked {
				t.Fatalf("asked %s, found %s", s.Asked, s.Record.ID)
			}
		}
	})
}

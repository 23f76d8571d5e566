package hubspot

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// recorder answers every call with one body and keeps what was sent.
type recorder struct {
	body []byte
	urls []string
	sent [][]byte
}

// runaway ends a loop of calls that would never end by itself.
const runaway = 100

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	if len(r.urls) >= runaway {
		return nil, errors.New("too many calls")
	}
	sent, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	r.urls, r.sent = append(r.urls, q.URL.String()), append(r.sent, sent)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(r.body)), Request: q}, nil
}

func (r *recorder) client(t *testing.T) *Client {
	t.Helper()
	c, err := New(Config{System: "crm", Token: func() string { return "x" }}, wire.NewClient(r))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// before says that a cursor by time stands before another one: a listing that
// follows such steps ends.
func (cu cursor) before(next cursor) bool {
	return cu.From < next.From || cu.From == next.From && idLess(cu.Tie, next.Tie)
}

// FuzzCursor: a text is either one of our cursors, whole and unchanged, and
// leads to one well-formed call, or it is refused without any.
func FuzzCursor(f *testing.F) {
	for _, cu := range []cursor{{}, {After: "abc"}, {From: 1763640001000, Seen: []string{"1", "2"}}, {From: 5, Tie: "10"}, {Tie: "1 OR 1"}} {
		f.Add(cu.encode())
	}
	f.Add("x")
	f.Add("e30")
	f.Fuzz(func(t *testing.T, s string) {
		cu, ok := decodeCursor(s)
		if ok {
			again, same := decodeCursor(cu.encode())
			if !same || !equalCursors(again, cu) || cu.V != cursorVersion || (cu.Tie != "" && !idPattern.MatchString(cu.Tie)) {
				t.Fatalf("%+v came back as %+v", cu, again)
			}
		}
		for _, since := range []time.Time{{}, time.UnixMilli(1)} {
			rec := &recorder{body: []byte(`{"results":[]}`)}
			_, err := rec.client(t).List(t.Context(), "contacts", connectors.Query{Since: since, Cursor: s})
			switch {
			case s == "" || ok:
				if err != nil || len(rec.urls) == 0 {
					t.Fatalf("%d calls, %v", len(rec.urls), err)
				}
			case connectors.KindOf(err) != connectors.KindBug || len(rec.urls) != 0:
				t.Fatalf("%d calls by a strange cursor, %v", len(rec.urls), err)
			}
			for i, u := range rec.urls {
				path, _, _ := strings.Cut(u, "?")
				if !strings.HasPrefix(path, DefaultBaseURL+"/crm/objects/") || (len(rec.sent[i]) > 0 && !json.Valid(rec.sent[i])) {
					t.Fatalf("a cursor led to %s", u)
				}
			}
		}
	})
}

func equalCursors(a, b cursor) bool {
	return a.V == b.V && a.After == b.After && a.From == b.From && a.Tie == b.Tie && slices.Equal(a.Seen, b.Seen)
}

// listMostCalls bounds the calls for one page, however odd the answers.
const listMostCalls = 8

// FuzzListAnswer: whatever a list, a search or a batch read answers, a page
// has well-formed ids, each once; a listing by time goes on behind where it
// was, in a few calls; what fails gives nothing.
func FuzzListAnswer(f *testing.F) {
	for _, s := range []string{
		`{"results":[{"id":"11","properties":{"lastmodifieddate":"2026-11-20T12:00:00.001Z"},"updatedAt":"2026-11-20T12:00:00.001Z"},{"id":12,"updatedAt":"2026-11-20T12:00:00.001Z"}],"paging":{"next":{"after":"2"}}}`,
		`{"results":[{"id":"11"},{"id":"11"},{"id":"1 OR 1"},{"id":null},{"id":"../x"}]}`,
		`{"results":[],"paging":{"next":{"after":"2"}}}`, `{"results":null}`, `{"id":"11"}`, `[]`, `null`, `<html>`, ``,
	} {
		f.Add([]byte(s), int64(0), "", uint8(2))
		f.Add([]byte(s), int64(1_795_176_000_001), "0", uint8(1))
	}
	f.Fuzz(func(t *testing.T, body []byte, from int64, tie string, size uint8) {
		if from < 0 || from > 1e13 || (tie != "" && !idPattern.MatchString(tie)) {
			return // none of our cursors
		}
		at := cursor{From: from, Tie: tie, Seen: []string{"11"}}
		q := connectors.Query{Since: time.UnixMilli(1), Cursor: at.encode(), Limit: int(size), Fields: []string{"lastname"}}
		checkPage(t, body, q, at)
		q.Since, q.Cursor = time.Time{}, cursor{After: "1"}.encode()
		checkPage(t, body, q, cursor{})
		checkSightings(t, body)
		checkFound(t, body)
	})
}

// checkPage checks one page; at is the cursor of a listing by time.
func checkPage(t *testing.T, body []byte, q connectors.Query, at cursor) {
	t.Helper()
	rec := &recorder{body: body}
	p, err := rec.client(t).List(t.Context(), "contacts", q)
	if len(rec.urls) > listMostCalls {
		t.Fatalf("%d calls for a page", len(rec.urls))
	}
	if err != nil && (len(p.Records) > 0 || p.Next != "") {
		t.Fatalf("a page beside %v", err)
	}
	checkIDs(t, p.Records)
	if p.Next == "" {
		return
	}
	next, ok := decodeCursor(p.Next)
	if !ok || p.Next == q.Cursor || (!q.Since.IsZero() && !at.before(next)) {
		t.Fatalf("after %+v comes %+v (%v)", at, next, ok)
	}
}

// checkIDs checks that every record has an id, and each another one.
func checkIDs(t *testing.T, records []connectors.Record) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range records {
		if !idPattern.MatchString(r.ID) || seen[r.ID] || (r.Version != "" && len(r.Version) != 16) {
			t.Fatalf("record %+v", r)
		}
		seen[r.ID] = true
	}
}

// checkSightings checks a read: what was asked, in order, and no record under
// the id of another one that was asked for.
func checkSightings(t *testing.T, body []byte) {
	t.Helper()
	asked := []string{"11", "12", "11", "x"}
	got, err := (&recorder{body: body}).client(t).Read(t.Context(), "contacts", asked, []string{"lastname"})
	if err != nil {
		return
	}
	if len(got) != len(asked) {
		t.Fatalf("%d sightings", len(got))
	}
	for i, s := range got {
		seen := s.Sight == connectors.SightFound || s.Sight == connectors.SightArchived
		if s.Asked != asked[i] || (seen && !idPattern.MatchString(s.Record.ID)) || (seen && asked[i] == "x") {
			t.Fatalf("asked for %s: %+v", asked[i], s)
		}
	}
}

// checkFound checks a look-up by search: what is found holds what was sought.
func checkFound(t *testing.T, body []byte) {
	t.Helper()
	by := connectors.Lookup{Field: "lastname", Values: []string{"Nováková", "Berg"}}
	got, err := (&recorder{body: body}).client(t).Find(t.Context(), "contacts", by, nil)
	if err != nil {
		return
	}
	checkIDs(t, got)
	for _, r := range got {
		if !slices.Contains([]string{"nováková", "berg"}, strings.ToLower(r.Values["lastname"])) {
			t.Fatalf("found %+v", r)
		}
	}
}

// FuzzValue: a value in the contract's form stays as it is when it is read
// again, and a number keeps its value.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"", "TRUE", "1e3", "-1.50E-2", "1.0e0", "1763640001000", "2026-11-20", "2026-11-20T12:00:00.5+01:00", ";a;b", "1E+9999", "0x1p4e2", "1/2e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, kind := range []string{"", "string", "bool", "datetime", "date", "number", "enumeration"} {
			once := fromVendor(kind, v)
			if again := fromVendor(kind, once); again != once {
				t.Fatalf("%s %q: %q, then %q", kind, v, once, again)
			}
		}
		plain := fromVendor("number", v)
		if plain == v {
			return
		}
		was, ok := new(big.Rat).SetString(v)
		is, still := new(big.Rat).SetString(plain)
		if !ok || !still || was.Cmp(is) != 0 {
			t.Fatalf("%q became %q", v, plain)
		}
	})
}

// FuzzCursorRoundTrip: a cursor of any parts comes back as it was made.
func FuzzCursorRoundTrip(f *testing.F) {
	f.Add("abc", int64(0), "", "")
	f.Add("", int64(1763640001000), "1 2 3", "99999999999999999999")
	f.Add("ž=&?", int64(-1), "", "0")
	f.Fuzz(func(t *testing.T, after string, from int64, seen, tie string) {
		if !utf8.ValidString(after) || !utf8.ValidString(seen) || (tie != "" && !idPattern.MatchString(tie)) {
			return
		}
		cu := cursor{V: cursorVersion, After: after, From: from, Seen: strings.Fields(seen), Tie: tie}
		if got, ok := decodeCursor(cu.encode()); !ok || !equalCursors(got, cu) {
			t.Fatalf("%+v came back as %+v", cu, got)
		}
	})
}

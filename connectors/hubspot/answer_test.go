package hubspot

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// canned answers every call with one status and body.
func canned(t testing.TB, status int, body string, header ...string) *Client {
	t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	rt := tripper(func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		rec.Code = status
		rec.Body.WriteString(body)
		res := rec.Result()
		res.StatusCode, res.Header = status, h
		return res, nil
	})
	c, err := New(Config{System: "crm", Token: func() string { return "x" },
		Now: func() time.Time { return time.Date(2026, 11, 20, 23, 0, 0, 0, time.UTC) }}, wire.NewClient(rt))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// three creates and three updates, keys w-1 to w-3, tokens t-1 to t-3, ids 11 to 13.
func three(op connectors.Op) []connectors.Write {
	var out []connectors.Write
	for _, n := range []string{"1", "2", "3"} {
		w := connectors.Write{Key: "w-" + n, Values: map[string]string{"firstname": "n" + n, "phone": ""}}
		if op == connectors.Create {
			w.Token = "t-" + n
		} else {
			w.RecordID = "1" + n
		}
		out = append(out, w)
	}
	return out
}

// brief gives results as "outcome id kind field whole" lines.
func brief(rs []connectors.Result) string {
	var out []string
	for _, r := range rs {
		s := string(r.Outcome)
		if r.RecordID != "" {
			s += " " + r.RecordID
		}
		if r.Err != nil {
			s += " " + string(r.Err.Kind)
			if r.Err.Field != "" {
				s += "/" + r.Err.Field
			}
			if r.Err.WholeCall {
				s += " whole"
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// TestBatchAnswers is sections 3 and 4: what an answer says about each of
// three writes.
func TestBatchAnswers(t *testing.T) {
	const lost = "unknown transient"
	for name, test := range map[string]struct {
		op     connectors.Op
		status int
		body   string
		want   string
	}{
		"in part": {connectors.Create, 207, `{"results":[{"id":"1145","objectWriteTraceId":"w-2"}],"numErrors":2,"errors":[
			{"category":"CONFLICT","message":"Contact already exists. Existing ID: 541","context":{"objectWriteTraceId":["w-1"],"existingId":["542"]}},
			{"category":"VALIDATION_ERROR","message":"Property values were not valid: [{\"isValid\":false,\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"erpid\"}]","context":{"objectWriteTraceId":["w-3"]}}]}`,
			"exists 542 invalid, applied 1145, not_applied config/erpid"},
		"200 with errors": {connectors.Create, 200, `{"results":[],"errors":[{"category":"VALIDATION_ERROR","message":"bad","context":{"objectWriteTraceId":["w-1","w-3"]}}]}`,
			"not_applied invalid, " + lost + ", not_applied invalid"},
		"id in the message": {connectors.Create, 207, `{"errors":[{"category":"CONFLICT","message":"Contact already exists. Existing ID: 541","context":{"objectWriteTraceId":["w-1"]}}]}`,
			"exists 541 invalid, " + lost + ", " + lost},
		"one id for two conflicts": {connectors.Create, 207, `{"errors":[{"category":"CONFLICT","message":"Existing ID: 541","context":{"objectWriteTraceId":["w-1","w-2"]}}]}`,
			"exists invalid, exists invalid, " + lost},
		"unique value of our own": {connectors.Create, 207, `{"errors":[{"category":"VALIDATION_ERROR","errors":[{"code":"CONFLICTING_UNIQUE_VALUE","context":{"propertyName":["syncd_ref"]}}],"context":{"objectWriteTraceId":["w-1"]}}]}`,
			"exists invalid/syncd_ref, " + lost + ", " + lost},
		"by token": {connectors.Create, 201, `{"results":[{"id":"9","properties":{"syncd_ref":"t-3"}},{"id":"8","properties":{"syncd_ref":"t-1"}},{"id":"7","properties":{}}]}`,
			"applied 8, " + lost + ", applied 9"},
		"trace of one, token of another": {connectors.Create, 201, `{"results":[{"id":"9","objectWriteTraceId":"w-1","properties":{"syncd_ref":"t-2"}}]}`,
			lost + ", " + lost + ", " + lost},
		"one record for two": {connectors.Create, 201, `{"results":[{"id":"9","objectWriteTraceId":"w-1"},{"id":"9","objectWriteTraceId":"w-2"},{"id":"8","objectWriteTraceId":"w-3"}]}`,
			lost + ", " + lost + ", applied 8"},
		"two records for one": {connectors.Create, 201, `{"results":[{"id":"9","objectWriteTraceId":"w-1"},{"id":"8","objectWriteTraceId":"w-1"}]}`,
			lost + ", " + lost + ", " + lost},
		"result and error": {connectors.Create, 207, `{"results":[{"id":"9","objectWriteTraceId":"w-1"}],"errors":[{"category":"VALIDATION_ERROR","context":{"objectWriteTraceId":["w-1"]}}]}`,
			lost + ", " + lost + ", " + lost},
		"error that names nobody": {connectors.Create, 207, `{"results":[{"id":"9","objectWriteTraceId":"w-1"}],"errors":[{"category":"VALIDATION_ERROR","message":"bad"}]}`,
			"applied 9, " + lost + ", " + lost},
		"error of a new category": {connectors.Create, 207, `{"errors":[{"category":"GREMLINS","context":{"objectWriteTraceId":["w-1"]}}]}`,
			lost + ", " + lost + ", " + lost},
		"odd context": {connectors.Create, 207, `{"results":[{"id":"9","objectWriteTraceId":"w-1"}],"errors":[{"category":"X","context":{"ids":{"a":1},"objectWriteTraceId":"w-2"}}]}`,
			"applied 9, " + lost + ", " + lost},
		"updates by id, any order": {connectors.Update, 200, `{"results":[{"id":"13"},{"id":"11","objectWriteTraceId":"w-1"}],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["12"]}}]}`,
			"applied 11, not_applied gone, applied 13"},
		"update of a merged record": {connectors.Update, 200, `{"results":[{"id":"77","objectWriteTraceId":"w-1"},{"id":"13","objectWriteTraceId":"w-2"},{"id":"13","objectWriteTraceId":"w-3"}]}`,
			"applied 77, " + lost + ", applied 13"},
		"update takes a unique value": {connectors.Update, 207, `{"errors":[{"category":"CONFLICT","message":"Existing ID: 5","context":{"objectWriteTraceId":["w-1"]}}]}`,
			"not_applied invalid, " + lost + ", " + lost},
		"html":      {connectors.Create, 200, `<html>`, "unknown transient whole, unknown transient whole, unknown transient whole"},
		"empty":     {connectors.Create, 204, ``, "unknown transient whole, unknown transient whole, unknown transient whole"},
		"cut":       {connectors.Create, 201, `{"results":[{"id":"9","objectWriteTraceId":"w-1"}`, "unknown transient whole, unknown transient whole, unknown transient whole"},
		"offenders": {connectors.Update, 400, `{"category":"VALIDATION_ERROR","message":"Duplicate IDs found","context":{"ids":["12"]}}`, "not_applied invalid whole, not_applied invalid, not_applied invalid whole"},
		"offender by trace of a detail": {connectors.Create, 409, `{"category":"CONFLICT","message":"Existing ID: 5","errors":[{"context":{"objectWriteTraceId":["w-3"]}}]}`,
			"not_applied invalid whole, not_applied invalid whole, exists 5 invalid"},
		"nobody named": {connectors.Create, 409, `{"category":"CONFLICT","message":"Contact already exists"}`,
			"not_applied invalid whole, not_applied invalid whole, not_applied invalid whole"},
		"unknown property": {connectors.Create, 400, `{"category":"VALIDATION_ERROR","errors":[{"code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["erpid"]}}]}`,
			"not_applied config/erpid whole, not_applied config/erpid whole, not_applied config/erpid whole"},
		"wrong path": {connectors.Update, 404, `<html>`, "not_applied config whole, not_applied config whole, not_applied config whole"},
		"one is gone": {connectors.Update, 404, `{"category":"OBJECT_NOT_FOUND","context":{"ids":["12"]}}`,
			"not_applied invalid whole, not_applied gone, not_applied invalid whole"},
	} {
		t.Run(name, func(t *testing.T) {
			got := canned(t, test.status, test.body).Write(t.Context(), "contacts", test.op, three(test.op))
			if b := brief(got); b != test.want {
				t.Errorf("got  %s\nwant %s", b, test.want)
			}
			for i, r := range got {
				if r.Key != three(test.op)[i].Key {
					t.Errorf("result %d has the key %q", i, r.Key)
				}
				if r.Record != nil && (!r.Record.Ours || r.Record.Values["phone"] != "") {
					t.Errorf("record of result %d: %+v", i, r.Record)
				}
			}
		})
	}
}

// TestStatuses is the table of section 4, for a lone write and for a read.
func TestStatuses(t *testing.T) {
	burst := `{"errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}`
	for name, test := range map[string]struct {
		status int
		body   string
		header []string
		want   string
		kind   connectors.Kind
		wait   time.Duration
	}{
		"lone bad record":    {400, `{"category":"VALIDATION_ERROR","message":"no"}`, nil, "not_applied invalid", connectors.KindInvalid, 0},
		"lone duplicate":     {409, `{"category":"CONFLICT","message":"Existing ID: 5"}`, nil, "exists 5 invalid", connectors.KindInvalid, 0},
		"auth":               {401, `{"category":"INVALID_AUTHENTICATION"}`, nil, "not_applied auth whole", connectors.KindAuth, 0},
		"scope":              {403, `{"category":"MISSING_SCOPES"}`, nil, "not_applied forbidden whole", connectors.KindForbidden, 0},
		"burst":              {429, burst, nil, "not_applied throttled whole", connectors.KindThrottled, 10 * time.Second},
		"second":             {429, `{"policyName":"SECONDLY"}`, nil, "not_applied throttled whole", connectors.KindThrottled, time.Second},
		"day":                {429, `{"policyName":"DAILY"}`, nil, "not_applied throttled whole", connectors.KindThrottled, time.Hour},
		"told to wait":       {429, burst, []string{"Retry-After", "3"}, "not_applied throttled whole", connectors.KindThrottled, 3 * time.Second},
		"told nonsense":      {429, burst, []string{"Retry-After", "NaN"}, "not_applied throttled whole", connectors.KindThrottled, 10 * time.Second},
		"locked":             {423, ``, nil, "unknown transient whole", connectors.KindTransient, 2 * time.Second},
		"moving":             {477, ``, []string{"Retry-After", "3600"}, "unknown transient whole", connectors.KindTransient, time.Hour},
		"moving for long":    {477, ``, []string{"Retry-After", "1e30"}, "unknown transient whole", connectors.KindTransient, 24 * time.Hour},
		"too large":          {413, ``, nil, "not_applied invalid", connectors.KindInvalid, 0},
		"not processable":    {422, ``, nil, "not_applied invalid", connectors.KindInvalid, 0},
		"method":             {405, ``, nil, "not_applied bug whole", connectors.KindBug, 0},
		"redirect":           {302, ``, []string{"Location", "http://169.254.169.254/"}, "unknown config whole", connectors.KindConfig, 0},
		"timeout":            {408, ``, nil, "unknown transient whole", connectors.KindTransient, 0},
		"client closed":      {499, ``, nil, "unknown transient whole", connectors.KindTransient, 0},
		"server":             {500, `{"category":"VALIDATION_ERROR"}`, nil, "unknown transient whole", connectors.KindTransient, 0},
		"gateway":            {502, `<html>`, nil, "unknown transient whole", connectors.KindTransient, 0},
		"origin unreachable": {523, ``, nil, "unknown transient whole", connectors.KindTransient, 0},
		"broken success":     {200, `<html>`, nil, "unknown transient whole", connectors.KindTransient, 0},
	} {
		c := canned(t, test.status, test.body, test.header...)
		got := c.Write(t.Context(), "contacts", connectors.Create, three(connectors.Create)[:1])
		if b := brief(got); b != test.want || got[0].Err.RetryAfter != test.wait {
			t.Errorf("%s: got %s after %v, want %s after %v", name, b, got[0].Err.RetryAfter, test.want, test.wait)
		}
		if _, err := c.Read(t.Context(), "contacts", []string{"1"}, nil); connectors.KindOf(err) != test.kind {
			t.Errorf("%s: a read is %v", name, err)
		}
	}
}

// TestScopesAreSaid shows the wanted scopes to people.
func TestScopesAreSaid(t *testing.T) {
	c := canned(t, 403, `{"category":"MISSING_SCOPES","message":"no","errors":[{"context":{"requiredGranularScopes":["crm.objects.contacts.write"]}}]}`)
	r := c.Write(t.Context(), "contacts", connectors.Update, three(connectors.Update))[0]
	if !strings.Contains(r.Err.Said, "crm.objects.contacts.write") {
		t.Errorf("said %q", r.Err.Said)
	}
}

// TestUnfitWritesAreNotSent: a batch never holds what HubSpot would refuse
// whole (trap W1), nor an id that is none.
func TestUnfitWritesAreNotSent(t *testing.T) {
	ws := three(connectors.Update)
	ws[1].RecordID = ws[0].RecordID
	ws[2].RecordID = "../3"
	got := canned(t, 200, `{"results":[{"id":"11"}]}`).Write(t.Context(), "contacts", connectors.Update, ws)
	if b := brief(got); b != "applied 11, not_applied bug, not_applied bug" {
		t.Error(b)
	}
}

// FuzzBatchAnswer: whatever the vendor answers, no result lands on another
// record, and every write gets one.
func FuzzBatchAnswer(f *testing.F) {
	f.Add(uint16(207), []byte(`{"results":[{"id":"12","objectWriteTraceId":"w-1"},{"id":"13"}],"errors":[{"category":"CONFLICT","context":{"ids":["11"],"existingId":["5"]}}]}`))
	f.Add(uint16(409), []byte(`{"category":"CONFLICT","message":"Existing ID: 5","context":{"objectWriteTraceId":["w-2"]}}`))
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		c := canned(t, int(status), string(body))
		for _, op := range []connectors.Op{connectors.Create, connectors.Update} {
			writes := three(op)
			got := c.Write(context.Background(), "contacts", op, writes)
			if len(got) != len(writes) {
				t.Fatal("a result is missing")
			}
			landed := map[string]bool{}
			for i, r := range got {
				checkLanding(t, op, writes, i, r)
				if r.Outcome == connectors.Applied && landed[r.RecordID] {
					t.Fatalf("record %s for two writes", r.RecordID)
				}
				landed[r.RecordID] = r.Outcome == connectors.Applied
			}
		}
	})
}

// checkLanding checks one result of FuzzBatchAnswer.
func checkLanding(t *testing.T, op connectors.Op, writes []connectors.Write, i int, r connectors.Result) {
	t.Helper()
	w := writes[i]
	switch {
	case r.Key != w.Key:
		t.Fatalf("result %d is of %q", i, r.Key)
	case r.RecordID != "" && !idPattern.MatchString(r.RecordID):
		t.Fatalf("id %q", r.RecordID)
	case r.Outcome == connectors.Applied && (r.RecordID == "" || r.Record == nil || r.Record.ID != r.RecordID):
		t.Fatalf("applied: %+v", r)
	case (r.Outcome == connectors.NotApplied || r.Outcome == connectors.Unknown) && r.Err == nil:
		t.Fatalf("no reason: %+v", r)
	}
	if r.Outcome != connectors.Applied {
		return
	}
	if token := r.Record.Values[DefaultTokenField]; op == connectors.Create && token != "" && token != w.Token {
		t.Fatalf("write %s has the record of %s", w.Token, token)
	}
	for j, sibling := range writes {
		if j != i && op == connectors.Update && r.RecordID == sibling.RecordID {
			t.Fatalf("write %d has the record of write %d", i, j)
		}
	}
}

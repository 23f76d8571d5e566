package odoo

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
)

// The body is that of vendors/odoo.md 11, as it was seen.
const hookBody = `{"_action": "Send Webhook Notification(#377)", "_id": 1313, "_model": "res.partner", "active": true, "category_id": [], "color": 0, "country_id": 57, "email": "h@x.example", "id": 1313, "is_company": false, "name": "Hook GmbH", "parent_id": false, "write_date": "2026-11-20 15:05:42.354039", "x_crm_id": "hook-1"}`

func receiver(t testing.TB) *Receiver {
	t.Helper()
	r, err := NewReceiver(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParse(t *testing.T) {
	r := receiver(t)
	hint := connectors.Hint{
		Object: "res.partner", RecordID: "1313", Version: "0001795187142000", What: "save",
		At: time.Date(2026, 11, 20, 15, 5, 42, 354039000, time.UTC),
	}
	unlink, word := hint, hint
	unlink.What, word.What = "unlink", "event"
	unlink.Removed = true
	for _, x := range []struct {
		name, path, body string
		want             []connectors.Hint
		refused          bool
	}{
		{"save", "/partner/save", hookBody, []connectors.Hint{hint}, false},
		{"unlink", "/partner/unlink", hookBody, []connectors.Hint{unlink}, false},
		{"no path", "", hookBody, []connectors.Hint{word}, false},
		{"thin", "/partner/save", `{"_action":"a","_id":383,"_model":"res.partner"}`, []connectors.Hint{{Object: "res.partner", RecordID: "383", What: "save"}}, false},
		{"other word", "/lead/save", hookBody, nil, false},
		{"other event", "/partner/merge", hookBody, nil, false},
		{"long path", "/partner/save/x", hookBody, nil, false},
		{"no path, other model", "", `{"_id":1,"_model":"crm.lead"}`, nil, false},
		{"word of another model", "/product/save", hookBody, nil, true},
		{"id text", "/partner/save", `{"_id":"1","_model":"res.partner"}`, nil, true},
		{"id zero", "/partner/save", `{"_id":0,"_model":"res.partner"}`, nil, true},
		{"id exponent", "/partner/save", `{"_id":1e3,"_model":"res.partner"}`, nil, true},
		{"no id", "/partner/save", `{"_model":"res.partner"}`, nil, true},
		{"twice", "/partner/save", `{"_id":1,"_id":2,"_model":"res.partner"}`, nil, true},
		{"two values", "/partner/save", `{"_id":1,"_model":"res.partner"}{}`, nil, true},
		{"cut", "/partner/save", hookBody[:100], nil, true},
		{"list", "/partner/save", `[]`, nil, true},
		{"deep", "/partner/save", `{"_id":1,"_model":"res.partner","a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, nil, true},
		{"long", "/partner/save", `{"_id":1,"_model":"res.partner","a":[` + strings.Repeat("1,", 20000) + `1]}`, nil, true},
		{"inner id is none", "/partner/save", `{"a":{"_id":5},"_model":"res.partner"}`, nil, true},
	} {
		got, err := r.Parse(connectors.Delivery{Path: x.path, Body: []byte(x.body)})
		var refusal *connectors.Refusal
		if errors.As(err, &refusal) != x.refused {
			t.Errorf("%s: error %v", x.name, err)
		}
		if len(got.Hints) != len(x.want) || (len(x.want) == 1 && got.Hints[0] != x.want[0]) || got.Key != "" {
			t.Errorf("%s: %+v, want %+v", x.name, got, x.want)
		}
	}
}

func TestVerify(t *testing.T) {
	r := receiver(t)
	for _, x := range []struct {
		method, body string
		fine         bool
	}{
		{http.MethodPost, hookBody, true}, {http.MethodGet, hookBody, false}, {http.MethodPost, "", false},
		{http.MethodPost, "[]", false}, {http.MethodPost, "a=b", false},
		{http.MethodPost, "{" + strings.Repeat(" ", 1<<20) + "}", false},
	} {
		if err := r.Verify(connectors.Delivery{Method: x.method, Body: []byte(x.body)}, time.Time{}); (err == nil) != x.fine {
			t.Errorf("%s %.20q: %v", x.method, x.body, err)
		}
	}
	if p := r.Policy(); p.MaxBody != 1<<20 || p.RefusedCode != http.StatusOK {
		t.Errorf("policy %+v", p)
	}
}

func TestNewReceiverRefuses(t *testing.T) {
	for _, m := range []map[string]string{{"": "res.partner"}, {"a/b": "res.partner"}, {"a": "Res Partner"}} {
		if _, err := NewReceiver(Config{Models: m}); err == nil {
			t.Errorf("%v accepted", m)
		}
	}
}

// FuzzParse: whatever is posted, a hint names a model we know and a plain id.
func FuzzParse(f *testing.F) {
	f.Add("/partner/save", []byte(hookBody))
	f.Add("", []byte(`{"_id":1,"_model":"product.product"}`))
	f.Add("/product/unlink", []byte(`{"_id":1,"_model":"res.partner"}`))
	f.Add("/partner/save", []byte(`{"_id":99999999999999999999,"_model":"res.partner","write_date":"2026-13-99 99:99:99"}`))
	r, err := NewReceiver(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		d := connectors.Delivery{Method: http.MethodPost, Path: path, Body: body}
		_ = r.Verify(d, time.Time{})
		e, err := r.Parse(d)
		if err != nil && len(e.Hints) > 0 {
			t.Fatalf("hints and an error")
		}
		for _, h := range e.Hints {
			if _, ok := parseID(h.RecordID); !ok || (h.Object != "res.partner" && h.Object != "product.product") || h.Own {
				t.Fatalf("hint %+v", h)
			}
			if h.Version != "" && len(h.Version) != 16 {
				t.Fatalf("version %q", h.Version)
			}
		}
	})
}

package rest_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/rest"
	"syncd/connectors/wire"
)

// always answers every call in one way.
type always struct {
	status int
	header http.Header
	body   string
}

func (a always) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

// FuzzAnswer: whatever a system answers, nothing panics, no listing is endless, a
// result belongs to its write, and no id reaches us that is none (SECURITY S4, S19).
func FuzzAnswer(f *testing.F) {
	for _, seed := range []struct {
		status int
		body   string
		link   string
	}{
		{200, `{"data":{"id":"cus_1","revision":3,"updated_at":"2026-11-20T10:00:00Z"}}`, ""},
		{200, `{"data":[{"id":"cus_1"},{"id":"../x"},null,7],"next_page_token":"t"}`, ""},
		{200, `{"results":[{"ref":"k1","status":201,"data":{"id":"cus_2"}},{"ref":"k1","status":"x"}]}`, ""},
		{422, `{"errors":[{"code":"taken","holder":"cus_9","field":"email"}]}`, ""},
		{503, `<html>`, ""},
		{200, `{"customers":[{"id":12,"updated_at":"2026-11-20T10:00:00Z"}]}`, `<http://x/customers?page=2>; rel="next`},
		{200, `{"id":1e99,"data":{"address":null,"credit":1e400}}`, `<>;;rel=next,<`},
	} {
		f.Add(seed.status, []byte(seed.body), seed.link)
	}
	conns := map[string]rest.Settings{}
	for _, name := range rest.Profiles() {
		conns[name] = settings(f, name, "https://erp.example.com", "token-of-the-tests", "")
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, link string) {
		if status < 100 || status > 599 {
			status = 200
		}
		for name, s := range conns {
			answer := always{status, http.Header{"Content-Type": {"application/json"}, "Link": {link}, "Etag": {link}}, string(body)}
			c, err := rest.New(rest.Config{System: "sys", Settings: s}, wire.NewClient(answer))
			if err != nil {
				t.Fatal(err)
			}
			shape := shapes[name]
			hold(t, c, shape.object, shape.nobody, shape.text)
		}
	})
}

// hold makes every call once and checks what holds for any answer.
func hold(t *testing.T, c *rest.Client, object, id, text string) {
	t.Helper()
	kinds := func(err error) {
		var e *connectors.Error
		if err != nil && (!errors.As(err, &e) || e.Kind == "" || e.Op == "") {
			t.Fatalf("%T %v", err, err)
		}
	}
	_, err := c.Probe(t.Context(), []string{object})
	kinds(err)
	got, err := c.Read(t.Context(), object, []string{id, id, "\x00"}, []string{text})
	kinds(err)
	if err == nil && (len(got) != 3 || got[0].Asked != id || got[2].Sight != connectors.SightMissing) {
		t.Fatalf("sightings %+v", got)
	}
	_, err = c.Find(t.Context(), object, connectors.Lookup{Field: text, Values: []string{"x"}}, nil)
	kinds(err)
	_, err = c.Locate(t.Context(), object, id, "token")
	kinds(err)
	q := connectors.Query{Since: time.Unix(1, 0), Fields: []string{text}}
	for range 5 {
		page, err := c.List(t.Context(), object, q)
		kinds(err)
		for _, r := range page.Records {
			if r.ID == "" || strings.ContainsAny(r.ID, "/?#\x00 ") {
				t.Fatalf("an id %q", r.ID)
			}
		}
		if q.Cursor = page.Next; err != nil || q.Cursor == "" {
			break
		}
	}
	for _, op := range []connectors.Op{connectors.Create, connectors.Update, connectors.Archive, connectors.Delete, connectors.Restore} {
		writes := []connectors.Write{
			{Key: "k1", Token: "t1", RecordID: id, Values: map[string]string{text: "x"}},
			{Key: "k2", Token: "t2", RecordID: id + "1", Values: map[string]string{text: "y"}},
		}
		for i, r := range c.Write(t.Context(), object, op, writes) {
			if r.Key != writes[i].Key || r.Outcome == "" || r.Outcome == connectors.Applied && r.RecordID == "" ||
				(r.Outcome == connectors.NotApplied || r.Outcome == connectors.Unknown) && r.Err == nil {
				t.Fatalf("%s: %+v", op, r)
			}
		}
	}
}

// FuzzWebhook: whatever comes, Parse does not panic and gives records of ours only.
func FuzzWebhook(f *testing.F) {
	for _, seed := range []struct{ path, body string }{
		{"", `{"events":[{"subject":"customer","id":"cus_1","revision":3,"at":"2026-11-20T10:00:00Z","event":"deleted"}]}`},
		{"", `{"object":"customer","id":12,"event":"updated","at":"2026-11-20T10:00:00Z","event_id":"e"}`},
		{"/Account.delete", `[{"id":"6b0064d8e6b7dc78b"},{"id":"6b0064d8e6b7dc78b"}]`},
		{"/Account.", `[[[]]]`}, {"", `{"challenge":"x"}`}, {"", "\xff\x00"},
	} {
		f.Add(seed.path, []byte(seed.body))
	}
	var all []*rest.Receiver
	for _, name := range rest.Profiles() {
		all = append(all, receiver(f, settings(f, name, "https://erp.example.com", "token-of-the-tests", "")))
	}
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		for _, r := range all {
			got, err := r.Parse(connectors.Delivery{Method: "POST", Path: path, Body: body})
			var no *connectors.Refusal
			if err != nil && !errors.As(err, &no) {
				t.Fatalf("%T %v", err, err)
			}
			for _, h := range got.Hints {
				if h.Object == "" || h.RecordID == "" || len(h.RecordID) > 64 || h.Removed && h.Version != "" {
					t.Fatalf("a hint %+v", h)
				}
			}
		}
	})
}

// FuzzVerify: a signature that is taken for one body is taken for no other, and at
// no other time.
func FuzzVerify(f *testing.F) {
	f.Add("t=1700000000,v1="+mac(simSecret, "1700000000.{}"), []byte(`{}`))
	f.Add("t=1700000000,v1=00,v1=", []byte(`{}`))
	f.Add(mac(simSecret, "[]"), []byte(`[]`))
	f.Add("eDo=", []byte(`{"challenge":"x"}`))
	all := map[string]*rest.Receiver{}
	for _, name := range rest.Profiles() {
		all[name] = receiver(f, settings(f, name, "https://erp.example.com", "token-of-the-tests", ""))
	}
	now := time.Unix(1700000000, 0)
	f.Fuzz(func(t *testing.T, signature string, body []byte) {
		header := http.Header{}
		for _, name := range []string{"X-Shop-Signature", "X-Erp-Hmac-Sha256", "Signature", "X-Shop-Delivery"} {
			header.Set(name, signature)
		}
		for name, r := range all {
			d := connectors.Delivery{Method: "POST", Body: body, Header: header}
			if r.Verify(d, now) != nil {
				continue
			}
			if got, err := r.Parse(d); err == nil && got.Reply != "" {
				continue // a handshake says nothing
			}
			if name == "shop" && r.Verify(d, now.Add(time.Hour)) == nil {
				t.Fatalf("%s takes %q an hour later", name, signature)
			}
			d.Body = append(bytes.Clone(body), ' ')
			if r.Verify(d, now) == nil {
				t.Fatalf("%s takes %q for two bodies", name, signature)
			}
		}
	})
}

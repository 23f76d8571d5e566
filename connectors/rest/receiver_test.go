package rest_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/rest"
	"syncd/simulator"
	"syncd/simulator/shopsim"
)

// hookSettings gives a system with one object and the given webhook.
func hookSettings(t testing.TB, secret, webhook string) rest.Settings {
	t.Helper()
	s, err := decoded(minimalSystem+"webhook:\n"+indented(webhook), map[string]string{"SECRET": secret, "TOKEN": "t"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const minimalSystem = `base_url: https://erp.example.com/api
auth: {type: bearer, token: {env: TOKEN}}
objects:
  customers:
    id_format: "[A-Za-z0-9-]{1,40}"
    modified: updated_at
    read: {path: "/customers/{id}"}
    list: {path: /customers, order: none, paging: {style: none}}
    fields: {name: {}}
`

func receiver(t testing.TB, s rest.Settings) *rest.Receiver {
	t.Helper()
	r, err := rest.NewReceiver(rest.Config{System: "sys", Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestVerifyTakesTheVectorsOfEveryScheme: vendors/http-conventions.md A.4 and
// vendors/espocrm.md 10.
func TestVerifyTakesTheVectorsOfEveryScheme(t *testing.T) {
	const acme = `{"id":42,"name":"Acme"}`
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	for _, c := range []struct {
		name, secret, webhook string
		header                http.Header
		method, url, body     string
		now                   time.Time
		stamped               bool
	}{
		{
			"standard webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", `{scheme: standard, secrets: [{env: SECRET}], events: {only: customers, id: id}}`,
			http.Header{
				"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"},
				"Webhook-Signature": {"v1,AAAA v2,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
			},
			"POST", "", `{"test": 2432232314}`, at(1614265330), true,
		},
		{
			"github", "It's a Secret to Everybody", `{scheme: hmac, secrets: [{env: SECRET}], signature: {header: X-Hub-Signature-256, prefix: "sha256=", encoding: hex}, events: {only: customers, id: id}}`,
			http.Header{"X-Hub-Signature-256": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}},
			"POST", "", "Hello, World!", at(0), false,
		},
		{
			"body, hex in capitals", "s3cr3t-8", `{scheme: hmac, secrets: [{env: SECRET}], signature: {header: X-Sig, encoding: hex}, events: {only: customers, id: id}}`,
			http.Header{"X-Sig": {strings.ToUpper(mac("s3cr3t-8", acme))}}, "POST", "", acme, at(0), false,
		},
		{
			"stripe", "s3cr3t-8", `{scheme: hmac, secrets: [{env: SECRET}], signed: "{timestamp}.{body}", signature: {header: Stripe-Signature, key: v1, encoding: hex}, timestamp: {key: t}, events: {only: customers, id: id}}`,
			http.Header{"Stripe-Signature": {"t=1700000000,v0=00,v1=" + mac("s3cr3t-8", "1700000000."+acme)}}, "POST", "", acme, at(1700000000), true,
		},
		{
			"method, url and milliseconds", "s3cr3t-8", `{scheme: hmac, secrets: [{env: SECRET}], signed: "{method}{url}{body}{timestamp}", signature: {header: X-Sig, encoding: hex}, timestamp: {header: X-Ts, unit: ms}, events: {only: customers, id: id}}`,
			http.Header{"X-Sig": {mac("s3cr3t-8", "POSThttps://syncd.example.com/hook/hs"+acme+"1700000000000")}, "X-Ts": {"1700000000000"}},
			"POST", "https://syncd.example.com/hook/hs", acme, at(1700000000), true,
		},
		{
			"espocrm A", "7fcff00c413a5025c6fbf114a0b07756", espoHook,
			http.Header{"Signature": {"NmIwMDY0ZDg5NGI2MjNhMTk6MzFlZjQzNjNhMTFlYTJhOWRiOWUyM2VkMTM3NjQ2ZDRjYmE0OWQyNmYwODEyZWM0M2NlOWM5Y2Q2Zjc0MjM0OQ=="}},
			"POST", "", `[{"id":"6b0064d8e6b7dc78b"}]`, at(0), false,
		},
		{
			"espocrm B", "cdd1e0908fb23915f7441b8c4a8e2c48", espoHook,
			http.Header{"Signature": {"NmIwMDY0ZDg3YzUzYzcwM2Q6OTUwNzU0Y2I1ZDIyZWE4MGM4ODkwMmJkZjMwYzZkNDk3OGY4MTMzZGY5MjFkMWNlNDc0ZjZhMTIyNzc4MGVlMA=="}},
			"POST", "", `[{"name":"Hook 2","id":"6b0064d8e6b7dc78b"}]`, at(0), false,
		},
		{
			"espocrm C", "cdd1e0908fb23915f7441b8c4a8e2c48", espoHook,
			http.Header{"Signature": {"NmIwMDY0ZDg3YzUzYzcwM2Q6MTAyZGYwNDYzZjRlYzcyZjgzNDEzNWU2NDNkYzBhMGFhMThkNDgxNTZkZTYwMjAwNGIyMWMxZWI1MjllMjQwZg=="}},
			"POST", "", `[{"website":"https:\/\/h.example","modifiedById":"6b0064d5599c8a979","modifiedByName":"sync1795187925","id":"6b0064d8e6b7dc78b"}]`, at(0), false,
		},
		{
			"espocrm X-Signature", "7fcff00c413a5025c6fbf114a0b07756", strings.NewReplacer("Signature, encoding: hex", "X-Signature, encoding: base64").Replace(espoHook),
			http.Header{"X-Signature": {"NmIwMDY0ZDg5NGI2MjNhMTk6Me9DY6EeoqnbniPtE3ZG1MuknSbwgS7EPOnJzW90I0k="}},
			"POST", "", `[{"id":"6b0064d8e6b7dc78b"}]`, at(0), false,
		},
		{
			"frappe", "s3cr3t-8", `{scheme: hmac, secrets: [{env: SECRET}], signature: {header: X-Frappe-Webhook-Signature}, events: {only: customers, id: name}}`,
			http.Header{"X-Frappe-Webhook-Signature": {mac64("s3cr3t-8", acme)}}, "POST", "", acme, at(0), false,
		},
		{
			"basic", "s3cr3t-8", `{scheme: basic, user: erp, secrets: [{env: SECRET}], events: {only: customers, id: id}}`,
			http.Header{"Authorization": {"Basic ZXJwOnMzY3IzdC04"}}, "POST", "", acme, at(0), false,
		},
		{
			"header", "s3cr3t-8", `{scheme: header, signature: {header: X-Api-Key}, secrets: [{env: SECRET}], events: {only: customers, id: id}}`,
			http.Header{"X-Api-Key": {"s3cr3t-8"}}, "POST", "", acme, at(0), false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := receiver(t, hookSettings(t, c.secret, c.webhook))
			d := connectors.Delivery{Method: c.method, URL: c.url, Header: c.header, Body: []byte(c.body)}
			if err := r.Verify(d, c.now); err != nil {
				t.Fatalf("the vector is refused: %v", err)
			}
			breaks(t, r, d, c.now, c.stamped)
		})
	}
}

const espoHook = `{scheme: hmac, secrets: [{env: SECRET}], signature: {header: Signature, encoding: hex, wrapped: id_colon}, events: {only: customers, id: id}}`

// breaks changes a good delivery in every way that must refuse it (SECURITY S1, S3).
func breaks(t *testing.T, r *rest.Receiver, d connectors.Delivery, now time.Time, stamped bool) {
	t.Helper()
	refused := func(what string, d connectors.Delivery, now time.Time) {
		t.Helper()
		var no *connectors.Refusal
		if err := r.Verify(d, now); !errors.As(err, &no) {
			t.Errorf("%s: %v, want a refusal", what, err)
		}
	}
	for name, values := range d.Header {
		for what, v := range map[string][]string{"absent": nil, "doubled": {values[0], values[0]}, "empty": {""}, "long": {strings.Repeat("x", 1<<20)}, "changed": {flip(values[0])}} {
			changed := d
			changed.Header = http.Header(d.Header).Clone()
			changed.Header[name] = v
			refused(name+" "+what, changed, now)
		}
	}
	if len(d.Header["Authorization"]) == 0 && len(d.Header["X-Api-Key"]) == 0 {
		for i := range d.Body {
			changed := d
			changed.Body = slices.Clone(d.Body)
			changed.Body[i] ^= 1
			refused("body", changed, now)
		}
	}
	if stamped {
		refused("stale", d, now.Add(6*time.Minute))
		refused("future", d, now.Add(-6*time.Minute))
	}
}

// flip changes the part of a header that counts.
func flip(s string) string {
	b := []byte(s)
	i := len(b) - 4
	if i < 0 {
		i = len(b) - 1
	}
	if b[i]++; b[i] > 'z' {
		b[i] = 'a'
	}
	return string(b)
}

// TestEveryDialectsWebhookIsVerifiedAndParsed: what the pretend systems send is what
// the profiles read.
func TestEveryDialectsWebhookIsVerifiedAndParsed(t *testing.T) {
	for _, c := range []struct {
		api, object, key string
		versions         bool
	}{{shopsim.Shop, "customers", "X-Shop-Delivery", true}, {shopsim.Plain, "customers", "", true}, {shopsim.Espo, "Account", "", false}} {
		t.Run(c.api, func(t *testing.T) {
			var posts []simulator.Post
			sim, srv := simulated(t, shopsim.Options{API: c.api, WebhookURL: "https://syncd.example/webhooks/sys/secret", Deliver: func(p simulator.Post) { posts = append(posts, p) }})
			r := receiver(t, settings(t, c.api, srv.URL, simToken, ""))
			email := shapes[c.api].key
			id, err := sim.UserCreate(c.object, map[string]string{"name": "Jane", email: "jane@example.com"})
			if err == nil {
				err = sim.UserEdit(c.object, id, map[string]string{"name": "Joan"})
			}
			if err == nil {
				err = sim.UserDelete(c.object, id)
			}
			if err != nil || len(posts) != 3 {
				t.Fatalf("%d posts, %v", len(posts), err)
			}
			var versions []string
			for _, p := range posts {
				d := connectors.Delivery{Method: "POST", URL: p.URL, Path: strings.TrimPrefix(p.URL, "https://syncd.example/webhooks/sys/secret"), Header: p.Header, Body: p.Body}
				if err := r.Verify(d, time.Now()); err != nil {
					t.Fatal(err)
				}
				got, err := r.Parse(d)
				if err != nil || len(got.Hints) != 1 || got.Hints[0].Object != c.object || got.Hints[0].RecordID != id {
					t.Fatalf("%+v, %v from %s", got, err, p.Body)
				}
				versions = append(versions, got.Hints[0].Version)
			}
			if c.versions && (versions[0] == "" || versions[1] < versions[0] || versions[2] != "") {
				t.Errorf("versions are %q: they grow, and a delete promises none", versions)
			}
		})
	}
}

// TestHandshakeSendsTheWordBackAndNothingElse: vendors/http-conventions.md A.3,
// SECURITY S26.
func TestHandshakeSendsTheWordBackAndNothingElse(t *testing.T) {
	query := receiver(t, hookSettings(t, "s3cr3t-8", `{scheme: hmac, secrets: [{env: SECRET}], signature: {header: X-Sig}, events: {only: customers, id: id}, handshake: {type: query_echo, param: validationToken}}`))
	body := receiver(t, hookSettings(t, "s3cr3t-8", `{scheme: hmac, secrets: [{env: SECRET}], signature: {header: X-Sig}, events: {only: customers, id: id}, handshake: {type: json_challenge, param: challenge}}`))
	for _, c := range []struct {
		r         *rest.Receiver
		url, body string
		want      string
	}{
		{query, "https://x.example/webhooks/a/b?validationToken=abc-1.2%3D", "", "abc-1.2="},
		{query, "https://x.example/webhooks/a/b?validationToken=%3Cscript%3E", "", ""},
		{query, "https://x.example/webhooks/a/b", `{"id":"1"}`, ""},
		{body, "", `{"challenge":"word"}`, "word"},
		{body, "", `{"challenge":"a b"}`, ""},
		{body, "", `{"challenge":"word","id":"1"}`, ""},
	} {
		d := connectors.Delivery{Method: "POST", URL: c.url, Body: []byte(c.body)}
		err := c.r.Verify(d, time.Unix(0, 0))
		if (err == nil) != (c.want != "") {
			t.Errorf("%s %s: %v", c.url, c.body, err)
		}
		if got, err := c.r.Parse(d); c.want != "" && (err != nil || got.Reply != c.want || len(got.Hints) > 0) {
			t.Errorf("%s %s: %+v, %v", c.url, c.body, got, err)
		}
	}
}

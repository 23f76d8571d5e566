package rest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"syncd/connectors/rest"
)

// TestShippedProfilesWantACredentialAndAnAddressOnly: everything else is in them.
func TestShippedProfilesWantACredentialAndAnAddressOnly(t *testing.T) {
	if got := rest.Profiles(); !slices.Equal(got, []string{"espocrm", "plain", "shop"}) {
		t.Fatalf("profiles are %v", got)
	}
	for _, name := range rest.Profiles() {
		s := settings(t, name, "https://erp.example.com", "token-of-the-tests", "")
		if faults := s.Check(); len(faults) > 0 || s.Token() == "" || len(s.Objects) == 0 {
			t.Errorf("%s: %v", name, faults)
		}
		_, err := decoded("profile: "+name+"\n", nil)
		if err == nil || !strings.Contains(err.Error(), "base_url: is required") || !strings.Contains(err.Error(), "token: is required") {
			t.Errorf("%s alone: %v", name, err)
		}
	}
	if _, err := decoded("profile: shop\nbase_url: https://a.example\nauth: {token: {env: T}}\nwebhook: {scheme: none}\n", map[string]string{"T": "t"}); err != nil {
		t.Errorf("a profile whose webhooks are not wanted: %v", err)
	}
	if _, ok := rest.Profile("../profiles/shop"); ok {
		t.Error("a profile's name is no path")
	}
}

// TestWhatConfigCannotSayFailsAtTheCheck: each line changes one thing of a good
// system, and the check says where and what.
func TestWhatConfigCannotSayFailsAtTheCheck(t *testing.T) {
	good := strings.Replace(minimalSystem, "    fields: {name: {}}\n", "    fields: {name: {}, syncd_ref: {}}\n"+strings.TrimPrefix(writable, "\n"), 1)
	if _, err := decoded(good, map[string]string{"TOKEN": "t"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ was, is, want string }{
		{"https://erp", "http://erp", "base_url: is not https"},
		{"https://erp", "https://me:secret@erp", "base_url: holds a credential"},
		{"https://erp.example.com/api", "erp", "base_url: is no http(s) URL"},
		{"type: bearer", "type: digest", `auth.type: "digest" is not to be had by configuration`},
		{"type: bearer", "type: header", "auth.name: is required"},
		{"type: bearer, token: {env: TOKEN}", "type: oauth2", "auth.token_url: is required"},
		{"/customers/{id}", "/customers/{key}", "read.path: unknown placeholder {key}: known here are {id}"},
		{"/customers/{id}", "/customers", "read.path: {id} is missing"},
		{"/customers/{id}", "/../{id}", "leaves base_url"},
		{"/customers/{id}", "https://evil.example/{id}", "is no path: it starts with one slash"},
		{"/customers/{id}", "//evil.example/{id}", "is no path: it starts with one slash"},
		{"/customers/{id}", "/customers/{id}?full=1", "holds a query: write it under query"},
		{"order: none", "order: newest", `"newest" is not one of modified, id, none`},
		{"paging: {style: none}", "", "paging.style: is missing"},
		{"paging: {style: none}", "paging: {style: token, param: after}", "paging.next: is missing"},
		{"paging: {style: none}", "paging: {style: page}", "paging.param: is missing"},
		{"paging: {style: none}", "paging: {style: page, param: page}", "leaves records out when one changes meanwhile"},
		{"order: none, paging: {style: none}", "order: modified, paging: {style: offset, param: from}", "goes on from the last time seen"},
		{"order: none, paging: {style: none}", "order: id, paging: {style: page, param: page, stop: short_page}", "short_page needs size_param"},
		{"order: none", "order: none, since: {param: since}", "since.bound: is missing"},
		{"order: none", "order: none, since: {param: since, bound: inclusive}", "since.granularity: is missing"},
		{"order: none", "order: none, since: {query: {q: \"x>{when}\"}, bound: inclusive, granularity: 1s}", "unknown placeholder {when}"},
		{"class: search", "class: unique", "unique needs an errors.rules entry with is: exists"},
		{"class: search", "", "create.class: is missing"},
		{"fields: [syncd_ref]", "fields: [name]", "search needs a look-up by the token: syncd_ref is not in find.fields"},
		{"fields: [syncd_ref]", "fields: [syncd_ref, nobody]", `find.fields[1]: "nobody" is not among the fields`},
		{"syncd_ref: {}", "ref: {}", "search needs the field syncd_ref"},
		{"class: search", "class: search, idempotency: {header: Idempotency-Key}", "idempotency.window: is missing"},
		{"class: search", "class: search, answer: id", "create.answer_id: goes with answer: id"},
		{"class: search", "class: search, many: {path: /many, max: 10, key: ref, status: status}", "create.many.send: is missing"},
		{"class: search", "class: search, many: {path: /many, max: 10, send: ref, status: status}", "create.many.key: is missing"},
		{"method: PATCH", "method: PATCH, lock: {header: If-Match}", "update.lock.from: is missing"},
		{"method: PATCH", "method: PATCH, style: json_patch", `"json_patch" is not one of merge_deep, merge, replace`},
		{"method: PATCH", "method: DELETE", `"DELETE" is not one of`},
		{"modified: updated_at", "created: at", "modified: is missing"},
		{"modified: updated_at", "modified: a..b", "is no path"},
		{`id_format: "[A-Za-z0-9-]{1,40}"`, `id_format: ".*"`, "takes what is no id"},
		{`id_format: "[A-Za-z0-9-]{1,40}"`, `id_format: "("`, "is no regular expression"},
		{"name: {}", "name: {type: money}", `"money" is not one of text, bool`},
		{"name: {}", "name: {type: enum}", "options: is missing"},
		{"name: {}", "name: {type: time, time: {format: soon}}", "nor a layout of the time"},
		{"name: {}", "name: {type: time, time: {zone: Mars}}", "is no time zone"},
		{"    modified:", "    archive: {method: POST, path: \"/customers/{id}/archive\"}\n    modified:", "archive: needs archived"},
		{"objects:", "errors: {rules: [{is: gone}]}\nobjects:", "fits every answer"},
		{"objects:", "errors: {rules: [{status: [409], is: twin}]}\nobjects:", `"twin" is not one of`},
		{"objects:", "headers: {Cookie: a=b}\nobjects:", "headers.Cookie: cannot be set here"},
		{"objects:", "webhook: {secrets: [{env: TOKEN8}]}\nobjects:", "webhook.scheme: is missing"},
		{"objects:", "webhook: {scheme: hmac, signature: {header: X-Sig}, events: {only: customers, id: id}}\nobjects:", "webhook.secrets: is missing"},
		{"objects:", "webhook: {scheme: hmac, secrets: [{env: TOKEN}], signature: {header: X-Sig}, events: {only: customers, id: id}}\nobjects:", "is shorter than 8 bytes"},
		{"objects:", "webhook: {scheme: secret_path, events: {id: id}}\nobjects:", "say in one way which object an event is about"},
		{"objects:", "webhook: {scheme: secret_path, events: {only: orders, id: id}}\nobjects:", `there is no object "orders"`},
		{"objects:", "webhook: {scheme: hmac, secrets: [{env: TOKEN8}], signed: \"{timestamp}{body}\", signature: {header: X-Sig}, events: {only: customers, id: id}}\nobjects:", "webhook.timestamp: goes with {timestamp}"},
		{"objects:", "limits: {per_second: -1}\nobjects:", "limits.per_second: is less than 0"},
		{"objects:", "objekts:", `unknown key "objekts"`},
	} {
		if !strings.Contains(good, c.was) {
			t.Errorf("the good system has no %q", c.was)
			continue
		}
		_, err := decoded(strings.Replace(good, c.was, c.is, 1), map[string]string{"TOKEN": "t", "TOKEN8": "12345678"})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "syncd.yaml:") {
			t.Errorf("%s → %s:\n%v\nwant %q at its line", c.was, c.is, err, c.want)
		}
	}
}

// TestAFaultOfAProfileIsToldAtItsOwnLine, and the system's keys lie over it.
func TestAFaultOfAProfileIsToldAtItsOwnLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "erp.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"TOKEN": "t"}
	_, over, _ := strings.Cut(minimalSystem, "objects:")
	write("objects:" + over)
	s, err := decoded("profile: {file: "+file+"}\nbase_url: https://erp.example.com\nauth: {type: bearer, token: {env: TOKEN}}\nobjects: {customers: {fields: {Email: {path: eMail}}}}\n", env)
	if err != nil {
		t.Fatal(err)
	}
	if f := s.Objects["customers"].Fields; len(f) != 2 || f["Email"].Path != "eMail" || s.Objects["customers"].Modified != "updated_at" {
		t.Errorf("the system's keys do not lie over the profile: %+v", f)
	}
	for _, c := range []struct{ was, is, want string }{
		{"order: none", "order: newest", file + ":6:37  systems.sys.objects.customers.list.order: "},
		{"modified:", "modifed:", file + ":4:5  systems.sys.objects.customers: unknown key \"modifed\""},
		{"objects:", "\tobjects:", file + ":1:1"},
	} {
		write(strings.Replace("objects:"+over, c.was, c.is, 1))
		_, err := decoded("profile: {file: "+file+"}\nbase_url: https://erp.example.com\nauth: {type: bearer, token: {env: TOKEN}}\n", env)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n%v\nwant %s", c.is, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"profile: shopp\n":             `there is no profile "shopp": syncd brings espocrm, plain, shop`,
		"profile: {file: none.yaml}\n": "the profile cannot be read",
		"profile: {name: shop}\n":      `unknown key "name"`,
	} {
		if _, err := decoded(text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

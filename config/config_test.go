package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"syncd/secret"
)

var golden = flag.Bool("golden", false, "rewrite testdata/bad/*.txt")

const examplePath = "../config.example.yaml"

// The kinds' settings, as the daemon has them.
type hubspotSettings struct {
	Token                secret.Secret `yaml:"token"`
	ClientSecret         secret.Secret `yaml:"client_secret"`
	PreviousClientSecret secret.Secret `yaml:"previous_client_secret"`
	PortalID             string        `yaml:"portal_id"`
	AppID                string        `yaml:"app_id"`
	APIVersion           string        `yaml:"api_version"`
	Signature            string        `yaml:"signature"`
	BaseURL              string        `yaml:"base_url"`
	TokenField           string        `yaml:"token_field"`
}

type odooSettings struct {
	URL        string        `yaml:"url"`
	Database   string        `yaml:"database"`
	Login      string        `yaml:"login"`
	APIKey     secret.Secret `yaml:"api_key"`
	TokenField string        `yaml:"token_field"`
	Module     string        `yaml:"module"`
}

// restSettings begin with a profile; what they can all say is tested with the
// connector.
type restSettings struct {
	From    Profile               `yaml:"profile,omitempty"`
	BaseURL string                `yaml:"base_url,omitempty"`
	Auth    restAuth              `yaml:"auth,omitempty"`
	Webhook restWebhook           `yaml:"webhook,omitempty"`
	Objects map[string]restObject `yaml:"objects,omitempty"`
}

type restAuth struct {
	Type  string        `yaml:"type,omitempty"`
	Token secret.Secret `yaml:"token,omitempty"`
}

type restWebhook struct {
	Secrets []secret.Secret `yaml:"secrets,omitempty"`
}

type restObject struct {
	ID     string            `yaml:"id,omitempty"`
	Fields map[string]string `yaml:"fields,omitempty"`
}

func (*restSettings) Profiles() []string { return []string{"shop"} }

func (*restSettings) Profile(name string) ([]byte, bool) {
	return []byte("auth: {type: header}\nobjects:\n  customers: {id: ID, fields: {Name: n, mail: m}}\n"), name == "shop"
}

// Validate lets the tests see where a kind's own faults are shown.
func (o *odooSettings) Validate() error {
	if !strings.HasPrefix(o.URL, "https://") {
		return errors.Join(&KeyError{Key: "url", Msg: "Odoo is reached by https only"})
	}
	return nil
}

const canary = "c4n4ry_S3cret_of_the_tests"

func testOptions() Options {
	return Options{
		Kinds: map[string]func() any{
			"hubspot": func() any { return new(hubspotSettings) },
			"odoo":    func() any { return new(odooSettings) },
			"rest":    func() any { return new(restSettings) },
		},
		Env: func(name string) (string, bool) {
			switch {
			case strings.HasPrefix(name, envPrefix) && name != "SYNCD_POSTGRES_URL":
				return "", false
			case strings.HasPrefix(name, "SHORT"):
				return "short", true
			case strings.HasPrefix(name, "UNSET"):
				return "", false
			}
			return canary, true
		},
		ReadFile: func(path string) ([]byte, error) {
			if strings.HasSuffix(path, ".yaml") {
				return os.ReadFile(path)
			}
			if filepath.Base(path) != "install_key" {
				return nil, os.ErrNotExist
			}
			return []byte(canary + "\n"), nil
		},
		CheckFilter: func(expr string) error {
			if strings.Contains(expr, "=") && !strings.Contains(expr, "==") {
				return errors.New("unexpected token Operator(\"=\") (1:6)\n | type = 1\n | .....^")
			}
			return nil
		},
		CheckTwoWay: func(f Field) error {
			if f.As == "lower" {
				return errors.New(`"Jan" comes back as "jan"`)
			}
			return nil
		},
		Transforms: map[string][]string{
			"text": nil, "lower": nil, "email": nil, "phone": {"country"}, "vat": {"country"}, "country": {"form"},
			"number": {"rounding", "scale"}, "bool": nil, "date": {"zone"}, "person_name": nil, "currency": nil, "datetime": {"form", "precision", "zone"},
			"join": {"separator"}, "map": nil, "set": {"separator"},
			"reference": {"link", "out_of_scope", "required"},
		},
	}
}

func load(t *testing.T, text string, o Options) *Config {
	t.Helper()
	c, err := Parse("syncd.yaml", []byte(text), o)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return c
}

func example(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheExampleIsLoaded(t *testing.T) {
	c, err := Load(examplePath, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Systems) != 3 || len(c.Links) != 3 || c.InstallKey.Reveal() != canary || len(c.Rev) != revLength {
		t.Fatalf("got %+v", c)
	}
	h := c.Systems[0]
	set, ok := h.Settings.(*hubspotSettings)
	if !ok || set.PortalID != "12345678" || set.APIVersion != "2026-09" || set.Token.Reveal() != canary || h.Budget.PerTenSeconds != 90 {
		t.Errorf("hubspot is %+v %+v", h, h.Settings)
	}
	companies, contacts := c.Links[0], c.Links[1]
	if want := (Conflict{Mode: ConflictNewest, System: "odoo"}); companies.Conflict != want || contacts.Conflict.Mode != ConflictAsk {
		t.Errorf("conflicts are %+v, %+v", companies.Conflict, contacts.Conflict)
	}
	if !reflect.DeepEqual(companies.Match, [][]string{{"vat"}, {"domain"}}) || !contacts.Create["odoo"] || contacts.Start != StartLive {
		t.Errorf("links are %+v, %+v", companies, contacts)
	}
	vat := companies.Fields[3]
	if vat.Name != "vat" || vat.From != "odoo" || vat.To != "hubspot" || vat.As != "vat" {
		t.Errorf("vat is %+v", vat)
	}
	phone := companies.Fields[2]
	if phone.Params["country"] != "CZ" || phone.Conflict == nil || *phone.Conflict != (Conflict{Mode: ConflictSystem, System: "odoo"}) {
		t.Errorf("phone is %+v", phone)
	}
	name := contacts.Fields[0]
	if !reflect.DeepEqual(name.Columns, map[string][]string{"hubspot": {"firstname", "lastname"}, "odoo": {"name"}}) || name.Name != "name" {
		t.Errorf("name is %+v", name)
	}
	if m := contacts.Members[1]; m.Only != `!is_company && type == "contact"` || !m.Write || !m.Listen || m.InverseID["hubspot"] != "x_hubspot_id" {
		t.Errorf("member is %+v", m)
	}
}

var commentedKey = regexp.MustCompile(`(?m)^(\s*)# ([a-z_]+: \{env: [A-Z_]+\})$`)

// exampleWithAll takes the alternatives in the example out of their comments.
func exampleWithAll(t testing.TB) string {
	text := commentedKey.ReplaceAllString(example(t), "$1$2")
	return strings.Replace(text, "  sqlite: syncd.db\n", "", 1)
}

func TestTheExampleWithItsAlternativesIsLoaded(t *testing.T) {
	c := load(t, exampleWithAll(t), testOptions())
	if c.Store.SQLite != "" || c.Store.Postgres.Reveal() != canary || c.Systems[0].PreviousWebhookSecret.Empty() {
		t.Errorf("got %+v", c.Store)
	}
}

// yamlKeys collects the keys of a struct and of all below it.
func yamlKeys(rt reflect.Type, out map[string]bool) {
	switch rt.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		yamlKeys(rt.Elem(), out)
	case reflect.Struct:
		if rt == secretType || rt == reflect.TypeFor[Conflict]() {
			return
		}
		for i := range rt.NumField() {
			f := rt.Field(i)
			if tag := f.Tag.Get("yaml"); tag != "" && tag != "-" {
				out[tag] = true
			}
			yamlKeys(f.Type, out)
		}
	}
}

func nodeKeys(n *yaml.Node, out map[string]bool) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			out[c.Value] = true
		}
		nodeKeys(c, out)
	}
}

func TestEveryKeyIsInTheExample(t *testing.T) {
	want, have := map[string]bool{}, map[string]bool{}
	for _, v := range []any{Config{}, hubspotSettings{}, odooSettings{}} {
		yamlKeys(reflect.TypeOf(v), want)
	}
	for _, key := range append(slices.Clone(rowKeys), "country", "link", "out_of_scope", "required", ConflictNewest, IdentityExternal) {
		want[key] = true
	}
	for _, text := range []string{example(t), exampleWithAll(t)} {
		var doc yaml.Node
		if err := yaml.Load([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		nodeKeys(&doc, have)
	}
	for key := range want {
		if !have[key] {
			t.Errorf("config.example.yaml does not show the key %s", key)
		}
	}
	if len(want) < 40 {
		t.Errorf("only %d keys found", len(want))
	}
}

func TestBadConfigs(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d bad configs, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("syncd.yaml", data, testOptions())
			if err == nil {
				t.Fatal("this config was taken")
			}
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("got a %T", err)
			}
			got := err.Error() + "\n"
			if strings.Contains(got, "PLAIN") || strings.Contains(got, canary) {
				t.Errorf("the message shows a secret:\n%s", got)
			}
			txt := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *golden {
				if err := os.WriteFile(txt, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(txt)
			if err != nil || got != string(want) {
				t.Errorf("got\n%s\nwant\n%s%v", got, want, err)
			}
		})
	}
}

const minimal = `install_key: {env: KEY}
systems:
  a: {kind: odoo, url: "https://a.test"}
  b: {kind: odoo, url: "https://b.test"}
links:
  - name: one
    members: [{system: a, object: x}, {system: b, object: x, write: false}]
    fields: [{a: NO, b: 007}, {a: AccountName, b: é}]
`

func TestDefaults(t *testing.T) {
	c := load(t, minimal, testOptions())
	if c.Store.SQLite != DefaultSQLite || c.Store.Lease != DefaultLease || c.Server.Ops.Listen != DefaultOpsListen ||
		c.Server.Webhooks.Listen != DefaultWebhooksListen || c.Server.DrainTimeout != DefaultDrainTimeout || c.Log != (Log{"info", "text"}) {
		t.Errorf("got %+v %+v %+v", c.Server, c.Store, c.Log)
	}
	if s := c.Systems[0]; s.Name != "a" || s.SweepEvery != DefaultSweepEvery || !s.TrustOwnMark {
		t.Errorf("system is %+v", s)
	}
	l := c.Links[0]
	if l.OnMatch != MatchPair || l.Identity.Mode != IdentityMapping || l.Conflict.Mode != ConflictAsk || !l.Create["a"] || l.Create["b"] || l.Start != "" {
		t.Errorf("link is %+v", l)
	}
	if f := l.Fields[0]; f.As != DefaultTransform || f.Columns["a"][0] != "NO" || f.Columns["b"][0] != "007" || f.Name != "007" {
		t.Errorf("words are kept as they are written: %+v", f)
	}
	if f := l.Fields[1]; f.Columns["a"][0] != "AccountName" {
		t.Errorf("case is kept: %+v", f)
	}
}

func TestFlagsOverEnvironmentOverFileOverDefaults(t *testing.T) {
	o := testOptions()
	env := map[string]string{"SYNCD_SERVER_WEBHOOKS_LISTEN": "127.0.0.1:2", "SYNCD_STORE_LEASE": "2m", "SYNCD_LOG_LEVEL": "", "SYNCD_STORE_SQLITE": "Env.db"}
	inner := o.Env
	o.Env = func(name string) (string, bool) {
		if v, ok := env[name]; ok {
			return v, true
		}
		return inner(name)
	}
	o.Flags = map[string]string{"server.webhooks.listen": "127.0.0.1:3"}
	c := load(t, minimal+"server: {webhooks: {listen: '127.0.0.1:1'}, drain_timeout: 10s}\nlog: {level: warn}\n", o)
	if c.Server.Webhooks.Listen != "127.0.0.1:3" || c.Store.Lease != 2*time.Minute || c.Server.DrainTimeout != 10*time.Second ||
		c.Log.Level != "warn" || c.Log.SlogLevel() != 4 || c.Store.SQLite != "Env.db" || c.Log.Format != "text" {
		t.Errorf("got %+v %+v %+v", c.Server, c.Store, c.Log)
	}
	env["SYNCD_STORE_LEASE"] = "1s"
	o.Flags["server.ops.listen"] = "0.0.0.0:9"
	o.Flags["log.levle"] = "debug"
	_, err := Parse("syncd.yaml", []byte(minimal), o)
	want := `environment  SYNCD_STORE_LEASE: at least 10s: a shorter lease ends while a batch is on its way
flags  log.levle: there is no such setting — did you mean "log.level"?
flags  server.ops.listen: ops has no login and must stay on this machine: listen on 127.0.0.1 or [::1]
3 errors. Nothing was changed.`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatIsNotThere(t *testing.T) {
	_, err := Load("testdata/none.yaml", Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "testdata/none.yaml  the config cannot be read: ") {
		t.Errorf("got %v", err)
	}
}

func TestShowIsAConfigWithoutSecrets(t *testing.T) {
	for name, text := range map[string]string{"minimal": minimal, "example": example(t), "all": exampleWithAll(t)} {
		c := load(t, text, testOptions())
		shown, err := c.Show()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(shown), canary) {
			t.Fatalf("%s shows a secret:\n%s", name, shown)
		}
		again := regexp.MustCompile(`(?m)^.*: <none>\n`).ReplaceAllString(string(shown), "")
		again = strings.ReplaceAll(again, secret.Hidden, "{env: KEY}")
		back := load(t, again, testOptions())
		if !reflect.DeepEqual(back, c) {
			t.Errorf("%s comes back as\n%+v\nnot\n%+v\nfrom\n%s", name, back, c, again)
		}
	}
}

func TestRevIsThatOfTheContent(t *testing.T) {
	a := load(t, minimal, testOptions())
	b := load(t, "# a comment\n"+strings.Replace(minimal, "{env: KEY}", "{file: install_key}", 1), testOptions())
	c := load(t, strings.Replace(minimal, "AccountName", "accountname", 1), testOptions())
	if a.Rev != b.Rev || a.Rev == c.Rev {
		t.Errorf("revs are %s, %s, %s", a.Rev, b.Rev, c.Rev)
	}
}

func TestUncheckedKindsAndTransforms(t *testing.T) {
	c := load(t, strings.Replace(minimal, "b: 007}", "b: 007, as: mine, unit: m}", 1), Options{Env: testOptions().Env})
	if f := c.Links[0].Fields[0]; f.As != "mine" || f.Params["unit"] != "m" || c.Systems[0].Settings != nil {
		t.Errorf("got %+v", f)
	}
	_, err := Parse("syncd.yaml", []byte(strings.Replace(minimal, "b: 007}", "b: 007, privat: true}", 1)), Options{Env: testOptions().Env})
	if err == nil || !strings.Contains(err.Error(), `did you mean "private"?`) {
		t.Errorf("got %v", err)
	}
}

func TestPublicURLs(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://sync.example.com": true, "https://sync.example.com/a/b": true, "https://sync.example.com:8443": true,
		"http://localhost:8320": true, "http://127.0.0.1": true, "http://[::1]:1": true,
		"http://sync.example.com": false, "sync.example.com": false, "ftp://a.b": false, "https://": false, "https://:80": false,
		"https://a.b/?x": false, "https://a.b/#x": false, "https://a.b/%20": false, "https://u:p@a.b": false, "http://127.0.0.1.evil.com": false, "//a.b": false,
	} {
		if got := publicURLFault(text); (got == "") != ok {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"wins", "sweep_every", "webhook_secret", "as"}
	for got, want := range map[string]string{
		"win": "wins", "swep_every": "sweep_every", "sweep": "sweep_every", "webhook_secrte": "webhook_secret",
		"Sweep_Every": "sweep_every", "xyz": "", "": "", "w": "", strings.Repeat("a", 1000): "",
	} {
		if n := nearest(got, names); n != want {
			t.Errorf("%q: got %q, want %q", got, n, want)
		}
	}
}

package hubspot

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/simulator/hubspotsim"
)

// TestProbe is sections 2, 3 and 5: who the account is and what it has.
func TestProbe(t *testing.T) {
	sim, srv := simulated(t, hubspotsim.Options{})
	if err := sim.UserProperty("contacts", "colour", "enumeration", false, "red", "blue"); err != nil {
		t.Fatal(err)
	}
	c := client(t, srv.URL, simToken, nil)
	objects := []string{"contacts", "products", "line_items", "unicorns"}
	before, err := c.Probe(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	if before.Tenant != simPortal || before.Actor != simApp || before.Location == nil {
		t.Errorf("account %+v", before)
	}
	if _, there := before.Objects["unicorns"]; there || len(before.Objects) != 3 {
		t.Errorf("%d objects", len(before.Objects))
	}
	if o := before.Objects["contacts"]; o.CreateClass != connectors.ClassBlind || o.TokenField != "" || o.TokenVisible {
		t.Errorf("without a token property: %s, %q", o.CreateClass, o.TokenField)
	}
	for _, object := range objects[:3] {
		if err := c.Setup(t.Context(), []connectors.CustomField{{Object: object, Name: DefaultTokenField, Unique: true}}); err != nil {
			t.Fatal(err)
		}
	}
	after, err := c.Probe(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	for object, class := range map[string]connectors.CreateClass{
		"contacts": connectors.ClassUnique, "products": connectors.ClassSearch, "line_items": connectors.ClassBlind,
	} {
		if o := after.Objects[object]; o.CreateClass != class || o.ReadBatch != 100 || o.WriteBatch != 100 || !o.MarksOwn || !o.AnswersRecord {
			t.Errorf("%s: %+v", object, o)
		}
	}
	fields := after.Objects["contacts"].Fields
	if f := fields["colour"]; f.Type != connectors.TypeEnum || len(f.Options) != 2 {
		t.Errorf("colour: %+v", f)
	}
	if f := fields["hs_object_id"]; !f.ReadOnly {
		t.Errorf("hs_object_id: %+v", f)
	}
	if f := fields[DefaultTokenField]; !f.Unique || f.Type != connectors.TypeText {
		t.Errorf("token: %+v", f)
	}
}

// TestProbeRefusesAnotherAccount is SECURITY S24.
func TestProbeRefusesAnotherAccount(t *testing.T) {
	_, srv := simulated(t, hubspotsim.Options{})
	c := client(t, srv.URL, simToken, func(c *Config) { c.PortalID = "1" })
	if _, err := c.Probe(t.Context(), nil); connectors.KindOf(err) != connectors.KindConfig {
		t.Errorf("%v", err)
	}
}

// TestSetupReportsMisfits: a property that is there is never changed; the
// error names system, object, field and the way out.
func TestSetupReportsMisfits(t *testing.T) {
	sim, srv := simulated(t, hubspotsim.Options{})
	for name, kind := range map[string]string{"as_number": "number", "as_text": "string"} {
		if err := sim.UserProperty("contacts", name, kind, false); err != nil {
			t.Fatal(err)
		}
	}
	c := client(t, srv.URL, simToken, nil)
	for _, f := range []connectors.CustomField{
		{Object: "contacts", Name: "as_number"},
		{Object: "contacts", Name: "as_text", Unique: true},
		{Object: "contacts", Name: "no name"},
	} {
		err := c.Setup(t.Context(), []connectors.CustomField{f})
		e, ok := err.(*connectors.Error)
		if !ok || e.Kind != connectors.KindConfig || e.Field != f.Name {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		for _, part := range []string{"crm", "contacts", f.Name, ":"} {
			if !strings.Contains(e.Said, part) {
				t.Errorf("%s: %q does not say %q", f.Name, e.Said, part)
			}
		}
	}
	if err := c.Setup(t.Context(), []connectors.CustomField{{Object: "contacts", Name: "as_text"}}); err != nil {
		t.Errorf("a property that fits: %v", err)
	}
}

// TestSetupMeetsAnother: somebody made the property between our look and our
// call; what is there is read and judged.
func TestSetupMeetsAnother(t *testing.T) {
	c := canned(t, 200, "")
	c.hc.Transport = tripper(func(r *http.Request) (*http.Response, error) {
		switch {
		case r.Method == http.MethodPost:
			return canned(t, 409, `{"category":"OBJECT_ALREADY_EXISTS","subCategory":"Properties.PROPERTY_WITH_NAME_EXISTS"}`).hc.Transport.RoundTrip(r)
		case strings.HasSuffix(r.URL.Path, "/syncd_ref"):
			return canned(t, 200, `{"name":"syncd_ref","type":"string","fieldType":"text","hasUniqueValue":false}`).hc.Transport.RoundTrip(r)
		}
		return canned(t, 200, `{"results":[]}`).hc.Transport.RoundTrip(r)
	})
	f := connectors.CustomField{Object: "contacts", Name: "syncd_ref"}
	if err := c.Setup(t.Context(), []connectors.CustomField{f}); err != nil {
		t.Errorf("one that fits: %v", err)
	}
	f.Unique = true
	if err := c.Setup(t.Context(), []connectors.CustomField{f}); connectors.KindOf(err) != connectors.KindConfig {
		t.Errorf("one that does not: %v", err)
	}
}

// TestConfig refuses what cannot work, by name.
func TestConfig(t *testing.T) {
	hc, token := &http.Client{}, func() string { return "x" }
	for part, c := range map[string]Config{
		"base_url":    {BaseURL: "ftp://x", Token: token},
		"api_version": {APIVersion: "v9", Token: token},
		"signature":   {Signature: "v2", Token: token},
		"token_field": {TokenField: "a b", Token: token},
		"portal_id":   {PortalID: "x", Token: token},
		"app_id":      {AppID: "x", Token: token},
		"token":       {},
	} {
		if _, err := New(c, hc); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
}

// TestPaths is the table of section 1; an odd object never makes a path.
func TestPaths(t *testing.T) {
	c := canned(t, 200, "")
	if got := c.objectsPath("contacts", "batch", "read"); got != "/crm/objects/2026-09/contacts/batch/read" {
		t.Error(got)
	}
	if got := c.propertiesPath("0-1", "a/b"); got != "/crm/properties/2026-09/0-1/a%2Fb" {
		t.Error(got)
	}
	c.cfg.APIVersion = VersionV3
	if got := c.objectsPath("contacts") + c.propertiesPath("contacts"); got != "/crm/v3/objects/contacts/crm/v3/properties/contacts" {
		t.Error(got)
	}
	if _, err := c.Read(t.Context(), "../x", []string{"1"}, nil); connectors.KindOf(err) != connectors.KindConfig {
		t.Errorf("%v", err)
	}
}

// TestValues is section 5, "Value formats", both ways.
func TestValues(t *testing.T) {
	for _, v := range []struct{ kind, in, want string }{
		{"bool", "TRUE", "true"}, {"bool", "", ""},
		{"date", "2026-11-02", "2026-11-02"}, {"date", "1793577600000", "2026-11-02"},
		{"datetime", "2026-11-02T08:15:30.120Z", "2026-11-02T08:15:30.12Z"},
		{"datetime", "2026-11-02T09:15:30+01:00", "2026-11-02T08:15:30Z"},
		{"number", "1.50", "1.50"}, {"number", "1.5E7", "15000000"}, {"number", "-25e-3", "-0.025"},
		{"number", "1e999999999", "1e999999999"}, {"number", "ten", "ten"},
		{"string", "1e3", "1e3"}, {"enumeration", "a;b", "a;b"},
	} {
		if got := fromVendor(v.kind, v.in); got != v.want {
			t.Errorf("%s %q: %q, want %q", v.kind, v.in, got, v.want)
		}
	}
	if got := toVendor("enumeration", ";a;b") + toVendor("string", ";a"); got != "a;b;a" {
		t.Error(got)
	}
	if a, b := SortableTime(time.UnixMilli(999)), SortableTime(time.UnixMilli(1763640000123)); a >= b || len(a) != 16 || len(b) != 16 {
		t.Errorf("%q %q", a, b)
	}
}

// TestWindows: a search counts twice, another call once.
func TestWindows(t *testing.T) {
	count := func(method, path string) (n int) {
		for _, w := range Windows() {
			if w.Applies(&http.Request{Method: method, URL: &url.URL{Path: path}}) {
				n++
			}
		}
		return n
	}
	if count("POST", "/crm/v3/objects/contacts/search") != 2 || count("POST", "/crm/v3/objects/contacts/batch/read") != 1 {
		t.Error("windows")
	}
}

package odoo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
)

const annRow = `{"id":1,"name":"Ann","email":false,"active":true,"is_company":false,"parent_id":[5,"Acme"],"write_date":"2026-11-20 15:05:42","write_uid":[7,"bot"],"create_date":"2026-11-20 15:00:00"}`
const benRow = `{"id":2,"name":"Ben","email":"b@x.example","active":false,"is_company":true,"parent_id":false,"write_date":"2026-11-20 15:05:43","write_uid":[2,"Admin"],"create_date":"2026-11-20 15:00:00"}`

func TestRead(t *testing.T) {
	f := newFake()
	f.answers["res.partner.read"] = []string{"[" + benRow + "," + annRow + "]"} // in any order
	c, _ := dial(t, f)
	ids := []string{"1", "3", "2", "../1", "1", "99999999999"}
	got, err := c.Read(t.Context(), object, ids, []string{"name", "email", "is_company", "parent_id", "phone"})
	if err != nil {
		t.Fatal(err)
	}
	want := []connectors.Sight{
		connectors.SightFound, connectors.SightMissing, connectors.SightArchived, connectors.SightMissing,
		connectors.SightFound, connectors.SightMissing,
	}
	for i, s := range got {
		if s.Asked != ids[i] || s.Sight != want[i] {
			t.Errorf("%s: %+v", ids[i], s)
		}
	}
	ann, ben := got[0].Record, got[2].Record
	if ann.ID != "1" || ann.Version != "0001795187142000" || !ann.Ours || ben.Ours || ann.Archived || !ben.Archived {
		t.Errorf("%+v\n%+v", ann, ben)
	}
	if !ann.Born.Equal(time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)) {
		t.Errorf("born %v", ann.Born)
	}
	if v := ann.Values; v["name"] != "Ann" || v["is_company"] != "false" || v["parent_id"] != "5" {
		t.Errorf("%v", v)
	}
	if v, shown := ann.Values["email"]; v != "" || !shown {
		t.Error("false is null, and shown")
	}
	if _, shown := ann.Values["phone"]; shown {
		t.Error("a field that the answer left out was made up")
	}
	if _, shown := ann.Values["write_uid"]; shown {
		t.Error("a field that nobody asked for is given")
	}
	if body := f.of(object, "read")[0].Body; !strings.HasPrefix(body, "[[1,3,2],[") {
		t.Errorf("sent %s", body)
	}
}

// One record behind a rule fails the read of all; the others are read all the same.
func TestReadAroundHiddenRecords(t *testing.T) {
	f := newFake()
	f.answers["res.partner.read"] = []string{oops("odoo.exceptions.AccessError", "Due to security restrictions"), "[" + annRow + "]"}
	f.answers["res.partner.search"] = []string{`[1]`}
	f.answers["res.partner.exists"] = []string{`[2]`}
	c, _ := dial(t, f)
	got, err := c.Read(t.Context(), object, []string{"1", "2", "3"}, []string{"name"})
	if err != nil || got[0].Sight != connectors.SightFound || got[1].Sight != connectors.SightDenied || got[2].Sight != connectors.SightMissing {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestReadTellsAClosedModel(t *testing.T) {
	f := newFake()
	no := oops("odoo.exceptions.AccessError", "You are not allowed to access 'Contact' (res.partner) records.")
	f.answers["res.partner.read"], f.answers["res.partner.search"] = []string{no}, []string{no}
	c, _ := dial(t, f)
	_, err := c.Read(t.Context(), object, []string{"1"}, nil)
	if connectors.KindOf(err) != connectors.KindForbidden {
		t.Error(err)
	}
	at, err := c.Locate(t.Context(), object, "1", "t1")
	if err != nil || at.Place != connectors.PlaceDenied {
		t.Errorf("%+v, %v", at, err)
	}
}

func TestFindByToken(t *testing.T) {
	f := newFake()
	f.answers["ir.model.data.search_read"] = []string{`[{"id":1,"name":"t1","res_id":1},{"id":2,"name":"t9","res_id":1}]`}
	f.answers["res.partner.read"] = []string{"[" + annRow + "]"}
	f.answers["res.partner.search_read"] = []string{`[{"id":2,"name":"Ben","x_syncd_ref":"t2"}]`}
	c, _ := dial(t, f)
	got, err := c.Find(t.Context(), object, connectors.Lookup{Field: DefaultTokenField, Values: []string{"t1", "t2", "t9", ""}}, []string{"name"})
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	// t9 was merged into t1's record: both tokens are answered, by the winner.
	for i, want := range []struct{ id, token string }{{"1", "t1"}, {"1", "t9"}, {"2", "t2"}} {
		if got[i].ID != want.id || got[i].Values[DefaultTokenField] != want.token {
			t.Errorf("%+v", got[i])
		}
	}
	if body := f.of(object, "search_read")[0].Body; !strings.Contains(body, `["x_syncd_ref","in",["t2"]]`) {
		t.Errorf("fell back with %s", body)
	}
}

func TestFindByTokenWithoutTheRight(t *testing.T) {
	f := newFake()
	f.answers["ir.model.data.search_read"] = []string{oops("odoo.exceptions.AccessError", "You are not allowed to access 'Model Data' (ir.model.data) records.")}
	f.answers["res.partner.search_read"] = []string{`[{"id":2,"name":"Ben","x_syncd_ref":"t2"}]`}
	c, _ := dial(t, f)
	got, err := c.Find(t.Context(), object, connectors.Lookup{Field: DefaultTokenField, Values: []string{"t2"}}, nil)
	if err != nil || len(got) != 1 || got[0].Values[DefaultTokenField] != "t2" {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestFindAsksByType(t *testing.T) {
	for _, x := range []struct {
		field string
		value string
		want  string
	}{
		{"email", "Ann_B@x.example", `["email","=ilike","ann\\_b@x.example"]`},
		{"vat", "CZ1", `["vat","in",["CZ1"]]`},
		{"id", "5", `["id","in",[5]]`},
		{"parent_id", "5", `["parent_id","in",[5]]`},
		{"color", "3", `["color","in",[3]]`},
		{"color", "red", ""},
		{"email", "", ""},
	} {
		f := newFake()
		f.answers["res.partner.search_read"] = []string{`[]`}
		c, _ := dial(t, f)
		if _, err := c.Find(t.Context(), object, connectors.Lookup{Field: x.field, Values: []string{x.value}}, nil); err != nil {
			t.Error(err)
		}
		calls := f.of(object, "search_read")
		if (len(calls) == 0) != (x.want == "") || (x.want != "" && !strings.Contains(calls[0].Body, x.want)) {
			t.Errorf("%s = %q sent %v", x.field, x.value, calls)
		}
	}
}

func TestLocate(t *testing.T) {
	forbidden := oops("odoo.exceptions.AccessError", "You are not allowed to access 'Model Data' (ir.model.data) records.")
	for _, x := range []struct {
		name, token             string
		data, byField, have, id string
		want                    connectors.Location
	}{
		{"merged", "t3", `[{"id":1,"name":"t3","res_id":8}]`, `[]`, `[]`, "3", connectors.Location{Place: connectors.PlaceMerged, ID: "8"}},
		{"token moved", "t3", `[]`, `[{"id":8}]`, `[]`, "3", connectors.Location{Place: connectors.PlaceMerged, ID: "8"}},
		{"deleted", "t3", `[]`, `[]`, `[]`, "3", connectors.Location{Place: connectors.PlaceDeleted}},
		{"hidden", "t3", `[]`, `[]`, `[3]`, "3", connectors.Location{Place: connectors.PlaceDenied}},
		{"no token", "", `[]`, `[]`, `[]`, "3", connectors.Location{Place: connectors.PlaceUnknown}},
		{"no right", "t3", forbidden, `[]`, `[]`, "3", connectors.Location{Place: connectors.PlaceUnknown}},
		{"no id", "t3", `[]`, `[]`, `[]`, "x", connectors.Location{Place: connectors.PlaceUnknown}},
	} {
		f := newFake()
		f.answers["ir.model.data.search_read"] = []string{x.data}
		f.answers["res.partner.search_read"] = []string{x.byField}
		f.answers["res.partner.exists"] = []string{x.have}
		f.answers["res.partner.search"] = []string{`[1]`}
		f.answers["res.partner.read"] = []string{`[]`, "[" + annRow + "]"}
		c, _ := dial(t, f)
		got, err := c.Locate(t.Context(), object, x.id, x.token)
		if err != nil || got != x.want {
			t.Errorf("%s: %+v, %v", x.name, got, err)
		}
	}
}

// A delete needs a canary: another record that can be read.
func TestLocateWithoutACanary(t *testing.T) {
	f := newFake()
	f.answers["res.partner.read"] = []string{`[]`}
	f.answers["res.partner.search_read"] = []string{`[]`}
	f.answers["res.partner.exists"] = []string{`[]`}
	f.answers["res.partner.search"] = []string{`[]`}
	c, _ := dial(t, f)
	if got, err := c.Locate(t.Context(), object, "3", "t3"); err != nil || got.Place != connectors.PlaceUnknown {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestProbe(t *testing.T) {
	for _, json2 := range []bool{false, true} {
		f := newFake()
		f.json2 = json2
		f.answers["res.nosuch.fields_get"] = []string{oops("odoo.exceptions.UserError", "Object res.nosuch doesn't exist")}
		if json2 {
			f.answers["res.nosuch.fields_get"] = []string{`{"name":"werkzeug.exceptions.NotFound","message":"the model 'res.nosuch' does not exist"}`}
			f.status["res.nosuch.fields_get"] = 404
		}
		c, _ := dial(t, f)
		s, err := c.Probe(t.Context(), []string{object, "res.nosuch"})
		if err != nil {
			t.Fatal(err)
		}
		o := s.Objects[object]
		if s.Tenant != "acme/uuid-1" || s.Actor != "7" || len(s.Objects) != 1 || !o.TokenVisible || o.CreateClass != connectors.ClassUnique {
			t.Errorf("%+v", s)
		}
		for name, want := range map[string]connectors.FieldType{
			"name": connectors.TypeText, "comment": connectors.TypeText, "active": connectors.TypeBool, "color": connectors.TypeNumber,
			"birth": connectors.TypeDate, "seen": connectors.TypeTime, "type": connectors.TypeEnum, "parent_id": connectors.TypeReference,
			"category_id": connectors.TypeOther,
		} {
			if o.Fields[name].Type != want {
				t.Errorf("%s is %s", name, o.Fields[name].Type)
			}
		}
		if f := o.Fields["type"]; len(f.Options) != 2 || f.Options[1] != "other" || !o.Fields["credit"].ReadOnly || o.Fields["parent_id"].Target != object {
			t.Errorf("%+v", o.Fields)
		}
	}
}

func TestProbeFailures(t *testing.T) {
	f := newFake()
	f.answers["common.authenticate"] = []string{`false`}
	c, _ := dial(t, f)
	if _, err := c.Probe(t.Context(), nil); connectors.KindOf(err) != connectors.KindAuth {
		t.Error(err)
	}
	f.answers["common.authenticate"] = []string{`7`}
	f.answers["ir.config_parameter.get_param"] = []string{oops("odoo.exceptions.AccessError", "You are not allowed to access 'System Parameter' (ir.config_parameter) records.")}
	s, err := c.Probe(t.Context(), nil)
	if err != nil || !strings.HasSuffix(s.Tenant, "/acme") {
		t.Errorf("%+v, %v", s, err)
	}
	f.answers["ir.config_parameter.get_param"] = []string{"busy"}
	f.status["ir.config_parameter.get_param"] = 502
	if _, err := c.Probe(t.Context(), nil); err == nil {
		t.Error("a gateway's error made another tenant")
	}
}

func TestSetup(t *testing.T) {
	field := connectors.CustomField{Object: object, Name: "x_crm_id", Label: "CRM id", Unique: true}
	f := newFake()
	f.answers["ir.model.search_read"] = []string{`[{"id":85,"model":"res.partner"}]`}
	f.answers["ir.model.fields.create"] = []string{`[6676]`}
	c, _ := dial(t, f)
	if err := c.Setup(t.Context(), []connectors.CustomField{field, {Object: object, Name: DefaultTokenField}}); err != nil {
		t.Fatal(err)
	}
	made := f.of("ir.model.fields", "create")
	if len(made) != 1 || !strings.HasPrefix(made[0].Body, `[[{"copied":false,"field_description":"CRM id","index":true,"model_id":85,"name":"x_crm_id","state":"manual","ttype":"char"}]]`) {
		t.Errorf("%+v", made)
	}
	for name, want := range map[string]connectors.Kind{"color": connectors.KindConfig, "credit": connectors.KindConfig, "crm_id": connectors.KindConfig} {
		err := c.Setup(t.Context(), []connectors.CustomField{{Object: object, Name: name}})
		var e *connectors.Error
		if !errors.As(err, &e) || e.Kind != want || e.Field != name || e.Said == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
	f.answers["ir.model.fields.create"] = []string{oops("odoo.exceptions.AccessError", "You are not allowed to access 'Fields' (ir.model.fields) records.")}
	err := c.Setup(t.Context(), []connectors.CustomField{field})
	var e *connectors.Error
	if !errors.As(err, &e) || e.Kind != connectors.KindForbidden || !strings.Contains(e.Said, "Access Rights") || !strings.Contains(e.Said, "x_crm_id") {
		t.Errorf("%+v", e)
	}
}

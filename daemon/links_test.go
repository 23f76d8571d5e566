package daemon

import (
	"slices"
	"strings"
	"testing"

	"syncd/config"
	"syncd/connectors"
	"syncd/flows/plan"
)

func infosForTest() map[string]connectors.System {
	text := connectors.Field{Type: connectors.TypeText}
	return map[string]connectors.System{
		"hubspot": {Objects: map[string]connectors.Object{"contacts": {Fields: map[string]connectors.Field{
			"email": text, "phone": text, "erp_id": text, "score": {Type: connectors.TypeNumber, ReadOnly: true}, "seen": {Type: connectors.TypeTime},
		}}}},
		"odoo": {Objects: map[string]connectors.Object{"res.partner": {Fields: map[string]connectors.Field{
			"email": text, "phone": text, "x_crm_id": text, "is_company": {Type: connectors.TypeBool}, "x_score": text,
		}}}},
	}
}

func linkForTest() config.Link {
	return config.Link{
		Name: "contacts", OnMatch: "pair", Start: "live", Conflict: config.Conflict{Mode: "newest", System: "odoo"},
		Match: [][]string{{"email"}},
		Members: []config.Member{
			{System: "odoo", Object: "res.partner", InverseID: map[string]string{"hubspot": "x_crm_id"}, Only: "!is_company", Write: true, Listen: true},
			{System: "hubspot", Object: "contacts", InverseID: map[string]string{"odoo": "erp_id"}, Write: true, Listen: true},
		},
		Fields: []config.Field{
			{Name: "email", As: "email", Columns: map[string][]string{"hubspot": {"email"}, "odoo": {"email"}}},
			{Name: "phone", As: "text", Columns: map[string][]string{"hubspot": {"phone"}, "odoo": {"phone"}}, Conflict: &config.Conflict{Mode: "system", System: "odoo"}, Private: true},
		},
	}
}

func TestLinkCompilesToTheRulesItSays(t *testing.T) {
	links, problems := compileLinks([]config.Link{linkForTest()}, infosForTest(), nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	l := links[0]
	if l.Members[0].System != "hubspot" || l.Members[1].System != "odoo" {
		t.Errorf("members are not sorted by system: %v", l.Members)
	}
	if !l.Live || !l.Private["phone"] || l.Private["email"] || !l.Create["odoo"] || !l.Create["hubspot"] {
		t.Errorf("live %t, private %v, create %v", l.Live, l.Private, l.Create)
	}
	want := []plan.Policy{{Mode: plan.ModeNewest, System: "odoo"}, {Mode: plan.ModeSystem, System: "odoo"}}
	for i, r := range l.Rules.Rows {
		if r.Policy != want[i] {
			t.Errorf("row %s: policy %v, want %v", r.Name, r.Policy, want[i])
		}
	}
}

// Each broken link gives one sentence that names system, object and field.
func TestWhatDoesNotFitIsSaidInOneSentence(t *testing.T) {
	cases := map[string]struct {
		spoil func(*config.Link)
		words []string
	}{
		"unknown column": {
			func(l *config.Link) { l.Fields[0].Columns["hubspot"] = []string{"e_mail"} },
			[]string{"contacts", "hubspot", "e_mail", "correct the mapping"},
		},
		"unknown inverse id": {
			func(l *config.Link) { l.Members[0].InverseID["hubspot"] = "x_nope" },
			[]string{"odoo", "res.partner", "x_nope"},
		},
		"unknown object": {
			func(l *config.Link) { l.Members[0].Object = "res.nope" },
			[]string{"odoo", "res.nope", "grant the right"},
		},
		"read-only column written": {
			func(l *config.Link) {
				l.Fields[1].Columns = map[string][]string{"hubspot": {"score"}, "odoo": {"x_score"}}
			},
			[]string{"hubspot", "score", "read-only", "goes: hubspot"},
		},
		"filter on an unknown field": {
			func(l *config.Link) { l.Members[0].Only = "!is_companny" },
			[]string{"odoo", "is_companny"},
		},
		"time of day dropped": {
			func(l *config.Link) {
				l.Fields[1] = config.Field{Name: "seen", As: "date", Columns: map[string][]string{"hubspot": {"seen"}, "odoo": {"x_score"}}}
			},
			[]string{"hubspot", "seen", "as: date", "goes: hubspot", "accept_lossy"},
		},
		"unknown column at creation": {
			func(l *config.Link) { l.Members[0].CreateWith = map[string]string{"x_gone": "1"} },
			[]string{"odoo", "res.partner", "x_gone"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := linkForTest()
			c.spoil(&l)
			_, problems := compileLinks([]config.Link{l}, infosForTest(), nil)
			fits := func(p string) bool {
				return !slices.ContainsFunc(c.words, func(w string) bool { return !strings.Contains(p, w) })
			}
			if !slices.ContainsFunc(problems, fits) {
				t.Errorf("no sentence with all of %q in %q", c.words, problems)
			}
		})
	}
}

func TestReadOnlyColumnMayBeASource(t *testing.T) {
	l := linkForTest()
	l.Fields[1] = config.Field{Name: "score", As: "text", From: "hubspot", To: "odoo", Columns: map[string][]string{"hubspot": {"score"}, "odoo": {"x_score"}}}
	if _, problems := compileLinks([]config.Link{l}, infosForTest(), nil); len(problems) > 0 {
		t.Fatal(problems)
	}
}

func TestTimeOfDayMayBeDroppedOneWayOrOnPurpose(t *testing.T) {
	for name, change := range map[string]func(*config.Field){
		"one way":    func(f *config.Field) { f.From, f.To = "hubspot", "odoo" },
		"on purpose": func(f *config.Field) { f.AcceptLossy = true },
	} {
		l := linkForTest()
		l.Fields[1] = config.Field{Name: "seen", As: "date", Columns: map[string][]string{"hubspot": {"seen"}, "odoo": {"x_score"}}}
		change(&l.Fields[1])
		if _, problems := compileLinks([]config.Link{l}, infosForTest(), nil); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// A refused value is tried again when this changes (CORRECTNESS F29).
func TestAbilityChangesWithSchemaAndCredential(t *testing.T) {
	able := func(change func(*connectors.System)) string {
		s := infosForTest()["hubspot"]
		change(&s)
		return ableOf(s, "contacts")
	}
	was := able(func(*connectors.System) {})
	for name, change := range map[string]func(*connectors.System){
		"another user": func(s *connectors.System) { s.Actor = "other" },
		"a new field":  func(s *connectors.System) { s.Objects["contacts"].Fields["new"] = connectors.Field{} },
		"a field we may write now": func(s *connectors.System) {
			s.Objects["contacts"].Fields["score"] = connectors.Field{Type: connectors.TypeNumber}
		},
		"a new option": func(s *connectors.System) {
			s.Objects["contacts"].Fields["phone"] = connectors.Field{Type: connectors.TypeText, Options: []string{"x"}}
		},
	} {
		if able(change) == was {
			t.Errorf("%s changes nothing", name)
		}
	}
	if able(func(*connectors.System) {}) != was {
		t.Error("it changes by itself")
	}
}

package daemon

import (
	"strings"
	"testing"

	"syncd/config"
	"syncd/connectors"
	"syncd/fields"
)

// refInfos have companies beside contacts, and a column of contacts that points to
// them; refLinks are two links of which one refers to the other.
func refInfos() map[string]connectors.System {
	infos := infosForTest()
	infos["hubspot"].Objects["companies"] = connectors.Object{Fields: map[string]connectors.Field{"name": {Type: connectors.TypeText}}}
	infos["hubspot"].Objects["contacts"].Fields["associatedcompanyid"] = connectors.Field{Type: connectors.TypeReference, Target: "companies"}
	infos["odoo"].Objects["res.partner"].Fields["parent_id"] = connectors.Field{Type: connectors.TypeReference, Target: "res.partner"}
	infos["odoo"].Objects["res.partner"].Fields["name"] = connectors.Field{Type: connectors.TypeText}
	return infos
}

func refLinks() []config.Link {
	people := linkForTest()
	people.Fields = append(people.Fields, config.Field{Name: "company", As: "reference", Params: map[string]string{"link": "companies", "required": "true"},
		Columns: map[string][]string{"hubspot": {"associatedcompanyid"}, "odoo": {"parent_id"}}})
	return []config.Link{people, {
		Name: "companies", Conflict: config.Conflict{Mode: "ask"},
		Members: []config.Member{{System: "hubspot", Object: "companies", Write: true, Listen: true}, {System: "odoo", Object: "res.partner", Only: "is_company", Write: true, Listen: true}},
		Fields:  []config.Field{{Name: "name", As: "text", Columns: map[string][]string{"hubspot": {"name"}, "odoo": {"name"}}}},
	}}
}

func TestReferenceCompiles(t *testing.T) {
	links, problems := compileLinks(refLinks(), refInfos(), nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := links[0].Refs["company"]; got != (fields.Reference{Link: "companies", OutOfScope: "leave", Required: true}) {
		t.Errorf("reference %+v", got)
	}
	if rows := links[0].Rules.Rows; !rows[len(rows)-1].Required || rows[0].Required {
		t.Errorf("rules %+v", rows)
	}
}

func TestReferenceThatPointsElsewhereIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		change func(links []config.Link, infos map[string]connectors.System)
		want   []string
	}{
		"another object": {func(links []config.Link, _ map[string]connectors.System) { links[1].Members[0].Object = "deals" },
			[]string{"associatedcompanyid points to companies", "companies is about deals"}},
		"no member": {func(links []config.Link, _ map[string]connectors.System) { links[1].Members = links[1].Members[1:] },
			[]string{"hubspot contacts", "which has no member in hubspot"}},
		"a date": {func(_ []config.Link, infos map[string]connectors.System) {
			infos["odoo"].Objects["res.partner"].Fields["parent_id"] = connectors.Field{Type: connectors.TypeDate}
		}, []string{"parent_id cannot refer to anything", "date"}},
	} {
		t.Run(name, func(t *testing.T) {
			links, infos := refLinks(), refInfos()
			c.change(links, infos)
			_, problems := compileLinks(links, infos, nil)
			all := strings.Join(problems, "\n")
			for _, words := range c.want {
				if !strings.Contains(all, words) {
					t.Errorf("%q is not said in %q", words, all)
				}
			}
		})
	}
}

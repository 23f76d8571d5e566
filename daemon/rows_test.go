package daemon

import (
	"fmt"
	"strings"
	"testing"

	"syncd/config"
	"syncd/connectors"
	"syncd/fields"
)

// parseRow checks a configuration whose only row is given.
func parseRow(row string) (*config.Config, error) {
	text := fmt.Sprintf(`install_key: {env: KEY}
systems: {crm: {kind: hubspot, client_secret: {env: KEY}}, erp: {kind: odoo, url: "https://erp.test"}}
links:
  - name: contacts
    members: [{system: crm, object: contacts}, {system: erp, object: res.partner}]
    fields:
      - {%s}
`, row)
	return config.Parse("syncd.yaml", []byte(text), config.Options{
		Env:        func(name string) (string, bool) { return strings.Repeat("k", 32), name == "KEY" },
		Transforms: fields.Transforms(), CheckField: CheckField, CheckTwoWay: CheckTwoWay,
	})
}

func TestFaultsOfARowHaveTheirPlace(t *testing.T) {
	tests := []struct{ row, want string }{
		{`crm: a, erp: b, as: map`, "7:9  links.contacts.fields[0].values: `as: map` needs a list of values"},
		{`crm: a, erp: b, as: map, values: [{crm: x, erp: "1"}, {crm: y, erp: "1"}]`, `fields[0].values[1].erp: "1" of erp means "x" already`},
		{`crm: a, erp: b, as: map, values: [{crm: x, erp: "1"}], unknown: {default: z}`, `fields[0].unknown.default: "z" is none of the row's values`},
		{`crm: a, erp: b, as: map, values: [{crm: x, erp: "1"}], unknown: {default: x}`, "fields[0].as: as: map loses something on the way there and back: every value that is not among its values comes back as the default. Make it one-way with `goes: crm -> erp`, or say `accept_lossy: true`"},
		{`crm: a, erp: b, as: phone, country: CZ, samples: ["603 123 456"]`, `the sample "603 123 456" comes back as "+420603123456". Make it one-way`},
		{`crm: a, erp: b, as: date, zone: {erp: Prague}`, `fields[0].zone.erp: zone "Prague": there is no such zone`},
		{`crm: a, erp: b, goes: crm -> erp, expr: "b + 1"`, `fields[0].expr: the expression uses "b", which is no column of the row's source`},
		{`crm: a, erp: b, goes: crm -> erp, expr: "a - \"x\""`, `fields[0].expr: the expression does not fit its fields`},
		{`crm: a, erp: b, expr: "a"`, "a computed row goes one way: add `goes: a -> b`"},
		{`crm: a, erp: b, as: number, scale: 2, rounding: up`, `fields[0].rounding: rounding "up": it is one of half_up, half_even, down`},
		{`crm: a, erp: b, as: bool, conflict: {most_restrictive: out}`, `fields[0].conflict: "out" is no value of a row with`},
	}
	for _, tt := range tests {
		t.Run(tt.row, func(t *testing.T) {
			if _, err := parseRow(tt.row); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "1 error") {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestRowsBecomeRules(t *testing.T) {
	infos := map[string]connectors.System{
		"crm": {Objects: map[string]connectors.Object{"contacts": {Fields: map[string]connectors.Field{
			"n": {Type: connectors.TypeNumber}, "t": {Type: connectors.TypeText}, "pick": {Type: connectors.TypeEnum, Options: []string{"smb", "ent"}},
		}}}},
		"erp": {Objects: map[string]connectors.Object{"res.partner": {Fields: map[string]connectors.Field{
			"n": {Type: connectors.TypeNumber}, "t": {Type: connectors.TypeText}, "pick": {Type: connectors.TypeEnum, Options: []string{"11", "12"}},
		}}}},
	}
	tests := []struct{ row, want string }{
		{`crm: pick, erp: pick, as: map, values: [{crm: smb, erp: "11"}, {crm: ent, erp: "13"}]`, `field pick has no option "13", which the values of row pick write`},
		{`crm: pick, erp: pick, as: map, values: [{crm: smb, erp: "11"}, {crm: [ent, old], erp: "12"}]`, ""},
		{`crm: [n, t], erp: t, name: x, goes: crm -> erp, expr: "n * 2 > 1 ? t : string(n)"`, ""},
		{`crm: [t], erp: t, name: x, goes: crm -> erp, expr: "t * 2 > 1"`, "the expression does not fit its fields"},
		{`erp: t, value: " fixed "`, ""},
		{`crm: t, erp: t, as: bool, conflict: {most_restrictive: "Yes"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.row, func(t *testing.T) {
			c, err := parseRow(tt.row)
			if err != nil {
				t.Fatal(err)
			}
			l, problems := compileLink(c.Links[0], infos, nil)
			if got := strings.Join(problems, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Fatalf("problems %q, want %q", got, tt.want)
			}
			if tt.want != "" {
				return
			}
			switch r := l.Rules.Rows[0]; {
			case c.Links[0].Fields[0].Value != nil:
				if r.Const == nil || *r.Const != "fixed" {
					t.Errorf("the constant is %v", r.Const)
				}
			case r.Policy.Mode == "most_restrictive":
				if r.Policy.Value != "true" {
					t.Errorf("the policy is %+v", r.Policy)
				}
			}
		})
	}
}

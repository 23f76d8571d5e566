package lab

import (
	"slices"
	"strings"

	"syncd/connectors"
	"syncd/fields"
	"syncd/flows"
	"syncd/flows/plan"
)

// rows of the one link, as a configuration would have them.
var linkRows = []struct {
	name, as string
	crm      []string
	erp      string
	params   map[string]string
	policy   plan.Policy
}{
	{"full_name", "person_name", []string{"firstname", "lastname"}, "name", nil, plan.Policy{Mode: plan.ModeNewest, System: erp}},
	{"email", "email", []string{"email"}, "email", nil, plan.Policy{Mode: plan.ModeNewest, System: erp}},
	{"phone", "phone", []string{"phone"}, "phone", map[string]string{"country": "CZ"}, plan.Policy{Mode: plan.ModeSystem, System: erp}},
	{"jobtitle", "", []string{"jobtitle"}, "function", nil, plan.Policy{Mode: plan.ModeNewest, System: erp}},
	{"city", "", []string{"city"}, "city", nil, plan.Policy{Mode: plan.ModeSystem, System: crm}},
}

// customers compiles the link, as daemon/links.go does from YAML.
func customers(infos map[string]connectors.System) (*flows.Link, error) {
	filter, err := fields.ParseFilter(`!is_company && type == "contact"`)
	if err != nil {
		return nil, err
	}
	types := map[string]string{}
	for name, f := range infos[erp].Objects[partners].Fields {
		types[name] = string(f.Type)
	}
	if err := filter.Bind(types); err != nil {
		return nil, err
	}
	l := &flows.Link{
		Name: "customers", Private: map[string]bool{}, Match: [][]string{{"email"}}, OnMatch: flows.MatchPair,
		Create: map[string]bool{crm: true, erp: true}, Live: true,
		Rules: plan.Rules{ReadOnly: map[string]bool{}, Silent: map[string]bool{}},
		Members: []flows.Member{
			{System: crm, Object: contacts, Inverse: map[string]string{erp: "erp_id"}, Write: true, Listen: true},
			{System: erp, Object: partners, Inverse: map[string]string{crm: "x_crm_id"}, Write: true, Listen: true, Filter: filter},
		},
	}
	slices.SortFunc(l.Members, func(a, b flows.Member) int { return strings.Compare(a.System, b.System) })
	for _, r := range linkRows {
		row, err := fields.Compile(fields.Spec{Name: r.name, As: r.as, Params: r.params, Columns: map[string][]string{crm: r.crm, erp: {r.erp}}})
		if err != nil {
			return nil, err
		}
		l.Rows = append(l.Rows, row)
		l.Rules.Rows = append(l.Rules.Rows, plan.Row{Name: r.name, Systems: []string{crm, erp}, Rev: row.Rev(), Policy: r.policy})
	}
	return l, nil
}

// canonical gives a record's rows as the vendor holds them now.
func (w *world) canonical(system string, values map[string]string) map[string]string {
	out := map[string]string{}
	for _, r := range w.link.Rows {
		if v, shown := r.Get(system, values); shown {
			out[r.Name()] = v
		}
	}
	return out
}

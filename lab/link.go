package lab

import (
	"slices"
	"strings"

	"syncd/connectors"
	"syncd/fields"
	"syncd/flows"
	"syncd/flows/plan"
)

// rows of the one link, as a configuration would have them. What people edit as
// one thing is one of these: city and zip are one group, whose rows have the
// names of their columns, and one value here.
var linkRows = []struct {
	name, as string
	crm, erp []string
	params   map[string]string
	policy   plan.Policy
	group    string
}{
	{"full_name", "person_name", []string{"firstname", "lastname"}, []string{"name"}, nil, plan.Policy{Mode: plan.ModeNewest, System: erp}, ""},
	{"email", "email", []string{"email"}, []string{"email"}, nil, plan.Policy{Mode: plan.ModeNewest, System: erp}, ""},
	{"phone", "phone", []string{"phone"}, []string{"phone"}, map[string]string{"country": "CZ"}, plan.Policy{Mode: plan.ModeSystem, System: erp}, ""},
	{"jobtitle", "", []string{"jobtitle"}, []string{"function"}, nil, plan.Policy{Mode: plan.ModeNewest, System: erp}, ""},
	{address, "", []string{"city", "zip"}, []string{"city", "zip"}, nil, plan.Policy{Mode: plan.ModeSystem, System: crm}, "address"},
}

// address is the group as people see it, under the name of its first row.
const address = "city"

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
		specs := []fields.Spec{{Name: r.name, As: r.as, Params: r.params, Columns: map[string][]string{crm: r.crm, erp: r.erp}}}
		if r.group != "" {
			specs = nil
			for i, column := range r.crm {
				specs = append(specs, fields.Spec{Name: column, As: r.as, Columns: map[string][]string{crm: {column}, erp: {r.erp[i]}}})
			}
		}
		for _, spec := range specs {
			row, err := fields.Compile(spec)
			if err != nil {
				return nil, err
			}
			l.Rows = append(l.Rows, row)
			l.Rules.Rows = append(l.Rules.Rows, plan.Row{Name: spec.Name, Group: r.group, Systems: []string{crm, erp}, Rev: row.Rev(), Policy: r.policy})
		}
	}
	return l, nil
}

// canonical gives a record's rows as the vendor holds them now, a group as one.
func (w *world) canonical(system string, values map[string]string) map[string]string {
	out := map[string]string{}
	for _, r := range w.link.Rows {
		if v, shown := r.Get(system, values); shown {
			out[r.Name()] = v
		}
	}
	return asOne(out)
}

// asOne puts the rows of the group together: two halves of two addresses are a
// value that nobody wrote.
func asOne(rows map[string]string) map[string]string {
	rows[address] += "|" + rows["zip"]
	delete(rows, "zip")
	return rows
}

package lab

import (
	"slices"

	"syncd/fields"
	"syncd/flows"
	"syncd/flows/plan"
)

// linkRows are the rows of the one link, as a configuration would have them.
// What people edit as one thing is one of these: city and zip are one group,
// whose rows have the names of their columns, and one value here. named is who
// wins: where it is not there, the last of the systems does.
var linkRows = []struct {
	name, as string
	columns  map[kind][]string
	params   map[string]string
	mode     plan.Mode
	named    string
	group    string
}{
	{"full_name", "person_name", map[kind][]string{kindHubSpot: {"firstname", "lastname"}, kindOdoo: {"name"}, kindShop: {"name"}}, nil, plan.ModeNewest, erp, ""},
	{"email", "email", map[kind][]string{kindHubSpot: {"email"}, kindOdoo: {"email"}, kindShop: {"email"}}, nil, plan.ModeNewest, erp, ""},
	{"phone", "phone", map[kind][]string{kindHubSpot: {"phone"}, kindOdoo: {"phone"}, kindShop: {"phone"}}, map[string]string{"country": "CZ"}, plan.ModeSystem, erp, ""},
	{"jobtitle", "", map[kind][]string{kindHubSpot: {"jobtitle"}, kindOdoo: {"function"}, kindShop: {"job"}}, nil, plan.ModeNewest, erp, ""},
	{address, "", map[kind][]string{kindHubSpot: addressColumns, kindOdoo: addressColumns, kindShop: addressColumns}, nil, plan.ModeSystem, crm, "address"},
}

// address is the group as people see it, under the name of its first row.
const address = "city"

var addressColumns = []string{address, "zip"}

// privateRow is the row that the link marks private: its values are canaries of
// their own, which must never be seen in a log (I14).
const privateRow = "jobtitle"

// customers compiles the link, as daemon/links.go does from YAML.
func (w *world) customers() (*flows.Link, error) {
	l := &flows.Link{
		Name: "customers", Private: map[string]bool{privateRow: true}, Match: [][]string{{"email"}}, OnMatch: flows.MatchPair,
		Create: map[string]bool{}, Live: true, Rules: plan.Rules{ReadOnly: map[string]bool{}, Silent: map[string]bool{}},
	}
	for _, v := range w.systems { // sorted by name, as members are
		m, err := w.member(v)
		if err != nil {
			return nil, err
		}
		l.Members, l.Create[v.name] = append(l.Members, m), true
	}
	for _, r := range linkRows {
		named := r.named
		if !slices.Contains(w.d.systems, named) {
			named = w.d.systems[len(w.d.systems)-1]
		}
		specs := []fields.Spec{{Name: r.name, As: r.as, Params: r.params, Columns: map[string][]string{}}}
		if r.group != "" {
			specs = nil
			for _, column := range r.columns[kindHubSpot] {
				specs = append(specs, fields.Spec{Name: column, As: r.as, Columns: map[string][]string{}})
			}
		}
		for i, spec := range specs {
			for _, v := range w.systems {
				if spec.Columns[v.name] = r.columns[v.kind]; r.group != "" {
					spec.Columns[v.name] = r.columns[v.kind][i : i+1]
				}
			}
			row, err := fields.Compile(spec)
			if err != nil {
				return nil, err
			}
			l.Rows = append(l.Rows, row)
			l.Rules.Rows = append(l.Rules.Rows, plan.Row{Name: spec.Name, Group: r.group, Systems: w.d.systems, Rev: row.Rev(), Policy: plan.Policy{Mode: r.mode, System: named}})
		}
	}
	return l, nil
}

func (w *world) member(v *vendor) (flows.Member, error) {
	m := flows.Member{System: v.name, Object: v.object, Inverse: map[string]string{}, Write: true, Listen: true}
	for _, other := range w.systems {
		if other != v {
			m.Inverse[other.name] = v.inverse(other.name)
		}
	}
	if v.filter == "" {
		return m, nil
	}
	filter, err := fields.ParseFilter(v.filter)
	if err != nil {
		return m, err
	}
	types := map[string]string{}
	for name, f := range w.infos[v.name].Objects[v.object].Fields {
		types[name] = string(f.Type)
	}
	m.Filter = filter
	return m, filter.Bind(types)
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

// columnOf names the first column of a row in a kind of vendor.
func columnOf(row string, k kind) string {
	for _, r := range linkRows {
		if r.name == row {
			return r.columns[k][0]
		}
	}
	return ""
}

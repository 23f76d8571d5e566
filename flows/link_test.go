package flows_test

import (
	"slices"

	"syncd/fields"
	"syncd/flows"
	"syncd/flows/plan"
)

// customers compiles a link over some systems, as daemon/links.go does.
func (w *world) customers(systems ...string) *flows.Link {
	slices.Sort(systems)
	l := &flows.Link{
		Name: "customers", Private: map[string]bool{"email": true}, Match: [][]string{{"email"}}, OnMatch: flows.MatchPair,
		Create: map[string]bool{}, Live: true, Rules: plan.Rules{ReadOnly: map[string]bool{}, Silent: map[string]bool{}},
	}
	for _, name := range systems {
		m := flows.Member{System: name, Object: objectOf(name), Inverse: map[string]string{}, Write: true, Listen: true}
		for _, other := range systems {
			if other != name {
				m.Inverse[other] = inverseOf(name, other)
			}
		}
		if name == erp {
			m.Filter = w.filter(`!is_company && type == "contact"`, erp)
		}
		l.Members, l.Create[name] = append(l.Members, m), true
	}
	for _, r := range []struct {
		name, as, erp string
		crm           []string
	}{
		{"full_name", "person_name", "name", []string{"firstname", "lastname"}}, {"email", "email", "email", []string{"email"}},
		{"phone", "phone", "phone", []string{"phone"}}, {"jobtitle", "", "function", []string{"jobtitle"}}, {"city", "", "city", []string{"city"}},
	} {
		spec := fields.Spec{Name: r.name, As: r.as, Columns: map[string][]string{}}
		if r.as == "phone" {
			spec.Params = map[string]string{"country": "CZ"}
		}
		for _, name := range systems {
			if spec.Columns[name] = r.crm; name == erp {
				spec.Columns[name] = []string{r.erp}
			}
		}
		row, err := fields.Compile(spec)
		if err != nil {
			w.t.Fatal(err)
		}
		l.Rows = append(l.Rows, row)
		l.Rules.Rows = append(l.Rules.Rows, plan.Row{Name: r.name, Systems: systems, Rev: row.Rev(), Policy: plan.Policy{Mode: plan.ModeNewest, System: erp}})
	}
	return l
}

func (w *world) filter(src, system string) *fields.Filter {
	return w.filterOn(objectOf(system), src, system)
}

func (w *world) filterOn(object, src, system string) *fields.Filter {
	f, err := fields.ParseFilter(src)
	if err != nil {
		w.t.Fatal(err)
	}
	types := map[string]string{}
	for name, x := range w.infos[system].Objects[object].Fields {
		types[name] = string(x.Type)
	}
	if err := f.Bind(types); err != nil {
		w.t.Fatal(err)
	}
	return f
}

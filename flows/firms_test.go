package flows_test

import (
	"fmt"
	"strconv"

	"syncd/fields"
	"syncd/flows"
	"syncd/flows/plan"
	"syncd/store"
)

// The names of the reference row and of its columns.
const (
	company   = "company"
	crmPoints = "associatedcompanyid"
	erpPoints = "parent_id"
)

// withFirms adds a link of companies, which customers point to.
func withFirms(w *world) { w.firms = true }

// firmWorld is a world of companies and people.
func firmWorld(w *world, change ...func(people, firms *flows.Link)) *world {
	w.t.Helper()
	people, firms := w.link, w.companyLink()
	people.Refs = map[string]fields.Reference{company: {Link: firms.Name, OutOfScope: fields.OutOfScopeLeave}}
	w.addRow(people, fields.Spec{Name: company, As: "reference", Columns: map[string][]string{crm: {crmPoints}, erp: {erpPoints}}})
	people.Members[1].CreateWith = map[string]string{"type": "contact"}
	for _, f := range change {
		f(people, firms)
	}
	w.links = []*flows.Link{people, firms}
	return w
}

func (w *world) addRow(l *flows.Link, spec fields.Spec) {
	w.t.Helper()
	row, err := fields.Compile(spec)
	if err != nil {
		w.t.Fatal(err)
	}
	l.Rows = append(l.Rows, row)
	l.Rules.Rows = append(l.Rules.Rows, plan.Row{Name: spec.Name, Systems: []string{crm, erp}, Rev: row.Rev(),
		Policy: plan.Policy{Mode: plan.ModeNewest, System: erp}, Required: l.Refs[spec.Name].Required})
}

func (w *world) companyLink() *flows.Link {
	l := &flows.Link{
		Name: companies, Private: map[string]bool{}, OnMatch: flows.MatchPair, Match: [][]string{{"name"}},
		Create: map[string]bool{crm: true, erp: true}, Live: true, Rules: plan.Rules{ReadOnly: map[string]bool{}, Silent: map[string]bool{}},
		Members: []flows.Member{
			{System: crm, Object: companies, Inverse: map[string]string{erp: inverseOf(crm, erp)}, Write: true, Listen: true},
			{System: erp, Object: partners, Inverse: map[string]string{crm: inverseOf(erp, crm)}, Write: true, Listen: true,
				Filter: w.filter("is_company", erp), CreateWith: map[string]string{"is_company": "true"}},
		},
	}
	w.addRow(l, fields.Spec{Name: "name", Columns: map[string][]string{crm: {"name"}, erp: {"name"}}})
	return l
}

// firm makes a company as a person does.
func (w *world) firm(system, name string) string {
	w.t.Helper()
	if system != erp {
		id, err := w.hubs[system].UserCreate(companies, map[string]string{"name": name})
		if err != nil {
			w.t.Fatal(err)
		}
		return id
	}
	id, err := w.erp.UserCreate(partners, map[string]any{"name": name, "is_company": true})
	if err != nil {
		w.t.Fatal(err)
	}
	return strconv.FormatInt(id, 10)
}

// works makes a person of a company.
func (w *world) works(system, firm string, n int) string {
	w.t.Helper()
	id := w.person(system, n)
	w.point(system, id, firm)
	return id
}

// point has a person of a system point to a company there, or to none.
func (w *world) point(system, id, firm string) {
	w.t.Helper()
	if system != erp {
		w.edit(system, id, map[string]string{crmPoints: firm})
		return
	}
	var to any = false
	if firm != "" {
		n, _ := strconv.ParseInt(firm, 10, 64)
		to = n
	}
	n, _ := strconv.ParseInt(id, 10, 64)
	if err := w.erp.UserWrite(partners, n, map[string]any{erpPoints: to}); err != nil {
		w.t.Fatal(err)
	}
}

// pointed is what a person's record points to, "" if to nothing.
func (w *world) pointed(system, id string) string {
	w.t.Helper()
	if system != erp {
		v, ok := w.hubs[system].Get(contacts, id)
		if !ok {
			w.t.Fatalf("%s has no contact %s", system, id)
		}
		return v[crmPoints]
	}
	n, _ := strconv.ParseInt(id, 10, 64)
	v, ok := w.erp.Get(partners, n)
	if !ok {
		w.t.Fatalf("%s has no partner %s", system, id)
	}
	if list, ok := v[erpPoints].([]any); ok && len(list) > 0 {
		return fmt.Sprint(list[0])
	}
	if v[erpPoints] == nil || v[erpPoints] == false {
		return ""
	}
	return fmt.Sprint(v[erpPoints])
}

// firmPair gives the record that a company is paired with.
func (w *world) firmPair(system, id, other string) string {
	w.t.Helper()
	ps, err := w.store.Pairs(w.t.Context(), store.PairQuery{Link: companies, SourceSystem: system, SourceID: id, TargetSystem: other})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(ps) != 1 || !ps[0].Active {
		w.t.Fatalf("company %s of %s has pairs %+v in %s\nwaiting %+v\n%s", id, system, ps, other, w.waiting(), w.tail())
	}
	return ps[0].TargetID
}

// sameFirm checks that a person of the CRM works for one company on both sides,
// "" for none, and that nothing is open.
func (w *world) sameFirm(person, firm string) {
	w.t.Helper()
	partner := w.pair(crm, person, erp)
	want := ""
	if firm != "" {
		want = w.firmPair(crm, firm, erp)
	}
	if a, b := w.pointed(crm, person), w.pointed(erp, partner); a != firm || b != want {
		w.t.Errorf("the contact points to %q and the partner to %q; want %q and %q\n%s", a, b, firm, want, w.tail())
	}
	for _, m := range w.identity(crm, person).Members {
		if m.Intent != nil || len(m.Fields) > 0 {
			w.t.Errorf("%s %s: intent %s, states %v", m.System, m.RecordID, m.Intent, m.Fields)
		}
	}
	if ws, ts := w.waiting(), w.trash(); len(ws)+len(ts) > 0 {
		w.t.Errorf("waiting %+v, trash %+v", ws, ts)
	}
}

// waitOf gives the state of the reference of a person on one side.
func (w *world) waitOf(system, id, side string) (plan.Wait, bool) {
	w.t.Helper()
	for _, m := range w.identity(system, id).Members {
		if m.System == side {
			st := m.Fields[company]
			return plan.WaitOf(plan.FieldState{State: st.State, Detail: st.Detail})
		}
	}
	return plan.Wait{}, false
}

type column struct{ object, name string }

// firstColumn is the field of companies that points to their first contact.
func firstColumn(system string) column {
	if system == erp {
		return column{partners, "x_first_contact"}
	}
	return column{companies, "first_contact"}
}

// pointFirm has a company point to its first contact.
func (w *world) pointFirm(system, firm, person string) {
	w.t.Helper()
	var err error
	if c := firstColumn(system); system != erp {
		err = w.hubs[system].UserEdit(companies, firm, map[string]string{c.name: person})
	} else {
		n, _ := strconv.ParseInt(firm, 10, 64)
		err = w.erp.UserWrite(partners, n, map[string]any{c.name: person})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// firmPoints is the first contact of a company.
func (w *world) firmPoints(system, firm string) string {
	w.t.Helper()
	c := firstColumn(system)
	if system != erp {
		v, _ := w.hubs[system].Get(companies, firm)
		return v[c.name]
	}
	n, _ := strconv.ParseInt(firm, 10, 64)
	v, _ := w.erp.Get(partners, n)
	return fmt.Sprint(v[c.name])
}

package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"syncd/daemon"
	"syncd/store"
)

// person is somebody with a mailbox, made up from a seed.
type person struct{ first, last, mail, phone, job, city string }

func people(seed uint64, n int) []person {
	dice := rand.New(rand.NewPCG(seed, 2))
	firsts := []string{"Ada", "Grace", "Katherine", "Jana", "Žofie", "Ludmila", "Emmy", "Sofja"}
	lasts := []string{"Lovelace", "Hopper", "Johnson", "Nováková", "Noether", "de la Cruz", "Kovalevskaja"}
	jobs := []string{"Engineer", "Buyer", "Director", "Accountant"}
	cities := []string{"Praha", "Brno", "Wien", "Ústí nad Labem"}
	out := make([]person, n)
	for i := range out {
		out[i] = person{
			first: firsts[dice.IntN(len(firsts))], last: lasts[dice.IntN(len(lasts))],
			mail: fmt.Sprintf("p%03d.%04x@example.com", i, dice.IntN(1<<16)), phone: phoneOf(dice.IntN(1_000_000)),
			job: jobs[dice.IntN(len(jobs))], city: cities[dice.IntN(len(cities))],
		}
	}
	return out
}

// phoneOf is a Czech number in the form that both sides keep.
func phoneOf(n int) string { return fmt.Sprintf("+420601%06d", n) }

func (p person) props() map[string]string {
	return map[string]string{
		"firstname": p.first, "lastname": p.last, "email": p.mail, "phone": p.phone, "jobtitle": p.job, "city": p.city,
	}
}

func (p person) vals() map[string]any {
	return map[string]any{
		"name": p.first + " " + p.last, "email": p.mail, "phone": p.phone, "function": p.job, "city": p.city, "type": "contact",
	}
}

func (w *world) crmCreate(p person) string {
	w.t.Helper()
	id, err := w.crm.UserCreate(contacts, p.props())
	if err != nil {
		w.t.Fatalf("create a contact: %v", err)
	}
	return id
}

func (w *world) erpCreate(p person) int64 {
	w.t.Helper()
	id, err := w.erp.UserCreate(partner, p.vals())
	if err != nil {
		w.t.Fatalf("create a partner: %v", err)
	}
	return id
}

func (w *world) crmEdit(id string, props map[string]string) {
	w.t.Helper()
	if err := w.crm.UserEdit(contacts, id, props); err != nil {
		w.t.Fatalf("edit contact %s: %v", id, err)
	}
}

func (w *world) erpEdit(id int64, vals map[string]any) {
	w.t.Helper()
	if err := w.erp.UserWrite(partner, id, vals); err != nil {
		w.t.Fatalf("edit partner %d: %v", id, err)
	}
}

// contact gives a property by the CRM's truth, partner a field by the ERP's.
func (w *world) contact(id, field string) string {
	r, _ := w.crm.Get(contacts, id)
	return r[field]
}

func (w *world) partner(id int64, field string) string {
	r, _ := w.erp.Get(partner, id)
	text, _ := r[field].(string) // false where empty
	return text
}

// partnerOf gives the partner of a contact, 0 while there is none.
func (w *world) partnerOf(contact string) int64 {
	id, err := strconv.ParseInt(w.contact(contact, "erp_id"), 10, 64)
	if err != nil || w.partner(id, "x_crm_id") != contact {
		return 0
	}
	return id
}

// onePair says what is wrong if contacts and partners are not paired one to
// one, n of each, by the vendors' truth alone: each side holds the other's id,
// both the same token, no token twice, and no record ever was made besides.
func (w *world) onePair(n int) string {
	if born := len(w.crm.Truth().Births(contacts)); born != n {
		return fmt.Sprintf("the CRM made %d contacts, not %d", born, n)
	}
	if born := len(w.erp.Truth().Births(partner)); born != n {
		return fmt.Sprintf("the ERP made %d partners, not %d", born, n)
	}
	all := w.crm.All(contacts)
	if len(all) != n {
		return fmt.Sprintf("the CRM has %d contacts, not %d", len(all), n)
	}
	tokens, partners := map[string]string{}, map[int64]string{}
	for id, c := range all {
		p := w.partnerOf(id)
		switch {
		case p == 0:
			return fmt.Sprintf("contact %s says partner %q, which does not name it", id, c["erp_id"])
		case partners[p] != "":
			return fmt.Sprintf("partner %d is claimed by contacts %s and %s", p, id, partners[p])
		case c["syncd_ref"] == "" || c["syncd_ref"] != w.partner(p, "x_syncd_ref"):
			return fmt.Sprintf("contact %s has token %q, partner %d %q", id, c["syncd_ref"], p, w.partner(p, "x_syncd_ref"))
		case tokens[c["syncd_ref"]] != "":
			return fmt.Sprintf("contacts %s and %s share a token", id, tokens[c["syncd_ref"]])
		}
		tokens[c["syncd_ref"]], partners[p] = id, id
	}
	return ""
}

// differs says which mapped fields of a contact and its partner are unequal.
func (w *world) differs(contact string) string {
	p := w.partnerOf(contact)
	c, _ := w.crm.Get(contacts, contact)
	for of, by := range map[string][2]string{
		"name": {strings.TrimSpace(c["firstname"] + " " + c["lastname"]), w.partner(p, "name")}, "email": {c["email"], w.partner(p, "email")},
		"phone": {c["phone"], w.partner(p, "phone")}, "job": {c["jobtitle"], w.partner(p, "function")}, "city": {c["city"], w.partner(p, "city")},
	} {
		if by[0] != by[1] {
			return fmt.Sprintf("%s of contact %s is %q, of partner %d %q", of, contact, by[0], p, by[1])
		}
	}
	return ""
}

// equal says which pair differs, if one does.
func (w *world) equal() string {
	for id := range w.crm.All(contacts) {
		if against := w.differs(id); against != "" {
			return against
		}
	}
	return ""
}

// mapped compares the rows of the view id_mapping with the vendors' truth: a
// row in each direction for every pair, all active, and no other.
func mapped(d *daemon.Daemon, w *world) string {
	rows, err := d.Store().Pairs(context.Background(), store.PairQuery{Link: "contacts", Limit: 10_000})
	if err != nil {
		return err.Error()
	}
	want := map[string]bool{}
	for id := range w.crm.All(contacts) {
		if p := w.partnerOf(id); p != 0 {
			want[fmt.Sprintf("hubspot %s odoo %d", id, p)] = true
			want[fmt.Sprintf("odoo %d hubspot %s", p, id)] = true
		}
	}
	if len(rows) != len(want) {
		return fmt.Sprintf("id_mapping has %d rows, the vendors %d pairs", len(rows), len(want)/2)
	}
	for _, r := range rows {
		key := strings.Join([]string{r.SourceSystem, r.SourceID, r.TargetSystem, r.TargetID}, " ")
		if !want[key] || !r.Active {
			return fmt.Sprintf("row %q of id_mapping (active: %t) is not in the vendors' truth", key, r.Active)
		}
	}
	return ""
}

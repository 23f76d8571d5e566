package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"syncd/simulator"
)

// TestEditCrossesOnceInEitherDirection: an edit makes one write on the other
// side, and nothing comes back; so does clearing a field.
func TestEditCrossesOnceInEitherDirection(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Seed: 81})
		d := w.start()
		contact := w.pairs(people(w.s.Seed, 1))[0]
		id := w.partnerOf(contact)
		for _, step := range []struct {
			name string
			edit func()
			came func() bool
		}{
			{"CRM to ERP", func() { w.crmEdit(contact, map[string]string{"jobtitle": "Countess"}) },
				func() bool { return w.partner(id, "function") == "Countess" }},
			{"ERP to CRM", func() { w.erpEdit(id, map[string]any{"function": "Analyst"}) },
				func() bool { return w.contact(contact, "jobtitle") == "Analyst" }},
			{"several fields of a name", func() { w.crmEdit(contact, map[string]string{"firstname": "Augusta Ada", "lastname": "King"}) },
				func() bool { return w.partner(id, "name") == "Augusta Ada King" }},
			{"cleared in the CRM", func() { w.crmEdit(contact, map[string]string{"city": ""}) },
				func() bool { return w.partner(id, "city") == "" }},
			{"filled in the ERP", func() { w.erpEdit(id, map[string]any{"city": "Wien"}) },
				func() bool { return w.contact(contact, "city") == "Wien" }},
			{"cleared in the ERP", func() { w.erpEdit(id, map[string]any{"function": false}) },
				func() bool { return w.contact(contact, "jobtitle") == "" }},
			{"another form of the same phone", func() { w.erpEdit(id, map[string]any{"phone": w.partner(id, "phone")}) },
				func() bool { return true }},
		} {
			before := w.writes()
			step.edit()
			w.told(step.name, step.came)
			w.quiet()
			if n := w.writes() - before; n > 1 {
				t.Errorf("%s: made %d writes", step.name, n)
			}
		}
		w.settled(d, 1)
	})
}

// TestFormOfAPhoneMakesNoPingPong: each side writes the same number in a form
// of its own; only the number counts, whoever wrote it.
func TestFormOfAPhoneMakesNoPingPong(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Seed: 82})
		w.start()
		p := people(w.s.Seed, 1)[0]
		p.phone = "00420 601 222 333"
		contact := w.pairs([]person{p})[0]
		id := w.partnerOf(contact)
		if got := w.partner(id, "phone"); got != "+420601222333" {
			t.Errorf("the ERP has %q", got)
		}
		for i, form := range []string{"601 222 333", "+420 601-222-333", "(+420) 601222333"} {
			before := w.writes()
			w.crmEdit(contact, map[string]string{"phone": form, "city": fmt.Sprint("Form ", i)})
			w.told("the city of the same edit arrives", func() bool { return w.partner(id, "city") == fmt.Sprint("Form ", i) })
			w.quiet()
			if w.contact(contact, "phone") != form || w.partner(id, "phone") != "+420601222333" {
				t.Errorf("a form was overwritten: CRM %q, ERP %q", w.contact(contact, "phone"), w.partner(id, "phone"))
			}
			if n := w.writes() - before; n != 1 {
				t.Errorf("form %q made %d writes", form, n)
			}
		}
		w.erpEdit(id, map[string]any{"phone": "+420 777 888 999"})
		w.told("another number crosses", func() bool { return w.contact(contact, "phone") == "+420777888999" })
		w.quiet()
		w.redelivered()
	})
}

// conflict has both sides edit one pair before either is heard of: the ERP
// answers nobody meanwhile.
func (w *world) conflict(ahead time.Duration, contact string, props map[string]string, vals map[string]any) {
	w.t.Helper()
	id := w.partnerOf(contact)
	w.erp.Faults().Down(true)
	if ahead > 0 {
		w.erpEdit(id, vals)
		w.crmClock.forward(ahead)
		w.crmEdit(contact, props)
	} else {
		w.crmEdit(contact, props)
		w.erpClock.forward(-ahead)
		w.erpEdit(id, vals)
	}
	w.erp.Faults().Down(false)
}

// TestConflictIsSettledByItsPolicy: phone belongs to the ERP, the job goes to
// whoever was last, the city asks a person.
func TestConflictIsSettledByItsPolicy(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Seed: 83})
		d := w.start()
		contact := w.pairs(people(w.s.Seed, 1))[0]
		id := w.partnerOf(contact)
		both := func(column, field, want string) func() bool {
			return func() bool { return w.contact(contact, column) == want && w.partner(id, field) == want }
		}
		w.conflict(5*time.Second, contact,
			map[string]string{"phone": phoneOf(1), "jobtitle": "by CRM"}, map[string]any{"phone": phoneOf(2), "function": "by ERP"})
		w.told("the phone is the ERP's, though the CRM was later", both("phone", "phone", phoneOf(2)))
		w.told("the job is the later one, the CRM's", both("jobtitle", "function", "by CRM"))
		w.quiet()
		w.conflict(-10*time.Second, contact, map[string]string{"jobtitle": "CRM again"}, map[string]any{"function": "ERP again"})
		w.told("the job is the later one, the ERP's", both("jobtitle", "function", "ERP again"))
		w.quiet()

		w.conflict(5*time.Second, contact, map[string]string{"city": "Brno"}, map[string]any{"city": "Wien", "function": "crosses"})
		w.told("the other field crosses", both("jobtitle", "function", "crosses"))
		w.quiet()
		if w.contact(contact, "city") != "Brno" || w.partner(id, "city") != "Wien" {
			t.Errorf("the city was decided: CRM %q, ERP %q", w.contact(contact, "city"), w.partner(id, "city"))
		}
		w.crmEdit(contact, map[string]string{"city": "Wien"})
		w.quiet()
		w.crmEdit(contact, map[string]string{"city": "Praha"})
		w.told("a person's answer frees the field", both("city", "city", "Praha"))
		w.quiet()
		w.settled(d, 1)
		w.redelivered()
	})
}

// TestEditDuringAnOutageArrives: either vendor is down while people go on
// working in both.
func TestEditDuringAnOutageArrives(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Seed: 84})
		d := w.start()
		all := people(w.s.Seed, few)
		ids := w.pairs(all)
		for _, down := range []*simulator.Faults{w.erp.Faults(), w.crm.Faults()} {
			down.Down(true)
			for i, contact := range ids {
				if i%2 == 0 {
					w.crmEdit(contact, map[string]string{"jobtitle": fmt.Sprint("CRM ", w.calls(), i)})
				} else {
					w.erpEdit(w.partnerOf(contact), map[string]any{"function": fmt.Sprint("ERP ", w.calls(), i)})
				}
			}
			w.told("syncd noticed", func() bool {
				text, err := get("http://" + w.ops + "/status")
				return err == nil && strings.Contains(text, `"troubles"`)
			})
			down.Down(false)
			w.holds("all edits arrive", w.equal)
			w.quiet()
		}
		w.settled(d, few)
	})
}

// TestEditWhileOurWriteIsInFlight: people edit both records of a pair while a
// write of ours is on its way to one of them. Nobody's edit is lost.
func TestEditWhileOurWriteIsInFlight(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Seed: 85})
		d := w.start()
		contact := w.pairs(people(w.s.Seed, 1))[0]
		id := w.partnerOf(contact)
		late := w.erpDoor.keep(`"write"`)
		w.crmEdit(contact, map[string]string{"jobtitle": "first"})
		w.kept(late)
		w.erpEdit(id, map[string]any{"phone": phoneOf(77)})
		w.crmEdit(contact, map[string]string{"jobtitle": "second"})
		late.open()
		w.told("every edit is on both sides", func() bool {
			return w.contact(contact, "phone") == phoneOf(77) && w.partner(id, "phone") == phoneOf(77) &&
				w.contact(contact, "jobtitle") == "second" && w.partner(id, "function") == "second"
		})
		w.quiet()
		late = w.crmDoor.keep("/batch/update")
		w.erpEdit(id, map[string]any{"function": "third"})
		w.kept(late)
		w.crmEdit(contact, map[string]string{"firstname": "Augusta"})
		w.erpEdit(id, map[string]any{"function": "fourth"})
		late.open()
		w.told("every edit is on both sides", func() bool {
			return w.contact(contact, "jobtitle") == "fourth" && w.contact(contact, "firstname") == "Augusta" && w.differs(contact) == ""
		})
		w.quiet()
		w.settled(d, 1)
		w.redelivered()
	})
}

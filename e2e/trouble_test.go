package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestUnknownFieldHoldsTheStartAndLosesNothing: a mapping names a property that
// the CRM does not have. The log says so, webhooks are taken, and everything
// flows once the property was made.
func TestUnknownFieldHoldsTheStartAndLosesNothing(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Rows: []string{"{hubspot: nickname, odoo: comment}"}, Seed: 51})
		d := w.launch()
		w.sentence("link contacts", "hubspot contacts has no field nickname", "make the field in hubspot")
		w.acknowledged(d)
		if w.node.(*inProcess).Flowing() {
			t.Error("the flows began")
		}
		if err := w.crm.UserProperty(contacts, "nickname", "string", false); err != nil {
			t.Fatal(err)
		}
		w.holds("all arrive after the repair", func() string { return w.onePair(few) })
		w.quiet()
		w.settled(d, few)
	})
}

// TestDeadCredentialKeepsWorkQueued: the token is refused; a new daemon with
// the right one drains what was acknowledged meanwhile.
func TestDeadCredentialKeepsWorkQueued(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Seed: 52})
		w.writeFile(fileCRMToken, "canary-wrong-token-0000")
		d := w.launch()
		w.sentence("system hubspot", "the credential is refused: renew it")
		w.acknowledged(d)
		if n := len(w.erp.Truth().Births(partner)); n != 0 {
			t.Errorf("%d partners were made", n)
		}
		w.stop()
		w.writeFile(fileCRMToken, secrets()[fileCRMToken])
		d = w.start()
		w.holds("all arrive", func() string { return w.onePair(few) })
		w.quiet()
		w.settled(d, few)
	})
}

// TestMissingScopeKeepsWorkQueued: the CRM takes the right to write away while
// syncd runs.
func TestMissingScopeKeepsWorkQueued(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Seed: 53})
		d := w.start()
		const scope = "crm.objects.contacts.write"
		w.crm.DenyScope(scope)
		for _, p := range people(w.s.Seed, few) {
			w.erpCreate(p)
		}
		w.sentence("hubspot forbids", contacts, "grant the right")
		w.told("every webhook was taken", func() bool {
			return w.metric("syncd_webhook_deliveries_total", "system", erpSystem, "result", "accepted") >= few
		})
		w.holds("the work is queued", func() string { return w.queued(d, few) })
		w.told("a waiting record names the scope", func() bool { return strings.Contains(w.waitingText(), scope) })
		if n := len(w.crm.Truth().Births(contacts)); n != 0 {
			t.Errorf("%d contacts were made", n)
		}
		w.crm.AllowScope(scope)
		w.holds("all arrive", func() string { return w.onePair(few) })
		w.quiet()
		w.settled(d, few)
	})
}

// TestRefusedRecordIsParkedAlone: the CRM refuses one e-mail address of a
// batch. Its siblings go through, it is parked with the CRM's words, and goes
// through as soon as a person corrects it.
func TestRefusedRecordIsParkedAlone(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Held: true, Seed: 54})
		d := w.start()
		all := people(w.s.Seed, few)
		all[5].mail = "no address"
		var refused int64
		for i, p := range all {
			if id := w.erpCreate(p); i == 5 {
				refused = id
			}
		}
		w.courier.release(1)
		w.told("its siblings go through", func() bool { return len(w.crm.All(contacts)) == few-1 })
		w.quiet()
		w.parked(d, erpSystem, fmt.Sprint(refused), "no address", "email")
		w.erpEdit(refused, map[string]any{"email": all[0].mail + ".example"})
		w.holds("it follows", func() string { return w.onePair(few) })
		w.quiet()
		w.settled(d, few)
		w.redelivered()
	})
}

// sentence waits for a line of the log that holds all parts.
func (w *world) sentence(parts ...string) {
	w.t.Helper()
	w.holds("the log says it", func() string {
		if w.log.line(parts...) == "" {
			return "no line with " + strings.Join(parts, " … ")
		}
		return ""
	})
}

// acknowledged makes people in the CRM while the flows have not begun: every
// webhook gets its 200, and the work is queued.
func (w *world) acknowledged(d *inProcess) {
	w.t.Helper()
	for _, p := range people(w.s.Seed, few) {
		w.crmCreate(p)
	}
	w.told("every webhook was taken", func() bool {
		return w.metric("syncd_webhook_deliveries_total", "system", crmSystem, "result", "accepted") >= few
	})
	w.holds("the work is queued", func() string { return w.queued(d, few) })
}

func (w *world) queued(d *inProcess, n int) string {
	if left, err := d.left(); left != n {
		return fmt.Sprintf("%d rows are queued, not %d (%v)", left, n, err)
	}
	return ""
}

// parked checks that exactly one record is parked, and what is said about it.
func (w *world) parked(d *inProcess, system, id string, words ...string) {
	w.t.Helper()
	rows, err := d.Store().Waiting(context.Background(), 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(rows) != 1 || !rows[0].Parked || rows[0].System != system || rows[0].RecordID != id {
		w.t.Fatalf("record %s of %s is not the only one that waits:\n%s", id, system, w.waitingText())
	}
	for _, word := range words {
		if !strings.Contains(rows[0].Error, word) {
			w.t.Errorf("it is parked with %q, which does not say %q", rows[0].Error, word)
		}
	}
}

package e2e_test

import (
	"fmt"
	"sync"
	"testing"

	"syncd/config"
)

// TestSamePersonBornOnBothSidesMeets: CRM and ERP get the same people at the
// same time. Each is one pair, and nobody is there a third time.
func TestSamePersonBornOnBothSidesMeets(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		const n = 20
		w := newWorld(t, settings{Store: store, Seed: 61})
		d := w.start()
		var born sync.WaitGroup
		for _, p := range people(w.s.Seed, n) {
			for _, create := range []func() error{
				func() error { _, err := w.crm.UserCreate(contacts, p.props()); return err },
				func() error { _, err := w.erp.UserCreate(partner, p.vals()); return err },
			} {
				born.Go(func() {
					if err := create(); err != nil {
						t.Error(err)
					}
				})
			}
		}
		born.Wait()
		w.holds("each is one pair", func() string { return w.onePair(n) })
		w.quiet()
		w.settled(d, n)
		w.redelivered()
		w.settled(d, n)
	})
}

// unheard makes a contact that syncd is not told of; the sweep at the start is
// over, and the next is an hour away.
func (w *world) unheard(p person) string {
	w.t.Helper()
	w.crm.SetWebhookURL("")
	id := w.crmCreate(p)
	w.crm.SetWebhookURL(w.crmHook)
	return id
}

// TestExistingDuplicateIsAdopted: the CRM has the person already and syncd does
// not know it when the ERP gets the same one.
func TestExistingDuplicateIsAdopted(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, Seed: 62})
		d := w.start()
		all := people(w.s.Seed, few)
		for _, p := range all {
			w.unheard(p)
		}
		for _, p := range all {
			w.erpCreate(p)
		}
		w.holds("each is paired with the one that was there", func() string { return w.onePair(few) })
		w.quiet()
		w.settled(d, few)
	})
}

// TestExistingDuplicateIsProposed: without matching it is the CRM's own refusal
// that tells; a person is asked, and nobody is made twice.
func TestExistingDuplicateIsProposed(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newWorld(t, settings{Store: store, OnMatch: config.MatchOff, Seed: 63})
		d := w.start()
		p := people(w.s.Seed, 1)[0]
		contact := w.unheard(p)
		id := w.erpCreate(p)
		w.told("a person is asked", func() bool { return w.metric("syncd_queue_changes", "state", "parked") == 1 })
		w.quiet()
		w.parked(d, erpSystem, fmt.Sprint(id), "has a record with these values already")
		if n := len(w.crm.Truth().Births(contacts)); n != 1 {
			t.Errorf("the CRM made %d contacts", n)
		}
		if w.contact(contact, "erp_id") != "" || w.partner(id, "x_crm_id") != "" {
			t.Error("they were paired without anybody's leave")
		}
	})
}

// TestTwoColleaguesShareAMailbox: two partners have one e-mail address, which
// the CRM allows once. The second is not lost and never takes the first one's
// contact: it is parked, and a mailbox of its own lets it through.
func TestTwoColleaguesShareAMailbox(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		for name, together := range map[string]bool{"at once": true, "one after the other": false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, settings{Store: store, Held: true, Seed: 64})
				d := w.start()
				all := people(w.s.Seed, 2)
				all[1].mail = all[0].mail
				ids := []int64{w.erpCreate(all[0])}
				if !together {
					w.courier.release(1)
					w.holds("the first has its contact", func() string { return w.onePair(1) })
					w.quiet()
				}
				ids = append(ids, w.erpCreate(all[1]))
				w.courier.release(1)
				w.told("the second is parked", func() bool { return w.metric("syncd_queue_changes", "state", "parked") == 1 })
				w.quiet()
				second := 1
				if w.partner(ids[1], "x_crm_id") != "" {
					second = 0
				}
				w.parked(d, erpSystem, fmt.Sprint(ids[second]))
				first := w.partner(ids[1-second], "x_crm_id")
				if w.partnerOf(first) != ids[1-second] || len(w.crm.All(contacts)) != 1 || w.partner(ids[second], "x_crm_id") != "" {
					t.Errorf("partners %v and contacts %v are not one pair and one that waits", ids, w.crm.All(contacts))
				}
				w.erpEdit(ids[second], map[string]any{"email": "own." + all[1].mail})
				w.holds("with a mailbox of its own it follows", func() string { return w.onePair(2) })
				w.quiet()
				w.settled(d, 2)
			})
		}
	})
}

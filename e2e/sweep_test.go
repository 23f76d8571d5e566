package e2e_test

import (
	"testing"
	"time"
)

// sweepSlack is how long a sweep and what follows from it may take on a busy
// machine.
const sweepSlack = 20 * time.Second

// TestSweepFindsWhatNoWebhookTold: edits and records that the ERP never
// announced are found within the time between two sweeps.
func TestSweepFindsWhatNoWebhookTold(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		const every = 10 * time.Second
		w := newWorld(t, settings{Store: store, Sweep: every, Seed: 91})
		d := w.start()
		all := people(w.s.Seed, 3)
		ids := w.pairs(all[:1])
		w.crm.SetWebhookURL("")
		w.erp.SetWebhookURL("")
		w.erpEdit(w.partnerOf(ids[0]), map[string]any{"function": "unheard"})
		w.crmEdit(ids[0], map[string]string{"city": "Unheard"})
		w.erpCreate(all[1])
		w.crmCreate(all[2])
		// A tenth of the time more is how sweeps are spread.
		w.holdsWithin(every+every/10+sweepSlack, "the sweeps find all", func() string {
			if against := w.onePair(3); against != "" {
				return against
			}
			return w.equal()
		})
		if w.contact(ids[0], "jobtitle") != "unheard" || w.contact(ids[0], "city") != "Unheard" {
			t.Error("an edit was put back")
		}
		w.quiet()
		w.settled(d, 3)
		before := w.writes()
		swept := w.metric("syncd_sweep_records_total", "system", erpSystem)
		w.told("another sweep", func() bool { return w.metric("syncd_sweep_records_total", "system", erpSystem) > swept })
		w.quiet()
		if n := w.writes() - before; n != 0 {
			t.Errorf("a sweep of what is known made %d writes", n)
		}
	})
}

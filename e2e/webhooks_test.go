package e2e_test

import (
	"context"
	"errors"
	"testing"
)

// load is how many records a burst makes.
const load = 200

func TestEveryWebhookTwiceMakesEachRecordOnce(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		for i, birth := range []string{"born in the CRM", "born in the ERP"} {
			t.Run(birth, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, settings{Store: store, Held: true, Seed: uint64(11 + i)})
				d := w.start()
				for _, p := range people(w.s.Seed, load) {
					if i == 0 {
						w.crmCreate(p)
					} else {
						w.erpCreate(p)
					}
				}
				before := w.calls()
				w.courier.release(2)
				w.holds("each is there once", func() string { return w.onePair(load) })
				w.quiet()
				t.Logf("%d calls for %d records", w.calls()-before, load)
				w.settled(d, load)
				w.redelivered()
				w.settled(d, load)
			})
		}
	})
}

// settled checks all that must hold at rest.
func (w *world) settled(d *inProcess, n int) {
	w.t.Helper()
	for _, against := range []string{w.onePair(n), w.equal(), mapped(d.Daemon, w)} {
		if against != "" {
			w.t.Errorf("at rest: %s", against)
		}
	}
	if w.courier != nil && w.courier.refusals() > 0 {
		w.t.Errorf("%d webhooks were never taken", w.courier.refusals())
	}
}

// redelivered has both vendors say everything again, freshly signed, regrouped
// and shuffled: nothing may come of it.
func (w *world) redelivered() {
	w.t.Helper()
	if w.courier != nil {
		w.courier.once()
	}
	before := w.writes()
	if err := errors.Join(w.crm.Redeliver(context.Background(), true, 1), w.erp.Redeliver(context.Background(), true, 1)); err != nil {
		w.t.Errorf("deliver everything again: %v", err)
	}
	w.quiet()
	if n := w.writes() - before; n != 0 {
		w.t.Errorf("to be told everything again made %d API writes", n)
	}
}

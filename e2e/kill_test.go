package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

const (
	kills     = 10
	killLoad  = 50 // records born on either side while syncd is killed
	killSteps = 90 * time.Millisecond
	// shortLease is the shortest that a configuration may have.
	shortLease = 10 * time.Second
	// killPatience is how long it may take until nothing of the dead is left: a
	// sweep that was killed holds its cursor for three quarters of a minute.
	killPatience = time.Minute
)

// TestKillNineInTheMiddle: the real binary is killed ten times at random while
// people work in both systems. Every record has exactly one partner in the end.
func TestKillNineInTheMiddle(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		const seed = 20261121
		w := newWorld(t, settings{Store: store, Lease: shortLease, Sweep: shortLease, Seed: seed})
		w.spawn()
		w.ready()
		var users sync.WaitGroup
		work := &killWork{world: w, crm: map[string]string{}, erp: map[int64]string{}}
		users.Go(func() { work.bear(seed) })
		dice := rand.New(rand.NewPCG(seed, 3))
		for range kills {
			p := w.spawnedFor(time.Duration(50+dice.IntN(900)) * time.Millisecond)
			p.kill()
			w.node = nil
			w.pass(time.Duration(dice.IntN(150)) * time.Millisecond)
			w.spawn()
		}
		users.Wait()
		t.Logf("seed %d, %d kills", seed, kills)
		w.flows()
		began := time.Now()
		w.holdsWithin(killPatience, "each is there once", func() string { return w.onePair(2 * killLoad) })
		w.holdsWithin(killPatience, "no edit is lost", work.lost)
		t.Logf("all was there %s after the last start", time.Since(began).Round(time.Second))
		w.quiet()
		w.redelivered()
		if against := w.onePair(2 * killLoad); against != "" {
			t.Errorf("at rest: %s", against)
		}
		w.stop()
		w.viewAtRest()
	})
}

// TestKillWhileAnUpdateIsOnItsWayKeepsTheEdit: somebody edits a record right
// after it was made on the other side, and syncd is killed while that edit is
// on its way, before it could see what it had made. Whether the vendor got the
// call or not, the edit arrives.
func TestKillWhileAnUpdateIsOnItsWayKeepsTheEdit(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		for name, release := range map[string]func(*keeper){"call applied": (*keeper).open, "call lost": (*keeper).turnAway} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, settings{Store: store, Lease: shortLease, Seed: 22})
				p := w.spawn()
				w.ready()
				w.erp.SetWebhookURL("") // so that its echo does not come first
				late := w.erpDoor.keep(`"write"`)
				contact := w.crmCreate(people(w.s.Seed, 1)[0])
				w.told("it has a partner", func() bool { return w.partnerOf(contact) != 0 || w.contact(contact, "erp_id") != "" })
				w.crmEdit(contact, map[string]string{"jobtitle": "edited", "city": "Edited"})
				w.kept(late)
				p.kill()
				w.node = nil
				release(late)
				w.erp.SetWebhookURL(w.erpHook)
				w.spawn()
				w.flows()
				w.holds("the edit arrives", func() string {
					if id := w.partnerOf(contact); w.partner(id, "function") != "edited" || w.partner(id, "city") != "Edited" {
						return fmt.Sprintf("the partner has %q and %q", w.partner(id, "function"), w.partner(id, "city"))
					}
					return w.onePair(1)
				})
				w.quiet()
				if against := w.equal(); against != "" {
					t.Error(against)
				}
				w.redelivered()
			})
		}
	})
}

// spawnedFor lets the running binary live for a while.
func (w *world) spawnedFor(d time.Duration) *process {
	w.t.Helper()
	w.pass(d)
	return w.node.(*process)
}

// pass waits until some time is over.
func (w *world) pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// killWork is what people do meanwhile, and what has to come of it.
type killWork struct {
	*world
	crm map[string]string // contact → its last job title
	erp map[int64]string  // partner → its last function
}

// bear makes a record on either side again and again, and edits an older one.
func (k *killWork) bear(seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 4))
	all := people(seed, 2*killLoad)
	var contactIDs []string
	var partnerIDs []int64
	for i := range killLoad {
		contact, err := k.world.crm.UserCreate(contacts, all[2*i].props())
		if err != nil {
			k.t.Errorf("create a contact: %v", err)
			return
		}
		id, err := k.world.erp.UserCreate(partner, all[2*i+1].vals())
		if err != nil {
			k.t.Errorf("create a partner: %v", err)
			return
		}
		contactIDs, partnerIDs = append(contactIDs, contact), append(partnerIDs, id)
		job := fmt.Sprintf("Job %d", i)
		older, elder := contactIDs[dice.IntN(len(contactIDs))], partnerIDs[dice.IntN(len(partnerIDs))]
		k.crm[older], k.erp[elder] = job, job
		if err := k.world.crm.UserEdit(contacts, older, map[string]string{"jobtitle": job}); err != nil {
			k.t.Errorf("edit a contact: %v", err)
		}
		if err := k.world.erp.UserWrite(partner, elder, map[string]any{"function": job}); err != nil {
			k.t.Errorf("edit a partner: %v", err)
		}
		k.pass(killSteps)
	}
}

// lost says which edit did not arrive.
func (k *killWork) lost() string {
	for contact, job := range k.crm {
		if got := k.partner(k.partnerOf(contact), "function"); got != job || k.contact(contact, "jobtitle") != job {
			return fmt.Sprintf("contact %s was made %q, its partner has %q", contact, job, got)
		}
	}
	for id, job := range k.erp {
		if got := k.contact(k.partner(id, "x_crm_id"), "jobtitle"); got != job || k.partner(id, "function") != job {
			return fmt.Sprintf("partner %d was made %q, its contact has %q", id, job, got)
		}
	}
	return k.equal()
}

// viewAtRest opens the store of a syncd that has ended and compares id_mapping
// with the vendors' truth.
func (w *world) viewAtRest() {
	w.t.Helper()
	d := w.opened()
	if against := mapped(d, w); against != "" {
		w.t.Error(against)
	}
	if err := d.Close(); err != nil {
		w.t.Errorf("close the store: %v", err)
	}
}

package flows_test

import (
	"fmt"
	"strings"
	"testing"

	"syncd/flows"
)

// scene is one change on its way, and what must be true in the end.
type scene struct {
	name  string
	start func(w *world, e *flows.Engine) // before the engine under test runs
	check func(w *world)
	three bool // with a second HubSpot
}

// world makes the vendors that a scene plays between.
func (sc scene) world(t *testing.T) *world {
	if !sc.three {
		return newWorld(t)
	}
	w := newWorld(t, func(w *world) { w.hubs[crm2] = w.newHub(crm2, 2) })
	w.link = w.customers(crm, crm2, erp)
	w.links = []*flows.Link{w.link}
	return w
}

func scenes() []scene {
	var out []scene
	for _, from := range []string{crm, erp} {
		to := map[string]string{crm: erp, erp: crm}[from]
		out = append(out,
			scene{"create from " + from, func(w *world, _ *flows.Engine) { w.person(from, 1) }, func(w *world) { w.converged(1) }, false},
			scene{"update from " + from, func(w *world, e *flows.Engine) {
				w.paired(e, from, 1)
				w.edit(from, w.births(from)[0], map[string]string{"phone": "+420 603 111 222", "city": "Brno"})
			}, func(w *world) {
				w.converged(1)
				if got := w.get(to, w.births(to)[0]); got["city"] != "Brno" {
					w.t.Errorf("the edit is lost: %v", got)
				}
			}, false},
			scene{"edit before the create is confirmed, from " + from, func(w *world, e *flows.Engine) {
				w.born(e, from)
				w.edit(from, w.births(from)[0], map[string]string{"phone": "+420 603 111 222", "city": "Brno"})
			}, func(w *world) {
				w.converged(1)
				if got := w.get(to, w.births(to)[0]); got["city"] != "Brno" || got["phone"] == "" {
					w.t.Errorf("the edit is lost: %v", got)
				}
			}, false},
			scene{"edits on both sides before the create is confirmed, from " + from, func(w *world, e *flows.Engine) {
				w.born(e, from)
				w.edit(from, w.births(from)[0], map[string]string{"city": "Brno"})
				w.edit(to, w.births(to)[0], map[string]string{"jobtitle": "CEO"})
			}, func(w *world) {
				w.converged(1)
				for _, s := range []string{from, to} {
					if got := w.get(s, w.births(s)[0]); got["city"] != "Brno" || got["jobtitle"] != "CEO" {
						w.t.Errorf("an edit is lost in %s: %v", s, got)
					}
				}
			}, false},
			scene{"both sides edited from " + from, func(w *world, e *flows.Engine) {
				w.paired(e, from, 1)
				w.edit(from, w.births(from)[0], map[string]string{"city": "Brno"})
				w.edit(to, w.births(to)[0], map[string]string{"jobtitle": "CEO"})
			}, func(w *world) {
				w.converged(1)
				for _, s := range []string{from, to} {
					if got := w.get(s, w.births(s)[0]); got["city"] != "Brno" || got["jobtitle"] != "CEO" {
						w.t.Errorf("an edit is lost in %s: %v", s, got)
					}
				}
			}, false},
			scene{"adopt from " + from, func(w *world, _ *flows.Engine) {
				w.person(to, 1)
				w.forget() // nobody told us of the one that is there
				w.person(from, 1)
			}, func(w *world) { w.converged(1) }, false},
			scene{"create of three from " + from, func(w *world, _ *flows.Engine) {
				for n := range 3 {
					w.person(from, n)
				}
			}, func(w *world) { w.converged(3) }, false},
		)
	}
	for _, from := range []string{crm, crm2, erp} {
		out = append(out,
			scene{"create for three from " + from, func(w *world, _ *flows.Engine) { w.person(from, 1) }, func(w *world) { w.converged(1) }, true},
			scene{"update for three from " + from, func(w *world, e *flows.Engine) {
				w.person(from, 1)
				w.settle(e)
				w.edit(from, w.births(from)[0], map[string]string{"city": "Brno"})
			}, func(w *world) {
				w.converged(1)
				if got := w.get(from, w.births(from)[0]); got["city"] != "Brno" {
					w.t.Errorf("the edit is lost: %v", got)
				}
			}, true})
	}
	return append(out, scene{"copied by a person", func(w *world, e *flows.Engine) {
		_, partner := w.paired(e, crm, 1)
		w.copied(erp, partner)
	}, func(w *world) { w.converged(2) }, false}, scene{"born on both sides", func(w *world, _ *flows.Engine) {
		w.person(crm, 1)
		w.person(erp, 1)
	}, func(w *world) { w.converged(1) }, false})
}

// everyStep spoils each step of a scene in turn. trials run in parallel.
func everyStep(t *testing.T, how trouble) {
	for _, sc := range append(scenes(), modeScenes()...) {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			for k := 1; ; k++ {
				ran := false
				t.Run(fmt.Sprintf("step %02d", k), func(t *testing.T) { ran = spoil(t, sc, how, k) })
				if !ran || t.Failed() {
					return
				}
				if testing.Short() {
					k += 2
				}
			}
		})
	}
}

// spoil runs a scene with one step spoilt; false: there was no such step.
func spoil(t *testing.T, sc scene, how trouble, k int) bool {
	return spoilIn(t, sc.world(t), sc, how, k)
}

func spoilIn(t *testing.T, w *world, sc scene, how trouble, k int) bool {
	sc.start(w, w.engine("z", nil))
	s := &steps{at: k, how: how}
	e := w.engine("a", s)
	died := false
	for range 60 { // half a minute
		w.deliver()
		if _, err := w.drain(e); err != nil {
			died = s.dead
			break
		}
		if s.dead || w.idle() {
			died = s.dead
			break
		}
		w.clock.advance(500e6)
	}
	if s.n < k {
		return false
	}
	if died {
		w.clock.advance(leaseTime / 2) // its successor comes while its leases hold
	}
	e = w.engine("b", nil)
	w.settle(e)
	sc.check(w)
	if t.Failed() {
		t.Logf("steps: %s", strings.Join(s.names, ", "))
	}
	return true
}

func TestCrashBeforeAnyStepConverges(t *testing.T) { everyStep(t, crashBefore) }
func TestCrashAfterAnyStepConverges(t *testing.T)  { everyStep(t, crashAfter) }
func TestAnyStepNotTakenConverges(t *testing.T)    { everyStep(t, lostBefore) }
func TestAnyAnswerLostConverges(t *testing.T)      { everyStep(t, lostAfter) }

package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/store"
)

// scene is a scripted story of a few people and a few minutes. It is played
// without faults once, which numbers its boundaries, and then again and again,
// each time with one thing that goes wrong, or with two (TESTING 2 (d)).
type scene struct {
	name     string
	pairs    bool            // all pairs of injections as well: creates and binds
	amnesiac bool            // forgetting the database is one of the things that go wrong
	early    bool            // it begins before the first sweep
	set      func(d *swarm)  // personalities
	change   func(g *stage)  // other settings, before anything happens
	before   func(g *stage)  // undisturbed, and brought to rest
	play     func(g *stage)  // from here on the boundaries count
	expect   func(g *stage)  // beside the invariants; in the end
	sparse   int             // a long one: something goes wrong at every so many'th boundary only; 0 is each
	allow    map[string]bool // invariants that this scene breaks by what people do in it
}

// stage is a world with a script.
type stage struct {
	*world
	owed   int // steps of the script that are still to come
	copied bool
}

// Times of a scene.
const (
	stagePause  = 2 * leaseTime          // the injected pause: longer than the lease, and than settle's margin
	stagePoll   = 200 * time.Millisecond // how finely a step waits for its condition
	stageLimit  = 3 * time.Hour          // a scene that has not come to rest by then never will
	stageSteps  = 5000                   // nor one that has given way so often
	cursorGrace = 50 * time.Second       // the cursor of a sweep that died is held so long
)

// plain is the swarm of a scene that says nothing else.
func plain() swarm {
	return swarm{
		replicas: 1, hours: 1, readBatch: 100, writeBatch: 100, rate: map[string]float64{}, late: 2 * time.Minute,
		odooMajor: 19, trustMark: true, slow: 100 * time.Millisecond, systems: []string{crm, erp},
	}
}

// Played is what became of one run of a scene.
type Played struct {
	Scene      string
	Injected   []injection
	Violations []Violation
	met        []boundary
	all        bool // every injection happened
	trace      *trace
}

// play runs a scene with injections.
func (sc *scene) run(o Options, plan ...injection) (Played, error) {
	d := plain()
	if sc.set != nil {
		sc.set(&d)
	}
	o.fixed = &d
	w, err := newWorld(1, o)
	if err != nil {
		return Played{}, fmt.Errorf("scene %s: %w", sc.name, err)
	}
	defer w.close()
	g := &stage{world: w}
	w.inject = &injector{plan: plan, pause: stagePause}
	for _, v := range w.vendors {
		v.changes = len(v.truth.Changes())
	}
	if sc.change != nil {
		sc.change(g)
	}
	if !sc.early {
		g.after(2*time.Second, func() {}) // the first sweep
		g.rest()
	}
	if sc.before != nil {
		sc.before(g)
		g.rest()
	}
	if sc.amnesiac {
		w.swap("copy", w.copyOut)
	}
	w.inject.on = true
	sc.play(g)
	g.rest()
	w.inject.on, w.inject.deaf = false, false
	g.finish()
	w.check()
	w.lastLook()
	if sc.expect != nil && !w.forgot {
		sc.expect(g)
	}
	out := Played{Scene: sc.name, Injected: plan, met: w.inject.met, all: w.inject.done == len(plan), trace: &w.s.trace}
	for _, v := range w.violations {
		if !sc.allow[v.Invariant] {
			out.Violations = append(out.Violations, v)
		}
	}
	return out, nil
}

// rest runs until the script is over and nothing is due, under way or on its way.
func (g *stage) rest() {
	limit, steps := g.s.now.Add(stageLimit), g.stats.Steps
	for {
		switch {
		case !g.s.step(limit):
			g.violate("I12", "", "no rest after %v; %d steps of the script are still to come", stageLimit, g.owed)
			return
		case g.stats.Steps-steps > stageSteps:
			g.violate("I12", "", "no rest after %d steps; %d steps of the script are still to come", stageSteps, g.owed)
			return
		case g.owed == 0 && g.s.tasks == 0 && g.posts == 0 && g.inFlight == 0 && g.idle():
			return
		}
	}
}

// finish is how a run ends: a sweep finds what no webhook told. A second one
// could find no more than lastLook, which looks at every record.
func (g *stage) finish() {
	g.after(cursorGrace, g.sweepBoth)
	g.rest()
}

func (g *stage) sweepBoth() {
	for _, system := range []string{crm, erp} {
		g.replicas[0].sweep(system)
	}
}

// wrong notes that a scene did not end as it should have.
func (g *stage) wrong(format string, args ...any) { g.violate("scene", "", format, args...) }

// after has a step of the script done after a while.
func (g *stage) after(d time.Duration, do func()) {
	g.owed++
	g.s.after(d, func() {
		do()
		g.owed--
	})
}

// when has a step of the script done as soon as a condition holds.
func (g *stage) when(cond func() bool, do func()) {
	g.owed++
	var look func()
	look = func() {
		if !cond() {
			g.s.after(stagePoll, look)
			return
		}
		do()
		g.owed--
	}
	g.s.after(stagePoll, look)
}

// person gives the n-th person, from 1.
func (g *stage) person(n int) *person {
	for len(g.people) < n {
		g.people = append(g.people, &person{n: len(g.people) + 1, nodes: map[string]map[string]*node{}})
	}
	return g.people[n-1]
}

// born makes person n by hand in a system; change overrides the usual values.
func (g *stage) born(n int, system string, change ...map[string]string) string {
	p := g.person(n)
	tag := fmt.Sprintf("%d%s", n, system)
	values := map[string]string{
		"full_name": "Jan N" + tag, "email": fmt.Sprintf("p%d@example.com", n), "phone": fmt.Sprintf("+420601%06d", n),
		"jobtitle": "J" + tag, "city": "C" + tag,
	}
	for _, c := range change {
		for row, v := range c {
			values[row] = v
		}
	}
	return g.bearAs(p, system, values)
}

// key gives person n's record in a system: the oldest that is there.
func (g *stage) key(n int, system string) recordKey {
	for _, k := range g.live(system) {
		if g.owner[k].n == n {
			return k
		}
	}
	return recordKey{system, ""}
}

// has says that person n has a record in a system.
func (g *stage) has(n int, system string) func() bool {
	return func() bool { return g.key(n, system).id != "" }
}

// edit changes rows of person n in a system by hand.
func (g *stage) edit(n int, system string, rows map[string]string) {
	k := g.key(n, system)
	if k.id == "" {
		g.wrong("person %d has no record in %s to edit", n, system)
		return
	}
	g.put(k, rows)
}

// deaf drops the webhooks of what is done meanwhile.
func (g *stage) deaf(do func()) {
	was := g.inject.deaf
	g.inject.deaf = true
	do()
	g.inject.deaf = was
}

// down takes a vendor off the net, and back.
func (g *stage) down(system string, down bool) {
	g.inject.away = map[string]bool{system: down}
}

// number reads an id of Odoo.
func number(id string) (n int64) {
	for _, c := range id {
		n = 10*n + int64(c-'0')
	}
	return n
}

// one expects that each of n persons has one record in each system.
func (g *stage) one(n int) {
	for p := 1; p <= n; p++ {
		for _, system := range []string{crm, erp} {
			g.count(p, system, 1)
		}
	}
}

// count expects that person n has so many live records in a system.
func (g *stage) count(n int, system string, want int) {
	got := 0
	for _, k := range g.live(system) {
		if g.owner[k].n == n {
			got++
		}
	}
	if got != want {
		g.wrong("person %d has %d records in %s, want %d", n, got, system, want)
	}
}

// holds expects a value of a row of person n in both systems.
func (g *stage) holds(n int, row, want string) {
	for _, system := range []string{crm, erp} {
		g.holdsIn(n, system, row, want)
	}
}

func (g *stage) holdsIn(n int, system, row, want string) {
	if row == address {
		want += "|" + g.values(g.key(n, system))["zip"]
	}
	if g.overwritten(g.person(n), row)[want] {
		return // destroyed inside the vendor by a late write before anybody could read it: check counts it
	}
	k := g.key(n, system)
	if got := g.canonical(system, g.values(k))[row]; got != want {
		g.wrong("person %d: %v holds %s %q, want %q", n, k, row, got, want)
	}
}

// waits expects that a record of person n in a system waits for one of the reasons.
func (g *stage) waits(n int, system string, reasons ...string) {
	rows, err := g.db.Waiting(context.Background(), 1000)
	if err != nil {
		g.wrong("waiting: %v", err)
		return
	}
	var seen []string
	for _, r := range rows {
		if p := g.owner[recordKey{r.System, r.RecordID}]; r.Parked && r.System == system && p != nil && p.n == n {
			reason, _, _ := strings.Cut(r.Error, ":")
			seen = append(seen, reason)
		}
	}
	if !slices.ContainsFunc(seen, func(s string) bool { return slices.Contains(reasons, s) }) {
		g.wrong("person %d's record in %s waits for %v, want one of %v", n, system, seen, reasons)
	}
}

// state expects a field state in one of the sides of person n.
func (g *stage) state(n int, row, want string) {
	var seen []string
	holders, err := g.db.Holders(context.Background(), crm, contacts, []string{g.key(n, crm).id})
	if err != nil {
		g.wrong("holders: %v", err)
		return
	}
	for _, id := range holders {
		i, err := g.db.Identity(context.Background(), id)
		if err != nil {
			g.wrong("identity: %v", err)
			return
		}
		for _, m := range i.Members {
			if st, ok := m.Fields[row]; ok {
				seen = append(seen, st.State)
			}
		}
	}
	if !slices.Contains(seen, want) {
		g.wrong("person %d: the states of %s are %q, want %q", n, row, seen, want)
	}
}

// class has an object's creates be of another class than its vendor's.
func (g *stage) class(system string, c connectors.CreateClass) {
	object := g.vendors[system].object
	o := g.infos[system].Objects[object]
	o.CreateClass = c
	g.infos[system].Objects[object] = o
}

// holding closes a hold on a system, or opens it again, as the console does.
func (g *stage) holding(system, what string, closed bool) {
	var err error
	if closed {
		err = g.db.CloseHold(context.Background(), store.Hold{System: system, Link: g.link.Name, What: what, Reason: "scene"})
	} else {
		err = g.db.ReleaseHold(context.Background(), system, g.link.Name, what, "scene", "the scene")
	}
	if err != nil {
		g.wrong("hold: %v", err)
	}
	g.wakeAll(0)
}

// scenes lists them all.
func scenes() []scene {
	return slices.Concat(creates(), updates(), turns(), lives(), merges(), removals())
}

package lab

import (
	"context"
	"fmt"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/store"
)

// replica is one daemon: it polls the queue, runs batches and sweeps. A crash
// kills all its coroutines at once; it comes back as another owner.
type replica struct {
	w      *world
	n      int
	life   int
	down   bool
	engine *flows.Engine
	busy   map[store.Queue]bool
	tasks  map[*task]bool
	order  []*task
	sweeps map[string]bool
}

// boot makes the engine of a new life. It is done without faults: starting is
// another test's business.
func (r *replica) boot() error {
	w := r.w
	r.life++
	w.owners++
	r.down = false
	r.busy, r.tasks, r.sweeps = map[store.Queue]bool{}, map[*task]bool{}, map[string]bool{}
	r.order = nil
	gates := w.openGates()
	conns, err := w.connect(gates)
	if err != nil {
		return err
	}
	var systems []*flows.System
	for _, v := range w.systems {
		if _, err := conns[v.name].Probe(context.Background(), v.objects); err != nil {
			return fmt.Errorf("probe %s: %w", v.name, err)
		}
		s := &flows.System{Name: v.name, Conn: conns[v.name], Info: w.infos[v.name], SweepEvery: sweepEvery}
		if g := gates[v.name]; g != nil {
			s.Pacer = g.limiter
		}
		systems = append(systems, s)
		v.calls = len(v.truth.Calls())
	}
	r.engine, err = flows.New(flows.Options{
		Store: w.store, Keyring: w.keyring, Systems: systems, Links: w.links,
		Owner: fmt.Sprintf("r%d.%d", r.n, r.life), Lease: leaseTime, Now: w.now, Rand: w.s.rng.Float64,
		Logger: w.logger(), Observe: silent{}, Together: w.together, Heartbeat: -1, SchemaDoubt: w.doubtSchema,
	})
	if err != nil {
		return err
	}
	life := r.life
	for _, v := range w.systems {
		w.s.after(w.s.between(0, 2*time.Second), func() { r.sweepLoop(life, v.name) })
	}
	return nil
}

// together runs the calls of a batch one after another, in an order of the seed's.
func (w *world) together(calls []func()) {
	for _, i := range w.s.rng.Perm(len(calls)) {
		calls[i]()
	}
}

// silent takes no metrics.
type silent struct{}

func (silent) Attempt(string, string, store.Disposition, string)               {}
func (silent) Wrote(string, string, string, connectors.Op, connectors.Outcome) {}
func (silent) Lag(string, string, string, time.Duration)                       {}
func (silent) Swept(string, string, int, int)                                  {}
func (silent) SystemOK(string, bool)                                           {}
func (silent) Surplus(string, string)                                          {}
func (silent) IndexLag(string, string, time.Duration)                          {}
func (silent) Forgot(string, string)                                           {}

// slot is how finely wake-ups are told apart.
const slot = 100 * time.Millisecond

// wakeAll has the queue looked at after a while.
func (w *world) wakeAll(after time.Duration) {
	at := w.s.now.Add(max(0, after) + time.Millisecond)
	key := at.UnixNano() / int64(slot)
	if w.woken[key] {
		return
	}
	w.woken[key] = true
	w.s.at(at.Add(w.s.between(0, slot)), func() {
		delete(w.woken, key)
		w.pump()
	})
}

// pollLoop is the safety net under wakeAll: what became due unnoticed.
func (w *world) pollLoop() {
	w.pump()
	w.s.after(w.s.between(20*time.Second, 70*time.Second), w.pollLoop)
}

// pump asks what is due, once for all replicas: each of them goes for it, as
// their dispatchers would.
func (w *world) pump() {
	due, err := w.db.Due(context.Background(), w.replicas[0].engine.Queues())
	if err != nil {
		w.violate("store", "", "due: %v", err)
		return
	}
	if len(due) == 0 {
		return
	}
	for _, r := range w.replicas {
		life := r.life
		w.s.after(w.s.between(0, slot), func() {
			if r.life == life && !r.down {
				r.take(due)
			}
		})
	}
}

// take gives every due and idle queue a batch.
func (r *replica) take(due []store.Queue) {
	for _, q := range due {
		if r.busy[q] {
			continue
		}
		r.busy[q] = true
		r.spawn(fmt.Sprintf("r%d.%d/%s%d", r.n, r.life, q.System, q.Lane), func(*task) {
			n, err := r.engine.Run(context.Background(), q)
			delete(r.busy, q)
			if err != nil {
				r.w.s.note("%s run: %v", r.w.s.current.name, err)
			}
			if n > 0 {
				r.w.wakeAll(0)
			} else {
				r.w.wakeAll(time.Second)
			}
		})
	}
}

func (r *replica) spawn(name string, work func(*task)) {
	var t *task
	t = r.w.s.spawn(name, r, work, func() { r.forget(t) })
	r.tasks[t] = true
	r.order = append(r.order, t)
}

func (r *replica) forget(t *task) {
	delete(r.tasks, t)
	for i, o := range r.order {
		if o == t {
			r.order = append(r.order[:i], r.order[i+1:]...)
			return
		}
	}
}

func (r *replica) sweepLoop(life int, system string) {
	if r.life != life || r.down {
		return
	}
	r.sweep(system)
	r.w.s.after(sweepEvery+r.w.s.between(0, sweepEvery/10), func() { r.sweepLoop(life, system) })
}

func (r *replica) sweep(system string) {
	if r.sweeps[system] {
		return
	}
	r.sweeps[system] = true
	r.spawn(fmt.Sprintf("r%d.%d/sweep-%s", r.n, r.life, system), func(*task) {
		for _, object := range r.w.vendors[system].objects {
			if !r.w.speaksOf(system, object) {
				continue
			}
			if err := r.engine.Sweep(context.Background(), system, object); err != nil {
				r.w.s.note("%s sweep: %v", r.w.s.current.name, err)
			}
			if r.w.story == nil {
				continue
			}
			if err := r.engine.SweepDeleted(context.Background(), system, object); err != nil {
				r.w.s.note("%s sweep for deletions: %v", r.w.s.current.name, err)
			}
		}
		delete(r.sweeps, system)
	})
}

// crash kills the replica; it starts again after a while.
func (r *replica) crash() {
	if r.down {
		return
	}
	r.w.stats.Crashes++
	r.w.s.note("r%d.%d crashes", r.n, r.life)
	r.down = true
	r.killTasks()
	life := r.life
	r.w.s.after(r.w.s.between(time.Second, time.Minute), func() {
		if r.life != life {
			return
		}
		if err := r.boot(); err != nil {
			r.w.violate("boot", "", "%v", err)
			return
		}
		r.w.s.note("r%d.%d starts", r.n, r.life)
		r.w.wakeAll(0)
	})
}

func (r *replica) killTasks() {
	for _, t := range r.order {
		if !t.dead {
			t.kill()
		}
	}
	r.order, r.tasks = nil, map[*task]bool{}
}

// giveWay is a yield: a moment passes, and a crash or a pause may come.
func (w *world) giveWay(t *task) {
	if t.dead {
		return
	}
	w.stats.Steps++
	d := w.s.between(time.Microsecond, 3*time.Millisecond)
	switch {
	case w.hit(stepCrash):
		w.s.after(0, t.replica.crash)
	case w.hit(amnesia):
		w.s.after(0, func() { w.swap("put back", w.putBack) })
	case w.hit(amnesiaAll):
		w.d.forgetAll = true
		w.s.after(0, func() { w.swap("empty", w.putBack) })
	case w.hit(stepPause):
		d = time.Second + time.Duration(w.s.rng.ExpFloat64()*float64(time.Minute))
		d = min(d, 10*time.Minute)
		if w.inject != nil {
			d = w.inject.pause
		}
		w.stats.Pauses++
		t.paused = true
		w.s.note("%s pauses for %v", t.name, d)
	}
	t.sleep(d)
}

// hit draws a fault.
func (w *world) hit(name string) bool {
	if w.inject != nil {
		return w.inject.hit(w, name)
	}
	if !w.faulty || w.d.rate[name] == 0 {
		return false
	}
	w.draws++
	if w.o.FaultSteps > 0 && w.draws > w.o.FaultSteps {
		return false
	}
	if !w.s.chance(w.d.rate[name]) {
		return false
	}
	w.stats.Faults++
	return true
}

// slow is the longest ordinary way of a request or an answer.
func (w *world) slow() time.Duration { return w.d.slow }

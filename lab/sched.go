// Package lab is the deterministic simulator of TESTING.md layer (c): one seed,
// one thread of control, virtual time. What runs in it is the real thing:
// flows, mapping, connectors, the SQLite store, the webhook receivers, and the
// pretend vendors, which are the truth that the invariants are checked against.
//
// Every activity of a replica is a coroutine that gives way before and after
// each store call and each HTTP call; the scheduler decides who goes on, lets
// time pass, kills replicas and pauses them. A store transaction is one step.
package lab

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"runtime"
	"time"
)

// event is something that happens at a moment of virtual time.
type event struct {
	at  time.Time
	tie uint64 // random, so that what falls on one moment has no fixed order
	seq uint64
	do  func()
}

type agenda []*event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	x, y := a[i], a[j]
	switch {
	case !x.at.Equal(y.at):
		return x.at.Before(y.at)
	case x.tie != y.tie:
		return x.tie < y.tie
	}
	return x.seq < y.seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(*event)) }
func (a *agenda) Pop() any {
	old := *a
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	return e
}

// sched is the one thread of control.
type sched struct {
	rng     *rand.Rand
	now     time.Time
	queue   agenda
	seq     uint64
	current *task
	tasks   int       // alive
	idle    []*thread // that wait for a task
	trace   trace
}

func newSched(seed uint64, start time.Time) *sched {
	return &sched{
		rng: rand.New(rand.NewPCG(seed, 0x6c6162)), now: start, trace: trace{hash: fnv.New64a()},
	}
}

// at has something done at a moment, or now if the moment is past.
func (s *sched) at(when time.Time, do func()) {
	if when.Before(s.now) {
		when = s.now
	}
	s.seq++
	heap.Push(&s.queue, &event{at: when, tie: s.rng.Uint64(), seq: s.seq, do: do})
}

func (s *sched) after(d time.Duration, do func()) { s.at(s.now.Add(d), do) }

// step performs the next event; false: there is none before the limit.
func (s *sched) step(limit time.Time) bool {
	if len(s.queue) == 0 || s.queue[0].at.After(limit) {
		return false
	}
	e := heap.Pop(&s.queue).(*event)
	s.now = e.at
	e.do()
	return true
}

// chance draws an event of the given probability.
func (s *sched) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }

// between draws a duration.
func (s *sched) between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(s.rng.Int64N(int64(high-low)))
}

// note adds a line to the trace.
func (s *sched) note(format string, args ...any) {
	s.trace.add(s.now, fmt.Sprintf(format, args...))
}

// task is an activity of a replica. It runs on a thread of its own from its
// first step on.
type task struct {
	s       *sched
	name    string
	replica *replica
	work    func(*task)
	ended   func()
	thread  *thread
	waiting bool
	dead    bool
	paused  bool // it slept long at least once
}

// thread is a coroutine: iter.Pull's, which hands over in a tenth of the time
// that a channel takes and wakes no other thread of the machine. It takes one
// task after the other, for its stack has grown by then.
type thread struct {
	enter func() (struct{}, bool) // goes on with it until it gives way or ends
	yield func(struct{}) bool
	task  *task
}

// spawn starts a task; it runs when the scheduler next reaches it.
func (s *sched) spawn(name string, r *replica, work func(*task), ended func()) *task {
	t := &task{s: s, name: name, replica: r, work: work, ended: ended, waiting: true}
	s.tasks++
	s.at(s.now, t.run)
	return t
}

// board gives the task an idle thread, or a new one.
func (t *task) board() {
	s := t.s
	if n := len(s.idle); n > 0 {
		t.thread, s.idle = s.idle[n-1], s.idle[:n-1]
		t.thread.task = t
		return
	}
	h := &thread{task: t}
	h.enter, _ = iter.Pull(func(yield func(struct{}) bool) {
		for h.yield = yield; h.task != nil; yield(struct{}{}) {
			h.task.work(h.task)
			h.task.dead = true
			h.task.ended()
			s.tasks--
			h.task = nil
			s.idle = append(s.idle, h)
		}
	})
	t.thread = h
}

// close ends the idle threads; every task has ended or was killed.
func (s *sched) close() {
	for _, h := range s.idle {
		h.enter()
	}
	s.idle = nil
}

// run hands the baton to the task and waits until it gives way.
func (t *task) run() {
	if t.dead || !t.waiting {
		return
	}
	t.waiting = false
	if t.thread == nil {
		t.board()
	}
	outer := t.s.current
	t.s.current = t
	t.thread.enter()
	t.s.current = outer
}

// kill ends a waiting task at the point where it waits, and its thread with it.
// Its deferred calls run, as they would not in a real crash: everything they
// touch sees a dead task.
func (t *task) kill() {
	t.dead, t.waiting = true, false
	t.s.tasks--
	if t.thread == nil { // it never ran
		return
	}
	outer := t.s.current
	t.s.current = t
	ended := make(chan struct{})
	go func() { // iter.Pull passes a Goexit on to whoever called: not to the scheduler
		defer close(ended)
		t.thread.enter()
	}()
	<-ended
	t.s.current = outer
}

// wait gives way until somebody calls run. A panic would end a killed task as
// well, but flows recovers those.
func (t *task) wait() {
	t.waiting = true
	t.thread.yield(struct{}{})
	if t.dead {
		runtime.Goexit()
	}
}

// sleep gives way for some virtual time.
func (t *task) sleep(d time.Duration) {
	if t.dead {
		return
	}
	t.s.after(d, t.run)
	t.wait()
}

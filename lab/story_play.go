package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/store"
)

// ref is a record of a story's world.
type ref struct{ system, object, id string }

// telling is one run of a story.
type telling struct {
	*stage
	st      *story
	refs    map[string]ref // by name, of what people made
	names   map[ref]string
	order   []string                  // names, in the order in which they were given
	wrote   []wrote                   // since the story began
	calls   map[string]map[string]int // since then, by system and what they do; sweeps are left out
	begun   bool
	planned int64               // run of the last plan
	stopped bool                // the story ends before everything is at rest
	born    map[string]int      // truth's changes per system when the story began
	notes   map[ref]int         // lines of history when it began
	shows   map[string][]string // columns of a system's object, for people
	linkOf  map[ref]string      // the link of a record's identity
	tokens  map[string]string   // token → stem of its identity
	said    map[string]string   // the golden sections as this run has them
}

// wrote is one write that syncd sent.
type wrote struct {
	system, object string
	op             connectors.Op
	id             string
	values         map[string]string
	outcome        connectors.Outcome
	err            *connectors.Error
	call           int // which call of that system
}

func (w wrote) ref() ref { return ref{w.system, w.object, w.id} }

// recorder notes what a connector is told to write.
type recorder struct {
	connectors.Connector
	v  *vendor
	st *story
}

// Write passes a batch on. What a crash hides from syncd is not noted either:
// with faults the writes are not compared.
func (r *recorder) Write(ctx context.Context, object string, op connectors.Op, writes []connectors.Write) []connectors.Result {
	out := r.Connector.Write(ctx, object, op, writes)
	r.count("write")
	t := r.st.run
	if t == nil || !t.begun {
		return out
	}
	call := 0
	if n := len(t.wrote); n > 0 {
		call = t.wrote[n-1].call + 1
	}
	for i, w := range writes {
		res := out[i]
		id := w.RecordID
		if id == "" {
			id = res.RecordID
		}
		t.wrote = append(t.wrote, wrote{r.v.name, object, op, id, maps.Clone(w.Values), res.Outcome, res.Err, call})
	}
	return out
}

// count counts a call.
func (r *recorder) count(what string) {
	if t := r.st.run; t != nil && t.begun {
		if t.calls[r.v.name] == nil {
			t.calls[r.v.name] = map[string]int{}
		}
		t.calls[r.v.name][what]++
	}
}

// Read counts a read.
func (r *recorder) Read(ctx context.Context, object string, ids, fields []string) ([]connectors.Sighting, error) {
	r.count("read")
	return r.Connector.Read(ctx, object, ids, fields)
}

// Find counts a look-up.
func (r *recorder) Find(ctx context.Context, object string, by connectors.Lookup, fields []string) ([]connectors.Record, error) {
	r.count("find")
	return r.Connector.Find(ctx, object, by, fields)
}

// Locate counts a question where a record is.
func (r *recorder) Locate(ctx context.Context, object, id, token string) (connectors.Location, error) {
	r.count("locate")
	return r.Connector.Locate(ctx, object, id, token)
}

// told is what became of one run of a story.
type told struct {
	st         *story
	Injected   []injection
	Violations []Violation
	said       map[string]string
	met        []boundary
	all        bool // every injection happened
	trace      *trace
}

// play plays a story with injections.
func (st *story) play(o Options, plan ...injection) (told, error) {
	mine := *st // a run's own: runs go side by side
	st = &mine
	d, err := st.swarm()
	if err != nil {
		return told{}, err
	}
	o.fixed, o.story = &d, st
	w, err := newWorld(1, o)
	if err != nil {
		return told{}, fmt.Errorf("%s:%d: %s: %w", st.file, st.line, st.title, err)
	}
	defer w.close()
	t := &telling{
		stage: &stage{world: w}, st: st, refs: map[string]ref{}, names: map[ref]string{}, born: map[string]int{}, notes: map[ref]int{}, calls: map[string]map[string]int{},
	}
	st.run = t
	w.inject = &injector{plan: plan, pause: stagePause}
	t.learnColumns()
	t.after(2*time.Second, func() {}) // the first sweep
	t.stage.rest()
	if err := t.tell(st.given); err != nil {
		return told{}, err
	}
	t.rest()
	t.begin()
	w.inject.on = true
	if err := t.tell(st.events); err != nil {
		return told{}, err
	}
	if !t.stopped {
		t.rest()
	}
	w.inject.on, w.inject.deaf = false, false
	if len(plan) > 0 {
		t.pass(cursorGrace)
		t.rest()
	}
	t.look()
	if !t.stopped {
		t.lookAgain()
	}
	out := told{st: st, Injected: plan, Violations: w.violations, said: t.said, met: w.inject.met, all: w.inject.done == len(plan), trace: &w.s.trace}
	return out, nil
}

// begin is where the story proper begins: what syncd writes from here on counts.
func (t *telling) begin() {
	t.nameOurs(t.identities()) // while they are paired
	t.begun = true
	for _, v := range t.systems {
		t.born[v.name] = len(v.truth.Changes())
	}
	for _, r := range t.everyRecord() {
		t.notes[r] = len(t.history(r))
	}
}

// tell does one line after another.
func (t *telling) tell(lines []line) error {
	for _, l := range repeated(lines) {
		c, err := t.st.parseCommand(l)
		if err != nil {
			return err
		}
		if c.after != "" {
			d, err := time.ParseDuration(c.after)
			if err != nil {
				return t.st.fault(l, "%v", err)
			}
			t.pass(d)
		}
		if c.verb == "" {
			continue
		}
		do, known := verbs[c.verb]
		if !known {
			return t.st.fault(l, "there is no event %q; there are %s", c.verb, strings.Join(slices.Sorted(maps.Keys(verbs)), ", "))
		}
		was := t.inject.deaf
		t.inject.deaf = was || c.deaf
		t.s.note("=== %s", l.text)
		err = do(t, c)
		t.inject.deaf = was
		if err != nil {
			return t.st.fault(l, "%s: %v", l.text, err)
		}
	}
	return nil
}

// repeated writes out the lines that begin with "repeat N": once for each number,
// which takes the place of #.
func repeated(lines []line) []line {
	var out []line
	for _, l := range lines {
		words := strings.SplitN(l.text, " ", 3)
		n := 0
		if len(words) == 3 && words[0] == "repeat" {
			n, _ = strconv.Atoi(words[1]) // no number: the line is read as it is, and refused
		}
		if n == 0 {
			out = append(out, l)
		}
		for i := range n {
			out = append(out, line{l.n, strings.ReplaceAll(words[2], "#", strconv.Itoa(i+1))})
		}
	}
	return out
}

// pass lets time go by.
func (t *telling) pass(d time.Duration) {
	until := t.s.now.Add(d)
	t.s.at(until, func() {})
	for t.s.step(until) {
	}
}

// longWait is a wait that a story does not sit out by resting: a grace of hours
// ends where the script lets that much time pass.
const longWait = 2 * time.Hour

// rest runs until nothing is due, under way or on its way, and a sweep of every
// object has found nothing more.
func (t *telling) rest() {
	t.quiet()
	for _, v := range t.systems {
		t.replicas[0].sweep(v.name)
	}
	t.quiet()
}

func (t *telling) quiet() {
	limit, steps := t.s.now.Add(stageLimit), t.stats.Steps
	for {
		switch {
		case t.s.tasks == 0 && t.posts == 0 && t.inFlight == 0 && t.still():
			return
		case !t.s.step(limit):
			t.violate("I12", "", "no rest after %v", stageLimit)
			return
		case t.stats.Steps-steps > stageSteps:
			t.violate("I12", "", "no rest after %d steps", stageSteps)
			return
		}
	}
}

// still is idle, but for rows that wait for hours, or for a hold to be released:
// that is for the script to do.
func (t *telling) still() bool {
	if t.idle() {
		return true
	}
	ctx := context.Background()
	stats, err := t.db.Queues(ctx)
	rows, werr := t.db.Waiting(ctx, 1000)
	holds, herr := t.db.Holds(ctx)
	if err = errors.Join(err, werr, herr); err != nil {
		t.violate("store", "", "queues, waiting, holds: %v", err)
		return true
	}
	held := func(words string) bool {
		return slices.ContainsFunc(holds, func(h store.Hold) bool { return strings.HasPrefix(words, "held: "+h.What+" in "+h.System) })
	}
	open := 0
	for _, q := range stats {
		if open += q.Waiting; q.Due+q.Running > 0 {
			return false
		}
	}
	for _, r := range rows {
		if !r.Parked && (r.NotBefore.Sub(t.s.now) > longWait || held(r.Error)) {
			open--
		}
	}
	return open == 0 && !slices.ContainsFunc(t.replicas, func(r *replica) bool { return r.down })
}

// everyRecord lists every record that was ever made, sorted.
func (t *telling) everyRecord() []ref {
	var out []ref
	for _, v := range t.systems {
		for _, object := range v.objects {
			for _, id := range v.truth.Births(object) {
				out = append(out, ref{v.name, object, id})
			}
		}
	}
	return out
}

// lookAgain is I6: every record is looked at once more, and nothing is written.
func (t *telling) lookAgain() {
	before, parked := len(t.wrote), t.parked()
	var hints []store.Hint
	for _, r := range t.everyRecord() {
		hints = append(hints, store.Hint{System: r.system, Object: r.object, RecordID: r.id, Lane: store.LaneSweep, Cause: "verify"})
	}
	if err := t.store.Enqueue(context.Background(), hints); err != nil {
		t.violate("store", "", "enqueue: %v", err)
		return
	}
	t.rest()
	if n := len(t.wrote) - before; n > 0 && !parked {
		t.violate("I6", "", "%d writes without a cause when everything was looked at once more", n)
	}
}

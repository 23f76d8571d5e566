package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"syncd/store"
)

// Stats are what a run, or many, amounted to.
type Stats struct {
	Seeds                              int
	Hours                              float64
	Creations, Edits                   int
	Crashes, Pauses, Faults            int
	Steps, StoreCalls, Calls, Hooks    int
	Waits                              int // calls that waited for the rate limiter
	Writes, FieldWrites                int
	Duplicates, Doubles, LostEdits     int
	Overwritten, Window                int // edits overwritten unread; of these, final ones
	Unconverged, Stated, Parked, Trash int
	Targets                            int // edits × the systems that they must reach
	Reads, Hints, Logged               int
	Surplus, Clones, Archives          int // flagged extras; what people copied and archived
	Unique, Search, Blind              int // seeds with such a target
}

// Add sums up.
func (s *Stats) Add(o Stats) {
	s.Seeds += o.Seeds
	s.Hours += o.Hours
	s.Creations += o.Creations
	s.Edits += o.Edits
	s.Crashes += o.Crashes
	s.Pauses += o.Pauses
	s.Faults += o.Faults
	s.Steps += o.Steps
	s.StoreCalls += o.StoreCalls
	s.Calls += o.Calls
	s.Hooks += o.Hooks
	s.Waits += o.Waits
	s.Writes += o.Writes
	s.FieldWrites += o.FieldWrites
	s.Duplicates += o.Duplicates
	s.Doubles += o.Doubles
	s.LostEdits += o.LostEdits
	s.Overwritten += o.Overwritten
	s.Window += o.Window
	s.Unconverged += o.Unconverged
	s.Stated += o.Stated
	s.Parked += o.Parked
	s.Trash += o.Trash
	s.Targets += o.Targets
	s.Reads += o.Reads
	s.Hints += o.Hints
	s.Logged += o.Logged
	s.Surplus += o.Surplus
	s.Clones += o.Clones
	s.Archives += o.Archives
	s.Unique += o.Unique
	s.Search += o.Search
	s.Blind += o.Blind
}

// Result is what became of a seed.
type Result struct {
	Seed       uint64
	Stats      Stats
	Violations []Violation
	Hash       uint64
	Draws      int // fault draws made
	Swarm      string
	trace      *trace
}

// Tail gives the last lines of the trace that mention one of the words.
func (r Result) Tail(n int, words ...string) []string { return r.trace.tail(n, words...) }

// calmDown is how long a world may take to fall silent once people and faults
// have stopped.
const calmDown = 12 * time.Hour

// Run plays one seed.
func Run(seed uint64, o Options) (Result, error) {
	w, err := newWorld(seed, o)
	if err != nil {
		return Result{}, fmt.Errorf("seed %d: %w", seed, err)
	}
	defer w.close()
	for _, v := range w.vendors {
		v.changes = len(v.truth.Changes())
	}
	for w.s.step(start.Add(20 * time.Second)) { // the first sweep, undisturbed
	}
	w.faulty = true
	w.populate()
	w.planAmnesia()
	end := start.Add(time.Duration(w.d.hours*float64(time.Hour)) + time.Minute)
	for w.s.step(end) {
	}
	w.faulty = false
	w.settle(end.Add(calmDown))
	w.check()
	w.lastLook()
	w.checkRate()
	w.stats.Seeds, w.stats.Hours = 1, w.s.now.Sub(start).Hours()
	w.countClasses()
	return Result{
		Seed: seed, Stats: w.stats, Violations: w.violations, Hash: w.s.trace.hash.Sum64(), Draws: w.draws,
		Swarm: fmt.Sprintf("%+v budgets: %v", w.d, w.budgets), trace: &w.s.trace,
	}, nil
}

// settle runs until nothing is due, sweeps twice, and runs again.
func (w *world) settle(limit time.Time) {
	for range 3 {
		if !w.silence(limit) && !w.thawing() {
			w.violate("I12", "", "work is still due %v after everything stopped", calmDown)
			return
		}
		// The cursor of a sweep that died is held for a while yet.
		for pause := w.s.now.Add(5 * time.Minute); w.s.step(pause); {
		}
		for _, v := range w.systems {
			w.replicas[0].sweep(v.name)
		}
	}
	if !w.silence(limit) && !w.thawing() {
		w.violate("I12", "", "work is still due %v after everything stopped", calmDown)
	}
}

// thawing says that all that is still to come is the end of a freeze, where three
// sides or made-up vendors may freeze a row time and again (F27).
func (w *world) thawing() bool {
	rows, err := w.db.Waiting(context.Background(), 10_000)
	if err != nil {
		w.violate("store", "", "waiting: %v", err)
	}
	return len(w.d.personas) > 0 && !slices.ContainsFunc(rows, func(r store.WaitingRow) bool {
		return !r.Parked && !strings.HasPrefix(r.Error, "frozen")
	})
}

// restless is how many events a world may take to fall silent: one that goes
// round in circles would take hours of ours to use up its virtual ones.
const restless = 200_000

// silence runs until no work is due, nothing is under way, and no sweep of the
// ordinary kind can be owed: two periods without work.
func (w *world) silence(limit time.Time) bool {
	for range restless {
		if !w.s.step(limit) {
			return false
		}
		if w.s.tasks == 0 && w.posts == 0 && w.inFlight == 0 && w.idle() {
			return true
		}
	}
	return false
}

func (w *world) idle() bool {
	for _, r := range w.replicas {
		if r.down {
			return false
		}
	}
	stats, err := w.db.Queues(context.Background())
	if err != nil {
		w.violate("store", "", "queues: %v", err)
		return true
	}
	for _, q := range stats {
		if q.Due+q.Running+q.Waiting > 0 {
			return false
		}
	}
	return true
}

// lastLook is I6: every record is looked at once more, and nothing is written.
func (w *world) lastLook() {
	before := w.stats.Writes
	var hints []store.Hint
	for _, v := range w.systems {
		for _, k := range w.live(v.name) {
			hints = append(hints, store.Hint{System: v.name, Object: v.object, RecordID: k.id, Lane: store.LaneSweep, Cause: "verify"})
		}
	}
	if len(hints) == 0 {
		return
	}
	parked := w.parked()
	if err := w.store.Enqueue(context.Background(), hints); err != nil {
		w.violate("store", "", "enqueue: %v", err)
		return
	}
	w.silence(w.s.now.Add(calmDown))
	if n := w.stats.Writes - before; n > 0 && !w.forgot && !w.frozen && !parked {
		w.violate("I6", "", "%d writes without a cause when everything was looked at once more", n)
	}
}

// parked says that a record waits for a person. A new look at it is the cause
// that it waits for, so what it writes then has one.
func (w *world) parked() bool {
	rows, err := w.db.Waiting(context.Background(), 10_000)
	if err != nil {
		w.violate("store", "", "waiting: %v", err)
	}
	trash, err := w.db.Trash(context.Background(), 1)
	if err != nil {
		w.violate("store", "", "trash: %v", err)
	}
	return len(trash) > 0 || slices.ContainsFunc(rows, func(r store.WaitingRow) bool { return r.Parked })
}

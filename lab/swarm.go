package lab

import (
	"math/rand/v2"
	"time"
)

// Options steer a run beside its seed.
type Options struct {
	// Dir holds the database files.
	Dir string
	// Open opens another store than SQLite, empty and on the world's clock;
	// nil: SQLite. Its worlds do not forget (no amnesia).
	Open func(keyFingerprint string, now func() time.Time) (Database, error)
	// Calm switches every fault off.
	Calm bool
	// FaultSteps ends the faults after so many draws; 0 is no such end. It is
	// how a failing seed is cut down to its shortest prefix.
	FaultSteps int
	// Without switches faults off by name, to search behind a known bug.
	Without map[string]bool
	// Only, if not empty, leaves on only the faults named.
	Only map[string]bool
	// Tight gives every system a budget of few calls a second.
	Tight bool
	// Plain leaves the two real vendors, whoever the seed would have had instead.
	Plain bool
	// Verbose puts bodies and arguments into the trace.
	Verbose bool

	fixed *swarm // of a scene: nothing is drawn
	story *story // of a text scenario: its links are the world's
}

// swarm is what one seed draws: which faults are on and how often they come.
type swarm struct {
	replicas, people int
	hours            float64
	readBatch        int
	writeBatch       int
	edits            int
	bothSides        float64 // share of people that are created in both systems
	twinEdits        float64 // share of edits that happen on both sides at once
	clears           float64
	bursts           float64       // share of edits that are followed by others of the same row
	burstGap         time.Duration // mean time to them

	rate  map[string]float64
	late  time.Duration // longest lateness of a request
	storm float64       // > 1: a bad day, faults come that much more often

	crmLag     time.Duration
	crmV3      bool
	crmSearch  bool // the token is not unique there: create class search
	crmLimits  bool
	mergeNewID bool // a merge makes a new id there
	odooMajor  int
	ignoreBot  bool
	chatty     bool
	trustMark  bool
	slow       time.Duration // longest ordinary answer

	systems  []string           // who is there, sorted
	personas map[string]persona // of those that are made up
	clones   float64            // chance that people copy a record rather than edit it
	archives float64            // chance that they archive it
	invalid  float64            // chance that they write what another side refuses

	forget      bool    // the database is replaced once
	forgetAll   bool    // by an empty one
	stateFile   bool    // and what was noted of its fence is still there
	copied, put float64 // when, as shares of the run
}

// The faults, by name. Calls: per HTTP call. Steps: per yield. Hooks: per
// webhook. Store: per store call.
const (
	callUnsent  = "unsent"      // a dial error
	callRefused = "refused"     // 429 with Retry-After
	callPlain   = "refused429"  // 429 without
	call5xx     = "5xx"         // not applied
	callApplied = "5xx_applied" // applied all the same
	callLost    = "lost"        // applied, the answer is lost
	callCut     = "cut"         // applied, the answer breaks off
	callHTML    = "html"        // applied, the answer is a web page
	callLate    = "late"        // lands after the caller gave up
	callStale   = "stale"       // the answer takes long to arrive
	stepCrash   = "crash"
	stepPause   = "pause"
	hookLost    = "hook_lost"
	hookTwice   = "hook_twice"
	hookLate    = "hook_late"
	storeBefore = "store_before" // an error, nothing done
	storeAfter  = "store_after"  // an error, done all the same
	stateFile   = "state_file"   // without it, a database that forgot is known by the records' tokens only
	amnesia     = "amnesia"      // the database is replaced by an older copy; of a seed, or by an empty one
	amnesiaAll  = "amnesia_all"  // scenes only: by an empty one
)

// rates are how often a fault comes when a seed has it on, at the most.
var rates = []struct {
	name string
	most float64
}{
	{callUnsent, 0.03}, {callRefused, 0.02}, {callPlain, 0.02}, {call5xx, 0.03}, {callApplied, 0.03},
	{callLost, 0.03}, {callCut, 0.02}, {callHTML, 0.02}, {callLate, 0.03}, {callStale, 0.05},
	{stepCrash, 0.01}, {stepPause, 0.01},
	{hookLost, 0.3}, {hookTwice, 0.4}, {hookLate, 0.3},
	{storeBefore, 0.02}, {storeAfter, 0.02},
}

// draw makes a seed's swarm.
func draw(rng *rand.Rand, o Options) swarm {
	pick := func(of ...int) int { return of[rng.IntN(len(of))] }
	w := swarm{
		replicas: pick(1, 1, 2, 3), people: 2 + rng.IntN(8), hours: 0.3 + 2*rng.Float64(),
		readBatch: pick(1, 2, 7, 100), writeBatch: pick(1, 2, 7, 100),
		edits: 4 + rng.IntN(30), rate: map[string]float64{},
		crmV3: rng.IntN(2) == 0, crmLimits: rng.IntN(4) == 0, odooMajor: pick(17, 19),
		ignoreBot: rng.IntN(2) == 0, chatty: rng.IntN(5) == 0, trustMark: rng.IntN(3) > 0,
		slow: time.Duration(50+rng.IntN(2000)) * time.Millisecond,
	}
	if rng.IntN(2) == 0 {
		w.bothSides = 0.3
	}
	if rng.IntN(2) == 0 {
		w.twinEdits = 0.3
	}
	if rng.IntN(2) == 0 {
		w.clears = 0.1
	}
	if rng.IntN(3) > 0 {
		w.bursts = 0.6
	}
	w.burstGap = time.Duration(1+rng.IntN(90)) * time.Second
	if rng.IntN(2) == 0 {
		w.crmLag = time.Duration(rng.IntN(60)) * time.Second
	}
	w.late = time.Duration(30+rng.IntN(600)) * time.Second
	if rng.IntN(3) == 0 {
		w.storm = 3
	}
	for _, r := range rates {
		on, share := rng.IntN(5) < 2, rng.Float64()
		if on && !o.Calm && !o.Without[r.name] && (len(o.Only) == 0 || o.Only[r.name]) {
			w.rate[r.name] = min(0.5, r.most*share*max(1, w.storm))
		}
	}
	if w.crmSearch = rng.IntN(4) == 0; w.crmSearch {
		// The class holds while lateness + lag ≤ settle: pauses are lateness too.
		w.late, w.rate[stepPause] = min(w.late, 2*time.Minute), 0
	}
	forget := rng.IntN(6) == 0
	// Without its state file a forgetful class search may double: CORRECTNESS 3.11, 6.
	w.stateFile = !o.Without[stateFile]
	w.forget = forget && o.Open == nil && !o.Calm && !o.Without[amnesia] && (len(o.Only) == 0 || o.Only[amnesia])
	w.forgetAll, w.copied = rng.IntN(2) == 0, rng.Float64()
	w.put = w.copied + (1-w.copied)*rng.Float64()
	if o.Calm {
		w.clears, w.bothSides, w.twinEdits, w.bursts = 0, 0, 0, 0
	}
	return w
}

package lab

import (
	"fmt"
	"slices"
	"time"
)

// boundary is a point of a run at which something can go wrong.
type boundary string

// The boundaries, and what can go wrong at each: TESTING 2 (d) and the faults
// of swarm.go.
const (
	atStep  boundary = "step"  // a coroutine gives way before a call
	atAfter boundary = "after" // a coroutine gives way after a call
	atCall  boundary = "call"  // a call to a vendor
	atStore boundary = "store" // a transaction
	atHook  boundary = "hook"  // a webhook sets out
	atGone  boundary = "gone"  // a call to a vendor that a script has taken off the net
)

var faultsAt = map[boundary][]string{
	atStep:  {stepCrash, stepPause},
	atAfter: {stepCrash, stepPause},
	atCall:  {callUnsent, callRefused, callPlain, call5xx, callApplied, callLost, callCut, callHTML, callLate, callStale},
	atStore: {storeBefore, storeAfter},
	atGone:  {callUnsent},
	atHook:  {hookLost, hookTwice, hookLate},
}

// opens tells a boundary by the first fault that the world asks for there.
var opens = map[string]boundary{stepCrash: atStep, callUnsent: atCall, storeBefore: atStore, hookLost: atHook}

// injection is one thing that goes wrong: a fault at the k-th boundary of a run,
// counted from 1.
type injection struct {
	at    int
	fault string
}

func (i injection) String() string { return fmt.Sprintf("%s at %d", i.fault, i.at) }

// injector numbers the boundaries of a run while it is on, and makes a run's
// injections happen, those and nothing else. Nothing is drawn: two runs are the
// same up to their first difference.
type injector struct {
	plan  []injection // by boundary
	pause time.Duration
	on    bool
	deaf  bool            // no webhook arrives: the sweep has to find it
	away  map[string]bool // systems that cannot be reached
	met   []boundary
	last  map[*task]boundary // the newest boundary of each coroutine
	done  int                // injections that have happened
}

// hit says whether a fault befalls the boundary that the world is at.
func (x *injector) hit(w *world, fault string) bool {
	if x.deaf && fault == hookLost {
		return true
	}
	if !x.on {
		return false
	}
	if kind, first := opens[fault]; first {
		x.meet(w.s.current, kind)
	}
	if x.done == len(x.plan) || x.plan[x.done] != (injection{len(x.met), fault}) {
		return false
	}
	x.done++
	if fault == callUnsent || fault == storeBefore {
		delete(x.last, w.s.current) // the call is over, and the coroutine does not give way after it
	}
	w.stats.Faults++
	w.s.note("-- injected: %s at boundary %d", fault, len(x.met))
	return true
}

// gone says that a scene has taken a system off the net.
func (x *injector) gone(system string) bool {
	if x == nil || !x.away[system] {
		return false
	}
	if n := len(x.met); x.on && n > 0 && x.met[n-1] == atCall {
		x.met[n-1] = atGone // nothing else can befall the call
	}
	return true
}

// meet counts a boundary that a coroutine comes to; t is nil for a webhook.
func (x *injector) meet(t *task, kind boundary) {
	if was := x.last[t]; t != nil && kind == atStep && (was == atCall || was == atStore) {
		kind = atAfter
	}
	x.met = append(x.met, kind)
	if x.last == nil {
		x.last = map[*task]boundary{}
	}
	x.last[t] = kind
}

// without says which boundaries are left out where all pairs are played: what
// befalls a coroutine after one call befalls it before its next one as well, a
// few milliseconds later.
var without = map[boundary]bool{atAfter: true}

// injections lists everything that can go wrong at the boundaries after k.
func injections(met []boundary, k int, amnesiac bool, without map[boundary]bool) []injection {
	var out []injection
	for i := k; i < len(met); i++ {
		faults := faultsAt[met[i]]
		if without[met[i]] {
			continue
		}
		if amnesiac && (met[i] == atStep || met[i] == atAfter) {
			faults = append(slices.Clone(faults), amnesia, amnesiaAll)
		}
		for _, f := range faults {
			out = append(out, injection{i + 1, f})
		}
	}
	return out
}

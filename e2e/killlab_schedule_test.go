//go:build linux

package e2e_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// hit is one thing that happens to a running syncd.
type hit struct {
	kind    string
	before  time.Duration // how long people work undisturbed first
	replica int           // whom it meets, where it meets one
	orders  string        // failpoint orders, where it has any
	on      string        // the wire it is on
	trouble trouble
	lasts   time.Duration // of a trouble, and of a full disk
	down    time.Duration // how long a dead replica stays away
	room    int64         // bytes left on a full disk
}

const (
	hitKill      = "kill -9"
	hitKillAt    = "kill -9 at a failpoint"
	hitStop      = "SIGSTOP beyond the lease"
	hitStopAt    = "SIGSTOP at a failpoint, beyond the lease"
	hitSleepAt   = "a pause at a failpoint, beyond the lease"
	hitVendor    = "trouble on the way to a vendor"
	hitDatabase  = "trouble on the way to PostgreSQL"
	hitCrash     = "PostgreSQL stopped at once and started"
	hitTerminate = "backends terminated"
	hitFull      = "full disk"
	hitAll       = "everything at once, PostgreSQL too"
)

// decks are what is drawn from, until nothing is left; then again. So every kind
// comes, and in its proportion. What lasts beyond a lease is rare: it takes time.
var decks = map[string]map[string]int{
	onSQLite:   {hitKill: 12, hitKillAt: 12, hitStop: 1, hitStopAt: 1, hitSleepAt: 1, hitVendor: 4, hitFull: 3},
	onPostgres: {hitKill: 8, hitKillAt: 12, hitStop: 1, hitStopAt: 1, hitSleepAt: 1, hitVendor: 4, hitDatabase: 2, hitCrash: 2, hitTerminate: 2, hitFull: 1, hitAll: 1},
}

// points are the failpoints, each with the latest passing at which it is met.
// mid_refresh and mid_backfill_page of the specification are not there: syncd
// has neither token refresh nor backfill yet.
var points = map[string]int{
	"after_claim": 3, "after_intent": 3, "after_wire": 3, "before_bind": 2, "after_bind": 2,
	"mid_persist": 3, "mid_complete": 3, "mid_sweep_page": 1,
}

// beyond is longer than the shortest lease, which the lab runs with.
const (
	beyondLease = 2 * shortLease
	pauseOfStep = shortLease + 2*time.Second
	shortest    = 200 * time.Millisecond
	longest     = 3 * time.Second
	longestDown = time.Second
	leastRoom   = 16 << 10
	mostRoom    = 512 << 10
)

// schedule draws n hits. The same seed draws the same ones.
func schedule(seed uint64, store string, n int) []hit {
	dice := rand.New(rand.NewPCG(seed, 5))
	kinds := deck[string]{all: dealt(decks[store]), dice: dice}
	names := deck[string]{all: slices.Sorted(maps.Keys(points)), dice: dice}
	wires := deck[string]{all: []string{wireReset, wireDelay, wireSlice, wireCutOut, wireCutIn, wireHold}, dice: dice}
	out := make([]hit, n)
	for i := range out {
		h := hit{
			kind: kinds.next(), before: between(dice, shortest, longest), replica: dice.IntN(replicasOf[store]),
			lasts: between(dice, time.Second, longest), down: between(dice, 0, longestDown),
			room: leastRoom + dice.Int64N(mostRoom-leastRoom),
		}
		action := map[string]string{hitKillAt: "kill", hitStopAt: "stop", hitSleepAt: "sleep:" + pauseOfStep.String()}[h.kind]
		switch {
		case action != "":
			name := names.next()
			h.orders = fmt.Sprintf("%s:%d=%s", name, 1+dice.IntN(points[name]), action)
		case h.kind == hitVendor || h.kind == hitDatabase:
			h.on = []string{crmSystem, erpSystem}[dice.IntN(2)]
			if h.kind == hitDatabase {
				h.on = onPostgres
			}
			h.trouble = trouble{kind: wires.next(), delay: between(dice, 20*time.Millisecond, 700*time.Millisecond), bytes: 1 + dice.IntN(900)}
		}
		out[i] = h
	}
	return out
}

func (h hit) String() string {
	switch h.kind {
	case hitKillAt, hitStopAt, hitSleepAt:
		return h.kind + " " + h.orders
	case hitVendor, hitDatabase:
		return fmt.Sprintf("%s: %s %s for %s (%s, %d bytes)", h.kind, h.on, h.trouble.kind, h.lasts.Round(time.Millisecond), h.trouble.delay.Round(time.Millisecond), h.trouble.bytes)
	case hitFull:
		return fmt.Sprintf("%s, %d KiB left, for %s", h.kind, h.room>>10, h.lasts.Round(time.Millisecond))
	case hitKill, hitStop:
		return fmt.Sprintf("%s of replica %d", h.kind, h.replica)
	}
	return h.kind
}

// deck deals everything once before it deals anything again.
type deck[T any] struct {
	all  []T
	left []T
	dice *rand.Rand
}

func (d *deck[T]) next() T {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.all)
		d.dice.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	top := d.left[0]
	d.left = d.left[1:]
	return top
}

func dealt[K cmp.Ordered](counts map[K]int) []K {
	var out []K
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		for range counts[k] {
			out = append(out, k)
		}
	}
	return out
}

func between(dice *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(dice.Int64N(int64(high-low)))
}

// TestLabScheduleIsItsSeed: a schedule can be repeated, and a long one leaves
// nothing out.
func TestLabScheduleIsItsSeed(t *testing.T) {
	t.Parallel()
	for store, counts := range decks {
		const n = 200
		one := schedule(7, store, n)
		if !slices.Equal(one, schedule(7, store, n)) {
			t.Errorf("%s: one seed drew two schedules", store)
		}
		if slices.Equal(one, schedule(8, store, n)) {
			t.Errorf("%s: two seeds drew one schedule", store)
		}
		kinds, met := map[string]int{}, map[string]int{}
		for _, h := range one {
			kinds[h.kind]++
			met[h.trouble.kind]++
			for name := range points {
				if len(h.orders) > len(name) && h.orders[:len(name)+1] == name+":" {
					met[name]++
				}
			}
		}
		for kind := range counts {
			if kinds[kind] == 0 {
				t.Errorf("%s: no %s", store, kind)
			}
		}
		for name := range points {
			if met[name] == 0 {
				t.Errorf("%s: nothing at %s", store, name)
			}
		}
		for _, kind := range []string{wireReset, wireDelay, wireSlice, wireCutOut, wireCutIn, wireHold} {
			if met[kind] == 0 {
				t.Errorf("%s: no trouble %q", store, kind)
			}
		}
	}
}

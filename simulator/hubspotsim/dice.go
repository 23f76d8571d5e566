package hubspotsim

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// pcgStream is the second half of the generator's seed.
const pcgStream = 0x68756273706f74

// dice is the account's only source of randomness, safe for concurrent use.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newDice(seed uint64) *dice {
	return &dice{rng: rand.New(rand.NewPCG(seed, pcgStream))}
}

// roll gives 0..n-1.
func (d *dice) roll(n int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Int64N(n)
}

func (d *dice) coin() bool { return d.roll(2) == 0 }

func (d *dice) uuid() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, b := d.rng.Uint64(), d.rng.Uint64()
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}

func (d *dice) shuffle(n int, swap func(i, j int)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rng.Shuffle(n, swap)
}

// shuffled puts a list in any order, in place.
func shuffled[T any](d *dice, list []T) []T {
	d.shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

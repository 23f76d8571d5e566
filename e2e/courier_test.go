package e2e_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"syncd/simulator"
)

// courier carries webhooks in the vendors' place: it can keep them, and bring
// each more than once, at the same time as others and in any order.
type courier struct {
	client *http.Client
	slots  chan struct{}
	outbox simulator.Outbox

	mu      sync.Mutex
	dice    *rand.Rand
	held    bool
	kept    []simulator.Post
	copies  int
	refused int
	// to, if set, gives where the n-th attempt of all goes, as a load balancer does.
	to   func(n int, url string) string
	sent int
}

// couriersAtOnce is how many posts are on their way together.
const couriersAtOnce = 16

func newCourier(seed uint64) *courier {
	return &courier{
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: couriersAtOnce}},
		slots:  make(chan struct{}, couriersAtOnce), dice: rand.New(rand.NewPCG(seed, 1)), held: true, copies: 1,
	}
}

// take is what a vendor gives its posts to.
func (c *courier) take(p simulator.Post) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held {
		c.kept = append(c.kept, p)
		return
	}
	for range c.copies {
		c.send(p)
	}
}

// release brings what was kept, and from now on everything, so many times.
func (c *courier) release(copies int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []simulator.Post
	for range copies {
		all = append(all, c.kept...)
	}
	c.held, c.kept, c.copies = false, nil, copies
	c.dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, p := range all {
		c.send(p)
	}
}

// attempts is how often a post is brought that is not taken, and retryGap how
// long it waits before the first repeat, doubling.
const (
	attempts = 8
	retryGap = 100 * time.Millisecond
)

func (c *courier) send(p simulator.Post) {
	c.outbox.Go(func() {
		for i := range attempts {
			if c.bring(p) {
				return
			}
			time.Sleep(retryGap << i)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refused++
	})
}

func (c *courier) bring(p simulator.Post) bool {
	c.slots <- struct{}{}
	defer func() { <-c.slots }()
	c.mu.Lock()
	if c.sent++; c.to != nil {
		p.URL = c.to(c.sent, p.URL)
	}
	c.mu.Unlock()
	return p.Send(context.Background(), c.client) == http.StatusOK
}

// once makes it bring everything once from now on.
func (c *courier) once() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.copies = 1
}

func (c *courier) refusals() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

func (c *courier) idle() bool { return c == nil || c.outbox.Wait(time.Second) }

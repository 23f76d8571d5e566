package ingress

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"syncd/store"
)

const (
	// commitTimeout leaves a second of the five that HubSpot waits for an
	// answer, the shortest of the vendors that retry (vendors/README.md 8).
	commitTimeout = 4 * time.Second
	// One transaction takes at most so many receipts and hints.
	maxGroupReceipts = 1_000
	maxGroupHints    = 10_000
	// maxBacklog is how many receipts may wait for the transaction before them.
	maxBacklog = 10_000
	// failuresInARow end a group's repetition one by one: then it is not one
	// receipt that is bad, it is the store.
	failuresInARow = 2
)

// errBacklog says that too many receipts wait already.
var errBacklog = errors.New("too many webhooks wait for the store")

// committer is the group commit (CORRECTNESS 3.3): a receipt that comes alone
// is committed at once; receipts that come during a commit form the next one.
type committer struct {
	store Store

	mu      sync.Mutex
	pending []*waiter
	running bool
}

// waiter is a receipt and the goroutine that waits for it.
type waiter struct {
	receipt store.Receipt
	done    chan error // of room 1
	gone    bool       // guarded by committer.mu: nobody waits any more
}

func newCommitter(s Store) *committer { return &committer{store: s} }

// submit returns nil when the receipt is committed. After an error it may be
// committed all the same; to say it again does no harm.
func (c *committer) submit(r store.Receipt) error {
	w := &waiter{receipt: r, done: make(chan error, 1)}
	c.mu.Lock()
	if len(c.pending) >= maxBacklog {
		c.mu.Unlock()
		return errBacklog
	}
	c.pending = append(c.pending, w)
	if !c.running {
		c.running = true
		go c.run()
	}
	c.mu.Unlock()

	// Not the request's context: a client that hangs up takes nobody with it.
	late := time.NewTimer(commitTimeout)
	defer late.Stop()
	select {
	case err := <-w.done:
		return err
	case <-late.C:
		c.mu.Lock()
		w.gone = true
		c.mu.Unlock()
		return fmt.Errorf("the store took longer than %v", commitTimeout)
	}
}

// run commits group after group until none waits.
func (c *committer) run() {
	for {
		group := c.next()
		if group == nil {
			return
		}
		c.commit(group)
	}
}

// next takes a group of those who wait, nil (and the end of run) if there are
// none.
func (c *committer) next() []*waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	var group []*waiter
	hints := 0
	for len(c.pending) > 0 && len(group) < maxGroupReceipts {
		w := c.pending[0]
		if len(group) > 0 && hints+len(w.receipt.Hints) > maxGroupHints {
			break
		}
		c.pending[0] = nil
		c.pending = c.pending[1:]
		if w.gone {
			continue
		}
		hints += len(w.receipt.Hints)
		group = append(group, w)
	}
	if group == nil {
		c.pending, c.running = nil, false
	}
	return group
}

// commit tells each waiter of a group its own result. If the transaction of
// all fails, each is tried by itself: one receipt that the store refuses must
// not take the others with it.
func (c *committer) commit(group []*waiter) {
	err := c.receive(group)
	if err == nil || len(group) == 1 {
		for _, w := range group {
			w.done <- err
		}
		return
	}
	failures := 0
	for i, w := range group {
		one := c.receive(group[i : i+1])
		w.done <- one
		if one == nil {
			failures = 0
			continue
		}
		if failures++; failures >= failuresInARow {
			for _, rest := range group[i+1:] {
				rest.done <- one
			}
			return
		}
	}
}

// receive is one transaction. A panic of the store is an error like another.
func (c *committer) receive(group []*waiter) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the store panicked (%T)", v)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	receipts := make([]store.Receipt, len(group))
	for i, w := range group {
		receipts[i] = w.receipt
	}
	return c.store.Receive(ctx, receipts)
}

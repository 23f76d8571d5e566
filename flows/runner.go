package flows

import (
	"context"
	"sync"
	"time"

	"syncd/store"
)

// poll is how often the queue is asked for rows that became due by time alone;
// what a webhook brings wakes the runner at once.
const poll = 100 * time.Millisecond

// Serve runs flows and sweeps until ctx ends, then drains: nothing new is
// claimed, batches under way get the drain time, and leases are given back.
func (e *Engine) Serve(ctx context.Context, drain time.Duration) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { e.dispatch(ctx, work) })
	for _, s := range e.sweeps() {
		wg.Go(func() { e.sweepLoop(ctx, s) })
		wg.Go(func() { e.deletedLoop(ctx, s) })
	}
	<-ctx.Done()
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-finished:
	case <-timer.C:
		stop()
		<-finished
	}
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer cancel()
	return e.Store.Drop(back, e.Owner)
}

// dispatch gives every due queue a batch, one at a time per queue: while one is
// out, what arrives gathers for the next (CORRECTNESS 3.7 C1).
func (e *Engine) dispatch(ctx, work context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	var mu sync.Mutex
	busy := map[store.Queue]bool{}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	all := e.Queues()
	for {
		for _, q := range e.dueNow(ctx, all, &mu, busy) {
			mu.Lock()
			busy[q] = true
			mu.Unlock()
			wg.Go(func() {
				n, err := e.Run(work, q)
				mu.Lock()
				delete(busy, q)
				mu.Unlock()
				if err != nil && ctx.Err() == nil {
					e.Logger.Error("a batch could not be finished: its rows come back when their lease ends",
						"event", "batch.failed", "system", q.System, "object", q.Object, "error", err)
				}
				if n > 0 {
					e.Wake()
				}
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-ticker.C:
		}
	}
}

// dueNow asks which of the idle queues of working systems have due rows.
func (e *Engine) dueNow(ctx context.Context, all []store.Queue, mu *sync.Mutex, busy map[store.Queue]bool) []store.Queue {
	var idle []store.Queue
	mu.Lock()
	for _, q := range all {
		if !busy[q] && e.suspended(q.System) == 0 {
			idle = append(idle, q)
		}
	}
	mu.Unlock()
	if len(idle) == 0 || ctx.Err() != nil {
		return nil
	}
	due, err := e.Store.Due(ctx, idle)
	if err != nil {
		if ctx.Err() == nil {
			e.Logger.Error("the queue cannot be read", "event", "store.trouble", "error", err)
		}
		return nil
	}
	return due
}

// holds gives the open holds; a store that cannot say has none to show.
func (b *batch) holds() []store.Hold {
	ctx, cancel := context.WithTimeout(b.beat.ctx, time.Second)
	defer cancel()
	list, err := b.Store.Holds(ctx)
	if err != nil {
		return nil
	}
	return list
}

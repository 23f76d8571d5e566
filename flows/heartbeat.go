package flows

import (
	"context"
	"slices"
	"sync"
	"time"

	"syncd/store"
)

// heartbeat keeps the leases of one batch alive while the batch makes progress,
// and ends its context at the deadline: the time just before the claim plus the
// lease, less a margin (CORRECTNESS section 4).
type heartbeat struct {
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	engine *Engine
	batch  *batch

	mu       sync.Mutex
	deadline time.Time
	moved    time.Time // last progress: a heartbeat must prove progress, not life
	leases   []store.LeaseRef
}

func (e *Engine) startHeartbeat(ctx context.Context, began time.Time, b *batch) *heartbeat {
	h := &heartbeat{engine: e, batch: b, done: make(chan struct{}), moved: e.Now()}
	h.deadline = began.Add(e.Lease - leaseMargin(e.Lease))
	h.ctx, h.cancel = context.WithCancel(ctx)
	if e.Heartbeat < 0 {
		close(h.done)
		return h
	}
	go h.beat()
	return h
}

// leaseMargin is how long before the lease's end a batch stops by itself.
func leaseMargin(lease time.Duration) time.Duration { return min(5*time.Second, lease/4) }

func (h *heartbeat) beat() {
	defer close(h.done)
	ticker := time.NewTicker(h.engine.Heartbeat)
	defer ticker.Stop()
	end := time.NewTimer(h.left()) // between two beats, too
	defer end.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-ticker.C:
			h.prolong()
		case <-end.C:
		}
		left := h.left()
		if left <= 0 {
			h.cancel()
			return
		}
		end.Reset(left)
	}
}

func (h *heartbeat) prolong() {
	h.mu.Lock()
	stuck := h.engine.Now().Sub(h.moved) > h.engine.Lease/2
	leases := slices.Clone(h.leases)
	h.mu.Unlock()
	if stuck {
		return
	}
	began := h.engine.Now()
	var work []store.WorkRef
	for _, r := range h.batch.rows {
		work = append(work, r.work.WorkRef)
	}
	held, _, err := h.engine.Store.Heartbeat(h.ctx, h.engine.Owner, h.engine.Lease, work, leases)
	if err != nil || len(held) == 0 {
		return // the deadline stands; the fence protects what is on record
	}
	h.mu.Lock()
	h.deadline = began.Add(h.engine.Lease - leaseMargin(h.engine.Lease))
	h.mu.Unlock()
}

// covers adds identities whose leases are prolonged with the rows.
func (h *heartbeat) covers(refs ...store.LeaseRef) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leases = append(h.leases, refs...)
}

func (h *heartbeat) progress() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.moved = h.engine.Now()
}

// left is the time until the batch must have stopped.
func (h *heartbeat) left() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.deadline.Sub(h.engine.Now())
}

func (h *heartbeat) stop() {
	h.cancel()
	<-h.done
}

// Package simulator holds what the pretend vendors share: an independent
// record of truth, faults by script, and webhook delivery. The vendors
// themselves are hubspotsim and odoosim below it. They serve the demo, the
// tests and the benchmarks; nothing in the daemon imports them.
package simulator

import (
	"slices"
	"sync"
	"time"
)

// Call is one request that reached a pretend vendor, answered or not.
type Call struct {
	At     time.Time
	Op     string   // the vendor's operation: "batch_read", "load", …
	Object string   // "contacts", "res.partner", "" if none
	IDs    []string // records named by the request, new ones included
	Rows   int      // records in the request
	Status int      // HTTP status answered, 0 if the answer was withheld
	Fault  string   // the scripted fault that met it, "" if none
}

// Change is one write that took effect on a record, by anybody.
type Change struct {
	At     time.Time
	Object string
	ID     string
	Born   bool              // the record was made by it
	Gone   bool              // archived, deleted or merged away by it
	Actor  string            // "user:…" for people, "app:…" for API clients
	Values map[string]string // fields written, as sent; nil where Gone
}

// Truth is what really happened inside a pretend vendor: append-only, never
// read by syncd, the yardstick of every test.
type Truth struct {
	mu      sync.Mutex
	calls   []Call
	changes []Change
}

// Called records a request.
func (t *Truth) Called(c Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, c)
}

// Changed records a write that took effect.
func (t *Truth) Changed(c Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changes = append(t.changes, c)
}

// Calls gives every request so far, oldest first. It is a view and no copy: what
// is recorded never changes, and an append to it makes a slice of its own.
func (t *Truth) Calls() []Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clip(t.calls)
}

// Changes gives every effective write so far, oldest first; a view, as Calls.
func (t *Truth) Changes() []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clip(t.changes)
}

// Births gives the ids of every record of an object ever made, in order,
// those that are gone by now included.
func (t *Truth) Births(object string) []string {
	var ids []string
	for _, c := range t.Changes() {
		if c.Born && c.Object == object {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

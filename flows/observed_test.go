package flows_test

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"syncd/connectors"
	"syncd/store"
)

// observed is what the engine told.
type observed struct {
	mu       sync.Mutex
	attempts []string
	hints    int
	down     map[string]bool
	surplus  []string
	lags     []time.Duration
	forgot   []string
}

func (o *observed) Attempt(_, system string, d store.Disposition, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attempts = append(o.attempts, system+" "+string(d)+" "+reason)
}
func (o *observed) Wrote(_, _, _ string, _ connectors.Op, _ connectors.Outcome) {}
func (o *observed) Lag(_, _, _ string, _ time.Duration)                         {}
func (o *observed) Swept(_, _ string, _, hints int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hints += hints
}
func (o *observed) SystemOK(system string, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down == nil {
		o.down = map[string]bool{}
	}
	o.down[system] = !ok
}

func (o *observed) Surplus(link, system string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.surplus = append(o.surplus, link+" "+system)
}
func (o *observed) IndexLag(_, _ string, d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lags = append(o.lags, d)
}
func (o *observed) Forgot(link, evidence string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forgot = append(o.forgot, link+" "+evidence)
}

func (o *observed) since(n int) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.attempts[n:])
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

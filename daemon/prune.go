package daemon

import (
	"context"
	"time"

	"syncd/store"
)

const (
	// pruneEvery is how often old evidence is looked for.
	pruneEvery = time.Hour
	// pruneBatch bounds the rows of each kind that one transaction deletes, so
	// that no webhook waits for it.
	pruneBatch = 500
	// prunePause lets others write between two batches.
	prunePause = 200 * time.Millisecond
)

// prune deletes evidence that has outlived its age, for as long as ctx lives.
// Every replica does it: two that meet take different rows.
func (d *Daemon) prune(ctx context.Context) {
	keep := d.Config.Store.Keep
	ages := store.Ages{Deliveries: time.Duration(keep.Deliveries), History: time.Duration(keep.History), Trash: time.Duration(keep.Trash)}
	wait := time.Duration(d.Rand() * float64(pruneEvery)) // replicas that start together spread
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		done, err := d.store.Prune(ctx, ages, pruneBatch)
		if err != nil && ctx.Err() == nil {
			d.Logger.Warn("old evidence could not be pruned", "event", "store.prune", "error", err)
		}
		d.metrics.prunedRows(done)
		if wait = pruneEvery; max(done.Deliveries, done.History, done.Trash) == pruneBatch {
			wait = prunePause
		}
	}
}

package lab

import (
	"context"
	"fmt"
	"os"
	"time"

	"syncd/flows"
)

// planAmnesia has the database copied at one moment and replaced by the copy, or
// by an empty one, at a later one (I13, F46, F47).
func (w *world) planAmnesia() {
	if !w.d.forget {
		return
	}
	span := w.d.hours * float64(time.Hour)
	w.s.after(time.Duration(w.d.copied*span), func() { w.swap("copy", func() error { return w.copyOut() }) })
	w.s.after(time.Duration(w.d.put*span), func() { w.swap("put back", func() error { return w.putBack() }) })
}

func (w *world) copyOut() error {
	if w.d.forgetAll {
		return nil
	}
	var err error
	w.backup, err = os.ReadFile(w.path())
	return err
}

func (w *world) putBack() error {
	w.forgot = true
	clear(w.epochs)
	clear(w.acked) // what was heard and forgotten is the sweep's to find
	for _, tail := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(w.path() + tail) // it may not be there
	}
	if w.d.forgetAll {
		return fresh(w.path(), w.keyring.Fingerprint())
	}
	return os.WriteFile(w.path(), w.backup, 0o600)
}

// swap stops every replica, does something to the database file, and starts them.
func (w *world) swap(what string, work func() error) {
	w.s.note("database: %s", what)
	for _, r := range w.replicas {
		r.down = true
		r.killTasks()
	}
	noted, err := w.db.Fence(context.Background())
	if err == nil {
		err = w.db.Close()
	}
	if err == nil {
		err = work()
	}
	if err == nil {
		err = w.open()
	}
	if err == nil {
		err = w.register()
	}
	for _, r := range w.replicas {
		if err == nil {
			err = r.boot()
		}
	}
	if err == nil {
		err = w.recall(noted)
	}
	if err != nil {
		panic(fmt.Sprintf("lab: %s the database: %v", what, err))
	}
	w.wakeAll(0)
}

// recall is what the daemon does at start: a fence that is behind what the state
// file says is evidence.
func (w *world) recall(noted int64) error {
	fence, err := w.db.Fence(context.Background())
	if err != nil || fence >= noted || !w.d.stateFile {
		return err
	}
	return w.replicas[0].engine.Forgot(context.Background(), flows.EvidenceFence)
}

package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"syncd/daemon"
	"syncd/store/sqlite"
)

// Database is the store that a world runs on: what its engines use, and what
// the world itself does and looks at.
type Database interface {
	daemon.Store
}

// open opens the database for all replicas: one handle, a test device.
func (w *world) open() error {
	var db Database
	var err error
	if w.o.Open != nil {
		db, err = w.o.Open(w.keyring.Fingerprint(), w.now)
	} else {
		db, err = sqlite.Open(context.Background(), w.path(), sqlite.Options{KeyFingerprint: w.keyring.Fingerprint(), Replica: "lab", Now: w.now, Scratch: true})
	}
	if err != nil {
		return err
	}
	w.db, w.store = db, &steps{db, w}
	return nil
}

func (w *world) path() string { return filepath.Join(w.o.Dir, fmt.Sprintf("seed-%d.db", w.seed)) }

func (w *world) removeFiles() {
	for _, tail := range []string{"", "-wal", "-shm", ".lock"} {
		_ = os.Remove(w.path() + tail)
	}
}

// template is a migrated, empty database: made once, copied for every seed.
var template struct {
	sync.Mutex
	bytes []byte
}

func fresh(path, fingerprint string) error {
	template.Lock()
	defer template.Unlock()
	if template.bytes == nil {
		s, err := sqlite.Open(context.Background(), path, sqlite.Options{KeyFingerprint: fingerprint, Replica: "lab", Now: func() time.Time { return start }, Scratch: true})
		if err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
		if template.bytes, err = os.ReadFile(path); err != nil {
			return err
		}
	}
	return os.WriteFile(path, template.bytes, 0o600)
}

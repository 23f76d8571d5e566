package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"syncd/flows"
)

// fenceEvery is how often the fence is noted outside of the database, at most.
const fenceEvery = time.Second

// fenceNote is what the state directory knows of the database: a database whose
// fence is lower has lost commits (CORRECTNESS F47). Key tells installations
// apart that share a directory.
type fenceNote struct {
	Key   string `json:"key"`
	Fence int64  `json:"fence"`
}

// fencePath gives the file, "" if there is nowhere to keep it.
func (d *Daemon) fencePath() string {
	switch c := d.Config.Store; {
	case c.StateDir != "":
		return filepath.Join(c.StateDir, "fence")
	case c.SQLite != "":
		return c.SQLite + ".fence"
	}
	return ""
}

// readFence gives the fence that was noted last, 0 if none was by this installation.
func readFence(path, key string) (int64, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the state file: %w", err)
	}
	var n fenceNote
	if err := json.Unmarshal(raw, &n); err != nil {
		return 0, fmt.Errorf("the state file %s is not syncd's: remove it to go on without the check for lost commits: %w", path, err)
	}
	if n.Key != key {
		return 0, nil
	}
	return n.Fence, nil
}

// writeFence replaces the file as a whole: after a crash it holds the old number
// or the new one, and the new one is on the disk when this returns.
func writeFence(path string, n fenceNote) (err error) {
	raw, err := json.Marshal(n)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// recall compares the database with what was noted of it, before anything is
// created. An amnesia is in the database when the note is overwritten.
func (d *Daemon) recall(ctx context.Context, engine *flows.Engine) error {
	path := d.fencePath()
	if path == "" {
		d.Logger.Warn("store.state_dir is not set: a database that was restored is known by the records' references only", "event", "fence.none")
		return nil
	}
	noted, err := readFence(path, d.keyring.Fingerprint())
	if err != nil {
		return err
	}
	fence, err := d.store.Fence(ctx)
	if err != nil {
		return err
	}
	if fence < noted {
		d.Logger.Error("the database is older than what syncd last did with it", "event", "fence.behind", "noted", noted, "fence", fence)
		if err := engine.Forgot(ctx, flows.EvidenceFence); err != nil {
			return err
		}
	}
	if err := d.noteFence(ctx, path, &noted); err != nil {
		return fmt.Errorf("keep the state file (store.state_dir): %w", err)
	}
	return nil
}

// noteFence writes the database's fence if it is another than the noted one.
func (d *Daemon) noteFence(ctx context.Context, path string, noted *int64) error {
	fence, err := d.store.Fence(ctx)
	if err != nil || fence == *noted {
		return err
	}
	if err := writeFence(path, fenceNote{Key: d.keyring.Fingerprint(), Fence: fence}); err != nil {
		return err
	}
	*noted = fence
	return nil
}

// keepFence notes the fence until ctx ends, and then once more.
func (d *Daemon) keepFence(ctx context.Context) {
	path := d.fencePath()
	if path == "" {
		return
	}
	var noted int64
	said := ""
	ticker := time.NewTicker(fenceEvery)
	defer ticker.Stop()
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-ticker.C:
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrapeTimeout)
		err := d.noteFence(last, path, &noted)
		cancel()
		if err == nil {
			said = ""
		} else if err.Error() != said {
			said = err.Error()
			d.Logger.Warn("the state file is not kept: lost commits may not be known at the next start", "event", "fence.trouble", "error", err)
		}
	}
}

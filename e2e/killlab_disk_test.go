//go:build linux

package e2e_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var withoutMount = flag.Bool("without-mount", false, "let the kill lab's disk be full by RLIMIT_FSIZE, as where no tmpfs may be mounted")

const diskBytes = 192 << 20

// smallDisk is a place for a database that can be full. Where a tmpfs may be
// mounted, it is really full: ENOSPC. Elsewhere the process may not write beyond
// a limit, and gets EFBIG.
type smallDisk struct {
	dir   string
	limit bool
}

func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	d := &smallDisk{dir: t.TempDir(), limit: *withoutMount}
	if !d.limit {
		d.limit = unix.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskBytes)) != nil
	}
	if d.limit {
		t.Log("the disk is full by RLIMIT_FSIZE")
		return d
	}
	t.Log("the disk is full by a tmpfs without room")
	t.Cleanup(func() {
		if err := unix.Unmount(d.dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return d
}

func (d *smallDisk) path(name string) string { return filepath.Join(d.dir, name) }

// beforeStart is how long the replica stays away, so that its disk is full when
// it comes back.
const beforeStart = time.Second

// full ends the replica in order, which takes its write-ahead log away, and has
// it come back where that has little room to grow again. Later there is room.
func (d *smallDisk) full(r *replica, h hit) string {
	_ = r.drain(true, beforeStart) // it may have been at its start, and have no way to end in order yet
	before, err := d.fill(h.room)
	if err != nil {
		r.t.Errorf("fill the disk: %v", err)
	}
	r.pass(beforeStart)
	for deadline := time.Now().Add(patience); d.limit; r.pass(look) {
		if _, gone := r.process().exited(); !gone {
			r.limitFiles(uint64(h.room))
			break
		}
		if time.Now().After(deadline) {
			r.t.Errorf("replica %d does not come back", r.n)
			break
		}
	}
	r.pass(h.lasts)
	if d.limit {
		r.limitFiles(unix.RLIM_INFINITY)
		return ""
	}
	if err := os.Remove(d.path(ballast)); err != nil {
		r.t.Errorf("make room: %v", err)
	}
	return fmt.Sprintf(": %d KiB were free before", before>>10)
}

const ballast = "ballast"

// fill leaves so many bytes on the disk and gives how many there were.
func (d *smallDisk) fill(room int64) (before int64, err error) {
	if d.limit {
		return 0, nil
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(d.dir, &fs); err != nil {
		return 0, err
	}
	before = int64(fs.Bavail) * fs.Bsize
	f, err := os.OpenFile(d.path(ballast), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return before, err
	}
	defer f.Close()
	if before <= room {
		return before, nil
	}
	return before, unix.Fallocate(int(f.Fd()), 0, 0, before-room)
}

// limitFiles bounds how far into a file the process that runs now may write.
func (r *replica) limitFiles(size uint64) {
	pid := r.process().cmd.Process.Pid
	// The hard limit stays, so that the soft one can be lifted again.
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil && err != unix.ESRCH {
		r.t.Errorf("limit the files of replica %d: %v", r.n, err)
	}
}

//go:build linux

package e2e_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

var withoutMount = flag.Bool("without-mount", false, "let the kill lab's disk be full by RLIMIT_FSIZE, as where no tmpfs may be mounted")

// diskBytes is a disk with room enough; where a test takes the room away, it is
// as small as what is on it.
const diskBytes = 2 << 30

// smallDisk is a place for a database that can be full. Where a tmpfs may be
// mounted, it is really full: ENOSPC. Elsewhere the process may not write beyond
// a limit, and gets EFBIG.
type smallDisk struct {
	dir   string
	limit bool
}

func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	dir, err := os.MkdirTemp("", "syncd-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := &smallDisk{dir: dir, limit: *withoutMount}
	if !d.limit {
		d.limit = unix.Mount("tmpfs", d.dir, "tmpfs", 0, options(diskBytes)) != nil
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

// options of the mount. PostgreSQL passes through it as another user.
func options(size int64) string { return fmt.Sprintf("size=%d,mode=0755", size) }

func (d *smallDisk) path(name string) string { return filepath.Join(d.dir, name) }

// fill leaves so many bytes on the disk.
func (d *smallDisk) fill(room int64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(d.dir, &fs); err != nil {
		return err
	}
	used := int64(fs.Blocks-fs.Bfree) * fs.Bsize
	return unix.Mount("tmpfs", d.dir, "tmpfs", unix.MS_REMOUNT, options(used+room))
}

// empty makes room again.
func (d *smallDisk) empty() error {
	return unix.Mount("tmpfs", d.dir, "tmpfs", unix.MS_REMOUNT, options(diskBytes))
}

// beforeStart is how long the replica stays away, so that its disk is full when
// it comes back.
const beforeStart = time.Second

// fullSQLite ends the replica in order, which takes its write-ahead log away, and
// has it come back where that has little room to grow again. Later there is room.
func (l *killLab) fullSQLite(h hit) {
	r := l.replicas[0]
	_ = r.drain(true, beforeStart) // it may have been at its start, and have no way to end in order yet
	if l.disk.limit {
		l.limited(r, h)
		return
	}
	err := l.disk.fill(h.room)
	l.pass(beforeStart + h.lasts)
	if err := errors.Join(err, l.disk.empty()); err != nil {
		l.t.Errorf("the disk: %v", err)
	}
}

// limited does it where nothing may be mounted.
func (l *killLab) limited(r *replica, h hit) {
	l.told("the replica is back", func() bool { _, gone := r.process().exited(); return !gone })
	r.limitFiles(uint64(h.room))
	l.pass(h.lasts)
	r.limitFiles(unix.RLIM_INFINITY)
}

// pageRoom is what is left for PostgreSQL, whose files grow by 8 KiB pages and
// whose log has its room already.
const pageRoom = 16 << 10

// fullPostgres takes the room from under a server at work. It may end by that.
func (l *killLab) fullPostgres(h hit) {
	err := l.disk.fill(h.room % pageRoom)
	l.pass(h.lasts)
	if err := errors.Join(err, l.disk.empty()); err != nil {
		l.t.Errorf("the disk: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	if conn, err := pgx.Connect(ctx, l.server.DSN(labDatabase)); err == nil {
		_ = conn.Close(ctx)
		return
	}
	l.crash() // it has ended, or does not come back
}

// serverPatience is how long a server that lost its disk may take to answer.
const serverPatience = 5 * time.Second

// limitFiles bounds how far into a file the process that runs now may write.
func (r *replica) limitFiles(size uint64) {
	pid := r.process().cmd.Process.Pid
	// The hard limit stays, so that the soft one can be lifted again.
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil && err != unix.ESRCH {
		r.t.Errorf("limit the files of replica %d: %v", r.n, err)
	}
}

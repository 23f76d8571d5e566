//go:build unix

package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser     = "syncd"
	dirPrefix     = "syncd-pgtest-"
	maxSocketPath = 90 // a unix socket's path is at most 107 bytes long
	startTries    = 3  // somebody else may take the port between our look and the start
	readyTimeout  = 30 * time.Second
	readyPoll     = 50 * time.Millisecond
	stopTimeout   = 10 * time.Second
	privateDir    = 0o700
	privateFile   = 0o600
)

// Server is a PostgreSQL server on a data directory of its own. fsync is on,
// unless it is volatile: what it acknowledged, it holds after a kill.
type Server struct {
	dir      string
	volatile bool
	port     int
	password string
	bin      string
	as       *account

	mu     sync.Mutex
	proc   *os.Process
	exited chan struct{}
}

// Start starts a server that dies with this process, whatever ends it.
func Start(ctx context.Context) (*Server, error) { return start(ctx, "", false) }

// StartIn starts one whose data is in a directory below parent, where the
// server's account must be able to get at it; "" finds a place.
func StartIn(ctx context.Context, parent string) (*Server, error) { return start(ctx, parent, false) }

// start starts one that keeps nothing for a crash if it is volatile: no flushes,
// no background cleaning that comes when it likes, and its data in memory where
// there is a place for that.
func start(ctx context.Context, parent string, volatile bool) (*Server, error) {
	bin, err := findServer()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	removeStale()
	if parent == "" {
		parent = placeFor(as, volatile)
	}
	dir, err := makeDir(parent, as)
	if err != nil {
		return nil, fmt.Errorf("make a data directory: %w", err)
	}
	s := &Server{dir: dir, volatile: volatile, bin: bin, as: as, password: rand.Text()}
	if err := s.init(ctx); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	for try := 1; ; try++ {
		if err = s.run(ctx); err == nil {
			return s, nil
		}
		if try == startTries || ctx.Err() != nil {
			_ = os.RemoveAll(dir)
			return nil, err
		}
	}
}

// DSN is the connection string of a database of the server.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", superuser, s.password, s.port, database)
}

// CreateDatabase makes an empty database and returns its connection string.
func (s *Server) CreateDatabase(ctx context.Context, name string) (string, error) {
	return s.DSN(name), createDatabase(ctx, s.DSN("postgres"), name, "")
}

// Stop ends the server at once and removes its data.
func (s *Server) Stop() error {
	s.halt()
	return os.RemoveAll(s.dir)
}

// Crash kills the server without a shutdown and starts it again on the same
// data and port, as after a power loss.
func (s *Server) Crash(ctx context.Context) error {
	s.halt()
	return s.start(ctx)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) init(ctx context.Context) error {
	pw := filepath.Join(s.dir, "password")
	if err := os.WriteFile(pw, []byte(s.password+"\n"), privateFile); err != nil {
		return err
	}
	if err := s.as.own(pw); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "--pgdata", s.data(), "--username", superuser,
		"--pwfile", pw, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = s.dir, s.as.attributes()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// run starts on a free port.
func (s *Server) run(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("find a free port: %w", err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	return s.start(ctx)
}

func (s *Server) start(ctx context.Context) error {
	sockets := s.dir
	if len(sockets) > maxSocketPath {
		sockets = ""
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, privateFile)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+sockets, "-c", "fsync="+onOff(!s.volatile),
		"-c", "autovacuum="+onOff(!s.volatile),
		"-c", "shared_buffers=32MB", "-c", "max_connections=200", "-c", "log_lock_waits=on")
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = s.dir, log, log, s.as.attributes()
	exited, err := startTied(cmd)
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.mu.Lock()
	s.proc, s.exited = cmd.Process, exited
	s.mu.Unlock()
	if err := s.awaitReady(ctx, exited); err != nil {
		s.halt()
		return err
	}
	return nil
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func (s *Server) awaitReady(ctx context.Context, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-exited:
			return fmt.Errorf("postgres ended at once: %s", s.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w: %s", err, s.lastLog())
		case <-time.After(readyPoll):
		}
	}
}

func (s *Server) lastLog() string {
	out, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}

// halt ends the process: SIGQUIT is PostgreSQL's immediate shutdown, which
// takes its children along and skips the checkpoint.
func (s *Server) halt() {
	s.mu.Lock()
	proc, exited := s.proc, s.exited
	s.proc = nil
	s.mu.Unlock()
	if proc == nil {
		return
	}
	_ = proc.Signal(syscall.SIGQUIT)
	select {
	case <-exited:
	case <-time.After(stopTimeout):
		_ = proc.Kill()
		<-exited
	}
}

// findServer finds the directory of initdb and postgres, the newest version of
// those that are installed side by side.
func findServer() (string, error) {
	var dirs []string
	if p, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin"} {
		found, _ := filepath.Glob(pattern)
		for n := len(found) - 1; n >= 0; n-- {
			dirs = append(dirs, found[n])
		}
	}
	for _, dir := range dirs {
		if isFile(filepath.Join(dir, "initdb")) && isFile(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", ErrNoServer
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// memory is a file system in memory, where there is one.
const memory = "/dev/shm"

// placeFor finds a directory that the server's account can get at.
func placeFor(as *account, volatile bool) string {
	parent := os.TempDir()
	if info, err := os.Stat(memory); volatile && err == nil && info.IsDir() {
		parent = memory
	}
	if as != nil && !traversable(parent) {
		parent = "/tmp"
	}
	return parent
}

// makeDir makes the server's directory, its account's own.
func makeDir(parent string, as *account) (string, error) {
	dir, err := os.MkdirTemp(parent, dirPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, privateDir); err != nil {
		return "", err
	}
	return dir, as.own(dir)
}

// traversable says whether everybody may pass through a directory.
func traversable(dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&1 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// removeStale removes what test binaries left that were killed: their servers
// died with them, their directories did not.
func removeStale() {
	for _, parent := range []string{os.TempDir(), "/tmp", memory} {
		dirs, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*"))
		for _, dir := range dirs {
			pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
			if n, err := strconv.Atoi(pid); err == nil && !alive(n) {
				_ = os.RemoveAll(dir)
			}
		}
	}
}

func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

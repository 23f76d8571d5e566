//go:build linux

package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// atPoint is how long a failpoint may take to be met: a sweep comes every
	// ten seconds, a birth about every second.
	atPoint = 15 * time.Second
	// stragglers is how long another replica may take to stop as well: all are
	// armed until the first has.
	stragglers = 100 * time.Millisecond
	// look is how often a process that should have met one is looked at.
	look = 5 * time.Millisecond
	// databaseAway is how long after its database was away a replica may end
	// because of it.
	databaseAway = time.Minute
)

// perform does what a hit says, and says what came of it.
func (l *killLab) perform(h hit) string {
	l.hits[h.kind]++
	r := l.replicas[h.replica]
	switch h.kind {
	case hitKill:
		r.kill(h.down)
	case hitStop:
		p := r.process()
		p.signal(syscall.SIGSTOP)
		l.freeze(p)
	case hitKillAt:
		p := l.ordered(h, func(p *process) bool { _, gone := p.exited(); return gone })
		if p == nil {
			r.kill(h.down)
			return ": not met, killed at random"
		}
	case hitStopAt:
		if l.ordered(h, (*process).stopped) == nil {
			return ": not met"
		}
		l.pass(stragglers)
		n := 0
		for _, r := range l.replicas {
			if p := r.process(); p.stopped() && !l.isFrozen(p) {
				l.freeze(p)
				n++
			}
		}
		return fmt.Sprintf(": %d stopped", n)
	case hitSleepAt:
		if l.ordered(h, func(*process) bool { return true }) == nil {
			return ": not met"
		}
	case hitVendor, hitDatabase:
		l.excuse(h.kind == hitDatabase, h.lasts)
		l.wires[h.on].set(h.trouble)
		l.pass(h.lasts)
		l.wires[h.on].set(trouble{})
	case hitCrash:
		l.excuse(true, 0)
		l.crash()
	case hitAll:
		l.excuse(true, 0)
		for _, r := range l.replicas {
			go r.kill(h.down)
		}
		l.crash()
	case hitTerminate:
		l.excuse(true, 0)
		return fmt.Sprintf(": %d", l.terminate())
	case hitFull:
		l.excuse(true, h.lasts)
		before := l.fullErrors()
		switch {
		case l.server == nil:
			l.fullSQLite(h)
		case l.disk.limit:
			l.missed++
			return ": not without a disk of its own"
		default:
			l.fullPostgres(h)
		}
		return fmt.Sprintf(": %d errors", l.fullErrors()-before)
	}
	return ""
}

// fullErrors counts what syncd has said about a full disk.
func (l *killLab) fullErrors() (n int) {
	for _, words := range []string{"database or disk is full", "disk I/O error", "No space left on device", "SQLSTATE 53100"} {
		n += strings.Count(l.log.all(), words)
	}
	return n
}

// excuse lets replicas end by themselves for a while.
func (l *killLab) excuse(is bool, lasts time.Duration) {
	if is {
		l.away.Store(time.Now().Add(lasts + databaseAway).UnixNano())
	}
}

// ordered arms every replica and waits until what was ordered has happened to
// one of them; nil: it did not come to it.
func (l *killLab) ordered(h hit, happened func(*process) bool) *process {
	name, _, _ := strings.Cut(h.orders, ":")
	said := "failpoint " + name
	before := strings.Count(l.log.all(), said)
	var armed []*process
	for _, r := range l.replicas {
		armed = append(armed, r.process())
	}
	for _, r := range l.replicas {
		r.order(h.orders)
	}
	defer func() {
		for _, r := range l.replicas {
			r.order("")
		}
	}()
	for deadline := time.Now().Add(atPoint); time.Now().Before(deadline); l.pass(look) {
		for i, p := range armed {
			if happened(p) && !l.isFrozen(p) && strings.Count(l.log.all(), said) > before {
				l.met[name]++
				return p
			}
			if _, gone := p.exited(); gone { // it died of something else
				armed[i] = l.replicas[i].process()
			}
		}
	}
	l.missed++
	return nil
}

// freeze lets a stopped process go on when its leases are long over. Where it is
// the only one, nothing else can happen meanwhile; people go on all the same.
func (l *killLab) freeze(p *process) {
	over := func() {
		defer l.frozen.Done()
		l.pass(beyondLease)
		l.still.Delete(p)
		p.signal(syscall.SIGCONT)
	}
	l.frozen.Add(1)
	l.still.Store(p, true)
	if len(l.replicas) == 1 {
		over()
		return
	}
	go over()
}

func (l *killLab) isFrozen(p *process) bool {
	_, is := l.still.Load(p)
	return is
}

func (l *killLab) crash() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.server.Crash(ctx); err != nil {
		l.t.Errorf("stop and start PostgreSQL: %v", err)
	}
}

const sqlTerminate = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname=$1 AND pid<>pg_backend_pid()`

// terminate ends every session of the daemons, in the middle of whatever they do.
func (l *killLab) terminate() (n int) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, l.server.DSN(labDatabase))
	if err != nil {
		l.t.Errorf("terminate backends: %v", err)
		return 0
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := conn.QueryRow(ctx, sqlTerminate, labDatabase).Scan(&n); err != nil {
		l.t.Errorf("terminate backends: %v", err)
	}
	return n
}

//go:build linux

package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"syncd/store/postgres/pgtest"
)

// The lab's flags: `make lab-kill N=200 SEED=1` sets them.
var (
	hitsFlag = flag.Int("hits", 6, "how often the kill lab hits syncd, per store")
	seedFlag = flag.Uint64("seed", 20261121, "the seed of the kill lab's schedule, and of its people")
)

// restPatience is how long it may take, once nothing happens any more, until
// all is there: the longest lease, and a back-off that a record has earned.
const restPatience = 4 * time.Minute

// killLab is real binaries with failpoints between two vendors in this process,
// which is not killed: their truth outlives everything that is done to syncd.
type killLab struct {
	*fleet
	store  string
	server *pgtest.Server // nil on SQLite
	disk   *smallDisk
	wires  map[string]*wire
	crowd  *crowd
	lb     *balancer

	frozen sync.WaitGroup
	still  sync.Map // *process that is stopped until its lease is over
	// away is until when a replica may end because of its database, in Unix ns.
	away   atomic.Int64
	hits   map[string]int
	met    map[string]int // failpoints at which something happened
	missed int
	rows   map[string]bool // of id_mapping when last looked
	looks  int
	lookAt int // the hit after which the next look is due
}

// TestLabKill: the real binary, three of it on PostgreSQL, is killed, stopped,
// cut off and starved while people work in both systems. In the end every record
// has exactly one partner, every edit is on both sides, id_mapping is the
// vendors' truth, and nothing more is written.
func TestLabKill(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		began := time.Now()
		l := newKillLab(t, store, *seedFlag)
		t.Logf("seed %d, %d hits; repeat with: make lab-kill N=%d SEED=%d", *seedFlag, *hitsFlag, *hitsFlag, *seedFlag)
		l.fleet.start()
		l.flows()
		l.crowd = l.newCrowd(*seedFlag)
		for i, h := range schedule(*seedFlag, store, *hitsFlag) {
			l.pass(h.before)
			said := l.perform(h)
			t.Logf("%7.1fs hit %d: %s%s", time.Since(began).Seconds(), i+1, h, said)
			if row := l.vanished(i); row != "" {
				t.Errorf("id_mapping has lost the row %s", row)
			}
			if t.Failed() {
				break
			}
		}
		l.crowd.rest()
		rest := l.rests()
		t.Log(l.figures(time.Since(began), rest))
	})
}

func newKillLab(t *testing.T, store string, seed uint64) *killLab {
	t.Helper()
	l := &killLab{store: store, disk: newSmallDisk(t), wires: map[string]*wire{crmSystem: newWire(t), erpSystem: newWire(t)}, hits: map[string]int{}, met: map[string]int{}}
	s := settings{Store: store, Lease: shortLease, Sweep: shortLease, Seed: seed}
	if store == onPostgres {
		s.DSN = l.ownServer(t)
	} else {
		s.Database = l.disk.path(fileDatabase)
	}
	w := newWorld(t, s)
	l.wires[crmSystem].lead(hostOf(t, w.crmURL))
	l.wires[erpSystem].lead(hostOf(t, w.erpURL))
	w.crmURL, w.erpURL = "http://"+l.wires[crmSystem].address(), "http://"+l.wires[erpSystem].address()
	door := httptest.NewUnstartedServer(nil)
	w.public = "http://" + door.Listener.Addr().String()
	w.crmHook = w.public + "/webhooks/hubspot/" + secrets()[fileCRMHook]
	w.erpHook = w.public + "/webhooks/odoo/" + secrets()[fileERPHook]
	w.crm.SetWebhookURL(w.crmHook)
	w.erp.SetWebhookURL(w.erpHook)
	w.writeConfig()
	l.fleet = w.newFleet(replicasOf[store])
	l.excused = func() bool { return time.Now().UnixNano() < l.away.Load() }
	l.lb = l.newBalancer(seed)
	door.Config.Handler = l.lb
	door.Start()
	t.Cleanup(door.Close)
	w.ops = l.replicas[0].ops // for what a failure shows
	return l
}

// ownServer starts a PostgreSQL that the lab may kill, behind a wire.
func (l *killLab) ownServer(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	place := l.disk.dir
	if l.disk.limit {
		place = ""
	}
	if l.server, err = pgtest.StartIn(ctx, place); err != nil {
		t.Fatalf("the lab's PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := l.server.Stop(); err != nil {
			t.Errorf("stop the lab's PostgreSQL: %v", err)
		}
	})
	dsn, err := l.server.CreateDatabase(ctx, labDatabase)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t)
	w.lead(u.Host)
	u.Host = w.address()
	l.wires[onPostgres] = w
	return u.String()
}

const labDatabase = "lab"

func hostOf(t testing.TB, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// rests lets everything end and checks what must hold then; it gives how long
// it took until all was there.
func (l *killLab) rests() time.Duration {
	l.t.Helper()
	l.frozen.Wait()
	for _, r := range l.replicas {
		r.order("")
		r.process().signal(syscall.SIGCONT) // should one have met a stop that was just being taken back
	}
	began, n := time.Now(), l.crowd.born()
	l.flows()
	defer func() {
		if l.t.Failed() && l.crowd.suspect[0] != "" {
			l.t.Logf("the pair at which an edit is missing:\n%s", l.crowd.story())
		}
	}()
	l.holdsWithin(restPatience, "each is there once", func() string { return l.onePair(n) })
	l.holdsWithin(restPatience, "no edit is lost", l.crowd.lost)
	l.holdsWithin(restPatience, "the queue is empty", l.unrest)
	took := time.Since(began)
	before, since := l.writes(), float64(time.Now().Unix())
	for system, objects := range map[string][]string{crmSystem: {contacts, companies}, erpSystem: {partner}} {
		for _, object := range objects {
			l.told("one more sweep of "+object, func() bool { return l.swept(system, object) > since })
		}
	}
	l.holdsWithin(restPatience, "the queue is empty again", l.unrest)
	if more := l.writes() - before; more != 0 {
		l.t.Errorf("one more sweep made %d writes", more)
	}
	for _, against := range []string{l.onePair(n), l.crowd.lost(), l.crowd.undone()} {
		if against != "" {
			l.t.Errorf("at rest: %s", against)
		}
	}
	l.stop()
	l.viewAtRest()
	l.nothingGivenUp()
	l.saidWell()
	return took
}

// saidWell: nothing panicked, nothing took the database for an older one, and
// what failed all the time quoted no secret.
func (l *killLab) saidWell() {
	l.t.Helper()
	for _, word := range []string{"batch.panic", "decide.panic", "goroutine 1 ["} {
		if line := l.log.line(word); line != "" {
			l.t.Errorf("syncd panicked: %s", line)
		}
	}
	if line := l.log.line("fence.behind"); line != "" {
		l.t.Errorf("no commit was lost, and syncd says one was: %s", line)
	}
	for name, secret := range secrets() {
		if l.log.line(secret) != "" {
			l.t.Errorf("%s is in the log", name)
		}
	}
	if u, err := url.Parse(l.s.DSN); err == nil && u.User != nil {
		if word, _ := u.User.Password(); word != "" && l.log.line(word) != "" {
			l.t.Error("the password of PostgreSQL is in the log")
		}
	}
}

// nothingGivenUp: no change was trashed or parked because syncd was hit.
func (l *killLab) nothingGivenUp() {
	l.t.Helper()
	d := l.opened()
	defer func() {
		if err := d.Close(); err != nil {
			l.t.Errorf("close the store: %v", err)
		}
	}()
	trash, err := d.Store().Trash(context.Background(), 100)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, row := range trash {
		l.t.Errorf("in the trash: %s %s %s: %s", row.System, row.Object, row.RecordID, row.Error)
	}
	rows, err := d.Store().Waiting(context.Background(), 100)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, row := range rows {
		l.t.Errorf("still waits: %s %s %s: %s", row.System, row.Object, row.RecordID, row.Error)
	}
}

// figures is the run in one line.
func (l *killLab) figures(took, rest time.Duration) string {
	starts, cut := 0, 0
	for _, r := range l.replicas {
		starts += r.starts
	}
	for _, w := range l.wires {
		cut += w.ended()
	}
	count := func(m map[string]int) string {
		var out []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			out = append(out, fmt.Sprintf("%s=%d", strings.NewReplacer(" ", "_", ",", "", "-", "").Replace(k), m[k]))
		}
		return strings.Join(out, " ")
	}
	l.crowd.mu.Lock()
	defer l.crowd.mu.Unlock()
	full := l.fullErrors()
	return fmt.Sprintf("lab-kill store=%s seed=%d hits=%d took=%s births=%d edits=%d webhooks_acked=%d webhooks_failed=%d starts=%d "+
		"connections_cut=%d full_disk_errors=%d writes=%d looks_at_id_mapping=%d rest=%s missed_failpoints=%d | %s | at failpoints: %s",
		l.store, *seedFlag, *hitsFlag, took.Round(time.Second), len(l.crowd.crm)+len(l.crowd.erp), l.crowd.edits, l.lb.acked.Load(), l.lb.failed.Load(), starts,
		cut, full, l.writes(), l.looks, rest.Round(time.Second), l.missed, count(l.hits), count(l.met))
}

package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncd/simulator"
	"syncd/simulator/hubspotsim"
	"syncd/simulator/odoosim"
	"syncd/store/postgres/pgtest"
)

// Objects of the two vendors.
const (
	contacts  = "contacts"
	companies = "companies"
	partner   = "res.partner"
	crmSystem = "hubspot"
	erpSystem = "odoo"
)

// world is two vendors, a place for syncd between them, and syncd once it was
// started.
type world struct {
	t   testing.TB
	s   settings
	dir string

	crm      *hubspotsim.Sim
	erp      *odoosim.Sim
	crmClock clock
	erpClock clock
	courier  *courier
	crmDoor  door
	erpDoor  door

	public, hooks, ops string
	crmURL, erpURL     string
	crmHook, erpHook   string

	log  *logbook
	node node
}

// clock is a vendor's, which a test may set forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// newWorld builds the vendors and the configuration; syncd is not running.
func newWorld(t testing.TB, s settings) *world {
	t.Helper()
	w := &world{t: t, s: s.withDefaults(), dir: t.TempDir(), log: &logbook{}}
	w.hooks, w.ops = address(t), address(t)
	w.public = "http://" + w.hooks
	for name, value := range secrets() {
		w.writeFile(name, value)
	}
	if w.s.Database == "" {
		w.s.Database = filepath.Join(w.dir, fileDatabase)
	}
	if s.Store == onPostgres {
		if w.s.DSN == "" {
			w.s.DSN = pgtest.DSN(t)
		}
		w.writeFile(fileDSN, w.s.DSN)
	}
	w.crmHook = w.public + "/webhooks/hubspot/" + secrets()[fileCRMHook]
	w.erpHook = w.public + "/webhooks/odoo/" + secrets()[fileERPHook]
	var crmDeliver, erpDeliver func(simulator.Post)
	if s.Held {
		w.courier = newCourier(s.Seed)
		crmDeliver, erpDeliver = w.courier.take, w.courier.take
	}
	w.crm = hubspotsim.New(hubspotsim.Options{
		Now: w.crmClock.now, Seed: s.Seed, Token: secrets()[fileCRMToken], ClientSecret: secrets()[fileClientSecret],
		WebhookURL: w.crmHook, RetryGap: 50 * time.Millisecond, Deliver: crmDeliver,
	})
	// The real Odoo hangs up after a second and never posts again: on a busy
	// machine that would be a test of the sweep, which has tests of its own.
	w.erp = odoosim.New(odoosim.Options{
		Now: w.erpClock.now, Seed: s.Seed, APIKey: secrets()[fileERPKey], WebhookURL: w.erpHook, Deliver: erpDeliver,
		WebhookClient: &http.Client{Timeout: patience},
	})
	crm, erp := httptest.NewServer(w.crmDoor.before(w.crm.Handler())), httptest.NewServer(w.erpDoor.before(w.erp.Handler()))
	w.crmURL, w.erpURL = crm.URL, erp.URL
	t.Cleanup(func() {
		w.stop()
		w.crm.Close()
		crm.CloseClientConnections()
		erp.CloseClientConnections()
		crm.Close()
		erp.Close()
		if t.Failed() {
			t.Logf("the end of syncd's log:\n%s", w.log.gist())
		}
	})
	w.writeConfig()
	return w
}

// Ports of listeners that come and go are taken below the range from which
// systems give ports to outgoing connections: there a port that is free while
// syncd restarts would soon be somebody else's.
const (
	lowestPort = 11_000
	portSpread = 20_000
)

var nextPort atomic.Int64

func init() { nextPort.Store(int64(os.Getpid()) * 61) }

func address(t testing.TB) string {
	t.Helper()
	for range portSpread {
		a := fmt.Sprintf("127.0.0.1:%d", lowestPort+nextPort.Add(1)%portSpread)
		if l, err := net.Listen("tcp", a); err == nil {
			_ = l.Close()
			return a
		}
	}
	t.Fatal("no port is free")
	return ""
}

// glance is how often a small condition is looked at, gaze how often one that
// goes through every record, patience how long either may take to come true.
const (
	glance   = 10 * time.Millisecond
	gaze     = 100 * time.Millisecond
	patience = 2 * time.Minute
)

// holds waits until a condition has nothing to say against itself.
func (w *world) holds(what string, condition func() string) {
	w.t.Helper()
	w.await(patience, gaze, what, condition)
}

func (w *world) holdsWithin(limit time.Duration, what string, condition func() string) {
	w.t.Helper()
	w.await(limit, gaze, what, condition)
}

func (w *world) await(limit, every time.Duration, what string, condition func() string) {
	w.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		against := condition()
		if against == "" {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not within %s: %s\nwaiting rows:\n%s", what, limit, against, w.waitingText())
		}
		time.Sleep(every)
	}
}

// told waits until something is true.
func (w *world) told(what string, is func() bool) {
	w.t.Helper()
	w.await(patience, glance, what, func() string {
		if is() {
			return ""
		}
		return "it is not so"
	})
}

// quiet waits until every webhook was answered and no work is left. Nothing
// may have moved between the first look and the last.
func (w *world) quiet() {
	w.t.Helper()
	w.holds("the queue is empty", w.unrest)
}

func (w *world) unrest() string {
	before := w.calls()
	for range 2 {
		if !w.crm.Outbox().Wait(time.Second) || !w.erp.Outbox().Wait(time.Second) || !w.courier.idle() {
			return "webhooks are under way"
		}
		left, err := w.node.left()
		if err != nil {
			return err.Error()
		}
		if left != 0 {
			return fmt.Sprintf("%d rows of work are left", left)
		}
	}
	if w.calls() != before {
		return "calls are being made"
	}
	return ""
}

func (w *world) calls() int { return len(w.crm.Truth().Calls()) + len(w.erp.Truth().Calls()) }

// writeOps are the vendors' operations that change records.
var writeOps = map[string]bool{
	"create": true, "update": true, "archive": true, "merge": true, "batch_create": true, "batch_update": true,
	"batch_upsert": true, "batch_archive": true, "load": true, "write": true, "unlink": true,
}

// writes counts the calls that meant to change a record, on both sides.
func (w *world) writes() int {
	n := 0
	for _, c := range append(w.crm.Truth().Calls(), w.erp.Truth().Calls()...) {
		if writeOps[c.Op] && (c.Object == contacts || c.Object == companies || c.Object == partner) {
			n++
		}
	}
	return n
}

// waitingText shows what the queue says about the rows that wait, for failures.
func (w *world) waitingText() string {
	n, ok := w.node.(*inProcess)
	if !ok {
		text, err := get("http://" + w.ops + "/status")
		return fmt.Sprint(text, err)
	}
	rows, err := n.waiting()
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%s %s %s parked=%t attempts=%d %s", r.System, r.Object, r.RecordID, r.Parked, r.Attempts, r.Error))
	}
	return strings.Join(out, "\n")
}

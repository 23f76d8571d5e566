package flows_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/mapping"
	"syncd/simulator"
	"syncd/simulator/hubspotsim"
	"syncd/simulator/odoosim"
	"syncd/store/sqlite"
)

// Short names: crm is a pretend HubSpot, crm2 another one, erp a pretend Odoo.
const (
	crm, crm2, erp     = "crm", "crm2", "erp"
	contacts, partners = "contacts", "res.partner"
	companies          = "companies"
	simToken, simApp   = "pat-test", "54321"
	installKey         = "0123456789abcdef0123456789abcdef"
	leaseTime          = time.Minute
)

// clock is the one clock of a world: store, vendors and engines.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is two or three pretend vendors, a real store, and engines over it.
type world struct {
	t     testing.TB
	clock *clock
	hubs  map[string]*hubspotsim.Sim
	erp   *odoosim.Sim
	store *sqlite.Store
	path  string // of the store
	keys  *mapping.Keyring
	infos map[string]connectors.System
	link  *flows.Link
	links []*flows.Link
	logs  *strings.Builder
	seen  *observed
	// search are the systems whose token is not unique: their class is search.
	search map[string]bool
	firms  bool // there is a link of companies, to which customers refer

	mu    sync.Mutex
	posts []post
	steps *steps // of the engine under test
	tap   func(system string, r *http.Request)
}

type post struct {
	system string
	post   simulator.Post
}

// setting changes a world before it starts.
type setting func(w *world)

// migrated gives the file of an empty database: to migrate one for every world would
// take longer than the tests. It was made before any world's time.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "flows")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	keys, err := mapping.NewKeyring(installKey)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "db")
	s, err := sqlite.Open(context.Background(), path, sqlite.Options{KeyFingerprint: keys.Fingerprint(), Replica: "r", Now: func() time.Time { return time.UnixMilli(1) }})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// newWorld makes the vendors, the store and the link of customers.
func newWorld(t testing.TB, settings ...setting) *world {
	t.Helper()
	w := &world{
		t: t, clock: &clock{at: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}, hubs: map[string]*hubspotsim.Sim{},
		infos: map[string]connectors.System{}, logs: &strings.Builder{}, seen: &observed{},
	}
	w.hubs[crm] = w.newHub(crm, 1)
	w.erp = odoosim.New(odoosim.Options{Now: w.clock.now, Major: 19, Deliver: w.deliverer(erp)})
	for _, set := range settings {
		set(w)
	}
	var err error
	if w.keys, err = mapping.NewKeyring(installKey); err != nil {
		t.Fatal(err)
	}
	w.path = filepath.Join(t.TempDir(), "db")
	begun, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.path, begun, 0o600); err != nil {
		t.Fatal(err)
	}
	w.store, err = sqlite.Open(t.Context(), w.path, sqlite.Options{KeyFingerprint: w.keys.Fingerprint(), Replica: "r", Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	w.probe()
	if w.link == nil {
		w.link = w.customers(crm, erp)
	}
	if w.links == nil {
		w.links = []*flows.Link{w.link}
	}
	return w
}

package lab

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"syncd/connectors"
	"syncd/connectors/hubspot"
	"syncd/connectors/odoo"
	cwire "syncd/connectors/wire"
	"syncd/flows"
	"syncd/mapping"
	"syncd/simulator/hubspotsim"
	"syncd/simulator/odoosim"
	"syncd/store"
)

// Names of the world.
const (
	crm, erp         = "crm", "erp"
	contacts         = "contacts"
	partners         = "res.partner"
	installKey       = "the lab's own install key"
	clientSecret     = "lab-client-secret"
	crmHook, erpHook = "https://lab.invalid/webhooks/crm/x", "https://lab.invalid/webhooks/erp/x"
	leaseTime        = time.Minute
	sweepEvery       = 10 * time.Minute
)

var objectOf = map[string]string{crm: contacts, erp: partners}

// world is one seed's run.
type world struct {
	s    *sched
	o    Options
	d    swarm
	seed uint64

	crm     *hubspotsim.Sim
	erp     *odoosim.Sim
	vendors map[string]*vendor
	db      Database
	backup  []byte // a copy of the database, for amnesia
	forgot  bool   // the database was replaced
	store   *steps
	link    *flows.Link
	keyring *mapping.Keyring
	infos   map[string]connectors.System
	hooks   map[string]*hook

	budgets map[string]budget
	gates   []*gate    // of every life
	travel  *rand.Rand // how long calls are on their way to a vendor's gate

	replicas []*replica
	woken    map[int64]bool
	owners   int
	faulty   bool // faults are on
	draws    int  // fault draws so far
	inFlight int  // late requests
	posts    int  // webhooks on their way
	quiet    bool // people have stopped

	people  []*person
	owner   map[recordKey]*person // whose record it is
	origin  map[recordKey]recordKey
	reads   map[recordKey]time.Time // last read of ours that was answered
	edits   map[fieldKey]*lastEdit  // newest edit by a person of a field of a record
	acked   map[recordKey]time.Time // oldest acknowledged event that no read followed
	cleared map[string]bool
	epochs  map[string]int64

	stats      Stats
	unread     map[string]map[string]bool // person and row → edits overwritten unread
	stale      map[string]map[string]bool // person and row → values of late writes
	violations []Violation
}

type recordKey struct{ system, id string }

// start is when every run begins.
var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func newWorld(seed uint64, o Options) (*world, error) {
	w := &world{
		s: newSched(seed, start), o: o, seed: seed, vendors: map[string]*vendor{}, infos: map[string]connectors.System{},
		hooks: map[string]*hook{}, owner: map[recordKey]*person{}, origin: map[recordKey]recordKey{},
		reads: map[recordKey]time.Time{}, edits: map[fieldKey]*lastEdit{}, acked: map[recordKey]time.Time{},
		cleared: map[string]bool{}, epochs: map[string]int64{}, woken: map[int64]bool{}, unread: map[string]map[string]bool{}, stale: map[string]map[string]bool{},
	}
	w.d = draw(w.s.rng, o)
	w.budgets, w.travel = drawBudgets(seed, o.Tight, crm, erp), rand.New(rand.NewPCG(seed, 0x74726176656c))
	var err error
	if w.keyring, err = mapping.NewKeyring(installKey); err != nil {
		return nil, err
	}
	w.buildVendors()
	if w.o.Open == nil {
		if err := fresh(w.path(), w.keyring.Fingerprint()); err != nil {
			return nil, err
		}
	}
	if err := w.open(); err != nil {
		return nil, err
	}
	if err := w.prepare(); err != nil {
		return nil, err
	}
	for i := range w.d.replicas {
		r := &replica{w: w, n: i}
		w.replicas = append(w.replicas, r)
		if err := r.boot(); err != nil {
			return nil, err
		}
	}
	w.s.after(time.Second, w.pollLoop)
	return w, nil
}

func (w *world) close() {
	for _, r := range w.replicas {
		r.killTasks()
	}
	w.s.close()
	_ = w.db.Close() // a test device: its data goes next
	w.crm.Close()
	if w.o.Open == nil {
		w.removeFiles()
	}
}

func (w *world) now() time.Time { return w.s.now }

func (w *world) buildVendors() {
	limits := -1
	if w.d.crmLimits {
		limits = 0
	}
	version := "2026-09"
	if w.d.crmV3 {
		version = "v3"
	}
	w.crm = hubspotsim.New(hubspotsim.Options{
		Now: w.now, Seed: w.seed, ClientSecret: clientSecret, APIVersion: version,
		PerTenSeconds: limits, SearchPerSecond: limits, SearchLag: w.d.crmLag, WebhookURL: crmHook, Deliver: w.announced(crm),
	})
	w.erp = odoosim.New(odoosim.Options{
		Now: w.now, Seed: w.seed, Major: w.d.odooMajor, WebhookURL: erpHook, IgnoreBot: w.d.ignoreBot, TriggerAll: w.d.chatty, Deliver: w.announced(erp),
	})
	w.vendors[crm] = &vendor{name: crm, handler: w.crm.Handler(), truth: w.crm.Truth()}
	w.vendors[erp] = &vendor{name: erp, handler: w.erp.Handler(), truth: w.erp.Truth()}
}

// connect makes the connectors of one replica.
func (w *world) connect(gates map[string]*gate) (map[string]connectors.Connector, error) {
	version := hubspot.Version2026
	if w.d.crmV3 {
		version = hubspot.VersionV3
	}
	h, err := hubspot.New(hubspot.Config{
		System: crm, BaseURL: "https://crm.invalid", APIVersion: version, Token: func() string { return "pat-sim" },
		AppID: "54321", Secrets: []string{clientSecret}, Objects: []string{contacts}, Now: w.now,
	}, cwire.NewClient(gates[crm]))
	if err != nil {
		return nil, err
	}
	o, err := odoo.New(odoo.Config{
		System: erp, URL: "https://erp.invalid", Database: odoosim.DefaultDatabase, Login: odoosim.DefaultLogin,
		APIKey: func() string { return odoosim.DefaultAPIKey }, Now: w.now, Rand: w.s.rng.Float64,
		Pause: func(_ context.Context, d time.Duration) {
			if t := w.s.current; t != nil {
				t.sleep(d)
			}
		},
	}, cwire.NewClient(gates[erp]))
	if err != nil {
		return nil, err
	}
	return map[string]connectors.Connector{crm: h, erp: o}, nil
}

// prepare does what the daemon does at start: custom fields, probe, register.
func (w *world) prepare() error {
	ctx := context.Background()
	conns, err := w.connect(w.openGates())
	if err != nil {
		return err
	}
	custom := map[string][]connectors.CustomField{
		crm: {{Object: contacts, Name: "syncd_ref", Label: "syncd reference", Unique: !w.d.crmSearch}, {Object: contacts, Name: "erp_id", Label: "Record id in erp"}},
		erp: {{Object: partners, Name: "x_syncd_ref", Label: "syncd reference", Unique: true}, {Object: partners, Name: "x_crm_id", Label: "Record id in crm"}},
	}
	for _, name := range []string{crm, erp} {
		if _, err := conns[name].Probe(ctx, []string{objectOf[name]}); err != nil {
			return fmt.Errorf("probe %s: %w", name, err)
		}
		if err := conns[name].Setup(ctx, custom[name]); err != nil {
			return fmt.Errorf("set up %s: %w", name, err)
		}
		info, err := conns[name].Probe(ctx, []string{objectOf[name]})
		if err != nil {
			return fmt.Errorf("probe %s again: %w", name, err)
		}
		o := info.Objects[objectOf[name]]
		o.ReadBatch, o.WriteBatch = min(o.ReadBatch, w.d.readBatch), min(o.WriteBatch, w.d.writeBatch)
		info.Objects[objectOf[name]] = o
		w.infos[name] = info
	}
	if err := w.register(); err != nil {
		return err
	}
	if w.link, err = customers(w.infos); err != nil {
		return err
	}
	return w.openHooks()
}

// register notes the systems in the store, as the daemon does at start.
func (w *world) register() error {
	for _, name := range []string{crm, erp} {
		o := w.infos[name].Objects[objectOf[name]]
		row := store.SystemRow{System: name, Kind: name, Tenant: w.infos[name].Tenant, Objects: []store.ObjectRow{{
			Object: objectOf[name], CreateClass: string(o.CreateClass), Settle: o.Settle, IndexLag: o.IndexLag}}}
		if err := w.db.Register(context.Background(), []store.SystemRow{row}); err != nil {
			return fmt.Errorf("register %s: %w", name, err)
		}
	}
	return nil
}

// logger keeps an eye on what flows report as a bug of their own.
func (w *world) logger() *slog.Logger { return slog.New(&watcher{w: w}) }

type watcher struct{ w *world }

func (h *watcher) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (h *watcher) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h *watcher) WithGroup(string) slog.Handler                { return h }

// Handle notes what was logged; panics are violations.
func (h *watcher) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "event", "record", "reason", "outcome", "wrote", "fields", "error", "panic":
			line += fmt.Sprintf(" %s=%.300v", a.Key, a.Value)
		case "stack":
			h.w.s.note("   %s", a.Value)
		}
		return true
	})
	name := "main"
	if t := h.w.s.current; t != nil {
		name = t.name
	}
	h.w.s.note("%s log %s", name, line)
	if r.Message == "panic in a batch" || r.Message == "panic while deciding" {
		h.w.violate("panic", "", "%s", line)
	}
	return nil
}

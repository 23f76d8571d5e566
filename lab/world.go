package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"syncd/connectors"
	"syncd/daemon"
	"syncd/flows"
	"syncd/mapping"
	"syncd/store"
)

// Names of the world.
const (
	crm, erp     = "crm", "erp"
	contacts     = "contacts"
	partners     = "res.partner"
	installKey   = "the lab's own install key"
	clientSecret = "lab-client-secret"
	crmToken     = "pat-sim"
	leaseTime    = time.Minute
	sweepEvery   = 10 * time.Minute
)

// world is one seed's run.
type world struct {
	s    *sched
	o    Options
	d    swarm
	seed uint64

	systems []*vendor // sorted by name
	vendors map[string]*vendor
	db      Database
	backup  []byte // a copy of the database, for amnesia
	forgot  bool   // the database was replaced
	frozen  bool   // a row of three sides is frozen: it thaws after an hour, and then it is written
	store   *steps
	link    *flows.Link
	links   []*flows.Link  // link alone, or a story's
	story   *story         // nil in worlds that are drawn or scripted
	syncd   *daemon.Daemon // of a story: begins its links, and does what an operator asks
	keyring *mapping.Keyring
	infos   map[string]connectors.System

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
	binned  map[recordKey]bool      // archived by people
	joined  map[recordKey]recordKey // records by hand that were found to be one person's
	births  map[recordKey]int       // records of ours per system and root
	cleared map[string]bool
	epochs  map[string]int64

	inject     *injector // not nil: it decides what goes wrong, and nothing is drawn
	stats      Stats
	unread     map[string]map[string]bool // person and row → edits overwritten unread
	stale      map[string]map[string]bool // person and row → values of late writes
	under      map[string]map[string]bool // person and row → edits that late writes took the place of
	violations []Violation
}

type recordKey struct{ system, id string }

// start is when every run begins.
var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func newWorld(seed uint64, o Options) (*world, error) {
	w := &world{
		s: newSched(seed, start), o: o, seed: seed, vendors: map[string]*vendor{}, infos: map[string]connectors.System{},
		owner: map[recordKey]*person{}, origin: map[recordKey]recordKey{},
		reads: map[recordKey]time.Time{}, edits: map[fieldKey]*lastEdit{}, acked: map[recordKey]time.Time{},
		binned: map[recordKey]bool{}, joined: map[recordKey]recordKey{}, births: map[recordKey]int{},
		story: o.story, cleared: map[string]bool{}, epochs: map[string]int64{}, woken: map[int64]bool{}, unread: map[string]map[string]bool{}, stale: map[string]map[string]bool{}, under: map[string]map[string]bool{},
	}
	if o.fixed != nil {
		w.d = *o.fixed
	} else {
		w.d = draw(w.s.rng, o)
		w.d.cast(seed, o)
	}
	w.budgets, w.travel = drawBudgets(seed, o.Tight, crm, erp), rand.New(rand.NewPCG(seed, 0x74726176656c))
	var err error
	if w.keyring, err = mapping.NewKeyring(installKey); err != nil {
		return nil, err
	}
	w.buildVendors()
	if w.story != nil {
		if err := w.story.furnish(w); err != nil {
			return nil, err
		}
	}
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
	for _, v := range w.systems {
		v.close()
	}
	if w.o.Open == nil {
		w.removeFiles()
	}
}

func (w *world) now() time.Time { return w.s.now }

// connect makes the connectors of one replica.
func (w *world) connect(gates map[string]*gate) (map[string]connectors.Connector, error) {
	out := map[string]connectors.Connector{}
	for _, v := range w.systems {
		c, err := v.connect(gates[v.name])
		if err != nil {
			return nil, err
		}
		if out[v.name] = c; w.story != nil {
			out[v.name] = &recorder{c, v, w.story}
		}
	}
	return out, nil
}

// prepare does what the daemon does at start: custom fields, probe, register.
func (w *world) prepare() error {
	ctx := context.Background()
	conns, err := w.connect(w.openGates())
	if err != nil {
		return err
	}
	for _, v := range w.systems {
		name := v.name
		if err := conns[name].Setup(ctx, w.custom(v)); err != nil {
			return fmt.Errorf("set up %s: %w", name, err)
		}
		info, err := conns[name].Probe(ctx, v.objects)
		if err != nil {
			return fmt.Errorf("probe %s again: %w", name, err)
		}
		for name, o := range info.Objects {
			o.ReadBatch, o.WriteBatch = min(o.ReadBatch, w.d.readBatch), min(o.WriteBatch, w.d.writeBatch)
			info.Objects[name] = o
		}
		w.infos[name] = info
	}
	if w.story != nil {
		if err := w.story.adjust(w); err != nil {
			return err
		}
	}
	if err := w.rules(ctx, conns); err != nil {
		return err
	}
	return w.openHooks()
}

// rules makes the rules of the links.
func (w *world) rules(ctx context.Context, conns map[string]connectors.Connector) error {
	if w.story != nil {
		return w.story.begin(ctx, w, conns)
	}
	if err := w.register(); err != nil {
		return err
	}
	var err error
	w.link, err = w.customers()
	w.links = []*flows.Link{w.link}
	return err
}

// register notes the systems in the store, as the daemon does at start.
func (w *world) register() error {
	for _, v := range w.systems {
		row := store.SystemRow{System: v.name, Kind: v.name, Tenant: w.infos[v.name].Tenant}
		for _, object := range v.objects {
			o := w.infos[v.name].Objects[object]
			row.Objects = append(row.Objects, store.ObjectRow{Object: object, CreateClass: string(o.CreateClass), Settle: o.Settle, IndexLag: o.IndexLag})
		}
		if err := w.db.Register(context.Background(), []store.SystemRow{row}); err != nil {
			return fmt.Errorf("register %s: %w", v.name, err)
		}
	}
	return nil
}

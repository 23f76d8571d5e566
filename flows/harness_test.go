package flows_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/hubspot"
	"syncd/connectors/odoo"
	"syncd/connectors/wire"
	"syncd/fields"
	"syncd/flows"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/simulator"
	"syncd/simulator/hubspotsim"
	"syncd/simulator/odoosim"
	"syncd/store"
	"syncd/store/sqlite"
)

// Short names: crm is a pretend HubSpot, crm2 another one, erp a pretend Odoo.
const (
	crm, crm2, erp     = "crm", "crm2", "erp"
	contacts, partners = "contacts", "res.partner"
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

func (w *world) newHub(name string, seed uint64) *hubspotsim.Sim {
	s := hubspotsim.New(hubspotsim.Options{
		Now: w.clock.now, Seed: seed, Token: simToken, PortalID: 62515 + int64(seed) - 1, PerTenSeconds: -1, SearchPerSecond: -1,
		WebhookURL: "https://syncd.test/" + name, Deliver: w.deliverer(name),
	})
	w.t.Cleanup(s.Close)
	return s
}

func (w *world) deliverer(system string) func(simulator.Post) {
	return func(p simulator.Post) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.posts = append(w.posts, post{system, p})
	}
}

// probe makes the custom fields and registers what is there.
func (w *world) probe() {
	conns := w.connect(nil)
	for name, c := range conns {
		object, token := objectOf(name), tokenOf(name)
		custom := []connectors.CustomField{{Object: object, Name: token, Label: "ref", Unique: !w.search[name]}}
		for other := range conns {
			if other != name {
				custom = append(custom, connectors.CustomField{Object: object, Name: inverseOf(name, other), Label: "id"})
			}
		}
		if err := c.Setup(w.t.Context(), custom); err != nil {
			w.t.Fatal(err)
		}
		info, err := c.Probe(w.t.Context(), []string{object, "companies"})
		if err != nil {
			w.t.Fatal(err)
		}
		w.infos[name] = info
		row := store.SystemRow{System: name, Kind: "sim", Tenant: info.Tenant}
		for o, x := range info.Objects {
			row.Objects = append(row.Objects, store.ObjectRow{Object: o, CreateClass: string(x.CreateClass), Settle: x.Settle, IndexLag: x.IndexLag})
		}
		if err := w.store.Register(w.t.Context(), []store.SystemRow{row}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func objectOf(system string) string {
	if system == erp {
		return partners
	}
	return contacts
}

func tokenOf(system string) string {
	if system == erp {
		return "x_syncd_ref"
	}
	return "syncd_ref"
}

func inverseOf(system, other string) string {
	if system == erp {
		return "x_" + other + "_id"
	}
	return other + "_id"
}

// connect makes connectors whose calls count as steps.
func (w *world) connect(s *steps) map[string]connectors.Connector {
	out := map[string]connectors.Connector{}
	for name, hub := range w.hubs {
		c, err := hubspot.New(hubspot.Config{
			System: name, BaseURL: "https://" + name + ".test", APIVersion: hubspot.VersionV3, Token: func() string { return simToken },
			AppID: simApp, Now: w.clock.now, Objects: []string{contacts},
		}, wire.NewClient(&transport{w: w, system: name, handler: hub.Handler(), steps: s}))
		if err != nil {
			w.t.Fatal(err)
		}
		out[name] = c
	}
	c, err := odoo.New(odoo.Config{
		System: erp, URL: "https://erp.test", Database: odoosim.DefaultDatabase, Login: odoosim.DefaultLogin,
		APIKey: func() string { return odoosim.DefaultAPIKey }, Now: w.clock.now, Rand: func() float64 { return 0.5 },
		Pause: func(context.Context, time.Duration) {},
	}, wire.NewClient(&transport{w: w, system: erp, handler: w.erp.Handler(), steps: s}))
	if err != nil {
		w.t.Fatal(err)
	}
	out[erp] = c
	return out
}

// transport calls a handler in place of a network.
type transport struct {
	w       *world
	system  string
	handler http.Handler
	steps   *steps
}

var errCut = errors.New("connection reset")

func (x *transport) RoundTrip(r *http.Request) (res *http.Response, err error) {
	if x.w.tap != nil {
		x.w.tap(x.system, r)
	}
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	what := x.steps.enter("call " + x.system)
	if what.before {
		return nil, errCut // nothing left the machine
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	defer func() {
		if p := recover(); p != nil { // the vendor hung up
			res, err = nil, io.ErrUnexpectedEOF
		}
	}()
	rec := httptest.NewRecorder()
	x.handler.ServeHTTP(rec, r)
	x.steps.leave(what)
	if what.after {
		return nil, io.ErrUnexpectedEOF
	}
	return rec.Result(), nil
}

// customers compiles a link over some systems, as daemon/links.go does.
func (w *world) customers(systems ...string) *flows.Link {
	slices.Sort(systems)
	l := &flows.Link{
		Name: "customers", Private: map[string]bool{"email": true}, Match: [][]string{{"email"}}, OnMatch: flows.MatchPair,
		Create: map[string]bool{}, Live: true, Rules: plan.Rules{ReadOnly: map[string]bool{}, Silent: map[string]bool{}},
	}
	for _, name := range systems {
		m := flows.Member{System: name, Object: objectOf(name), Inverse: map[string]string{}, Write: true, Listen: true}
		for _, other := range systems {
			if other != name {
				m.Inverse[other] = inverseOf(name, other)
			}
		}
		if name == erp {
			m.Filter = w.filter(`!is_company && type == "contact"`, erp)
		}
		l.Members, l.Create[name] = append(l.Members, m), true
	}
	for _, r := range []struct {
		name, as, erp string
		crm           []string
	}{
		{"full_name", "person_name", "name", []string{"firstname", "lastname"}}, {"email", "email", "email", []string{"email"}},
		{"phone", "phone", "phone", []string{"phone"}}, {"jobtitle", "", "function", []string{"jobtitle"}}, {"city", "", "city", []string{"city"}},
	} {
		spec := fields.Spec{Name: r.name, As: r.as, Columns: map[string][]string{}}
		if r.as == "phone" {
			spec.Params = map[string]string{"country": "CZ"}
		}
		for _, name := range systems {
			if spec.Columns[name] = r.crm; name == erp {
				spec.Columns[name] = []string{r.erp}
			}
		}
		row, err := fields.Compile(spec)
		if err != nil {
			w.t.Fatal(err)
		}
		l.Rows = append(l.Rows, row)
		l.Rules.Rows = append(l.Rules.Rows, plan.Row{Name: r.name, Systems: systems, Rev: row.Rev(), Policy: plan.Policy{Mode: plan.ModeNewest, System: erp}})
	}
	return l
}

func (w *world) filter(src, system string) *fields.Filter {
	f, err := fields.ParseFilter(src)
	if err != nil {
		w.t.Fatal(err)
	}
	types := map[string]string{}
	for name, x := range w.infos[system].Objects[objectOf(system)].Fields {
		types[name] = string(x.Type)
	}
	if err := f.Bind(types); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// engine makes an engine. Its store and vendor calls count as steps of s.
func (w *world) engine(owner string, s *steps, change ...func(*flows.Options)) *flows.Engine {
	w.t.Helper()
	conns := w.connect(nil)
	for name, c := range conns { // the schema is known before steps count
		if _, err := c.Probe(w.t.Context(), []string{objectOf(name)}); err != nil {
			w.t.Fatal(err)
		}
	}
	if s != nil {
		for name, c := range w.connect(s) {
			s.pass = true
			if _, err := c.Probe(w.t.Context(), []string{objectOf(name)}); err != nil {
				w.t.Fatal(err)
			}
			s.pass = false
			conns[name] = c
		}
	}
	o := flows.Options{
		Store: &stepped{Store: w.store, steps: s}, Keyring: w.keys, Links: w.links, Owner: owner, Lease: leaseTime, Now: w.clock.now,
		Rand: func() float64 { return 0.5 }, Logger: slog.New(slog.NewTextHandler(w.logs, nil)), Observe: w.seen, Heartbeat: -1,
		Together: func(calls []func()) {
			for _, call := range calls {
				call()
			}
		},
	}
	for name, c := range conns {
		o.Systems = append(o.Systems, &flows.System{Name: name, Conn: c, Info: w.infos[name], SweepEvery: time.Minute})
	}
	slices.SortFunc(o.Systems, func(a, b *flows.System) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range change {
		f(&o)
	}
	e, err := flows.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// deliver brings all webhooks that were sent so far.
func (w *world) deliver() int {
	w.t.Helper()
	w.mu.Lock()
	posts := w.posts
	w.posts = nil
	w.mu.Unlock()
	for n, p := range posts {
		if err := w.store.Receive(w.t.Context(), []store.Receipt{w.receipt(p, n)}); err != nil {
			w.t.Fatal(err)
		}
	}
	return len(posts)
}

func (w *world) receipt(p post, n int) store.Receipt {
	var r connectors.Receiver
	var err error
	d := connectors.Delivery{Method: http.MethodPost, URL: p.post.URL, Header: p.post.Header, Body: p.post.Body}
	delay := time.Duration(0)
	if p.system == erp {
		r, err = odoo.NewReceiver(odoo.Config{})
		d.Path, delay = p.post.URL, 2*time.Second
	} else {
		r, err = hubspot.NewReceiver(hubspot.Config{System: p.system, AppID: simApp, Objects: []string{contacts}, Secrets: []string{"x"}})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	events, err := r.Parse(d)
	if err != nil {
		w.t.Fatal(err)
	}
	key := fmt.Sprintf("%s-%d-%d", p.system, w.clock.now().UnixNano(), n)
	out := store.Receipt{System: p.system, DeliveryKey: key, Events: len(events.Hints)}
	for _, h := range events.Hints {
		out.Hints = append(out.Hints, store.Hint{
			System: p.system, Object: h.Object, RecordID: h.RecordID, Version: h.Version, Delay: delay,
			Cause: "webhook", DeliveryKey: key, Trace: "t-" + key, Own: h.Own,
		})
	}
	return out
}

// hint asks for a look at a record, as an operator does.
func (w *world) hint(system string, ids ...string) {
	w.t.Helper()
	var hs []store.Hint
	for _, id := range ids {
		hs = append(hs, store.Hint{System: system, Object: objectOf(system), RecordID: id, Cause: "operator"})
	}
	if err := w.store.Enqueue(w.t.Context(), hs); err != nil {
		w.t.Fatal(err)
	}
}

// drain runs every queue of an engine until nothing is due now. It gives the
// number of batches.
func (w *world) drain(e *flows.Engine) (batches int, err error) {
	for range 200 {
		due, err := w.store.Due(w.t.Context(), e.Queues())
		if err != nil {
			w.t.Fatal(err)
		}
		worked := false
		for _, q := range due {
			n, err := e.Run(w.t.Context(), q)
			if err != nil {
				return batches, err
			}
			if n > 0 {
				worked, batches = true, batches+1
			}
		}
		if !worked {
			return batches, nil
		}
	}
	w.t.Fatalf("the queue does not come to rest:\n%s", w.tail())
	return 0, nil
}

// settle lets time pass until nothing is queued but what is parked. It gives
// the virtual time that it took.
func (w *world) settle(engines ...*flows.Engine) time.Duration {
	w.t.Helper()
	began := w.clock.now()
	for range 2400 {
		w.deliver()
		for _, e := range engines {
			if _, err := w.drain(e); err != nil {
				w.t.Logf("drain: %v", err)
			}
		}
		if w.idle() {
			return w.clock.now().Sub(began)
		}
		w.clock.advance(500 * time.Millisecond)
	}
	w.t.Fatalf("work is left after %v: %+v\n%s", w.clock.now().Sub(began), w.queues(), w.tail())
	return 0
}

func (w *world) tail() string {
	s := w.logs.String()
	return s[max(0, len(s)-2500):]
}

func (w *world) idle() bool {
	w.mu.Lock()
	n := len(w.posts)
	w.mu.Unlock()
	for _, q := range w.queues() {
		n += q.Due + q.Running + q.Waiting
	}
	return n == 0
}

func (w *world) queues() []store.QueueStat {
	qs, err := w.store.Queues(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return qs
}

func (w *world) waiting() []store.WaitingRow {
	ws, err := w.store.Waiting(w.t.Context(), 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return ws
}

func (w *world) trash() []store.TrashRow {
	ts, err := w.store.Trash(w.t.Context(), 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return ts
}

// converged checks that n customers exist once in every system, hold the same,
// know each other, and that nothing is open.
func (w *world) converged(n int) {
	w.t.Helper()
	for _, s := range w.systems() {
		if b := w.births(s); len(b) != n {
			w.t.Errorf("%s has records %v; want %d", s, b, n)
		}
	}
	if ws, ts := w.waiting(), w.trash(); len(ws)+len(ts) > 0 {
		w.t.Errorf("waiting %+v, trash %+v", ws, ts)
	}
	first := w.link.Members[0].System
	for _, id := range w.births(first) {
		i := w.identity(first, id)
		token, err := w.keys.Token(i.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		a := w.get(first, id)
		for _, m := range i.Members {
			if m.Intent != nil || len(m.Fields) > 0 || m.Base == nil {
				w.t.Errorf("%s %s: intent %s, states %v, base %s", m.System, m.RecordID, m.Intent, m.Fields, m.Base)
			}
			b := w.get(m.System, m.RecordID)
			for _, r := range w.link.Rows {
				if a[r.Name()] != b[r.Name()] {
					w.t.Errorf("%s is %q in %s and %q in %s", r.Name(), a[r.Name()], first, b[r.Name()], m.System)
				}
			}
			if b[tokenOf(m.System)] != token {
				w.t.Errorf("%s %s carries token %q; want %q", m.System, m.RecordID, b[tokenOf(m.System)], token)
			}
			for _, o := range i.Members {
				if o.System != m.System && b[inverseOf(m.System, o.System)] != o.RecordID {
					w.t.Errorf("%s %s says %s=%q; want %q", m.System, m.RecordID, inverseOf(m.System, o.System), b[inverseOf(m.System, o.System)], o.RecordID)
				}
			}
		}
	}
	if w.t.Failed() {
		w.t.Logf("%s", w.tail())
	}
}

// paired makes a customer in one system and lets it reach the others.
func (w *world) paired(e *flows.Engine, system string, n int) (crmID, erpID string) {
	w.t.Helper()
	id := w.person(system, n)
	w.settle(e)
	w.clock.advance(20 * time.Minute) // an echo is not likely any more
	if system == erp {
		return w.pair(erp, id, crm), id
	}
	return id, w.pair(system, id, erp)
}

// born makes a customer, full in every row, and stops right after its record
// was made on the other side: nothing of it is confirmed yet.
func (w *world) born(e *flows.Engine, from string) {
	w.t.Helper()
	v := map[string]string{"firstname": "Ann", "lastname": "Lee", "email": "ann@x.example", "phone": "+420 603 999 999", "city": "Praha", "jobtitle": "Engineer"}
	w.create(from, v)
	for range 20 {
		w.deliver()
		if _, err := w.drain(e); err != nil {
			w.t.Fatal(err)
		}
		if len(w.births(crm)) == 1 && len(w.births(erp)) == 1 {
			return
		}
		w.clock.advance(500 * time.Millisecond)
	}
	w.t.Fatal("nothing was made")
}

// observed is what the engine told.
type observed struct {
	mu       sync.Mutex
	attempts []string
	hints    int
	down     map[string]bool
	surplus  []string
	lags     []time.Duration
	forgot   []string
}

func (o *observed) Attempt(_, system string, d store.Disposition, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attempts = append(o.attempts, system+" "+string(d)+" "+reason)
}
func (o *observed) Wrote(_, _, _ string, _ connectors.Op, _ connectors.Outcome) {}
func (o *observed) Lag(_, _, _ string, _ time.Duration)                         {}
func (o *observed) Swept(_, _ string, _, hints int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hints += hints
}
func (o *observed) SystemOK(system string, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down == nil {
		o.down = map[string]bool{}
	}
	o.down[system] = !ok
}

func (o *observed) Surplus(link, system string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.surplus = append(o.surplus, link+" "+system)
}
func (o *observed) IndexLag(_, _ string, d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lags = append(o.lags, d)
}
func (o *observed) Forgot(link, evidence string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forgot = append(o.forgot, link+" "+evidence)
}

func (o *observed) since(n int) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.attempts[n:])
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

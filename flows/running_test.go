package flows_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/connectors/hubspot"
	"syncd/connectors/odoo"
	"syncd/flows"
	"syncd/store"
)

// engine makes an engine. Its store and vendor calls count as steps of s.
func (w *world) engine(owner string, s *steps, change ...func(*flows.Options)) *flows.Engine {
	w.t.Helper()
	conns := w.connect(nil)
	for name, c := range conns { // the schema is known before steps count
		if _, err := c.Probe(w.t.Context(), w.objects(name)); err != nil {
			w.t.Fatal(err)
		}
	}
	if s != nil {
		for name, c := range w.connect(s) {
			s.pass = true
			if _, err := c.Probe(w.t.Context(), w.objects(name)); err != nil {
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
		r, err = hubspot.NewReceiver(hubspot.Config{System: p.system, AppID: simApp, Objects: w.objects(p.system), Secrets: []string{"x"}})
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
		cause := "webhook"
		if h.Removed {
			cause = store.CauseDeletion
		}
		out.Hints = append(out.Hints, store.Hint{
			System: p.system, Object: h.Object, RecordID: h.RecordID, Version: h.Version, Delay: delay,
			Cause: cause, DeliveryKey: key, Trace: "t-" + key, Own: h.Own, Erased: h.Erased,
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

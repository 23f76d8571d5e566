package flows_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"time"

	"syncd/connectors"
	"syncd/connectors/hubspot"
	"syncd/connectors/odoo"
	"syncd/connectors/wire"
	"syncd/simulator"
	"syncd/simulator/hubspotsim"
	"syncd/simulator/odoosim"
	"syncd/store"
)

func (w *world) newHub(name string, seed uint64, newIDOnMerge ...bool) *hubspotsim.Sim {
	s := hubspotsim.New(hubspotsim.Options{
		NewIDOnMerge: slices.Contains(newIDOnMerge, true),
		Now:          w.clock.now, Seed: seed, Token: simToken, PortalID: 62515 + int64(seed) - 1, PerTenSeconds: -1, SearchPerSecond: -1,
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
		var custom []connectors.CustomField
		for _, object := range w.objects(name) {
			custom = append(custom, connectors.CustomField{Object: object, Name: tokenOf(name), Label: "ref", Unique: !w.search[name]})
			for other := range conns {
				if other != name {
					custom = append(custom, connectors.CustomField{Object: object, Name: inverseOf(name, other), Label: "id"})
				}
			}
		}
		if err := c.Setup(w.t.Context(), custom); err != nil {
			w.t.Fatal(err)
		}
		info, err := c.Probe(w.t.Context(), append(w.objects(name), companies))
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

// objects are those of a system that links are about.
func (w *world) objects(system string) []string {
	if w.firms && system != erp {
		return []string{contacts, companies}
	}
	return []string{objectOf(system)}
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
			AppID: simApp, Now: w.clock.now, Objects: w.objects(name),
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

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/connectors/hubspot"
	"syncd/connectors/odoo"
	cwire "syncd/connectors/wire"
	"syncd/simulator"
	"syncd/simulator/hubspotsim"
	"syncd/simulator/odoosim"
)

// vendor is one of the world's systems: a pretend vendor with its truth, its
// people, and how a replica connects to it.
type vendor struct {
	name, object string
	objects      []string // all that the world's links speak of; object is the one of the drawn worlds
	kind         kind
	handler      http.Handler // nil: it is spoken to in process
	truth        *simulator.Truth
	calls        int // of truth, seen so far
	changes      int // of truth, seen so far
	people       hands
	shop         *shop                                     // nil: one of the two real vendors
	filter       string                                    // of its member of the link
	connect      func(*gate) (connectors.Connector, error) // nil gate: a shop has none
	hook         hook
	close        func()
}

// hands are what a vendor's own people do.
type hands interface {
	create(columns map[string]string) (id string, err error)
	edit(id string, columns map[string]string) error
	// values gives what a record holds, nil if it is not there or archived.
	values(id string) map[string]string
}

// kind is a family of vendors, which share the names of their columns.
type kind string

const (
	kindHubSpot kind = "hubspot"
	kindOdoo    kind = "odoo"
	kindShop    kind = "shop"
)

// inverse names the column that holds another system's record id.
func (v *vendor) inverse(other string) string {
	if v.kind == kindOdoo {
		return "x_" + other + "_id"
	}
	return other + "_id"
}

// custom lists the fields that syncd asks a vendor for.
func (w *world) custom(v *vendor) []connectors.CustomField {
	if w.story != nil {
		return w.story.custom(w, v)
	}
	token := connectors.CustomField{Object: v.object, Name: "syncd_ref", Label: "syncd reference", Unique: true}
	switch v.kind {
	case kindOdoo:
		token.Name = "x_syncd_ref"
	case kindHubSpot:
		token.Unique = !w.d.crmSearch
	}
	out := []connectors.CustomField{token}
	for _, other := range w.systems {
		if other != v {
			out = append(out, connectors.CustomField{Object: v.object, Name: v.inverse(other.name), Label: "Record id in " + other.name})
		}
	}
	return out
}

// buildVendors makes the systems that the seed has drawn, in the order of names.
func (w *world) buildVendors() {
	for _, name := range w.d.systems {
		var v *vendor
		switch name {
		case crm:
			v = w.newCRM()
		case erp:
			v = w.newERP()
		default:
			v = w.newShop(name, w.d.personas[name])
		}
		v.name = name
		if v.objects = []string{v.object}; w.story != nil {
			v.objects = w.story.objects[name]
		}
		w.systems = append(w.systems, v)
		w.vendors[name] = v
	}
}

func (w *world) newCRM() *vendor {
	limits := -1
	if w.d.crmLimits {
		limits = 0
	}
	simVersion, version := "2026-09", hubspot.Version2026
	if w.d.crmV3 {
		simVersion, version = "v3", hubspot.VersionV3
	}
	sim := hubspotsim.New(hubspotsim.Options{
		Now: w.now, Seed: w.seed, ClientSecret: clientSecret, APIVersion: simVersion,
		PerTenSeconds: limits, SearchPerSecond: limits, SearchLag: w.d.crmLag, NewIDOnMerge: w.d.mergeNewID, WebhookURL: hookURL(crm), Deliver: w.announced(crm),
	})
	v := &vendor{object: contacts, kind: kindHubSpot, handler: sim.Handler(), truth: sim.Truth(), people: crmPeople{sim}, close: sim.Close}
	objects := []string{contacts}
	if w.story != nil {
		objects = w.story.objects[crm]
	}
	cfg := hubspot.Config{
		System: crm, BaseURL: "https://crm.invalid", APIVersion: version, Token: func() string { return crmToken },
		AppID: "54321", Secrets: []string{clientSecret}, Objects: objects, Now: w.now,
	}
	v.connect = func(g *gate) (connectors.Connector, error) { return hubspot.New(cfg, cwire.NewClient(g)) }
	v.hook = hook{
		receiver: func() (connectors.Receiver, error) { return hubspot.NewReceiver(cfg) }, retries: 10, trust: w.d.trustMark,
		renew: func(p simulator.Post) simulator.Post { // every attempt is signed anew
			var events []json.RawMessage
			if err := json.Unmarshal(p.Body, &events); err == nil {
				return sim.SignedPost(events)
			}
			return p
		},
	}
	return v
}

func (w *world) newERP() *vendor {
	sim := odoosim.New(odoosim.Options{
		Now: w.now, Seed: w.seed, Major: w.d.odooMajor, WebhookURL: hookURL(erp), IgnoreBot: w.d.ignoreBot, TriggerAll: w.d.chatty, Deliver: w.announced(erp),
	})
	v := &vendor{
		object: partners, kind: kindOdoo, handler: sim.Handler(), truth: sim.Truth(), people: erpPeople{sim},
		filter: `!is_company && type == "contact"`, close: func() {},
	}
	cfg := odoo.Config{
		System: erp, URL: "https://erp.invalid", Database: odoosim.DefaultDatabase, Login: odoosim.DefaultLogin,
		APIKey: func() string { return odoosim.DefaultAPIKey }, Now: w.now, Rand: w.s.rng.Float64,
		Pause: func(_ context.Context, d time.Duration) {
			if t := w.s.current; t != nil {
				t.sleep(d)
			}
		},
	}
	v.connect = func(g *gate) (connectors.Connector, error) { return odoo.New(cfg, cwire.NewClient(g)) }
	v.hook = hook{receiver: func() (connectors.Receiver, error) { return odoo.NewReceiver(cfg) }}
	return v
}

// hookURL is where a vendor sends its webhooks.
func hookURL(system string) string { return "https://lab.invalid/webhooks/" + system + "/x" }

type crmPeople struct{ sim *hubspotsim.Sim }

func (p crmPeople) create(columns map[string]string) (string, error) {
	return p.sim.UserCreate(contacts, columns)
}

func (p crmPeople) edit(id string, columns map[string]string) error {
	return p.sim.UserEdit(contacts, id, columns)
}

func (p crmPeople) values(id string) map[string]string {
	v, ok := p.sim.Get(contacts, id)
	if !ok {
		return nil
	}
	for _, r := range linkRows {
		for _, c := range r.columns[kindHubSpot] {
			v[c] += "" // a property that is not set is empty, not unknown
		}
	}
	return v
}

type erpPeople struct{ sim *odoosim.Sim }

func (p erpPeople) create(columns map[string]string) (string, error) {
	id, err := p.sim.UserCreate(partners, anyOf(columns))
	return strconv.FormatInt(id, 10), err
}

func (p erpPeople) edit(id string, columns map[string]string) error {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return err
	}
	return p.sim.UserWrite(partners, n, anyOf(columns))
}

func (p erpPeople) values(id string) map[string]string {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	rec, ok := p.sim.Get(partners, n)
	if !ok || rec["active"] == false {
		return nil
	}
	out := map[string]string{}
	for c, v := range rec {
		switch v := v.(type) {
		case string:
			out[c] = v
		case bool:
			if out[c] = ""; v {
				out[c] = "true"
			}
		}
	}
	return out
}

func anyOf(columns map[string]string) map[string]any {
	out := map[string]any{}
	for c, v := range columns {
		if out[c] = v; v == "" {
			out[c] = false
		}
	}
	return out
}

// after gives the system that follows a system in the circle of all.
func (w *world) after(system string) string {
	i := slices.IndexFunc(w.systems, func(v *vendor) bool { return v.name == system })
	return w.systems[(i+1)%len(w.systems)].name
}

func (k recordKey) String() string { return fmt.Sprintf("{%s %s}", k.system, k.id) }

// names lists the world's systems, for people.
func (w *world) names() string {
	var out []string
	for _, v := range w.systems {
		out = append(out, v.name)
	}
	return strings.Join(out, "+")
}

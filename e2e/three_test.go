package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"syncd/daemon"
	"syncd/simulator/shopsim"
	"syncd/store"
)

// The third system: a web shop, which syncd knows by a profile alone.
const (
	shopSystem = "shop"
	customers  = "customers"
)

// trio is a world with a third system, and one link with three members.
type trio struct {
	*world
	shop     *shopsim.Sim
	shopURL  string
	shopHook string
}

// Secrets of the shop, and how often its world sweeps: as often as may be.
const (
	shopToken     = "canary-shop-token-1f3b5d7a9c2e4680"
	shopSigning   = "canary-shop-signing-2a4c6e8b0d1f3597"
	shopHookPath  = "canary-shop-hook-3b5d7f9a1c2e4608"
	trioSweep     = 10 * time.Second
	trioGrace     = time.Second
	fileShopToken = "shop_token"
	fileShopSign  = "shop_signing_secret"
	fileShopHook  = "shop_webhook_secret"
)

// newTrio builds three vendors and the configuration; syncd is not running.
func newTrio(t testing.TB, store string, seed uint64) *trio {
	t.Helper()
	w := &trio{world: newWorld(t, settings{Store: store, Seed: seed, Sweep: trioSweep})}
	w.shopHook = w.public + "/webhooks/shop/" + shopHookPath
	w.shop = shopsim.New(shopsim.Options{
		Token: shopToken, WebhookSecret: shopSigning, WebhookURL: w.shopHook, RetryGap: 50 * time.Millisecond,
		WebhookClient: &http.Client{Timeout: patience},
	})
	srv := httptest.NewServer(w.shop.Handler())
	w.shopURL = srv.URL
	t.Cleanup(func() {
		w.stop() // before its vendor goes
		w.shop.Close()
		srv.CloseClientConnections()
		srv.Close()
	})
	for name, value := range map[string]string{fileShopToken: shopToken, fileShopSign: shopSigning, fileShopHook: shopHookPath} {
		w.writeFile(name, value)
	}
	place := fmt.Sprintf("sqlite: %q", w.s.Database)
	if store == onPostgres {
		place = "postgres: {file: postgres_dsn}"
	}
	w.writeFile(fileConfig, fmt.Sprintf(`
install_key: {file: install_key}
server:
  public_url: %q
  webhooks: {listen: %q}
  ops: {listen: %q}
  drain_timeout: 20s
log: {level: info, format: json}
store:
  %s
  lease: 1m
systems:
  hubspot:
    kind: hubspot
    base_url: %q
    api_version: v3
    token: {file: hubspot_token}
    client_secret: {file: hubspot_client_secret}
    webhook_secret: {file: hubspot_webhook_secret}
    app_id: "54321"
    sweep_every: %s
  odoo:
    kind: odoo
    url: %q
    database: acme
    login: syncd
    api_key: {file: odoo_api_key}
    webhook_secret: {file: odoo_webhook_secret}
    sweep_every: %s
  shop:
    kind: rest
    profile: shop
    base_url: %q
    auth: {token: {file: shop_token}}
    webhook: {secrets: [{file: shop_signing_secret}]}
    webhook_secret: {file: shop_webhook_secret}
    sweep_every: %s
links:
  - name: customers
    start: live
    members:
      - {system: hubspot, object: contacts,    inverse_id: {odoo: erp_id, shop: shop_id}}
      - {system: odoo,    object: res.partner, inverse_id: {hubspot: x_crm_id, shop: x_shop_id}, only: '!is_company && type == "contact"'}
      - {system: shop,    object: customers,   inverse_id: {hubspot: crm_id, odoo: erp_id}}
    match: [[email]]
    conflict: {newest: odoo}
    delete: {from_hubspot: archive, from_odoo: archive, from_shop: archive, grace: %s}
    merge: {orphan: archive}
    fields:
      - {name: full_name, hubspot: [firstname, lastname], odoo: name, shop: name, as: person_name}
      - {hubspot: email, odoo: email, shop: email, as: email}
      - {hubspot: phone, odoo: phone, shop: phone, as: phone, country: CZ}
      - {hubspot: city,  odoo: city, shop: city}
`, w.public, w.hooks, w.ops, place, w.crmURL, trioSweep, w.erpURL, trioSweep, w.shopURL, trioSweep, trioGrace))
	return w
}

// row is a record as one of the three holds it.
type row struct {
	id                      string
	name, mail, phone, city string
	crm, erp, shop, token   string // ids of the others, "" where the system is the one itself
	archived                bool
}

// rows gives what a system holds by its own account, by e-mail.
func (w *trio) rows(system string) map[string]row {
	out := map[string]row{}
	switch system {
	case crmSystem:
		for id, r := range w.crm.All(contacts) {
			out[r["email"]] = row{id: id, name: r["firstname"] + " " + r["lastname"], mail: r["email"], phone: r["phone"], city: r["city"],
				erp: r["erp_id"], shop: r["shop_id"], token: r["syncd_ref"]}
		}
	case erpSystem:
		for _, birth := range w.erp.Truth().Births(partner) {
			id, _ := strconv.ParseInt(birth, 10, 64) // the simulator's own
			r, there := w.erp.Get(partner, id)
			if !there {
				continue
			}
			text := func(column string) string { v, _ := r[column].(string); return v }
			out[text("email")] = row{id: birth, name: text("name"), mail: text("email"), phone: text("phone"), city: text("city"),
				crm: text("x_crm_id"), shop: text("x_shop_id"), token: text("x_syncd_ref"), archived: r["active"] == false}
		}
	default:
		for id, r := range w.shop.All(customers) {
			out[r["email"]] = row{id: id, name: r["name"], mail: r["email"], phone: r["phone"], city: r["city"],
				crm: r["crm_id"], erp: r["erp_id"], token: r["syncd_ref"], archived: w.shop.Archived(customers, id)}
		}
	}
	return out
}

// wanted is what all three are to hold of a person; gone: nothing that is live.
type wanted struct {
	name, city string
	gone       bool
}

// alike says what is wrong if the three systems do not hold the same people, each
// once and knowing the other two, and no others.
func (w *trio) alike(people map[string]wanted) string {
	crm, erp, shop := w.rows(crmSystem), w.rows(erpSystem), w.rows(shopSystem)
	for _, mail := range slices.Sorted(maps.Keys(people)) {
		want := people[mail]
		for system, all := range map[string]map[string]row{crmSystem: crm, erpSystem: erp, shopSystem: shop} {
			r, there := all[mail]
			live := there && !r.archived
			switch {
			case want.gone && live:
				return fmt.Sprintf("%s is still live in %s", mail, system)
			case want.gone:
			case !live:
				return fmt.Sprintf("%s is not in %s", mail, system)
			case r.name != want.name || r.city != want.city:
				return fmt.Sprintf("%s is %q of %q in %s, want %q of %q", mail, r.name, r.city, system, want.name, want.city)
			}
		}
		if want.gone {
			continue
		}
		c, e, s := crm[mail], erp[mail], shop[mail]
		if c.erp != e.id || c.shop != s.id || e.crm != c.id || e.shop != s.id || s.crm != c.id || s.erp != e.id {
			return fmt.Sprintf("%s: the three do not know each other: %+v %+v %+v", mail, c, e, s)
		}
		if c.token == "" || c.token != e.token || c.token != s.token || c.phone != e.phone || c.phone != s.phone {
			return fmt.Sprintf("%s: the three differ: %+v %+v %+v", mail, c, e, s)
		}
	}
	return w.nobodyElse(people, crm, erp, shop)
}

// nobodyElse says who was made besides, by the vendors' record of every birth.
func (w *trio) nobodyElse(people map[string]wanted, crm, erp, shop map[string]row) string {
	for _, all := range []map[string]row{crm, erp, shop} {
		for mail := range all {
			if _, known := people[mail]; !known {
				return mail + " is nobody"
			}
		}
	}
	for system, born := range map[string]int{
		crmSystem: len(w.crm.Truth().Births(contacts)), erpSystem: len(w.erp.Truth().Births(partner)), shopSystem: len(w.shop.Truth().Births(customers)),
	} {
		if born != len(people) {
			return fmt.Sprintf("%d records were ever made in %s, for %d people", born, system, len(people))
		}
	}
	return ""
}

// must ends the test where one of the vendors' people cannot do what they do.
func (w *trio) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// agree waits until the three hold the same.
func (w *trio) agree(when string, people map[string]wanted) {
	w.t.Helper()
	w.holds(when+": all three hold the same", func() string { return w.alike(people) })
}

func (w *trio) erpID(mail string) int64 {
	w.t.Helper()
	id, err := strconv.ParseInt(w.rows(erpSystem)[mail].id, 10, 64)
	w.must(err)
	return id
}

// TestThreeSystemsAreOne: people are born, change and go in each of HubSpot,
// Odoo and a web shop, which are the members of one link, and two are merged. In the end the
// three hold the same, nobody is there twice, and each person is one identity.
func TestThreeSystemsAreOne(t *testing.T) {
	onBothStores(t, func(t *testing.T, store string) {
		w := newTrio(t, store, 91)
		w.spawn()
		w.flows()
		people := map[string]wanted{}
		for i, name := range []string{"ada", "bob", "cyd", "dora", "eve", "finn", "gus", "hal"} {
			p := person{first: "The", last: name, mail: name + "@example.com", phone: phoneOf(i), city: "Brno"}
			people[p.mail] = wanted{name: "The " + name, city: "Brno"}
			switch i % 3 {
			case 0:
				w.crmCreate(p)
			case 1:
				w.erpCreate(p)
			default:
				_, err := w.shop.UserCreate(customers, map[string]string{"name": "The " + name, "email": p.mail, "phone": p.phone, "city": p.city})
				w.must(err)
			}
		}
		w.agree("born in each", people)

		w.crmEdit(w.rows(crmSystem)["bob@example.com"].id, map[string]string{"city": "Praha"})
		w.erpEdit(w.erpID("cyd@example.com"), map[string]any{"city": "Wien", "name": "The dancer"})
		w.must(w.shop.UserEdit(customers, w.rows(shopSystem)["ada@example.com"].id, map[string]string{"city": "London"}))
		people["bob@example.com"] = wanted{name: "The bob", city: "Praha"}
		people["cyd@example.com"] = wanted{name: "The dancer", city: "Wien"}
		people["ada@example.com"] = wanted{name: "The ada", city: "London"}
		w.agree("edited in each", people)

		w.must(w.crm.UserArchive(contacts, w.rows(crmSystem)["eve@example.com"].id))
		// Odoo keeps no trace of a merge but for records that syncd made: the end of
		// any other one may be a merge, and waits for a person.
		w.must(w.erp.UserUnlink(partner, w.erpID("dora@example.com")))
		w.must(w.shop.UserDelete(customers, w.rows(shopSystem)["finn@example.com"].id))
		for _, mail := range []string{"dora@example.com", "eve@example.com", "finn@example.com"} {
			people[mail] = wanted{gone: true}
		}
		w.agree("deleted in each", people)

		all := w.rows(crmSystem)
		_, err := w.crm.UserMerge(contacts, all["hal@example.com"].id, all["gus@example.com"].id)
		w.must(err)
		people["gus@example.com"] = wanted{gone: true}
		w.agree("merged in one", people)
		w.holds("the queue is empty", w.unrest)
		w.stop()
		w.mapped(people)
	})
}

// mapped judges the id map, once syncd has ended: a person is one identity with a
// member in each system, and a row of the view for every ordered pair of them.
func (w *trio) mapped(people map[string]wanted) {
	w.t.Helper()
	d := w.opened()
	defer d.Close()
	ctx := context.Background()
	pairs, err := d.Store().Pairs(ctx, store.PairQuery{})
	w.must(err)
	active := map[string]map[[2]string][2]string{} // canonical id → systems → ids
	for _, p := range pairs {
		if !p.Active {
			continue
		}
		if active[p.CanonicalID] == nil {
			active[p.CanonicalID] = map[[2]string][2]string{}
		}
		active[p.CanonicalID][[2]string{p.SourceSystem, p.TargetSystem}] = [2]string{p.SourceID, p.TargetID}
	}
	byRecord := map[string]string{}
	for id, rows := range active {
		for systems, ids := range rows {
			byRecord[systems[0]+" "+ids[0]] = id
		}
	}
	crm, erp, shop := w.rows(crmSystem), w.rows(erpSystem), w.rows(shopSystem)
	live := 0
	for mail, want := range people {
		if want.gone {
			continue
		}
		live++
		ids := map[string]string{crmSystem: crm[mail].id, erpSystem: erp[mail].id, shopSystem: shop[mail].id}
		canonical := byRecord[crmSystem+" "+ids[crmSystem]]
		for a := range ids {
			for b := range ids {
				if a != b && active[canonical][[2]string{a, b}] != [2]string{ids[a], ids[b]} {
					w.t.Errorf("%s: the view has %v for %s and %s, want %s and %s", mail, active[canonical][[2]string{a, b}], a, b, ids[a], ids[b])
				}
			}
		}
		w.oneIdentity(d, mail, canonical, ids)
	}
	if len(active) != live {
		w.t.Errorf("%d identities have active pairs, want one for each of %d people", len(active), live)
	}
}

// oneIdentity judges the canonical rows of a person.
func (w *trio) oneIdentity(d *daemon.Daemon, mail, canonical string, ids map[string]string) {
	w.t.Helper()
	i, err := d.Store().Identity(context.Background(), canonical)
	w.must(err)
	if i == nil || len(i.Members) != len(ids) {
		w.t.Errorf("%s: the identity %q has members %+v, want one in each of the three", mail, canonical, i)
		return
	}
	for _, m := range i.Members {
		if m.RecordID != ids[m.System] || !m.State.Bound() {
			w.t.Errorf("%s: the member of %s is %s (%s), want %s", mail, m.System, m.RecordID, m.State, ids[m.System])
		}
	}
}

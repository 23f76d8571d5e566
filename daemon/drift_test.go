package daemon_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/config"
	"syncd/daemon"
	"syncd/fields"
	"syncd/simulator/hubspotsim"
	"syncd/simulator/odoosim"
	"syncd/store"
)

// town is a daemon between a pretend HubSpot and a pretend Odoo, whose clock can
// be put forward.
type town struct {
	t      *testing.T
	dir    string
	crm    *hubspotsim.Sim
	erp    *odoosim.Sim
	config string
	d      *daemon.Daemon
	logs   *lines

	mu    sync.Mutex
	ahead time.Duration
}

// lines keeps what was logged.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) has(text string) bool {
	return strings.Contains(l.text(), text)
}

const townConfig = `
install_key: {file: secret}
server:
  public_url: "http://HOOKS"
  webhooks: {listen: "HOOKS"}
  ops: {listen: "127.0.0.1:0"}
store: {sqlite: "DIR/db"}
systems:
  hubspot: {kind: hubspot, base_url: "CRM", api_version: v3, token: {file: token}, client_secret: {file: secret}, webhook_secret: {file: secret}, describe_every: 1m}
  odoo: {kind: odoo, url: "ERP", database: acme, login: syncd, api_key: {file: key}, webhook_secret: {file: secret}, describe_every: 1m}
links:
  - name: contacts
    start: live
    members:
      - {system: hubspot, object: contacts, inverse_id: {odoo: erp_id}}
      - {system: odoo, object: res.partner, inverse_id: {hubspot: x_crm_id}, only: '!is_company && type == "contact"'}
    match: [[email]]
    conflict: {newest: odoo}
    fields:
      - {name: full_name, hubspot: [firstname, lastname], odoo: name, as: person_name}
      - {hubspot: email, odoo: email, as: email}
      - {hubspot: jobtitle, odoo: function}
      - {name: note, hubspot: city, odoo: x_note}
`

const townSecret = "0123456789abcdef0123456789abcdef"

func newTown(t *testing.T) *town {
	t.Helper()
	dir, err := os.MkdirTemp("", "town")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hooks := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w := &town{t: t, dir: dir, config: townConfig, logs: &lines{}}
	w.crm = hubspotsim.New(hubspotsim.Options{ClientSecret: townSecret, WebhookURL: "http://" + hooks + "/webhooks/hubspot/" + townSecret})
	w.erp = odoosim.New(odoosim.Options{WebhookURL: "http://" + hooks + "/webhooks/odoo/" + townSecret})
	crm, erp := httptest.NewServer(w.crm.Handler()), httptest.NewServer(w.erp.Handler())
	t.Cleanup(crm.Close)
	t.Cleanup(erp.Close)
	w.config = strings.NewReplacer("HOOKS", hooks, "DIR", dir, "CRM", crm.URL, "ERP", erp.URL).Replace(townConfig)
	for name, text := range map[string]string{"secret": townSecret, "token": "pat-sim", "key": "sim-key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.addNote()
	return w
}

// addNote makes the custom field x_note in the pretend Odoo, as its people do.
func (w *town) addNote() {
	w.t.Helper()
	var model int64
	for id, m := range w.erp.All("ir.model") {
		if m["model"] == "res.partner" {
			model = id
		}
	}
	if _, err := w.erp.UserCreate("ir.model.fields", map[string]any{
		"name": "x_note", "model_id": model, "ttype": "char", "field_description": "Note", "state": "manual"}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) dropNote() {
	w.t.Helper()
	for id, f := range w.erp.All("ir.model.fields") {
		if f["name"] == "x_note" {
			if err := w.erp.UserUnlink("ir.model.fields", id); err != nil {
				w.t.Fatal(err)
			}
			return
		}
	}
	w.t.Fatal("there is no field x_note")
}

func (w *town) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

// pass puts the daemon's clock forward.
func (w *town) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += d
}

// start runs the daemon until the returned function is called.
func (w *town) start() (stop func()) {
	w.t.Helper()
	path := filepath.Join(w.dir, "syncd.yaml")
	if err := os.WriteFile(path, []byte(w.config), 0o600); err != nil {
		w.t.Fatal(err)
	}
	c, err := config.Load(path, config.Options{Kinds: daemon.Kinds(), Transforms: fields.Transforms()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.d, err = daemon.New(w.t.Context(), daemon.Options{Config: c, Now: w.now,
		Logger: slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelInfo}))})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.d.Run(ctx) }()
	w.await("the flows to begin", w.d.Flowing)
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
}

// patience bounds every wait; a machine under load needs some.
const patience = 30 * time.Second

func (w *town) await(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain for %s\n%s", what, w.logs.text())
		}
	}
}

// person makes a contact and waits for its partner.
func (w *town) person(name string) (contact string, partner int64) {
	w.t.Helper()
	contact, err := w.crm.UserCreate("contacts", map[string]string{"firstname": name, "lastname": "Test", "email": name + "@example.com", "city": "Brno", "jobtitle": "clerk"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.await("the partner of "+name, func() bool {
		pairs, err := w.d.Store().Pairs(w.t.Context(), store.PairQuery{SourceSystem: "hubspot", SourceID: contact})
		if err == nil && len(pairs) == 1 && pairs[0].Active {
			_, err = fmt.Sscan(pairs[0].TargetID, &partner)
			return err == nil
		}
		return false
	})
	return contact, partner
}

// settled waits until no write to a contact's pair is open.
func (w *town) settled(contact string) {
	w.t.Helper()
	w.await("the pair of contact "+contact+" to settle", func() bool {
		held, err := w.d.Store().Holders(w.t.Context(), "hubspot", "contacts", []string{contact})
		if err != nil {
			return false
		}
		i, err := w.d.Store().Identity(w.t.Context(), held[contact])
		return err == nil && i != nil && !slices.ContainsFunc(i.Members, func(m store.Member) bool { return m.Intent != nil || m.Base == nil })
	})
}

// partnerHolds waits until a partner's field has a value.
func (w *town) partnerHolds(id int64, field, want string) {
	w.t.Helper()
	w.await(fmt.Sprintf("partner %d to have %s %q", id, field, want), func() bool {
		got, ok := w.erp.Get("res.partner", id)
		return ok && fmt.Sprint(got[field]) == want
	})
}

func (w *town) edit(contact string, props map[string]string) {
	w.t.Helper()
	if err := w.crm.UserEdit("contacts", contact, props); err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) city(contact string) string {
	w.t.Helper()
	r, ok := w.crm.Get("contacts", contact)
	if !ok {
		w.t.Fatalf("contact %s is gone", contact)
	}
	return r["city"]
}

// TestAFieldIsRemovedAndComesBackWhileEditsGoOn (F65, F66): its row waits, no call
// fails for ever, the other rows flow, nothing is blanked; when the field is back,
// what changed meanwhile goes, and what went with it is filled again.
func TestAFieldIsRemovedAndComesBackWhileEditsGoOn(t *testing.T) {
	w := newTown(t)
	stop := w.start()
	defer func() { stop() }()
	ada, adaP := w.person("ada")
	bob, bobP := w.person("bob")
	for _, p := range []int64{adaP, bobP} {
		w.partnerHolds(p, "x_note", "Brno")
	}
	w.settled(bob)

	w.dropNote()
	w.edit(ada, map[string]string{"jobtitle": "boss", "city": "Praha"})
	w.partnerHolds(adaP, "function", "boss") // the system's refusal had it asked at once
	w.await("the row to wait", func() bool { return w.logs.has("event=row.suspended link=contacts row=note system=odoo") })

	stop() // a restart is no other thing: the link has run with the field
	stop = w.start()
	w.edit(bob, map[string]string{"jobtitle": "smith"})
	w.partnerHolds(bobP, "function", "smith")
	if err := w.erp.UserWrite("res.partner", bobP, map[string]any{"function": "baker"}); err != nil {
		t.Fatal(err)
	}
	w.await("the other way to flow", func() bool {
		r, _ := w.crm.Get("contacts", bob)
		return r["jobtitle"] == "baker"
	})
	if got := w.city(ada) + " " + w.city(bob); got != "Praha Brno" {
		t.Errorf("cities are %q: a field that is missing says nothing", got)
	}

	w.addNote()
	for _, p := range []int64{adaP, bobP} { // Odoo drops a field with its values
		if err := w.erp.UserWrite("res.partner", p, map[string]any{"x_note": false}); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(2 * time.Minute) // the next look
	w.partnerHolds(adaP, "x_note", "Praha")
	w.edit(bob, map[string]string{"jobtitle": "poet"})
	w.partnerHolds(bobP, "x_note", "Brno")
	if got := w.city(ada) + " " + w.city(bob); got != "Praha Brno" {
		t.Errorf("cities are %q: nobody cleared them", got)
	}
	w.edit(bob, map[string]string{"city": "Plzen"})
	w.partnerHolds(bobP, "x_note", "Plzen")
}

// TestAnEditOfTheOtherSideIsNotForgottenWhileAFieldIsGone: it is the other side's
// record that has to be looked at when the field is back.
func TestAnEditOfTheOtherSideIsNotForgottenWhileAFieldIsGone(t *testing.T) {
	w := newTown(t)
	w.config = strings.Replace(w.config, "hubspot: city, odoo: x_note", "hubspot: note_x, odoo: x_note", 1)
	property := func() {
		t.Helper()
		if err := w.crm.UserProperty("contacts", "note_x", "string", false); err != nil {
			t.Fatal(err)
		}
	}
	property()
	stop := w.start()
	defer stop()
	ada, adaP := w.person("ada")
	w.edit(ada, map[string]string{"note_x": "one"})
	w.partnerHolds(adaP, "x_note", "one")
	w.settled(ada)

	if err := w.crm.UserPropertyArchive("contacts", "note_x"); err != nil {
		t.Fatal(err)
	}
	if err := w.erp.UserWrite("res.partner", adaP, map[string]any{"x_note": "two", "function": "boss"}); err != nil {
		t.Fatal(err)
	}
	w.await("the row to wait", func() bool { return w.logs.has("event=row.suspended link=contacts row=note system=hubspot") })
	w.await("the other row to flow", func() bool {
		r, _ := w.crm.Get("contacts", ada)
		return r["jobtitle"] == "boss"
	})
	property()
	w.pass(2 * time.Minute)
	w.await("the edit to arrive", func() bool {
		r, _ := w.crm.Get("contacts", ada)
		return r["note_x"] == "two"
	})
	if p, _ := w.erp.Get("res.partner", adaP); p["x_note"] != "two" {
		t.Errorf("the partner has %v", p["x_note"])
	}
}

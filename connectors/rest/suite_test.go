package rest_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"syncd/config"
	"syncd/connectors"
	"syncd/connectors/connectortest"
	"syncd/connectors/rest"
	"syncd/connectors/wire"
	"syncd/daemon"
	"syncd/simulator"
	"syncd/simulator/shopsim"
)

// Credentials of the pretend systems.
const (
	simToken  = "token-of-the-tests"
	simSecret = "webhook-secret-of-the-tests"
)

// settings gives a shipped profile with the operator's keys over it.
func settings(t testing.TB, profile, base, token, more string) rest.Settings {
	t.Helper()
	text := "profile: " + profile + "\nbase_url: " + base + "\nauth: {token: {env: TOKEN}}\nwebhook: {secrets: [{env: SECRET}]}\n" + more
	s, err := decoded(text, map[string]string{"TOKEN": token, "SECRET": simSecret})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// decoded reads a system's keys as the daemon does.
func decoded(text string, env map[string]string) (rest.Settings, error) {
	doc := "install_key: {env: KEY}\nsystems:\n  sys:\n    kind: rest\n" + indented(text) +
		"links: [{name: one, members: [{system: sys, object: x}, {system: sys, object: y}], fields: [{sys: a}]}]\n"
	var got *daemon.RestSettings
	_, err := config.Parse("syncd.yaml", []byte(doc), config.Options{
		Kinds: map[string]func() any{"rest": func() any { got = new(daemon.RestSettings); return got }},
		Env: func(name string) (string, bool) {
			if v, ok := env[name]; ok {
				return v, true
			}
			return "0123456789abcdef0123456789abcdef", name == "KEY"
		},
		ReadFile: os.ReadFile,
	})
	return got.Settings, onlySystem(err)
}

// client connects to a pretend system.
func client(t testing.TB, s rest.Settings) *rest.Client {
	t.Helper()
	c, err := rest.New(rest.Config{System: "sys", Settings: s}, wire.NewClient(&http.Transport{}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// simulated starts a pretend system.
func simulated(t testing.TB, o shopsim.Options) (*shopsim.Sim, *httptest.Server) {
	t.Helper()
	o.Token, o.WebhookSecret = simToken, simSecret
	sim := shopsim.New(o)
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(srv.Close)
	t.Cleanup(sim.Close)
	return sim, srv
}

// TestConformance runs the contract's laws over every shipped profile.
func TestConformance(t *testing.T) {
	unique := "objects: {customers: {create: {class: unique, idempotency: {header: '', window: 0s}}}}\n"
	for _, c := range []struct {
		name, profile, api string
		o                  shopsim.Options
		more               string
		features           connectortest.Features
	}{
		{"shop", "shop", shopsim.Shop, shopsim.Options{}, "", connectortest.Features{AnswersRecord: true, TokenVisible: true}},
		{"shop/unique", "shop", shopsim.Shop, shopsim.Options{UniqueRef: true}, unique, connectortest.Features{Unique: true, AnswersRecord: true, TokenVisible: true}},
		{"plain", "plain", shopsim.Plain, shopsim.Options{}, "", connectortest.Features{AnswersRecord: true, TokenVisible: true}},
		{"plain/unique", "plain", shopsim.Plain, shopsim.Options{UniqueRef: true}, "objects: {customers: {create: {class: unique}}}\n", connectortest.Features{Unique: true, AnswersRecord: true, TokenVisible: true}},
		{"espocrm", "espocrm", shopsim.Espo, shopsim.Options{}, "", connectortest.Features{AnswersRecord: true, TokenVisible: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := &connectortest.Clock{}
			c.o.API, c.o.Now = c.api, clock.Now
			sim, srv := simulated(t, c.o)
			connectortest.Run(t, harness(sim, srv, clock, c.profile, c.more, c.features))
		})
	}
}

// shapes are the fields that the suite works with.
var shapes = map[string]struct {
	object, text, text2, key, token, nobody, base string
	bad                                           map[string]string
}{
	"shop":    {"customers", "name", "phone", "email", "syncd_ref", "cus_99999999", "", map[string]string{"email": "no address"}},
	"plain":   {"customers", "name", "phone", "email", "syncd_ref", "99999999", "", map[string]string{"email": "no address"}},
	"espocrm": {"Account", "name", "description", "emailAddress", "cSyncdRef", "ffffffffffffffff0", "/api/v1", map[string]string{"emailAddress": "no address"}},
}

func harness(sim *shopsim.Sim, srv *httptest.Server, clock *connectortest.Clock, profile, more string, features connectortest.Features) connectortest.Harness {
	f := shapes[profile]
	connect := func(base, token string) func(t *testing.T) connectors.Connector {
		return func(t *testing.T) connectors.Connector {
			return client(t, settings(t, profile, base+f.base, token, more))
		}
	}
	fault := func(ops []string, x simulator.Fault) {
		for _, op := range ops {
			x.Op = op
			sim.Faults().Add(x)
		}
	}
	object := f.object
	return connectortest.Harness{
		Connect: connect(srv.URL, simToken), ConnectDead: connect(srv.URL, "token-that-is-dead"), ConnectNowhere: connect("http://127.0.0.1:1", simToken),
		Object: object, Text: f.text, Text2: f.text2, Key: f.key, Token: f.token,
		Nobody: f.nobody, Bad: f.bad, NoSuch: "ct_no_such_field",
		UserCreate: func(v map[string]string) string {
			id, err := sim.UserCreate(object, v)
			if err != nil {
				panic(err)
			}
			return id
		},
		UserEdit: func(id string, v map[string]string) {
			if err := sim.UserEdit(object, id, v); err != nil {
				panic(err)
			}
		},
		Births: func() []string { return sim.Truth().Births(object) },
		Value: func(id, field string) string {
			v, _ := sim.Get(object, id)
			return v[field]
		},
		DropAfterWrite: func() {
			fault([]string{"create", "create_batch", "update", "archive", "delete", "restore"}, simulator.Fault{Effect: simulator.DropAfter, Times: 1})
		},
		RefuseNext: func(status int) {
			fault([]string{"create", "create_batch"}, simulator.Fault{Effect: simulator.RefuseStatus, Status: status, Times: 1})
		},
		Throttle: func() {
			fault([]string{""}, simulator.Fault{Effect: simulator.RefuseStatus, Status: http.StatusTooManyRequests})
		},
		Clear:    sim.Faults().Clear,
		Freeze:   clock.Freeze,
		Features: features,
	}
}

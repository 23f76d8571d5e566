package hubspot

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"syncd/connectors"
	"syncd/connectors/connectortest"
	"syncd/connectors/wire"
	"syncd/simulator"
	"syncd/simulator/hubspotsim"
)

// Credentials of the pretend vendor.
const (
	simToken  = "pat-test"
	simApp    = "54321"
	simPortal = "62515"
)

// simulated starts a pretend vendor without limits.
func simulated(t *testing.T, o hubspotsim.Options) (*hubspotsim.Sim, *httptest.Server) {
	t.Helper()
	o.Token, o.PerTenSeconds, o.SearchPerSecond = simToken, -1, -1
	sim := hubspotsim.New(o)
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(srv.Close)
	t.Cleanup(sim.Close)
	return sim, srv
}

// client connects to a base URL.
func client(t *testing.T, base, token string, change func(*Config)) *Client {
	t.Helper()
	c := Config{System: "crm", BaseURL: base, Token: func() string { return token }, AppID: simApp}
	if change != nil {
		change(&c)
	}
	got, err := New(c, wire.NewClient(&http.Transport{}))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestConformance runs the contract's laws in both versions of the API.
func TestConformance(t *testing.T) {
	for _, version := range []string{VersionV3, Version2026} {
		for _, object := range []string{"contacts", "companies", "products"} {
			t.Run(version+"/"+object, func(t *testing.T) {
				clock := &connectortest.Clock{}
				sim, srv := simulated(t, hubspotsim.Options{APIVersion: version, Now: clock.Now})
				connectortest.Run(t, harness(sim, srv, clock, version, object))
			})
		}
	}
}

// objectFields are the fields that the suite works with.
var objectFields = map[string]struct {
	text, text2, key string
	bad              map[string]string
}{
	"contacts":  {"lastname", "phone", "email", map[string]string{"email": "no address"}},
	"companies": {"name", "phone", "domain", map[string]string{"numberofemployees": "many"}},
	"products":  {"name", "description", "hs_sku", map[string]string{"price": "cheap"}},
}

func harness(sim *hubspotsim.Sim, srv *httptest.Server, clock *connectortest.Clock, version, object string) connectortest.Harness {
	fault := func(op string, f simulator.Fault) {
		f.Op = op
		sim.Faults().Add(f)
	}
	connect := func(base, token string) func(t *testing.T) connectors.Connector {
		return func(t *testing.T) connectors.Connector {
			return client(t, base, token, func(c *Config) { c.APIVersion = version })
		}
	}
	f := objectFields[object]
	pointer := ""
	if object == "contacts" {
		pointer = pointerField
	}
	return connectortest.Harness{
		Pointer: pointer,
		Target: func() string {
			id, err := sim.UserCreate("companies", map[string]string{"name": "Target"})
			if err != nil {
				panic(err)
			}
			return id
		},
		Connect:        connect(srv.URL, simToken),
		ConnectDead:    connect(srv.URL, "pat-dead"),
		ConnectNowhere: connect("http://127.0.0.1:1", simToken),
		Object:         object, Text: f.text, Text2: f.text2, Key: f.key, Token: DefaultTokenField,
		Nobody: "99999999999", Bad: f.bad, NoSuch: "ct_no_such_field",
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
			fault("batch_create", simulator.Fault{Effect: simulator.DropAfter, Times: 1})
			fault("batch_update", simulator.Fault{Effect: simulator.DropAfter, Times: 1})
			fault("batch_archive", simulator.Fault{Effect: simulator.DropAfter, Times: 1})
		},
		RefuseNext: func(status int) {
			fault("batch_create", simulator.Fault{Effect: simulator.RefuseStatus, Status: status, Times: 1})
		},
		Throttle: func() {
			fault("", simulator.Fault{Effect: simulator.RefuseStatus, Status: http.StatusTooManyRequests})
		},
		Clear:  sim.Faults().Clear,
		Freeze: clock.Freeze,
		Features: connectortest.Features{
			Unique: object != "products", AnswersRecord: true, TokenVisible: true,
		},
	}
}

package odoo

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/connectortest"
	"syncd/simulator"
	"syncd/simulator/odoosim"
)

// takenBarcode is one that a product has before the suite begins.
const takenBarcode = "4006381333931"

// suiteFields are the fields that the suite works with. A product's bad value
// stands in a column that every write has, so that one load() carries the bad
// row and the good ones; a partner's makes a call of its own.
var suiteFields = map[string]struct {
	text, text2, key string
	bad              map[string]string
}{
	object:            {"name", "phone", "email", map[string]string{"type": "bogus"}},
	"product.product": {"name", "default_code", "barcode", map[string]string{"barcode": takenBarcode}},
}

// slowCommit is long enough for calls at the same time to meet in one row.
const slowCommit = 2 * time.Millisecond

// TestConformance runs the contract's laws by both protocols, with commits
// that nobody sees and with slow ones, where load() loses races.
func TestConformance(t *testing.T) {
	for name := range suiteFields {
		for how, o := range map[string]odoosim.Options{
			"quick": {}, "slow": {Deliver: func(simulator.Post) {}, CommitDelay: slowCommit},
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				clock := &connectortest.Clock{}
				o.Now = clock.Now
				both(t, o, func(t *testing.T, sim *odoosim.Sim, _ *Client) {
					if _, err := sim.UserCreate("product.product", map[string]any{"name": "Taken", "barcode": takenBarcode}); err != nil {
						t.Fatal(err)
					}
					connectortest.Run(t, harness(t, sim, clock, name))
				})
			})
		}
	}
}

func harness(t *testing.T, sim *odoosim.Sim, clock *connectortest.Clock, object string) connectortest.Harness {
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(srv.Close)
	connect := func(url, key string) func(t *testing.T) connectors.Connector {
		return func(t *testing.T) connectors.Connector {
			c, _ := dialURL(t, url, key)
			return c
		}
	}
	f := suiteFields[object]
	pointer := ""
	if object == "res.partner" {
		pointer = "parent_id"
	}
	return connectortest.Harness{
		Pointer: pointer,
		Target: func() string {
			id, err := sim.UserCreate("res.partner", map[string]any{"name": "Target", "is_company": true})
			if err != nil {
				panic(err)
			}
			return idText(id)
		},
		Connect:        connect(srv.URL, simKey),
		ConnectDead:    connect(srv.URL, "dead-key"),
		ConnectNowhere: func(t *testing.T) connectors.Connector { return deserted(t, sim) },
		Object:         object, Text: f.text, Text2: f.text2, Key: f.key, Token: DefaultTokenField,
		Nobody: "999999", Bad: f.bad, NoSuch: "x_ct_no_such_field",
		UserCreate: func(v map[string]string) string {
			id, err := sim.UserCreate(object, anyValues(v))
			if err != nil {
				panic(err)
			}
			return idText(id)
		},
		UserEdit: func(id string, v map[string]string) {
			if err := sim.UserWrite(object, number(t, id), anyValues(v)); err != nil {
				panic(err)
			}
		},
		Births: func() []string { return sim.Truth().Births(object) },
		Value: func(id, field string) string {
			rec, _ := sim.Get(object, number(t, id))
			text, stored := rec[field].(string) // false is nothing
			if stored && text == "" {
				return storedEmpty
			}
			return text
		},
		DropAfterWrite: func() {
			for _, op := range []string{"load", "write", "unlink"} {
				sim.Faults().Add(simulator.Fault{Op: op, Effect: simulator.DropAfter, Times: 1})
			}
		},
		RefuseNext: func(status int) {
			sim.Faults().Add(simulator.Fault{Op: "load", Effect: simulator.RefuseStatus, Status: status, Times: 1})
		},
		Throttle: func() {
			sim.Faults().Add(simulator.Fault{Effect: simulator.RefuseStatus, Status: http.StatusTooManyRequests})
		},
		Clear:  sim.Faults().Clear,
		Freeze: clock.Freeze,
		Features: connectortest.Features{
			Unique: true, TokenVisible: true, WriteAtomic: true, // load() is all or nothing
		},
	}
}

// storedEmpty stands for an empty text, which Odoo tells from nothing
// (vendors/odoo.md 4).
const storedEmpty = "an empty text"

// deserted gives a client that knows server, user and schemas already, and
// whose server is gone: the write itself is what cannot be dialled.
func deserted(t *testing.T, sim *odoosim.Sim) *Client {
	srv := httptest.NewServer(sim.Handler())
	c, _ := dialURL(t, srv.URL, simKey)
	ready(t, c)
	c.hc.CloseIdleConnections()
	srv.Close()
	return c
}

func anyValues(v map[string]string) map[string]any {
	out := make(map[string]any, len(v))
	for name, text := range v {
		out[name] = text
	}
	return out
}

package odoo

import (
	"context"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/simulator/odoosim"
)

// A load() that lost a race may have lost it to a late twin of itself. Sent
// again unseen it would write over what a person made of the twin's record
// meanwhile (CORRECTNESS 3.5).
func TestLoadThatMetATwinIsNotRepeated(t *testing.T) {
	both(t, odoosim.Options{}, func(t *testing.T, sim *odoosim.Sim, c *Client) {
		ready(t, c)
		sim.ConflictNextLoads(1)
		var twin connectors.Result
		c.c.Pause = func(context.Context, time.Duration) {
			c.c.Pause = func(context.Context, time.Duration) {}
			twin = c.Write(t.Context(), object, connectors.Create, creates("Ann"))[0]
			if err := sim.UserWrite(object, number(t, twin.RecordID), map[string]any{"name": "Anna"}); err != nil {
				t.Fatal(err)
			}
		}
		got := c.Write(t.Context(), object, connectors.Create, creates("Ann"))[0]
		if got.Outcome != connectors.Exists || got.RecordID != twin.RecordID {
			t.Errorf("%+v; want the record %s of the twin", got, twin.RecordID)
		}
		if r, _ := sim.Get(object, number(t, twin.RecordID)); r["name"] != "Anna" {
			t.Errorf("name %v; want what the person wrote", r["name"])
		}
	})
}

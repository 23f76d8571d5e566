package odoo

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/simulator"
	"syncd/simulator/odoosim"
)

// both runs a test against an Odoo that speaks JSON-RPC and one that speaks JSON-2.
func both(t *testing.T, o odoosim.Options, test func(t *testing.T, sim *odoosim.Sim, c *Client)) {
	for _, major := range []int{17, 19} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			o := o
			o.Major = major
			sim := odoosim.New(o)
			c, _ := dial(t, sim.Handler())
			test(t, sim, c)
		})
	}
}

// ready makes the token field, as syncd does before anything else.
func ready(t *testing.T, c *Client) connectors.System {
	t.Helper()
	for _, model := range []string{object, "product.product"} {
		if err := c.Setup(t.Context(), []connectors.CustomField{{Object: model, Name: DefaultTokenField, Label: "syncd"}}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Probe(t.Context(), []string{object, "product.product", "res.nosuch"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSimProbeAndSetup(t *testing.T) {
	both(t, odoosim.Options{}, func(t *testing.T, _ *odoosim.Sim, c *Client) {
		first := ready(t, c)
		again := ready(t, c)
		if first.Tenant == "" || first.Tenant != again.Tenant || first.Actor != "7" {
			t.Errorf("%+v", first)
		}
		if len(first.Objects) != 2 || !first.Objects[object].TokenVisible || first.Objects["product.product"].Fields == nil {
			t.Errorf("objects %v", first.Objects)
		}
		if f := first.Objects[object].Fields; f["country_id"].Target != "res.country" || f["name"].Type != connectors.TypeText || !f["write_date"].ReadOnly {
			t.Errorf("%+v", f)
		}
	})
}

func TestSimRoundTrip(t *testing.T) {
	both(t, odoosim.Options{}, func(t *testing.T, sim *odoosim.Sim, c *Client) {
		ready(t, c)
		values := map[string]string{
			"name": "Acme GmbH", "email": "a@acme.example", "is_company": "true", "country_id": "57", "type": "contact", "active": "true",
		}
		fields := []string{"name", "email", "is_company", "country_id", "type", "active", "phone", DefaultTokenField}
		made := c.Write(t.Context(), object, connectors.Create, []connectors.Write{
			{Key: "ka", Token: "tok_a", Values: values},
			{Key: "kb", Token: "tok_b", Values: map[string]string{"name": "Ann", "phone": "+49 30 1", "email": ""}},
		})
		if made[0].Outcome != connectors.Applied || made[1].Outcome != connectors.Applied {
			t.Fatalf("%v %v", made[0].Err, made[1].Err)
		}
		seen, err := c.Read(t.Context(), object, []string{made[0].RecordID}, fields)
		if err != nil || seen[0].Sight != connectors.SightFound {
			t.Fatalf("%+v, %v", seen, err)
		}
		for k, want := range values {
			if got := seen[0].Record.Values[k]; got != want {
				t.Errorf("%s = %q, want %q", k, got, want)
			}
		}
		if r := seen[0].Record; !r.Ours || r.Values[DefaultTokenField] != "tok_a" || r.Version == "" || r.Born.IsZero() {
			t.Errorf("%+v", r)
		}
		if x, _ := sim.XMLID(object, number(t, made[0].RecordID)); x != "syncd.tok_a" {
			t.Errorf("external id %q", x)
		}
		clear := c.Write(t.Context(), object, connectors.Update, []connectors.Write{
			{Key: "1", RecordID: made[0].RecordID, Values: map[string]string{"email": "", "country_id": ""}},
			{Key: "2", RecordID: made[1].RecordID, Values: map[string]string{"email": "ann@x.example", "country_id": "75"}},
		})
		if clear[0].Outcome != connectors.Applied || clear[1].Outcome != connectors.Applied {
			t.Fatalf("%v %v", clear[0].Err, clear[1].Err)
		}
		seen, _ = c.Read(t.Context(), object, []string{made[0].RecordID, made[1].RecordID}, fields)
		if a, b := seen[0].Record.Values, seen[1].Record.Values; a["email"] != "" || a["country_id"] != "" || b["email"] != "ann@x.example" || b["country_id"] != "75" {
			t.Errorf("%v\n%v", a, b)
		}
	})
}

func number(t *testing.T, id string) int64 {
	t.Helper()
	n, ok := parseID(id)
	if !ok {
		t.Fatalf("id %q", id)
	}
	return n
}

func TestSimConflicts(t *testing.T) {
	both(t, odoosim.Options{}, func(t *testing.T, sim *odoosim.Sim, c *Client) {
		ready(t, c)
		sim.ConflictNextLoads(2)
		if got := c.Write(t.Context(), object, connectors.Create, creates("Ann")); got[0].Outcome != connectors.Applied {
			t.Errorf("%+v", got[0].Err)
		}
		sim.ConflictNextLoads(3)
		got := c.Write(t.Context(), object, connectors.Create, []connectors.Write{{Key: "k", Token: "late", Values: map[string]string{"name": "Late"}}})
		if got[0].Outcome != connectors.NotApplied || got[0].Err.Kind != connectors.KindTransient || !got[0].Err.WholeCall {
			t.Errorf("%+v", got[0])
		}
		if n := len(sim.Truth().Births(object)); n != 1 {
			t.Errorf("%d births", n)
		}
	})
}

func TestSimBadRows(t *testing.T) {
	both(t, odoosim.Options{}, func(t *testing.T, sim *odoosim.Sim, c *Client) {
		ready(t, c)
		nameless := []connectors.Write{{Key: "k", Token: "nameless", Values: map[string]string{"email": "x@x.example"}}}
		if got := outcomes(c.Write(t.Context(), object, connectors.Create, nameless)); got != "not_applied invalid" {
			t.Error(got)
		}
		dangling := []connectors.Write{{Key: "k", Token: "dangling", Values: map[string]string{"name": "D", "parent_id": "999999"}}}
		if got := outcomes(c.Write(t.Context(), object, connectors.Create, dangling)); got != "not_applied invalid" {
			t.Error(got)
		}
		if n := len(sim.Truth().Births(object)); n != 0 {
			t.Errorf("%d births", n)
		}
	})
}

// Whatever cuts an answer, what was applied is never called not applied.
func TestSimFaults(t *testing.T) {
	for _, x := range []struct {
		effect simulator.Effect
		status int
		want   connectors.Outcome
		births int
	}{
		{simulator.CutAnswer, 0, connectors.Unknown, 1},
		{simulator.Garbage, 0, connectors.Unknown, 1},
		{simulator.ApplyStatus, 502, connectors.Unknown, 1},
		{simulator.DropBefore, 0, connectors.Unknown, 0},
	} {
		t.Run(fmt.Sprint(x.effect, x.status), func(t *testing.T) {
			both(t, odoosim.Options{}, func(t *testing.T, sim *odoosim.Sim, c *Client) {
				ready(t, c)
				sim.Faults().Add(simulator.Fault{Op: "load", Effect: x.effect, Status: x.status, Times: 1})
				got := c.Write(t.Context(), object, connectors.Create, creates("Ann"))
				if got[0].Outcome != x.want || len(sim.Truth().Births(object)) != x.births {
					t.Errorf("%+v, births %v", got[0], sim.Truth().Births(object))
				}
				loads := 0
				for _, call := range sim.Truth().Calls() {
					if call.Op == "load" {
						loads++
					}
				}
				if loads != 1 {
					t.Errorf("%d loads on the wire", loads)
				}
			})
		})
	}
}

func TestSimUpdateOfTheGone(t *testing.T) {
	both(t, odoosim.Options{}, func(t *testing.T, sim *odoosim.Sim, c *Client) {
		ready(t, c)
		made := c.Write(t.Context(), object, connectors.Create, creates("Ann", "Ben"))
		if err := sim.UserUnlink(object, number(t, made[1].RecordID)); err != nil {
			t.Fatal(err)
		}
		for _, names := range [][]string{{"same", "same"}, {"one", "other"}} {
			var writes []connectors.Write
			for i, n := range names {
				writes = append(writes, connectors.Write{Key: made[i].Key, RecordID: made[i].RecordID, Values: map[string]string{"name": n}})
			}
			if got := outcomes(c.Write(t.Context(), object, connectors.Update, writes)); got != "not_applied transient whole, not_applied gone" {
				t.Errorf("%v: %s", names, got)
			}
		}
		at, err := c.Locate(t.Context(), object, made[1].RecordID, "t1")
		if err != nil || at.Place != connectors.PlaceDeleted {
			t.Errorf("%+v, %v", at, err)
		}
	})
}

func TestSimMergeArchiveAndRights(t *testing.T) {
	both(t, odoosim.Options{}, func(t *testing.T, sim *odoosim.Sim, c *Client) {
		ready(t, c)
		made := c.Write(t.Context(), object, connectors.Create, creates("Ann", "Ann Lee", "Cid"))
		if err := sim.UserMerge(number(t, made[0].RecordID), number(t, made[1].RecordID)); err != nil {
			t.Fatal(err)
		}
		if err := sim.UserWrite(object, number(t, made[2].RecordID), map[string]any{"active": false}); err != nil {
			t.Fatal(err)
		}
		at, err := c.Locate(t.Context(), object, made[1].RecordID, "t1")
		if err != nil || at != (connectors.Location{Place: connectors.PlaceMerged, ID: made[0].RecordID}) {
			t.Errorf("%+v, %v", at, err)
		}
		if at, err := c.Locate(t.Context(), object, made[2].RecordID, "t2"); err != nil || at.Place != connectors.PlaceArchived {
			t.Errorf("%+v, %v", at, err)
		}
		found, err := c.Find(t.Context(), object, connectors.Lookup{Field: DefaultTokenField, Values: []string{"t1", "t2"}}, nil)
		if err != nil || len(found) != 2 || found[0].ID != made[0].RecordID || found[0].Values[DefaultTokenField] != "t1" || !found[1].Archived || found[1].Ours {
			t.Errorf("%+v, %v", found, err)
		}
		sim.Forbid(externalIDs, odoosim.OpRead)
		if found, err := c.Find(t.Context(), object, connectors.Lookup{Field: DefaultTokenField, Values: []string{"t2"}}, nil); err != nil || len(found) != 1 {
			t.Errorf("%+v, %v", found, err)
		}
		sim.Forbid(object, odoosim.OpWrite, odoosim.OpCreate)
		if got := outcomes(c.Write(t.Context(), object, connectors.Update, updates("x"))); got != "not_applied forbidden whole" {
			t.Error(got)
		}
		sim.Forbid(object, odoosim.OpRead)
		if at, err := c.Locate(t.Context(), object, made[0].RecordID, "t0"); err != nil || at.Place != connectors.PlaceDenied {
			t.Errorf("%+v, %v", at, err)
		}
	})
}

// A listing gives all that was written in few seconds, page by page.
func TestSimList(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	now := at
	both(t, odoosim.Options{Now: func() time.Time { return now }}, func(t *testing.T, sim *odoosim.Sim, c *Client) {
		ready(t, c)
		var want []string
		for i := range 25 {
			now = at.Add(time.Duration(i/10)*time.Second + time.Duration(i)*10*time.Millisecond)
			id, err := sim.UserCreate(object, map[string]any{"name": fmt.Sprint("P", i), "active": i%7 != 0})
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, idText(id))
		}
		for _, since := range []time.Time{at, {}} {
			for _, limit := range []int{0, 1, 3, 10, 25} {
				var got []string
				q := connectors.Query{Since: since, Limit: limit}
				for pages := 0; pages == 0 || q.Cursor != ""; pages++ {
					p, err := c.List(t.Context(), object, q)
					if err != nil || pages > 60 {
						t.Fatal(pages, err)
					}
					for _, r := range p.Records {
						got = append(got, r.ID)
					}
					q.Cursor = p.Next
				}
				if !slices.Equal(got, want) {
					t.Errorf("since %v, limit %d: %v, want %v", since, limit, got, want)
				}
			}
		}
	})
}

// What the simulator posts is what the receiver understands.
func TestSimWebhooks(t *testing.T) {
	posts := make(chan simulator.Post, 10)
	sim := odoosim.New(odoosim.Options{WebhookURL: "http://x", Deliver: func(p simulator.Post) { posts <- p }})
	id, err := sim.UserCreate(object, map[string]any{"name": "Hook GmbH"})
	if err != nil {
		t.Fatal(err)
	}
	sim.Outbox().Wait(time.Second)
	p := <-posts
	d := connectors.Delivery{Method: "POST", URL: p.URL, Path: p.URL[len("http://x"):], Header: p.Header, Body: p.Body}
	r := receiver(t)
	if err := r.Verify(d, time.Time{}); err != nil {
		t.Fatal(err)
	}
	e, err := r.Parse(d)
	if err != nil || len(e.Hints) != 1 || e.Hints[0].RecordID != idText(id) || e.Hints[0].What != "save" {
		t.Errorf("%+v, %v", e, err)
	}
}

// Tags are ids with commas between them: at birth, by write() and by load(), and
// emptied.
func TestSimWritesTags(t *testing.T) {
	both(t, odoosim.Options{}, func(t *testing.T, sim *odoosim.Sim, c *Client) {
		ready(t, c)
		var tags []string
		for _, name := range []string{"vip", "press"} {
			id, err := sim.UserCreate("res.partner.category", map[string]any{"name": name})
			if err != nil {
				t.Fatal(err)
			}
			tags = append(tags, strconv.FormatInt(id, 10))
		}
		all := tags[0] + "," + tags[1]
		made := c.Write(t.Context(), object, connectors.Create, []connectors.Write{
			{Key: "ka", Token: "tok_a", Values: map[string]string{"name": "Ann", "category_id": all}},
			{Key: "kb", Token: "tok_b", Values: map[string]string{"name": "Bob", "category_id": tags[1]}},
		})
		if made[0].Outcome != connectors.Applied || made[1].Outcome != connectors.Applied {
			t.Fatalf("%v %v", made[0].Err, made[1].Err)
		}
		a, b := made[0].RecordID, made[1].RecordID
		holds := func(want ...string) {
			t.Helper()
			seen, err := c.Read(t.Context(), object, []string{a, b}, []string{"category_id"})
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range want {
				if got := seen[i].Record.Values["category_id"]; got != w {
					t.Errorf("record %d holds %q, want %q", i, got, w)
				}
			}
		}
		holds(all, tags[1])
		for _, want := range [][]string{{tags[0], tags[0]}, {all, tags[1]}, {"", ""}, {tags[1], all}} {
			for _, r := range c.Write(t.Context(), object, connectors.Update, []connectors.Write{
				{RecordID: a, Values: map[string]string{"category_id": want[0]}}, {RecordID: b, Values: map[string]string{"category_id": want[1]}},
			}) {
				if r.Outcome != connectors.Applied {
					t.Fatalf("%v: %v", want, r.Err)
				}
			}
			holds(want...)
		}
	})
}

package hubspot

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/connectors/connectortest"
	"syncd/simulator"
	"syncd/simulator/hubspotsim"
)

// ready gives a probed and set up client of a pretend vendor.
func ready(t *testing.T, o hubspotsim.Options, objects ...string) (*hubspotsim.Sim, *Client) {
	t.Helper()
	sim, srv := simulated(t, o)
	c := client(t, srv.URL, simToken, func(c *Config) { c.APIVersion = VersionV3 })
	if _, err := c.Probe(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if err := c.Setup(t.Context(), []connectors.CustomField{{Object: object, Name: DefaultTokenField, Unique: true}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Probe(t.Context(), objects); err != nil {
		t.Fatal(err)
	}
	return sim, c
}

// person makes a contact by hand.
func person(t *testing.T, sim *hubspotsim.Sim, n int) string {
	t.Helper()
	id, err := sim.UserCreate("contacts", map[string]string{
		"email": fmt.Sprintf("p%d@example.com", n), "lastname": fmt.Sprintf("Name %d", n),
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// sights gives sightings as "asked sight id" lines.
func sights(ss []connectors.Sighting) string {
	var out []string
	for _, s := range ss {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", s.Asked, s.Sight, s.Record.ID)))
	}
	return strings.Join(out, ", ")
}

// TestReadAfterMergeAndArchive is section 9: a merged id gives the survivor,
// an archived one its record, and an odd id is never sent.
func TestReadAfterMergeAndArchive(t *testing.T) {
	for _, newID := range []bool{false, true} {
		sim, c := ready(t, hubspotsim.Options{NewIDOnMerge: newID}, "contacts")
		a, b, gone, plain := person(t, sim, 1), person(t, sim, 2), person(t, sim, 3), person(t, sim, 4)
		kept, err := sim.UserMerge("contacts", a, b)
		if err != nil {
			t.Fatal(err)
		}
		if err := sim.UserArchive("contacts", gone); err != nil {
			t.Fatal(err)
		}
		got, err := c.Read(t.Context(), "contacts", []string{plain, b, gone, "../" + a, "424242", plain}, []string{"lastname"})
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%s found %s, %s found %s, %s archived %s, ../%s missing, 424242 missing, %s found %s",
			plain, plain, b, kept, gone, gone, a, plain, plain)
		if sights(got) != want {
			t.Errorf("new id %v:\ngot  %s\nwant %s", newID, sights(got), want)
		}
		both, err := c.Read(t.Context(), "contacts", []string{b, kept}, nil)
		if want := fmt.Sprintf("%s found %s, %s found %s", b, kept, kept, kept); err != nil || sights(both) != want {
			t.Errorf("old and new id together: %s, %v; want %s", sights(both), err, want)
		}
		if !slices.Contains(got[1].Record.Merged, b) {
			t.Errorf("merged: %v", got[1].Record.Merged)
		}
		for id, want := range map[string]connectors.Location{
			b: {Place: connectors.PlaceMerged, ID: kept}, gone: {Place: connectors.PlaceArchived},
			plain: {Place: connectors.PlaceHere}, "424242": {Place: connectors.PlaceUnknown},
		} {
			if got, err := c.Locate(t.Context(), "contacts", id, ""); err != nil || got != want {
				t.Errorf("locate %s: %+v, %v; want %+v", id, got, err, want)
			}
		}
	}
}

// TestReadAsksOneByOneForAStranger is trap R1: a record in the answer that was
// not asked for makes the missing ids be read singly.
func TestReadAsksOneByOneForAStranger(t *testing.T) {
	var calls []string
	c := canned(t, 200, "")
	c.hc.Transport = tripper(func(r *http.Request) (*http.Response, error) {
		calls = append(calls, r.Method+" "+r.URL.Path)
		body := `{"results":[{"id":"9"},{"id":"2"}]}`
		if r.Method == http.MethodGet {
			body = `{"id":"9","updatedAt":"2026-11-20T10:00:00Z"}`
		}
		return canned(t, 200, body).hc.Transport.RoundTrip(r)
	})
	got, err := c.Read(t.Context(), "contacts", []string{"1", "2"}, nil)
	if err != nil || sights(got) != "1 found 9, 2 found 2" {
		t.Errorf("%s, %v", sights(got), err)
	}
	if len(calls) != 2 {
		t.Errorf("calls: %v", calls)
	}
}

// TestReadAsksForKnownFieldsOnly: an unknown name would fail the whole call
// (trap R2); what is known and empty is "", what is unknown is absent.
func TestReadAsksForKnownFieldsOnly(t *testing.T) {
	sim, c := ready(t, hubspotsim.Options{}, "contacts")
	id := person(t, sim, 1)
	got, err := c.Read(t.Context(), "contacts", []string{id}, []string{"lastname", "phone", "no_such"})
	if err != nil {
		t.Fatal(err)
	}
	v := got[0].Record.Values
	if _, shown := v["no_such"]; shown || v["lastname"] != "Name 1" || len(v) != 2 {
		t.Errorf("values %v", v)
	}
}

// TestFindSeesArchivedAndOddCase: look-ups by a unique property have no lag,
// see the bin, and two spellings of one value do not fail the call.
func TestFindSeesArchivedAndOddCase(t *testing.T) {
	sim, c := ready(t, hubspotsim.Options{SearchLag: time.Hour}, "contacts")
	a, b := person(t, sim, 1), person(t, sim, 2)
	if err := sim.UserArchive("contacts", b); err != nil {
		t.Fatal(err)
	}
	got, err := c.Find(t.Context(), "contacts", connectors.Lookup{Field: "email",
		Values: []string{"P1@example.com", "p1@EXAMPLE.com", "p2@example.com", ""}}, []string{"lastname"})
	if err != nil || len(got) != 2 || got[0].ID != a || got[1].ID != b || !got[1].Archived {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = c.Find(t.Context(), "contacts", connectors.Lookup{Field: "hs_object_id", Values: []string{a, "x"}}, nil)
	if err != nil || len(got) != 1 || got[0].ID != a {
		t.Errorf("by id: %+v, %v", got, err)
	}
	if _, err = c.Find(t.Context(), "contacts", connectors.Lookup{Field: "no_such", Values: []string{"x"}}, nil); connectors.KindOf(err) != connectors.KindConfig {
		t.Errorf("by an unknown field: %v", err)
	}
}

// TestFindNeverNamesAValueTwice: HubSpot would refuse the whole call.
func TestFindNeverNamesAValueTwice(t *testing.T) {
	c := canned(t, 200, "")
	c.hc.Transport = tripper(func(r *http.Request) (*http.Response, error) {
		var b readBody
		if err := json.NewDecoder(r.Body).Decode(&b); err != nil {
			return nil, err
		}
		seen := map[string]bool{}
		for _, in := range b.Inputs {
			if low := strings.ToLower(in.ID); seen[low] {
				t.Errorf("%q is asked for twice", in.ID)
			} else {
				seen[low] = true
			}
		}
		return canned(t, 200, `{"results":[]}`).hc.Transport.RoundTrip(r)
	})
	by := connectors.Lookup{Field: "email", Values: []string{"a@x.org", "A@x.org", "b@x.org", "a@x.org"}}
	if _, err := c.Find(t.Context(), "contacts", by, nil); err != nil {
		t.Error(err)
	}
}

// TestFindManyByValue: more values and fields than fit into one search body
// (section 8: 3,000 characters).
func TestFindManyByValue(t *testing.T) {
	sim, c := ready(t, hubspotsim.Options{}, "contacts")
	fields := []string{"lastname"}
	for n := range 60 {
		name := fmt.Sprintf("a_rather_long_name_of_a_property_%03d_%s", n, strings.Repeat("x", 20))
		if err := sim.UserProperty("contacts", name, "string", false); err != nil {
			t.Fatal(err)
		}
		fields = append(fields, name)
	}
	if _, err := c.Probe(t.Context(), []string{"contacts"}); err != nil {
		t.Fatal(err)
	}
	var values []string
	for n := range 80 {
		person(t, sim, n)
		values = append(values, fmt.Sprintf("NAME %d", n), "nobody "+strings.Repeat("y", 60)+fmt.Sprint(n))
	}
	got, err := c.Find(t.Context(), "contacts", connectors.Lookup{Field: "lastname", Values: values}, fields)
	if err != nil || len(got) != 80 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	if v := got[0].Values; len(v) != len(fields) || !strings.HasPrefix(v["lastname"], "Name ") {
		t.Errorf("%d values of %d fields", len(v), len(fields))
	}
	_, err = c.Find(t.Context(), "contacts", connectors.Lookup{Field: "lastname", Values: []string{strings.Repeat("z", 4000)}}, nil)
	if connectors.KindOf(err) != connectors.KindInvalid {
		t.Errorf("a value that fits into no search: %v", err)
	}
}

// TestLocateByToken: a record that is gone under its id is found by the token.
func TestLocateByToken(t *testing.T) {
	_, c := ready(t, hubspotsim.Options{}, "contacts")
	r := c.Write(t.Context(), "contacts", connectors.Create, []connectors.Write{{Key: "k", Token: "tok", Values: map[string]string{"lastname": "x"}}})[0]
	got, err := c.Locate(t.Context(), "contacts", "424242", "tok")
	if want := (connectors.Location{Place: connectors.PlaceRenamed, ID: r.RecordID}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// TestLocateDenied: a missing scope is no proof of anything.
func TestLocateDenied(t *testing.T) {
	got, err := canned(t, 403, `{"category":"MISSING_SCOPES"}`).Locate(t.Context(), "contacts", "1", "")
	if err != nil || got.Place != connectors.PlaceDenied {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestListWalksTiesAndLongWindows: rows of one instant that fill many pages,
// past the 10,000 that one search shows, each given exactly once.
func TestListWalksTiesAndLongWindows(t *testing.T) {
	const n = 10_400
	clock := &connectortest.Clock{}
	sim, c := ready(t, hubspotsim.Options{Now: clock.Now}, "contacts")
	thaw := clock.Freeze()
	since := clock.Now()
	for i := range n {
		person(t, sim, i)
	}
	thaw()
	for i := range 10 {
		person(t, sim, n+i)
	}
	seen := map[string]int{}
	q := connectors.Query{Since: since, Limit: 200}
	for page := 0; ; page++ {
		p, err := c.List(t.Context(), "contacts", q)
		if err != nil || page > n {
			t.Fatal(page, err)
		}
		for _, r := range p.Records {
			seen[r.ID]++
		}
		if q.Cursor = p.Next; p.Next == "" {
			break
		}
	}
	if len(seen) != n+10 {
		t.Fatalf("%d of %d records", len(seen), n+10)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("record %s was given %d times", id, times)
		}
	}
	for _, call := range sim.Truth().Calls() {
		if call.Status >= 400 {
			t.Fatalf("a call was refused: %+v", call)
		}
	}
}

// TestListGivesEachVersionOnce: pages that end inside a tie give no row twice,
// and a row that was given and then changes is given again.
func TestListGivesEachVersionOnce(t *testing.T) {
	for _, rows := range []int{4, 12} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) { listOnce(t, rows) })
	}
}

func listOnce(t *testing.T, rows int) {
	clock := &connectortest.Clock{}
	sim, c := ready(t, hubspotsim.Options{Now: clock.Now}, "contacts")
	since := clock.Now()
	var ids []string
	for n := range rows {
		if n%2 == 0 {
			clock.Set(since.Add(time.Duration(n) * time.Millisecond))
		}
		ids = append(ids, person(t, sim, n))
	}
	seen := map[string]int{}
	q := connectors.Query{Since: since, Limit: 3, Fields: []string{"lastname"}}
	edited := ids[2] // the third row ends the first page inside a tie
	for page := 0; ; page++ {
		p, err := c.List(t.Context(), "contacts", q)
		if err != nil || page > 50 {
			t.Fatal(page, err)
		}
		for _, r := range p.Records {
			seen[r.ID+" "+r.Values["lastname"]]++
		}
		if page == 0 {
			clock.Set(since.Add(100 * time.Millisecond))
			if err := sim.UserEdit("contacts", edited, map[string]string{"lastname": "new"}); err != nil {
				t.Fatal(err)
			}
		}
		if q.Cursor = p.Next; p.Next == "" {
			break
		}
	}
	if seen[edited+" new"] != 1 || len(seen) != len(ids)+1 {
		t.Errorf("%d versions of %d records: %v", len(seen), len(ids), seen)
	}
	for version, times := range seen {
		if times != 1 {
			t.Errorf("%s was given %d times", version, times)
		}
	}
}

// TestListRefusesStrangeCursors never sends what is not its own.
func TestListRefusesStrangeCursors(t *testing.T) {
	for _, cu := range []string{"x", "e30", cursor{Tie: "1 OR 1"}.encode()} {
		_, err := canned(t, 200, `{}`).List(t.Context(), "contacts", connectors.Query{Since: time.Unix(1, 0), Cursor: cu})
		if connectors.KindOf(err) != connectors.KindBug {
			t.Errorf("cursor %q: %v", cu, err)
		}
	}
}

// TestReadOutage: reads of a vendor that is away are transient.
func TestReadOutage(t *testing.T) {
	sim, c := ready(t, hubspotsim.Options{}, "contacts")
	sim.Faults().Add(simulator.Fault{Effect: simulator.Garbage})
	if _, err := c.Read(t.Context(), "contacts", []string{"1"}, nil); connectors.KindOf(err) != connectors.KindTransient {
		t.Errorf("a page instead of JSON: %v", err)
	}
	sim.Faults().Down(true)
	if _, err := c.List(t.Context(), "contacts", connectors.Query{}); connectors.KindOf(err) != connectors.KindTransient {
		t.Errorf("an outage: %v", err)
	}
}

package hubspot

import (
	"net/http"
	"testing"

	"syncd/connectors"
	"syncd/simulator"
	"syncd/simulator/hubspotsim"
)

const pointerField = "associatedcompanyid"

// pointing is a client of a pretend vendor with two companies and some records
// of an object.
type pointingWorld struct {
	t       *testing.T
	sim     *hubspotsim.Sim
	c       *Client
	object  string
	a, b    string // companies
	records []string
}

func newPointing(t *testing.T, version, object string, n int) *pointingWorld {
	t.Helper()
	sim, srv := simulated(t, hubspotsim.Options{APIVersion: version})
	w := &pointingWorld{t: t, sim: sim, object: object, c: client(t, srv.URL, simToken, func(c *Config) { c.APIVersion = version })}
	made := func(object string, v map[string]string) string {
		id, err := sim.UserCreate(object, v)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	w.a, w.b = made("companies", map[string]string{"name": "Acme"}), made("companies", map[string]string{"name": "Bolt"})
	for range n {
		v := map[string]string{"lastname": "Lee"}
		if object == "deals" {
			v = map[string]string{"dealname": "Big", "dealstage": "closedwon"}
		}
		w.records = append(w.records, made(object, v))
	}
	if _, err := w.c.Probe(t.Context(), []string{object, "companies"}); err != nil {
		t.Fatal(err)
	}
	return w
}

// points writes to all records at once; v[i] is where record i points to.
func (w *pointingWorld) points(more map[string]string, v ...string) []connectors.Result {
	w.t.Helper()
	var writes []connectors.Write
	for i, to := range v {
		x := connectors.Write{Key: w.records[i], RecordID: w.records[i], Values: map[string]string{pointerField: to}}
		for f, v := range more {
			x.Values[f] = v
		}
		writes = append(writes, x)
	}
	return w.c.Write(w.t.Context(), w.object, connectors.Update, writes)
}

// shown reads where the records point to; "-" is not shown.
func (w *pointingWorld) shown() []string {
	w.t.Helper()
	got, err := w.c.Read(w.t.Context(), w.object, w.records, []string{pointerField})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, s := range got {
		v, ok := s.Record.Values[pointerField]
		if !ok {
			v = "-"
		}
		out = append(out, v)
	}
	return out
}

func (w *pointingWorld) want(what string, got, want []string) {
	w.t.Helper()
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			w.t.Fatalf("%s: %q, want %q", what, got, want)
		}
	}
}

// TestPointerIsSetMovedAndCleared, with and without a property that shows it, in
// both versions of the API.
func TestPointerIsSetMovedAndCleared(t *testing.T) {
	for _, version := range []string{VersionV3, Version2026} {
		for _, object := range []string{"contacts", "deals"} {
			t.Run(version+"/"+object, func(t *testing.T) {
				w := newPointing(t, version, object, 3)
				w.want("at first", w.shown(), []string{"", "", ""})
				for _, next := range [][]string{{w.a, w.b, ""}, {w.b, w.b, w.a}, {"", w.b, ""}, {"", "", ""}} {
					for i, r := range w.points(nil, next...) {
						if r.Outcome != connectors.Applied || r.RecordID != w.records[i] || r.Record == nil || r.Record.Values[pointerField] != next[i] {
							t.Fatalf("record %d to %q: %+v %v", i, next[i], r, r.Err)
						}
					}
					w.want("then", w.shown(), next)
				}
			})
		}
	}
}

func TestPointerIsAReferenceInTheSchema(t *testing.T) {
	w := newPointing(t, VersionV3, "contacts", 0)
	info, err := w.c.Probe(t.Context(), []string{"0-1", "0-2"})
	if err != nil {
		t.Fatal(err)
	}
	if f := info.Objects["0-1"].Fields[pointerField]; f.Type != connectors.TypeReference || f.Target != "0-2" || f.ReadOnly {
		t.Errorf("field %+v", f)
	}
}

func TestPointerGoesWithTheOtherFields(t *testing.T) {
	w := newPointing(t, VersionV3, "contacts", 2)
	begin := len(w.sim.Truth().Calls())
	for _, r := range w.points(map[string]string{"phone": "1"}, w.a, w.b) {
		if r.Outcome != connectors.Applied || r.Record.Values["phone"] != "1" || r.Record.Values[pointerField] == "" || r.Record.Version == "" {
			t.Errorf("%+v %v", r, r.Err)
		}
	}
	if calls := w.sim.Truth().Calls()[begin:]; len(calls) != 2 {
		t.Errorf("%d calls for two records: %+v", len(calls), calls)
	}
	w.want("shown", w.shown(), []string{w.a, w.b})
}

// TestRefusedPointerIsTheFieldsOwn: what was written beside it counts, and the
// neighbours do.
func TestRefusedPointerIsTheFieldsOwn(t *testing.T) {
	w := newPointing(t, VersionV3, "contacts", 2)
	got := w.points(map[string]string{"phone": "1"}, "99999999", w.b)
	if _, shown := got[0].Record.Values[pointerField]; got[0].Outcome != connectors.Applied || shown {
		t.Errorf("a refused pointer beside a property: %+v %v", got[0], got[0].Err)
	}
	if got[1].Outcome != connectors.Applied || got[1].Record.Values[pointerField] != w.b {
		t.Errorf("its neighbour: %+v %v", got[1], got[1].Err)
	}
	got = w.points(nil, "99999999", w.a)
	if got[0].Outcome != connectors.NotApplied || got[0].Err.Kind != connectors.KindInvalid || got[0].Err.WholeCall {
		t.Errorf("a refused pointer alone: %+v %v", got[0], got[0].Err)
	}
	if got[1].Outcome != connectors.Applied {
		t.Errorf("its neighbour: %+v %v", got[1], got[1].Err)
	}
}

func TestPointerWithoutAnAnswerIsUnknown(t *testing.T) {
	for op, to := range map[string]string{"associations_create": "b", "associations_archive": ""} {
		for _, more := range []map[string]string{nil, {"phone": "1"}} {
			w := newPointing(t, VersionV3, "contacts", 1)
			w.points(nil, w.a)
			if to == "b" {
				to = w.b
			}
			w.sim.Faults().Add(simulator.Fault{Op: op, Effect: simulator.DropAfter, Times: 1})
			if got := w.points(more, to); got[0].Outcome != connectors.Unknown {
				t.Errorf("%s: %+v %v", op, got[0], got[0].Err)
			}
			if got := w.points(more, to); got[0].Outcome != connectors.Applied { // again does no harm
				t.Errorf("%s again: %+v %v", op, got[0], got[0].Err)
			}
			w.want(op, w.shown(), []string{to})
			if to != "" {
				to = "b"
			}
		}
	}
}

// TestThrottledPointer: nothing was written of one that stood alone; beside a
// property that was, nobody can say "not applied".
func TestThrottledPointer(t *testing.T) {
	for _, c := range []struct {
		more map[string]string
		want connectors.Outcome
	}{{nil, connectors.NotApplied}, {map[string]string{"phone": "1"}, connectors.Unknown}} {
		w := newPointing(t, VersionV3, "contacts", 1)
		w.sim.Faults().Add(simulator.Fault{Op: "associations_create", Effect: simulator.RefuseStatus, Status: http.StatusTooManyRequests, Times: 1})
		got := w.points(c.more, w.a)
		if got[0].Outcome != c.want || got[0].Err.Kind != connectors.KindThrottled {
			t.Errorf("with %v: %+v %v", c.more, got[0], got[0].Err)
		}
	}
}

// TestCreateBringsItsPointer in one call. Its answer does not show it.
func TestCreateBringsItsPointer(t *testing.T) {
	for _, version := range []string{VersionV3, Version2026} {
		w := newPointing(t, version, "contacts", 0)
		got := w.c.Write(t.Context(), "contacts", connectors.Create, []connectors.Write{
			{Key: "k1", Token: "t1", Values: map[string]string{"lastname": "Lee", pointerField: w.a}},
			{Key: "k2", Token: "t2", Values: map[string]string{"lastname": "Ray", pointerField: ""}},
			{Key: "k3", Token: "t3", Values: map[string]string{"lastname": "Bad", pointerField: "99999999"}},
		})
		for _, r := range got[:2] {
			if _, shown := r.Record.Values[pointerField]; r.Outcome != connectors.Applied || shown {
				t.Fatalf("%+v %v", r, r.Err)
			}
			w.records = append(w.records, r.RecordID)
		}
		if got[2].Outcome != connectors.NotApplied || got[2].Err.Kind != connectors.KindInvalid {
			t.Errorf("a create that points nowhere: %+v %v", got[2], got[2].Err)
		}
		w.want("shown", w.shown(), []string{w.a, ""})
	}
}

// TestEventsOfAPointerNameItsHolder once, whoever's direction they tell.
func TestEventsOfAPointerNameItsHolder(t *testing.T) {
	w := newPointing(t, VersionV3, "contacts", 1)
	_, from := w.sim.EventsSince(0)
	if err := w.sim.UserEdit("contacts", w.records[0], map[string]string{pointerField: w.a}); err != nil {
		t.Fatal(err)
	}
	events, _ := w.sim.EventsSince(from)
	r, err := NewReceiver(Config{System: "crm", AppID: simApp, Objects: []string{"contacts", "companies"}, Secrets: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Parse(connectors.Delivery{Method: http.MethodPost, Body: w.sim.SignedPost(events).Body})
	if err != nil {
		t.Fatal(err)
	}
	associations := 0
	for _, h := range got.Hints {
		if h.Object != "contacts" || h.RecordID != w.records[0] {
			t.Errorf("hint %+v", h)
		}
		if h.What == eventAssociation {
			associations++
		}
	}
	if associations != 4 { // primary and plain, in both directions
		t.Errorf("%d association events of %d", associations, len(events))
	}
}

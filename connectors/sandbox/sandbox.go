// Package sandbox holds a connector to those laws of its contract that need no
// truth but the system's own answers and no fault but what is asked for: they can
// be tried on a live sandbox. They write one scratch record or a few, and take them
// out again. The conformance suite of the tests (connectortest) runs them too.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
)

// Subject is one object of a system and what a scratch record in it may hold.
type Subject struct {
	Conn   connectors.Connector
	Object string
	// Make gives the values of the nth scratch record, which share none with another's;
	// Edit is the one of them, a text that may be empty, that is changed and emptied.
	Make   func(n int) map[string]connectors.Value
	Edit   string
	Custom []connectors.CustomField // what Setup shall make sure of
	Run    string                   // makes tokens of this run its own: letters and digits
	Now    func() time.Time
	Wait   func(ctx context.Context, d time.Duration) error
}

// Verdict is what became of a law.
type Verdict string

// The verdicts.
const (
	Kept    Verdict = "kept"
	Broken  Verdict = "broken"
	Skipped Verdict = "skipped" // it does not apply, or an earlier one is in its way
)

// Finding is one law's verdict, and why.
type Finding struct {
	Law     string  `json:"law"`
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail,omitempty"`
}

// Report is what a trial found.
type Report struct {
	Object   string    `json:"object"`
	Findings []Finding `json:"findings"`
	Left     []string  `json:"left,omitempty"` // scratch records that are still there
}

// Broken says that a law was broken.
func (r Report) Broken() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Verdict == Broken })
}

// trial is a run under way.
type trial struct {
	Subject
	shape connectors.Object
	// values are those of the first scratch record.
	values map[string]connectors.Value
	began  time.Time
	token  string
	write  connectors.Write // the scratch record's create
	id     string
	made   []string // every scratch record, to be taken out
	gone   map[string]bool
	out    Report
}

// skip says why a law does not apply.
type skip string

func (s skip) Error() string { return string(s) }

// note is a law that is kept, with a remark.
type note string

func (n note) Error() string { return string(n) }

// Run tries every law in turn. What fails early leaves the later ones skipped.
func Run(ctx context.Context, s Subject) Report {
	t := &trial{Subject: s, gone: map[string]bool{}, out: Report{Object: s.Object}, began: s.Now(), values: s.Make(1)}
	t.token = "syncdtest" + s.Run
	stop := ""
	for _, l := range []struct {
		name string
		try  func(context.Context) error
		must bool // without it nothing that follows can be tried
	}{
		{"the credential is taken and the object is there", t.probe, true},
		{"the token field is there", t.setup, false},
		{"the fields are there and may be written", t.fields, true},
		{"a listing is in order and ends", t.list, false},
		{"a field that does not exist is refused and named", t.unknownField, false},
		{"a create makes a record and names it", t.create, true},
		{"a read shows what was written", t.read, false},
		{"the token finds the record", t.find, false},
		{"a second create with the token makes no second record", t.createAgain, false},
		{"two creates at once with one token make one record", t.createTogether, false},
		{"an update changes what it names and nothing else", t.update, false},
		{"a value can be emptied", t.empty, false},
		{"a listing of changes shows the record", t.listed, false},
		{"what is archived is seen as archived, and comes back", t.archive, false},
		{"what is deleted is not seen any more", t.delete, false},
	} {
		if stop != "" {
			t.add(l.name, Skipped, stop)
			continue
		}
		err := l.try(ctx)
		var no skip
		var remark note
		switch {
		case err == nil:
			t.add(l.name, Kept, "")
		case errors.As(err, &remark):
			t.add(l.name, Kept, string(remark))
		case errors.As(err, &no):
			t.add(l.name, Skipped, string(no))
		default:
			t.add(l.name, Broken, words(err))
			if l.must {
				stop = "an earlier law is in its way"
			}
		}
	}
	t.tidy(ctx)
	return t.out
}

func (t *trial) add(law string, v Verdict, detail string) {
	t.out.Findings = append(t.out.Findings, Finding{law, v, detail})
}

// words gives an error with the vendor's own message: it is the tester's own data.
func words(err error) string {
	var e *connectors.Error
	if errors.As(err, &e) && e != nil && e.Said != "" {
		return e.Error() + ": " + e.Said
	}
	return err.Error()
}

func (t *trial) probe(ctx context.Context) error {
	sys, err := t.Conn.Probe(ctx, []string{t.Object})
	if err != nil {
		return err
	}
	shape, ok := sys.Objects[t.Object]
	if !ok {
		return fmt.Errorf("the system has no object %q", t.Object)
	}
	if sys.Tenant == "" {
		return errors.New("the system does not say whose account it is")
	}
	t.shape = shape
	return note(fmt.Sprintf("account %s, class %s, %d fields", sys.Tenant, shape.CreateClass, len(shape.Fields)))
}

func (t *trial) setup(ctx context.Context) error {
	if err := t.Conn.Setup(ctx, t.Custom); err != nil {
		return err
	}
	sys, err := t.Conn.Probe(ctx, []string{t.Object})
	if err != nil {
		return err
	}
	t.shape = sys.Objects[t.Object]
	if t.shape.TokenField == "" {
		if t.shape.CreateClass == connectors.ClassBlind {
			return skip("class blind: there is none")
		}
		return fmt.Errorf("class %s, and no field holds the token", t.shape.CreateClass)
	}
	return nil
}

func (t *trial) fields(context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(t.values)) {
		f, ok := t.shape.Fields[name]
		switch {
		case !ok:
			return fmt.Errorf("there is no field %q", name)
		case f.ReadOnly:
			return fmt.Errorf("the field %q is read-only", name)
		}
	}
	if _, ok := t.values[t.Edit]; !ok {
		return fmt.Errorf("no field of the scratch record can be edited: %q is none of its values", t.Edit)
	}
	return nil
}

// names are the fields that are looked at.
func (t *trial) names() []string { return slices.Sorted(maps.Keys(t.values)) }

// Bounds of a trial's listings, and how long it waits for what comes late.
const (
	someRows = 5
	somePage = 3
	maxPages = 50
	patience = 30 * time.Second
	step     = 500 * time.Millisecond
	lookBack = time.Hour
)

// list walks the first pages of the last hour.
func (t *trial) list(ctx context.Context) error {
	q := connectors.Query{Since: t.began.Add(-lookBack), Fields: t.names(), Limit: someRows}
	var newest time.Time
	rows := 0
	for range somePage {
		page, err := t.Conn.List(ctx, t.Object, q)
		if err != nil {
			return err
		}
		for _, r := range page.Records {
			switch {
			case r.ID == "":
				return errors.New("a record without an id")
			case r.Modified.IsZero() && r.Version == "":
				return fmt.Errorf("record %s has neither a time nor a version", r.ID)
			case r.Modified.Before(newest):
				return fmt.Errorf("record %s of %s comes after one of %s", r.ID, r.Modified.Format(time.RFC3339), newest.Format(time.RFC3339))
			}
			newest = r.Modified
		}
		if rows += len(page.Records); page.Next == "" {
			break
		}
		if page.Next == q.Cursor {
			return errors.New("the second page leads to itself")
		}
		q.Cursor = page.Next
	}
	return note(fmt.Sprintf("%d records of the last hour looked at", rows))
}

// noSuchField is a name that no system has.
const noSuchField = "syncd_no_such_field"

func (t *trial) unknownField(ctx context.Context) error {
	values := maps.Clone(t.values)
	values[noSuchField] = "x"
	r := t.send(ctx, connectors.Create, connectors.Write{Key: t.token + "x", Token: t.token + "x", Values: values})
	switch {
	case r.Outcome == connectors.NotApplied && r.Err.Kind == connectors.KindConfig:
		return nil
	case r.Outcome == connectors.NotApplied:
		return fmt.Errorf("it is refused as %s, not as a setting: %s", r.Err.Kind, words(r.Err))
	}
	return fmt.Errorf("the create is %s", r.Outcome)
}

// send makes one write and notes what it may have made.
func (t *trial) send(ctx context.Context, op connectors.Op, w connectors.Write) connectors.Result {
	got := t.Conn.Write(ctx, t.Object, op, []connectors.Write{w})
	if len(got) != 1 || got[0].Key != w.Key {
		return connectors.Result{Key: w.Key, Outcome: connectors.Unknown, Err: &connectors.Error{Kind: connectors.KindBug, Said: "no result for the write"}}
	}
	if op == connectors.Create && got[0].Outcome == connectors.Applied && !slices.Contains(t.made, got[0].RecordID) {
		t.made = append(t.made, got[0].RecordID)
	}
	return got[0]
}

// failed gives the error of a result that should have been applied.
func failed(r connectors.Result) error {
	if r.Outcome == connectors.Applied && r.RecordID != "" {
		return nil
	}
	if r.Err == nil {
		return fmt.Errorf("it is %s", r.Outcome)
	}
	return fmt.Errorf("it is %s: %w", r.Outcome, r.Err)
}

func (t *trial) create(ctx context.Context) error {
	t.write = connectors.Write{Key: t.token + "_1", Token: t.token, Values: t.values}
	r := t.send(ctx, connectors.Create, t.write)
	if err := failed(r); err != nil {
		return err
	}
	t.id = r.RecordID
	if t.shape.AnswersRecord && (r.Record == nil || r.Record.ID != t.id) {
		return errors.New("the answer does not carry the record, though the connector says so")
	}
	return note("record " + t.id)
}

// now reads the scratch record.
func (t *trial) now(ctx context.Context, id string) (connectors.Sighting, error) {
	got, err := t.Conn.Read(ctx, t.Object, []string{id}, t.names())
	if err == nil && len(got) != 1 {
		err = fmt.Errorf("%d sightings for one id", len(got))
	}
	if err != nil {
		return connectors.Sighting{}, err
	}
	return got[0], nil
}

// holds compares the record with what it should hold, and names the fields that
// the system writes in another way.
func (t *trial) holds(ctx context.Context, want map[string]connectors.Value) error {
	s, err := t.now(ctx, t.id)
	if err != nil {
		return err
	}
	if s.Sight != connectors.SightFound || s.Record.ID != t.id {
		return fmt.Errorf("the record is %s", s.Sight)
	}
	var reshaped []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch v, shown := s.Record.Values[name]; {
		case !shown:
			return fmt.Errorf("the field %q is not shown", name)
		case (v == "") != (want[name] == ""):
			return fmt.Errorf("the field %q holds %q, not %q", name, v, want[name])
		case v != want[name]:
			reshaped = append(reshaped, name)
		}
	}
	if len(reshaped) > 0 {
		return note("written in another way by the system: " + strings.Join(reshaped, ", "))
	}
	return nil
}

func (t *trial) read(ctx context.Context) error { return t.holds(ctx, t.values) }

// tidy takes out what was made and is still there.
func (t *trial) tidy(ctx context.Context) {
	for _, id := range t.made {
		if t.gone[id] {
			continue
		}
		removed := false
		for _, op := range []connectors.Op{connectors.Delete, connectors.Archive} {
			if !removed && slices.Contains(t.shape.Removes, op) {
				removed = t.send(ctx, op, connectors.Write{Key: t.token + "_tidy" + id, RecordID: id}).Outcome == connectors.Applied
			}
		}
		if !removed {
			t.out.Left = append(t.out.Left, id)
		}
	}
}

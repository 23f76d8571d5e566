// Package connectortest is the conformance suite of the connector contract:
// laws that hold for every connector, run against a pretend vendor whose truth
// the suite can see. A connector's test fills a Harness and calls Run.
package connectortest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"syncd/connectors"
)

// Harness is one vendor with one object, shared by all laws. Every law works
// on records of its own.
type Harness struct {
	// Connect gives a connector with a good credential. The suite probes and
	// sets it up.
	Connect func(t *testing.T) connectors.Connector
	// ConnectDead gives one whose credential the vendor refuses.
	ConnectDead func(t *testing.T) connectors.Connector
	// ConnectNowhere gives one whose vendor cannot be dialled.
	ConnectNowhere func(t *testing.T) connectors.Connector

	Object string
	Text   string // a text field that every record may have, such as a name
	Text2  string // another one, which may be empty
	Key    string // a field that records are looked up by; takes what looks like an e-mail address
	Token  string // the token field that Setup makes

	Nobody string            // a well-formed record id that no record ever has
	Bad    map[string]string // values of a create that the vendor refuses as invalid data
	NoSuch string            // a well-formed name of a field that does not exist

	Pointer string        // a field that points to another record, "" if there is none to test
	Target  func() string // makes a record that Pointer may point to

	UserCreate func(values map[string]string) string     // a person makes a record
	UserEdit   func(id string, values map[string]string) // a person edits one
	Births     func() []string                           // truth: every record ever made
	Value      func(id, field string) string             // truth: what a record holds, "" for nothing

	DropAfterWrite func()           // the next write takes effect and its answer is lost
	RefuseNext     func(status int) // the next write is answered with the status and has no effect
	Throttle       func()           // the next calls are refused as too many, until Clear
	Clear          func()           // ends all faults

	Settle func()               // waits until look-ups show what was written; nil: they do at once
	Freeze func() (thaw func()) // stops the vendor's clock until the result is called; nil: cannot

	Features Features
}

// Features says what the connector declares and the vendor allows.
type Features struct {
	Unique        bool // class unique: a second record with one token is refused
	AnswersRecord bool // a write's answer carries the record
	TokenVisible  bool // a record shows its token
	WriteAtomic   bool // one bad record may refuse the whole batch
}

// timeout bounds one law.
const timeout = 30 * time.Second

// law is one law's run.
type law struct {
	*testing.T
	Harness
	ctx   context.Context
	c     connectors.Connector
	shape connectors.Object
	name  string // makes values and tokens of this law its own
	next  int
}

// Run runs every law as a subtest, one after another.
func Run(t *testing.T, h Harness) {
	for _, l := range []struct {
		name string
		run  func(*law)
	}{
		{"ReadKeepsAskedOrderAndSaysMissing", readKeepsOrder},
		{"ReadNeverMixesRecords", readNeverMixes},
		{"ListSinceSeesEveryChange", listSinceSeesAll},
		{"ListWithoutSinceSeesEverything", listAllSeesAll},
		{"FindByFieldFindsExactly", findFindsExactly},
		{"LocateHereAndUnknown", locate},
		{"CreateIsFoundByToken", createIsFound},
		{"CreateTwiceWithOneTokenMakesOneRecord", createTwice},
		{"ConcurrentCreatesWithOneTokenMakeOneRecord", createTogether},
		{"ResultPerWriteInOrder", resultPerWrite},
		{"UpdateChangesOnlyWhatItNames", updateOnlyNamed},
		{"NullClears", nullClears},
		{"ReferenceNamesItsTarget", referenceNamesItsTarget},
		{"LostAnswerIsUnknownNotNotApplied", lostAnswer},
		{"ServerErrorIsUnknown", serverError},
		{"UnsentIsNotApplied", unsent},
		{"OneBadRecordFailsAlone", oneBad},
		{"ThrottledSaysSo", throttled},
		{"DeadCredentialIsAuth", deadCredential},
		{"UnknownFieldIsConfigAndNamesIt", unknownField},
		{"SetupTwiceIsOnce", setupTwice},
		{"ArchivedIsSeenInTheBin", archivedIsInTheBin},
		{"RestoredIsAsBefore", restoredIsAsBefore},
		{"DeletedIsNotSeen", deletedIsNotSeen},
		{"RemovalLeavesTheOthersAlone", removalLeavesOthers},
		{"RemovalWithoutAnswerIsUnknown", removalLost},
		{"RemovalThatIsNotDeclaredIsRefused", removalNotDeclared},
		{"BinListsWhatIsArchived", binLists},
		{"LawsOfALiveSandboxHold", liveLaws},
	} {
		t.Run(l.name, func(t *testing.T) { l.run(begin(t, h)) })
	}
}

// begin connects, sets up and probes.
func begin(t *testing.T, h Harness) *law {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	t.Cleanup(h.Clear)
	l := &law{T: t, Harness: h, ctx: ctx, c: h.Connect(t), name: fmt.Sprintf("%08x", rand.Uint32())}
	l.probe(l.c)
	if err := l.c.Setup(ctx, l.customFields()); err != nil {
		t.Fatalf("setup: %v", err)
	}
	l.shape = l.probe(l.c)
	return l
}

// customFields is what the suite has set up.
func (l *law) customFields() []connectors.CustomField {
	return []connectors.CustomField{{Object: l.Object, Name: l.Token, Label: "syncd token", Unique: l.Features.Unique}}
}

// probe gives the object as the connector describes it.
func (l *law) probe(c connectors.Connector) connectors.Object {
	l.Helper()
	sys, err := c.Probe(l.ctx, []string{l.Object})
	if err != nil {
		l.Fatalf("probe: %v", err)
	}
	o, ok := sys.Objects[l.Object]
	if !ok || sys.Tenant == "" {
		l.Fatalf("probe: object %q found: %v, tenant %q", l.Object, ok, sys.Tenant)
	}
	return o
}

// values gives the values of a record that no other law uses.
func (l *law) values() map[string]string {
	l.next++
	return map[string]string{
		l.Text:  fmt.Sprintf("Name %s %d", l.name, l.next),
		l.Text2: fmt.Sprintf("second %s %d", l.name, l.next),
		l.Key:   fmt.Sprintf("p%d.%s@example.com", l.next, l.name),
	}
}

// create gives a create with a token of its own.
func (l *law) create() connectors.Write {
	v := l.values()
	token := fmt.Sprintf("ct_%s_%d", l.name, l.next)
	return connectors.Write{Key: token + "_1", Token: token, Values: v}
}

// update gives an update of a record.
func (l *law) update(id string, values map[string]string) connectors.Write {
	l.next++
	return connectors.Write{Key: fmt.Sprintf("cu_%s_%d", l.name, l.next), RecordID: id, Values: values}
}

// write makes a call and checks what holds for every answer.
func (l *law) write(op connectors.Op, writes ...connectors.Write) []connectors.Result {
	l.Helper()
	return l.check(op, writes, l.c.Write(l.ctx, l.Object, op, writes))
}

// check is what holds for the results of every call.
func (l *law) check(op connectors.Op, writes []connectors.Write, got []connectors.Result) []connectors.Result {
	l.Helper()
	if len(got) != len(writes) {
		l.Fatalf("%d results for %d writes", len(got), len(writes))
	}
	for i, r := range got {
		if r.Key != writes[i].Key {
			l.Errorf("result %d has key %q, the write has %q", i, r.Key, writes[i].Key)
		}
		switch r.Outcome {
		case connectors.Applied:
			if r.RecordID == "" {
				l.Errorf("result %d: applied without a record id", i)
			}
			if l.shape.AnswersRecord && r.Record == nil && (op == connectors.Create || op == connectors.Update) {
				l.Errorf("result %d: applied without the record, though the connector answers it", i)
			}
			if r.Record != nil && r.Record.ID != r.RecordID {
				l.Errorf("result %d: record %q under id %q", i, r.Record.ID, r.RecordID)
			}
		case connectors.NotApplied, connectors.Unknown:
			if r.Err == nil {
				l.Errorf("result %d: %s without an error", i, r.Outcome)
			}
		case connectors.Exists:
		default:
			l.Errorf("result %d: outcome %q", i, r.Outcome)
		}
	}
	return got
}

// made creates records through the connector and gives their ids.
func (l *law) made(writes ...connectors.Write) []string {
	l.Helper()
	var ids []string
	for i, r := range l.write(connectors.Create, writes...) {
		if r.Outcome != connectors.Applied {
			l.Fatalf("create %d: %s: %v%s", i, r.Outcome, r.Err, said(r.Err))
		}
		ids = append(ids, r.RecordID)
	}
	return ids
}

// read reads records that must be there.
func (l *law) read(ids ...string) []connectors.Record {
	l.Helper()
	got, err := l.c.Read(l.ctx, l.Object, ids, []string{l.Text, l.Text2, l.Key})
	if err != nil || len(got) != len(ids) {
		l.Fatalf("read %d ids: %d sightings, %v", len(ids), len(got), err)
	}
	var out []connectors.Record
	for _, s := range got {
		if s.Sight != connectors.SightFound {
			l.Fatalf("record %s is %s", s.Asked, s.Sight)
		}
		out = append(out, s.Record)
	}
	return out
}

// find looks up by one field and gives the ids.
func (l *law) find(field string, values ...string) []string {
	l.Helper()
	if l.Settle != nil {
		l.Settle()
	}
	got, err := l.c.Find(l.ctx, l.Object, connectors.Lookup{Field: field, Values: values}, []string{field})
	if err != nil {
		l.Fatalf("find by %s: %v%s", field, err, said(err))
	}
	var ids []string
	for _, r := range got {
		ids = append(ids, r.ID)
	}
	return ids
}

// said gives the vendor's own words in an error, for the test's output.
func said(err error) string {
	var e *connectors.Error
	if errors.As(err, &e) && e != nil {
		return " (" + e.Said + ")"
	}
	return ""
}

// born gives the number of records ever made.
func (l *law) born() int { return len(l.Births()) }

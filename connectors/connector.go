// Package connectors is the contract between syncd and a vendor: what a
// connector must be able to do, in values that no vendor owns. One package per
// vendor lies below it. Shapes follow vendors/README.md section 7.
package connectors

import (
	"context"
	"time"
)

// Value is one field of a record as text; the empty string is null. Every
// connector folds its vendor's ways to say "empty" (null, "", false) into it
// and gives booleans as "true"/"false", numbers as plain decimals, references
// as the record id of their target, dates as 2006-01-02 and times as RFC 3339
// in UTC. Absent is something else: a field that is missing from Record.Values
// was not shown to us and says nothing (CORRECTNESS F66).
type Value = string

// Connector is what syncd asks of a vendor. Implementations are safe for
// concurrent use. No method retries a write; retries belong to the queue.
// Errors are *Error.
type Connector interface {
	// Probe asks the system who it is and what the named objects look like.
	// It is called at start, before any field is asked for by name.
	Probe(ctx context.Context, objects []string) (System, error)
	// Setup makes sure that the custom fields exist (token, inverse ids) and
	// is idempotent. It never changes a field that is there; it reports, as a
	// KindConfig error, one whose type or uniqueness does not fit.
	Setup(ctx context.Context, fields []CustomField) error
	// Read reads records by id, at most Object.ReadBatch of them, with one
	// Sighting per asked id in the order asked. An id that the answer leaves
	// out is SightMissing: not seen, which is not "deleted".
	Read(ctx context.Context, object string, ids, fields []string) ([]Sighting, error)
	// Find looks records up by the value of one field, archived ones included
	// where the vendor can. At most Object.ReadBatch values a call. It may find
	// more than was asked for (other capitals); who asks compares.
	Find(ctx context.Context, object string, by Lookup, fields []string) ([]Record, error)
	// List pages through what changed at or after a point in time, oldest
	// first as far as the vendor can; see Query.
	List(ctx context.Context, object string, q Query) (Page, error)
	// Write creates or updates; one Result per Write, same order, whatever
	// happens: a failure of the whole call is every row's result. A batch
	// holds one operation on one object and no record twice.
	Write(ctx context.Context, object string, op Op, writes []Write) []Result
	// Locate finds out what became of a record that a read did not show.
	Locate(ctx context.Context, object, id, token string) (Location, error)
}

// Receiver is the webhook side of a connector: pure functions, no I/O, no clock.
type Receiver interface {
	// Verify checks that the delivery comes from the vendor: signature over
	// the raw body, time stamp against now. It returns nil or a *Refusal.
	Verify(d Delivery, now time.Time) error
	// Parse turns a verified body into hints. Anything that is no event of a
	// known object is left out; a malformed body is a *Refusal.
	Parse(d Delivery) (Events, error)
	// Policy says what the vendor does with our answers (vendors/README.md 8).
	Policy() AnswerPolicy
}

// Op is what a Write does.
type Op string

// The operations of a Write.
const (
	Create Op = "create"
	Update Op = "update"
	// Archive puts a record into the vendor's bin, Delete ends it, Restore takes it
	// out of the bin again. Write.Values is empty. Applied is also the answer where
	// that was done already; it proves nothing about what the record is now: a read
	// does (CORRECTNESS 3.7 W10).
	Archive Op = "archive"
	Delete  Op = "delete"
	Restore Op = "restore"
)

// CreateClass says how strong "no duplicate" is for an object (CORRECTNESS 0.2).
type CreateClass string

// The create classes.
const (
	ClassUnique CreateClass = "unique" // the vendor refuses a second record with our token
	ClassSearch CreateClass = "search" // our token can be looked up, with a lag
	ClassBlind  CreateClass = "blind"  // neither
)

// System is what Probe learned.
type System struct {
	Tenant   string            // the vendor's id of the account or database; pinned at first connect
	Version  string            // of the API or the product, for people
	Location *time.Location    // the account's time zone, nil if unknown
	Actor    string            // who we are there: app id, bot user id
	Objects  map[string]Object // by object name, one for each that was asked for and exists
}

// Object is the schema and the capabilities of one object of a system.
type Object struct {
	Fields      map[string]Field
	CreateClass CreateClass
	Settle      time.Duration // class search: longest late delivery of a request of ours
	IndexLag    time.Duration // class search: longest lag of the look-up
	// RepeatWindow is how long the vendor honours Write.Key: within it, the same
	// create with the same key makes one record. 0 where it has no such thing.
	// Class search; it must not be longer than the vendor keeps the key.
	RepeatWindow time.Duration
	ReadBatch    int // most ids in one Read, most values in one Find
	WriteBatch   int // most writes in one Write
	// RereadDelay is how long a record should be left alone after a webhook,
	// because the vendor announces changes before they are committed.
	RereadDelay time.Duration
	// AnswersRecord says that a write's answer carries the record. Where it
	// does not, a confirming read closes the intent (CORRECTNESS 3.6).
	AnswersRecord bool
	// MarksOwn says that hints carry Hint.Own for changes made by ourselves.
	MarksOwn bool
	// KnowsActor says that Record.Ours tells our own newest change from
	// anybody else's; where it is not set, Ours may be false for our own.
	KnowsActor bool
	// TokenVisible says that every record shows the token it was created with.
	TokenVisible bool
	// Overlap is how far back a sweep must look behind its cursor for commits
	// that became visible late (F62).
	Overlap time.Duration
	// TokenField is the field that holds syncd's token ("" if there is none).
	TokenField string
	// Removes are those of Archive, Delete and Restore that Write can do here.
	Removes []Op
	// TracesOwnOnly says that Locate tells a merge from a delete only for records that
	// we created: the others leave no trace when they are merged away (F41).
	TracesOwnOnly bool
	// ListsBin says that Query.Bin lists what is archived. Where it is not set, only
	// the absence from a listing of all ids tells that a record went (F16, F37).
	ListsBin bool
}

// FieldType is the type of a field as far as filters and transforms care.
type FieldType string

// The field types.
const (
	TypeText      FieldType = "text"
	TypeBool      FieldType = "bool"
	TypeNumber    FieldType = "number"
	TypeDate      FieldType = "date"
	TypeTime      FieldType = "time"
	TypeEnum      FieldType = "enum"
	TypeReference FieldType = "reference"
	TypeOther     FieldType = "other"
)

// Field is one field of an object.
type Field struct {
	Type     FieldType
	Label    string
	ReadOnly bool
	Unique   bool
	Options  []string // TypeEnum: the values the vendor takes
	Target   string   // TypeReference: the object it points to
}

// CustomField is a field that syncd wants to exist: its token, or an inverse id.
type CustomField struct {
	Object string
	Name   string
	Label  string
	Unique bool // ask the vendor to keep values unique, where it can
}

// Record is one row of a system as read.
type Record struct {
	ID      string
	Version string // sortable text of fixed width, or "" where the vendor has only an opaque one
	// Modified and Born are the vendor's own times, as served.
	Modified time.Time
	Born     time.Time
	Archived bool
	// Ours says that the newest change was made by ourselves, where the vendor
	// tells (F35); false means "not known to be ours".
	Ours   bool
	Values map[string]Value
	Merged []string // ids that were merged away into this record
}

// Sight is how an asked id was seen.
type Sight string

// What a Sighting can be.
const (
	SightFound    Sight = "found"    // Record is it; Record.ID may differ from Asked: a merge
	SightArchived Sight = "archived" // Record is it, in the vendor's bin
	SightMissing  Sight = "missing"  // left out of the answer; says nothing
	SightDenied   Sight = "denied"   // the credential may not see it
)

// Sighting is the answer to one asked id.
type Sighting struct {
	Asked  string
	Sight  Sight
	Record Record
}

// Lookup names a field and the values it may have.
type Lookup struct {
	Field  string
	Values []Value
}

// Query asks for a page of records. Records are given by last change, oldest
// first, ties by id; those in the bin in any order.
type Query struct {
	Since  time.Time // at or after; zero: everything
	Cursor string    // Page.Next of the page before; "" for the first
	Fields []string  // nil: ids and versions only
	Limit  int       // 0: the connector's own
	Bin    bool      // archived records instead of live ones, all of them whatever Since; Object.ListsBin
}

// Page is one page of a listing. Next is opaque, "" at the end.
type Page struct {
	Records []Record
	Next    string
}

// Write is one record to be created or updated.
type Write struct {
	// Key names this write among its siblings: results are matched by it, never
	// by position in a vendor's answer. It is unique in a batch and safe to show
	// to the vendor. For creates it is token and send number; a repeat within
	// Object.RepeatWindow has the key and the values of the send that it repeats.
	Key      string
	RecordID string // all but Create: which record
	Token    string // Create: syncd's token, the unique key of class unique
	Values   map[string]Value
}

// Outcome is what became of a Write: three answers and the vendor's own
// duplicate refusal. Unknown is a state, not an error (CORRECTNESS 3.1 rule 5).
type Outcome string

// The outcomes of a Write.
const (
	Applied    Outcome = "applied"     // RecordID is set; Record too if the answer carried it
	Exists     Outcome = "exists"      // refused: RecordID (if known) holds our token or a unique value of ours
	NotApplied Outcome = "not_applied" // definitely nothing was written; Err says why
	Unknown    Outcome = "unknown"     // it may or may not have been written; Err says why
)

// Result is the outcome of one Write.
type Result struct {
	Key      string
	Outcome  Outcome
	RecordID string
	Record   *Record // the record as the write's answer shows it, nil if the answer does not
	Err      *Error
}

// Place is where Locate found a record.
type Place string

// The places.
const (
	PlaceHere     Place = "here"     // as before
	PlaceRenamed  Place = "renamed"  // under another id
	PlaceMerged   Place = "merged"   // part of another record now
	PlaceArchived Place = "archived" // in the vendor's bin
	PlaceDeleted  Place = "deleted"  // gone, and the vendor proves it
	PlaceDenied   Place = "denied"   // it may exist, the credential cannot see it
	PlaceUnknown  Place = "unknown"  // nothing is proved
)

// Location is the answer of Locate; ID is set for renamed and merged.
type Location struct {
	Place Place
	ID    string
}

// Hint says that a record may have changed. It is never data.
type Hint struct {
	Object   string
	RecordID string
	Version  string    // newest version promised, sortable text like Record.Version; "" if not told
	At       time.Time // when it happened by the vendor's clock, zero if not told
	Own      bool      // the vendor says that this very change was made by us
	What     string    // the vendor's word for the event, for history and metrics
	// Removed says that the vendor tells of an end: deleted, archived, unlinked. It
	// may be a merge; who acts reads the id first (CORRECTNESS F41).
	Removed bool
	Erased  bool // the vendor says that the record was erased for good: a person's right, not a delete
}

// Delivery is one POST to a webhook URL.
type Delivery struct {
	Method string
	URL    string // the URL the vendor called, from the configured public URL, never from Host headers
	Path   string // what follows /webhooks/{system}/{secret}, "" or "/partner/save"
	Header map[string][]string
	Body   []byte
}

// Events is what a delivery says. Key is the vendor's delivery id if it is
// unique, else "": the inbox takes a hash of the body then.
type Events struct {
	Key   string
	Hints []Hint
	// Reply is the word that the vendor wants back before it believes in the URL, ""
	// for none: letters, digits and -_.:+/=~, at most 512. There are no hints then.
	Reply string
}

// AnswerPolicy says how to answer a vendor's webhooks.
type AnswerPolicy struct {
	MaxBody     int64 // bytes; larger bodies are refused
	RefusedCode int   // status for a bad signature or junk: 401, or 200 where anything else kills the feed
	// Handshakes says that a delivery without a body may be one (Events.Reply): its
	// content type says nothing.
	Handshakes bool
}

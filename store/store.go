// Package store holds the types and errors of the contract that store/sqlite
// and store/postgres both keep, statement by statement as CORRECTNESS section 3
// gives them. There is no interface here: flows, ingress and console each
// declare the methods that they use, and store/storetest declares all of them.
//
// Base, intent and ledger of a member are opaque JSON to the store. A nil
// json.RawMessage is SQL NULL. Times are the database's own clock on
// PostgreSQL; on SQLite, where the process is the database, the clock passed
// to Open, never going back.
package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"time"

	"syncd/mapping"
)

// Errors that callers tell apart.
var (
	// ErrOtherKey says that the database belongs to another install_key.
	ErrOtherKey = errors.New("the database was made with another install_key")
	// ErrOtherTenant says that a system answers with another account than the
	// one it was first connected to (F54).
	ErrOtherTenant = errors.New("the system is connected to another account than before")
	// ErrLocked says that another daemon holds the SQLite file.
	ErrLocked = errors.New("another syncd is using this database file")
	// ErrNewerSchema says that the database was migrated by a newer syncd (F49).
	ErrNewerSchema = errors.New("the database needs a newer syncd")
	// ErrFenced says that a lease was lost: nothing was written.
	ErrFenced = errors.New("the lease was lost")
)

// Lane is a share of a system's budget.
type Lane int16

// The lanes, most urgent first.
const (
	LaneLive     Lane = 0
	LaneRetry    Lane = 1
	LaneSweep    Lane = 2
	LaneBackfill Lane = 3
)

// Lanes are all lanes, most urgent first.
var Lanes = []Lane{LaneLive, LaneRetry, LaneSweep, LaneBackfill}

// Causes that the flows read again: they are evidence that a record went (F37).
const (
	CauseDeletion = "deletion" // the vendor told of a deletion
	CauseUnlisted = "unlisted" // a listing of all ids left the record out
)

// Hint is a coalescing request to look at a record.
type Hint struct {
	System, Object, RecordID string
	Lane                     Lane
	Version                  string        // sortable text, "" if not told
	Delay                    time.Duration // how long to leave the record alone first
	Cause                    string        // webhook | sweep | confirm | operator | …
	DeliveryKey, Trace       string
	Own                      bool // carries the vendor's mark of our own change (F25 layer 1)
	// Erased says that the vendor erased the record. It stays with the work row,
	// whatever is hinted after it, and no mark suppresses it.
	Erased bool
}

// Receipt is one webhook delivery with its hints.
type Receipt struct {
	System      string
	DeliveryKey string
	Events      int
	Hints       []Hint
}

// WorkRef names a claimed work row. Epoch is its fence.
type WorkRef struct {
	System, Object, RecordID string
	Epoch                    int64
}

// Work is a claimed row.
type Work struct {
	WorkRef
	Gen                       int64
	Attempts                  int // counts lone claims and own failures (3.7)
	HintVersion               string
	Cause, DeliveryKey, Trace string
	FirstHint                 time.Time
	Batch                     int        // rows claimed together
	Erase                     EraseOrder // what an erasure has it do; "" for ordinary work
}

// ClaimRequest asks for due rows of one queue.
type ClaimRequest struct {
	System, Object string
	Lane           Lane
	Max            int
	Owner          string
	Lease          time.Duration
}

// Claimed is a claimed row and the identity its record belongs to, nil if the
// record is no active or quarantined member. Rows of one identity share the
// pointer.
type Claimed struct {
	Work
	Identity *Identity
}

// Identity is an identity with all its members. Epoch is the fence of our
// lease, 0 if somebody else holds the lease.
type Identity struct {
	ID      string
	Link    string
	State   mapping.IdentityState
	Epoch   int64
	Members []Member // sorted by system
}

// Member is an identity's record in one system.
type Member struct {
	System, Object string
	RecordID       string // "" while creating
	State          mapping.MemberState
	Token          string
	Birth          string
	SentAt         time.Time // of the last create send, zero if none is open
	Sends          int
	Base           json.RawMessage
	BaseVersion    string
	Intent         json.RawMessage
	Sent           json.RawMessage       // the ledger of outbound values
	Fields         map[string]FieldState // by field row name; only fields that are not agreed
	// Missing is since when there is evidence that the record went, zero if there is
	// none. It stays when the member becomes gone. Gone is when that was.
	Missing, Gone time.Time
	Why, Cause    string          // while missing, gone or merged: a label, and the hint or run that told
	Removal       json.RawMessage // an open removal of the record by us; opaque, nil if there is none
}

// Past says that a record was a member once.
type Past struct {
	IdentityID string
	Link       string
	State      mapping.MemberState   // gone or merged
	Of         mapping.IdentityState // the identity's own state
	MergedInto string                // the identity that a merged one went into, "" if none
	Birth      string
	Gone       time.Time
	Why, Cause string
}

// Removals counts the identities of a link of which a record went (F38).
type Removals struct {
	Count int // since the time that was asked for
	Live  int // identities that the link has; counted only where Count is over the number that was asked for
}

// FieldState says why a field is not agreed.
type FieldState struct {
	State  string          `json:"state"` // conflict | refused | frozen | diverged | suspended | waits | unmapped | failed | merging
	Detail json.RawMessage `json:"detail,omitempty"`
}

// LeaseRef names a leased identity.
type LeaseRef struct {
	ID    string
	Epoch int64
}

// Cursor is a sweep's position, leased to one replica. Pos is nil at first.
type Cursor struct {
	Pos   json.RawMessage
	Epoch int64
	At    time.Time // when it was leased, by the store's clock
}

// CursorRef names a leased cursor.
type CursorRef struct {
	System, Object, Kind string // kind: changed | …
	Epoch                int64
}

// SeenRow is a record met by a sweep. Mark stands for its version and mapped
// values: a row with the same mark as last time needs no hint.
type SeenRow struct {
	RecordID string
	Birth    string
	Mark     string
	Version  string
}

// Listing commits one page of a listing of all ids: each record gets the number
// of the pass, and what has another at the end was left out (F16, F37).
type Listing struct {
	CursorRef
	RecordIDs []string
	Pass      int64
	Pos       json.RawMessage
}

// SweepPage commits one page of a sweep: hints for the rows whose mark is new,
// the marks, and the position, in one transaction under the cursor's fence.
type SweepPage struct {
	CursorRef
	Rows  []SeenRow
	Lane  Lane
	Cause string
	Trace string
	Pos   json.RawMessage
}

// Queue names the work of one object of one system in one lane.
type Queue struct {
	System, Object string
	Lane           Lane
}

// Compare orders queues by lane, most urgent first, then by name.
func (q Queue) Compare(o Queue) int {
	return cmp.Or(cmp.Compare(q.Lane, o.Lane), cmp.Compare(q.System, o.System), cmp.Compare(q.Object, o.Object))
}

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

// Hint is a coalescing request to look at a record.
type Hint struct {
	System, Object, RecordID string
	Lane                     Lane
	Version                  string        // sortable text, "" if not told
	Delay                    time.Duration // how long to leave the record alone first
	Cause                    string        // webhook | sweep | confirm | operator | …
	DeliveryKey, Trace       string
	Own                      bool // carries the vendor's mark of our own change (F25 layer 1)
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
	Batch                     int // rows claimed together
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
}

// FieldState says why a field is not agreed.
type FieldState struct {
	State  string          `json:"state"` // conflict | refused | frozen | diverged | suspended
	Detail json.RawMessage `json:"detail,omitempty"`
}

// LeaseRef names a leased identity.
type LeaseRef struct {
	ID    string
	Epoch int64
}

// Key is a normalised business key of an identity, such as an e-mail address.
type Key struct {
	Kind  string
	Value string // as stored: a keyed hash, never clear text
}

// NewMember is a member of an identity that is to be claimed.
type NewMember struct {
	System, Object string
	RecordID       string // "" for a target that is to be created
	Token          string
	Birth          string
}

// NewIdentity is a claim: the constraint is taken before the create call.
type NewIdentity struct {
	ID, Link, CreatedBy string
	Source              NewMember   // becomes active
	Targets             []NewMember // become creating
	Keys                []Key
}

// Verdict is what became of a claim.
type Verdict string

// The verdicts.
const (
	// VerdictNew: the identity is ours, leased with Epoch.
	VerdictNew Verdict = "new"
	// VerdictJoined: a business key belongs to another identity that had no
	// record in the source's system; the source is its member now. Come back.
	VerdictJoined Verdict = "joined"
	// VerdictWait: a business key belongs to an identity whose create in the
	// source's system is under way. Come back when it is bound.
	VerdictWait Verdict = "wait"
	// VerdictTaken: identity or record was claimed by somebody else meanwhile.
	VerdictTaken Verdict = "taken"
)

// ClaimResult is the verdict on one NewIdentity.
type ClaimResult struct {
	Verdict    Verdict
	IdentityID string // joined, wait: the identity that was met
	Epoch      int64  // new: the fence of our lease
	Shared     []Key  // keys that more than one record of this system has: never match by them (F11)
}

// UpdateIntent is committed before an update goes out.
type UpdateIntent struct {
	IdentityID string
	Epoch      int64
	Link       string
	System     string
	Intent     json.RawMessage
	Sent       json.RawMessage
	Confirm    *Hint // enqueued in the same transaction where answers carry no record
}

// CreateIntent is committed before a create goes out.
type CreateIntent struct {
	IdentityID string
	Epoch      int64
	Link       string
	System     string
	Sends      int // as read; the statement is a no-op if it moved
	Intent     json.RawMessage
	Sent       json.RawMessage
}

// SendRef names one send of a create: the one after which Sends became this.
type SendRef struct {
	IdentityID string
	System     string
	Sends      int
}

// Binding is the true fact that a member's record is this one.
type Binding struct {
	IdentityID, System, Object string
	RecordID, Birth            string
	Confirm                    *Hint
}

// MemberUpdate is what persist writes to a member.
type MemberUpdate struct {
	System      string
	State       mapping.MemberState // "" leaves it
	Base        json.RawMessage
	BaseVersion string
	Birth       string // set if the member has none
	Intent      json.RawMessage
	Sent        json.RawMessage
	Fields      map[string]FieldState // replaces the member's field states; nil leaves them
}

// IdentityUpdate is what persist writes to an identity, under its fence.
type IdentityUpdate struct {
	LeaseRef
	Members []MemberUpdate
	Link    string
	Keys    []KeyOf // all keys that the identity has now
	SetKeys bool    // false leaves the keys alone
}

// KeyOf is a key and the system whose value it is.
type KeyOf struct {
	Key
	System string
}

// Disposition is the end of one attempt as the work row sees it.
type Disposition string

// The dispositions (CORRECTNESS 3.4).
const (
	Done   Disposition = "done"
	Again  Disposition = "again"
	Parked Disposition = "parked"
	Dead   Disposition = "dead"
)

// Finish ends the attempt of one work row.
type Finish struct {
	WorkRef
	// IdentityID limits the finish to a held identity fence: if the fence is
	// lost the row goes again and gets its attempt back. "" needs no fence: an
	// echo, a no-op, or a row without identity.
	IdentityID  string
	Disposition Disposition

	After     time.Duration // Again
	Retry     bool          // Again: after a failure, so move to the retry lane
	Blame     int           // Again: +1 own failure in a batch, -1 claimed alone but not its fault
	WholeCall bool          // Again: keep batch_cap, so that the queue isolates the culprit

	Reason string          // Parked, Dead: a label
	Error  string          // for people; may hold the vendor's words
	Detail json.RawMessage // Parked: the question and its candidates. Dead: the payload for the trash
}

// Entry is a line of history.
type Entry struct {
	At                                time.Time // set by the store
	IdentityID                        string    // "" if none
	System, Object, RecordID          string
	Cause, DeliveryKey, Trace, Action string
	Fields                            json.RawMessage // field → [old, new]
	Epoch                             int64
}

// Persist is the one transaction that ends a batch (CORRECTNESS 3.7).
type Persist struct {
	Owner      string
	Identities []IdentityUpdate
	Release    []LeaseRef // leases given back with nothing written: echoes, rows that leave
	History    []Entry    // entries of an identity only if its fence is held
	Work       []Finish
}

// Persisted says what a persist did.
type Persisted struct {
	Fenced []string  // identities whose fence was lost: nothing of theirs was written
	Lost   []WorkRef // rows that belong to another owner by now
	Rerun  []WorkRef // rows finished as done that run again: a hint came meanwhile
}

// Cursor is a sweep's position, leased to one replica. Pos is nil at first.
type Cursor struct {
	Pos   json.RawMessage
	Epoch int64
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

// Hold is a safety catch that has closed.
type Hold struct {
	ID     int64
	System string
	Link   string // "" = every link
	What   string // all | writes | creates | deletes
	Reason string
	Detail json.RawMessage
	Since  time.Time
}

// SystemRow registers a configured system.
type SystemRow struct {
	System, Kind, Tenant string
	Objects              []ObjectRow
}

// ObjectRow registers an object and how safe its creates are.
type ObjectRow struct {
	Object, CreateClass string
	Settle, IndexLag    time.Duration
}

// Pair is a row of the id_mapping view.
type Pair struct {
	SourceSystem, SourceObject, SourceID string
	TargetSystem, TargetObject, TargetID string
	Active                               bool
	CanonicalID, Link                    string
	CreatedAt                            time.Time
	CreatedBy                            string
}

// PairQuery selects rows of the id_mapping view; empty fields do not filter.
type PairQuery struct {
	Link, SourceSystem, SourceID, TargetSystem string
	Limit                                      int // 0: 1,000
}

// QueueStat counts the rows of one queue.
type QueueStat struct {
	System, Object string
	Lane           Lane
	Due            int // due now
	Running        int // claimed
	Waiting        int // due later
	Parked         int
	OldestDue      time.Time // first hint of the oldest row that is not parked; zero if none
}

// WaitingRow is a queued row that says why it waits.
type WaitingRow struct {
	System, Object, RecordID string
	Attempts                 int
	Parked                   bool
	Error                    string
	Detail                   json.RawMessage
	FirstHint, NotBefore     time.Time // NotBefore is zero where parked
}

// TrashRow is a change given up on.
type TrashRow struct {
	ID                       int64
	System, Object, RecordID string
	IdentityID, Why, Error   string
	Attempts                 int
	Payload                  json.RawMessage
	At                       time.Time
	ResolvedAt               time.Time // zero while open
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

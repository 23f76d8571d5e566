package store

import (
	"encoding/json"
	"time"

	"syncd/mapping"
)

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
	// Mac is the keyed hash of the record id of a source: one that has a tombstone is
	// not claimed. "" looks for none.
	Mac string
}

// NewIdentity is a claim: the constraint is taken before the create call.
type NewIdentity struct {
	ID, Link, CreatedBy string
	Source              NewMember   // becomes active
	Targets             []NewMember // become creating
	Keys                []Key       // in the order in which they decide
	// Ask says that a match is a person's to confirm: where another identity holds
	// a key, the claim waits and never joins.
	Ask bool
	// Exact says that a key names one record of a system: where the source's system
	// has one with it already, nothing is claimed, and the key is never shared.
	Exact bool
	// Join names the identity that the source belongs to: it becomes its record
	// (joined), or has to wait, or clashes with the one that it has; or there is no
	// such identity in use (taken). Keys are not looked at, nothing new is made, and
	// ID may be empty.
	Join string
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
	// VerdictClash: the claim is Exact, and another record of the source's system
	// has its key.
	VerdictClash Verdict = "clash"
	// VerdictErased: the source belongs to somebody who was erased (F44).
	VerdictErased Verdict = "erased"
)

// ClaimResult is the verdict on one NewIdentity.
type ClaimResult struct {
	Verdict    Verdict
	IdentityID string // joined, wait, clash: the identity that was met
	Free       bool   // wait: only because the claim asks; else it would have joined
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

// RemovalIntent is committed before a record is archived, deleted or restored.
type RemovalIntent struct {
	IdentityID string
	Epoch      int64
	Link       string
	System     string
	Removal    json.RawMessage
	// Restore: the record comes back, so a hold on deletes does not stop it, but one
	// on writes does; the member may be gone.
	Restore bool
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
	System string
	// State "" leaves it. To gone or merged: Why and Cause are kept with the time.
	// To active: they are forgotten, and so is that the record was missing; refused
	// while another identity has the record.
	State      mapping.MemberState
	Missing    bool // there is evidence that the record went: since now, unless since before
	Why, Cause string
	// Reopen makes the member wait for a new record: the row is the claim, so it is
	// used again, with nothing of the old record (3.8). Whoever asks has put the old
	// id into the history. Of the rest only Removal counts.
	Reopen      bool
	Removal     json.RawMessage // an open removal; nil: none is open
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

	State      mapping.IdentityState // "" leaves it
	MergedInto string                // with State merged: the identity that it went into
	Note       string                // "" leaves it
	// Needs are all references of the identity that wait. A need that is met by now
	// wakes its record at once: what meets it may have come since it was looked for.
	Needs    []Need
	SetNeeds bool // false leaves the needs alone
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

// Move says that a member's record is another one by now: it was merged into that one,
// or renamed (CORRECTNESS F40, F43). The old id stays as an alias. It counts only
// under the identity's fence, after the updates of the same persist, and while nobody
// else has the record.
type Move struct {
	IdentityID     string // in Identities or Release of the same persist
	System, Object string
	From, To       string // From "": the member waits for a record, and nothing was sent for it
	Birth          string // of To, "" if it is not known
	Why            string // a label: merged | renamed
}

// Persist is the one transaction that ends a batch (CORRECTNESS 3.7).
type Persist struct {
	Owner      string
	Identities []IdentityUpdate
	Moves      []Move
	Release    []LeaseRef // leases given back with nothing written: echoes, rows that leave
	History    []Entry    // entries of an identity only if its fence is held
	Work       []Finish
	Answers    []Answer // wake the records that need these, if it is news
}

// Persisted says what a persist did.
type Persisted struct {
	Fenced []string  // identities whose fence was lost: nothing of theirs was written
	Lost   []WorkRef // rows that belong to another owner by now
	Rerun  []WorkRef // rows finished as done that run again: a hint came meanwhile
}

package store

import (
	"errors"
	"time"
)

// ErrInHand says that a record cannot be erased right now: somebody else has it, or
// the identity that it belongs to, in hand. Try again in a second.
var ErrInHand = errors.New("the record is being worked on")

// EraseOrder is what a work row has to do beside bringing a record through: the
// life of an erasure (CORRECTNESS F44).
type EraseOrder string

// The orders.
const (
	// EraseAsked: the vendor says that the record was erased.
	EraseAsked EraseOrder = "asked"
	// EraseArchive, EraseDelete and EraseAsk are about a record of a person who was
	// erased in another system: put it into the bin, end it, ask a person.
	EraseArchive EraseOrder = "archive"
	EraseDelete  EraseOrder = "delete"
	EraseAsk     EraseOrder = "ask"
	// EraseKeep leaves it as it is; there is no work to do for that.
	EraseKeep EraseOrder = "keep"
)

// Erasure orders a record, the identity that it belongs to and all that was merged
// into that one to be forgotten.
type Erasure struct {
	System, Object, RecordID string
	By, Reason               string // for the certificate
	Owner                    string // whose leases do not count as somebody else's; "" nobody's
	// Other says what becomes of the person's records in other systems, by link;
	// a link that is not named asks.
	Other map[string]EraseOrder
	// Mac gives the keyed hash of a record's id, all that is kept of it.
	Mac func(system, object, recordID string) string
	// DryRun does all of it and takes it back: what is told is what would be.
	DryRun bool
}

// Erased is the certificate of an erasure: what was wiped, and no value of it.
type Erased struct {
	ID         int64          `json:"certificate,omitempty"` // 0: nothing was wiped, or a dry run
	At         time.Time      `json:"erased_at"`
	By         string         `json:"erased_by"`
	Reason     string         `json:"reason"`
	System     string         `json:"system"`
	Object     string         `json:"object"`
	Identities []string       `json:"canonical_ids,omitempty"`
	Wiped      map[string]int `json:"wiped"`               // table → rows
	Tombstones int            `json:"tombstones"`          // record ids that are never paired or created again
	Elsewhere  []Elsewhere    `json:"elsewhere,omitempty"` // the person's records in other systems
	// OpenCreates are systems to which a create without an answer was under way: a
	// record that it made shows up later, is recognised, and is listed.
	OpenCreates []string `json:"open_creates,omitempty"`
	// Before is the certificate of an earlier erasure of the same record.
	Before int64 `json:"before,omitempty"`
}

// Elsewhere is a record of the erased person in another system.
type Elsewhere struct {
	System string     `json:"system"`
	Object string     `json:"object"`
	Order  EraseOrder `json:"order"`
}

// Certificate is a kept certificate.
type Certificate struct {
	ID   int64
	At   time.Time
	Text string // JSON
}

// Tombstone names a record by the keyed hash of its id.
type Tombstone struct{ System, Object, Mac string }

// ErasedPrefix opens what stands in place of an erased record's id: the rest is the
// keyed hash.
const ErasedPrefix = "erased:"

// TombstoneOfIdentity is what stands for an identity whose person was erased: a
// record that carries its token is theirs.
func TombstoneOfIdentity(mac func(system, object, recordID string) string, identityID string) Tombstone {
	return Tombstone{Mac: mac("", "", identityID)}
}

package store

import (
	"encoding/json"
	"time"
)

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
	InactiveAt                           time.Time // when a record of the pair went, zero if none did
	InactiveWhy, InactiveCause           string
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

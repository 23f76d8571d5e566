package store

import (
	"encoding/json"
	"errors"
	"time"
)

// ErrStale says that a plan cannot be applied any more: it was applied, or it was
// made under another configuration.
var ErrStale = errors.New("the plan is not to be applied: it was already, or the configuration is another one by now")

// LinkColumn is a column that a link runs with, as it was when the link took it up
// (CORRECTNESS F65).
type LinkColumn struct {
	Link, System, Object, Field string
	Type                        string
	ReadOnly                    bool
	Gone                        bool // missing now
	TimesGone                   int  // how often it was missing and came back
}

// Definition is the definition of a row that is in force (F48).
type Definition struct {
	Link, Field, Rev string
	Superseded       []string // revisions that were in force before
	RunID            int64    // 0: not by a plan
	AppliedAt        time.Time
	AppliedBy        string
}

// InForce puts definitions of a link in force: by its first start, or by a plan.
type InForce struct {
	Link    string
	Revs    map[string]string // row → revision
	Columns []LinkColumn      // taken up as they are now
	First   bool              // only if the link has none yet
	RunID   int64             // the planned run that says so; 0 for a first start
	// ConfigRev must be the one that the run was planned under.
	ConfigRev string
	Audit     Audit // Actor is who applies
}

// Description is what an object of a system looked like when it was asked last.
type Description struct {
	System, Object, Fingerprint string
	At                          time.Time // set by the store
}

// The states of a run.
const (
	RunPlanning = "planning"
	RunPlanned  = "planned"
	RunApplying = "applying"
	RunDone     = "done"
	RunFailed   = "failed"
)

// Run is a job over many records.
type Run struct {
	ID                    int64
	Kind, Link, ConfigRev string
	State                 string
	Report                json.RawMessage
	CreatedAt, AppliedAt  time.Time
	CreatedBy, AppliedBy  string
}

// RunRow is one line of a run's plan: a record that applying it is about.
type RunRow struct {
	N                                    int64
	IdentityID, System, Object, RecordID string
	Class                                string
}

// Replica is a daemon, and what it runs (CORRECTNESS section 4).
type Replica struct {
	Name, Version, ConfigRev string
	StartedAt, SeenAt        time.Time // set by the store
}

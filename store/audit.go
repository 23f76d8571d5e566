package store

import (
	"encoding/json"
	"time"
)

// Audit is one line of who did what. Lines are added and never changed. Before
// and After hold ids and states, no values of records: an audit outlives an
// erasure.
type Audit struct {
	ID            int64     // set by the store
	At            time.Time // set by the store
	Actor         string    // who
	Via           string    // cli | config | …
	Action        string    // "mapping.pair"
	Target        string    // what it was about: "link customers", "hubspot:contacts:17"
	Reason        string    // in the actor's words, "" if none was given
	Before, After json.RawMessage
}

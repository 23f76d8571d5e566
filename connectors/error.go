package connectors

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what an error means for the queue. Each connector maps its
// vendor's answers to a kind in one table.
type Kind string

// The kinds of errors.
const (
	KindThrottled Kind = "throttled" // over a limit: the whole system pauses, nobody is blamed
	KindTransient Kind = "transient" // try again later
	KindConflict  Kind = "conflict"  // the version moved on: read again, decide again
	KindInvalid   Kind = "invalid"   // the vendor refuses this record's data, in its own words
	KindGone      Kind = "gone"      // the record itself is proved gone
	KindForbidden Kind = "forbidden" // a right or scope is missing
	KindAuth      Kind = "auth"      // the credential is dead
	KindConfig    Kind = "config"    // a field, object or setting does not exist there
	KindBug       Kind = "bug"       // an answer or a request that should not exist
)

// Error is the only error type a connector gives.
type Error struct {
	Kind   Kind
	System string // configured name of the system
	Object string
	Field  string // the field at fault, if one is
	Op     string // what was being done: "batch update contacts"
	// Said is the vendor's own message, or ours where it said nothing. It may
	// hold values of a record: show it to people, keep it out of logs.
	Said string
	// WholeCall says that the answer was about the call and not about one
	// record: it costs no record an attempt (CORRECTNESS 3.7).
	WholeCall  bool
	RetryAfter time.Duration // how long the vendor asked us to wait, 0 if it did not
	Code       string        // the vendor's code or status, for metrics and logs
	Status     int           // the HTTP status of the answer, 0 if there was none or it says nothing
	Err        error         // what lies below: a network error, a context error
}

// Error gives one sentence with system, operation, kind and code. It leaves
// Said out, which may hold values of a record.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s: %s", e.System, e.Op, e.Kind)
	if e.Field != "" {
		s += fmt.Sprintf(" (field %q)", e.Field)
	}
	if e.Code != "" {
		s += " [" + e.Code + "]"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the error below.
func (e *Error) Unwrap() error { return e.Err }

// KindOf gives the kind of an error, KindTransient for one that is not an
// *Error: an unforeseen error is tried again and ends in the trash at the cap.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindTransient
}

// Refusal says why a webhook was not taken. Reason is a metric label.
type Refusal struct {
	Reason string // bad_signature, stale, malformed, wrong_account
	Detail string
}

// Error gives reason and detail.
func (r *Refusal) Error() string { return "webhook refused: " + r.Reason + ": " + r.Detail }

// Reasons of a Refusal.
const (
	RefusedSignature = "bad_signature"
	RefusedStale     = "stale"
	RefusedMalformed = "malformed"
	RefusedAccount   = "wrong_account"
)

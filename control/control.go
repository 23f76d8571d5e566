// Package control is the door for the operator's commands: named operations,
// JSON over a unix socket that only the daemon's own user (and root) can open.
// That is no new right: who may open the socket may read the configuration and
// the database, too (SECURITY S13). Nothing of it is reachable over a network or
// from a browser. Where no daemon runs, the same operations are called in the
// command's own process: a Table and a Client are both a Door.
package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Call is what an operation is told.
type Call struct {
	Actor  string          `json:"actor"`            // who asks: a name for the audit
	Reason string          `json:"reason,omitempty"` // why, in the actor's words
	Args   json.RawMessage `json:"args,omitempty"`
}

// Into decodes the arguments; an unknown one is the caller's error.
func (c Call) Into(args any) error {
	d := json.NewDecoder(bytes.NewReader(c.Args))
	d.DisallowUnknownFields()
	if err := d.Decode(args); err != nil && !errors.Is(err, io.EOF) {
		return Usage("the arguments cannot be read: %v", err)
	}
	return nil
}

// Operation does one thing and gives what is to be shown, as something that
// encodes to JSON. It may be cut off between any two steps, as the daemon may.
type Operation func(ctx context.Context, c Call) (any, error)

// Door takes calls.
type Door interface {
	Do(ctx context.Context, name string, c Call) (json.RawMessage, error)
}

// Table holds the operations by name: "mapping.get".
type Table map[string]Operation

// Do calls an operation in this process.
func (t Table) Do(ctx context.Context, name string, c Call) (answer json.RawMessage, err error) {
	op, known := t[name]
	if !known {
		return nil, Usage("this syncd has no operation %q: is it an older one?", name)
	}
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, fmt.Errorf("%s: internal error: %v", name, p)
		}
	}()
	if c.Actor == "" {
		return nil, Usage("%s: an actor is missing", name)
	}
	out, err := op(ctx, c)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// Kind says what became of a call that failed: the exit code of its command.
type Kind string

// The kinds, as UX 5.2 lists the exit codes.
const (
	KindFailed      Kind = "failed"
	KindUsage       Kind = "usage"       // the call itself is wrong: nothing was done
	KindHeld        Kind = "held"        // a person has to say more first: nothing was done
	KindSome        Kind = "some"        // done, but some records failed
	KindUnreachable Kind = "unreachable" // no daemon, or it holds the store and does not answer
	KindRefused     Kind = "refused"     // not allowed
)

// Error is an operation's error with its kind. Say is for the operator.
type Error struct {
	Kind Kind   `json:"kind"`
	Say  string `json:"say"`
	Err  error  `json:"-"`
}

// Error gives the sentence.
func (e *Error) Error() string { return e.Say }

// Unwrap gives what lies below.
func (e *Error) Unwrap() error { return e.Err }

// Usage is the error of a call that cannot be meant.
func Usage(format string, args ...any) error {
	return &Error{Kind: KindUsage, Say: fmt.Sprintf(format, args...)}
}

// Held is the error of a call that needs a person to say more.
func Held(format string, args ...any) error {
	return &Error{Kind: KindHeld, Say: fmt.Sprintf(format, args...)}
}

// KindOf gives the kind of an error, KindFailed for one that has none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return cmp.Or(e.Kind, KindFailed)
	}
	return KindFailed
}

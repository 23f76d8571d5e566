// Command syncd keeps CRMs and ERPs in step, in both directions, without ever
// making a second copy of the same customer.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"syncd/control"
)

// Exit codes (UX 5.2).
const (
	exitFailed      = 1
	exitUsage       = 2 // usage or configuration
	exitChanges     = 3 // with --exit-code: there is something to apply
	exitHeld        = 4 // needs a person to say more
	exitSome        = 5 // done, but some records failed
	exitUnreachable = 6 // no daemon answers, or the lock is taken
	exitRefused     = 7 // not allowed
)

// usageError marks an error as the caller's: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal drains; with the handler gone a second one kills.
	context.AfterFunc(ctx, stop)
	err := newRoot().ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(exitCode(err))
}

// exitCode gives the exit code of a command that failed; unknown is failed.
func exitCode(err error) int {
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	if errors.Is(err, errChanges) {
		return exitChanges
	}
	return cmp.Or(exitCodes[control.KindOf(err)], exitFailed)
}

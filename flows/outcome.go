package flows

import (
	"context"
	"errors"
	"slices"
	"time"

	"syncd/connectors"
	"syncd/connectors/wire"
	"syncd/store"
)

// Back-off of a record's own failures: min(2^n s, 15 min) with full jitter (3.4).
const (
	backoffBase = time.Second
	backoffCap  = 15 * time.Minute
	backoffMax  = 10 // 2^10 s is past the cap
)

// retryAfter draws the delay before attempt n+1.
func (e *Engine) retryAfter(attempts int) time.Duration {
	d := min(backoffCap, backoffBase<<min(max(attempts, 0), backoffMax))
	return e.between(0, d) + backoffBase
}

// blamed charges an attempt to a row that failed by itself in a batch; a row
// claimed alone paid when it was claimed.
func (b *batch) blamed(r *row) int {
	if r.work.Batch == 1 {
		return 0
	}
	return 1
}

// outcome maps an error kind to the end of an attempt: the one table.
func (b *batch) outcome(r *row, err *connectors.Error) store.Finish {
	words := err.Error()
	if err.Said != "" {
		words += ": " + err.Said
	}
	again := store.Finish{Disposition: store.Again, Error: words}
	switch err.Kind {
	case connectors.KindThrottled, connectors.KindAuth, connectors.KindForbidden, connectors.KindConfig:
		if err.Kind == connectors.KindForbidden && !err.WholeCall {
			return store.Finish{Disposition: store.Parked, Reason: "denied", Error: words}
		}
		// About the credential, the set-up or the quota: nobody's fault, and the
		// system as a whole waits.
		again.After = max(err.RetryAfter, b.suspended(err.System)) + b.between(0, time.Second)
		again.Blame = b.unblamed(r)
	case connectors.KindConflict:
		again.After, again.Retry = b.between(300*time.Millisecond, time.Second), true
		again.Blame = b.blamed(r)
	case connectors.KindInvalid:
		if err.WholeCall && r.work.Batch > 1 {
			// One of the batch is refused and the answer does not say which: all go
			// again at once, in smaller batches, until it is alone (3.7).
			again.WholeCall = true
			return again
		}
		return store.Finish{Disposition: store.Parked, Reason: "refused", Error: words}
	case connectors.KindGone:
		return store.Finish{Disposition: store.Parked, Reason: "partner_missing", Error: words}
	case connectors.KindBug:
		if !err.WholeCall {
			return store.Finish{Disposition: store.Dead, Reason: "bug", Error: words}
		}
		again.After, again.Retry, again.WholeCall = b.retryAfter(r.work.Attempts), true, true
	default:
		b.transient(r, err, &again)
	}
	return again
}

// transient: an outage of the vendor costs nobody an attempt; an answer that may
// be due to the record keeps the batch cap, so that a culprit ends up alone.
func (b *batch) transient(r *row, err *connectors.Error, again *store.Finish) {
	again.Retry = true
	switch {
	case outage(err):
		again.Retry = false
		again.After = max(err.RetryAfter, b.suspended(err.System)) + b.between(0, time.Second)
		again.Blame = b.unblamed(r)
	case err.WholeCall:
		again.After = max(err.RetryAfter, b.retryAfter(r.work.Attempts))
		again.WholeCall = true
	default:
		again.After = max(err.RetryAfter, b.retryAfter(r.work.Attempts))
		again.Blame = b.blamed(r)
	}
}

// outage says that the vendor, or the way to it, is down for everybody.
func outage(err *connectors.Error) bool {
	if !err.WholeCall {
		return false
	}
	var f *wire.Failure
	if errors.As(err, &f) {
		return true
	}
	return slices.Contains(outageStatuses, err.Status)
}

// outageStatuses are what gateways answer when the vendor behind them is down,
// and 477, with which HubSpot moves an account between regions.
var outageStatuses = []int{502, 503, 504, 521, 522, 523, 524, 525, 526, 477}

// storeTrouble: the database could not take a step. Nobody is to blame; what is
// on record decides at the next attempt.
func (b *batch) storeTrouble(r *row, err error) store.Finish {
	if !errors.Is(err, context.Canceled) {
		b.Logger.Warn("the store could not take a step", "event", "store.trouble", "system", b.place.system, "object", b.place.object, "error", err)
	}
	return store.Finish{Disposition: store.Again, After: b.between(time.Second, 3*time.Second), Blame: b.unblamed(r), Error: "the database was not available"}
}

// asConnectorError gives the *Error of a connector, made up for a foreign one.
func asConnectorError(system string, err error) *connectors.Error {
	var e *connectors.Error
	if errors.As(err, &e) {
		return e
	}
	return &connectors.Error{Kind: connectors.KindOf(err), System: system, Op: "call", WholeCall: true, Err: err}
}

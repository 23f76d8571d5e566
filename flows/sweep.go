package flows

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"syncd/connectors"
	"syncd/failpoint"
	"syncd/ratelimit"
	"syncd/store"
)

// kindChanged names the cursor of the sweep that finds changes no webhook
// brought (CORRECTNESS F16).
const kindChanged = "changed"

// sweepLease is how long a page may take before another replica takes over: a
// call's time-out and a margin.
const sweepLease = 45 * time.Second

// busyRetry is when a sweep is tried again, for the first minute after a start,
// if the cursor is taken: it may be that of a process that was killed.
const busyRetry = 15 * time.Second

// errSweepBusy says that another replica, or a dead one, holds the cursor.
var errSweepBusy = errors.New("another replica is sweeping")

// position is a changed-sweep's place. Since is where the pass began; High is
// the newest change seen in it and becomes the next pass's beginning, less the
// overlap; Cursor is the page within the pass.
type position struct {
	Since  time.Time `json:"since"`
	High   time.Time `json:"high"`
	Cursor string    `json:"cursor,omitempty"`
}

// sweeps lists the objects that are listened to.
func (e *Engine) sweeps() []place {
	var out []place
	for _, p := range sortedPlaces(e.projection) {
		for _, l := range e.linksOf(p) {
			if l.member(p.system).Listen {
				out = append(out, p)
				break
			}
		}
	}
	return out
}

// sweepLoop sweeps at start and then every SweepEvery.
func (e *Engine) sweepLoop(ctx context.Context, p place) {
	every := max(time.Second, e.systems[p.system].SweepEvery)
	for sweeps := 0; ; sweeps++ {
		wait := every + e.between(0, every/10)
		alarm := e.alarmed()
		if e.suspended(p.system) > 0 {
			wait = max(time.Second, e.suspended(p.system))
		} else if err := e.Sweep(ctx, p.system, p.object); errors.Is(err, errSweepBusy) {
			if time.Duration(sweeps)*busyRetry <= sweepLease {
				wait = min(wait, busyRetry)
			}
		} else if err != nil && ctx.Err() == nil {
			e.Logger.Warn("a sweep ended early; the next one goes on from the same place", "event", "sweep.failed", "system", p.system, "object", p.object, "error", err)
			wait = min(wait, 10*time.Second)
		}
		if e.recovering.Load() {
			wait = min(wait, recoverRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-alarm:
		case <-time.After(wait):
		}
	}
}

// Sweep makes one pass over what changed in an object since the last pass and
// enqueues the records whose state it has not seen before.
func (e *Engine) Sweep(ctx context.Context, system, object string) error {
	p := place{system, object}
	lost := e.recover(ctx, p)
	err := e.changed(ctx, p)
	if errors.Is(lost, errSweepBusy) {
		return err // another replica is at it
	}
	return errors.Join(err, lost)
}

// changed makes the pass over what changed.
func (e *Engine) changed(ctx context.Context, p place) error {
	system, object := p.system, p.object
	cur, ok, err := e.Store.LeaseCursor(ctx, system, object, kindChanged, e.Owner, sweepLease)
	if err != nil {
		return fmt.Errorf("take the sweep cursor of %s %s: %w", system, object, err)
	}
	if !ok {
		return errSweepBusy
	}
	ref := store.CursorRef{System: system, Object: object, Kind: kindChanged, Epoch: cur.Epoch}
	err = e.pass(ratelimit.WithLane(ctx, ratelimit.Sweep), p, ref, cur)
	if !errors.Is(err, store.ErrFenced) {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
		defer cancel()
		err = errors.Join(err, e.Store.ReleaseCursor(back, ref))
	}
	e.Wake()
	return err
}

func (e *Engine) pass(ctx context.Context, p place, ref store.CursorRef, cur store.Cursor) error {
	pos, err := e.startOf(p, cur)
	if err != nil {
		return err
	}
	if len(cur.Pos) == 0 {
		if err := e.commitPage(ctx, p, ref, nil, pos); err != nil {
			return err // the first pass of all has to begin here, whoever ends it
		}
	}
	conn, fields := e.systems[p.system].Conn, e.projection[p]
	resumed := pos.Cursor != ""
	for {
		page, err := conn.List(ctx, p.object, connectors.Query{Since: pos.Since, Cursor: pos.Cursor, Fields: fields})
		if err != nil && resumed && refusesCursor(err) {
			// The vendor has forgotten the place where the last pass was left.
			resumed, pos.Cursor = false, ""
			continue
		}
		resumed = false
		if err != nil {
			ce := asConnectorError(p.system, err)
			e.noteTrouble(p.system, ce, false)
			return fmt.Errorf("list %s of %s: %w", p.object, p.system, ce)
		}
		e.well(p, false)
		records, err := e.withoutErased(ctx, p, page.Records)
		if err != nil {
			return fmt.Errorf("look for erased records of %s %s: %w", p.system, p.object, err)
		}
		var rows []store.SeenRow
		for _, r := range records {
			rows = append(rows, store.SeenRow{RecordID: r.ID, Birth: birthText(r.Born), Version: r.Version, Mark: mark(r)})
		}
		for _, r := range page.Records {
			// A time that lies ahead would make later passes begin ahead as well.
			m := r.Modified
			if now := e.Now(); m.After(now) {
				m = now
			}
			if m.After(pos.High) {
				pos.High = m
			}
		}
		last := page.Next == "" || page.Next == pos.Cursor
		if pos.Cursor = page.Next; last {
			pos = e.nextPass(p, pos)
		}
		failpoint.Hit("mid_sweep_page")
		if err := e.commitPage(ctx, p, ref, rows, pos); err != nil || last {
			return err
		}
	}
}

// commitPage commits what a page showed and the place where to go on.
func (e *Engine) commitPage(ctx context.Context, p place, ref store.CursorRef, rows []store.SeenRow, pos position) error {
	n, err := e.Store.CommitSweep(ctx, store.SweepPage{
		CursorRef: ref, Rows: rows, Lane: store.LaneSweep, Cause: "sweep", Pos: encode(pos),
	}, sweepLease)
	if err != nil {
		return fmt.Errorf("commit a page of the sweep of %s %s: %w", p.system, p.object, err)
	}
	e.Observe.Swept(p.system, p.object, len(rows), n)
	return nil
}

// refusesCursor says that an error may be about the place in the listing.
func refusesCursor(err error) bool {
	switch connectors.KindOf(err) {
	case connectors.KindInvalid, connectors.KindBug, connectors.KindGone, connectors.KindConfig:
		return true
	}
	return false
}

// startOf gives where a pass begins: where the last one was left, or for the
// first ever, now less the overlap. What is older is a backfill's.
func (e *Engine) startOf(p place, cur store.Cursor) (position, error) {
	var pos position
	if len(cur.Pos) == 0 {
		start := e.Now().Add(-e.object(p).Overlap)
		return position{Since: start, High: start}, nil
	}
	if err := json.Unmarshal(cur.Pos, &pos); err != nil {
		return pos, fmt.Errorf("sweep cursor of %s %s: %w", p.system, p.object, err)
	}
	return pos, nil
}

// nextPass begins where this one's newest change was, less the overlap: commits
// may become visible with an older time (F62).
func (e *Engine) nextPass(p place, pos position) position {
	since := pos.High.Add(-e.object(p).Overlap)
	if since.Before(pos.Since) {
		since = pos.Since
	}
	return position{Since: since, High: pos.High}
}

// mark stands for a record's version and values: times have the grain of a
// second in some vendors, and two edits may share one.
func mark(r connectors.Record) string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(r.Values)) {
		fmt.Fprintf(h, "%d:%s=%d:%s", len(k), k, len(r.Values[k]), r.Values[k])
	}
	fmt.Fprintf(h, "archived=%t", r.Archived)
	return r.Version + "." + hex.EncodeToString(h.Sum(nil)[:8])
}

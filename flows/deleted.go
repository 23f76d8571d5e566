package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"syncd/connectors"
	"syncd/failpoint"
	"syncd/ratelimit"
	"syncd/store"
)

// kindDeleted names the cursor of the sweep that finds records that went without a
// word (CORRECTNESS F16, F37): by the bin where the vendor lists it, else by what a
// listing of all ids leaves out.
const kindDeleted = "deleted"

// leftPage is how many left-out records are hinted at in one commit.
const leftPage = 200

// deletedPlace is a deleted-sweep's place.
type deletedPlace struct {
	Pass   int64     `json:"pass,omitempty"` // the number that a full listing gives its records
	Began  time.Time `json:"began,omitzero"`
	Cursor string    `json:"cursor,omitempty"`
	Count  int       `json:"count,omitempty"` // listed so far in this pass
	Before int       `json:"before,omitempty"`
	// Left: the listing is whole, and what it left out is being told, after After.
	Left  bool      `json:"left,omitempty"`
	After string    `json:"after,omitempty"`
	Done  time.Time `json:"done,omitzero"` // when the last pass ended
}

// deletedLoop sweeps for deletes every SweepDeletedEvery, across restarts.
func (e *Engine) deletedLoop(ctx context.Context, p place) {
	every := e.systems[p.system].SweepDeletedEvery
	if every <= 0 {
		return
	}
	for {
		wait, err := e.sweepDeleted(ctx, p, every)
		switch {
		case errors.Is(err, errSweepBusy):
			wait = busyRetry
		case err != nil && ctx.Err() == nil:
			e.Logger.Warn("a sweep for deletes ended early; the next one goes on from the same place", "event", "sweep.failed",
				"system", p.system, "object", p.object, "error", err)
			wait = time.Minute
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(time.Second, wait) + e.between(0, time.Second)):
		}
	}
}

// SweepDeleted looks for records of an object that went without a word, now.
func (e *Engine) SweepDeleted(ctx context.Context, system, object string) error {
	_, err := e.sweepDeleted(ctx, place{system, object}, 0)
	return err
}

// sweepDeleted makes a pass, or goes on with one, if the last one ended long enough
// ago; else it says how long to wait.
func (e *Engine) sweepDeleted(ctx context.Context, p place, every time.Duration) (time.Duration, error) {
	cur, ok, err := e.Store.LeaseCursor(ctx, p.system, p.object, kindDeleted, e.Owner, sweepLease)
	if err != nil {
		return 0, fmt.Errorf("take the cursor for deletes of %s %s: %w", p.system, p.object, err)
	}
	if !ok {
		return 0, errSweepBusy
	}
	ref := store.CursorRef{System: p.system, Object: p.object, Kind: kindDeleted, Epoch: cur.Epoch}
	var pos deletedPlace
	if len(cur.Pos) > 0 {
		if err := json.Unmarshal(cur.Pos, &pos); err != nil {
			return 0, fmt.Errorf("place of the sweep for deletes of %s %s: %w", p.system, p.object, err)
		}
	}
	wait := every
	if since := cur.At.Sub(pos.Done); !pos.Done.IsZero() && pos.Began.IsZero() && since < every {
		wait = every - since
	} else {
		ctx := ratelimit.WithLane(ctx, ratelimit.Sweep)
		if pos.Began.IsZero() {
			pos.Began, pos.Pass = cur.At, cur.Epoch
		}
		if e.object(p).ListsBin {
			err = e.binPass(ctx, p, ref, pos)
		} else {
			err = e.idPass(ctx, p, ref, pos)
		}
		if errors.Is(err, errHeld) {
			wait, err = heldDeletes, nil
		}
	}
	if !errors.Is(err, store.ErrFenced) {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
		defer cancel()
		err = errors.Join(err, e.Store.ReleaseCursor(back, ref))
	}
	e.Wake()
	return wait, err
}

// errHeld says that a listing looked like an accident and waits for a person.
var errHeld = errors.New("the listing shrank; deletes are held")

// listPage asks for one page; fresh says that the vendor forgot the place where the
// pass was left, so that it begins again.
func (e *Engine) listPage(ctx context.Context, p place, q connectors.Query) (page connectors.Page, fresh bool, err error) {
	page, err = e.systems[p.system].Conn.List(ctx, p.object, q)
	if err != nil && q.Cursor != "" && refusesCursor(err) {
		return page, true, nil
	}
	if err != nil {
		ce := asConnectorError(p.system, err)
		e.noteTrouble(p.system, ce, false)
		return page, false, fmt.Errorf("list %s of %s: %w", p.object, p.system, ce)
	}
	e.well(p, false)
	return page, false, nil
}

// binPass hints at what lies in the bin and was not seen there before.
func (e *Engine) binPass(ctx context.Context, p place, ref store.CursorRef, pos deletedPlace) error {
	for {
		page, fresh, err := e.listPage(ctx, p, connectors.Query{Bin: true, Cursor: pos.Cursor})
		if err != nil {
			return err
		}
		if fresh {
			pos.Cursor = ""
			continue
		}
		rows := make([]store.SeenRow, len(page.Records))
		for i, r := range page.Records {
			rows[i] = store.SeenRow{RecordID: r.ID, Birth: birthText(r.Born), Version: "", Mark: mark(r)}
		}
		last := page.Next == "" || page.Next == pos.Cursor
		if pos.Cursor = page.Next; last {
			pos = deletedPlace{Done: pos.Began}
		}
		failpoint.Hit("mid_sweep_page")
		n, err := e.Store.CommitSweep(ctx, store.SweepPage{CursorRef: ref, Rows: rows, Lane: store.LaneSweep, Cause: "sweep", Pos: encode(pos)}, sweepLease)
		if err != nil {
			return fmt.Errorf("commit a page of the bin of %s %s: %w", p.system, p.object, err)
		}
		e.Observe.Swept(p.system, p.object, len(rows), n)
		if last {
			return nil
		}
	}
}

// idPass lists all ids, and then tells what was left out. A listing that shrank by
// more than a tenth looks like an accident: nothing is told before a person has let
// the deletes go (F38).
func (e *Engine) idPass(ctx context.Context, p place, ref store.CursorRef, pos deletedPlace) error {
	for !pos.Left {
		page, fresh, err := e.listPage(ctx, p, connectors.Query{Cursor: pos.Cursor})
		if err != nil {
			return err
		}
		if fresh { // a place that is lost would leave out what was listed before it
			pos.Cursor, pos.Count = "", 0
			continue
		}
		ids := idsOf(page.Records)
		pos.Left = page.Next == "" || page.Next == pos.Cursor
		pos.Cursor, pos.Count = page.Next, pos.Count+len(ids)
		if pos.Left {
			if err := e.judgeListing(ctx, p, pos); err != nil {
				return err
			}
		}
		failpoint.Hit("mid_sweep_page")
		if err := e.commitListing(ctx, ref, pos, ids); err != nil {
			return err
		}
		e.Observe.Swept(p.system, p.object, len(ids), 0)
	}
	return e.tellLeft(ctx, p, ref, pos)
}

// judgeListing closes the holds where a whole listing is emptier than the last one.
func (e *Engine) judgeListing(ctx context.Context, p place, pos deletedPlace) error {
	lost := pos.Before - pos.Count
	if lost <= 0 || pos.Count > 0 && (lost <= fewRemovals || lost*10 <= pos.Before) {
		return nil
	}
	for _, l := range e.linksOf(p) {
		if err := e.holdDeletes(ctx, l, p.system, HoldEmptied, map[string]int{"went": lost, "of": pos.Before}); err != nil {
			return err
		}
	}
	return nil
}

// tellLeft hints at the members that the listing left out.
func (e *Engine) tellLeft(ctx context.Context, p place, ref store.CursorRef, pos deletedPlace) error {
	held, err := e.emptied(ctx, p)
	if err != nil {
		return err
	}
	if held {
		return errHeld
	}
	for {
		ids, err := e.Store.Unlisted(ctx, p.system, p.object, pos.Pass, pos.Began, pos.After, leftPage)
		if err != nil {
			return fmt.Errorf("look for what the listing of %s %s left out: %w", p.system, p.object, err)
		}
		if len(ids) == 0 {
			return e.commitListing(ctx, ref, deletedPlace{Before: pos.Count, Done: pos.Began}, nil)
		}
		hints := make([]store.Hint, len(ids))
		for i, id := range ids {
			hints[i] = store.Hint{System: p.system, Object: p.object, RecordID: id, Lane: store.LaneSweep, Cause: store.CauseUnlisted}
		}
		if err := e.Store.Enqueue(ctx, hints); err != nil {
			return fmt.Errorf("hint at what the listing of %s %s left out: %w", p.system, p.object, err)
		}
		e.Observe.Swept(p.system, p.object, 0, len(hints))
		pos.After = ids[len(ids)-1]
		if err := e.commitListing(ctx, ref, pos, nil); err != nil {
			return err
		}
	}
}

// emptied says that a hold about this object's listing is closed.
func (e *Engine) emptied(ctx context.Context, p place) (bool, error) {
	holds, err := e.Store.Holds(ctx)
	if err != nil {
		return false, fmt.Errorf("read the holds: %w", err)
	}
	for _, h := range holds {
		for _, l := range e.linksOf(p) {
			if h.Reason == HoldEmptied && h.Link == l.Name && h.System != p.system {
				return true, nil
			}
		}
	}
	return false, nil
}

func (e *Engine) commitListing(ctx context.Context, ref store.CursorRef, pos deletedPlace, ids []string) error {
	err := e.Store.CommitListing(ctx, store.Listing{CursorRef: ref, RecordIDs: ids, Pass: pos.Pass, Pos: encode(pos)}, sweepLease)
	if err != nil {
		return fmt.Errorf("commit a page of all ids of %s %s: %w", ref.System, ref.Object, err)
	}
	return nil
}

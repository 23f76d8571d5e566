package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"syncd/connectors"
	"syncd/ratelimit"
	"syncd/store"
)

// peek reads a cursor's position. One that another has is waited for by the
// caller: it is an error.
func (e *Engine) peek(ctx context.Context, p place, kind string, into any) (known bool, err error) {
	cur, ok, err := e.Store.LeaseCursor(ctx, p.system, p.object, kind, e.Owner, sweepLease)
	if err != nil {
		return false, fmt.Errorf("read the %s cursor of %s %s: %w", kind, p.system, p.object, err)
	}
	if !ok {
		return false, errSweepBusy
	}
	if err := e.Store.ReleaseCursor(ctx, store.CursorRef{System: p.system, Object: p.object, Kind: kind, Epoch: cur.Epoch}); err != nil {
		return false, fmt.Errorf("give the %s cursor of %s %s back: %w", kind, p.system, p.object, err)
	}
	if len(cur.Pos) == 0 {
		return false, nil
	}
	if err := json.Unmarshal(cur.Pos, into); err != nil {
		return false, fmt.Errorf("%s cursor of %s %s: %w", kind, p.system, p.object, err)
	}
	return true, nil
}

// recover sweeps an object for what was forgotten, if a link of it has to, and
// opens the holds when all is done.
func (e *Engine) recover(ctx context.Context, p place) error {
	holds, err := e.Store.Holds(ctx)
	if err != nil {
		return fmt.Errorf("look for amnesia: %w", err)
	}
	if err := e.rememberRecovery(ctx, p); err != nil {
		return err
	}
	e.recovering.Store(slices.ContainsFunc(holds, func(h store.Hold) bool { return h.Reason == holdAmnesia }))
	need, since, held := e.owed(holds, p)
	if obj := e.object(p); obj.CreateClass != connectors.ClassUnique && e.Now().Before(held.Add(obj.Settle+obj.IndexLag)) {
		return nil // a create that was forgotten may be under way yet, or not shown
	}
	if need == 0 {
		return nil
	}
	err = e.recoverPlace(ctx, p, need, since)
	for _, l := range e.linksOf(p) {
		if err == nil && amnesiac(holds, l.Name) {
			err = e.recovered(ctx, l, holds)
		}
	}
	return err
}

// rememberRecovery keeps when an object was last swept for what was forgotten.
// A record that is older than that may have a partner that nobody knows of:
// its token is looked up before anything is created for it, for ever.
func (e *Engine) rememberRecovery(ctx context.Context, p place) error {
	var pos recovery
	known, err := e.peek(ctx, p, kindRecover, &pos)
	if err != nil || !known || !pos.Done {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recoveries[p] = pos.At
	return nil
}

// mayBeForgotten says that a record lived when its object was last swept for
// what was forgotten.
func (e *Engine) mayBeForgotten(p place, born time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	at, ever := e.recoveries[p]
	return ever && born.Before(at.Add(vendorClock))
}

// owed gives the newest hold that an object has to be swept for, and from when.
// The third is when that hold was closed.
func (e *Engine) owed(holds []store.Hold, p place) (newest int64, since, held time.Time) {
	whole := false
	for _, l := range e.linksOf(p) {
		for _, h := range holds {
			if h.Reason != holdAmnesia || h.Link != l.Name {
				continue
			}
			var why lapse
			if err := json.Unmarshal(h.Detail, &why); err != nil {
				whole = true
			}
			from, known := why.From[p.key()]
			whole = whole || !known
			if newest == 0 || from.Before(since) {
				since = from
			}
			if newest = max(newest, h.ID); h.Since.After(held) {
				held = h.Since
			}
		}
	}
	if whole {
		since = time.Time{}
	}
	return newest, since, held
}

// recoverPlace makes the sweep, or goes on with it. It takes only records that
// carry a token of ours: what never had one is not forgotten, and is a backfill's.
func (e *Engine) recoverPlace(ctx context.Context, p place, covers int64, since time.Time) error {
	cur, ok, err := e.Store.LeaseCursor(ctx, p.system, p.object, kindRecover, e.Owner, sweepLease)
	if err != nil {
		return fmt.Errorf("take the recover cursor of %s %s: %w", p.system, p.object, err)
	}
	if !ok {
		return errSweepBusy
	}
	ref := store.CursorRef{System: p.system, Object: p.object, Kind: kindRecover, Epoch: cur.Epoch}
	err = e.recoverPass(ratelimit.WithLane(ctx, ratelimit.Sweep), p, ref, cur, recovery{Covers: covers, Since: since})
	if !errors.Is(err, store.ErrFenced) {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
		defer cancel()
		err = errors.Join(err, e.Store.ReleaseCursor(back, ref))
	}
	e.Wake()
	return err
}

func (e *Engine) recoverPass(ctx context.Context, p place, ref store.CursorRef, cur store.Cursor, fresh recovery) error {
	var pos recovery
	if len(cur.Pos) > 0 {
		if err := json.Unmarshal(cur.Pos, &pos); err != nil {
			return fmt.Errorf("recover cursor of %s %s: %w", p.system, p.object, err)
		}
	}
	if pos.Covers < fresh.Covers {
		pos = fresh
	}
	field := e.object(p).TokenField
	resumed := pos.Cursor != ""
	for !pos.Done {
		var page connectors.Page
		if field != "" {
			var err error
			page, err = e.systems[p.system].Conn.List(ctx, p.object, connectors.Query{Since: pos.Since, Cursor: pos.Cursor, Fields: e.projection[p]})
			if err != nil && resumed && refusesCursor(err) {
				resumed, pos.Cursor = false, ""
				continue
			}
			if err != nil {
				ce := asConnectorError(p.system, err)
				e.noteTrouble(p.system, ce, false)
				return fmt.Errorf("list %s of %s: %w", p.object, p.system, ce)
			}
			e.well(p, false)
		}
		resumed = false
		if page.Next == "" || page.Next == pos.Cursor {
			pos.Done, pos.At = true, e.Now()
		}
		pos.Cursor = page.Next
		records, err := e.withoutErased(ctx, p, page.Records)
		if err != nil {
			return fmt.Errorf("look for erased records of %s %s: %w", p.system, p.object, err)
		}
		rows := e.ownRows(field, records)
		n, err := e.Store.CommitSweep(ctx, store.SweepPage{CursorRef: ref, Rows: rows, Lane: store.LaneSweep, Cause: kindRecover, Pos: encode(pos)}, sweepLease)
		if err != nil {
			return fmt.Errorf("commit a page of the recovery of %s %s: %w", p.system, p.object, err)
		}
		e.Observe.Swept(p.system, p.object, len(page.Records), n)
	}
	return nil
}

// ownRows keeps the records that carry a token of ours.
func (e *Engine) ownRows(field string, records []connectors.Record) []store.SeenRow {
	var rows []store.SeenRow
	for _, r := range records {
		if _, ours := e.Keyring.Parse(r.Values[field]); ours {
			rows = append(rows, store.SeenRow{RecordID: r.ID, Birth: birthText(r.Born), Version: r.Version, Mark: mark(r)})
		}
	}
	return rows
}

// recovered opens the holds of a link: on the creates in a system when every
// object was swept and what was found there has been taken up; the rest when
// all that the sweeps found has been worked off, and every replica knows of it.
func (e *Engine) recovered(ctx context.Context, l *Link, holds []store.Hold) error {
	var newest int64
	var since time.Time
	open := map[[2]string]bool{}
	for _, h := range holds {
		if h.Reason == holdAmnesia && h.Link == l.Name {
			newest, open[[2]string{h.System, h.What}] = max(newest, h.ID), true
			if h.Since.After(since) {
				since = h.Since
			}
		}
	}
	swept, done, err := e.sweptAll(ctx, l, newest)
	if err != nil || !done {
		return err
	}
	stats, err := e.Store.Queues(ctx)
	if err != nil {
		return fmt.Errorf("look what a recovery has left to do: %w", err)
	}
	for _, h := range e.catches(l) {
		if !open[[2]string{h.System, h.What}] || !e.mayOpen(l, h, stats, swept.Add(recoverSlack), since) {
			continue
		}
		if err := e.Store.ReleaseHold(ctx, h.System, h.Link, h.What, h.Reason, "syncd: every object was swept for what was forgotten"); err != nil {
			return fmt.Errorf("open the hold on %s of link %s: %w", h.What, l.Name, err)
		}
		e.Logger.Info("what the database had forgotten was looked for", "event", "amnesia.swept", "link", l.Name, "system", h.System, "hold", h.What)
	}
	return nil
}

// sweptAll says that every object of a link that is listened to was swept for a
// hold, and when the last of them was.
func (e *Engine) sweptAll(ctx context.Context, l *Link, newest int64) (at time.Time, done bool, err error) {
	listened := e.sweeps()
	for _, m := range l.Members {
		p := place{m.System, m.Object}
		if !slices.Contains(listened, p) {
			continue // nothing is ever taken from there: its records are looked up instead
		}
		var pos recovery
		known, err := e.peek(ctx, p, kindRecover, &pos)
		switch {
		case errors.Is(err, errSweepBusy):
			return at, false, nil
		case err != nil:
			return at, false, err
		case !known || !pos.Done || pos.Covers < newest:
			return at, false, nil
		case pos.At.After(at):
			at = pos.At
		}
	}
	return at, true, nil
}

// mayOpen looks at the queue. Creates that are held wait in the queues of their
// sources, so for them only the target's own queue counts, and there what is due.
func (e *Engine) mayOpen(l *Link, h store.Hold, stats []store.QueueStat, swept, since time.Time) bool {
	for _, m := range l.Members {
		every := e.systems[m.System].SweepEvery
		if h.What == "deletes" && e.Now().Sub(since) < 2*every+every/5 {
			return false // each replica has swept, and so has seen it, by then
		}
	}
	for _, q := range stats {
		m := l.member(q.System)
		old := m != nil && m.Object == q.Object && !q.OldestDue.IsZero() && q.OldestDue.Before(swept)
		if !old || h.What == "creates" && (q.System != h.System || q.Due+q.Running == 0) {
			continue
		}
		return false
	}
	return true
}

// ring has the sweeps look for work at once.
func (e *Engine) ring() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.alarm)
	e.alarm = make(chan struct{})
}

func (e *Engine) alarmed() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.alarm
}

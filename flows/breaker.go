package flows

import (
	"context"

	"syncd/store"
)

// The breaker on deletes (CORRECTNESS F38): more than this many in an hour, and than
// this share of a link's identities, is a mass delete.
const (
	fewRemovals  = 20
	removalShare = 100
)

// Reasons of holds on deletes.
const (
	HoldMass    = "mass delete"
	HoldEmptied = "emptied listing"
)

// breaker counts what went in a unit's link lately, this batch's included as far as
// it is about to be acted on, since that was noted before its grace (W11). Too much
// closes a hold; the intent statement looks for it. A count that fails ends the unit.
func (b *batch) breaker(ctx context.Context, u *unit) {
	l := u.link
	if b.counted[l.Name] {
		return
	}
	r, err := b.Store.Removals(ctx, l.Name, removalWindow, fewRemovals)
	if err == nil && r.Count > max(fewRemovals, r.Live/removalShare) {
		err = b.holdDeletes(ctx, l, u.lostIn(), HoldMass, map[string]int{"went": r.Count, "of": r.Live})
	}
	if err != nil {
		b.endUnit(u, "store", b.storeTrouble(u.rows[0], err))
		return
	}
	b.counted[l.Name] = true
}

// holdDeletes closes a hold on the deletes of a link in every system but the one that
// lost its records.
func (e *Engine) holdDeletes(ctx context.Context, l *Link, from, reason string, detail map[string]int) error {
	for i := range l.Members {
		m := &l.Members[i]
		if m.System == from || !m.Write {
			continue
		}
		if err := e.Store.CloseHold(ctx, store.Hold{System: m.System, Link: l.Name, What: "deletes", Reason: reason, Detail: encode(detail)}); err != nil {
			return err
		}
		e.Logger.Error("deletes are held: so many at once look like an accident", "event", "hold.closed", "link", l.Name, "system", m.System,
			"from", from, "reason", reason, "went", detail["went"], "of", detail["of"])
	}
	return nil
}

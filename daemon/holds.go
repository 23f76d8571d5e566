package daemon

import (
	"context"
	"encoding/json"
	"time"

	"syncd/control"
	"syncd/flows"
	"syncd/store"
)

// heldView is a closed hold as commands show it.
type heldView struct {
	ID     int64           `json:"id"`
	System string          `json:"system"`
	Link   string          `json:"link,omitempty"` // none: every link
	What   string          `json:"what"`
	Reason string          `json:"reason"`
	Since  time.Time       `json:"since"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

func viewOfHeld(h store.Hold) heldView {
	return heldView{h.ID, h.System, h.Link, h.What, h.Reason, h.Since, h.Detail}
}

// holdsList shows the holds that are closed.
func (d *Daemon) holdsList(ctx context.Context, _ control.Call) (any, error) {
	holds, err := d.store.Holds(ctx)
	out := []heldView{}
	for _, h := range holds {
		out = append(out, viewOfHeld(h))
	}
	return out, err
}

// releasable are the reasons of holds that a person may let go. The others open when
// what closed them is over.
var releasable = map[string]bool{flows.HoldMass: true, flows.HoldEmptied: true}

// holdsRelease opens one hold. What waited under it goes on by itself.
func (d *Daemon) holdsRelease(ctx context.Context, c control.Call) (any, error) {
	var args struct{ ID int64 }
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	holds, err := d.store.Holds(ctx)
	if err != nil {
		return nil, err
	}
	for _, h := range holds {
		if h.ID != args.ID {
			continue
		}
		if !releasable[h.Reason] {
			return nil, control.Usage("the hold %d (%s) is not a person's to release: see the operating manual for what opens it", h.ID, h.Reason)
		}
		view := viewOfHeld(h)
		before, err := json.Marshal(view)
		if err != nil {
			return nil, err
		}
		said := store.Audit{Actor: c.Actor, Via: viaCLI, Action: "hold.release", Target: h.What + " in " + h.System, Reason: c.Reason, Before: before}
		if err := d.store.Audit(ctx, said); err != nil { // first: nothing is let go that nobody answers for
			return nil, err
		}
		return view, d.store.ReleaseHold(ctx, h.System, h.Link, h.What, h.Reason, c.Actor)
	}
	return nil, control.Usage("there is no closed hold %d: `syncd holds ls` shows them", args.ID)
}

package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"syncd/config"
	"syncd/control"
	"syncd/flows"
	"syncd/store"
)

// holdMode is the reason of a hold on the creates of a link whose configuration says
// another identity mode than the one that it runs by.
const holdMode = "identity mode changed"

// modeDetail tells what a hold of that reason waits for.
type modeDetail struct {
	InForce string `json:"in_force"`
	Config  string `json:"config"`
	Do      string `json:"do"`
}

// holdChangedModes: another identity mode makes other records of who is who, so a
// link creates nothing under one before somebody has accepted it. Pairs go on
// flowing. Put back in the configuration, the old one needs no word.
func (d *Daemon) holdChangedModes(ctx context.Context, links []*flows.Link) error {
	for _, l := range links {
		mode := d.modeOf(l.Name)
		inForce, err := d.store.LinkMode(ctx, l.Name, mode)
		if err != nil {
			return fmt.Errorf("read the identity mode of link %s: %w", l.Name, err)
		}
		if inForce == mode {
			if err := d.releaseMode(ctx, l.Name, "syncd: the mode in force is configured"); err != nil {
				return err
			}
			continue
		}
		do := "syncd link accept-mode " + l.Name
		detail, err := json.Marshal(modeDetail{InForce: inForce, Config: mode, Do: do})
		if err != nil {
			return fmt.Errorf("hold the creates of link %s: %w", l.Name, err)
		}
		for _, m := range l.Members {
			if !m.Write {
				continue
			}
			if err := d.store.CloseHold(ctx, store.Hold{System: m.System, Link: l.Name, What: "creates", Reason: holdMode, Detail: detail}); err != nil {
				return fmt.Errorf("hold the creates of link %s in %s: %w", l.Name, m.System, err)
			}
		}
		d.Logger.Warn("the link's identity mode was changed: it creates nothing until the new one is accepted; its pairs go on",
			"event", "link.mode_changed", "link", l.Name, "in_force", inForce, "config", mode, "do", do)
	}
	return nil
}

// modeOf is the configured identity mode of a link, "" if there is no such link.
func (d *Daemon) modeOf(link string) string {
	at := slices.IndexFunc(d.Config.Links, func(l config.Link) bool { return l.Name == link })
	if at < 0 {
		return ""
	}
	return d.Config.Links[at].Identity.String()
}

func (d *Daemon) releaseMode(ctx context.Context, link, by string) error {
	for _, l := range d.Config.Links {
		for _, m := range l.Members {
			if l.Name != link {
				continue
			}
			if err := d.store.ReleaseHold(ctx, m.System, link, "creates", holdMode, by); err != nil {
				return fmt.Errorf("release the hold on the creates of link %s in %s: %w", link, m.System, err)
			}
		}
	}
	return nil
}

// modeAccepted is the answer of link.accept-mode.
type modeAccepted struct {
	Link string `json:"link"`
	Was  string `json:"was"`
	Now  string `json:"now"`
}

// acceptMode puts the configured identity mode of a link in force: its creates go on.
func (d *Daemon) acceptMode(ctx context.Context, c control.Call) (any, error) {
	var args struct{ Link string }
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	mode := d.modeOf(args.Link)
	if mode == "" {
		return nil, control.Usage("there is no link %q in the configuration that the daemon runs", args.Link)
	}
	was, err := d.store.LinkMode(ctx, args.Link, mode)
	if err != nil {
		return nil, err
	}
	if was != mode {
		before, after := quoted(was), quoted(mode)
		line := store.Audit{Actor: c.Actor, Via: viaCLI, Action: "link.accept-mode", Target: "link " + args.Link, Reason: c.Reason, Before: before, After: after}
		if err := d.store.SetLinkMode(ctx, args.Link, mode, line); err != nil {
			return nil, err
		}
	}
	return modeAccepted{Link: args.Link, Was: was, Now: mode}, d.releaseMode(ctx, args.Link, c.Actor)
}

func quoted(text string) json.RawMessage {
	raw, err := json.Marshal(text)
	if err != nil {
		return nil // a string always encodes
	}
	return raw
}

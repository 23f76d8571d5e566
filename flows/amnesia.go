package flows

import (
	"context"
	"fmt"
	"time"

	"syncd/connectors"
	"syncd/store"
)

// A database that was restored, or that lost commits, does not know the newest
// creates (CORRECTNESS F46, F47). On evidence of it a link
//   - holds its creates where a vendor would not refuse a second record,
//   - looks every other record up by its token before it creates it,
//   - and has every object swept once for records that carry a token of ours.
//
// When the sweeps are through the creates go on; when what they found has been
// worked off, nothing is looked up any more.

// Evidence says how a lost commit showed itself: a metric label.
type Evidence string

// The kinds of evidence.
const (
	// EvidenceFence: the fence that was last noted outside of the database is
	// ahead of the database's own.
	EvidenceFence Evidence = "fence"
	// EvidenceToken: a record carries a token of ours that is in no identity.
	EvidenceToken Evidence = "token"
)

// holdAmnesia is the reason of both holds: on creates, and on deletes. The second
// stands in every system of the link, and while one is closed the link looks
// before it creates.
const holdAmnesia = "amnesia"

const (
	// kindRecover names the cursor of the sweep for forgotten records.
	kindRecover = "recover"
	// recoverMargin is how far before the last known change that sweep begins.
	recoverMargin = time.Hour
	// recoverSlack is for the clocks of replica and database.
	recoverSlack = 5 * time.Minute
	// recoverRetry is how soon a recovery that is under way is looked at again.
	recoverRetry = 15 * time.Second
)

// recovery is a recover-sweep's place. Covers is the newest hold that it serves.
type recovery struct {
	Covers int64     `json:"covers"`
	Since  time.Time `json:"since"`
	Cursor string    `json:"cursor,omitempty"`
	Done   bool      `json:"done,omitempty"`
	At     time.Time `json:"at"` // when it was done
}

// lapse is the detail of a hold: from when on each object has to be swept. An
// object that is not named is swept from its beginning.
type lapse struct {
	Evidence Evidence             `json:"evidence"`
	From     map[string]time.Time `json:"from,omitempty"`
}

func (p place) key() string { return p.system + "/" + p.object }

// Forgot takes evidence that the database is older than what syncd did: every
// link recovers, each object from shortly before the last change that the
// database knows of. An error leaves it to be said again.
func (e *Engine) Forgot(ctx context.Context, evidence Evidence) error {
	from := map[string]time.Time{}
	for _, p := range sortedPlaces(e.projection) {
		var pos position
		known, err := e.peek(ctx, p, kindChanged, &pos)
		if err != nil {
			return err
		}
		if known && !pos.High.IsZero() {
			from[p.key()] = pos.High.Add(-recoverMargin)
		}
	}
	for _, l := range e.Links {
		// A hold that the old copy brought along serves another recovery.
		for _, h := range e.catches(l) {
			if err := e.Store.ReleaseHold(ctx, h.System, h.Link, h.What, h.Reason, "syncd: lost commits again"); err != nil {
				return fmt.Errorf("renew the hold on %s of link %s: %w", h.What, l.Name, err)
			}
		}
		if err := e.forgotLink(ctx, l, lapse{Evidence: evidence, From: from}); err != nil {
			return err
		}
	}
	return nil
}

// catches are the holds that a link is under while it recovers, the creates first.
func (e *Engine) catches(l *Link) []store.Hold {
	var creates, all []store.Hold
	for _, m := range l.Members {
		h := store.Hold{System: m.System, Link: l.Name, What: "deletes", Reason: holdAmnesia}
		all = append(all, h)
		if e.object(place{m.System, m.Object}).CreateClass != connectors.ClassUnique && m.Write {
			h.What = "creates"
			creates = append(creates, h)
		}
	}
	return append(creates, all...)
}

func (e *Engine) forgotLink(ctx context.Context, l *Link, why lapse) error {
	for _, h := range e.catches(l) {
		h.Detail = encode(why)
		if err := e.Store.CloseHold(ctx, h); err != nil {
			return fmt.Errorf("hold the %s of link %s in %s: %w", h.What, l.Name, h.System, err)
		}
	}
	e.Logger.Error("the database has lost commits: what it forgot is looked for, and creates wait where a second record could come of them",
		"event", "amnesia.found", "link", l.Name, "evidence", string(why.Evidence))
	e.Observe.Forgot(l.Name, string(why.Evidence))
	e.ring()
	return nil
}

// unknownToken is told of a stranger with a token of ours that no identity has.
// Records that were there when a recovery ended are what it left: out of scope
// then, or in the bin. Anything younger is evidence. It says whether the link
// recovers.
func (b *batch) unknownToken(ctx context.Context, s *stranger) (recovers bool, err error) {
	holds, err := b.Store.Holds(ctx)
	if err != nil || amnesiac(holds, s.link.Name) {
		return err == nil, err
	}
	var last recovery
	known, err := b.peek(ctx, b.place, kindRecover, &last)
	if err != nil {
		return false, err
	}
	if born := s.row.sight.Record.Born; known && last.Done && !born.IsZero() && born.Before(last.At.Add(-vendorClock)) {
		return false, nil
	}
	return true, b.forgotLink(ctx, s.link, lapse{Evidence: EvidenceToken})
}

// amnesiac says that a link recovers.
func amnesiac(holds []store.Hold, link string) bool {
	for _, h := range holds {
		if h.Reason == holdAmnesia && h.Link == link {
			return true
		}
	}
	return false
}

// lookFirst gives the links that look every record up before they create it,
// out of those that are about to.
func (b *batch) lookFirst(ctx context.Context) map[string]bool {
	fresh := b.pendings(func(p pending) bool { return p.member.stored.SentAt.IsZero() })
	if len(fresh) == 0 {
		return nil
	}
	holds, err := b.Store.Holds(ctx)
	out := map[string]bool{}
	for _, list := range fresh {
		for _, p := range list {
			if err != nil {
				b.endUnit(p.unit, "store", b.storeTrouble(p.unit.rows[0], err))
			} else if amnesiac(holds, p.unit.link.Name) {
				out[p.unit.link.Name] = true
			}
		}
	}
	return out
}

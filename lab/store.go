package lab

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"syncd/store"
)

// errStore is what a store call answers under an injected fault.
var errStore = errors.New("lab: the database did not answer")

// steps is the store as one replica's coroutines see it: the real one, giving
// way before and after each call. A call is one transaction, so one step.
type steps struct {
	Database
	w *world
}

// step runs one call under the seed's faults. rows is what of it goes into the trace.
func (x *steps) step(what string, args any, run func() error) error {
	t := x.w.s.current
	if t == nil {
		return run()
	}
	if t.dead {
		return errStore
	}
	x.w.giveWay(t)
	if x.w.hit(storeBefore) {
		x.w.s.note("%s store %s: not done", t.name, what)
		return errStore
	}
	err := run()
	x.w.stats.StoreCalls++
	if x.w.o.Verbose && args != nil {
		raw, _ := json.Marshal(args) // for people
		x.w.s.note("%s store %s %s err=%v", t.name, what, raw, err)
	} else {
		x.w.s.note("%s store %s err=%v", t.name, what, err)
	}
	lost := err == nil && x.w.hit(storeAfter)
	x.w.giveWay(t)
	if lost {
		x.w.s.note("%s store %s: done, the answer is lost", t.name, what)
		return errStore
	}
	return err
}

func (x *steps) Claim(ctx context.Context, r store.ClaimRequest) (out []store.Claimed, err error) {
	err = x.step("claim "+r.System+" "+r.Object, r, func() (err error) {
		if out, err = x.Database.Claim(ctx, r); len(out) > 0 {
			for _, c := range out {
				x.w.s.note("%s claimed %s %s gen=%d epoch=%d attempts=%d batch=%d cause=%s identity=%s", x.w.s.current.name, c.System, c.RecordID, c.Gen, c.Epoch, c.Attempts, c.Batch, c.Cause, nameOf(c.Identity))
			}
		}
		return err
	})
	return out, err
}

func nameOf(i *store.Identity) string {
	if i == nil {
		return "none"
	}
	if i.Epoch == 0 {
		return i.ID[:8] + "(leased elsewhere)"
	}
	return i.ID[:8]
}

func (x *steps) Lease(ctx context.Context, ids []string, owner string, ttl time.Duration) (out []*store.Identity, busy []string, err error) {
	err = x.step("lease", ids, func() (err error) {
		out, busy, err = x.Database.Lease(ctx, ids, owner, ttl)
		return err
	})
	return out, busy, err
}

func (x *steps) Holders(ctx context.Context, system, object string, ids []string) (out map[string]string, err error) {
	err = x.step("holders", ids, func() (err error) {
		out, err = x.Database.Holders(ctx, system, object, ids)
		return err
	})
	return out, err
}

func (x *steps) Referents(ctx context.Context, records []store.RecordRef, ids []string) (out []store.Referent, err error) {
	err = x.step("referents", records, func() (err error) {
		out, err = x.Database.Referents(ctx, records, ids)
		return err
	})
	return out, err
}

func (x *steps) OpenCreates(ctx context.Context, system, object string) (at time.Time, open bool, err error) {
	err = x.step("open_creates", nil, func() (err error) {
		at, open, err = x.Database.OpenCreates(ctx, system, object)
		return err
	})
	return at, open, err
}

func (x *steps) ClaimIdentities(ctx context.Context, owner string, ttl time.Duration, claims []store.NewIdentity) (out []store.ClaimResult, err error) {
	err = x.step("claim_identities", claims, func() (err error) {
		out, err = x.Database.ClaimIdentities(ctx, owner, ttl, claims)
		for i := range out {
			x.w.s.note("   identity %s of %s %s: %s", claims[i].ID[:8], claims[i].Source.System, claims[i].Source.RecordID, out[i].Verdict)
		}
		return err
	})
	return out, err
}

func (x *steps) SharedKeys(ctx context.Context, link string, keys []store.Key) (out []store.Key, err error) {
	err = x.step("shared_keys", keys, func() (err error) {
		out, err = x.Database.SharedKeys(ctx, link, keys)
		return err
	})
	return out, err
}

func (x *steps) IntendUpdates(ctx context.Context, owner string, intents []store.UpdateIntent) (out []string, err error) {
	err = x.step("intend_updates", intents, func() (err error) {
		out, err = x.Database.IntendUpdates(ctx, owner, intents)
		for _, in := range intents {
			if in.Confirm != nil {
				x.w.wakeAll(in.Confirm.Delay)
			}
		}
		return err
	})
	return out, err
}

func (x *steps) IntendRemovals(ctx context.Context, owner string, intents []store.RemovalIntent) (out []string, err error) {
	err = x.step("intend_removals", intents, func() (err error) {
		out, err = x.Database.IntendRemovals(ctx, owner, intents)
		return err
	})
	return out, err
}

// Past is no step: it is a look that is asked for every batch with a stranger, and
// what may happen around it happens around its neighbours as well.

func (x *steps) Removals(ctx context.Context, link string, within time.Duration, over int) (out store.Removals, err error) {
	err = x.step("removals", nil, func() (err error) {
		out, err = x.Database.Removals(ctx, link, within, over)
		return err
	})
	return out, err
}

func (x *steps) CommitListing(ctx context.Context, page store.Listing, ttl time.Duration) error {
	return x.step("commit_listing", page, func() error { return x.Database.CommitListing(ctx, page, ttl) })
}

func (x *steps) Unlisted(ctx context.Context, system, object string, pass int64, began time.Time, after string, limit int) (out []string, err error) {
	err = x.step("unlisted", nil, func() (err error) {
		out, err = x.Database.Unlisted(ctx, system, object, pass, began, after, limit)
		return err
	})
	return out, err
}

func (x *steps) IntendCreates(ctx context.Context, owner string, intents []store.CreateIntent) (out []string, err error) {
	err = x.step("intend_creates", intents, func() (err error) {
		out, err = x.Database.IntendCreates(ctx, owner, intents)
		return err
	})
	return out, err
}

func (x *steps) TakeBack(ctx context.Context, sends []store.SendRef) error {
	return x.step("take_back", sends, func() error { return x.Database.TakeBack(ctx, sends) })
}

func (x *steps) Bind(ctx context.Context, bindings []store.Binding) (out []string, err error) {
	err = x.step("bind", bindings, func() (err error) {
		out, err = x.Database.Bind(ctx, bindings)
		for _, b := range bindings {
			x.w.s.note("   bind %s = %s %s", b.IdentityID[:8], b.System, b.RecordID)
			if b.Confirm != nil {
				x.w.wakeAll(b.Confirm.Delay)
			}
		}
		return err
	})
	return out, err
}

func (x *steps) Persist(ctx context.Context, p store.Persist) (out store.Persisted, err error) {
	err = x.step("persist", p, func() (err error) {
		if out, err = x.Database.Persist(ctx, p); err == nil {
			x.w.persisted(p, out)
		}
		return err
	})
	return out, err
}

func (x *steps) Enqueue(ctx context.Context, hints []store.Hint) error {
	return x.step("enqueue", hints, func() error {
		for _, h := range hints {
			x.w.wakeAll(h.Delay)
		}
		return x.Database.Enqueue(ctx, hints)
	})
}

func (x *steps) LeaseCursor(ctx context.Context, system, object, kind, owner string, ttl time.Duration) (c store.Cursor, ok bool, err error) {
	err = x.step("lease_cursor", nil, func() (err error) {
		c, ok, err = x.Database.LeaseCursor(ctx, system, object, kind, owner, ttl)
		return err
	})
	return c, ok, err
}

func (x *steps) CommitSweep(ctx context.Context, page store.SweepPage, ttl time.Duration) (n int, err error) {
	err = x.step("commit_sweep", page, func() (err error) {
		n, err = x.Database.CommitSweep(ctx, page, ttl)
		x.w.stats.Hints += n
		x.w.wakeAll(0)
		return err
	})
	return n, err
}

func (x *steps) ReleaseCursor(ctx context.Context, ref store.CursorRef) error {
	return x.step("release_cursor", nil, func() error { return x.Database.ReleaseCursor(ctx, ref) })
}

// persisted follows the end of a batch: when its rows come back, and whether
// bases move in the order of epochs (I10).
func (w *world) persisted(p store.Persist, out store.Persisted) {
	fenced := map[string]bool{}
	for _, id := range out.Fenced {
		fenced[id] = true
	}
	for _, up := range p.Identities {
		if fenced[up.ID] {
			w.s.note("   fenced %s epoch=%d", up.ID[:8], up.Epoch)
			continue
		}
		if up.Epoch < w.epochs[up.ID] {
			w.violate("I10", "", "identity %s: epoch %d committed after %d", up.ID, up.Epoch, w.epochs[up.ID])
		}
		w.epochs[up.ID] = up.Epoch
	}
	for _, f := range p.Work {
		w.s.note("   finish %s %s: %s %s after=%v retry=%v blame=%d %s", f.System, f.RecordID, f.Disposition, f.Reason, f.After, f.Retry, f.Blame, f.Error)
		if f.Disposition == store.Again {
			w.wakeAll(f.After)
		}
	}
	if len(out.Rerun)+len(out.Lost)+len(out.Fenced) > 0 {
		w.wakeAll(0)
	}
}

func (x *steps) Erase(ctx context.Context, o store.Erasure) (out store.Erased, err error) {
	err = x.step("erase", nil, func() (err error) {
		out, err = x.Database.Erase(ctx, o)
		x.w.wakeAll(0)
		return err
	})
	return out, err
}

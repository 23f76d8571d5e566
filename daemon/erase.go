package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"syncd/config"
	"syncd/control"
	"syncd/store"
)

const (
	// erasePatience is how long an erasure waits for whoever has the person in hand: a
	// lease of a replica that died ends by then.
	erasePatience = 90 * time.Second
	eraseRetry    = time.Second
	// certificatesShown is how far back a certificate is looked for.
	certificatesShown = 1 << 30
)

// eraseStore is what erasing uses of a store.
type eraseStore interface {
	Erase(ctx context.Context, o store.Erasure) (store.Erased, error)
	SettleErased(ctx context.Context, system, object, recordID string, order store.EraseOrder) (bool, error)
	Certificates(ctx context.Context, limit int) ([]store.Certificate, error)
}

// eraseRun forgets the person that a record is of, or says what would be.
func (d *Daemon) eraseRun(ctx context.Context, c control.Call) (any, error) {
	var args struct {
		Record, Other string
		DryRun        bool
	}
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	rec, err := d.parseRecord(args.Record)
	switch {
	case err != nil:
		return nil, err
	case c.Reason == "" && !args.DryRun:
		return nil, control.Usage("a reason is missing: the certificate says why, such as a request's number; name nobody in it")
	}
	o := store.Erasure{System: rec.System, Object: rec.Object, RecordID: rec.ID, By: viaCLI + ":" + c.Actor, Reason: c.Reason, DryRun: args.DryRun,
		Mac: d.keyring.RecordHash, Other: map[string]store.EraseOrder{}}
	switch args.Other {
	case "", config.FateAsk, config.FateKeep, config.FateArchive, config.FateDelete:
	default:
		return nil, control.Usage("what becomes of the person's records in other systems is ask, keep, archive or delete, not %q", args.Other)
	}
	for _, l := range d.Config.Links {
		o.Other[l.Name] = store.EraseOrder(l.Erase.Other)
		if args.Other != "" {
			o.Other[l.Name] = store.EraseOrder(args.Other)
		}
	}
	done, err := d.eraseFreed(ctx, o)
	if err != nil || args.DryRun {
		return done, err
	}
	d.status.wake() // for what was ordered elsewhere
	return done, d.store.Audit(ctx, store.Audit{Actor: c.Actor, Via: viaCLI, Action: "erase.run",
		Target: "certificate " + strconv.FormatInt(max(done.ID, done.Before), 10), Reason: c.Reason})
}

// eraseFreed waits until nobody has the person in hand.
func (d *Daemon) eraseFreed(ctx context.Context, o store.Erasure) (store.Erased, error) {
	for until := d.Now().Add(erasePatience); ; {
		done, err := d.store.Erase(ctx, o)
		if !errors.Is(err, store.ErrInHand) || d.Now().After(until) {
			return done, err
		}
		select {
		case <-ctx.Done():
			return done, ctx.Err()
		case <-time.After(eraseRetry):
		}
	}
}

// eraseSettle decides about a record whose person was erased in another system.
func (d *Daemon) eraseSettle(ctx context.Context, c control.Call) (any, error) {
	var args struct{ Record, Order string }
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	rec, err := d.parseRecord(args.Record)
	if err != nil {
		return nil, err
	}
	switch args.Order {
	case config.FateKeep, config.FateArchive, config.FateDelete:
	default:
		return nil, control.Usage("a record that waits as erased_elsewhere is settled by keep, archive or delete, not %q", args.Order)
	}
	known, err := d.store.SettleErased(ctx, rec.System, rec.Object, rec.ID, store.EraseOrder(args.Order))
	switch {
	case err != nil:
		return nil, err
	case !known:
		return nil, control.Held("the record does not wait for a decision of this kind")
	}
	d.status.wake()
	return args.Order, d.store.Audit(ctx, store.Audit{Actor: c.Actor, Via: viaCLI, Action: "erase.settle",
		Target: rec.System + ":" + rec.Object, Reason: c.Reason})
}

// eraseCertificate gives a kept certificate, as it was written.
func (d *Daemon) eraseCertificate(ctx context.Context, c control.Call) (any, error) {
	var args struct{ ID int64 }
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	kept, err := d.store.Certificates(ctx, certificatesShown)
	for _, k := range kept {
		if k.ID == args.ID {
			return json.RawMessage(k.Text), nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	return nil, control.Usage("there is no certificate %d", args.ID)
}

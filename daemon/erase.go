package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"syncd/config"
	"syncd/mapping"
	"syncd/store"
)

const (
	// erasePatience is how long an erasure waits for whoever has the person in hand: a
	// lease of a replica that died ends by then.
	erasePatience = 3 * time.Minute
	eraseRetry    = time.Second
)

// Eraser forgets people at a person's word. It opens the store by itself: no vendor
// is called, and with SQLite no daemon may be running.
type Eraser struct {
	config  *config.Config
	keyring *mapping.Keyring
	store   EraseStore
}

// EraseStore is what erasing uses of a store.
type EraseStore interface {
	Erase(ctx context.Context, o store.Erasure) (store.Erased, error)
	SettleErased(ctx context.Context, system, object, recordID string, order store.EraseOrder) (bool, error)
	Certificates(ctx context.Context, limit int) ([]store.Certificate, error)
	Close() error
}

// OpenEraser opens the store of a configuration.
func OpenEraser(ctx context.Context, c *config.Config, logger *slog.Logger) (*Eraser, error) {
	if _, err := os.Stat(c.Store.SQLite); c.Store.Postgres.Empty() && err != nil {
		return nil, fmt.Errorf("there is no database at store.sqlite: %w", err)
	}
	keyring, err := mapping.NewKeyring(c.InstallKey.Reveal())
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "syncd"
	}
	d := &Daemon{Options: Options{Config: c, Logger: logger, Now: time.Now, Owner: fmt.Sprintf("%s-erase-%08x", host, rand.Uint32())}, keyring: keyring}
	s, err := d.openStore(ctx)
	if errors.Is(err, store.ErrLocked) {
		return nil, fmt.Errorf("%w: stop it first; an embedded database has one user at a time", err)
	}
	if err != nil {
		return nil, err
	}
	return &Eraser{config: c, keyring: keyring, store: s}, nil
}

// Close closes the store.
func (e *Eraser) Close() error { return e.store.Close() }

// Knows says that a link has the object: a wrong name would bury nobody.
func (e *Eraser) Knows(system, object string) bool {
	for _, l := range e.config.Links {
		for _, m := range l.Members {
			if m.System == system && m.Object == object {
				return true
			}
		}
	}
	return false
}

// Erase forgets the person that a record is of. other overrides what the links say
// of the person's records in other systems; "" leaves it to them.
func (e *Eraser) Erase(ctx context.Context, o store.Erasure, other store.EraseOrder) (store.Erased, error) {
	o.Mac, o.Other = e.keyring.RecordHash, map[string]store.EraseOrder{}
	for _, l := range e.config.Links {
		o.Other[l.Name] = store.EraseOrder(l.Erase.Other)
		if other != "" {
			o.Other[l.Name] = other
		}
	}
	for until := time.Now().Add(erasePatience); ; {
		done, err := e.store.Erase(ctx, o)
		if !errors.Is(err, store.ErrInHand) || time.Now().After(until) {
			return done, err
		}
		select {
		case <-ctx.Done():
			return done, ctx.Err()
		case <-time.After(eraseRetry):
		}
	}
}

// Settle decides about a record whose person was erased in another system.
func (e *Eraser) Settle(ctx context.Context, system, object, recordID string, order store.EraseOrder) (bool, error) {
	return e.store.SettleErased(ctx, system, object, recordID, order)
}

// Certificate gives a kept certificate, as it was written.
func (e *Eraser) Certificate(ctx context.Context, id int64) (string, error) {
	const all = 1 << 30
	kept, err := e.store.Certificates(ctx, all)
	for _, c := range kept {
		if c.ID == id {
			return c.Text, nil
		}
	}
	return "", errors.Join(err, fmt.Errorf("there is no certificate %d", id))
}

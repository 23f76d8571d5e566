// Package daemon builds syncd from its configuration and runs it: store,
// connectors, webhooks, flows, ops. There is one constructor and one Run; the
// table of connector kinds is in kinds.go.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"syncd/config"
	"syncd/connectors"
	"syncd/flows"
	"syncd/ingress"
	"syncd/mapping"
	"syncd/ops"
	"syncd/store"
	"syncd/store/postgres"
	"syncd/store/sqlite"
)

// Store is what the daemon as a whole uses of a store.
type Store interface {
	flows.Store
	ingress.Store
	Register(ctx context.Context, systems []store.SystemRow) error
	CloseHold(ctx context.Context, h store.Hold) error
	ReleaseHold(ctx context.Context, system, link, what, reason, by string) error
	Fence(ctx context.Context) (int64, error)
	Waiting(ctx context.Context, limit int) ([]store.WaitingRow, error)
	Trash(ctx context.Context, limit int) ([]store.TrashRow, error)
	Pairs(ctx context.Context, q store.PairQuery) ([]store.Pair, error)
	History(ctx context.Context, system, object, recordID string, limit int) ([]store.Entry, error)
	eraseStore
	Prune(ctx context.Context, ages store.Ages, most int) (store.Pruned, error)
	KeepColumns(ctx context.Context, columns []store.LinkColumn) error
	Columns(ctx context.Context) ([]store.LinkColumn, error)
	Describe(ctx context.Context, ds []store.Description) error
	Described(ctx context.Context) ([]store.Description, error)
	PutInForce(ctx context.Context, f store.InForce) (bool, error)
	Definitions(ctx context.Context) ([]store.Definition, error)
	WakeSuspended(ctx context.Context, link string, rows, systems []string, lane store.Lane, cause string) (int, error)
	Beat(ctx context.Context, r store.Replica) error
	Replicas(ctx context.Context, within time.Duration) ([]store.Replica, error)
	NewRun(ctx context.Context, r store.Run) (int64, error)
	AddRunRows(ctx context.Context, run int64, rows []store.RunRow) error
	EndRun(ctx context.Context, r store.Run) error
	Runs(ctx context.Context, id int64, state string, limit int) ([]store.Run, error)
	EnqueueRun(ctx context.Context, run int64, limit int, lane store.Lane, cause string) (int, error)
	Identities(ctx context.Context, link, after string, limit int) ([]*store.Identity, error)
	Audit(ctx context.Context, lines ...store.Audit) error
	Audits(ctx context.Context, limit int) ([]store.Audit, error)
	Identity(ctx context.Context, id string) (*store.Identity, error)
	LinkMode(ctx context.Context, link, mode string) (inForce string, err error)
	SetLinkMode(ctx context.Context, link, mode string, lines ...store.Audit) error
	Close() error
}

// Options make a Daemon. Config is required.
type Options struct {
	Config *config.Config
	Logger *slog.Logger
	Now    func() time.Time
	Rand   func() float64
	// Wait lets a command wait for the flows; nil waits by the clock.
	Wait func(ctx context.Context, rest time.Duration) error
	// Owner names this replica; "" makes a name of host and process.
	Owner string
}

// Daemon is syncd, built and not yet running.
type Daemon struct {
	Options
	keyring  *mapping.Keyring
	store    Store
	systems  []*connected
	registry *prometheus.Registry
	metrics  *metrics
	ingress  *ingress.Server
	ops      *ops.Server
	hooks    net.Listener
	opsDoor  net.Listener
	control  net.Listener // nil: no commands are taken
	status   status
	schema   *schema
}

// New opens the store and the listeners. The vendors are not called before Run.
func New(ctx context.Context, o Options) (*Daemon, error) {
	d, err := Offline(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := d.listen(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Offline opens the store and makes the connectors, but no listener: what a
// command does where no daemon runs. It is closed with Close.
func Offline(ctx context.Context, o Options) (*Daemon, error) {
	d := bare(o)
	var err error
	if d.keyring, err = mapping.NewKeyring(d.Config.InstallKey.Reveal()); err != nil {
		return nil, err
	}
	if d.store, err = d.openStore(ctx); err != nil {
		return nil, err
	}
	d.registry.MustRegister(newQueueCollector(d.store, d.Now))
	for _, s := range d.Config.Systems {
		c, err := d.connect(s, d.objectsOf(s.Name))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("system %s: %w", s.Name, err), d.Close())
		}
		d.systems = append(d.systems, c)
	}
	return d, nil
}

// Over makes a daemon of a store and connectors that somebody else has opened: it
// begins links and does what commands ask, and does not listen or run. The lab plays
// whole configurations with it.
func Over(o Options, s Store, keyring *mapping.Keyring, conns map[string]connectors.Connector) *Daemon {
	d := bare(o)
	d.store, d.keyring = s, keyring
	for _, c := range d.Config.Systems {
		d.systems = append(d.systems, &connected{config: c, conn: conns[c.Name]})
	}
	return d
}

// bare is a daemon with nothing but its options.
func bare(o Options) *Daemon {
	d := &Daemon{Options: o, registry: prometheus.NewRegistry(), schema: newSchema()}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Rand == nil {
		d.Rand = rand.Float64
	}
	if d.Owner == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "syncd"
		}
		d.Owner = fmt.Sprintf("%s-%d-%08x", host, os.Getpid(), rand.Uint32())
	}
	if d.Wait == nil {
		d.Wait = byClock
	}
	d.metrics = newMetrics(d.registry, d.Now)
	return d
}

func byClock(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (d *Daemon) openStore(ctx context.Context) (Store, error) {
	c, fp := d.Config.Store, d.keyring.Fingerprint()
	if !c.Postgres.Empty() {
		s, err := postgres.Open(ctx, c.Postgres.Reveal(), postgres.Options{KeyFingerprint: fp, Replica: d.Owner, Logger: d.Logger})
		if err != nil {
			return nil, fmt.Errorf("open the PostgreSQL store: %w", err)
		}
		return s, nil
	}
	s, err := sqlite.Open(ctx, c.SQLite, sqlite.Options{KeyFingerprint: fp, Replica: d.Owner, Now: d.Now, Logger: d.Logger})
	if err != nil {
		return nil, fmt.Errorf("open the SQLite store %s: %w", c.SQLite, err)
	}
	return s, nil
}

// listen makes webhook receivers and listeners.
func (d *Daemon) listen() error {
	var endpoints []ingress.Endpoint
	for _, c := range d.systems {
		s := c.config
		delays := map[string]time.Duration{}
		for _, o := range d.objectsOf(s.Name) {
			delays[o] = c.reread
		}
		secrets := []string{s.WebhookSecret.Reveal()}
		if !s.PreviousWebhookSecret.Empty() {
			secrets = append(secrets, s.PreviousWebhookSecret.Reveal())
		}
		endpoints = append(endpoints, ingress.Endpoint{
			System: s.Name, Secrets: secrets, Receiver: c.receiver, Delay: delays,
			TrustOwnMark: s.TrustOwnMark, PublicURL: d.Config.Server.PublicURL,
		})
	}
	d.ingress = ingress.New(ingress.Options{
		Endpoints: endpoints, Store: d.store, Now: d.Now, Logger: d.Logger, Registerer: d.registry,
		Wake: func(string) { d.status.wake() }, TraceID: traceID,
	})
	d.ops = ops.New(ops.Options{
		Registry: d.registry,
		Checks: map[string]func(context.Context) error{"store": func(ctx context.Context) error {
			_, err := d.store.Holds(ctx)
			return err
		}},
		Info: func() any { return d.describe() },
	})
	var err error
	if d.hooks, err = net.Listen("tcp", d.Config.Server.Webhooks.Listen); err != nil {
		return fmt.Errorf("listen for webhooks (server.webhooks.listen): %w", err)
	}
	if d.opsDoor, err = net.Listen("tcp", d.Config.Server.Ops.Listen); err != nil {
		return fmt.Errorf("listen for ops (server.ops.listen): %w", err)
	}
	return d.listenControl()
}

// traceID names the trace of one delivery, in the form that OpenTelemetry uses.
func traceID() string {
	return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
}

// objectsOf lists the objects of a system that links name.
func (d *Daemon) objectsOf(system string) []string {
	var out []string
	for _, l := range d.Config.Links {
		for _, m := range l.Members {
			if m.System == system && !slices.Contains(out, m.Object) {
				out = append(out, m.Object)
			}
		}
	}
	slices.Sort(out)
	return out
}

// WebhookAddr is where webhooks are taken in.
func (d *Daemon) WebhookAddr() net.Addr { return d.hooks.Addr() }

// OpsAddr is where metrics and health are served.
func (d *Daemon) OpsAddr() net.Addr { return d.opsDoor.Addr() }

// Store gives the open store, for the demo's story and for tests.
func (d *Daemon) Store() Store { return d.store }

// Run serves until ctx ends, then drains and closes the store. Webhooks are
// taken in from the first moment; flows begin when every system has answered.
func (d *Daemon) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	context.AfterFunc(ctx, d.ops.Drain) // not ready from the first moment of the end
	errs := make(chan error, 4)
	go func() { errs <- named("webhook listener", d.ingress.Serve(ctx, d.hooks)) }()
	// Metrics and health are served until everything else has drained.
	opsCtx, stopOps := context.WithCancel(context.WithoutCancel(ctx))
	defer stopOps()
	go func() { errs <- named("ops listener", d.ops.Serve(opsCtx, d.opsDoor)) }()
	go func() { errs <- named("flows", d.runFlows(ctx)) }()
	var upkeep sync.WaitGroup
	upkeep.Go(func() { d.prune(ctx) })
	d.Logger.Info("syncd is up", "event", "daemon.up", "webhooks", d.hooks.Addr().String(), "ops", d.opsDoor.Addr().String(),
		"owner", d.Owner, "config_rev", d.Config.Rev, "version", Version())
	var first error
	go func() { errs <- named("control socket", d.serveControl(ctx)) }()
	for range 3 { // the webhook listener, the flows and the control socket
		err := <-errs
		if err != nil && first == nil {
			first = err
		}
		stop(err)
	}
	upkeep.Wait()
	stopOps()
	first = errors.Join(first, <-errs, d.Close())
	d.Logger.Info("syncd is down", "event", "daemon.down", "clean", first == nil)
	return first
}

func named(what string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Close releases what New opened; Run does it by itself.
func (d *Daemon) Close() error {
	var errs []error
	for _, l := range []net.Listener{d.hooks, d.opsDoor, d.control} {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) { // the server that ran on it has closed it
			errs = append(errs, err)
		}
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
		d.store = nil
	}
	return errors.Join(errs...)
}

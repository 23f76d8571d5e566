package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"syncd/config"
	"syncd/connectors"
	"syncd/flows"
	"syncd/store"
)

// startRetry is how often a start that a vendor or the set-up prevents is tried
// again. Webhooks are taken in meanwhile; the work stays queued.
const startRetry = 10 * time.Second

// Reasons of holds that the daemon itself closes.
const (
	holdFirstPlan = "first plan"
	holdTenant    = "another account"
)

// firstPlanBy names who releases a first-plan hold: the configuration.
const firstPlanBy = "config (start: live)"

// runFlows starts the flows once everything fits, and runs them until ctx ends.
func (d *Daemon) runFlows(ctx context.Context) error {
	said := ""
	for {
		engine, err := d.start(ctx)
		if err == nil {
			err = d.recall(ctx, engine)
		}
		if err == nil {
			d.status.ready(engine)
			said = ""
			if err := d.serve(ctx, engine); err != nil || ctx.Err() != nil {
				return err
			}
			continue // a schema or a definition is another one
		}
		if ctx.Err() != nil {
			return nil
		}
		if text := err.Error(); text != said {
			said = text
			d.status.trouble(text)
			for _, sentence := range strings.Split(text, "\n") {
				d.Logger.Error(sentence, "event", "start.trouble", "retry_s", startRetry.Seconds())
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(startRetry):
		}
	}
}

// serve runs the flows until ctx ends or the schema they were begun with is another
// one, and notes the fence meanwhile and when they have drained.
func (d *Daemon) serve(ctx context.Context, engine *flows.Engine) error {
	noting, stop := context.WithCancel(context.WithoutCancel(ctx))
	noted := make(chan struct{})
	go func() { defer close(noted); d.keepFence(noting) }()
	serving, end := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { defer close(watched); d.watchSchema(serving); end() }()
	err := engine.Serve(serving, d.Config.Server.DrainTimeout)
	end()
	<-watched
	stop()
	<-noted
	return err
}

// start reaches every system, makes the custom fields, checks the links against
// what is there, and registers all of it in the store.
func (d *Daemon) start(ctx context.Context) (*flows.Engine, error) {
	infos, err := d.probe(ctx)
	if err != nil {
		return nil, err
	}
	links, err := d.Begin(ctx, infos)
	if err != nil {
		return nil, err
	}
	var systems []*flows.System
	for _, c := range d.systems {
		systems = append(systems, &flows.System{
			Name: c.config.Name, Conn: c.conn, Info: infos[c.config.Name], Pacer: c.limiter, SweepEvery: c.config.SweepEvery, SweepDeletedEvery: c.config.SweepDeletedEvery,
		})
	}
	return flows.New(flows.Options{
		Store: d.store, Keyring: d.keyring, Systems: systems, Links: links, Owner: d.Owner,
		Lease: d.Config.Store.Lease, Now: d.Now, Rand: d.Rand, Logger: d.Logger, Observe: d.metrics, SchemaDoubt: d.SchemaDoubt,
	})
}

// Begin makes the rules that the flows keep, from the configuration and what the
// systems have: it checks the links, registers the systems, and takes up what is in
// force of schemas, definitions and identity modes.
func (d *Daemon) Begin(ctx context.Context, infos map[string]connectors.System) ([]*flows.Link, error) {
	known, err := d.known(ctx)
	if err != nil {
		return nil, err
	}
	links, problems := compileLinks(d.Config.Links, infos, known)
	if len(problems) > 0 {
		return nil, errors.New(strings.Join(problems, "\n"))
	}
	if err := d.register(ctx, infos); err != nil {
		return nil, err
	}
	if err := holdNewLinks(ctx, d.store, links); err != nil {
		return nil, err
	}
	if err := d.takeUp(ctx, known, infos, links); err != nil {
		return nil, err
	}
	return links, d.holdChangedModes(ctx, links)
}

// probe asks every system who it is and makes sure of its custom fields, side
// by side. All problems are told at once, a sentence each.
func (d *Daemon) probe(ctx context.Context) (map[string]connectors.System, error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	infos := map[string]connectors.System{}
	var problems []error
	for _, c := range d.systems {
		wg.Go(func() {
			info, err := d.probeOne(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			d.metrics.SystemOK(c.config.Name, connectors.KindOf(err) != connectors.KindAuth)
			if err != nil {
				problems = append(problems, fmt.Errorf("system %s: %s: %w", c.config.Name, advice(err), err))
				return
			}
			infos[c.config.Name] = info
		})
	}
	wg.Wait()
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return infos, errors.Join(problems...)
}

// advice says what to do about a system that cannot be started. The vendor's
// words may be logged here: no record is touched before the start.
func advice(err error) string {
	var e *connectors.Error
	said := ""
	if errors.As(err, &e) && e.Said != "" {
		said = " (" + e.Said + ")"
	}
	switch connectors.KindOf(err) {
	case connectors.KindAuth:
		return "the credential is refused: renew it" + said
	case connectors.KindForbidden:
		return "a right is missing: grant it" + said
	case connectors.KindConfig:
		return "its settings do not fit" + said
	case connectors.KindThrottled:
		return "it is over its rate limit: waiting" + said
	}
	return "it does not answer as it should: trying again" + said
}

func (d *Daemon) probeOne(ctx context.Context, c *connected) (connectors.System, error) {
	objects := d.objectsOf(c.config.Name)
	info, err := c.conn.Probe(ctx, objects)
	if err != nil {
		return info, err
	}
	if err := c.conn.Setup(ctx, CustomFields(d.Config.Links, c.config.Name, c.token)); err != nil {
		return info, err
	}
	return c.conn.Probe(ctx, objects) // with the fields that Setup made
}

// CustomFields lists what syncd writes in a system beside the mapped fields: the
// token, and the inverse ids.
func CustomFields(links []config.Link, system, token string) []connectors.CustomField {
	set := map[[2]string]connectors.CustomField{}
	for _, l := range links {
		for _, m := range l.Members {
			if m.System != system || !m.Write {
				continue // a source only is not touched, not even for a field of ours
			}
			set[[2]string{m.Object, token}] = connectors.CustomField{Object: m.Object, Name: token, Label: "syncd reference", Unique: true}
			for other, name := range m.InverseID {
				set[[2]string{m.Object, name}] = connectors.CustomField{Object: m.Object, Name: name, Label: "Record id in " + other}
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(set), func(a, b [2]string) int { return strings.Compare(a[0]+"\x00"+a[1], b[0]+"\x00"+b[1]) })
	out := make([]connectors.CustomField, len(keys))
	for i, k := range keys {
		out[i] = set[k]
	}
	return out
}

// register pins the accounts and notes how safe creates are. Another account
// than before closes a hold on all writes of that system (F54).
func (d *Daemon) register(ctx context.Context, infos map[string]connectors.System) error {
	for _, c := range d.systems {
		info := infos[c.config.Name]
		row := store.SystemRow{System: c.config.Name, Kind: c.config.Kind, Tenant: info.Tenant}
		for name, o := range info.Objects {
			row.Objects = append(row.Objects, store.ObjectRow{Object: name, CreateClass: string(o.CreateClass), Settle: o.Settle, IndexLag: o.IndexLag})
		}
		err := d.store.Register(ctx, []store.SystemRow{row})
		if errors.Is(err, store.ErrOtherTenant) {
			hold := store.Hold{System: c.config.Name, What: "all", Reason: holdTenant}
			err = errors.Join(fmt.Errorf("system %s answers as account %s, which is not the one it was first connected to: writes to it are held; check its credential", c.config.Name, info.Tenant),
				d.store.CloseHold(ctx, hold))
		}
		if err == nil { // the account that was pinned answers (again)
			err = d.store.ReleaseHold(ctx, c.config.Name, "", "all", holdTenant, "syncd: the first account answers again")
		}
		if err != nil {
			return fmt.Errorf("register system %s: %w", c.config.Name, err)
		}
	}
	return nil
}

// holdNewLinks: a link creates nothing before its first plan is applied, unless
// its configuration says `start: live` (DESIGN section 5).
func holdNewLinks(ctx context.Context, holds Store, links []*flows.Link) error {
	for _, l := range links {
		for _, m := range l.Members {
			var err error
			if l.Live {
				err = holds.ReleaseHold(ctx, m.System, l.Name, "creates", holdFirstPlan, firstPlanBy)
			} else if m.Write {
				err = holds.CloseHold(ctx, store.Hold{System: m.System, Link: l.Name, What: "creates", Reason: holdFirstPlan})
			}
			if err != nil {
				return fmt.Errorf("hold the creates of link %s in %s: %w", l.Name, m.System, err)
			}
		}
	}
	return nil
}

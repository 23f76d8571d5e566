package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/flows/plan"
	"syncd/store"
)

const (
	// schemaPoll is how often a replica looks in the store whether another one has
	// found a schema changed, or somebody has applied a plan.
	schemaPoll = 10 * time.Second
	// describeLease is how long asking one system may take.
	describeLease = 2 * time.Minute
	// doubtRest is how often a refused field may have a system asked again.
	doubtRest = time.Minute
	// describeRetry is when a system that could not be asked is asked again.
	describeRetry = 10 * time.Minute
	kindDescribe  = "describe"
)

// schema is what the flows were begun with, by the store: when it is another one,
// they are begun anew.
type schema struct {
	mu     sync.Mutex
	basis  string               // fingerprints and definitions
	rows   []suspension         // what waits
	doubts map[string]bool      // systems that refused a field by name
	rested map[string]time.Time // when a system may be asked again
	nudge  chan struct{}        // somebody applied a plan here, or doubts
}

func newSchema() *schema {
	return &schema{doubts: map[string]bool{}, rested: map[string]time.Time{}, nudge: make(chan struct{}, 1)}
}

// doubt is told by the flows that a system does not know a field.
func (s *schema) doubt(system, _, _ string) {
	s.mu.Lock()
	s.doubts[system] = true
	s.mu.Unlock()
	s.look()
}

// look has the store looked at soon.
func (s *schema) look() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

func (s *schema) begun(basis string, rows []suspension) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.basis, s.rows = basis, rows
}

func (s *schema) suspended() []suspension {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rows)
}

// due says whether a system is to be asked now: it was not for long, or it has
// refused a field since.
func (s *schema) due(system string, asked time.Time, every time.Duration, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !now.Before(s.rested[system]) && (s.doubts[system] || now.Sub(asked) >= every)
}

func (s *schema) rest(system string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.doubts, system)
	s.rested[system] = until
}

// watchSchema asks the systems now and then what their objects look like (one
// replica does), and returns when what the flows were begun with is not so any
// more, or ctx ends.
func (d *Daemon) watchSchema(ctx context.Context) {
	ticker := time.NewTicker(schemaPoll)
	defer ticker.Stop()
	for {
		d.beat(ctx)
		if d.SchemaMoved(ctx) {
			d.Logger.Info("a schema or a definition is another one: the flows begin anew", "event", "schema.changed")
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-d.schema.nudge:
		case <-ticker.C:
		}
	}
}

// SchemaMoved asks the systems that are due what their objects look like, and says
// whether the flows are to begin anew.
func (d *Daemon) SchemaMoved(ctx context.Context) bool {
	d.describeDue(ctx)
	basis, err := d.schemaBasis(ctx)
	d.schema.mu.Lock()
	defer d.schema.mu.Unlock()
	return err == nil && basis != d.schema.basis
}

// SchemaDoubt is told by the flows that a system does not know a field.
func (d *Daemon) SchemaDoubt(system, object, field string) { d.schema.doubt(system, object, field) }

// replicaFresh is for how long a replica that was seen counts.
const replicaFresh = 6 * schemaPoll

// beat notes what this replica runs, and counts the configurations that run side by
// side: more than one is a deploy under way, or one that was forgotten.
func (d *Daemon) beat(ctx context.Context) {
	if err := d.store.Beat(ctx, store.Replica{Name: d.Owner, Version: Version(), ConfigRev: d.Config.Rev}); err != nil {
		return // the flows say more about a store that does not answer
	}
	revs := map[string]bool{}
	for _, r := range d.replicas(ctx) {
		revs[r.ConfigRev] = true
	}
	d.metrics.revisions.Set(float64(len(revs)))
}

func (d *Daemon) replicas(ctx context.Context) []store.Replica {
	rs, err := d.store.Replicas(ctx, replicaFresh)
	if err != nil {
		return nil
	}
	return rs
}

// schemaBasis is what the store has: fingerprints of objects, definitions in force,
// and the columns that links took up, which a plan may do under the same definitions.
func (d *Daemon) schemaBasis(ctx context.Context) (string, error) {
	described, err := d.store.Described(ctx)
	if err != nil {
		return "", err
	}
	defs, err := d.store.Definitions(ctx)
	if err != nil {
		return "", err
	}
	columns, err := d.store.Columns(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, x := range columns {
		fmt.Fprintf(&b, "%q %q %q %q %s %t\n", x.Link, x.System, x.Object, x.Field, x.Type, x.ReadOnly)
	}
	for _, x := range described {
		fmt.Fprintf(&b, "%q %q %s\n", x.System, x.Object, x.Fingerprint)
	}
	for _, x := range defs {
		fmt.Fprintf(&b, "%q %q %s %d\n", x.Link, x.Field, x.Rev, x.RunID)
	}
	return b.String(), nil
}

// describeDue asks the systems that are due, under a lease each.
func (d *Daemon) describeDue(ctx context.Context) {
	described, err := d.store.Described(ctx)
	if err != nil {
		return // the flows say more about a store that does not answer
	}
	for _, c := range d.systems {
		asked := time.Time{}
		for _, x := range described {
			if x.System == c.config.Name && x.At.After(asked) {
				asked = x.At
			}
		}
		if !d.schema.due(c.config.Name, asked, c.config.DescribeEvery, d.Now()) {
			continue
		}
		if err := d.describeOne(ctx, c); err != nil && ctx.Err() == nil {
			d.schema.rest(c.config.Name, d.Now().Add(describeRetry))
			d.metrics.described.WithLabelValues(c.config.Name, "failed").Inc()
			d.Logger.Warn(c.config.Name+" could not be asked what its objects look like", "event", "schema.unknown", "system", c.config.Name, "error", err)
		}
	}
}

func (d *Daemon) describeOne(ctx context.Context, c *connected) error {
	cur, ok, err := d.store.LeaseCursor(ctx, c.config.Name, "", kindDescribe, d.Owner, describeLease)
	if err != nil || !ok {
		return err // another replica asks
	}
	defer func() {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrapeTimeout)
		defer cancel()
		_ = d.store.ReleaseCursor(back, store.CursorRef{System: c.config.Name, Kind: kindDescribe, Epoch: cur.Epoch}) // it runs out
	}()
	info, err := c.conn.Probe(ctx, d.objectsOf(c.config.Name))
	if err != nil {
		return err
	}
	d.schema.rest(c.config.Name, d.Now().Add(doubtRest))
	d.metrics.described.WithLabelValues(c.config.Name, "ok").Inc()
	return d.store.Describe(ctx, d.descriptionsOf(c, info))
}

// descriptionsOf fingerprints the fields of each object: all of them, since
// replicas may run two configurations for a while, and must agree on what changed.
// An object that is not shown keeps its last one: a right is missing, and no field
// of it was removed.
func (d *Daemon) descriptionsOf(c *connected, info connectors.System) []store.Description {
	var out []store.Description
	for _, object := range d.objectsOf(c.config.Name) {
		o, shown := info.Objects[object]
		if !shown {
			d.Logger.Warn("an object is not shown any more: grant the right", "event", "schema.unknown", "system", c.config.Name, "object", object)
			continue
		}
		h := sha256.New()
		for _, name := range slices.Sorted(maps.Keys(o.Fields)) {
			f := o.Fields[name]
			fmt.Fprintf(h, "%q %q %t %q\n", name, f.Type, f.ReadOnly, slices.Sorted(slices.Values(f.Options)))
		}
		out = append(out, store.Description{System: c.config.Name, Object: object, Fingerprint: hex.EncodeToString(h.Sum(nil)[:12])})
	}
	return out
}

// takeUp notes with what the flows begin: the columns of every link, what waits,
// and which definitions are in force. Pairs whose row is back are looked at again.
func (d *Daemon) takeUp(ctx context.Context, known *known, infos map[string]connectors.System, links []*flows.Link) error {
	var columns []store.LinkColumn
	var waits []suspension
	for i, c := range d.Config.Links {
		dr := known.of(c.Name, infos)
		columns = append(columns, dr.columnsOf(c, links[i])...)
		if err := d.firstInForce(ctx, known, links[i]); err != nil {
			return err
		}
		waits = append(waits, dr.driftOf(c, links[i])...)
		waits = append(waits, undecided(known, links[i])...)
	}
	if err := d.store.KeepColumns(ctx, columns); err != nil {
		return err
	}
	for _, c := range d.systems {
		if err := d.store.Describe(ctx, d.descriptionsOf(c, infos[c.config.Name])); err != nil {
			return err
		}
	}
	basis, err := d.schemaBasis(ctx)
	if err != nil {
		return err
	}
	d.sayWaits(waits)
	d.schema.begun(basis, waits)
	for _, l := range links {
		if err := d.holdBlind(ctx, l); err != nil {
			return err
		}
		if err := d.wakeRows(ctx, known, l); err != nil {
			return err
		}
	}
	return nil
}

// firstInForce: with `start: live` a link's first definitions need no plan (F48).
func (d *Daemon) firstInForce(ctx context.Context, known *known, l *flows.Link) error {
	if !l.Live || known.links[l.Name] {
		return nil
	}
	revs := map[string]string{}
	for i := range l.Rules.Rows {
		revs[l.Rules.Rows[i].Name] = l.Rules.Rows[i].Rev
		l.Rules.Rows[i].Force = plan.ForceHere
	}
	_, err := d.store.PutInForce(ctx, store.InForce{Link: l.Name, Revs: revs, First: true,
		Audit: store.Audit{Actor: firstPlanBy, Via: "config", Action: "definitions.apply", Target: "link " + l.Name}})
	return err
}

// undecided lists the rows whose definition waits for a plan.
func undecided(known *known, l *flows.Link) []suspension {
	var out []suspension
	for _, r := range l.Rules.Rows {
		if known.links[l.Name] && r.Force != plan.ForceHere {
			out = append(out, suspension{Link: l.Name, Row: r.Name, What: "its definition changed: run `syncd plan " + l.Name + "` and apply it", Reason: plan.WhyDefinition})
		}
	}
	return out
}

// sayWaits tells what waits, and what does not any more.
func (d *Daemon) sayWaits(now []suspension) {
	before := d.schema.suspended()
	for _, s := range now {
		if !slices.Contains(before, s) {
			d.Logger.Warn("a row waits, the rest goes on", "event", "row.suspended", "link", s.Link, "row", s.Row, "system", s.System, "object", s.Object,
				"field", s.Field, "what", s.What, "reason", s.Reason)
		}
	}
	for _, s := range before {
		if !slices.Contains(now, s) {
			d.Logger.Info("a row is back", "event", "row.back", "link", s.Link, "row", s.Row, "system", s.System, "field", s.Field, "reason", s.Reason)
		}
	}
	d.metrics.suspended.Reset()
	for _, s := range now {
		d.metrics.suspended.WithLabelValues(s.Link, s.Reason).Inc()
	}
}

// holdSchema is the reason of holds on creates that cannot be matched.
const holdSchema = "schema"

// holdBlind: a link that cannot match new records, because a row that it matches by
// or a filter waits, creates nothing: it would make second copies.
func (d *Daemon) holdBlind(ctx context.Context, l *flows.Link) error {
	matchless := slices.ContainsFunc(l.Rules.Rows, func(r plan.Row) bool {
		return r.Suspended != "" && slices.ContainsFunc(l.Match, func(set []string) bool { return slices.Contains(set, r.Name) })
	})
	for _, m := range l.Members {
		var err error
		if matchless || m.Blind != "" {
			err = d.store.CloseHold(ctx, store.Hold{System: m.System, Link: l.Name, What: "creates", Reason: holdSchema})
		} else {
			err = d.store.ReleaseHold(ctx, m.System, l.Name, "creates", holdSchema, "syncd: the fields are back")
		}
		if err != nil {
			return fmt.Errorf("hold the creates of link %s in %s: %w", l.Name, m.System, err)
		}
	}
	return nil
}

// wakeRows has the pairs looked at again that wait for a row which does not wait
// any more. They have waited long: other work goes first.
func (d *Daemon) wakeRows(ctx context.Context, known *known, l *flows.Link) error {
	var rows, systems []string
	for _, r := range l.Rules.Rows {
		if r.Suspended == "" && (r.Force == plan.ForceHere || !known.links[l.Name]) {
			rows = append(rows, r.Name)
		}
	}
	for _, m := range l.Members {
		if m.Listen {
			systems = append(systems, m.System)
		}
	}
	n, err := d.store.WakeSuspended(ctx, l.Name, rows, systems, store.LaneBackfill, "schema")
	if err != nil {
		return errors.Join(fmt.Errorf("wake the pairs of link %s", l.Name), err)
	}
	if n > 0 {
		d.Logger.Info("pairs are looked at again", "event", "rows.woken", "link", l.Name, "pairs", n)
	}
	return nil
}

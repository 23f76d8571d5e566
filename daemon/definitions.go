package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"syncd/config"
	"syncd/connectors"
	"syncd/control"
	"syncd/flows"
	"syncd/flows/plan"
	"syncd/ratelimit"
	"syncd/store"
)

// kindDefinitions names the runs that put definitions of fields in force (F48).
const kindDefinitions = "definitions"

const (
	// samplesShown bounds the examples of a plan.
	samplesShown = 20
	// planPage is how many pairs are looked at between two commits.
	planPage = 200
	// enqueuePage is how many pairs are enqueued in one transaction.
	enqueuePage = 1000
)

// definitionsReport is what a plan found. It holds values of records that are not
// private, as its 20 samples.
type definitionsReport struct {
	Run       int64              `json:"run"` // 0: nothing to apply
	Link      string             `json:"link"`
	ConfigRev string             `json:"config_rev"`
	At        time.Time          `json:"at"`
	Rows      []rowReport        `json:"rows"`
	Pairs     int                `json:"pairs"`   // of the link
	Settled   int                `json:"settled"` // agreed under the new definitions already: not read
	Waiting   int                `json:"waiting"` // unequal in at least one row: applying looks at these
	Samples   []sample           `json:"samples,omitempty"`
	Calls     map[string]calls   `json:"calls"` // by system
	Revs      map[string]string  `json:"revs"`
	Columns   []store.LinkColumn `json:"columns,omitempty"` // taken up as they are now
}

type rowReport struct {
	Row     string `json:"row"`
	Why     string `json:"why"`
	Equal   int    `json:"equal"`
	Unequal int    `json:"unequal"`
	Unread  int    `json:"unread"` // a side does not show it
	Then    string `json:"then"`   // what becomes of unequal pairs
}

type sample struct {
	Identity string            `json:"identity"`
	Row      string            `json:"row"`
	Values   map[string]string `json:"values"` // system → canonical value; private ones as a keyed hash
}

// calls counts what planning made and about what applying will make.
type calls struct {
	Made  int `json:"made"`
	Apply int `json:"apply"`
}

// definitionsPlan looks at a link's pairs under its present definitions and writes
// nothing but the plan.
func (d *Daemon) definitionsPlan(ctx context.Context, c control.Call) (any, error) {
	var args struct{ Link string }
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(d.Config.Links, func(l config.Link) bool { return l.Name == args.Link })
	if at < 0 {
		return nil, control.Usage("there is no link %q", args.Link)
	}
	p, err := d.newPlanner(ctx, d.Config.Links[at])
	if err != nil || len(p.report.Rows) == 0 {
		return p.report, err
	}
	if p.report.Run, err = d.store.NewRun(ctx, store.Run{Kind: kindDefinitions, Link: args.Link, ConfigRev: d.Config.Rev, CreatedBy: c.Actor}); err != nil {
		return nil, err
	}
	if err := p.walk(ratelimit.WithLane(ctx, ratelimit.Backfill)); err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrapeTimeout)
		defer cancel()
		return nil, errors.Join(err, d.store.EndRun(end, store.Run{ID: p.report.Run, State: store.RunFailed}))
	}
	p.estimate()
	raw, err := json.Marshal(p.report)
	if err != nil {
		return nil, err
	}
	return p.report, d.store.EndRun(ctx, store.Run{ID: p.report.Run, State: store.RunPlanned, Report: raw})
}

// planner compares the pairs of one link.
type planner struct {
	d      *Daemon
	infos  map[string]connectors.System
	link   *flows.Link
	rows   map[string]int // row → its line in the report
	report definitionsReport
	n      int64 // lines of the run so far
	writes int   // waiting pairs that are written without asking
}

// newPlanner finds the rows that are not in force, or whose columns are others
// than the link took up.
func (d *Daemon) newPlanner(ctx context.Context, c config.Link) (*planner, error) {
	p := &planner{d: d, infos: map[string]connectors.System{}, rows: map[string]int{},
		report: definitionsReport{Link: c.Name, ConfigRev: d.Config.Rev, At: d.Now().UTC(), Calls: map[string]calls{}, Revs: map[string]string{}}}
	for _, s := range d.systems {
		if !slices.ContainsFunc(c.Members, func(m config.Member) bool { return m.System == s.config.Name }) {
			continue
		}
		info, err := s.conn.Probe(ctx, d.objectsOf(s.config.Name))
		if err != nil {
			return p, fmt.Errorf("system %s: %s: %w", s.config.Name, advice(err), err)
		}
		p.infos[s.config.Name] = info
	}
	known, err := d.known(ctx)
	if err != nil {
		return p, err
	}
	link, problems := compileLink(c, p.infos, known)
	if len(problems) > 0 {
		return p, control.Usage("%s", strings.Join(problems, "\n"))
	}
	p.link = link
	dr := known.of(c.Name, p.infos)
	for _, s := range dr.driftOf(c, link) {
		if s.What != driftMissing && s.Row != "" {
			p.add(s.Row, s.System+" "+s.Field+" "+s.What)
		}
	}
	for _, r := range link.Rules.Rows {
		switch _, told := known.revs[[2]string{c.Name, r.Name}]; {
		case r.Force == plan.ForceHere:
		case told:
			p.add(r.Name, "changed")
		case known.links[c.Name]:
			p.add(r.Name, "new")
		default:
			p.add(r.Name, "first plan")
		}
		p.report.Revs[r.Name] = r.Rev
	}
	for _, col := range dr.columnsOf(c, link) {
		if !col.Gone {
			p.report.Columns = append(p.report.Columns, col)
		}
	}
	return p, nil
}

func (p *planner) add(row, why string) {
	if _, listed := p.rows[row]; listed {
		return
	}
	p.rows[row] = len(p.report.Rows)
	p.report.Rows = append(p.report.Rows, rowReport{Row: row, Why: why, Then: p.then(row)})
}

// then says what becomes of pairs that are unequal, by the row's policy.
func (p *planner) then(row string) string {
	r := p.rule(row)
	switch {
	case r.From != "":
		return r.From + " is copied"
	case r.Policy.Mode == plan.ModeAsk:
		return "a person decides"
	case r.Policy.Mode == plan.ModeNewest:
		return "the newer record wins, " + r.Policy.System + " within two seconds"
	}
	return r.Policy.System + " wins"
}

func (p *planner) rule(row string) plan.Row {
	for _, r := range p.link.Rules.Rows {
		if r.Name == row {
			return r
		}
	}
	return plan.Row{}
}

// walk goes through all pairs, by pages.
func (p *planner) walk(ctx context.Context) error {
	for after := ""; ; {
		page, err := p.d.store.Identities(ctx, p.link.Name, after, planPage)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].ID
		var open []*store.Identity
		for _, i := range page {
			if len(p.sides(i)) < 2 {
				continue
			}
			p.report.Pairs++
			if p.settled(i) {
				p.report.Settled++
				continue
			}
			open = append(open, i)
		}
		values, err := p.read(ctx, open)
		if err != nil {
			return err
		}
		var lines []store.RunRow
		for _, i := range open {
			if class := p.compare(i, values); class != "" {
				lines = append(lines, p.line(i, class))
			}
		}
		if err := p.d.store.AddRunRows(ctx, p.report.Run, lines); err != nil {
			return err
		}
	}
}

// sides are the members of an identity that have a record in a system of the link.
func (p *planner) sides(i *store.Identity) []store.Member {
	var out []store.Member
	for _, m := range i.Members {
		if _, ours := p.infos[m.System]; ours && m.RecordID != "" && m.State.Bound() {
			out = append(out, m)
		}
	}
	return out
}

// settled says that every side agreed on the changed rows under their present
// definitions, and nothing of them waits.
func (p *planner) settled(i *store.Identity) bool {
	for _, m := range p.sides(i) {
		var base plan.Base
		if json.Unmarshal(m.Base, &base) != nil {
			return false
		}
		for row := range p.rows {
			r := p.rule(row)
			if _, waits := m.Fields[row]; waits || slices.Contains(r.Systems, m.System) && base[row].R != r.Rev {
				return false
			}
		}
	}
	return true
}

type recordKey struct{ system, id string }

// read reads the changed rows of identities, in as few calls as it takes.
func (p *planner) read(ctx context.Context, list []*store.Identity) (map[recordKey]map[string]string, error) {
	ids, objects := map[string][]string{}, map[string]string{}
	for _, i := range list {
		for _, m := range p.sides(i) {
			ids[m.System], objects[m.System] = append(ids[m.System], m.RecordID), m.Object
		}
	}
	out := map[recordKey]map[string]string{}
	for _, s := range p.d.systems {
		system, object := s.config.Name, p.infos[s.config.Name].Objects[objects[s.config.Name]]
		columns := p.columns(system, object)
		for part := range slices.Chunk(ids[system], max(1, object.ReadBatch)) {
			sights, err := s.conn.Read(ctx, objects[system], part, columns)
			made := p.report.Calls[system]
			made.Made++
			p.report.Calls[system] = made
			if err != nil {
				return nil, fmt.Errorf("read %s of %s: %w", objects[system], system, err)
			}
			for _, x := range sights {
				if x.Sight != connectors.SightFound {
					continue
				}
				values := map[string]string{}
				for _, r := range p.link.Rows {
					if v, shown := r.Get(system, x.Record.Values); shown && r.Has(system) {
						values[r.Name()] = v
					}
				}
				out[recordKey{system, x.Asked}] = values
			}
		}
	}
	return out, nil
}

func (p *planner) columns(system string, object connectors.Object) []string {
	set := map[string]bool{}
	for _, r := range p.link.Rows {
		if _, asked := p.rows[r.Name()]; !asked {
			continue
		}
		for _, column := range r.ColumnsOf(system) {
			if _, there := object.Fields[column]; there {
				set[column] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// compare counts what a pair's sides hold, and gives the class of its line: update
// or ask, "" if no row of it is unequal.
func (p *planner) compare(i *store.Identity, values map[recordKey]map[string]string) (class string) {
	for n := range p.report.Rows {
		line := &p.report.Rows[n]
		rule := p.rule(line.Row)
		held, unread := map[string]string{}, false
		for _, m := range p.sides(i) {
			if !slices.Contains(rule.Systems, m.System) {
				continue
			}
			v, shown := values[recordKey{m.System, m.RecordID}][line.Row]
			held[m.System], unread = v, unread || !shown
		}
		distinct := slices.Compact(slices.Sorted(maps.Values(held)))
		switch {
		case unread || len(held) < 2:
			line.Unread++
		case len(distinct) == 1:
			line.Equal++
		default:
			line.Unequal++
			p.sample(i.ID, line.Row, held)
			if rule.Policy.Mode == plan.ModeAsk && rule.From == "" {
				class = "ask"
			} else if class == "" {
				class = "update"
			}
		}
	}
	return class
}

func (p *planner) sample(identity, row string, held map[string]string) {
	if len(p.report.Samples) >= samplesShown {
		return
	}
	if p.link.Private[row] {
		for system, v := range held {
			held[system] = "private " + p.d.keyring.ValueHash(row, v)
		}
	}
	p.report.Samples = append(p.report.Samples, sample{identity, row, held})
}

// line names one record of the pair: the others are read with it.
func (p *planner) line(i *store.Identity, class string) store.RunRow {
	p.n++
	p.report.Waiting++
	if class == "update" {
		p.writes++
	}
	m := p.sides(i)[0]
	for _, o := range p.sides(i) {
		if !p.link.Rules.Silent[o.System] {
			m = o
			break
		}
	}
	return store.RunRow{N: p.n, IdentityID: i.ID, System: m.System, Object: m.Object, RecordID: m.RecordID, Class: class}
}

// estimate says about how many calls applying makes: a read of each side, and for
// what is not asked a write, with the read that confirms it. Whose side is written
// a policy may leave open: every system is counted as if it were the one.
func (p *planner) estimate() {
	share := func(n, size int) int { return (n + max(1, size) - 1) / max(1, size) }
	for _, m := range p.link.Members {
		o := p.infos[m.System].Objects[m.Object]
		c := p.report.Calls[m.System]
		c.Apply = share(p.report.Waiting, o.ReadBatch)
		if m.Write {
			c.Apply += share(p.writes, o.WriteBatch)
			if !o.AnswersRecord {
				c.Apply += share(p.writes, o.ReadBatch)
			}
		}
		p.report.Calls[m.System] = c
	}
}

// runApply puts a planned run in force and enqueues the pairs that it found.
func (d *Daemon) runApply(ctx context.Context, c control.Call) (any, error) {
	var args struct {
		Run       int64
		ConfigRev string // of the plan file, "" without one
		DryRun    bool
	}
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	runs, err := d.store.Runs(ctx, args.Run, "", 1)
	if err != nil {
		return nil, err
	}
	if args.Run == 0 || len(runs) == 0 || runs[0].Kind != kindDefinitions {
		return nil, control.Usage("there is no plan %d", args.Run)
	}
	run := runs[0]
	var report definitionsReport
	if run.State != store.RunPlanned && run.State != store.RunApplying {
		return nil, control.Held("run %d is %s: make a new plan with `syncd plan %s`", run.ID, run.State, run.Link)
	}
	if err := json.Unmarshal(run.Report, &report); err != nil {
		return nil, fmt.Errorf("the plan of run %d: %w", run.ID, err)
	}
	if run.ConfigRev != d.Config.Rev || args.ConfigRev != "" && args.ConfigRev != run.ConfigRev {
		return nil, control.Held("plan %d was made under configuration %s, and %s is in force: make a new one with `syncd plan %s`", run.ID, run.ConfigRev, d.Config.Rev, run.Link)
	}
	if args.DryRun {
		return applied{Run: run.ID, DryRun: true, Pairs: report.Waiting, Rows: len(report.Rows)}, nil
	}
	if run.State == store.RunPlanned { // else: it was cut off while it enqueued
		after, err := json.Marshal(report.Revs)
		if err != nil {
			return nil, err
		}
		_, err = d.store.PutInForce(ctx, store.InForce{Link: run.Link, Revs: report.Revs, Columns: report.Columns, RunID: run.ID, ConfigRev: run.ConfigRev,
			Audit: store.Audit{Actor: c.Actor, Via: viaCLI, Action: "definitions.apply", Target: "link " + run.Link, Reason: c.Reason, After: after}})
		if errors.Is(err, store.ErrStale) {
			return nil, control.Held("plan %d: %v", run.ID, err)
		}
		if err != nil {
			return nil, err
		}
	}
	pairs := 0
	for {
		n, err := d.store.EnqueueRun(ctx, run.ID, enqueuePage, store.LaneBackfill, kindDefinitions)
		if err != nil {
			return nil, fmt.Errorf("the definitions are in force, not all pairs are enqueued: apply %d again: %w", run.ID, err)
		}
		if pairs += n; n == 0 {
			break
		}
	}
	d.schema.look() // the flows begin anew with what is in force
	return applied{Run: run.ID, Pairs: pairs, Rows: len(report.Rows)}, d.store.EndRun(ctx, store.Run{ID: run.ID, State: store.RunDone})
}

type applied struct {
	Run    int64 `json:"run"`
	DryRun bool  `json:"dry_run"`
	Rows   int   `json:"rows"`  // definitions put in force
	Pairs  int   `json:"pairs"` // enqueued
}

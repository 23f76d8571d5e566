package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"syncd/config"
	"syncd/connectors"
	"syncd/control"
	"syncd/mapping"
	"syncd/ratelimit"
	"syncd/store"
)

const (
	// bulkPage is how many identities one transaction of a bulk command is about.
	bulkPage = 200
	// problemsShown bounds the list of what could not be done.
	problemsShown = 50
)

// bulk counts what a command over many records did, or would do.
type bulk struct {
	DryRun bool           `json:"dry_run"`
	Link   string         `json:"link,omitempty"`
	Counts map[string]int `json:"counts"`
	// Problems are at most problemsShown, each with its record.
	Problems []problem `json:"problems,omitempty"`
	// Calls are those that the command itself made, by system, where it says so.
	Calls map[string]int `json:"calls,omitempty"`
}

type problem struct {
	Record string `json:"record"`
	What   string `json:"what"`
}

func (b *bulk) count(what string, n int) {
	if b.Counts == nil {
		b.Counts = map[string]int{}
	}
	b.Counts[what] += n
}

func (b *bulk) fail(what, record, words string) {
	b.count(what, 1)
	if len(b.Problems) < problemsShown {
		b.Problems = append(b.Problems, problem{record, words})
	}
}

// call counts one call to a system.
func (b *bulk) call(system string) {
	if b.Calls == nil {
		b.Calls = map[string]int{}
	}
	b.Calls[system]++
}

// mappingRepoint gives identities the records of a system that replaces another:
// the new record joins, then the old one becomes inactive. Cut off at any moment and
// repeated, it goes on where it was.
func (d *Daemon) mappingRepoint(ctx context.Context, c control.Call) (any, error) {
	var args struct {
		From, To, Link string
		CSV            string // old_id,new_id
		Inverse        string // the field of the new records that holds the old id
		DryRun, Yes    bool
	}
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	old, fresh, link, err := d.replaced(args.From, args.To, args.Link)
	if err != nil {
		return nil, err
	}
	if !args.DryRun && !args.Yes {
		return nil, control.Held("this changes the id map: see what it will do with --dry-run, then say --yes")
	}
	r := &repointing{d: d, from: old, to: fresh, out: bulk{DryRun: args.DryRun, Link: link}}
	if !args.DryRun {
		if err := d.audited(ctx, c, "mapping.repoint", "link "+link+": "+old.System+" to "+fresh.System, nil, nil); err != nil {
			return nil, err
		}
	}
	ctx = ratelimit.WithLane(ctx, ratelimit.Backfill)
	err = r.named(ctx, args.CSV, args.Inverse, func(pairs []idPair) error { return r.page(ctx, pairs) })
	return r.out, err
}

// replaced finds the link and its objects of two systems.
func (d *Daemon) replaced(from, to, named string) (old, fresh recordRef, link string, err error) {
	n := 0
	for _, l := range d.Config.Links {
		at := func(system string) int {
			return slices.IndexFunc(l.Members, func(m config.Member) bool { return m.System == system })
		}
		if a, b := at(from), at(to); a >= 0 && b >= 0 && (named == "" || named == l.Name) {
			old, fresh, link = recordRef{from, l.Members[a].Object, ""}, recordRef{to, l.Members[b].Object, ""}, l.Name
			n++
		}
	}
	switch {
	case from == to:
		return old, fresh, link, control.Usage("--from and --to are one system")
	case n == 0:
		return old, fresh, link, control.Usage("no link has both %s and %s: add the new system to the link first", from, to)
	case n > 1:
		return old, fresh, link, control.Usage("%d links have both %s and %s: say --link", n, from, to)
	}
	return old, fresh, link, nil
}

// repointing is a repoint on its way.
type repointing struct {
	d        *Daemon
	from, to recordRef // system and object alone
	out      bulk
}

// page repoints some pairs.
func (r *repointing) page(ctx context.Context, pairs []idPair) error {
	var olds, news []string
	for _, p := range pairs {
		olds, news = append(olds, p.old), append(news, p.new)
	}
	whose, err := r.d.store.Holders(ctx, r.from.System, r.from.Object, olds)
	if err != nil {
		return err
	}
	taken, err := r.d.store.Holders(ctx, r.to.System, r.to.Object, news)
	if err != nil {
		return err
	}
	var todo []idPair
	claimed := map[string]bool{}
	for _, p := range pairs {
		id := whose[p.old]
		switch {
		case id == "":
			r.out.fail("unknown", r.name(r.from, p.old), "belongs to no identity: was it repointed before?")
		case taken[p.new] != "" && taken[p.new] != id:
			r.out.fail("taken", r.name(r.to, p.new), "belongs to another identity than "+p.old+": unpair it first")
		case claimed[id]:
			r.out.fail("taken", r.name(r.to, p.new), "another new record names "+p.old+", too")
		default:
			claimed[id] = true
			todo = append(todo, p)
		}
	}
	if todo, err = r.there(ctx, todo); err != nil {
		return err
	}
	if r.out.DryRun {
		r.out.count("to_repoint", len(todo))
		return nil
	}
	for _, p := range todo {
		if err := r.one(ctx, p, whose[p.old], taken[p.new] != ""); err != nil {
			return fmt.Errorf("repoint %s: %w", r.name(r.from, p.old), err)
		}
	}
	return nil
}

func (r *repointing) name(at recordRef, id string) string {
	return recordRef{at.System, at.Object, id}.String()
}

// there keeps the pairs whose new record exists.
func (r *repointing) there(ctx context.Context, pairs []idPair) ([]idPair, error) {
	var out []idPair
	for part := range slices.Chunk(pairs, readPage) {
		ids := make([]string, len(part))
		for i, p := range part {
			ids[i] = p.new
		}
		sights, err := r.read(ctx, r.to, ids, nil)
		if err != nil {
			return nil, err
		}
		for i, s := range sights {
			if s.Sight != connectors.SightFound || s.Record.ID != s.Asked {
				r.out.fail("missing", r.name(r.to, s.Asked), "is not shown by "+r.to.System)
				continue
			}
			out = append(out, part[i])
		}
	}
	return out, nil
}

// system gives a system that a link has.
func (d *Daemon) system(name string) *connected {
	return d.systems[slices.IndexFunc(d.systems, func(c *connected) bool { return c.config.Name == name })]
}

// read reads records of one of the two systems.
func (r *repointing) read(ctx context.Context, at recordRef, ids, columns []string) ([]connectors.Sighting, error) {
	r.out.call(at.System)
	sights, err := r.d.system(at.System).conn.Read(ctx, at.Object, ids, columns)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", at.Object, at.System, err)
	}
	return sights, nil
}

// readPage is how many records are read in a call; every connector takes so many.
const readPage = 50

// one repoints one identity: the new record joins, then the old one goes.
func (r *repointing) one(ctx context.Context, p idPair, id string, joined bool) error {
	d, owner := r.d, r.d.holder()
	if !joined {
		got, err := d.store.ClaimIdentities(ctx, owner, commandLease, []store.NewIdentity{{Link: r.out.Link, CreatedBy: causeOperator, Join: id,
			Source: store.NewMember{System: r.to.System, Object: r.to.Object, RecordID: p.new, Mac: d.keyring.RecordHash(r.to.System, r.to.Object, p.new)}}})
		if err != nil {
			return err
		}
		if got[0].Verdict != store.VerdictJoined {
			r.out.fail("refused", r.name(r.to, p.new), "could not join: "+string(got[0].Verdict))
			return nil
		}
	}
	i, err := d.take(ctx, id, owner)
	if control.KindOf(err) == control.KindHeld {
		r.out.fail("busy", r.name(r.from, p.old), err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	m, ok := memberOf(i, recordRef{r.from.System, r.from.Object, p.old})
	if !ok {
		r.out.count("repointed", 1)
		return d.store.Drop(ctx, owner)
	}
	if err := d.persisted(ctx, owner, []store.IdentityUpdate{asideOf(i, m, mapping.WhyReplaced, "repoint")}, []store.Entry{entryOf(i, m, "repoint")}); err != nil {
		return err
	}
	r.out.count("repointed", 1)
	return d.look(ctx, recordRef{r.to.System, r.to.Object, p.new})
}

// mappingRetire makes the members of a system inactive; the rest of their
// identities goes on.
func (d *Daemon) mappingRetire(ctx context.Context, c control.Call) (any, error) {
	var args struct {
		System, Link string
		DryRun, Yes  bool
	}
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	if len(d.objectsOf(args.System)) == 0 {
		return nil, control.Usage("no link has a system %q", args.System)
	}
	if !args.DryRun && !args.Yes {
		return nil, control.Held("this changes the id map: see what it will do with --dry-run, then say --yes")
	}
	if !args.DryRun {
		if err := d.audited(ctx, c, "mapping.retire", "system "+args.System, nil, nil); err != nil {
			return nil, err
		}
	}
	out := bulk{DryRun: args.DryRun, Link: args.Link}
	for _, l := range d.Config.Links {
		if (args.Link == "" || args.Link == l.Name) && slices.ContainsFunc(l.Members, func(m config.Member) bool { return m.System == args.System }) {
			if err := d.retireFrom(ctx, l.Name, args.System, &out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (d *Daemon) retireFrom(ctx context.Context, link, system string, out *bulk) error {
	for after := ""; ; {
		page, err := d.store.Identities(ctx, link, after, bulkPage)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].ID
		var ids []string
		for _, i := range page {
			for _, m := range i.Members {
				switch {
				case m.System != system:
				case m.State.Bound():
					ids = append(ids, i.ID)
				case m.RecordID == "":
					out.count("not_created_yet", 1)
				}
			}
		}
		if out.DryRun {
			out.count("to_retire", len(ids))
			continue
		}
		if err := d.retire(ctx, ids, system, out); err != nil {
			return err
		}
	}
}

// retire takes the identities of a page at once; those that the flows work on are
// waited for one by one.
func (d *Daemon) retire(ctx context.Context, ids []string, system string, out *bulk) error {
	if len(ids) == 0 {
		return nil
	}
	owner := d.holder()
	leased, busy, err := d.store.Lease(ctx, ids, owner, commandLease)
	if err != nil {
		return err
	}
	for _, id := range busy {
		i, err := d.take(ctx, id, owner)
		if control.KindOf(err) == control.KindHeld {
			out.fail("busy", id, err.Error())
			continue
		}
		if err != nil {
			return errors.Join(err, d.store.Drop(ctx, owner))
		}
		leased = append(leased, i)
	}
	var updates []store.IdentityUpdate
	var history []store.Entry
	for _, i := range leased {
		for _, m := range i.Members {
			if m.System == system && m.State.Bound() {
				updates = append(updates, asideOf(i, m, mapping.WhyRetired, "retire"))
				history = append(history, entryOf(i, m, "retire"))
			}
		}
	}
	if err := errors.Join(d.persisted(ctx, owner, updates, history), d.store.Drop(ctx, owner)); err != nil {
		return err
	}
	out.count("retired", len(updates))
	return nil
}

package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"syncd/connectors"
	"syncd/control"
	"syncd/fields"
	"syncd/mapping"
	"syncd/ratelimit"
	"syncd/store"
)

// splitting is a repoint of those identities alone whose record in the old system
// passes a rule; the others stay where they are.
type splitting struct {
	repointing
	rule *fields.Filter
	// names are the records of the new system by the old id that they stand for:
	// several where people made more than one.
	names map[string][]string
}

// mappingSplit splits one system of a link in two by a rule. It tells what it would
// do, and does it with Yes alone.
func (d *Daemon) mappingSplit(ctx context.Context, c control.Call) (any, error) {
	var args struct {
		Link, From, To string
		Where          string // an expression over the fields of From's records
		CSV            string // old_id,new_id
		Inverse        string // the field of To's records that holds the old id
		DryRun, Yes    bool
	}
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	if args.Link == "" {
		return nil, control.Usage("say the link")
	}
	old, fresh, link, err := d.replaced(args.From, args.To, args.Link)
	if err != nil {
		return nil, err
	}
	s := &splitting{names: map[string][]string{}, repointing: repointing{d: d, from: old, to: fresh,
		out: bulk{DryRun: args.DryRun || !args.Yes, Link: link, Counts: map[string]int{}}}}
	ctx = ratelimit.WithLane(ctx, ratelimit.Backfill)
	if s.rule, err = d.ruleOf(ctx, old, args.Where); err != nil {
		return nil, err
	}
	err = s.named(ctx, args.CSV, args.Inverse, func(pairs []idPair) error {
		for _, p := range pairs {
			s.names[p.old] = append(s.names[p.old], p.new)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !s.out.DryRun {
		if err := d.audited(ctx, c, "mapping.split", "link "+link+": "+old.System+" to "+fresh.System, nil, map[string]string{"where": args.Where}); err != nil {
			return nil, err
		}
	}
	err = s.walk(ctx)
	return s.out, err
}

// ruleOf binds an expression to the fields that an object has now.
func (d *Daemon) ruleOf(ctx context.Context, at recordRef, where string) (*fields.Filter, error) {
	rule, err := fields.ParseFilter(where)
	if err != nil {
		return nil, control.Usage("--where: %v", err)
	}
	info, err := d.system(at.System).conn.Probe(ctx, []string{at.Object})
	if err != nil {
		return nil, fmt.Errorf("look at the fields of %s of %s: %w", at.Object, at.System, err)
	}
	types := map[string]string{}
	for name, field := range info.Objects[at.Object].Fields {
		types[name] = string(field.Type)
	}
	if err := rule.Bind(types); err != nil {
		return nil, control.Usage("--where, for %s of %s: %v", at.Object, at.System, err)
	}
	return rule, nil
}

// walk goes through the identities of the link, a page at a time. What it did
// stays done: repeated, it finds those repointed before and goes on.
func (s *splitting) walk(ctx context.Context) error {
	for after := ""; ; {
		list, err := s.d.store.Identities(ctx, s.out.Link, after, bulkPage)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		after = list[len(list)-1].ID
		if err := s.some(ctx, list); err != nil {
			return err
		}
	}
	for _, old := range slices.Sorted(maps.Keys(s.names)) {
		s.out.fail("unknown", s.name(s.from, old), "belongs to no identity of the link")
	}
	return nil
}

// some splits a page of identities.
func (s *splitting) some(ctx context.Context, list []*store.Identity) error {
	var olds []string
	has := map[string]string{} // old id → the record that its identity has in the new system
	for _, i := range list {
		old, fresh := sideOf(i, s.from), sideOf(i, s.to)
		switch {
		case old.State.Bound():
			olds = append(olds, old.RecordID)
			if fresh.State.Bound() {
				has[old.RecordID] = fresh.RecordID
			}
		case old.State == mapping.MemberGone && old.Why == mapping.WhyReplaced && fresh.State.Bound():
			s.out.count("repointed_before", 1)
			delete(s.names, old.RecordID)
		}
	}
	in, err := s.judge(ctx, olds)
	if err != nil {
		return err
	}
	var todo []idPair
	for _, old := range in {
		if fresh, ok := s.counterpart(old, has[old]); ok {
			todo = append(todo, idPair{old, fresh})
		}
	}
	for _, old := range olds {
		delete(s.names, old) // what is left at the end belongs to nobody
	}
	return s.page(ctx, todo)
}

// sideOf gives the member that an identity has or had in an object, a zero one if
// there is none.
func sideOf(i *store.Identity, at recordRef) store.Member {
	n := slices.IndexFunc(i.Members, func(m store.Member) bool { return m.System == at.System && m.Object == at.Object })
	if n < 0 {
		return store.Member{}
	}
	return i.Members[n]
}

// judge reads records of the old system and gives those that pass the rule. One of
// which nobody can say it stays.
func (s *splitting) judge(ctx context.Context, olds []string) ([]string, error) {
	var in []string
	for part := range slices.Chunk(olds, readPage) {
		sights, err := s.read(ctx, s.from, part, s.rule.Fields())
		if err != nil {
			return nil, err
		}
		for _, x := range sights {
			record := s.name(s.from, x.Asked)
			if x.Sight != connectors.SightFound || x.Record.ID != x.Asked {
				s.out.fail("unseen", record, "is not shown by "+s.from.System+": nobody can say whether it passes, so it stays")
				continue
			}
			passes, shown, err := s.rule.Match(x.Record.Values)
			switch {
			case err != nil:
				s.out.fail("unseen", record, "stays: "+err.Error())
			case !shown:
				s.out.fail("unseen", record, "does not show what the rule asks for, so it stays")
			case passes:
				s.out.count("match", 1)
				in = append(in, x.Asked)
			default:
				s.out.count("stay", 1)
				if len(s.names[x.Asked]) > 0 {
					s.out.count("stay_though_named", 1)
				}
			}
		}
	}
	return in, nil
}

// counterpart gives the record that an old one is to be replaced by: the one that is
// named for it, or that its identity has already. Two of them are for a person to
// choose from.
func (s *splitting) counterpart(old, has string) (string, bool) {
	names := s.names[old]
	switch {
	case has != "" && (len(names) == 0 || slices.Contains(names, has)):
		return has, true
	case has != "":
		s.out.fail("taken", s.name(s.from, old), "has "+s.name(s.to, has)+" by now, and "+names[0]+" is named for it: unpair the one that is wrong")
	case len(names) == 0:
		s.out.fail("without_counterpart", s.name(s.from, old), "passes, and no record of "+s.to.System+" is named for it: it stays")
	case len(names) > 1:
		s.out.fail("ambiguous", s.name(s.from, old), fmt.Sprintf("several records of %s are named for it, %s and %s: it stays", s.to.System, names[0], names[1]))
	default:
		return names[0], true
	}
	return "", false
}

package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"syncd/config"
	"syncd/connectors"
	"syncd/fields"
	"syncd/flows"
	"syncd/flows/plan"
	"syncd/store"
)

// compileLinks turns configured links into rules, checked against what the
// systems really have. The problems are sentences for the operator: each names
// system, object, field and fix.
func compileLinks(links []config.Link, infos map[string]connectors.System, known *known) ([]*flows.Link, []string) {
	var out []*flows.Link
	var problems []string
	for _, l := range links {
		link, bad := compileLink(l, infos, known)
		bad = append(bad, wrongReferences(l, link, links, infos)...)
		problems = append(problems, bad...)
		out = append(out, link)
	}
	return out, problems
}

func compileLink(c config.Link, infos map[string]connectors.System, known *known) (*flows.Link, []string) {
	d := known.of(c.Name, infos)
	l := &flows.Link{
		Name: c.Name, Mode: modes[c.Identity.Mode], Record: c.Identity.System, Private: map[string]bool{}, Match: c.Match, OnMatch: flows.OnMatch(c.OnMatch),
		Create: map[string]bool{}, Live: c.Start == "live", EraseOther: store.EraseOrder(c.Erase.Other), Orphan: flows.Orphan(c.Merge.Orphan),
		Refs:  map[string]fields.Reference{},
		Rules: plan.Rules{ReadOnly: map[string]bool{}, Silent: map[string]bool{}, Able: map[string]string{}},
	}
	l.Delete = flows.Delete{From: map[string]plan.Removal{}, Wins: plan.Wins(c.Delete.Wins), Grace: c.Delete.Grace}
	for system, policy := range c.Delete.From {
		l.Delete.From[system] = plan.Removal(policy)
	}
	var problems []string
	for _, m := range c.Members {
		member, err := compileMember(m, infos, d)
		if err != nil {
			problems = append(problems, fmt.Sprintf("link %s: %v", c.Name, err))
		}
		l.Members = append(l.Members, member)
		create, said := c.Create[m.System]
		l.Create[m.System] = m.Write && (create || !said)
		l.Rules.ReadOnly[m.System] = !m.Write
		l.Rules.Silent[m.System] = !m.Listen
		l.Rules.Able[m.System] = ableOf(infos[m.System], m.Object)
	}
	slices.SortFunc(l.Members, func(a, b flows.Member) int { return strings.Compare(a.System, b.System) })
	for _, f := range c.Fields {
		row, err := compileRow(c, f, infos)
		if err != nil {
			problems = append(problems, fmt.Sprintf("link %s: %v", c.Name, err))
			continue
		}
		rule := ruleOf(f, row, c.Conflict)
		d.judge(&rule, l, row)
		if rule.Suspended == "" {
			problems = append(problems, droppedTimes(c, f, row, infos)...)
		}
		if !d.ran(row, l) { // an option that went is refused record by record
			problems = append(problems, missingOptions(c, f, infos)...)
		}
		l.Rows = append(l.Rows, row)
		l.Private[f.Name] = f.Private
		if ref, refers := fields.ReferenceOf(f.As, f.Params); refers {
			l.Refs[f.Name], rule.Required = ref, ref.Required
		}
		l.Rules.Rows = append(l.Rules.Rows, rule)
	}
	if l.Mode == flows.ModeExternal {
		problems = append(problems, addShared(l, c.Identity.Columns, d)...)
	}
	problems = append(problems, cannotRemove(c, infos)...)
	return l, append(problems, missingFields(l, infos, d)...)
}

// modes are the identity modes of configurations, as the flows know them.
var modes = map[string]flows.Mode{
	config.IdentityMapping: flows.ModeMapping, config.IdentitySystem: flows.ModeSystem, config.IdentityExternal: flows.ModeExternal,
}

// addShared gives a link the row of the ids that people set, and makes it the one
// thing by which records meet.
func addShared(l *flows.Link, columns map[string]string, d *drift) []string {
	spec := fields.Spec{Name: flows.SharedID, Columns: map[string][]string{}, As: config.DefaultTransform}
	for system, column := range columns {
		spec.Columns[system] = []string{column}
	}
	row, err := fields.Compile(spec)
	if err != nil {
		return []string{fmt.Sprintf("link %s: identity: %v", l.Name, err)}
	}
	l.Rows = append(l.Rows, row)
	rule := plan.Row{Name: flows.SharedID, Systems: slices.Sorted(maps.Keys(columns)), Rev: row.Rev(), Policy: plan.Policy{Mode: plan.ModeAsk}}
	d.judge(&rule, l, row)
	l.Rules.Rows = append(l.Rules.Rows, rule)
	l.Match, l.OnMatch = [][]string{{flows.SharedID}}, flows.MatchPair
	return nil
}

// cannotRemove names every member that is to be archived or deleted and whose
// connector cannot.
func cannotRemove(c config.Link, infos map[string]connectors.System) []string {
	var problems []string
	for _, from := range slices.Sorted(maps.Keys(c.Delete.From)) {
		policy := c.Delete.From[from]
		if policy != config.DeleteArchive && policy != config.DeleteDelete {
			continue
		}
		for _, m := range c.Members {
			can := infos[m.System].Objects[m.Object].Removes
			if m.System == from || !m.Write || slices.Contains(can, connectors.Op(policy)) {
				continue
			}
			instead := "ignore"
			if slices.Contains(can, connectors.Archive) {
				instead = "archive"
			}
			problems = append(problems, fmt.Sprintf("link %s: delete: from_%s: %s: syncd cannot %s records of %s %s: write %s",
				c.Name, from, policy, policy, m.System, m.Object, instead))
		}
	}
	return problems
}

// someTime is a time of day that a row which keeps days drops.
const someTime = "2026-11-20T15:04:05Z"

// droppedTimes names the columns that hold a time of which a row that goes every
// way keeps only a part: what configurations cannot know by themselves (F28).
func droppedTimes(c config.Link, f config.Field, row *fields.Row, infos map[string]connectors.System) []string {
	if f.From != "" || f.AcceptLossy || row.Keeps(someTime) {
		return nil
	}
	var problems []string
	for _, m := range c.Members {
		for _, column := range f.Columns[m.System] {
			if infos[m.System].Objects[m.Object].Fields[column].Type == connectors.TypeTime {
				problems = append(problems, fmt.Sprintf("link %s: %s %s: field %s holds a time, and `as: %s` drops a part of it on the way there and back: make the row one-way (goes: %s -> …), or say accept_lossy: true",
					c.Name, m.System, m.Object, column, f.As, m.System))
			}
		}
	}
	return problems
}

func ruleOf(f config.Field, row *fields.Row, otherwise config.Conflict) plan.Row {
	rule := plan.Row{
		Name: f.Name, Group: f.Group, Systems: slices.Sorted(maps.Keys(f.Columns)), From: f.From, Rev: row.Rev(),
		Policy: policyOf(f, row, otherwise),
	}
	if value, fixed := row.Const(); fixed {
		rule.Const = &value
	}
	return rule
}

// ableOf stands for what an object can take from us: its fields, and who we are
// there. A value that it refused is tried again when it changes (CORRECTNESS F29).
func ableOf(s connectors.System, object string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q", s.Tenant, s.Actor)
	fields := s.Objects[object].Fields
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(h, " %q %q %t %q", name, fields[name].Type, fields[name].ReadOnly, fields[name].Options)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func compileMember(m config.Member, infos map[string]connectors.System, d *drift) (flows.Member, error) {
	out := flows.Member{System: m.System, Object: m.Object, Inverse: d.left(m, m.InverseID, true), CreateWith: d.left(m, m.CreateWith, false),
		Leaves: flows.Leaves(m.Leaves), Write: m.Write, Listen: m.Listen}
	if m.Only == "" {
		return out, nil
	}
	f, err := fields.ParseFilter(m.Only)
	if err != nil {
		return out, fmt.Errorf("%s %s: only: %w", m.System, m.Object, err)
	}
	if out.Blind = d.blind(m, f.Fields()); out.Blind != "" {
		return out, nil
	}
	types := map[string]string{}
	for name, field := range infos[m.System].Objects[m.Object].Fields {
		types[name] = string(field.Type)
	}
	if err := f.Bind(types); err != nil {
		return out, fmt.Errorf("%s %s: only: %w", m.System, m.Object, err)
	}
	out.Filter = f
	return out, nil
}

// missingFields names every column that an object does not have, and every
// one that is to be written and cannot be.
// A column that the link has run with before is none of them: its row waits.
func missingFields(l *flows.Link, infos map[string]connectors.System, d *drift) []string {
	var problems []string
	for i := range l.Members {
		m := &l.Members[i]
		object, ok := infos[m.System].Objects[m.Object]
		if !ok {
			problems = append(problems, fmt.Sprintf("link %s: %s has no object %s that this credential may see: correct the link, or grant the right", l.Name, m.System, m.Object))
			continue
		}
		for n, r := range l.Rows {
			written := m.Write && l.Rules.Rows[n].From != m.System
			for _, column := range r.ColumnsOf(m.System) {
				if d.of(m.System, m.Object, column, written) == "" {
					problems = appendFieldProblem(problems, l.Name, m, column, object, written)
				}
			}
		}
		for _, column := range m.Inverse {
			problems = appendFieldProblem(problems, l.Name, m, column, object, m.Write)
		}
		for column := range m.CreateWith {
			problems = appendFieldProblem(problems, l.Name, m, column, object, m.Write)
		}
	}
	return problems
}

func appendFieldProblem(problems []string, link string, m *flows.Member, column string, object connectors.Object, written bool) []string {
	f, known := object.Fields[column]
	where := fmt.Sprintf("link %s: %s %s", link, m.System, m.Object)
	switch {
	case !known:
		return append(problems, fmt.Sprintf("%s has no field %s: correct the mapping, or make the field in %s", where, column, m.System))
	case written && f.ReadOnly:
		return append(problems, fmt.Sprintf("%s: field %s is read-only there: map it one way (goes: %s -> …)", where, column, m.System))
	}
	return problems
}

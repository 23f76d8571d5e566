package daemon

import (
	"fmt"
	"slices"

	"syncd/config"
	"syncd/connectors"
	"syncd/fields"
	"syncd/flows"
	"syncd/flows/plan"
)

// pointable are the types of fields that may hold the id of a record. Where a
// system tells what a field points to, that is checked as well.
var pointable = []connectors.FieldType{
	connectors.TypeReference, connectors.TypeText, connectors.TypeNumber, connectors.TypeOther, "",
}

// wrongReferences checks the reference rows of a link, but those that wait for a
// column (F65).
func wrongReferences(c config.Link, l *flows.Link, links []config.Link, infos map[string]connectors.System) []string {
	var problems []string
	for _, f := range c.Fields {
		at := slices.IndexFunc(l.Rules.Rows, func(r plan.Row) bool { return r.Name == f.Name })
		if ref, refers := l.Refs[f.Name]; refers && at >= 0 && l.Rules.Rows[at].Suspended == "" {
			problems = append(problems, wrongTargets(c, f, ref, links, infos)...)
		}
	}
	return problems
}

// wrongTargets names the columns of a reference row that do not point to what the
// other link is about.
func wrongTargets(c config.Link, f config.Field, ref fields.Reference, links []config.Link, infos map[string]connectors.System) []string {
	at := slices.IndexFunc(links, func(l config.Link) bool { return l.Name == ref.Link })
	if at < 0 {
		return []string{fmt.Sprintf("link %s: field %s refers to link %s, which does not exist: correct its `link:`", c.Name, f.Name, ref.Link)}
	}
	var problems []string
	for _, m := range c.Members {
		for _, column := range f.Columns[m.System] {
			field, known := infos[m.System].Objects[m.Object].Fields[column]
			to := slices.IndexFunc(links[at].Members, func(o config.Member) bool { return o.System == m.System })
			where := fmt.Sprintf("link %s: %s %s: field %s", c.Name, m.System, m.Object, column)
			switch {
			case !known: // said elsewhere
			case to < 0:
				problems = append(problems, fmt.Sprintf("%s refers to link %s, which has no member in %s: take the column out, or add the member", where, ref.Link, m.System))
			case !slices.Contains(pointable, field.Type):
				problems = append(problems, fmt.Sprintf("%s cannot refer to anything: it is of type %s; correct the mapping", where, field.Type))
			case field.Target != "" && field.Target != links[at].Members[to].Object:
				problems = append(problems, fmt.Sprintf("%s points to %s, and the link %s is about %s there: correct `link:` or the column", where, field.Target, ref.Link, links[at].Members[to].Object))
			}
		}
	}
	return problems
}

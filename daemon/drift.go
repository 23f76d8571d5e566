package daemon

import (
	"cmp"
	"context"
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

// known is what the store knows of how links ran before: with which columns, and
// under which definitions. A link that never ran has none, and what does not fit
// is a fault of its configuration; of one that ran, the vendor's schema has moved
// (CORRECTNESS F65).
type known struct {
	columns map[columnKey]store.LinkColumn
	revs    map[[2]string]store.Definition // link, row
	links   map[string]bool                // those with a definition in force
}

type columnKey struct{ link, system, object, field string }

func (d *Daemon) known(ctx context.Context) (*known, error) {
	columns, err := d.store.Columns(ctx)
	if err != nil {
		return nil, err
	}
	defs, err := d.store.Definitions(ctx)
	if err != nil {
		return nil, err
	}
	k := &known{columns: map[columnKey]store.LinkColumn{}, revs: map[[2]string]store.Definition{}, links: map[string]bool{}}
	for _, c := range columns {
		k.columns[columnKey{c.Link, c.System, c.Object, c.Field}] = c
	}
	for _, f := range defs {
		k.revs[[2]string{f.Link, f.Field}] = f
		k.links[f.Link] = true
	}
	return k, nil
}

// of looks at one link; a nil known knows nothing.
func (k *known) of(link string, infos map[string]connectors.System) *drift {
	if k == nil {
		k = &known{}
	}
	return &drift{known: k, link: link, infos: infos}
}

// drift compares the columns of a link with what they were.
type drift struct {
	*known
	link  string
	infos map[string]connectors.System
}

// What can have become of a column.
const (
	driftMissing  = "is missing"
	driftType     = "has another type"
	driftReadOnly = "is read-only now"
)

// of says what has become of a column, "" if it is as it was or is new to the link.
// An object that is not shown at all is no drift: a right is missing.
func (d *drift) of(system, object, field string, written bool) string {
	was, ran := d.columns[columnKey{d.link, system, object, field}]
	o, shown := d.infos[system].Objects[object]
	if !ran || !shown {
		return ""
	}
	f, there := o.Fields[field]
	switch {
	case !there:
		return driftMissing
	case string(f.Type) != was.Type:
		return driftType
	case written && f.ReadOnly && !was.ReadOnly:
		return driftReadOnly
	}
	return ""
}

// ran says that the link has run with every column of a row.
func (d *drift) ran(row *fields.Row, l *flows.Link) bool {
	for _, m := range l.Members {
		for _, column := range row.ColumnsOf(m.System) {
			if _, ran := d.columns[columnKey{d.link, m.System, m.Object, column}]; !ran {
				return false
			}
		}
	}
	return true
}

// judge suspends a row of which a column has drifted, and says under which
// definition its pairs agreed.
func (d *drift) judge(rule *plan.Row, l *flows.Link, row *fields.Row) {
	for i := range l.Members {
		m := &l.Members[i]
		for _, column := range row.ColumnsOf(m.System) {
			if d.of(m.System, m.Object, column, m.Write && rule.From != m.System) != "" {
				rule.Suspended = plan.WhySchema
			}
			was := d.columns[columnKey{d.link, m.System, m.Object, column}]
			gone := was.TimesGone
			if _, there := d.infos[m.System].Objects[m.Object].Fields[column]; was.Gone && there {
				gone++ // counted at this start
			}
			if gone > 0 {
				if rule.Gone == nil {
					rule.Gone = map[string]int{}
				}
				rule.Gone[m.System] += gone
			}
		}
	}
	switch def, told := d.revs[[2]string{d.link, rule.Name}]; {
	case told && def.Rev == rule.Rev:
		rule.Force = plan.ForceHere
	case told && slices.Contains(def.Superseded, rule.Rev):
		rule.Force = plan.ForceOther
	}
}

// left keeps those of a member's own columns (inverse ids: byValue, or what it
// creates with) that are still there: a record goes without the others.
func (d *drift) left(m config.Member, columns map[string]string, byValue bool) map[string]string {
	out := maps.Clone(columns)
	maps.DeleteFunc(out, func(key, value string) bool {
		if byValue {
			key = value
		}
		return d.of(m.System, m.Object, key, m.Write) != ""
	})
	return out
}

// blind says why a filter cannot tell any more who is in scope.
func (d *drift) blind(m config.Member, columns []string) string {
	for _, c := range columns {
		if what := d.of(m.System, m.Object, c, false); what != "" {
			return fmt.Sprintf("%s %s: field %s of the filter `only` %s: records that nobody knows wait", m.System, m.Object, c, what)
		}
	}
	return ""
}

// driftOf lists for people what has become of a link's columns.
func (d *drift) driftOf(c config.Link, l *flows.Link) []suspension {
	var out []suspension
	for _, u := range usesOf(c, l) {
		if what := d.of(u.system, u.object, u.column, u.written); what != "" {
			out = append(out, suspension{Link: c.Name, Row: u.row, System: u.system, Object: u.object, Field: u.column, What: what, Reason: plan.WhySchema})
		}
	}
	return out
}

// suspension is a row of a link that waits, as /status shows it.
type suspension struct {
	Link   string `json:"link"`
	Row    string `json:"row,omitempty"` // none: a field of a filter, an inverse id, what a record is created with
	System string `json:"system,omitempty"`
	Object string `json:"object,omitempty"`
	Field  string `json:"field,omitempty"`
	What   string `json:"what"`
	Reason string `json:"reason"` // schema | definition
}

// use is a column and what a link needs it for.
type use struct {
	row, system, object, column string
	written                     bool
}

// usesOf lists every column that a link needs, those of its filters included.
func usesOf(c config.Link, l *flows.Link) []use {
	var out []use
	for _, m := range c.Members {
		for n, r := range l.Rows {
			for _, column := range r.ColumnsOf(m.System) {
				out = append(out, use{r.Name(), m.System, m.Object, column, m.Write && l.Rules.Rows[n].From != m.System})
			}
		}
		for _, column := range m.InverseID {
			out = append(out, use{"", m.System, m.Object, column, m.Write})
		}
		for column := range m.CreateWith {
			out = append(out, use{"", m.System, m.Object, column, m.Write})
		}
		if f, err := fields.ParseFilter(m.Only); m.Only != "" && err == nil {
			for _, column := range f.Fields() {
				out = append(out, use{"", m.System, m.Object, column, false})
			}
		}
	}
	slices.SortFunc(out, func(a, b use) int {
		return cmp.Or(strings.Compare(a.system, b.system), strings.Compare(a.column, b.column), strings.Compare(a.row, b.row))
	})
	return out
}

// columnsOf gives the columns of a link as they are now, for the store: those that
// are there, and those missing that were there once.
func (d *drift) columnsOf(c config.Link, l *flows.Link) []store.LinkColumn {
	seen := map[columnKey]bool{}
	var out []store.LinkColumn
	for _, u := range usesOf(c, l) {
		key := columnKey{c.Name, u.system, u.object, u.column}
		_, ran := d.columns[key]
		o, shown := d.infos[u.system].Objects[u.object]
		f, there := o.Fields[u.column]
		if seen[key] || !shown || !there && !ran {
			continue
		}
		seen[key] = true
		out = append(out, store.LinkColumn{Link: c.Name, System: u.system, Object: u.object, Field: u.column, Type: string(f.Type), ReadOnly: f.ReadOnly, Gone: !there})
	}
	return out
}

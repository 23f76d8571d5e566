package config

import (
	"fmt"
	"slices"
	"strings"
)

// checkLink says what a link means that cannot be.
func (d *decoder) checkLink(path string, l Link, c *Config) {
	switch {
	case l.Name == "":
		d.at(path+".name", "is missing: a link has a name")
	case !linkName.MatchString(l.Name) || len(l.Name) > maxName:
		d.at(path+".name", "a link's name is at most %d of a-z, 0-9, _ and -, a letter first", maxName)
	}
	d.checkMembers(path, l, c)
	d.checkCreate(path, l)
	d.checkConflict(path+".conflict", &l.Conflict, l)
	if l.Conflict.Mode == ConflictUnion || l.Conflict.Mode == ConflictRestrictive {
		d.at(path+".conflict", "%s is for one field: write it in that row", l.Conflict.Mode)
	}
	d.checkFields(path, l)
	d.checkIdentity(path, l)
	d.checkMatch(path, l)
	d.checkDelete(path+".delete", l)
	if !slices.Contains([]string{MatchPair, MatchPropose, MatchOff}, l.OnMatch) {
		d.at(path+".on_match", "on_match is pair, propose or off")
	}
	if !slices.Contains([]string{FateAsk, FateKeep, FateArchive, FateDelete}, l.Erase.Other) {
		d.at(path+".erase.other", "what becomes of an erased person's records in other systems is ask, keep, archive or delete")
	}
	if !slices.Contains([]string{FateAsk, FateKeep, FateArchive}, l.Merge.Orphan) {
		d.at(path+".merge.orphan", "what becomes of the record whose counterpart was merged away is ask, keep or archive")
	}
	if l.Start != "" && l.Start != StartLive {
		d.at(path+".start", "start is live, or is left out: then creates wait for the first plan")
	}
}

func (d *decoder) checkMembers(path string, l Link, c *Config) {
	if len(l.Members) < 2 {
		d.at(path+".members", "a link has at least two members: {system, object} each")
	}
	writers, listeners := 0, 0
	for i, m := range l.Members {
		d.checkMember(path, i, l, c)
		if m.Write {
			writers++
		}
		if m.Listen {
			listeners++
		}
	}
	alone := writers == 1 && listeners == 1 && slices.ContainsFunc(l.Members, func(m Member) bool { return m.Write && m.Listen })
	if len(l.Members) > 1 && (writers == 0 || listeners == 0 || alone) {
		d.at(path+".members", "nothing can flow: one member must listen and another be written")
	}
}

func (d *decoder) checkMember(path string, i int, l Link, c *Config) {
	m := l.Members[i]
	systems := systemNames(c)
	systemPath := memberPath(path, i, "system")
	switch {
	case m.System == "":
		d.at(systemPath, "is missing: say which system this member is in")
	case !slices.Contains(systems, m.System):
		d.at(systemPath, "there is no system %q under systems", m.System).Suggestion = nearest(m.System, systems)
	case slices.ContainsFunc(l.Members[:i], func(o Member) bool { return o.System == m.System }):
		d.at(systemPath, "%s is in this link already: a system is in a link once", m.System)
	}
	if strings.TrimSpace(m.Object) == "" {
		d.at(memberPath(path, i, "object"), "is missing: say which type of record this is about")
	}
	if only := memberPath(path, i, "only"); d.o.CheckFilter != nil && m.Only != "" {
		if err := d.o.CheckFilter(m.Only); err != nil {
			d.at(only, "this is no filter: %s", clean(err))
		}
	}
	d.checkInverse(path, i, l)
	switch leaves := memberPath(path, i, "leaves"); {
	case !slices.Contains([]string{LeavesFreeze, LeavesUnpair, LeavesArchive}, m.Leaves):
		d.at(leaves, "leaves is freeze, unpair or archive")
	case m.Leaves != LeavesFreeze && strings.TrimSpace(m.Only) == "":
		d.at(leaves, "without an `only` no record of %s ever leaves: add one, or take leaves out", m.System)
	}
	for _, column := range namesOf(m.CreateWith) {
		p := join(memberPath(path, i, "create_with"), column)
		switch {
		case strings.TrimSpace(column) != column || column == "":
			d.at(memberPath(path, i, "create_with"), "%q is no field's name: take the blanks out", column)
		case !m.Write:
			d.at(p, "%s is not written (write: false), so nothing is created there", m.System)
		}
	}
}

// checkInverse checks the fields of a member that hold record ids.
func (d *decoder) checkInverse(path string, i int, l Link) {
	m := l.Members[i]
	fields := map[string]string{}
	for _, system := range namesOf(m.InverseID) {
		field, p := m.InverseID[system], memberPath(path, i, "inverse_id")
		other := slices.ContainsFunc(l.Members, func(o Member) bool { return o.System == system })
		switch {
		case system == m.System || !other:
			d.at(join(p, system), "inverse_id names the other members of the link and the field here that holds their record id; %q is none", system)
		case strings.TrimSpace(field) == "":
			d.at(join(p, system), "name the field here that holds %s's record id", system)
		case fields[field] != "":
			d.at(join(p, system), "the field %q holds %s's record id already: each system needs its own", field, fields[field])
		}
		fields[field] = system
	}
}

func systemNames(c *Config) []string {
	var names []string
	for _, s := range c.Systems {
		names = append(names, s.Name)
	}
	return names
}

func memberOf(l Link, system string) (Member, bool) {
	i := slices.IndexFunc(l.Members, func(m Member) bool { return m.System == system })
	if i < 0 {
		return Member{}, false
	}
	return l.Members[i], true
}

func memberNames(l Link) []string {
	var names []string
	for _, m := range l.Members {
		names = append(names, m.System)
	}
	return names
}

func (d *decoder) checkCreate(path string, l Link) {
	for _, system := range namesOf(l.Create) {
		m, ok := memberOf(l, system)
		switch {
		case !ok:
			d.at(join(path+".create", system), "%q is no member of this link", system).Suggestion = nearest(system, memberNames(l))
		case l.Create[system] && !m.Write:
			d.at(join(path+".create", system), "%s is not written (write: false), so nothing can be created there", system)
		}
	}
}

func (d *decoder) checkConflict(path string, c *Conflict, l Link) {
	if c == nil || c.Mode != ConflictSystem && c.Mode != ConflictNewest {
		return
	}
	if _, ok := memberOf(l, c.System); !ok && !(c.System == "" && d.faulty[path]) {
		at := path
		if c.Mode == ConflictNewest {
			at += "." + ConflictNewest
		}
		d.at(at, "%q is no member of this link: write ask, union, a member's system, {newest: system}, or {most_restrictive: value}", c.System).Suggestion = nearest(c.System, append(memberNames(l), ConflictAsk, ConflictUnion))
	}
}

func (d *decoder) checkFields(path string, l Link) {
	if len(l.Fields) == 0 {
		d.at(path+".fields", "a link without fields keeps nothing in step: add a row, like {%s}", "hubspot: email, odoo: email")
		return
	}
	names := map[string]int{}
	writers := map[string]string{} // system and column → path of the row that writes it
	for i, f := range l.Fields {
		row := fmt.Sprintf("%s.fields[%d]", path, i)
		d.checkRow(row, f, l)
		if first, ok := names[f.Name]; ok && f.Name != "" {
			d.at(row, "the name %q is that of fields[%d] too: give this row another by `name:`", f.Name, first)
		} else {
			names[f.Name] = i
		}
		d.checkWriters(row, f, l, writers)
	}
	d.checkGroups(path, l)
}

func (d *decoder) checkRow(row string, f Field, l Link) {
	if len(f.Columns) < 2 && f.Value == nil && !d.within(row) {
		d.at(row, "a row needs a column in at least two of the members %s", strings.Join(memberNames(l), ", "))
	}
	if _, ok := d.o.Transforms[f.As]; d.o.Transforms != nil && !ok {
		names := namesOf(d.o.Transforms)
		e := d.at(row+".as", "unknown transform %q", f.As)
		if e.Suggestion = nearest(f.As, names); e.Suggestion == "" {
			e.Msg += ": known are " + strings.Join(names, ", ")
		}
	}
	d.checkConflict(row+".conflict", f.Conflict, l)
	d.checkPolicy(row, f, l)
	if f.Value != nil {
		d.checkConstant(row, f, l)
	}
	d.checkDefinition(row, f)
	d.checkReference(row, f)
	if f.From == "" {
		d.checkTwoWay(row, f)
		return
	}
	if len(f.Samples) > 0 {
		d.at(row+".samples", "samples are for rows that go every way: take them out")
	}
	for _, end := range []string{f.From, f.To} {
		if f.Columns[end] == nil && !d.within(row) {
			d.at(row+".goes", "%s has no column in this row: goes names two of the row's systems", end)
			return
		}
	}
	from, _ := memberOf(l, f.From)
	to, _ := memberOf(l, f.To)
	switch {
	case len(f.Columns) > 2:
		d.at(row+".goes", "a row that goes one way has two systems: write a row of its own for the third")
	case !from.Listen && from.System != "":
		d.at(row+".goes", "%s is not listened to (listen: false), so nothing comes from it", f.From)
	case !to.Write && to.System != "":
		d.at(row+".goes", "%s is not written (write: false), so nothing goes to it", f.To)
	}
}

// within says that something below a path is wrong already.
func (d *decoder) within(path string) bool {
	for p := range d.faulty {
		if p == path || strings.HasPrefix(p, path+".") {
			return true
		}
	}
	return false
}

// checkWriters finds columns that two rows write, or that hold an inverse id.
func (d *decoder) checkWriters(row string, f Field, l Link, writers map[string]string) {
	for _, system := range namesOf(f.Columns) {
		m, _ := memberOf(l, system)
		if !m.Write || (f.To != "" && f.To != system) {
			continue
		}
		for _, column := range f.Columns[system] {
			key := system + "\x00" + column
			if other, ok := writers[key]; ok {
				d.at(row+"."+system, "%s of %s is written by %s already: one row writes a column", column, system, other)
				continue
			}
			writers[key] = row[strings.LastIndex(row, "fields["):]
			for _, inverse := range namesOf(m.InverseID) {
				if m.InverseID[inverse] == column {
					d.at(row+"."+system, "%s of %s holds %s's record id (inverse_id): no row may write it", column, system, inverse)
				}
			}
			if l.Identity.Columns[system] == column {
				d.at(row+"."+system, "%s of %s holds the shared id (identity: external_id): no row may write it", column, system)
			}
			if _, ok := m.CreateWith[column]; ok {
				d.at(row+"."+system, "%s of %s is set by create_with: a row that writes it too would change it at once", column, system)
			}
		}
	}
}

func (d *decoder) checkMatch(path string, l Link) {
	var names []string
	for _, f := range l.Fields {
		names = append(names, f.Name)
	}
	broken := slices.Contains(names, "") // a row that could not be read
	for i, alternative := range l.Match {
		for j, name := range alternative {
			if name == "" || slices.Contains(names, name) || broken {
				continue
			}
			p := fmt.Sprintf("%s.match[%d][%d]", path, i, j)
			d.at(p, "there is no field %q: match names rows of fields, by their name or their last column", name).Suggestion = nearest(name, names)
		}
	}
}

// checkAcross looks at all links together.
func (d *decoder) checkAcross(c *Config) {
	d.checkReferences(c)
	names := map[string]bool{}
	type use struct{ link, member int }
	uses := map[string][]use{}
	paths := d.linkPaths(c)
	for i, l := range c.Links {
		if names[l.Name] && l.Name != "" {
			d.at(paths[i]+".name", "two links are called %q: names are unique", l.Name)
		}
		names[l.Name] = true
		for j, m := range l.Members {
			key := m.System + "\x00" + m.Object
			uses[key] = append(uses[key], use{i, j})
		}
	}
	for _, key := range namesOf(uses) {
		shared := uses[key]
		for k, u := range shared {
			m := c.Links[u.link].Members[u.member]
			other := c.Links[shared[(k+1)%len(shared)].link].Name
			if len(shared) > 1 && strings.TrimSpace(m.Only) == "" && m.System != "" && m.Object != "" && other != c.Links[u.link].Name {
				d.at(memberPath(paths[u.link], u.member, "only"), "%s of %s is in the link %s too: links that share an object each need an `only`, and no record may pass both", m.Object, m.System, other)
			}
		}
	}
}

// linkPaths repeats how links named the paths: by name, the first of two.
func (d *decoder) linkPaths(c *Config) []string {
	taken := map[string]bool{}
	var out []string
	for i, l := range c.Links {
		path := fmt.Sprintf("links[%d]", i)
		if plainKey.MatchString(l.Name) && !taken["links."+l.Name] {
			path = "links." + l.Name
		}
		taken[path] = true
		out = append(out, path)
	}
	return out
}

package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Identity says how the records of a link are known for one customer (DESIGN 7).
type Identity struct {
	Mode    string            `yaml:"-"` // IdentityMapping (default), IdentitySystem, IdentityExternal
	System  string            `yaml:"-"` // IdentitySystem: whose record ids are the keys
	Columns map[string]string `yaml:"-"` // IdentityExternal: by system, the field that holds the shared id
}

// SharedID is the name of the row that IdentityExternal adds to a link's fields.
const SharedID = "external_id"

// String is the identity as one line, the same for equal ones: what the store
// remembers of a link.
func (i Identity) String() string {
	switch i.Mode {
	case IdentitySystem:
		return i.Mode + ": " + i.System
	case IdentityExternal:
		var parts []string
		for _, system := range namesOf(i.Columns) {
			parts = append(parts, system+"."+i.Columns[system])
		}
		return i.Mode + ": " + strings.Join(parts, ", ")
	}
	return IdentityMapping
}

const identityForms = "the identity is mapping, {system_of_record: a member's system}, or {external_id: {system: field, …}}"

func (d *decoder) identity(e entry) Identity {
	n := resolve(e.vn)
	mapping := Identity{Mode: IdentityMapping}
	if n.Kind != yaml.MappingNode {
		if n.Kind != yaml.ScalarNode || n.Value != IdentityMapping {
			d.fail(n, e.path, identityForms)
		}
		return mapping
	}
	entries, ok := d.mapping(n, e.path)
	if !ok {
		return mapping
	}
	if len(entries) != 1 || entries[0].key != IdentitySystem && entries[0].key != IdentityExternal {
		d.fail(n, e.path, identityForms)
		return mapping
	}
	one := entries[0]
	if one.key == IdentitySystem {
		text, _ := d.text(one.vn, one.path)
		return Identity{Mode: IdentitySystem, System: text}
	}
	out := Identity{Mode: IdentityExternal, Columns: map[string]string{}}
	columns, ok := d.mapping(one.vn, one.path)
	if !ok {
		return mapping
	}
	for _, c := range columns {
		out.Columns[c.key], _ = d.text(c.vn, c.path)
	}
	return out
}

// checkIdentity says what an identity needs of the rest of its link.
func (d *decoder) checkIdentity(path string, l Link) {
	switch l.Identity.Mode {
	case IdentitySystem:
		d.checkRecord(path, l)
	case IdentityExternal:
		d.checkShared(path, l)
	}
}

// checkRecord: every member but the system of record has a field for its key.
func (d *decoder) checkRecord(path string, l Link) {
	at, record := path+".identity."+IdentitySystem, l.Identity.System
	if _, ok := memberOf(l, record); !ok {
		d.at(at, "%q is no member of this link: name the system whose record ids are the keys", record).Suggestion = nearest(record, memberNames(l))
		return
	}
	for i, m := range l.Members {
		if m.System != record && m.System != "" && m.InverseID[record] == "" {
			d.at(memberPath(path, i, "inverse_id"), "is needed: %s is the system of record, so say which field of %s holds its key: inverse_id: {%s: FIELD}", record, m.System, record)
		}
	}
}

// checkShared: every member has a field for the shared id, and it is the only thing
// by which records meet.
func (d *decoder) checkShared(path string, l Link) {
	at := path + ".identity." + IdentityExternal
	for _, system := range namesOf(l.Identity.Columns) {
		column := l.Identity.Columns[system]
		m, ok := memberOf(l, system)
		switch {
		case !ok:
			d.at(join(at, system), "%q is no member of this link", system).Suggestion = nearest(system, memberNames(l))
		case strings.TrimSpace(column) != column || column == "":
			d.at(join(at, system), "name the field of %s that holds the shared id, without blanks around it", system)
		case slices.Contains(valuesOf(m.InverseID), column):
			d.at(join(at, system), "%s of %s holds a record id (inverse_id): a shared id is set by people, in a field of its own", column, system)
		}
	}
	for _, system := range memberNames(l) {
		if l.Identity.Columns[system] == "" && system != "" {
			d.at(at, "%s is a member of this link: name its field for the shared id as well", system)
		}
	}
	if len(l.Match) > 0 {
		d.at(path+".match", "records of this link meet by their external id alone: take match out")
	}
	if l.OnMatch != MatchPair {
		d.at(path+".on_match", "an external id is exact: take on_match out")
	}
	for i, f := range l.Fields {
		if f.Name == SharedID {
			d.at(fmt.Sprintf("%s.fields[%d]", path, i), "the name %q is that of the row for the shared id, which need not be written: give this one another by `name:`", SharedID)
		}
	}
}

func valuesOf(m map[string]string) []string {
	var out []string
	for _, k := range namesOf(m) {
		out = append(out, m[k])
	}
	return out
}

func (i Identity) show() *node {
	switch i.Mode {
	case IdentitySystem:
		return flow(object().add(IdentitySystem, word(i.System)))
	case IdentityExternal:
		columns := flow(object())
		for _, system := range namesOf(i.Columns) {
			columns.add(system, word(i.Columns[system]))
		}
		return flow(object().add(IdentityExternal, columns))
	}
	return word(IdentityMapping)
}

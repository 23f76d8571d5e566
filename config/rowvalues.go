package config

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// RowValue is one meaning of a row and what each system writes for it.
type RowValue struct {
	Name string              // "": its first value counts as its name
	In   map[string][]string // by system; where there are several, the first is written
}

// What becomes of a value that a row does not know: Field.Unknown.
const (
	UnknownSkip    = "skip"
	UnknownPark    = "park"
	UnknownDefault = "default"
)

// values reads the list of a row's values: an entry per meaning, a key per system.
// Vendors tell capitals apart, so all of it is decoded from the nodes.
func (r *rowDecoder) values(e entry) []RowValue {
	items, ok := r.items(e.vn, e.path)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		r.fail(resolve(e.vn), e.path, "the list of values is empty: write one entry per meaning, or take the key out")
	}
	var out []RowValue
	for _, item := range items {
		out = append(out, r.rowValue(item))
	}
	return out
}

func (r *rowDecoder) rowValue(item entry) RowValue {
	v := RowValue{In: map[string][]string{}}
	entries, ok := r.mapping(item.vn, item.path)
	if !ok {
		return v
	}
	for _, e := range entries {
		switch {
		case e.key == "name":
			v.Name, _ = r.text(e.vn, e.path)
		case slices.Contains(r.members, e.key), r.lenient && slices.Contains(r.systems, e.key):
			v.In[e.key] = r.texts(e)
		default:
			known := map[string]reflect.Value{"name": {}}
			for _, member := range r.members {
				known[member] = reflect.Value{}
			}
			r.decoder.unknown(e, item.path, known)
		}
	}
	return v
}

// texts reads one text or a list of them.
func (r *rowDecoder) texts(e entry) []string {
	items := []entry{e}
	if n := resolve(e.vn); n.Kind == yaml.SequenceNode {
		items, _ = r.items(n, e.path)
		if len(items) == 0 {
			r.fail(n, e.path, "the list is empty: write at least one value")
		}
	}
	var out []string
	for _, item := range items {
		if text, ok := r.word(item); ok {
			out = append(out, text)
		}
	}
	return out
}

// unknownValue reads skip, park or {default: meaning}.
func (r *rowDecoder) unknownValue(e entry, f *Field) {
	const howTo = "what becomes of an unknown value is skip, park, or {default: name}"
	n := resolve(e.vn)
	if n.Kind == yaml.MappingNode {
		entries, _ := r.mapping(n, e.path)
		if len(entries) != 1 || entries[0].key != UnknownDefault {
			r.at(e.path, howTo)
			return
		}
		if text, ok := r.text(entries[0].vn, entries[0].path); ok {
			f.Unknown, f.Default = UnknownDefault, text
		}
		return
	}
	text, ok := r.text(n, e.path)
	if ok && text != UnknownSkip && text != UnknownPark {
		r.fail(n, e.path, howTo)
		return
	}
	f.Unknown = text
}

// bySystem reads a parameter that differs by system.
func (r *rowDecoder) bySystem(e entry, f *Field) {
	entries, _ := r.mapping(e.vn, e.path)
	for _, one := range entries {
		if !slices.Contains(r.members, one.key) && !r.lenient {
			r.fail(one.kn, one.path, "%q is no member of this link: %s takes one value, or one for each system of the row", one.key, e.key).Suggestion = nearest(one.key, r.members)
			continue
		}
		if text, ok := r.text(one.vn, one.path); ok {
			if f.Per[e.key] == nil {
				f.Per[e.key] = map[string]string{}
			}
			f.Per[e.key][one.key] = text
		}
	}
}

// settled reads a policy that is written {word: text}: newest, most_restrictive.
func (d *decoder) settled(n *yaml.Node, e entry) Conflict {
	entries, _ := d.mapping(n, e.path)
	if len(entries) == 1 {
		text, _ := d.word(entries[0])
		switch entries[0].key {
		case ConflictNewest:
			return Conflict{Mode: ConflictNewest, System: text}
		case ConflictRestrictive:
			return Conflict{Mode: ConflictRestrictive, Value: text}
		}
	}
	d.at(e.path, howToSettle)
	return Conflict{}
}

const howToSettle = "a conflict is settled by ask, a system's name, {newest: system}, union, or {most_restrictive: value}"

// word reads a text; true and false are words here, quoted or not.
func (d *decoder) word(e entry) (string, bool) {
	if n := resolve(e.vn); n.Kind == yaml.ScalarNode && n.Tag == "!!bool" {
		return n.Value, true
	}
	return d.text(e.vn, e.path)
}

// checkPolicy checks the policies that belong to a row of its own.
func (d *decoder) checkPolicy(row string, f Field, l Link) {
	if f.Conflict == nil || f.Conflict.Mode != ConflictUnion && f.Conflict.Mode != ConflictRestrictive {
		return
	}
	at := row + ".conflict"
	switch {
	case f.From != "":
		d.at(at, "a row that goes one way has no conflicts: take conflict or goes out")
	case f.Group != "":
		d.at(at, "the rows of a group have one winner: %s is for a row by itself, so take it out of the group", f.Conflict.Mode)
	case f.Conflict.Mode == ConflictRestrictive && f.Conflict.Value == "":
		d.at(at, "say which value is the restrictive one: {most_restrictive: \"true\"}")
	case f.Conflict.Mode == ConflictUnion && f.As != setTransform:
		d.at(at, "union puts the elements of both sides together: it is for `as: set`")
	case f.Conflict.Mode == ConflictUnion:
		for _, system := range namesOf(f.Columns) {
			if m, ok := memberOf(l, system); ok && (!m.Write || !m.Listen) {
				d.at(at, "union needs every system of the row to be listened to and written; %s is not", system)
				return
			}
		}
	}
}

// setTransform is the transform whose values are lists.
const setTransform = "set"

// checkConstant checks a row that holds one fixed value.
func (d *decoder) checkConstant(row string, f Field, l Link) {
	for _, system := range namesOf(f.Columns) {
		if m, ok := memberOf(l, system); ok && !m.Write {
			d.at(row+"."+system, "%s is not written (write: false), so it cannot be given a fixed value", system)
		}
	}
	switch {
	case len(f.Columns) == 0 && !d.within(row):
		d.at(row, "a fixed value needs a column in at least one of the members %s", strings.Join(memberNames(l), ", "))
	case f.From != "":
		d.at(row+".goes", "a fixed value comes from no system: take goes out")
	case f.Conflict != nil:
		d.at(row+".conflict", "a fixed value has no conflicts: take conflict out")
	case f.Group != "":
		d.at(row+".group", "a fixed value is in no group: take group out")
	case len(f.Samples) > 0:
		d.at(row+".samples", "samples are for rows that go every way: take them out")
	}
}

// checkDefinition asks whether a row can be compiled.
func (d *decoder) checkDefinition(row string, f Field) {
	if d.o.CheckField == nil || d.within(row) {
		return
	}
	if err := d.o.CheckField(f); err != nil {
		at := row
		if err.Key != "" {
			at = row + "." + err.Key
		}
		d.at(at, "%s", err.Msg)
	}
}

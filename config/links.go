package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

var linkName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// links decodes the list of links, each below a path with its name.
func (d *decoder) links(n *yaml.Node, c *Config) {
	items, ok := d.items(n, "links")
	if !ok {
		return
	}
	paths := map[string]bool{}
	for _, item := range items {
		path := item.path
		if name := peek(item.vn, "name"); plainKey.MatchString(name) && !paths["links."+name] {
			path = "links." + name
			d.vals[path] = resolve(item.vn)
		}
		paths[path] = true
		l := d.link(item.vn, path, c)
		d.checkLink(path, l, c)
		c.Links = append(c.Links, l)
	}
	d.checkAcross(c)
}

// peek gives the text of a key of a mapping, before it is decoded.
func peek(n *yaml.Node, key string) string {
	n = resolve(n)
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if v := resolve(n.Content[i+1]); n.Content[i].Value == key && v.Kind == yaml.ScalarNode {
			return v.Value
		}
	}
	return ""
}

func (d *decoder) link(n *yaml.Node, path string, c *Config) Link {
	l := Link{
		Identity: Identity{Mode: IdentityMapping}, OnMatch: MatchPair, Conflict: Conflict{Mode: ConflictAsk},
		Erase: Erase{Other: FateAsk}, Merge: Merge{Orphan: FateAsk},
		Delete: Delete{From: map[string]string{}, Wins: DeleteWinsUpdate, Grace: DefaultGrace},
	}
	entries, ok := d.mapping(n, path)
	if !ok {
		return l
	}
	known := fieldsOf(reflect.ValueOf(&l).Elem())
	var rows *entry
	for _, e := range entries {
		f, ok := known[e.key]
		switch {
		case !ok:
			d.unknown(e, path, known)
		case e.key == "identity":
			l.Identity = d.identity(e)
		case e.key == "members":
			l.Members = d.members(e)
		case e.key == "match":
			l.Match = d.match(e)
		case e.key == "conflict":
			l.Conflict = d.conflict(e)
		case e.key == "delete":
			d.deletes(e, &l.Delete)
		case e.key == "fields":
			rows = &e
		default:
			d.value(e.vn, f, e.path)
		}
	}
	if rows != nil { // last: a row's keys are the members' systems
		l.Fields = d.rows(*rows, &l, c)
	}
	d.fillCreate(&l)
	return l
}

func (d *decoder) members(e entry) []Member {
	items, ok := d.items(e.vn, e.path)
	if !ok {
		return nil
	}
	var out []Member
	for _, item := range items {
		m := Member{Leaves: LeavesFreeze, Write: true, Listen: true}
		d.value(item.vn, reflect.ValueOf(&m).Elem(), item.path)
		out = append(out, m)
	}
	return out
}

func (d *decoder) match(e entry) [][]string {
	const howTo = "match is a list of alternatives, each a list of names of fields: [[email], [vat]]"
	n := resolve(e.vn)
	if n.Kind != yaml.SequenceNode {
		d.fail(n, e.path, howTo)
		return nil
	}
	items, _ := d.items(n, e.path)
	var out [][]string
	for _, item := range items {
		in := resolve(item.vn)
		if in.Kind != yaml.SequenceNode || len(in.Content) == 0 {
			d.fail(in, item.path, howTo)
			continue
		}
		var names []string
		d.value(in, reflect.ValueOf(&names).Elem(), item.path)
		out = append(out, names)
	}
	return out
}

// conflict reads ask, union, a system's name, {newest: system}, or
// {most_restrictive: value}.
func (d *decoder) conflict(e entry) Conflict {
	n := resolve(e.vn)
	if n.Kind == yaml.MappingNode {
		return d.settled(n, e)
	}
	text, ok := d.text(n, e.path)
	switch {
	case !ok:
		return Conflict{}
	case text == ConflictAsk, text == ConflictUnion:
		return Conflict{Mode: text}
	case text == ConflictNewest:
		d.fail(n, e.path, "newest needs a system that wins within two seconds: write {newest: system}")
		return Conflict{}
	case text == ConflictRestrictive:
		d.fail(n, e.path, "most_restrictive needs the value that wins: write {most_restrictive: \"true\"}")
		return Conflict{}
	}
	return Conflict{Mode: ConflictSystem, System: text}
}

func (d *decoder) rows(e entry, l *Link, c *Config) []Field {
	items, ok := d.items(e.vn, e.path)
	if !ok {
		return nil
	}
	r := rowDecoder{decoder: d}
	for _, m := range l.Members {
		r.members = append(r.members, m.System)
	}
	for _, s := range c.Systems {
		r.systems = append(r.systems, s.Name)
	}
	// Where the members are broken, a row's systems cannot be held against them.
	for path := range d.faulty {
		r.lenient = r.lenient || strings.HasPrefix(path, parent(e.path)+".members")
	}
	for _, name := range r.members {
		r.lenient = r.lenient || !slices.Contains(r.systems, name)
	}
	r.lenient = r.lenient || len(l.Members) < 2
	var out []Field
	for _, item := range items {
		out = append(out, r.row(item))
	}
	return out
}

// rowDecoder decodes the rows of one link.
type rowDecoder struct {
	*decoder
	members, systems []string
	lenient          bool
}

func (r *rowDecoder) row(item entry) Field {
	f := Field{As: DefaultTransform, Columns: map[string][]string{}, Params: map[string]string{}, Per: map[string]map[string]string{}}
	entries, ok := r.mapping(item.vn, item.path)
	if !ok {
		return f
	}
	last := ""
	var rest []entry
	for _, e := range entries {
		switch {
		case slices.Contains(rowKeys, e.key):
			r.reservedKey(e, &f)
		case slices.Contains(r.members, e.key), r.lenient && slices.Contains(r.systems, e.key):
			if columns := r.columns(e); len(columns) > 0 {
				f.Columns[e.key] = columns
				last = columns[len(columns)-1]
			}
		default:
			rest = append(rest, e)
		}
	}
	if f.As == "" {
		f.As = DefaultTransform
	}
	for _, e := range rest {
		r.param(e, item.path, &f)
	}
	if f.Name == "" {
		f.Name = last
	}
	return f
}

func (r *rowDecoder) reservedKey(e entry, f *Field) {
	switch e.key {
	case "name":
		f.Name, _ = r.text(e.vn, e.path)
	case "as":
		f.As, _ = r.text(e.vn, e.path)
	case "private":
		r.boolean(resolve(e.vn), reflect.ValueOf(&f.Private).Elem(), e.path)
	case "accept_lossy":
		r.boolean(resolve(e.vn), reflect.ValueOf(&f.AcceptLossy).Elem(), e.path)
	case "group":
		f.Group, _ = r.text(e.vn, e.path)
	case "conflict":
		conflict := r.conflict(e)
		f.Conflict = &conflict
	case "values":
		f.Values = r.values(e)
	case "unknown":
		r.unknownValue(e, f)
	case "expr":
		f.Expr, _ = r.text(e.vn, e.path)
	case "value":
		if text, ok := r.word(e); ok {
			f.Value = &text
		}
	case "samples":
		f.Samples = r.texts(e)
	case "goes":
		text, ok := r.text(e.vn, e.path)
		if !ok {
			return
		}
		from, to, arrow := strings.Cut(text, "->")
		from, to = strings.TrimSpace(from), strings.TrimSpace(to)
		if !arrow || !systemName.MatchString(from) || !systemName.MatchString(to) || from == to {
			r.fail(resolve(e.vn), e.path, "one way is written `goes: a -> b` with two systems; without goes a field goes every way")
			return
		}
		f.From, f.To = from, to
	}
}

// columns reads one column or a list of them.
func (r *rowDecoder) columns(e entry) []string {
	items := []entry{e}
	if n := resolve(e.vn); n.Kind == yaml.SequenceNode {
		items, _ = r.items(n, e.path)
		if len(items) == 0 {
			r.fail(n, e.path, "the list of columns is empty: name one, or take the key out")
		}
	}
	var out []string
	for _, item := range items {
		text, ok := r.text(item.vn, item.path)
		switch {
		case !ok:
		case strings.TrimSpace(text) != text || text == "":
			r.fail(resolve(item.vn), item.path, "a column is a field's name in that system, without blanks around it")
		case slices.Contains(out, text):
			r.fail(resolve(item.vn), item.path, "the column %q stands twice in this row: take one out", text)
		default:
			out = append(out, text)
		}
	}
	return out
}

// param takes a key that is no system of the link: a parameter of the row's
// transform, or an error that says what it could have been.
func (r *rowDecoder) param(e entry, path string, f *Field) {
	allowed, known := r.o.Transforms[f.As]
	names := slices.Concat(rowKeys, r.members, allowed)
	switch {
	case slices.Contains(r.systems, e.key):
		r.fail(e.kn, path, "%s is no member of this link: add it to members, or take the column out", e.key)
	case slices.Contains(allowed, e.key), r.o.Transforms == nil && nearest(e.key, names) == "" && laterKeys[e.key] == "":
		if resolve(e.vn).Kind == yaml.MappingNode {
			r.bySystem(e, f)
			return
		}
		if n := resolve(e.vn); e.key == paramRequired && n.Kind == yaml.ScalarNode && n.Tag == "!!bool" {
			f.Params[e.key] = strings.ToLower(n.Value)
		} else if text, ok := r.text(n, e.path); ok {
			f.Params[e.key] = text
		}
	case r.o.Transforms != nil && !known:
		// The transform itself is unknown, which is said elsewhere.
	case r.takenBy(e.key) != "":
		r.fail(e.kn, path, "%s belongs to as: %s and not to as: %s", e.key, r.takenBy(e.key), f.As)
	default:
		known := map[string]reflect.Value{} // no secrets here
		for _, name := range names {
			known[name] = reflect.Value{}
		}
		r.unknown(e, path, known)
	}
}

// takenBy names the transforms that take a parameter.
func (r *rowDecoder) takenBy(param string) string {
	var takers []string
	for _, as := range namesOf(r.o.Transforms) {
		if slices.Contains(r.o.Transforms[as], param) {
			takers = append(takers, as)
		}
	}
	return strings.Join(takers, " or ")
}

// fillCreate sets what the link does not say: true where a member may be
// written.
func (d *decoder) fillCreate(l *Link) {
	if l.Create == nil {
		l.Create = map[string]bool{}
	}
	for _, m := range l.Members {
		if _, ok := l.Create[m.System]; !ok {
			l.Create[m.System] = m.Write
		}
	}
}

func memberPath(path string, i int, key string) string {
	return fmt.Sprintf("%s.members[%d].%s", path, i, key)
}

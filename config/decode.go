package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"syncd/secret"
)

// decoder walks YAML nodes by the types they shall become. It notes for each
// path where it stands, so that later checks speak of the right place.
type decoder struct {
	file    string
	src     *source
	o       Options
	secrets secret.Source
	root    *yaml.Node
	errs    Errors
	keys    map[string]*yaml.Node // by path
	vals    map[string]*yaml.Node // by path
	faulty  map[string]bool       // paths that have an error
	below   []*decoder            // of the profiles that systems begin with
}

// finish sorts the errors and draws their snippets; only now is it known
// which lines hide what.
func (d *decoder) finish() Errors {
	for i := range d.errs {
		e := &d.errs[i]
		e.Snippet = d.src.snippet(e.Line, e.Column, e.width)
	}
	d.errs.sort()
	all := slices.CompactFunc(d.errs, func(a, b Error) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Path == b.Path && a.Msg == b.Msg
	})
	for _, profile := range d.below {
		all = append(all, profile.finish()...)
	}
	return all
}

// failed says that something is wrong, here or in a profile.
func (d *decoder) failed() bool {
	return len(d.errs) > 0 || slices.ContainsFunc(d.below, (*decoder).failed)
}

// fail adds an error at a node.
func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) *Error {
	d.faulty[path] = true
	e := Error{File: d.file, Line: max(1, n.Line), Column: max(1, n.Column), Path: path, Msg: fmt.Sprintf(format, args...), width: 1}
	if n.Kind == yaml.ScalarNode && !strings.Contains(n.Value, "\n") {
		e.width = utf8.RuneCountInString(n.Value)
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			e.width += 2
		}
	}
	d.errs = append(d.errs, e)
	return &d.errs[len(d.errs)-1]
}

// at adds an error at a path: at its value if that is a word, else at its key,
// else at the nearest place above. Where the path has an error already it says
// nothing: one fault, one message.
func (d *decoder) at(path, format string, args ...any) *Error {
	if d.faulty[path] {
		return &Error{}
	}
	return d.fail(d.place(path), path, format, args...)
}

func (d *decoder) place(path string) *yaml.Node {
	for p := path; p != ""; p = parent(p) {
		v, k := d.vals[p], d.keys[p]
		switch {
		case v != nil && v.Kind == yaml.ScalarNode && v.Value != "":
			return v
		case k != nil:
			return k
		case v != nil:
			return v
		}
	}
	if d.root != nil {
		return d.root
	}
	return &yaml.Node{Line: 1, Column: 1}
}

// parent cuts the last .key or [index] off.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// entry is one key of a mapping with its value.
type entry struct {
	key    string
	kn, vn *yaml.Node
	path   string
}

// plainKey is a key that can stand in a path as it is.
var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// mapping gives the entries of a mapping; a value that is missing altogether
// is an empty mapping. Keys that stand twice are errors, and the first counts.
func (d *decoder) mapping(n *yaml.Node, path string) ([]entry, bool) {
	n = resolve(n)
	if isNull(n) {
		return nil, true
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "a mapping (key: value) is expected here, not %s", describe(n))
		return nil, false
	}
	var entries []entry
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		kn, vn := resolve(n.Content[i]), n.Content[i+1]
		if kn.Kind != yaml.ScalarNode {
			d.fail(kn, path, "a key must be a word")
			continue
		}
		if kn.Tag == "!!merge" {
			d.fail(kn, path, "merge keys (<<) are not supported: write the keys out")
			continue
		}
		if line, ok := seen[kn.Value]; ok {
			d.fail(kn, path, "the key %q stands twice, first on line %d: take one out", kn.Value, line)
			continue
		}
		seen[kn.Value] = kn.Line
		e := entry{key: kn.Value, kn: kn, vn: vn, path: path}
		if plainKey.MatchString(kn.Value) {
			e.path = join(path, kn.Value)
			d.keys[e.path], d.vals[e.path] = kn, resolve(vn)
		}
		entries = append(entries, e)
	}
	return entries, true
}

// laterKeys are keys of the design that this version does not know.
var laterKeys = map[string]string{
	"only_on_create": "not supported by this version: take it out",
	"console":        "not supported by this version: take it out",
	"access":         "not supported by this version: take it out",
	"tell":           "not supported by this version: take it out",
	"stop_if":        "not supported by this version: take it out",
}

// unknown adds an error for a key that does not exist.
func (d *decoder) unknown(e entry, path string, known map[string]reflect.Value) {
	names := namesOf(known)
	suggestion := nearest(e.key, names)
	if later, ok := laterKeys[e.key]; ok && suggestion == "" {
		d.fail(e.kn, path, "%s: %s", e.key, later)
		return
	}
	msg := fmt.Sprintf("unknown key %q", e.key)
	if suggestion == "" {
		msg += ": known here are " + strings.Join(names, ", ")
	}
	d.fail(e.kn, path, "%s", msg).Suggestion = suggestion
	if secretAmong(known, suggestion) {
		d.hide(e.vn)
	}
}

// secretAmong says that a key that was misspelt may have held a secret: the
// key that was meant does or, if none is near, any of them does.
func secretAmong(known map[string]reflect.Value, suggestion string) bool {
	for name, v := range known {
		if v.IsValid() && v.Type() == secretType && (suggestion == "" || suggestion == name) {
			return true
		}
	}
	return false
}

// hide keeps a node's text out of the snippets.
func (d *decoder) hide(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		d.src.conceal(n)
	}
	for _, c := range n.Content {
		d.hide(c)
	}
}

var (
	secretType   = reflect.TypeFor[secret.Secret]()
	durationType = reflect.TypeFor[time.Duration]()
)

// value decodes a node into v, which can be set.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	n = resolve(n)
	switch {
	case v.Type() == secretType:
		d.secret(n, v, path)
	case v.Type() == durationType:
		d.duration(n, v, path)
	case implementsUnmarshaler(v):
		if err := n.Decode(v.Addr().Interface()); err != nil {
			d.fail(n, path, "%s", clean(err))
		}
	case v.Kind() == reflect.Pointer:
		if !isNull(n) {
			v.Set(reflect.New(v.Type().Elem()))
			d.value(n, v.Elem(), path)
		}
	case v.Kind() == reflect.Struct:
		if entries, ok := d.mapping(n, path); ok {
			d.fields(entries, v, path)
		}
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		d.table(n, v, path)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	case v.Kind() == reflect.String:
		if text, ok := d.text(n, path); ok {
			v.SetString(text)
		}
	case v.Kind() == reflect.Bool:
		d.boolean(n, v, path)
	case v.CanInt():
		d.integer(n, v, path)
	default:
		if err := n.Decode(v.Addr().Interface()); err != nil {
			d.fail(n, path, "%s", clean(err))
		}
	}
}

func implementsUnmarshaler(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(yaml.Unmarshaler)
	return ok
}

// clean makes one line of a library's error, without its own positions.
func clean(err error) string {
	var e *yaml.LoadError
	if errors.As(err, &e) {
		return e.Message
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// fieldsOf lists the yaml keys of a struct and where they go.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case f.Type.Kind() == reflect.Struct && strings.Contains(rest, "inline"):
			for key, inner := range fieldsOf(v.Field(i)) {
				out[key] = inner
			}
		default:
			if name == "" {
				name = strings.ToLower(f.Name)
			}
			out[name] = v.Field(i)
		}
	}
	return out
}

func (d *decoder) fields(entries []entry, v reflect.Value, path string) {
	known := fieldsOf(v)
	for _, e := range entries {
		f, ok := known[e.key]
		if !ok {
			d.unknown(e, path, known)
			continue
		}
		d.value(e.vn, f, e.path)
	}
}

func namesOf[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	entries, ok := d.mapping(n, path)
	if !ok {
		return
	}
	m := reflect.MakeMap(v.Type())
	for _, key := range v.MapKeys() { // what a profile says
		m.SetMapIndex(key, v.MapIndex(key))
	}
	for _, e := range entries {
		one := reflect.New(v.Type().Elem()).Elem()
		if old := m.MapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key())); old.IsValid() {
			one.Set(old)
		}
		d.value(e.vn, one, e.path)
		m.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), one)
	}
	v.Set(m)
}

// items gives the items of a list; a value that is missing is an empty list.
func (d *decoder) items(n *yaml.Node, path string) ([]entry, bool) {
	n = resolve(n)
	if isNull(n) {
		return nil, true
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "a list is expected here, not %s", describe(n))
		return nil, false
	}
	var out []entry
	for i, item := range n.Content {
		p := path + "[" + strconv.Itoa(i) + "]"
		d.vals[p] = resolve(item)
		out = append(out, entry{vn: item, path: p})
	}
	return out, true
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	items, ok := d.items(n, path)
	if !ok {
		return
	}
	s := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		d.value(item.vn, s.Index(i), item.path)
	}
	v.Set(s)
}

// describe names what stands at a node, never its value.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!int":
		return "a number"
	case "!!float":
		return "a fraction"
	default:
		return "a text"
	}
}

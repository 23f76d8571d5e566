package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"syncd/secret"
)

// Profile is where the settings of a system begin: what comes with syncd under a
// name, or a file of the operator's. The system's own keys lie over it: a mapping
// is merged key by key, a list and a word replace what was there.
type Profile struct {
	Name string `yaml:"name,omitempty"`
	File string `yaml:"file,omitempty"`
}

// MarshalYAML writes it as it is read.
func (p Profile) MarshalYAML() (any, error) {
	if p.File != "" {
		return map[string]string{"file": p.File}, nil
	}
	return p.Name, nil
}

// Profiled are settings that may begin with a profile: those with a key `profile`
// of type Profile.
type Profiled interface {
	// Profile gives the text of a profile that comes with syncd.
	Profile(name string) ([]byte, bool)
	// Profiles names them.
	Profiles() []string
}

// profileKey is the key under which a system names its profile.
const profileKey = "profile"

// keyPath is a path of keys within a system.
var keyPath = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_.{}-]{1,128}|\[[0-9]{1,6}\])*$`)

// profile decodes the profile that a system names into its settings, before its own
// keys, and gives those that are left.
func (d *decoder) profile(path string, entries []entry, settings any) []entry {
	known, ok := settings.(Profiled)
	if !ok {
		return entries
	}
	for i, e := range entries {
		if e.key != profileKey {
			continue
		}
		var p Profile
		text, file := d.profileText(e, &p, known)
		v := reflect.ValueOf(settings).Elem()
		if text != nil {
			d.layer(path, file, text, v)
		}
		fieldsOf(v)[profileKey].Set(reflect.ValueOf(p))
		return append(entries[:i:i], entries[i+1:]...)
	}
	return entries
}

// profileText finds the text of a profile.
func (d *decoder) profileText(e entry, p *Profile, known Profiled) (text []byte, file string) {
	n := resolve(e.vn)
	if n.Kind != yaml.MappingNode {
		name, ok := d.text(n, e.path)
		if !ok {
			return nil, ""
		}
		p.Name = name
		if text, ok = known.Profile(name); !ok {
			d.at(e.path, "there is no profile %q: syncd brings %s; a file of your own is {file: path}", name, strings.Join(known.Profiles(), ", ")).
				Suggestion = nearest(name, known.Profiles())
		}
		return text, "profile " + name
	}
	var named struct {
		File string `yaml:"file"`
	}
	d.value(n, reflect.ValueOf(&named).Elem(), e.path)
	if p.File = named.File; named.File == "" {
		d.at(e.path, "name one that syncd brings (%s), or a file of your own as {file: path}", strings.Join(known.Profiles(), ", "))
		return nil, ""
	}
	file = named.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(d.secrets.Dir, file)
	}
	read := d.o.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	text, err := read(file)
	if err != nil {
		d.at(e.path, "the profile cannot be read: %v", err)
		return nil, ""
	}
	return text, file
}

// layer decodes a text over settings. Its errors name its own lines.
func (d *decoder) layer(path, file string, text []byte, v reflect.Value) {
	sub := newDecoder(file, text, d.o)
	d.below = append(d.below, sub)
	root := sub.parse(text)
	if root == nil {
		return
	}
	entries, ok := sub.mapping(root, path)
	if !ok {
		return
	}
	fields := fieldsOf(v)
	delete(fields, profileKey)
	for _, e := range entries {
		f, ok := fields[e.key]
		if !ok {
			sub.unknown(e, path, fields)
			continue
		}
		sub.value(e.vn, f, e.path)
	}
}

// owner gives the decoder of the text that says what stands at a path, or at the
// nearest place above it.
func (d *decoder) owner(path string) *decoder {
	for p := path; p != ""; p = parent(p) {
		for _, one := range append([]*decoder{d}, d.below...) {
			if one.vals[p] != nil || one.keys[p] != nil {
				return one
			}
		}
	}
	return d
}

// newDecoder gives a decoder of one text.
func newDecoder(file string, text []byte, o Options) *decoder {
	return &decoder{
		file: file, src: newSource(text), o: o,
		secrets: secret.Source{Env: o.Env, ReadFile: o.ReadFile, Dir: filepath.Dir(file)},
		keys:    map[string]*yaml.Node{}, vals: map[string]*yaml.Node{}, faulty: map[string]bool{},
	}
}

// Decode reads a text of its own, such as a profile, strictly into what v points to.
// The error is an Errors.
func Decode(file string, text []byte, v any, o Options) error {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	d := newDecoder(file, nil, o)
	d.layer("", file, text, reflect.ValueOf(v).Elem())
	if d.failed() {
		return d.finish()
	}
	return nil
}

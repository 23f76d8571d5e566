package fields

import (
	"fmt"
	"maps"
	"slices"
)

// Value is one meaning of a row and what each system writes for it. Where a
// system has several values for it all are read, and the first one is written,
// unless the record holds another of them already. A meaning for which a system
// has nothing is null, and its name is "".
type Value struct {
	Name string // "": see Compile
	In   map[string][]string
}

// What becomes of a value that a row does not know (CORRECTNESS F67).
const (
	UnknownSkip    = "skip"    // the row does not flow while it is there, and says so
	UnknownPark    = "park"    // the record waits for a person
	UnknownDefault = "default" // it counts as a named meaning
)

// table is the values of a row, looked up both ways.
type table struct {
	read  map[string]map[string]string // system → what it shows → meaning
	write map[string]map[string]string // system → meaning → what is written
	names map[string]bool
}

func keyOfValue(i int, system string) string { return fmt.Sprintf("values[%d].%s", i, system) }

// tableOf checks the values of a row. full: every meaning needs a value in every
// system; otherwise the transform's own form is used there.
func tableOf(set setting, b built, full bool) (*table, *Error) {
	t := &table{read: map[string]map[string]string{}, write: map[string]map[string]string{}, names: map[string]bool{}}
	for _, system := range set.systems() {
		t.read[system], t.write[system] = map[string]string{}, map[string]string{}
	}
	for i, v := range set.spec.Values {
		key := fmt.Sprintf("values[%d]", i)
		for _, system := range slices.Sorted(maps.Keys(v.In)) {
			if t.read[system] == nil {
				return nil, set.spec.fault(key+"."+system, "%s has no column in this row", system)
			}
		}
		if full {
			for _, system := range set.systems() {
				if len(v.In[system]) == 0 {
					return nil, set.spec.fault(key, "it has no value for %s: name one, or write \"\" if that is an empty field there", system)
				}
			}
		}
		name, err := nameOf(set, b, key, v)
		if err != nil {
			return nil, err
		}
		if t.names[name] {
			return nil, set.spec.fault(key, "%q is there twice: put all values that mean it into one entry", name)
		}
		t.names[name] = true
		if err := t.add(set, key, name, v); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *table) add(set setting, key, name string, v Value) *Error {
	for _, system := range slices.Sorted(maps.Keys(v.In)) {
		for _, text := range v.In[system] {
			text = cleanText(text)
			if other, taken := t.read[system][text]; taken {
				return set.spec.fault(key+"."+system, "%q of %s means %q already: a value has one meaning, and an entry may list several values of a system; the first one is written", text, system, other)
			}
			t.read[system][text] = name
		}
		t.write[system][name] = cleanText(v.In[system][0])
	}
	return nil
}

// nameOf gives the canonical form of a meaning: its name, or the first of its
// values that the transform understands.
func nameOf(set setting, b built, key string, v Value) (string, *Error) {
	if len(v.In) == 0 {
		return "", set.spec.fault(key, "it names no value of any system")
	}
	for _, system := range slices.Sorted(maps.Keys(v.In)) {
		if slices.ContainsFunc(v.In[system], func(text string) bool { return cleanText(text) == "" }) {
			if v.Name != "" {
				return "", set.spec.fault(key+".name", "an empty field means nothing, so this entry has no name: take name out")
			}
			return "", nil
		}
	}
	if v.Name != "" {
		name := b.norm(v.Name)
		if name == "" || !b.usable(name) {
			return "", set.spec.fault(key+".name", "%q is nothing that `as: %s` understands", v.Name, set.spec.As)
		}
		return name, nil
	}
	for _, system := range slices.Sorted(maps.Keys(v.In)) {
		for _, text := range v.In[system] {
			if name := b.norm(text); b.usable(name) {
				return name, nil
			}
		}
	}
	return "", set.spec.fault(key, "`as: %s` understands none of its values: add `name:` with what it means", set.spec.As)
}

// addValues lets a row of one column per system look its values up, and says what
// becomes of others.
func (r *Row) addValues(set setting) (*table, *Error) {
	s := set.spec
	b := built{norm: r.norm, usable: r.usable}
	isMap := s.As == asMap
	switch {
	case isMap && len(s.Values) == 0:
		return nil, s.fault("values", "`as: map` needs a list of values: one entry per meaning, one value per system")
	case len(s.Values) == 0 && s.Unknown == "":
		return nil, nil
	}
	for _, system := range set.systems() {
		if len(r.columns[system]) > 1 && !(s.Expr != "" && system == s.From) {
			return nil, s.fault(system, "values and unknown need one column in each system")
		}
	}
	t, err := tableOf(set, b, isMap)
	if err != nil {
		return nil, err
	}
	if isMap {
		r.usable = func(canonical string) bool { return t.names[canonical] }
	}
	if s.Unknown == UnknownDefault {
		if s.Default = r.norm(s.Default); s.Default == "" || !r.usable(s.Default) {
			return nil, s.fault("unknown.default", "%q is none of the row's values", s.Default)
		}
	}
	if err := r.checkCollisions(set, t); err != nil {
		return nil, err
	}
	r.partial = true
	for _, system := range set.systems() {
		r.codecs[system] = r.looksUp(s, t, system)
	}
	return t, nil
}

// checkCollisions refuses a value that the transform reads as another meaning,
// which a system would then write in its own form and not get back.
func (r *Row) checkCollisions(set setting, t *table) *Error {
	if set.spec.As == asMap {
		return nil
	}
	for i, v := range set.spec.Values {
		for _, system := range slices.Sorted(maps.Keys(v.In)) {
			for _, text := range v.In[system] {
				own := r.norm(r.plainGet(system, text))
				_, written := t.write[system][own]
				if own != "" && own != t.read[system][cleanText(text)] && r.usable(own) && !written {
					return set.spec.fault(keyOfValue(i, system), "%q means %q by itself: add an entry that says what %s writes for %q", text, own, system, own)
				}
			}
		}
	}
	return nil
}

// plainGet reads a value as the transform does without a table.
func (r *Row) plainGet(system, shown string) string {
	if c, own := r.codecs[system]; own {
		text, _ := c.get([]string{shown})
		return text
	}
	return shown
}

// looksUp gives the codec of a system that looks its values up first.
func (r *Row) looksUp(s Spec, t *table, system string) codec {
	inner, own := r.codecs[system]
	norm, usable, isMap := r.norm, r.usable, s.As == asMap
	return codec{
		get: func(shown []string) (string, bool) {
			text := cleanText(shown[0])
			if name, ok := t.read[system][text]; ok || text == "" {
				return name, true
			}
			if own {
				text, _ = inner.get(shown)
			}
			switch {
			case !isMap && (s.Unknown == "" || usable(norm(text))):
				return text, true
			case s.Unknown == UnknownDefault:
				return s.Default, true
			}
			return "", false
		},
		put: func(canonical string, shown []string) []string {
			if text, ok := t.write[system][canonical]; ok {
				return []string{text}
			}
			if own {
				return inner.put(canonical, shown)
			}
			return []string{canonical}
		},
	}
}

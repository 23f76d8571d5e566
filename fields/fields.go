// Package fields maps the fields of records between systems. A row stands for
// one field; it has columns in two or more systems and one transform, which
// reads the columns of any system into one canonical text and writes a
// canonical text back into the columns of any system. Values are compared only
// in that canonical space (DESIGN section 5).
//
// A transform is a lens (CORRECTNESS F28). With norm, get and put:
//
//	norm(norm(x)) = norm(x)
//	PutGet: get(put(c, current)) = norm(c)
//	GetPut: put(get(current), current) changes nothing
//
// Values are texts and the empty text is null. A column that is missing from a
// map was not shown and says nothing (F66).
package fields

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Spec is the definition of a field row as the configuration has it.
type Spec struct {
	Name    string              // name of the row, for messages
	Columns map[string][]string // system → columns; most transforms take exactly one
	As      string              // name of the transform, "" is "text"
	Params  map[string]string   // parameters of the transform; see Transforms
}

// Row is a compiled field row. It does not change and is safe for concurrent
// use.
type Row struct {
	name    string
	columns map[string][]string
	rev     string
	norm    func(string) string
	usable  func(canonical string) bool
	samples []string
}

// revLength is how many hexadecimal digits a row's fingerprint has: 48 bits are
// plenty to tell the few versions of one row apart.
const revLength = 12

// Compile checks a definition and makes it ready for use. The error is one
// sentence for the person who wrote it.
func Compile(s Spec) (*Row, error) {
	as := s.As
	if as == "" {
		as = asText
	}
	t, ok := transforms[as]
	if !ok {
		return nil, fmt.Errorf("field %q: there is no transform %q%s", s.Name, as, didYouMean(as, slices.Sorted(maps.Keys(transforms))))
	}
	if err := checkColumns(s, as, t.maxColumns); err != nil {
		return nil, err
	}
	params, err := checkParams(s, as, t)
	if err != nil {
		return nil, err
	}
	r := &Row{name: s.Name, columns: map[string][]string{}}
	for system, columns := range s.Columns {
		r.columns[system] = slices.Clone(columns)
	}
	r.norm, r.usable = t.build(params)
	r.samples = samplesOf(as, params)
	r.rev = fingerprint(as, params, r.columns)
	return r, nil
}

func checkColumns(s Spec, as string, most int) error {
	if len(s.Columns) == 0 {
		return fmt.Errorf("field %q: it has no column in any system", s.Name)
	}
	for _, system := range slices.Sorted(maps.Keys(s.Columns)) {
		columns := s.Columns[system]
		switch {
		case len(columns) == 0:
			return fmt.Errorf("field %q: it has no column in %s", s.Name, system)
		case len(columns) > most && most == 1:
			return fmt.Errorf("field %q: transform %q takes one column in each system, not %d in %s", s.Name, as, len(columns), system)
		case len(columns) > most:
			return fmt.Errorf("field %q: transform %q takes at most %d columns in a system, not %d in %s", s.Name, as, most, len(columns), system)
		}
		for i, c := range columns {
			if strings.TrimSpace(c) == "" {
				return fmt.Errorf("field %q: a column in %s has no name", s.Name, system)
			}
			if slices.Contains(columns[:i], c) {
				return fmt.Errorf("field %q: column %q is there twice in %s", s.Name, c, system)
			}
		}
	}
	return nil
}

// checkParams gives the parameters in their normal form.
func checkParams(s Spec, as string, t transform) (map[string]string, error) {
	params := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Params)) {
		check, ok := t.params[name]
		if !ok {
			return nil, fmt.Errorf("field %q: transform %q has no parameter %q%s", s.Name, as, name, didYouMean(name, slices.Sorted(maps.Keys(t.params))))
		}
		value, err := check(s.Params[name])
		if err != nil {
			return nil, fmt.Errorf("field %q: %s %q: %w", s.Name, name, s.Params[name], err)
		}
		params[name] = value
	}
	return params, nil
}

// fingerprint hashes everything that decides what a row means. Lengths are part
// of it, so that no two definitions read alike.
func fingerprint(as string, params map[string]string, columns map[string][]string) string {
	var b strings.Builder
	put := func(s string) { fmt.Fprintf(&b, "%d:%s,", len(s), s) }
	put(as)
	fmt.Fprintf(&b, "%d params,", len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		put(name)
		put(params[name])
	}
	for _, system := range slices.Sorted(maps.Keys(columns)) {
		put(system)
		fmt.Fprintf(&b, "%d columns,", len(columns[system]))
		for _, c := range columns[system] {
			put(c)
		}
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])[:revLength]
}

// Name gives the name of the row.
func (r *Row) Name() string { return r.name }

// Has says whether the row has columns in a system.
func (r *Row) Has(system string) bool { return len(r.columns[system]) > 0 }

// ColumnsOf gives the row's columns in a system, nil if it has none there.
func (r *Row) ColumnsOf(system string) []string { return slices.Clone(r.columns[system]) }

// Rev gives a short fingerprint of transform, parameters and columns. Another
// name of the row leaves it as it is.
func (r *Row) Rev() string { return r.rev }

// Norm brings any text into the row's canonical space.
func (r *Row) Norm(value string) string { return r.norm(value) }

// Get reads the row's columns of a system. ok is false if one of them was not
// shown, or if the row has none there.
func (r *Row) Get(system string, values map[string]string) (canonical string, ok bool) {
	columns := r.columns[system]
	if len(columns) == 0 {
		return "", false
	}
	if len(columns) == 1 {
		v, shown := values[columns[0]]
		if !shown {
			return "", false
		}
		return r.norm(v), true
	}
	parts := make([]string, len(columns))
	for i, c := range columns {
		v, shown := values[c]
		if !shown {
			return "", false
		}
		parts[i] = v
	}
	return r.norm(strings.Join(parts, " ")), true
}

// Put gives the columns to write so that Get gives canonical: only those that
// differ from current, so the map is empty (never nil) if Get gives canonical
// already. A column missing from current is always written. What the transform
// does not see of current is kept. nil if the row has no columns in the system.
func (r *Row) Put(system, canonical string, current map[string]string) map[string]string {
	columns := r.columns[system]
	if len(columns) == 0 {
		return nil
	}
	canonical = r.norm(canonical)
	writes := map[string]string{}
	if now, ok := r.Get(system, current); ok && now == canonical {
		return writes
	}
	parts := []string{canonical}
	if len(columns) == nameColumns {
		first, last := splitName(canonical, current[columns[1]])
		parts = []string{first, last}
	}
	for i, c := range columns {
		if v, shown := current[c]; !shown || v != parts[i] {
			writes[c] = parts[i]
		}
	}
	return writes
}

// MatchValue gives the form of a canonical value by which strangers are
// matched. It is false for an empty value and for one that the transform does
// not understand, such as a phone number that is none: two records that both
// say "n/a" are not the same customer.
func (r *Row) MatchValue(canonical string) (string, bool) {
	c := r.norm(canonical)
	if c == "" || !r.usable(c) {
		return "", false
	}
	return c, true
}

// Equal says whether two canonical values are the same.
func Equal(a, b string) bool { return a == b }

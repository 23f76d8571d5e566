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
	Params  map[string]string   // parameters of the transform, for all systems; see Transforms
	// Per holds the parameters that differ by system: parameter → system → value.
	Per map[string]map[string]string
	// Values are what systems write for one meaning each: a picklist. Unknown says
	// what becomes of any other value: UnknownSkip, UnknownPark, or UnknownDefault
	// with the name of a meaning in Default; "" leaves it to the transform.
	Values           []Value
	Unknown, Default string
	// From is the system of a one-way row that is its source, "" every way.
	From string
	// Expr computes the value from the columns in From.
	Expr string
	// Const is the one value that the row must have wherever it has columns.
	Const *string
	// Samples are values that must come back as they are: see CheckTwoWay.
	Samples []string
}

// Error is a fault of a row's definition: the key that it is at, such as
// "values[1].odoo", "" for the row, and a sentence for the person who wrote it.
type Error struct{ Row, Key, Msg string }

// Error gives row and sentence.
func (e *Error) Error() string { return fmt.Sprintf("field %q: %s", e.Row, e.Msg) }

func (s Spec) fault(key, format string, args ...any) *Error {
	return &Error{Row: s.Name, Key: key, Msg: fmt.Sprintf(format, args...)}
}

// Row is a compiled field row. It does not change after Bind and is safe for
// concurrent use.
type Row struct {
	name     string
	from     string
	columns  map[string][]string
	rev      string
	norm     func(string) string
	usable   func(canonical string) bool
	partial  bool             // not every canonical text can be held by every system: see Holds
	codecs   map[string]codec // by system; without one a single column is the value
	unknown  string
	computed *computed
	constant *string
	samples  []string // canonical
	asked    []string // the samples of the definition, as systems hold them
}

// codec is how one system holds a row's value in its columns. get gives a text for
// norm, or false for a value that it does not know. put gives the columns; shown
// has "" for what was not shown, and what get does not see of it is kept.
type codec struct {
	get func(shown []string) (string, bool)
	put func(canonical string, shown []string) []string
}

// Compile checks a definition and makes it ready for use. The error is an Error.
// A row with an expression must then be bound, too.
func Compile(s Spec) (*Row, error) {
	r, err := compile(s)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func compile(s Spec) (*Row, *Error) {
	if s.As == "" {
		s.As = asText
	}
	t, ok := transforms[s.As]
	if !ok {
		return nil, s.fault("as", "there is no transform %q%s", s.As, didYouMean(s.As, slices.Sorted(maps.Keys(transforms))))
	}
	if err := checkColumns(s, t.maxColumns); err != nil {
		return nil, err
	}
	set, err := settingOf(s, t)
	if err != nil {
		return nil, err
	}
	r := &Row{name: s.Name, from: s.From, columns: map[string][]string{}, unknown: s.Unknown, asked: s.Samples, codecs: map[string]codec{}}
	for system, columns := range s.Columns {
		r.columns[system] = slices.Clone(columns)
	}
	built, err := t.build(set)
	if err != nil {
		return nil, err
	}
	r.norm, r.usable, r.partial = built.norm, built.usable, built.partial
	if built.codec != nil {
		for system := range r.columns {
			r.codecs[system] = built.codec(system)
		}
	}
	values := built.table
	if values == nil {
		values, err = r.addValues(set)
	}
	if err == nil {
		err = r.addFixed(s)
	}
	if err != nil {
		return nil, err
	}
	r.samples = samplesOf(set, values)
	r.rev = fingerprint(s, set)
	return r, nil
}

// addFixed takes what gives the row its value instead of a column.
func (r *Row) addFixed(s Spec) *Error {
	switch {
	case s.Expr != "" && s.Const != nil:
		return s.fault("expr", "a row has either an expression or a fixed value: take one out")
	case s.Expr != "" && s.From == "":
		return s.fault("expr", "a computed row goes one way: add `goes: a -> b`")
	case s.Expr != "":
		c, err := parseComputed(s.Expr, s.Columns[s.From])
		if err != nil {
			return s.fault("expr", "%v", err)
		}
		r.computed = c
	case s.Const != nil:
		value := r.norm(*s.Const)
		if !r.Holds(value) {
			return s.fault("value", "not every system of the row can hold that value")
		}
		r.constant = &value
	}
	return nil
}

// Bind tells a computed row the types of its source's fields: "bool", "number",
// anything else is text.
func (r *Row) Bind(types map[string]string) error {
	if r.computed == nil {
		return nil
	}
	if err := r.computed.bind(types); err != nil {
		return &Error{Row: r.name, Key: "expr", Msg: err.Error()}
	}
	return nil
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

// Const gives the one value that the row must have wherever it has columns.
func (r *Row) Const() (canonical string, ok bool) {
	if r.constant == nil {
		return "", false
	}
	return *r.constant, true
}

// Fault is why a row has no value although its columns are shown.
type Fault struct {
	Computed bool   // the expression failed on this record; otherwise a value is not known
	Value    string // the columns, as they are shown; "" for an expression
	Detail   string // what is wrong; never a value
	Park     bool   // the record is to wait for a person, not the row alone
}

// Holds says that every system which the row is written in can hold a canonical
// value so that it comes back. What it cannot hold does not flow: a local time in
// the hour that the clocks show twice, a tag with another system's separator in it.
func (r *Row) Holds(canonical string) bool {
	if !r.partial {
		return true
	}
	for system, c := range r.codecs {
		if system == r.from {
			continue
		}
		text, known := c.get(c.put(canonical, make([]string, len(r.columns[system]))))
		if !known || r.norm(text) != canonical {
			return false
		}
	}
	return true
}

// Get reads the row's columns of a system. ok is false if one of them was not
// shown, if the row has none there, or if it has no value there: see Read.
func (r *Row) Get(system string, values map[string]string) (canonical string, ok bool) {
	canonical, ok, _ = r.Read(system, values)
	return canonical, ok
}

// Read is Get that also says why a row that is shown has no value.
func (r *Row) Read(system string, values map[string]string) (canonical string, ok bool, fault *Fault) {
	columns := r.columns[system]
	if len(columns) == 0 {
		return "", false, nil
	}
	if r.computed != nil && system == r.from {
		return r.compute(values)
	}
	c, own := r.codecs[system]
	if !own {
		v, shown := values[columns[0]]
		if !shown {
			return "", false, nil
		}
		return r.held(system, r.norm(v), v)
	}
	shown := make([]string, len(columns))
	for i, column := range columns {
		v, ok := values[column]
		if !ok {
			return "", false, nil
		}
		shown[i] = v
	}
	text, known := c.get(shown)
	if !known {
		return r.strange(system, strings.Join(shown, " "), "this value is not in the row's values")
	}
	return r.held(system, r.norm(text), strings.Join(shown, " "))
}

// held gives a canonical value, if the other systems can hold it.
func (r *Row) held(system, canonical, shown string) (string, bool, *Fault) {
	if !r.Holds(canonical) {
		return r.strange(system, shown, "a system of the row cannot hold this value so that it comes back")
	}
	return canonical, true, nil
}

// strange is a value that means nothing to the row. Where nothing flows from it is
// no fault: it differs from all that the row knows, and is written over.
func (r *Row) strange(system, shown, why string) (string, bool, *Fault) {
	if r.constant != nil || r.from != "" && system != r.from {
		return strangeMark + cleanText(shown), true, nil
	}
	return "", false, &Fault{Value: shown, Detail: why, Park: r.unknown == UnknownPark}
}

// strangeMark begins what a target shows and a row does not know.
const strangeMark = "?"

// compute evaluates the row's expression on a record of its source.
func (r *Row) compute(values map[string]string) (string, bool, *Fault) {
	text, shown, err := r.computed.value(values)
	switch {
	case err != nil:
		return "", false, &Fault{Computed: true, Detail: err.Error(), Park: r.unknown == UnknownPark}
	case !shown:
		return "", false, nil
	}
	return r.held(r.from, r.norm(text), text)
}

// Put gives the columns to write so that Get gives canonical: only those that
// differ from current, so the map is empty (never nil) if Get gives canonical
// already. A column missing from current is always written. What the transform
// does not see of current is kept. nil if the row has no columns in the system.
// A computed row's source is never written, and neither is a value that is none
// of the row's.
func (r *Row) Put(system, canonical string, current map[string]string) map[string]string {
	columns := r.columns[system]
	if len(columns) == 0 {
		return nil
	}
	canonical = r.norm(canonical)
	writes := map[string]string{}
	if r.computed != nil && system == r.from || !r.Holds(canonical) {
		return writes
	}
	if now, ok := r.Get(system, current); ok && now == canonical {
		return writes
	}
	parts := []string{canonical}
	if c, own := r.codecs[system]; own {
		shown := make([]string, len(columns))
		for i, column := range columns {
			shown[i] = current[column]
		}
		parts = c.put(canonical, shown)
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

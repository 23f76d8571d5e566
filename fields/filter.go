package fields

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
)

// Filter is an expression over the fields of a record that says whether the
// record is meant, such as `!is_company && type == "contact"`. After Bind it is
// safe for concurrent use.
type Filter struct{ formula *formula }

// ParseFilter checks everything about a filter that can be checked without
// knowing the fields of its object.
func ParseFilter(src string) (*Filter, error) {
	f, err := parseFormula("filter", src)
	if err != nil {
		return nil, err
	}
	f.value = filterValue
	return &Filter{f}, nil
}

// Fields gives the names that the filter uses, sorted.
func (f *Filter) Fields() []string { return slices.Clone(f.formula.fields) }

// Bind compiles the filter for an object whose fields have these types: "bool",
// "number", anything else is text. Names are case-sensitive.
func (f *Filter) Bind(types map[string]string) error { return f.formula.bind(types, expr.AsBool()) }

// Match says whether a record passes. ok is false if a field that the filter
// uses was not shown: then nothing is known. Null is "" for a text, false for a
// bool and 0 for a number. An error names fields but never a value.
func (f *Filter) Match(values map[string]string) (in bool, ok bool, err error) {
	out, ok, err := f.formula.eval(values)
	if err != nil || !ok {
		return false, false, err
	}
	in, isBool := out.(bool)
	if !isBool {
		return false, false, errors.New("the filter gives no yes or no")
	}
	return in, true, nil
}

// filterValue gives a value in its type, and false if it has none.
func filterValue(t, v string) (any, bool) {
	switch t {
	case typeBool:
		return boolValue(v)
	case typeNumber:
		if v == "" {
			return 0.0, true
		}
		// A filter compares; it gives no value back, so 53 bits will do.
		d, ok := parseDecimal(strings.TrimSpace(v))
		if !ok {
			return 0.0, false
		}
		n, err := strconv.ParseFloat(d.String(), 64)
		return n, err == nil
	}
	return v, true
}

// boolValue gives a bool as a formula has it: null is false.
func boolValue(v string) (any, bool) {
	if v == "" {
		return false, true
	}
	b, ok := parseBool(strings.TrimSpace(v))
	return b == "true", ok
}

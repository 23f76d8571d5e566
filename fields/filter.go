package fields

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// The bounds of a filter (SECURITY S14). There are no loops, no variables and
// no functions that make a text longer, so work and memory are at most these
// nodes and patterns times the length of the values.
const (
	maxFilterLength = 2000    // bytes of source
	maxFilterNodes  = 200     // nodes of the syntax tree
	maxFilterValue  = 1 << 16 // bytes of all values that a filter uses
	maxFilterSums   = 20      // uses of +, each of which copies what is before it
	maxPatternSize  = 200     // instructions of all patterns together
	maxPatternSteps = 1 << 20 // those instructions times the bytes of all values: RE2's time
	filterMemory    = 10_000  // the VM's budget, in its own units
)

// The types that Bind tells apart. Every other type is text.
const (
	typeBool   = "bool"
	typeNumber = "number"
)

// Filter is an expression over the fields of a record, such as
// `!is_company && type == "contact"`. Fields whose name is no identifier are
// written $env["the name"]. After Bind it is safe for concurrent use.
type Filter struct {
	source  string
	fields  []string
	reach   int // most bytes that all values may have together
	types   map[string]string
	program *vm.Program
}

// errNotBound is a mistake of the caller, not of a filter's author.
var errNotBound = errors.New("the filter was not bound to the fields of an object")

// ParseFilter checks everything about a filter that can be checked without
// knowing the fields of its object.
func ParseFilter(src string) (*Filter, error) {
	if strings.TrimSpace(src) == "" {
		return nil, errors.New("the filter is empty")
	}
	if len(src) > maxFilterLength {
		return nil, fmt.Errorf("the filter is longer than %d characters", maxFilterLength)
	}
	tree, err := parser.ParseWithConfig(src, filterConfig())
	if err != nil {
		return nil, fmt.Errorf("the filter is not understood: %s", oneLine(err))
	}
	seen, err := checkFilter(&tree.Node)
	if err != nil {
		return nil, err
	}
	f := &Filter{source: src, fields: slices.Sorted(maps.Keys(seen.fields)), reach: maxFilterValue}
	if seen.size > 0 {
		f.reach = min(f.reach, maxPatternSteps/seen.size/(1+seen.sums))
	}
	return f, nil
}

// Fields gives the names that the filter uses, sorted.
func (f *Filter) Fields() []string { return slices.Clone(f.fields) }

// Bind compiles the filter for an object whose fields have these types: "bool",
// "number", anything else is text. Names are case-sensitive.
func (f *Filter) Bind(types map[string]string) error {
	env := map[string]any{}
	used := map[string]string{}
	for _, name := range f.fields {
		t, ok := types[name]
		if !ok {
			return fmt.Errorf("unknown field %q%s", name, didYouMean(name, slices.Sorted(maps.Keys(types))))
		}
		used[name] = t
		env[name], _ = filterValue(t, "")
	}
	program, err := expr.Compile(f.source, expr.Env(env), expr.AsBool(), expr.MaxNodes(maxFilterNodes))
	if err != nil {
		return fmt.Errorf("the filter does not fit its fields: %s", oneLine(err))
	}
	f.types, f.program = used, program
	return nil
}

// oneLine leaves out the drawing that expr puts below its messages.
func oneLine(err error) string {
	var at *file.Error
	if errors.As(err, &at) {
		return fmt.Sprintf("%s (line %d, character %d)", at.Message, at.Line, at.Column+1)
	}
	return err.Error()
}

// Match says whether a record passes. ok is false if a field that the filter
// uses was not shown: then nothing is known. Null is "" for a text, false for a
// bool and 0 for a number. An error names fields but never a value.
func (f *Filter) Match(values map[string]string) (in bool, ok bool, err error) {
	if f.program == nil {
		return false, false, errNotBound
	}
	env := make(map[string]any, len(f.fields))
	length := 0
	for _, name := range f.fields {
		v, shown := values[name]
		if !shown {
			return false, false, nil
		}
		if length += len(v); length > f.reach {
			return false, false, fmt.Errorf("field %q is too long for a filter", name)
		}
		typed, good := filterValue(f.types[name], v)
		if !good {
			return false, false, fmt.Errorf("field %q is no %s", name, f.types[name])
		}
		env[name] = typed
	}
	in, err = run(f.program, env)
	return in, err == nil, err
}

// run evaluates with a machine of its own. Messages of the machine may hold
// values and are left out.
func run(program *vm.Program, env map[string]any) (in bool, err error) {
	defer func() {
		if recover() != nil {
			in, err = false, errors.New("the filter broke off")
		}
	}()
	machine := vm.VM{MemoryBudget: filterMemory}
	out, runErr := machine.Run(program, env)
	if runErr != nil {
		return false, errors.New("the filter cannot be evaluated for this record")
	}
	in, isBool := out.(bool)
	if !isBool {
		return false, errors.New("the filter gives no yes or no")
	}
	return in, nil
}

// filterValue gives a value in its type, and false if it has none.
func filterValue(t, v string) (any, bool) {
	switch t {
	case typeBool:
		if v == "" {
			return false, true
		}
		b, ok := parseBool(strings.TrimSpace(v))
		return b == "true", ok
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

package fields

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// The bounds of a formula (SECURITY S14). There are no loops, no variables and
// no functions that make a text longer, so work and memory are at most these
// nodes and patterns times the length of the values.
const (
	maxFormulaLength = 2000    // bytes of source
	maxFormulaNodes  = 200     // nodes of the syntax tree
	maxFormulaValue  = 1 << 16 // bytes of all values that a formula uses, and of its result
	maxFormulaSums   = 20      // uses of +, each of which copies what is before it
	maxPatternSize   = 200     // instructions of all patterns together
	maxPatternSteps  = 1 << 20 // those instructions times the bytes of all values: RE2's time
	formulaMemory    = 10_000  // the VM's budget, in its own units
)

// The types that bind tells apart. Every other type is text.
const (
	typeBool   = "bool"
	typeNumber = "number"
)

// formula is an expression over the fields of a record: a filter, or a computed
// field. Fields whose name is no identifier are written $env["the name"]. After
// bind it is safe for concurrent use.
type formula struct {
	noun    string // what messages call it
	source  string
	fields  []string
	reach   int // most bytes that all values may have together
	types   map[string]string
	value   func(t, v string) (any, bool) // a value in its type
	program *vm.Program
}

// errNotBound is a mistake of the caller, not of a formula's author.
var errNotBound = errors.New("the formula was not bound to the fields of an object")

// parseFormula checks everything about a formula that can be checked without
// knowing the types of its fields.
func parseFormula(noun, src string) (*formula, error) {
	if strings.TrimSpace(src) == "" {
		return nil, fmt.Errorf("the %s is empty", noun)
	}
	if len(src) > maxFormulaLength {
		return nil, fmt.Errorf("the %s is longer than %d characters", noun, maxFormulaLength)
	}
	tree, err := parser.ParseWithConfig(src, formulaConfig())
	if err != nil {
		return nil, fmt.Errorf("the %s is not understood: %s", noun, oneLine(err))
	}
	seen, err := checkFormula(noun, &tree.Node)
	if err != nil {
		return nil, err
	}
	f := &formula{noun: noun, source: src, fields: slices.Sorted(maps.Keys(seen.fields)), reach: maxFormulaValue}
	if seen.size > 0 {
		f.reach = min(f.reach, maxPatternSteps/seen.size/(1+seen.sums))
	}
	return f, nil
}

// bind compiles the formula for an object whose fields have these types. Names
// are case-sensitive.
func (f *formula) bind(types map[string]string, options ...expr.Option) error {
	env := map[string]any{}
	used := map[string]string{}
	for _, name := range f.fields {
		t, ok := types[name]
		if !ok {
			return fmt.Errorf("unknown field %q%s", name, didYouMean(name, slices.Sorted(maps.Keys(types))))
		}
		used[name] = t
		env[name], _ = f.value(t, "")
	}
	program, err := expr.Compile(f.source, append([]expr.Option{expr.Env(env), expr.MaxNodes(maxFormulaNodes)}, options...)...)
	if err != nil {
		return fmt.Errorf("the %s does not fit its fields: %s", f.noun, oneLine(err))
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

// eval computes the formula on a record. ok is false if a field that it uses was
// not shown: then nothing is known. An error names fields but never a value.
func (f *formula) eval(values map[string]string) (out any, ok bool, err error) {
	if f.program == nil {
		return nil, false, errNotBound
	}
	env := make(map[string]any, len(f.fields))
	length := 0
	for _, name := range f.fields {
		v, shown := values[name]
		if !shown {
			return nil, false, nil
		}
		if length += len(v); length > f.reach {
			return nil, false, fmt.Errorf("field %q is too long for the %s", name, f.noun)
		}
		typed, good := f.value(f.types[name], v)
		if !good {
			return nil, false, fmt.Errorf("field %q is no %s", name, f.types[name])
		}
		env[name] = typed
	}
	out, err = f.run(env)
	return out, err == nil, err
}

// run evaluates with a machine of its own. Messages of the machine may hold
// values and are left out.
func (f *formula) run(env map[string]any) (out any, err error) {
	defer func() {
		if recover() != nil {
			out, err = nil, fmt.Errorf("the %s broke off", f.noun)
		}
	}()
	machine := vm.VM{MemoryBudget: formulaMemory}
	out, runErr := machine.Run(f.program, env)
	if runErr != nil {
		return nil, fmt.Errorf("the %s cannot be evaluated for this record", f.noun)
	}
	return out, nil
}

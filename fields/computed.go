package fields

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/shopspring/decimal"
)

// computed is an expression that gives a row's value from columns of its source,
// such as `upper(code) + "-" + country`. Numbers are decimals: + - * / and
// comparisons, never by way of a float.
type computed struct{ formula *formula }

// maxTyped is how many columns all combinations of types are tried for.
const maxTyped = 4

// columnTypes are the types that a formula tells apart.
var columnTypes = []string{"", typeBool, typeNumber}

// parseComputed checks an expression against the columns that its row declares.
func parseComputed(src string, columns []string) (*computed, error) {
	f, err := parseFormula("expression", src)
	if err != nil {
		return nil, err
	}
	f.value = decimalValue
	for _, name := range f.fields {
		if !slices.Contains(columns, name) {
			return nil, fmt.Errorf("the expression uses %q, which is no column of the row's source%s", name, didYouMean(name, columns))
		}
	}
	for _, name := range columns {
		if !slices.Contains(f.fields, name) {
			return nil, fmt.Errorf("the expression does not use the column %q: take it out of the row", name)
		}
	}
	c := &computed{f}
	return c, c.checkTypes()
}

// checkTypes finds types of the columns that the expression fits. Which they
// have is known when the vendor has described them: see bind.
func (c *computed) checkTypes() error {
	n := len(c.formula.fields)
	if n > maxTyped {
		return nil
	}
	var first error
	tries := 1
	for range n {
		tries *= len(columnTypes)
	}
	for try := range tries {
		types := map[string]string{}
		for _, name := range c.formula.fields {
			types[name] = columnTypes[try%len(columnTypes)]
			try /= len(columnTypes)
		}
		err := c.bind(types)
		if err == nil {
			c.formula.program = nil
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (c *computed) bind(types map[string]string) error {
	return c.formula.bind(types, decimalOperators...)
}

// value gives the result as text.
func (c *computed) value(values map[string]string) (text string, ok bool, err error) {
	out, ok, err := c.formula.eval(values)
	if err != nil || !ok {
		return "", false, err
	}
	switch v := out.(type) {
	case string:
		text = v
	case bool:
		text = strconv.FormatBool(v)
	case int:
		text = strconv.Itoa(v)
	case float64: // of literals alone
		text = decimal.NewFromFloat(v).String()
	case decimal.Decimal:
		text = v.String()
	default:
		return "", false, errors.New("the expression gives no text, number or yes and no")
	}
	if len(text) > maxFormulaValue {
		return "", false, errors.New("the expression gives a text that is too long")
	}
	return text, true, nil
}

// decimalValue gives a value in its type, numbers as decimals.
func decimalValue(t, v string) (any, bool) {
	switch t {
	case typeBool:
		return boolValue(v)
	case typeNumber:
		if v == "" {
			return decimal.Decimal{}, true
		}
		return parsedDecimal(v)
	}
	return v, true
}

func parsedDecimal(v string) (any, bool) {
	d, ok := parseDecimal(strings.TrimSpace(v))
	return d, ok
}

// decimalOperators let decimals, and literals with them, be computed with and
// compared.
var decimalOperators = slices.Concat(
	operator("+", func(a, b decimal.Decimal) decimal.Decimal { return a.Add(b) }),
	operator("-", func(a, b decimal.Decimal) decimal.Decimal { return a.Sub(b) }),
	operator("*", func(a, b decimal.Decimal) decimal.Decimal { return a.Mul(b) }),
	operator("/", func(a, b decimal.Decimal) decimal.Decimal { return a.Div(b) }), // by zero: run recovers
	operator("==", func(a, b decimal.Decimal) bool { return a.Equal(b) }),
	operator("!=", func(a, b decimal.Decimal) bool { return !a.Equal(b) }),
	operator("<", func(a, b decimal.Decimal) bool { return a.LessThan(b) }),
	operator("<=", func(a, b decimal.Decimal) bool { return a.LessThanOrEqual(b) }),
	operator(">", func(a, b decimal.Decimal) bool { return a.GreaterThan(b) }),
	operator(">=", func(a, b decimal.Decimal) bool { return a.GreaterThanOrEqual(b) }),
)

// operator gives the options that make an operator take decimals on either side.
func operator[T any](sign string, do func(a, b decimal.Decimal) T) []expr.Option {
	name := "decimal " + sign // no identifier, so that nobody can call it
	return []expr.Option{
		expr.Function(name, func(args ...any) (any, error) { return do(asDecimal(args[0]), asDecimal(args[1])), nil },
			new(func(a, b decimal.Decimal) T), new(func(a decimal.Decimal, b int) T), new(func(a int, b decimal.Decimal) T),
			new(func(a decimal.Decimal, b float64) T), new(func(a float64, b decimal.Decimal) T)),
		expr.Operator(sign, name),
	}
}

func asDecimal(v any) decimal.Decimal {
	switch v := v.(type) {
	case decimal.Decimal:
		return v
	case int:
		return decimal.NewFromInt(int64(v))
	case float64:
		return decimal.NewFromFloat(v)
	}
	return decimal.Decimal{}
}

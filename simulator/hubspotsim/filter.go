package hubspotsim

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// filter is one condition of a search.
type filter struct {
	PropertyName string   `json:"propertyName"`
	Operator     string   `json:"operator"`
	Value        string   `json:"value"`
	HighValue    string   `json:"highValue"`
	Values       []string `json:"values"`
}

// test says whether a version fits.
type test func(v *version) bool

// floor is the earliest time of modification that fits.
func (f filter) floor(t *table) (int64, bool) {
	if f.PropertyName != t.kind.modified || !slices.Contains([]string{"GTE", "GT", "EQ", "BETWEEN"}, f.Operator) {
		return 0, false
	}
	at, ok := parseTime(f.Value)
	return at.UnixMilli(), ok
}

// compile makes the test of a filter (vendors/hubspot.md 8, operators). A
// record without the value fits only the operators that ask for that.
func (f filter) compile(t *table) (test, *trouble) {
	p := t.schema[f.PropertyName]
	if p == nil {
		return nil, invalid("There is no property %q to filter by", f.PropertyName)
	}
	get := func(v *version) string { return t.value(v, f.PropertyName) }
	switch f.Operator {
	case "HAS_PROPERTY":
		return func(v *version) bool { return get(v) != "" }, nil
	case "NOT_HAS_PROPERTY":
		return func(v *version) bool { return get(v) == "" }, nil
	case "IN", "NOT_IN":
		if len(f.Values) == 0 {
			return nil, invalid("%s needs values", f.Operator)
		}
		return f.among(p, get), nil
	case "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN":
		return func(v *version) bool {
			return hasToken(get(v), f.Value) == (f.Operator == "CONTAINS_TOKEN")
		}, nil
	}
	return f.comparison(t, p)
}

// among is IN: on text the stored value is lower-cased and the operand is not,
// so an operand with capitals never fits; choices keep their case.
func (f filter) among(p *property, get func(*version) string) test {
	set := map[string]bool{}
	for _, v := range f.Values {
		set[v] = true
	}
	return func(v *version) bool {
		value := get(v)
		if p.Type == typeString || p.Type == typePhone {
			value = strings.ToLower(value)
		}
		return value != "" && set[value] == (f.Operator == "IN")
	}
}

func (f filter) comparison(t *table, p *property) (test, *trouble) {
	low, x := f.against(t, p, f.Value)
	if x != nil {
		return nil, x
	}
	on := func(fits func(int) bool) test {
		return func(v *version) bool {
			c, ok := low(v)
			return ok && fits(c)
		}
	}
	switch f.Operator {
	case "EQ":
		return on(func(c int) bool { return c == 0 }), nil
	case "NEQ":
		return on(func(c int) bool { return c != 0 }), nil
	case "LT":
		return on(func(c int) bool { return c < 0 }), nil
	case "LTE":
		return on(func(c int) bool { return c <= 0 }), nil
	case "GT":
		return on(func(c int) bool { return c > 0 }), nil
	case "GTE":
		return on(func(c int) bool { return c >= 0 }), nil
	case "BETWEEN":
		high, x := f.against(t, p, f.HighValue)
		if x != nil {
			return nil, x
		}
		return func(v *version) bool {
			a, okA := low(v)
			b, okB := high(v)
			return okA && okB && a >= 0 && b <= 0
		}, nil
	}
	return nil, invalid("%q is no operator", f.Operator)
}

// against compares a property with an operand: numbers and times by size,
// choices exactly, text without regard to case.
func (f filter) against(t *table, p *property, operand string) (func(*version) (int, bool), *trouble) {
	switch p.Type {
	case typeNumber:
		want, err := strconv.ParseFloat(operand, 64)
		if err != nil {
			return nil, invalid("%q is no number for %s", operand, p.Name)
		}
		return func(v *version) (int, bool) {
			have := number(t, v, p.Name)
			return cmp.Compare(have, want), !math.IsNaN(have)
		}, nil
	case typeDate, typeDateTime:
		at, ok := parseTime(operand)
		if !ok {
			return nil, invalid("%q is no time for %s", operand, p.Name)
		}
		want := at.UnixMilli()
		return func(v *version) (int, bool) {
			have, ok := moment(t, v, p.Name)
			return cmp.Compare(have, want), ok
		}, nil
	case typeEnum, typeBool:
		return func(v *version) (int, bool) {
			have := t.value(v, p.Name)
			return cmp.Compare(have, operand), have != ""
		}, nil
	}
	want := strings.ToLower(operand)
	return func(v *version) (int, bool) {
		have := t.value(v, p.Name)
		return cmp.Compare(strings.ToLower(have), want), have != ""
	}, nil
}

func number(t *table, v *version, name string) float64 {
	if name == propID {
		return float64(v.of.num)
	}
	n, err := strconv.ParseFloat(t.value(v, name), 64)
	if err != nil {
		return math.NaN()
	}
	return n
}

// moment is a time of a version in milliseconds.
func moment(t *table, v *version, name string) (int64, bool) {
	switch name {
	case t.kind.modified:
		return v.modified, true
	case propCreated:
		return v.of.born, true
	}
	for _, layout := range []string{time.RFC3339, dayFormat} {
		if at, err := time.Parse(layout, v.props[name]); err == nil {
			return at.UnixMilli(), true
		}
	}
	return 0, false
}

// hasToken looks for a word; an asterisk at either end of it is any text.
func hasToken(value, token string) bool {
	token = strings.ToLower(token)
	core := strings.Trim(token, "*")
	words := strings.FieldsFunc(strings.ToLower(value), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	head, tail := strings.HasPrefix(token, "*"), strings.HasSuffix(token, "*")
	fits := func(word string) bool {
		switch {
		case head && tail:
			return strings.Contains(word, core)
		case head:
			return strings.HasSuffix(word, core)
		case tail:
			return strings.HasPrefix(word, core)
		}
		return word == core
	}
	return core != "" && slices.ContainsFunc(append(words, strings.ToLower(value)), fits)
}

// order sorts hits; without a sort they come by id. Equal ones come by id.
func (b *searchBody) order(t *table, hits []*version) {
	byID := func(a, c *version) int { return cmp.Compare(a.of.num, c.of.num) }
	if len(b.Sorts) == 0 {
		slices.SortFunc(hits, byID)
		return
	}
	by := b.Sorts[0]
	compare := t.ordering(by.PropertyName)
	slices.SortFunc(hits, func(a, c *version) int {
		n := compare(a, c)
		if by.Direction == "DESCENDING" {
			n = -n
		}
		if n != 0 {
			return n
		}
		return byID(a, c)
	})
}

// ordering compares two versions by a property; those without a value come last.
func (t *table) ordering(name string) func(a, b *version) int {
	switch t.schema[name].Type {
	case typeNumber:
		size := func(v *version) float64 {
			if n := number(t, v, name); !math.IsNaN(n) {
				return n
			}
			return math.Inf(1)
		}
		return func(a, b *version) int { return cmp.Compare(size(a), size(b)) }
	case typeDate, typeDateTime:
		at := func(v *version) int64 {
			if ms, ok := moment(t, v, name); ok {
				return ms
			}
			return math.MaxInt64
		}
		return func(a, b *version) int { return cmp.Compare(at(a), at(b)) }
	}
	return func(a, b *version) int {
		x, y := strings.ToLower(t.value(a, name)), strings.ToLower(t.value(b, name))
		if (x == "") != (y == "") {
			return cmp.Compare(len(y), len(x))
		}
		return cmp.Compare(x, y)
	}
}

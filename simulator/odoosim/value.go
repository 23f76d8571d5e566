package odoosim

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The wire formats of dates (vendors/odoo.md 4): UTC, no zone, no fractions.
const (
	dateLayout     = "2006-01-02"
	datetimeLayout = "2006-01-02 15:04:05"
	microLayout    = "2006-01-02 15:04:05.000000"
)

// coerce turns a value as sent into a value as stored (vendors/odoo.md 4). nil
// is NULL; numbers and booleans have none.
func (t *tx) coerce(m *model, f *field, v any) (any, error) {
	switch f.kind {
	case kindChar, kindText, kindHTML:
		return coerceText(f, v)
	case kindBool:
		return truthy(v), nil
	case kindInt:
		return coerceInt(v)
	case kindFloat:
		return coerceFloat(f, v)
	case kindDate, kindDatetime:
		return coerceTime(f, v)
	case kindSelection:
		return coerceOption(m, f, v)
	case kindMany2one:
		return t.coerceReference(m, f, v)
	case kindMany2many:
		return t.coerceSet(m, f, v)
	}
	return nil, valueError("Wrong value for %s.%s: %s", m.name, f.name, pyRepr(v))
}

// empty says that a value as sent stands for NULL; "" does not.
func empty(v any) bool { return v == nil || v == false }

func coerceText(f *field, v any) (any, error) {
	if empty(v) {
		return nil, nil
	}
	s, ok := v.(string)
	if !ok {
		s = pyRepr(v) // a number becomes its text
	}
	if strings.ContainsRune(s, 0) {
		return nil, valueError("A string literal cannot contain NUL (0x00) characters.")
	}
	if f.kind == kindHTML {
		return sanitize(s), nil
	}
	return s, nil
}

func truthy(v any) bool {
	switch x := v.(type) {
	case bool:
		return x
	case string:
		return x != ""
	case json.Number:
		n, _ := x.Float64()
		return n != 0
	case int:
		return x != 0
	case int64:
		return x != 0
	case []any:
		return len(x) > 0
	}
	return v != nil
}

func coerceInt(v any) (any, error) {
	if empty(v) {
		return int64(0), nil
	}
	if n, ok := number(v); ok {
		return int64(n), nil
	}
	if s, ok := v.(string); ok {
		if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
			return n, nil
		}
	}
	return nil, valueError("invalid literal for int() with base 10: %s", pyRepr(v))
}

func coerceFloat(f *field, v any) (any, error) {
	if empty(v) || v == "" {
		return 0.0, nil
	}
	n, ok := number(v)
	if s, isText := v.(string); isText {
		parsed, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		n, ok = parsed, err == nil
	}
	if !ok {
		return nil, valueError("could not convert string to float: %s", pyRepr(v))
	}
	if f.digits > 0 {
		n = roundHalfUp(n, f.digits)
	}
	return n, nil
}

// roundHalfUp is Odoo's float_round: 9.995 is 10.0 although the nearest float
// is a little less.
func roundHalfUp(n float64, digits int) float64 {
	scale := math.Pow10(digits)
	scaled := math.Abs(n) * scale
	if scaled == 0 {
		return 0
	}
	scaled += math.Exp2(math.Log2(scaled) - 52)
	return math.Copysign(math.Floor(scaled+0.5)/scale, n)
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case json.Number:
		n, err := x.Float64()
		return n, err == nil
	case int:
		return float64(x), true
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

func coerceTime(f *field, v any) (any, error) {
	switch x := v.(type) {
	case time.Time:
		return x.UTC().Truncate(time.Microsecond), nil
	case string:
		if x == "" {
			return nil, nil
		}
		layout := datetimeLayout
		if f.kind == kindDate || len(x) == len(dateLayout) {
			layout = dateLayout
		}
		if at, err := time.Parse(layout, x); err == nil {
			return at, nil
		}
		return nil, valueError("time data %s does not match format '%%Y-%%m-%%d %%H:%%M:%%S'", pyRepr(x))
	}
	if empty(v) {
		return nil, nil
	}
	return nil, typeError("strptime() argument 1 must be str, not %s", pyType(v))
}

func coerceOption(m *model, f *field, v any) (any, error) {
	if empty(v) || v == "" {
		return nil, nil
	}
	for _, o := range f.options {
		if v == o.key {
			return o.key, nil
		}
	}
	return nil, valueError("Wrong value for %s.%s: %s", m.name, f.name, pyRepr(v))
}

// asID reads a record id as JSON or Go gives it.
func asID(v any) (int64, bool) {
	switch x := v.(type) {
	case int64:
		return x, true
	case int:
		return int64(x), true
	case json.Number:
		n, err := x.Int64()
		return n, err == nil
	}
	return 0, false
}

func (t *tx) coerceReference(m *model, f *field, v any) (any, error) {
	if empty(v) {
		return nil, nil
	}
	id, ok := asID(v)
	if !ok {
		return nil, valueError("Wrong value for %s.%s: %s", m.name, f.name, pyRepr(v))
	}
	if id == 0 {
		return nil, nil
	}
	if t.get(f.relation, id) == nil {
		return nil, missingError(f.relation, t.uid, id) // the target's, not ours (vendors/odoo.md 5)
	}
	return id, nil
}

// The x2many write commands (vendors/odoo.md 4).
const (
	commandCreate  = 0
	commandUpdate  = 1
	commandDelete  = 2
	commandUnlink  = 3
	commandLink    = 4
	commandClear   = 5
	commandReplace = 6
)

// coerceSet applies x2many commands to an empty set; a plain list of ids
// replaces it. Sets in this Odoo are small and always written whole.
func (t *tx) coerceSet(m *model, f *field, v any) (any, error) {
	var ids []int64
	list, _ := v.([]any)
	if plain, ok := v.([]int64); ok {
		list = nil
		ids = slices.Clone(plain)
	}
	for _, item := range list {
		if id, ok := asID(item); ok {
			ids = append(ids, id)
			continue
		}
		more, err := t.command(m, f, item)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		if t.get(f.relation, id) == nil {
			return nil, missingError(f.relation, t.uid, id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return ids, nil
}

func (t *tx) command(m *model, f *field, item any) ([]int64, error) {
	wrong := valueError("Wrong value for %s.%s: %s", m.name, f.name, pyRepr(item))
	c, _ := item.([]any)
	if len(c) == 0 {
		return nil, wrong
	}
	op, ok := asID(c[0])
	if !ok || (op != commandClear && len(c) < 2) || ((op == commandCreate || op == commandReplace) && len(c) < 3) {
		return nil, wrong
	}
	switch op {
	case commandCreate:
		vals, _ := c[2].(map[string]any)
		id, err := t.create(t.s.models[f.relation], vals)
		return []int64{id}, err
	case commandUpdate, commandLink:
		id, _ := asID(c[1])
		return []int64{id}, nil
	case commandDelete, commandUnlink, commandClear:
		return nil, nil
	case commandReplace:
		ids, _ := asIDs(c[2])
		return ids, nil
	}
	return nil, wrong
}

// asIDs reads a list of ids, or a single one.
func asIDs(v any) ([]int64, bool) {
	if id, ok := asID(v); ok {
		return []int64{id}, true
	}
	if ids, ok := v.([]int64); ok {
		return ids, true
	}
	list, ok := v.([]any)
	if !ok {
		return nil, v == nil
	}
	ids := make([]int64, 0, len(list))
	for _, item := range list {
		id, ok := asID(item)
		if !ok {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// textOf writes a value as sent for the truth; what stands for NULL is "".
func textOf(kind string, v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case bool:
		if !x && kind != kindBool {
			return ""
		}
		return strconv.FormatBool(x)
	case time.Time:
		return x.UTC().Format(datetimeLayout)
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// equal compares stored values.
func equal(a, b any) bool {
	x, listed := a.([]int64)
	y, both := b.([]int64)
	if listed || both {
		return slices.Equal(x, y)
	}
	if at, ok := a.(time.Time); ok {
		bt, ok := b.(time.Time)
		return ok && at.Equal(bt)
	}
	return a == b
}

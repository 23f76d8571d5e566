package odoosim

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// encode writes a value as Python's json.dumps does: ", " and ": " between
// items, 10.0 for a float, keys sorted. The API keeps non-ASCII text as it is,
// webhook bodies escape it.
func encode(v any, ascii bool) []byte { return appendJSON(nil, v, ascii) }

func appendJSON(b []byte, v any, ascii bool) []byte {
	switch x := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, x)
	case string:
		return appendString(b, x, ascii)
	case int:
		return strconv.AppendInt(b, int64(x), 10)
	case int64:
		return strconv.AppendInt(b, x, 10)
	case float64:
		return append(b, pyFloat(x)...)
	case json.Number:
		return append(b, x...)
	case []any:
		return appendList(b, x, ascii)
	case []int64:
		return appendList(b, x, ascii)
	case []string:
		return appendList(b, x, ascii)
	case []map[string]any:
		return appendList(b, x, ascii)
	case map[string]any:
		return appendObject(b, x, ascii)
	}
	panic(fmt.Sprintf("odoosim: no JSON for %T", v))
}

func appendList[T any](b []byte, list []T, ascii bool) []byte {
	b = append(b, '[')
	for i, item := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendJSON(b, item, ascii)
	}
	return append(b, ']')
}

func appendObject(b []byte, m map[string]any, ascii bool) []byte {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendString(b, k, ascii)
		b = append(b, ": "...)
		b = appendJSON(b, m[k], ascii)
	}
	return append(b, '}')
}

func appendString(b []byte, s string, ascii bool) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < ' ' || r == 0x7f && ascii || r > 0x7f && r <= 0xffff && ascii:
			b = fmt.Appendf(b, `\u%04x`, r)
		case r > 0xffff && ascii:
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// pyFloat writes a float as Python's repr does: 10.0, 0.1, 1e+16.
func pyFloat(f float64) string {
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// pyRepr writes a decoded JSON value as Python's repr does, for messages.
func pyRepr(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case string:
		return "'" + strings.ReplaceAll(x, "'", `\'`) + "'"
	case float64:
		return pyFloat(x)
	case []any:
		parts := make([]string, len(x))
		for i, item := range x {
			parts[i] = pyRepr(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// pyType names the Python type of a decoded JSON value.
func pyType(v any) string {
	switch x := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case string:
		return "str"
	case json.Number:
		if _, err := x.Int64(); err == nil {
			return "int"
		}
		return "float"
	case []any:
		return "list"
	case map[string]any:
		return "dict"
	}
	return "int"
}

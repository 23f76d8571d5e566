package odoo

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Odoo's way to write times, in UTC and without a zone (vendors/odoo.md 4).
const (
	odooTime = "2006-01-02 15:04:05"
	isoDate  = "2006-01-02"
)

// Odoo's field types, as fields_get names them.
const (
	typeBoolean   = "boolean"
	typeChar      = "char"
	typeText      = "text"
	typeHTML      = "html"
	typeInteger   = "integer"
	typeFloat     = "float"
	typeMonetary  = "monetary"
	typeDate      = "date"
	typeDatetime  = "datetime"
	typeSelection = "selection"
	typeMany2one  = "many2one"
	typeMany2many = "many2many"
)

// parseID reads a record id: a plain decimal that fits PostgreSQL's int4.
// Anything else names no record.
func parseID(s string) (int64, bool) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 || id > math.MaxInt32 || strconv.FormatInt(id, 10) != s {
		return 0, false
	}
	return id, true
}

// idText gives an id as the contract has it.
func idText(id int64) string { return strconv.FormatInt(id, 10) }

// toText folds one value of an answer into the contract's text. false is
// Odoo's null for everything but booleans (vendors/odoo.md 4).
func toText(kind string, v any) string {
	if kind == typeBoolean {
		return strconv.FormatBool(v == true)
	}
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "true"
		}
		return ""
	case json.Number:
		if n, err := decimal(v.String()); err == nil {
			return n
		}
		return ""
	case string:
		if kind == typeDatetime {
			return fromOdooTime(v)
		}
		return v
	case []any:
		if kind == typeMany2one {
			return first(v)
		}
		return joined(v)
	default:
		return compact(v)
	}
}

// first gives the id of a many2one that reads as [57, "Germany"].
func first(v []any) string {
	if len(v) == 0 {
		return ""
	}
	if n, ok := v[0].(json.Number); ok {
		return n.String()
	}
	return ""
}

// joined gives a list of ids as "1,2,3", any other list as JSON.
func joined(v []any) string {
	out := make([]string, len(v))
	for i, x := range v {
		n, ok := x.(json.Number)
		if !ok {
			return compact(v)
		}
		out[i] = n.String()
	}
	return strings.Join(out, ",")
}

func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// fromOdooTime gives RFC 3339 for Odoo's time text, and other text as it is.
func fromOdooTime(s string) string {
	t, ok := parseTime(s)
	if !ok {
		return s
	}
	return t.Format(time.RFC3339)
}

// parseTime reads Odoo's time text, with or without a fraction.
func parseTime(s string) (time.Time, bool) {
	t, err := time.ParseInLocation(odooTime, s, time.UTC)
	return t, err == nil
}

// version gives the sortable text of a write_date: milliseconds since 1970 in
// 16 digits. The API shows whole seconds, so the fraction that a webhook shows
// is dropped: no read could ever reach it (vendors/odoo.md 6, 11).
func version(t time.Time) string {
	if t.IsZero() || t.Unix() < 0 {
		return ""
	}
	return fmt.Sprintf("%016d", t.Unix()*1000)
}

// maxExponent bounds what a number may be written out to.
const maxExponent = 400

// decimal writes a JSON number, or a person's, as a plain decimal without
// exponent and without zeros at either end: "1e3" is "1000", "2.50" is "2.5".
func decimal(s string) (string, error) {
	bad := errors.New("not a number")
	sign, rest := "", s
	if r, ok := strings.CutPrefix(rest, "-"); ok {
		sign, rest = "-", r
	}
	exp := 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		n, err := strconv.Atoi(rest[i+1:])
		if err != nil || n > maxExponent || n < -maxExponent {
			return "", bad
		}
		rest, exp = rest[:i], n
	}
	whole, frac, dot := strings.Cut(rest, ".")
	if whole == "" || !digits(whole) || !digits(frac) || (dot && frac == "") {
		return "", bad
	}
	switch all, at := whole+frac, len(whole)+exp; {
	case at <= 0:
		whole, frac = "0", strings.Repeat("0", -at)+all
	case at >= len(all):
		whole, frac = all+strings.Repeat("0", at-len(all)), ""
	default:
		whole, frac = all[:at], all[at:]
	}
	whole, frac = strings.TrimLeft(whole, "0"), strings.TrimRight(frac, "0")
	if whole == "" {
		whole = "0"
	}
	if frac != "" {
		return sign + whole + "." + frac, nil
	}
	if whole == "0" {
		sign = ""
	}
	return sign + whole, nil
}

// digits tells whether a text has nothing but digits.
func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// errUnwritable says that syncd cannot write a field of this type.
var errUnwritable = errors.New("fields of this type cannot be written")

// toWire gives a value as write() takes it (vendors/odoo.md 4). "" clears:
// false is written, since "" would be stored as "".
func toWire(f field, s string) (any, error) {
	if !f.writable() {
		return nil, errUnwritable
	}
	if f.kind == typeMany2many {
		ids, err := parseIDs(s)
		return []any{[]any{commandReplace, 0, ids}}, err
	}
	if s == "" {
		return false, nil
	}
	switch f.kind {
	case typeBoolean:
		return boolean(s)
	case typeInteger:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, errors.New("not a whole number")
		}
		return n, nil
	case typeFloat, typeMonetary:
		n, err := decimal(s)
		return json.Number(n), err
	case typeMany2one:
		id, ok := parseID(s)
		if !ok {
			return nil, errors.New("not a record id")
		}
		return id, nil
	case typeDate:
		_, err := time.Parse(isoDate, s)
		return s, err
	case typeDatetime:
		t, err := time.Parse(time.RFC3339, s)
		return t.UTC().Format(odooTime), err
	default:
		return s, nil
	}
}

// commandReplace sets all of a many2many: [6, 0, ids] (vendors/odoo.md 4).
const commandReplace = 6

// parseIDs reads a list of record ids as joined writes it.
func parseIDs(s string) ([]int64, error) {
	ids := []int64{}
	for part := range strings.SplitSeq(s, ",") {
		id, ok := parseID(part)
		if !ok && s != "" {
			return nil, errors.New("not a list of record ids with commas between them")
		}
		if ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// toCell gives column and cell of a value for load(), where every cell is a
// string (vendors/odoo.md 7). Empty clears; a boolean has no empty.
func toCell(f field, s string) (column, cell string, err error) {
	column = f.name
	if f.kind == typeMany2one || f.kind == typeMany2many {
		column += "/.id"
	}
	v, err := toWire(f, s)
	if err != nil {
		return column, "", err
	}
	if f.kind == typeMany2many {
		return column, s, nil
	}
	switch v := v.(type) {
	case bool:
		switch {
		case v:
			cell = "True"
		case f.kind == typeBoolean:
			cell = "False"
		}
	case string:
		cell = v
	case json.Number:
		cell = v.String()
	case int64:
		cell = strconv.FormatInt(v, 10)
	}
	return column, cell, nil
}

// boolean reads the contract's "true" and "false".
func boolean(s string) (any, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return nil, errors.New(`neither "true" nor "false"`)
}

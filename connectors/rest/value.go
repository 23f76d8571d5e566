package rest

import (
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
)

// Forms of TimeFormat besides Go layouts.
const (
	timeRFC3339 = "rfc3339"
	timeSeconds = "unix_s"
	timeMillis  = "unix_ms"
)

// clock reads and writes the vendor's times.
type clock struct {
	layout string
	zone   *time.Location
}

// maxTimeText bounds a time as text.
const maxTimeText = 64

// parse gives a time in UTC, zero if it is none.
func (c clock) parse(s string) time.Time {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxTimeText {
		return time.Time{}
	}
	switch c.layout {
	case timeSeconds, timeMillis:
		r, ok := new(big.Rat).SetString(s)
		if !ok || strings.ContainsAny(s, "eE/") {
			return time.Time{}
		}
		if c.layout == timeSeconds {
			r.Mul(r, big.NewRat(1000, 1))
		}
		ms, ok := new(big.Int).SetString(new(big.Int).Quo(r.Num(), r.Denom()).String(), 10)
		if !ok || !ms.IsInt64() || ms.Int64() <= 0 || ms.Int64() > 1e15 {
			return time.Time{}
		}
		return time.UnixMilli(ms.Int64()).UTC()
	case timeRFC3339:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05Z0700"} {
			if t, err := time.ParseInLocation(layout, s, c.zone); err == nil {
				return t.UTC()
			}
		}
		return time.Time{}
	}
	if t, err := time.ParseInLocation(c.layout, s, c.zone); err == nil {
		return t.UTC()
	}
	return time.Time{}
}

// format writes a time as the vendor reads it.
func (c clock) format(t time.Time) string {
	switch c.layout {
	case timeSeconds:
		return strconv.FormatInt(t.Unix(), 10)
	case timeMillis:
		return strconv.FormatInt(t.UnixMilli(), 10)
	case timeRFC3339:
		return t.UTC().Format("2006-01-02T15:04:05.999Z07:00")
	}
	return t.In(c.zone).Format(c.layout)
}

// field is a Field made ready.
type field struct {
	name string
	path path
	set  Field
	at   clock
}

// plainNumber is a number as the contract writes it.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,39})(\.[0-9]{1,40})?$`)

// maxExponent bounds how long a number in scientific form may become.
const maxExponent = 60

// fromVendor folds a JSON value into the contract's form; the empty text is null.
func (f field) fromVendor(v any) connectors.Value {
	s := scalar(v)
	if v != nil && s == "" {
		if _, isText := v.(string); !isText {
			s = compact(v) // a list or an object, as it is
		}
	}
	if slices.Contains(f.set.Nothing, s) {
		return ""
	}
	switch connectors.FieldType(f.set.Type) {
	case connectors.TypeBool:
		for canonical, theirs := range f.set.Bool {
			if s == theirs {
				return canonical
			}
		}
		if len(f.set.Bool) == 0 {
			return strings.ToLower(s)
		}
	case connectors.TypeNumber:
		return plain(s)
	case connectors.TypeTime:
		if t := f.at.parse(s); !t.IsZero() {
			return t.Format(time.RFC3339Nano)
		}
	case connectors.TypeDate:
		if len(s) >= len(time.DateOnly) {
			if _, err := time.Parse(time.DateOnly, s[:len(time.DateOnly)]); err == nil {
				return s[:len(time.DateOnly)]
			}
		}
	}
	return s
}

// compact writes a list or an object as JSON.
func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// plain writes a number in scientific form as a plain decimal.
func plain(s string) string {
	if s == "" || plainNumber.MatchString(s) {
		return s
	}
	mantissa, exponent, found := strings.Cut(strings.ToLower(s), "e")
	e, err := strconv.Atoi(exponent)
	if !found || err != nil || e > maxExponent || e < -maxExponent || !plainNumber.MatchString(mantissa) {
		return s
	}
	n, ok := new(big.Rat).SetString(s)
	if !ok {
		return s
	}
	_, fraction, _ := strings.Cut(mantissa, ".")
	out := n.FloatString(max(0, len(fraction)-e))
	if strings.Contains(out, ".") {
		out = strings.TrimRight(strings.TrimRight(out, "0"), ".")
	}
	return out
}

// toVendor gives a value as the vendor takes it, false where it cannot be one.
func (f field) toVendor(v connectors.Value, empty any) (any, bool) {
	if v == "" {
		return empty, true
	}
	switch connectors.FieldType(f.set.Type) {
	case connectors.TypeBool:
		if v != "true" && v != "false" {
			return nil, false
		}
		if theirs, ok := f.set.Bool[v]; ok {
			if f.set.SendAs == "number" {
				return json.Number(theirs), plainNumber.MatchString(theirs)
			}
			return theirs, true
		}
		return v == "true", true
	case connectors.TypeNumber:
		if f.set.SendAs == "text" {
			return v, true
		}
		return json.Number(v), plainNumber.MatchString(v)
	case connectors.TypeTime:
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return nil, false
		}
		s := f.at.format(t)
		if f.at.layout == timeSeconds || f.at.layout == timeMillis {
			return json.Number(s), true
		}
		return s, true
	}
	if f.set.SendAs == "number" {
		return json.Number(v), plainNumber.MatchString(v)
	}
	return v, true
}

// sortable gives a time as text of fixed width, for Record.Version.
func sortable(t time.Time) string {
	if ms := t.UnixMilli(); !t.IsZero() && ms >= 0 && ms < 1e15 {
		return pad(strconv.FormatInt(ms, 10))
	}
	return ""
}

// versionWidth is the width of a Record.Version.
const versionWidth = 20

// pad gives a whole number as text of fixed width, "" if it is none.
func pad(s string) string {
	if s == "" || len(s) > versionWidth || strings.Trim(s, "0123456789") != "" {
		return ""
	}
	return strings.Repeat("0", versionWidth-len(s)) + s
}

package hubspotsim

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	stampFormat = "2006-01-02T15:04:05.000Z"
	dayFormat   = "2006-01-02"
)

var (
	plainNumber  = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)
	plainAddress = regexp.MustCompile(`^[^@\s;]+@[^@\s;]+\.[^@\s;.]+$`)
)

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(stampFormat) }

func idText(n int64) string { return strconv.FormatInt(n, 10) }

// accept turns values as sent into values as stored, or says what is wrong
// with them (vendors/hubspot.md 5, value formats).
func (t *table) accept(sent map[string]string, now map[string]string) (map[string]string, *trouble) {
	stored := make(map[string]string, len(sent))
	var flaws []flaw
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		value := sent[name]
		p := t.schema[name]
		bad := func(code, message string) {
			flaws = append(flaws, flaw{Message: message, Error: code, Name: name})
		}
		switch {
		case p == nil:
			bad(codeUnknownProperty, `Property "`+name+`" does not exist`)
		case p.ReadOnly:
			bad(codeReadOnly, `"`+name+`" is a read only property`)
		default:
			v, code := p.normal(value, now[name])
			if code != "" {
				bad(code, `"`+value+`" is no value for `+name+` (`+p.Type+`)`)
				continue
			}
			stored[name] = v
		}
	}
	if len(flaws) > 0 {
		return nil, badValues(flaws)
	}
	return stored, nil
}

// normal gives a value in the form in which it is kept, or an error code.
// The empty string clears any property.
func (p *property) normal(value, now string) (stored, code string) {
	if value == "" {
		return "", ""
	}
	switch {
	case p.Name == propEmail && p.Standard:
		value = strings.ToLower(strings.TrimSpace(value))
		if !plainAddress.MatchString(value) {
			return "", codeEmail
		}
	case p.Type == typeNumber:
		if !plainNumber.MatchString(value) {
			return "", codeNumber
		}
	case p.Type == typeBool:
		if value != "true" && value != "false" {
			return "", codeBool
		}
	case p.Type == typeDate:
		return normalDay(value)
	case p.Type == typeDateTime:
		return normalTime(value)
	case p.Type == typeEnum:
		return p.normalChoice(value, now)
	}
	return value, ""
}

// normalChoice checks options; a check-box list is joined by semicolons, and
// a leading one appends to what is there (vendors/hubspot.md 5).
func (p *property) normalChoice(value, now string) (stored, code string) {
	if p.FieldType != fieldCheckbox {
		if !p.takes(value) {
			return "", codeOption
		}
		return value, ""
	}
	var chosen []string
	if rest, more := strings.CutPrefix(value, ";"); more {
		value = rest
		chosen = pieces(now)
	}
	for _, v := range pieces(value) {
		if !p.takes(v) {
			return "", codeOption
		}
		if !slices.Contains(chosen, v) {
			chosen = append(chosen, v)
		}
	}
	return strings.Join(chosen, ";"), ""
}

func pieces(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ";"), func(s string) bool { return s == "" })
}

// normalDay takes a date or the milliseconds of its midnight in UTC.
func normalDay(value string) (stored, code string) {
	if _, err := time.Parse(dayFormat, value); err == nil {
		return value, ""
	}
	ms, err := strconv.ParseInt(value, 10, 64)
	if err != nil || ms%(24*time.Hour).Milliseconds() != 0 {
		return "", codeDate
	}
	return time.UnixMilli(ms).UTC().Format(dayFormat), ""
}

// normalTime takes ISO 8601 or milliseconds.
func normalTime(value string) (stored, code string) {
	if at, ok := parseTime(value); ok {
		return at.UTC().Format(stampFormat), ""
	}
	return "", codeDate
}

func parseTime(value string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.UnixMilli(ms), true
	}
	for _, layout := range []string{time.RFC3339, dayFormat} {
		if at, err := time.Parse(layout, value); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// uniqueForm is the form of a value under which uniqueness is kept.
func uniqueForm(name, value string) string {
	if name == propEmail {
		return strings.ToLower(strings.TrimSpace(value))
	}
	return value
}

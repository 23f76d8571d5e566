package fields

import (
	"errors"
	"strconv"
	"time"
	_ "time/tzdata" // a zone means the same on every machine
)

// The forms in which a system keeps a time.
const (
	formUTC    = "utc"    // 2006-01-02T15:04:05Z; the default
	formLocal  = "local"  // 2006-01-02T15:04:05 in the system's zone
	formSQL    = "sql"    // 2006-01-02 15:04:05 in the system's zone
	formMillis = "millis" // milliseconds since 1970
)

// What is kept of a time; the rest is form.
const (
	precisionMilli  = "millisecond"
	precisionSecond = "second" // the default
	precisionMinute = "minute"
)

var precisions = map[string]time.Duration{precisionMilli: time.Millisecond, "": time.Second, precisionSecond: time.Second, precisionMinute: time.Minute}

const (
	layoutLocal = "2006-01-02T15:04:05"
	layoutSQL   = "2006-01-02 15:04:05"
)

// localLayouts are texts without a zone; a fraction of a second is taken, too.
var localLayouts = []string{layoutSQL, layoutLocal, "2006-01-02T15:04", "2006-01-02 15:04"}

func checkZone(value string) (string, error) {
	if value == "" || value == "Local" {
		return "", errors.New(`name a zone such as "Europe/Prague"`)
	}
	if _, err := time.LoadLocation(value); err != nil {
		return "", errors.New(`there is no such zone; zones are written like "Europe/Prague"`)
	}
	return value, nil
}

// zoneOf gives the zone of a system, UTC if it has none.
func zoneOf(set setting, system string) *time.Location {
	zone, err := time.LoadLocation(set.in(system, paramZone)) // checked; "" is UTC
	if err != nil {
		return time.UTC
	}
	return zone
}

// buildDatetime gives RFC 3339 in UTC.
func buildDatetime(set setting) (built, *Error) {
	precision := precisions[set.params[paramPrecision]]
	b := parsedBy(func(s string) (string, bool) {
		t, ok := parseInstant(s)
		if !ok {
			return "", false
		}
		return formatInstant(t.Truncate(precision))
	})
	zones, local := map[string]*time.Location{}, []string{}
	for _, system := range set.systems() {
		zones[system] = zoneOf(set, system)
		switch set.in(system, paramForm) {
		case formLocal, formSQL:
			local = append(local, system)
		default:
			if set.per[paramZone][system] != "" {
				return built{}, set.spec.fault(paramZone+"."+system, "a zone is of times without one: add `form: {%s: local}` or `form: {%s: sql}`", system, system)
			}
		}
	}
	if set.params[paramZone] != "" && len(local) == 0 {
		return built{}, set.spec.fault(paramZone, "a zone is of times without one: add `form: local` or `form: sql` for the system that keeps them")
	}
	b.codec = func(system string) codec { return timeCodec(set.in(system, paramForm), zones[system], b.norm) }
	b.partial = len(local) > 0
	return b, nil
}

func timeCodec(form string, zone *time.Location, norm func(string) string) codec {
	local := form == formLocal || form == formSQL
	return codec{
		get: func(shown []string) (string, bool) {
			if local {
				if t, ok := parseLocal(cleanText(shown[0]), zone); ok {
					return t.UTC().Format(time.RFC3339Nano), true
				}
			}
			return shown[0], true
		},
		put: func(canonical string, _ []string) []string {
			t, err := time.Parse(time.RFC3339, canonical)
			if err != nil {
				return []string{canonical}
			}
			written := canonical
			switch form {
			case formMillis:
				written = strconv.FormatInt(t.UnixMilli(), 10)
			case formLocal:
				written = t.In(zone).Format(layoutLocal + ".999")
			case formSQL:
				written = t.In(zone).Format(layoutSQL + ".999")
			}
			if form == formMillis && norm(written) != canonical {
				written = canonical // too long ago to be told from other numbers
			}
			return []string{written}
		},
	}
}

func parseLocal(s string, zone *time.Location) (time.Time, bool) {
	for _, layout := range localLayouts {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, plausible(t.UTC()) && plausible(t)
		}
	}
	return time.Time{}, false
}

// Numbers from leastMillis to mostMillis and their negatives are milliseconds:
// 1973 to 2286, and 1966 back. Smaller ones may be anything.
const (
	leastMillis = 100_000_000_000
	mostMillis  = 10_000_000_000_000
)

// parseInstant takes RFC 3339, that with a space, and milliseconds since 1970.
func parseInstant(s string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		t := time.UnixMilli(ms).UTC()
		return t, max(ms, -ms) >= leastMillis && max(ms, -ms) < mostMillis
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), plausible(t.UTC())
		}
	}
	return time.Time{}, false
}

func formatInstant(t time.Time) (string, bool) {
	return t.Format("2006-01-02T15:04:05.999Z07:00"), plausible(t)
}

// plausible says that a year has the four digits that all forms can write.
func plausible(t time.Time) bool { return t.Year() > 0 && t.Year() < maxYear }

// buildDate gives the day. A time is of the day that it has in the system's zone,
// UTC if none is given.
func buildDate(set setting) (built, *Error) {
	b := parsedBy(parseDate)
	if set.params[paramZone] == "" && len(set.per[paramZone]) == 0 {
		return b, nil
	}
	b.partial = true
	b.codec = func(system string) codec {
		zone := zoneOf(set, system)
		return codec{
			get: func(shown []string) (string, bool) {
				s := cleanText(shown[0])
				if _, isDay := parseDate(s); isDay && len(s) == len(time.DateOnly) {
					return s, true
				}
				if t, ok := parseInstant(s); ok {
					return t.In(zone).Format(time.DateOnly), true
				}
				return s, true
			},
			put: func(canonical string, _ []string) []string { return []string{canonical} },
		}
	}
	return b, nil
}

// parseDate gives the day as 2006-01-02, in UTC. It takes that form, RFC 3339,
// and milliseconds since 1970 if they are midnight UTC.
func parseDate(s string) (string, bool) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t.Format(time.DateOnly), true
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return formatDate(t.UTC())
	}
	const day = 24 * time.Hour
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms%day.Milliseconds() != 0 {
		return "", false
	}
	return formatDate(time.UnixMilli(ms).UTC())
}

// maxYear is the last year that 2006-01-02 can write.
const maxYear = 9999

func formatDate(t time.Time) (string, bool) {
	if t.Year() < 0 || t.Year() > maxYear {
		return "", false
	}
	return t.Format(time.DateOnly), true
}

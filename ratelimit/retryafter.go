package ratelimit

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter caps what a vendor may ask us to wait: a day, the longest
// window that any vendor counts in.
const MaxRetryAfter = 24 * time.Hour

// ParseRetryAfter reads Retry-After (RFC 9110 10.2.3; vendors/http-conventions.md
// B.4): seconds, with decimals as some servers send them, or an HTTP-date,
// which counts from the answer's own Date header, so that the vendor's clock
// does not matter; without one it counts from now. The result lies in
// [0, MaxRetryAfter]; false means absent or not to be understood.
func ParseRetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0, false
	}
	if decimal(text) {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil { // out of range: longer than any cap
			return MaxRetryAfter, true
		}
		return clamp(seconds), true
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	from := now
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		from = date
	}
	// Unix seconds and not Sub, which saturates at 292 years the wrong way
	// round for nobody's benefit: a date has whole seconds anyway.
	return clamp(float64(until.Unix() - from.Unix())), true
}

// decimal says that text is digits with at most one point between or around.
func decimal(text string) bool {
	digits, points := 0, 0
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			points++
		default:
			return false
		}
	}
	return digits > 0 && points <= 1
}

func clamp(seconds float64) time.Duration {
	if seconds <= 0 {
		return 0
	}
	if seconds >= MaxRetryAfter.Seconds() {
		return MaxRetryAfter
	}
	return time.Duration(seconds * float64(time.Second))
}

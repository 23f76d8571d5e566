package ratelimit

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

var today = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestParseRetryAfter(t *testing.T) {
	for _, tc := range []struct {
		after, date string
		want        time.Duration
		ok          bool
	}{
		{"", "", 0, false},
		{"120", "", 2 * time.Minute, true},
		{" 120 ", "", 2 * time.Minute, true},
		{"0", "", 0, true},
		{"1.5", "", ms(1500), true},
		{".25", "", ms(250), true},
		{"99999999", "", MaxRetryAfter, true},
		{strings.Repeat("9", 400), "", MaxRetryAfter, true},
		{"-5", "", 0, false},
		{"1e3", "", 0, false},
		{"NaN", "", 0, false},
		{"Inf", "", 0, false},
		{"1.2.3", "", 0, false},
		{".", "", 0, false},
		{"Fri, 20 Nov 2026 12:00:30 GMT", "", 30 * time.Second, true},
		{"Fri, 20 Nov 2026 11:00:00 GMT", "", 0, true},
		{"Fri, 20 Nov 2026 11:00:10 GMT", "Fri, 20 Nov 2026 11:00:00 GMT", 10 * time.Second, true},
		{"Friday, 20-Nov-26 12:00:30 GMT", "", 30 * time.Second, true},
		{"Fri Nov 20 12:00:30 2026", "", 30 * time.Second, true},
		{"Fri, 20 Nov 2026 12:00:30 GMT", "yesterday", 30 * time.Second, true},
		{"Fri, 31 Dec 9999 23:59:59 GMT", "", MaxRetryAfter, true},
	} {
		h := http.Header{}
		h.Set("Retry-After", tc.after)
		if tc.date != "" {
			h.Set("Date", tc.date)
		}
		if got, ok := ParseRetryAfter(h, today); got != tc.want || ok != tc.ok {
			t.Errorf("%q (Date %q): got %v, %v", tc.after, tc.date, got, ok)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, after := range []string{"120", "1.5", "-1", "", "Fri, 20 Nov 2026 12:00:30 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "0x10", "1e400"} {
		f.Add(after, "")
		f.Add(after, "Fri, 20 Nov 2026 11:00:00 GMT")
		f.Add(after, "Mon, 01 Jan 0001 00:00:00 GMT")
	}
	f.Fuzz(func(t *testing.T, after, date string) {
		d, ok := ParseRetryAfter(http.Header{"Retry-After": {after}, "Date": {date}}, today)
		if d < 0 || d > MaxRetryAfter || (!ok && d != 0) {
			t.Fatalf("%q, %q: %v, %v", after, date, d, ok)
		}
		if n, err := strconv.Atoi(after); err == nil && n >= 0 && n <= 86400 && after[0] != '+' && after[0] != '-' && d != time.Duration(n)*time.Second {
			t.Fatalf("%q: %v", after, d)
		}
	})
}

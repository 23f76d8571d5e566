package postgres

import (
	"encoding/json"
	"strings"
	"time"
)

// clean makes text acceptable to PostgreSQL, which refuses NUL and invalid
// UTF-8. One odd character from a vendor must not fail a whole batch.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// orNull makes "" NULL.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	s = clean(s)
	return &s
}

// jsonOrNull makes nil NULL.
func jsonOrNull(raw json.RawMessage) *string {
	if len(raw) == 0 {
		return nil
	}
	return orNull(string(raw))
}

// raw is a JSON column read as text; NULL is nil.
func raw(text *string) json.RawMessage {
	if text == nil {
		return nil
	}
	return json.RawMessage(*text)
}

// micros is a duration as the statements take it.
func micros(d time.Duration) int64 { return max(d, 0).Microseconds() }

// deref gives the time or zero.
func deref(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

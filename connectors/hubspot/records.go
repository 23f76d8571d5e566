package hubspot

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
)

// Properties with a meaning of their own (sections 5 and 9).
const (
	idField     = "hs_object_id"
	mergedField = "hs_merged_object_ids"
	emailField  = "email"
)

// item is one record in an answer (section 3, "Object JSON").
type item struct {
	ID         text            `json:"id"`
	Properties map[string]text `json:"properties"`
	CreatedAt  text            `json:"createdAt"`
	UpdatedAt  text            `json:"updatedAt"`
	Archived   bool            `json:"archived"`
	TraceID    text            `json:"objectWriteTraceId"`
}

// records is the answer of every call that gives several of them.
type records struct {
	Results []item    `json:"results"`
	Errors  []problem `json:"errors"`
	Paging  struct {
		Next struct {
			After text `json:"after"`
		} `json:"next"`
	} `json:"paging"`
}

// SortableTime gives a time as text that sorts like it: milliseconds of the
// epoch in 16 digits. It is the form of Record.Version and Hint.Version.
func SortableTime(t time.Time) string {
	if ms := t.UnixMilli(); !t.IsZero() && ms >= 0 && ms < 1e16 {
		return fmt.Sprintf("%016d", ms)
	}
	return ""
}

// parseTime reads a time as the vendor writes it, ISO 8601 or milliseconds;
// zero if it is neither.
func parseTime(s string) time.Time {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC()
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil && ms > 0 && ms < 1e16 {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}

// modified is when the record changed last: its own member, else the property.
func (o item) modified(name string) time.Time {
	if t := parseTime(string(o.UpdatedAt)); !t.IsZero() {
		return t
	}
	return parseTime(string(o.Properties[modifiedField(name)]))
}

// record gives an answer's record in the contract's form. fields are those to
// show; one that was asked for, is known and was left out is empty (section 3).
func (c *Client) record(name string, o item, fields []string) connectors.Record {
	r := connectors.Record{
		ID:       string(o.ID),
		Modified: o.modified(name),
		Born:     parseTime(string(o.CreatedAt)),
		Archived: o.Archived,
		Values:   make(map[string]connectors.Value, len(fields)),
		Merged:   mergedIDs(o),
	}
	r.Version = SortableTime(r.Modified)
	props := c.known(name)
	for _, f := range fields {
		p, known := props[f]
		if v, given := o.Properties[f]; given || known {
			r.Values[f] = fromVendor(string(p.Type), string(v))
		}
	}
	return r
}

// mergedIDs is the ids that were merged away into the record.
func mergedIDs(o item) []string {
	var ids []string
	for id := range strings.SplitSeq(string(o.Properties[mergedField]), ";") {
		if id = strings.TrimSpace(id); idPattern.MatchString(id) && id != string(o.ID) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Bounds of a number in scientific form that is written out plainly.
const (
	maxNumberText = 40
	maxExponent   = 100
)

// fromVendor folds a property's value into the contract's form (section 5,
// "Value formats"). What it does not understand stays as it is.
func fromVendor(kind, v string) string {
	switch kind {
	case "bool":
		return strings.ToLower(v)
	case "datetime":
		if t := parseTime(v); !t.IsZero() {
			return t.Format(time.RFC3339Nano)
		}
	case "date":
		if _, err := time.Parse(time.DateOnly, v); err == nil {
			return v
		}
		if t := parseTime(v); !t.IsZero() {
			return t.Format(time.DateOnly)
		}
	case "number":
		return plainNumber(v)
	}
	return v
}

// plainNumber writes a number in scientific form as a plain decimal.
func plainNumber(v string) string {
	mantissa, exponent, found := strings.Cut(strings.ToLower(v), "e")
	if !found || len(mantissa) > maxNumberText {
		return v
	}
	e, err := strconv.Atoi(exponent)
	if err != nil || e > maxExponent || e < -maxExponent {
		return v
	}
	n, ok := new(big.Rat).SetString(v)
	if !ok {
		return v
	}
	_, fraction, _ := strings.Cut(mantissa, ".")
	s := n.FloatString(max(0, len(fraction)-e))
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// toVendor gives a value as the vendor takes it. A leading ";" in a multiple
// choice would add to what is there instead of replacing it (section 5).
func toVendor(kind, v string) string {
	if kind == "enumeration" {
		return strings.TrimLeft(v, ";")
	}
	return v
}

package hubspot

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"syncd/connectors"
)

// filter is one condition of a search (section 8, "Operators").
type filter struct {
	Property string   `json:"propertyName"`
	Operator string   `json:"operator"`
	Value    string   `json:"value,omitempty"`
	Values   []string `json:"values,omitempty"`
}

// group is filters that must all fit.
type group struct {
	Filters []filter `json:"filters"`
}

// sorting is the one sort of a search.
type sorting struct {
	Property  string `json:"propertyName"`
	Direction string `json:"direction"`
}

// searchBody is the body of a search (section 8).
type searchBody struct {
	Groups     []group   `json:"filterGroups"`
	Sorts      []sorting `json:"sorts"`
	Properties []string  `json:"properties"`
	Limit      int       `json:"limit"`
	After      string    `json:"after,omitempty"`
}

// newSearch is a search of one group of filters, sorted upwards.
func newSearch(sort string, limit int, ask []string, filters ...filter) searchBody {
	return searchBody{
		Groups: []group{{Filters: filters}}, Sorts: []sorting{{Property: sort, Direction: "ASCENDING"}},
		Properties: ask, Limit: limit,
	}
}

// fits says that the body is within the vendor's length.
func (b searchBody) fits() bool {
	text, err := json.Marshal(b)
	return err == nil && len(text) <= maxSearchBody
}

// search makes one search call. If the names of all properties do not fit into
// its body, the rest of each record is read by id; a record that is gone by
// then is left as the search gave it.
func (c *Client) search(ctx context.Context, object string, b searchBody) (records, *connectors.Error) {
	ask := b.Properties
	if !b.fits() {
		b.Properties = slices.DeleteFunc(slices.Clone(ask), func(name string) bool {
			return name != modifiedField(object) && name != b.Groups[0].Filters[0].Property
		})
	}
	var answer records
	k := call{op: "search", object: object, method: http.MethodPost, path: c.objectsPath(object, "search"), body: b}
	if e := c.get(ctx, k, &answer); e != nil {
		return records{}, e
	}
	answer.Results = slices.DeleteFunc(answer.Results, func(o item) bool { return !idPattern.MatchString(string(o.ID)) })
	if len(b.Properties) == len(ask) || len(answer.Results) == 0 {
		return answer, nil
	}
	var ids []string
	for _, o := range answer.Results {
		ids = append(ids, string(o.ID))
	}
	whole, e := c.batchRead(ctx, object, "", ids, ask, false)
	if e != nil {
		return records{}, e
	}
	for i, o := range answer.Results {
		for _, w := range whole {
			if w.ID == o.ID {
				answer.Results[i].Properties = withKept(w.Properties, o.Properties, modifiedField(object))
			}
		}
	}
	return answer, nil
}

// withKept gives the properties of a later read with one value of the search,
// which a cursor needs as the search saw it.
func withKept(later, seen map[string]text, name string) map[string]text {
	if later == nil {
		later = map[string]text{}
	}
	if v, ok := seen[name]; ok {
		later[name] = v
	}
	return later
}

// searchPages bounds the pages of one look-up by value.
const searchPages = 50

// Find looks records up by value: a unique property, the e-mail of contacts
// and the record id by batch/read, which has no index lag and sees archived
// ones; everything else by search (sections 3 and 8).
func (c *Client) Find(ctx context.Context, object string, by connectors.Lookup, fields []string) ([]connectors.Record, error) {
	values := unique(by.Values, func(v string) bool { return v != "" })
	if len(values) == 0 {
		return nil, nil
	}
	if by.Field == idField {
		return c.findByID(ctx, object, values, fields)
	}
	p, known := c.known(object)[by.Field]
	if c.known(object) != nil && !known {
		e := c.fault(call{op: "find", object: object}, connectors.KindConfig, "there is no such property")
		e.Field = by.Field
		return nil, e
	}
	show := fields
	if !slices.Contains(fields, by.Field) {
		show = append(slices.Clone(fields), by.Field)
	}
	var got []item
	var e *connectors.Error
	if p.HasUniqueValue || (by.Field == emailField && plural(object) == "contacts") {
		got, e = c.findUnique(ctx, object, by.Field, values, c.ask(object, show))
	} else {
		got, e = c.findBySearch(ctx, object, by.Field, string(p.Type), values, c.ask(object, show))
	}
	if e != nil {
		return nil, e
	}
	return c.distinct(object, got, show), nil
}

// findByID looks up record ids.
func (c *Client) findByID(ctx context.Context, object string, ids, fields []string) ([]connectors.Record, error) {
	seen, err := c.Read(ctx, object, ids, fields)
	if err != nil {
		return nil, err
	}
	var out []connectors.Record
	for _, s := range seen {
		if s.Sight == connectors.SightFound || s.Sight == connectors.SightArchived {
			out = append(out, s.Record)
		}
	}
	return out, nil
}

// findUnique reads by a unique property, archived records included: an archived
// contact frees its e-mail, but it may be the one that a create made.
func (c *Client) findUnique(ctx context.Context, object, field string, values, ask []string) ([]item, *connectors.Error) {
	var out []item
	for len(values) > 0 {
		var now []string
		now, values = apart(values)
		got, e := c.batchRead(ctx, object, field, now, ask, false)
		if e != nil {
			return nil, e
		}
		out = append(out, got...)
		left := slices.DeleteFunc(now, func(v string) bool {
			return slices.ContainsFunc(got, func(o item) bool { return strings.EqualFold(string(o.Properties[field]), v) })
		})
		if len(left) == 0 {
			continue
		}
		gone, e := c.batchRead(ctx, object, field, left, ask, true)
		if e != nil {
			return nil, e
		}
		out = append(out, gone...)
	}
	return out, nil
}

// apart splits values into some that differ in more than case and the rest:
// the vendor refuses a call that names a value twice, as it compares them.
func apart(values []string) (now, later []string) {
	seen := map[string]bool{}
	for _, v := range values {
		if low := strings.ToLower(v); !seen[low] {
			seen[low] = true
			now = append(now, v)
		} else {
			later = append(later, v)
		}
	}
	return now, later
}

// findBySearch looks values up with IN, as many at a time as the body holds.
// Text is compared in lower case by the vendor (section 8).
func (c *Client) findBySearch(ctx context.Context, object, field, kind string, values, ask []string) ([]item, *connectors.Error) {
	isText := kind == "" || fieldTypes[kind] == connectors.TypeText
	fold := func(v string) string { return v }
	if isText {
		fold = strings.ToLower
	}
	var out []item
	for len(values) > 0 {
		b := newSearch(idField, searchLimit, ask, filter{Property: field, Operator: "IN"})
		n := fillValues(&b, values, fold)
		if n == 0 {
			e := c.fault(call{op: "search", object: object}, connectors.KindInvalid, "the value is too long for a search")
			e.Field = field
			return nil, e
		}
		values = values[n:]
		for range searchPages {
			answer, e := c.search(ctx, object, b)
			if e != nil {
				return nil, e
			}
			for _, o := range answer.Results {
				v := string(o.Properties[field])
				if !isText || slices.Contains(b.Groups[0].Filters[0].Values, fold(v)) {
					out = append(out, o)
				}
			}
			if b.After = string(answer.Paging.Next.After); b.After == "" {
				break
			}
		}
	}
	return out, nil
}

// room for the paging offset in a search's body, and the least room for values.
const (
	offsetRoom = 64
	valueRoom  = 1000
)

// fillValues puts as many values into the search's filter as fit and gives
// their number. Long lists of properties give way to values: search completes
// such records by id.
func fillValues(b *searchBody, values []string, fold func(string) string) int {
	probe := *b
	probe.Groups = []group{{Filters: []filter{b.Groups[0].Filters[0]}}}
	base, err := json.Marshal(probe)
	if err != nil {
		return 0
	}
	size := len(base) + offsetRoom
	if size > maxSearchBody-valueRoom {
		probe.Properties = nil
		if base, err = json.Marshal(probe); err != nil {
			return 0
		}
		size = len(base) + 2*offsetRoom + len(b.Groups[0].Filters[0].Property)
	}
	n := 0
	for n < len(values) && n < batchSize {
		quoted, err := json.Marshal(fold(values[n]))
		if err != nil {
			break
		}
		if size += len(quoted) + 1; size > maxSearchBody {
			break
		}
		b.Groups[0].Filters[0].Values = append(b.Groups[0].Filters[0].Values, fold(values[n]))
		n++
	}
	return n
}

// distinct gives the records of an answer, each once.
func (c *Client) distinct(object string, got []item, show []string) []connectors.Record {
	seen := map[text]bool{}
	var out []connectors.Record
	for _, o := range got {
		if !seen[o.ID] {
			seen[o.ID] = true
			out = append(out, c.record(object, o, show))
		}
	}
	return out
}

package hubspotsim

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Limits of a search (vendors/hubspot.md 8).
const (
	searchGroups       = 5
	searchGroupFilters = 6
	searchFilters      = 18
	searchMaxBody      = 3_000
	searchMaxLimit     = 200
	searchMaxResults   = 10_000
	defaultPage        = 10
)

// sorting is one sort; the vendor takes an object or a bare name, with a
// minus for descending.
type sorting struct {
	PropertyName string `json:"propertyName"`
	Direction    string `json:"direction"`
}

// UnmarshalJSON takes both forms.
func (o *sorting) UnmarshalJSON(text []byte) error {
	var name string
	if json.Unmarshal(text, &name) == nil {
		o.PropertyName = strings.TrimPrefix(name, "-")
		if name != o.PropertyName {
			o.Direction = "DESCENDING"
		}
		return nil
	}
	type plain sorting
	return json.Unmarshal(text, (*plain)(o))
}

type searchBody struct {
	Query        string `json:"query"`
	FilterGroups []struct {
		Filters []filter `json:"filters"`
	} `json:"filterGroups"`
	Filters    []filter  `json:"filters"`
	Sorts      []sorting `json:"sorts"`
	Properties []string  `json:"properties"`
	Limit      int       `json:"limit"`
	After      string    `json:"after"`
}

// check refuses a search that breaks a limit.
func (b *searchBody) check(t *table, size int) (offset int, x *trouble) {
	if size > searchMaxBody {
		return 0, invalid("The request is %d characters long, more than %d", size, searchMaxBody)
	}
	total := len(b.Filters)
	for _, g := range b.FilterGroups {
		total += len(g.Filters)
		if len(g.Filters) > searchGroupFilters {
			return 0, invalid("A filter group may have %d filters", searchGroupFilters)
		}
	}
	switch {
	case len(b.FilterGroups) > searchGroups:
		return 0, invalid("A search may have %d filter groups", searchGroups)
	case total > searchFilters:
		return 0, invalid("A search may have %d filters", searchFilters)
	case len(b.Sorts) > 1:
		return 0, invalid("A search may have one sort")
	case b.Limit < 0 || b.Limit > searchMaxLimit:
		return 0, invalid("limit must be between 0 and %d", searchMaxLimit)
	case len(b.Sorts) == 1 && t.schema[b.Sorts[0].PropertyName] == nil:
		return 0, invalid("There is no property %q to sort by", b.Sorts[0].PropertyName)
	}
	if b.After != "" {
		n, err := strconv.Atoi(b.After)
		if err != nil || n < 0 {
			return 0, invalid("after must be an integer, not %q", b.After)
		}
		offset = n
	}
	if offset >= searchMaxResults {
		return 0, invalid("Paging past %d results is not possible", searchMaxResults)
	}
	return offset, nil
}

// search answers from the index (vendors/hubspot.md 8): late, without archived
// records, at most 10,000 of them.
func (s *Sim) search(q *request) reply {
	var b searchBody
	if x := q.decode(&b); x != nil {
		return refuse(x)
	}
	t := q.table
	offset, x := b.check(t, len(q.body))
	if x != nil {
		return refuse(x)
	}
	if b.Limit == 0 {
		b.Limit = defaultPage
	}
	groups, floor, x := b.compile(t)
	if x != nil {
		return refuse(x)
	}
	t.index.catchUp(s.now())
	hits := b.sift(t, groups, floor)
	b.order(t, hits)
	end := min(offset+b.Limit, len(hits), searchMaxResults)
	results := []map[string]any{}
	for _, v := range hits[min(offset, end):end] {
		results = append(results, s.show(t, v, t.wanted(b.Properties)))
		q.ids = append(q.ids, v.of.id)
	}
	q.rows = len(results)
	answer := map[string]any{"total": len(hits), "results": results}
	if end < len(hits) && end > offset {
		answer["paging"] = map[string]any{"next": map[string]any{"after": strconv.Itoa(end)}}
	}
	return reply{http.StatusOK, answer}
}

// compile turns the filters into tests, and finds the time before which no
// record can fit, if there is one.
func (b *searchBody) compile(t *table) (groups [][]test, floor int64, x *trouble) {
	lists := make([][]filter, 0, len(b.FilterGroups)+1)
	for _, g := range b.FilterGroups {
		lists = append(lists, g.Filters)
	}
	if len(b.Filters) > 0 {
		lists = append(lists, b.Filters)
	}
	floor = math.MinInt64
	for _, list := range lists {
		tests := make([]test, 0, len(list))
		for _, f := range list {
			fits, x := f.compile(t)
			if x != nil {
				return nil, 0, x
			}
			tests = append(tests, fits)
			if ms, ok := f.floor(t); ok && len(lists) == 1 {
				floor = max(floor, ms)
			}
		}
		groups = append(groups, tests)
	}
	return groups, floor, nil
}

// sift gives every version in the index that fits one of the groups, by time
// of modification.
func (b *searchBody) sift(t *table, groups [][]test, floor int64) []*version {
	var hits []*version
	text := strings.ToLower(b.Query)
	all := func(tests []test, v *version) bool {
		for _, fits := range tests {
			if !fits(v) {
				return false
			}
		}
		return true
	}
	for _, v := range t.index.since(floor) {
		if v.stale || (text != "" && !t.mentions(v, text)) {
			continue
		}
		if len(groups) == 0 || slices.ContainsFunc(groups, func(g []test) bool { return all(g, v) }) {
			hits = append(hits, v)
		}
	}
	return hits
}

// mentions looks for a text in what the object shows by default.
func (t *table) mentions(v *version, text string) bool {
	return slices.ContainsFunc(slices.Concat(t.kind.shown, []string{"phone"}), func(name string) bool {
		return strings.Contains(strings.ToLower(v.props[name]), text)
	})
}

package hubspot

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"syncd/connectors"
)

// cursorVersion is raised when the cursor's form changes.
const cursorVersion = 1

// cursor is what Page.Next holds. A listing by last change walks by value and
// not by offset: a record that changes while it is listed moves to the end and
// would shift an offset past another one, and no search shows more than 10,000
// rows (section 8). So each page asks for what is at or after the last time
// seen, less the ids already given of that time; rows of one time that fill a
// page are walked by id.
type cursor struct {
	V     int      `json:"v"`
	After string   `json:"after,omitempty"` // plain list: the vendor's own
	From  int64    `json:"from,omitempty"`  // search: at or after, in ms
	Seen  []string `json:"seen,omitempty"`  // given already, of time From
	Tie   string   `json:"tie,omitempty"`   // rows of time From only, ids above this
}

// encode makes the cursor opaque.
func (cu cursor) encode() string {
	cu.V = cursorVersion
	b, err := json.Marshal(cu)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodeCursor reads a cursor; false if it is not one of ours.
func decodeCursor(s string) (cursor, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return cursor{}, false
	}
	var cu cursor
	if json.Unmarshal(b, &cu) != nil || cu.V != cursorVersion || (cu.Tie != "" && !idPattern.MatchString(cu.Tie)) {
		return cursor{}, false
	}
	return cu, true
}

// List pages through what changed at or after q.Since by search, or through
// everything by the plain list, by id, if Since is zero.
func (c *Client) List(ctx context.Context, object string, q connectors.Query) (connectors.Page, error) {
	cu := cursor{}
	if q.Bin {
		q.Since = time.Time{} // searches never show the bin (section 8)
	}
	if !q.Since.IsZero() {
		cu.From = q.Since.UnixMilli()
	}
	if q.Cursor != "" {
		var ok bool
		if cu, ok = decodeCursor(q.Cursor); !ok {
			return connectors.Page{}, c.fault(call{op: "list", object: object}, connectors.KindBug, "not a cursor of this connector")
		}
	}
	if q.Since.IsZero() {
		return c.listAll(ctx, object, q, cu)
	}
	for {
		page, next, e := c.listSince(ctx, object, q, cu)
		if e != nil {
			return connectors.Page{}, e
		}
		if len(page.Records) > 0 || next == nil {
			if next != nil {
				page.Next = next.encode()
			}
			return page, nil
		}
		cu = *next // a page of nothing but known rows: go on, each step moves forward
	}
}

// limit gives the size of a page.
func limit(asked, most int) int {
	if asked <= 0 {
		return listLimit
	}
	return min(asked, most)
}

// listAll gives a page of the plain list (section 3). Its own next link is
// never followed, only its "after" is taken.
func (c *Client) listAll(ctx context.Context, object string, q connectors.Query, cu cursor) (connectors.Page, error) {
	k := call{op: "list", object: object, method: http.MethodGet, path: c.objectsPath(object), query: url.Values{
		"limit": {strconv.Itoa(limit(q.Limit, listLimit))},
	}}
	for _, name := range c.ask(object, q.Fields) {
		k.query.Add("properties", name)
	}
	if q.Bin {
		k.query.Set("archived", "true") // the archived ones alone (section 9)
	}
	if cu.After != "" {
		k.query.Set("after", cu.After)
	}
	var answer records
	if e := c.get(ctx, k, &answer); e != nil {
		return connectors.Page{}, e
	}
	got := slices.DeleteFunc(answer.Results, func(o item) bool { return !idPattern.MatchString(string(o.ID)) })
	page := connectors.Page{Records: c.distinct(object, got, q.Fields)}
	if after := string(answer.Paging.Next.After); after != "" && after != cu.After {
		page.Next = cursor{After: after}.encode()
	}
	return page, nil
}

// listSince gives the page that a cursor stands for and the cursor after it,
// nil at the end.
func (c *Client) listSince(ctx context.Context, object string, q connectors.Query, cu cursor) (connectors.Page, *cursor, *connectors.Error) {
	if cu.Tie != "" {
		return c.listTie(ctx, object, q, cu)
	}
	modified, size := modifiedField(object), limit(q.Limit, searchLimit)
	answer, e := c.search(ctx, object, newSearch(modified, size, c.ask(object, q.Fields, modified),
		filter{Property: modified, Operator: "GTE", Value: strconv.FormatInt(cu.From, 10)}))
	if e != nil {
		return connectors.Page{}, nil, e
	}
	got := answer.Results
	more := len(got) >= size || answer.Paging.Next.After != ""
	if !more || len(got) == 0 {
		return c.page(object, q, got, cu), nil, nil
	}
	last := sortedAt(got[len(got)-1], modified)
	if last <= cu.From {
		// A whole page of one time: walk that time by id.
		return c.listTie(ctx, object, q, cursor{From: cu.From, Seen: cu.Seen, Tie: "0"})
	}
	next := &cursor{From: last}
	for _, o := range got {
		if sortedAt(o, modified) == last {
			next.Seen = append(next.Seen, string(o.ID))
		}
	}
	return c.page(object, q, got, cu), next, nil
}

// listTie gives a page of the rows that share one time, by id (section 8).
func (c *Client) listTie(ctx context.Context, object string, q connectors.Query, cu cursor) (connectors.Page, *cursor, *connectors.Error) {
	modified, size := modifiedField(object), limit(q.Limit, searchLimit)
	answer, e := c.search(ctx, object, newSearch(idField, size, c.ask(object, q.Fields, modified),
		filter{Property: modified, Operator: "EQ", Value: strconv.FormatInt(cu.From, 10)},
		filter{Property: idField, Operator: "GT", Value: cu.Tie}))
	if e != nil {
		return connectors.Page{}, nil, e
	}
	got := answer.Results
	next := &cursor{From: cu.From + 1}
	if len(got) > 0 && (len(got) >= size || answer.Paging.Next.After != "") {
		last := cu.Tie
		for _, o := range got {
			if idLess(last, string(o.ID)) {
				last = string(o.ID)
			}
		}
		if last != cu.Tie {
			next = &cursor{From: cu.From, Seen: cu.Seen, Tie: last}
		}
	}
	return c.page(object, q, got, cu), next, nil
}

// page gives the records of an answer less those given before. A known record
// with a later time than the cursor's has changed since and is given again.
func (c *Client) page(object string, q connectors.Query, got []item, cu cursor) connectors.Page {
	var fresh []item
	for _, o := range got {
		if sortedAt(o, modifiedField(object)) > cu.From || !slices.Contains(cu.Seen, string(o.ID)) {
			fresh = append(fresh, o)
		}
	}
	return connectors.Page{Records: c.distinct(object, fresh, q.Fields)}
}

// sortedAt is the time by which the search sorted a row, in milliseconds.
func sortedAt(o item, modified string) int64 {
	for _, v := range []text{o.Properties[modified], o.UpdatedAt} {
		if t := parseTime(string(v)); !t.IsZero() {
			return t.UnixMilli()
		}
	}
	return time.Time{}.UnixMilli()
}

// idLess compares record ids as the numbers that they are.
func idLess(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

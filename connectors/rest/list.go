package rest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"syncd/connectors"
)

// cursorVersion is raised when the cursor's form changes.
const cursorVersion = 1

// cursor is what Page.Next holds. A token or a URL is the vendor's own. Numbered
// pages over a listing by last change are walked by value and not by number: a
// record that changes meanwhile moves to the end and shifts all others. So each
// step asks for what is at or after the last time seen, less the ids given already
// of that time; numbers are used within one time only, and that time is walked
// again until a walk shows nothing new (CORRECTNESS F62).
type cursor struct {
	V     int      `json:"v"`
	Token string   `json:"t,omitempty"` // the vendor's own token, or the URL of a page
	From  int64    `json:"f,omitempty"` // at or after, in ms
	Seen  []string `json:"s,omitempty"` // given already, of time From
	N     int      `json:"n,omitempty"` // pages or rows of this walk gone by
	Fresh bool     `json:"w,omitempty"` // this walk over one time showed something new
	Pages int      `json:"p,omitempty"` // tokens and URLs: pages gone by
	Same  string   `json:"i,omitempty"` // numbered pages: what the page before held
}

// maxSeen bounds what a cursor remembers: what is forgotten is given twice.
const maxSeen = 5000

const (
	maxIdle  = 20      // pages of a List call that show nothing new, before an empty page is given
	maxPages = 100_000 // of a listing: one that is longer goes round in circles
)

func (cu cursor) encode() string {
	cu.V = cursorVersion
	if len(cu.Seen) > maxSeen {
		cu.Seen = cu.Seen[len(cu.Seen)-maxSeen:]
	}
	b, err := json.Marshal(cu)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(s string) (cursor, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	var cu cursor
	if err != nil || json.Unmarshal(b, &cu) != nil || cu.V != cursorVersion || cu.N < 0 {
		return cursor{}, false
	}
	return cu, true
}

// List pages through what changed at or after q.Since, through everything where it
// is zero, or through the bin.
func (c *Client) List(ctx context.Context, name string, q connectors.Query) (connectors.Page, error) {
	o, e := c.object(ctx, opList, name)
	if e != nil {
		return connectors.Page{}, e
	}
	l := o.list
	if q.Bin {
		l, q.Since = o.bin, time.Time{}
	}
	if l == nil {
		return connectors.Page{}, c.fault(call{op: opList, object: name}, connectors.KindConfig, "the settings name no way to list the bin")
	}
	cu := cursor{}
	if q.Cursor != "" {
		var ok bool
		if cu, ok = decodeCursor(q.Cursor); !ok {
			return connectors.Page{}, c.fault(call{op: opList, object: name}, connectors.KindBug, "not a cursor of this connector")
		}
	} else if !q.Since.IsZero() {
		cu.From = q.Since.UnixMilli()
	}
	for idle := 0; ; idle++ {
		page, next, e := c.step(ctx, o, l, q, cu)
		if e != nil {
			return connectors.Page{}, e
		}
		if next != nil && next.Pages > maxPages {
			return connectors.Page{}, c.fault(call{op: opList, object: name}, connectors.KindBug, "the listing goes round in circles")
		}
		if next == nil || len(page.Records) > 0 || idle >= maxIdle {
			if next != nil {
				page.Next = next.encode()
			}
			return page, nil
		}
		cu = *next
	}
}

// size is how many rows a page is asked for.
func (l *listSpec) size(limit int) int {
	if limit > 0 && l.Paging.SizeKey != "" {
		return min(limit, l.Paging.Size)
	}
	return l.Paging.Size
}

// walksByValue says that pages are found by the last time seen, a listing of
// everything too.
func (l *listSpec) walksByValue() bool {
	return (l.Paging.Style == pageNumber || l.Paging.Style == pageOffset) && l.Order == orderModified
}

// step gives the page that a cursor stands for, and the cursor after it; nil at the end.
func (c *Client) step(ctx context.Context, o *object, l *listSpec, q connectors.Query, cu cursor) (connectors.Page, *cursor, *connectors.Error) {
	k, e := c.listCall(o, l, q, cu)
	if e != nil {
		return connectors.Page{}, nil, e
	}
	got, r := c.get(ctx, k)
	if r != nil {
		if r.is == isEmpty {
			return connectors.Page{}, nil, nil
		}
		return connectors.Page{}, nil, r.err
	}
	rows, ok := l.items.items(got.body)
	if !ok {
		if v, there := l.items.get(got.body); !there || v != nil {
			return connectors.Page{}, nil, c.broken(k, got.res.Status)
		}
	}
	recs := make([]connectors.Record, 0, len(rows))
	for _, raw := range rows {
		if rec, ok := c.record(o, raw, q.Fields); ok && (!q.Bin || rec.Archived) {
			recs = append(recs, rec)
		}
	}
	held := holding(recs)
	if cu.N > 0 && held != "" && held == cu.Same {
		return connectors.Page{}, nil, c.fault(k, connectors.KindConfig, "page after page is the same: the system does not know the key "+l.Paging.Param)
	}
	if l.walksByValue() {
		page, next := l.walk(q, cu, recs, len(rows), got)
		if next != nil && next.N > 0 {
			next.Same = held
		}
		return page, next, nil
	}
	next, e := c.following(k, l, q, cu, len(rows), got)
	if next != nil && next.N > 0 {
		next.Same = held
	}
	recs = slices.DeleteFunc(recs, func(r connectors.Record) bool { return !q.Since.IsZero() && r.Modified.Before(q.Since) })
	if !q.Since.IsZero() && l.Order != orderModified {
		slices.SortStableFunc(recs, byChange)
	}
	return connectors.Page{Records: recs}, next, e
}

// holding says what a page holds, for comparison with the next: its first and last
// id and how many there are.
func holding(recs []connectors.Record) string {
	if len(recs) == 0 {
		return ""
	}
	return recs[0].ID + " " + recs[len(recs)-1].ID + " " + itoa(len(recs))
}

// listCall is the request for a page.
func (c *Client) listCall(o *object, l *listSpec, q connectors.Query, cu cursor) (call, *connectors.Error) {
	k := call{op: opList, object: o.name, shape: o, method: http.MethodGet, path: l.Path, query: fillQuery(l.Query, nil)}
	p := l.Paging
	if cu.Token != "" && (p.Style == pageURL || p.Style == pageLink) {
		next, ok := c.resolved(c.spec.base, cu.Token)
		if !ok {
			return k, c.fault(k, connectors.KindBug, "not a cursor of this connector")
		}
		k.whole, k.query = next, nil // nothing is added to the vendor's own link (section D.1)
		return k, nil
	}
	if !q.Since.IsZero() || l.walksByValue() {
		l.ask(k.query, l.from(q, cu))
	}
	if p.SizeKey != "" {
		k.query.Set(p.SizeKey, itoa(l.size(q.Limit)))
	}
	switch p.Style {
	case pageNumber:
		k.query.Set(p.Param, itoa(p.Start+cu.N))
	case pageOffset:
		k.query.Set(p.Param, itoa(cu.N))
	case pageToken:
		if cu.Token != "" {
			k.query.Set(p.Param, cu.Token)
		}
	}
	if key, v := c.selected(o, l.Select, q.Fields); key != "" {
		k.query.Set(key, v)
	}
	return k, nil
}

// from is the time that is asked for, in the vendor's grain: never later than
// what is meant.
func (l *listSpec) from(q connectors.Query, cu cursor) time.Time {
	at := q.Since
	if l.walksByValue() {
		at = time.UnixMilli(cu.From)
	}
	if l.Since.Granularity > 0 {
		at = at.UTC().Truncate(l.Since.Granularity)
	}
	if l.Since.Bound == boundExclusive {
		at = at.Add(-max(l.Since.Granularity, time.Millisecond))
	}
	return at
}

// ask puts the time into a query.
func (l *listSpec) ask(q url.Values, at time.Time) {
	s := l.since.format(at)
	if l.Since.Param != "" {
		q.Set(l.Since.Param, s)
	}
	for key, v := range fillQuery(l.Since.Query, map[string]string{"since": s}) {
		q[key] = v
	}
}

// last says that a numbered page ends its walk.
func (l *listSpec) last(rows int, q connectors.Query, got answer) bool {
	switch l.Paging.Stop {
	case stopShort:
		return rows < l.size(q.Limit)
	case stopMore:
		return l.more.text(got.body) != "true" || rows == 0
	}
	return rows == 0
}

// grain is the time of a record as the vendor's comparison sees it, in ms.
func (l *listSpec) grain(t time.Time) int64 {
	if l.Since.Granularity > 0 {
		t = t.UTC().Truncate(l.Since.Granularity)
	}
	return t.UnixMilli()
}

// walk gives the fresh records of a page that was found by value, and where to go on.
func (l *listSpec) walk(q connectors.Query, cu cursor, recs []connectors.Record, rows int, got answer) (connectors.Page, *cursor) {
	var fresh []connectors.Record
	for _, r := range recs {
		at := l.grain(r.Modified)
		known := at <= l.grain(time.UnixMilli(cu.From)) && slices.Contains(cu.Seen, r.ID)
		if !known && !r.Modified.Before(q.Since) {
			fresh = append(fresh, r)
		}
	}
	page := connectors.Page{Records: fresh}
	tie := l.grain(time.UnixMilli(cu.From))
	newest := tie
	for _, r := range recs {
		newest = max(newest, l.grain(r.Modified))
	}
	next := &cursor{From: cu.From, Seen: cu.Seen, Fresh: cu.Fresh}
	for _, r := range fresh {
		if at := l.grain(r.Modified); at == tie {
			next.Seen, next.Fresh = append(slices.Clone(next.Seen), r.ID), true
		}
	}
	switch done := l.last(rows, q, got); {
	case newest > tie && cu.N > 0 && next.Fresh: // the tie took several pages: walk it again
		page.Records = slices.DeleteFunc(fresh, func(r connectors.Record) bool { return l.grain(r.Modified) > tie })
		next.N, next.Fresh = 0, false
	case newest > tie && done:
		return page, nil
	case newest > tie:
		next = &cursor{From: newest}
		for _, r := range recs {
			if l.grain(r.Modified) == newest {
				next.Seen = append(next.Seen, r.ID)
			}
		}
	case done && cu.N > 0 && next.Fresh:
		next.N, next.Fresh = 0, false
	case done:
		return page, nil
	default:
		next.N = l.gone(cu.N, rows)
	}
	return page, next
}

// gone is how far a walk is after a page: offsets advance by the rows received,
// since a vendor may clamp the size silently (section D.1).
func (l *listSpec) gone(n, rows int) int {
	if l.Paging.Style == pageOffset {
		return n + rows
	}
	return n + 1
}

// following gives the cursor after a page that is not walked by value.
func (c *Client) following(k call, l *listSpec, q connectors.Query, cu cursor, rows int, got answer) (*cursor, *connectors.Error) {
	p := l.Paging
	switch p.Style {
	case pageNumber, pageOffset:
		if l.last(rows, q, got) {
			return nil, nil
		}
		return &cursor{From: cu.From, N: l.gone(cu.N, rows)}, nil
	case pageToken:
		token := l.next.read(got.res, got.body)
		if token == "" || token == cu.Token { // the same again is a loop
			return nil, nil
		}
		return &cursor{From: cu.From, Token: token, Pages: cu.Pages + 1}, nil
	case pageURL, pageLink:
		ref := nextLink(got.res.Header)
		if p.Style == pageURL {
			ref = l.next.read(got.res, got.body)
		}
		if ref == "" {
			return nil, nil
		}
		at := c.spec.base
		if k.whole != "" {
			if u, err := url.Parse(k.whole); err == nil {
				at = u
			}
		} else if u, err := url.Parse(c.spec.base.String() + k.path); err == nil {
			at = u
		}
		next, ok := c.resolved(at, ref)
		if !ok {
			return nil, c.fault(k, connectors.KindBug, "the next page lies outside of base_url: it is not followed")
		}
		if next == cu.Token {
			return nil, nil
		}
		return &cursor{From: cu.From, Token: next, Pages: cu.Pages + 1}, nil
	}
	return nil, nil
}

package odoo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
)

// How long a page of a listing is.
const (
	listPage = 500
	listMost = 1000
)

// The ways a listing goes on.
const (
	byTime = 't' // everything written at a second or later
	inside = 's' // the rest of one second, by id
	byID   = 'i' // everything, by id
)

// cursor says where a listing goes on. Ties are normal: one batch write gives
// thousands of records one write_date, so a second that holds more than a page
// is paged inside, by id (vendors/odoo.md 6).
type cursor struct {
	mode  rune
	at    int64 // Unix seconds
	after int64 // id
}

// text gives the cursor for Page.Next.
func (k cursor) text() string { return fmt.Sprintf("1.%c.%d.%d", k.mode, k.at, k.after) }

// The first and the last second that Odoo's time text can tell, the last less
// the one that the domain adds.
const (
	firstSecond = -62_135_596_800 // 0001-01-01 00:00:00
	lastSecond  = 253_402_300_798 // 9999-12-31 23:59:58
)

// parseCursor reads what text wrote.
func parseCursor(s string) (cursor, bool) {
	var k cursor
	n, err := fmt.Sscanf(s, "1.%c.%d.%d", &k.mode, &k.at, &k.after)
	ok := err == nil && n == 3 && k.text() == s && strings.ContainsRune("tsi", k.mode) && k.after >= 0 &&
		k.at >= firstSecond && k.at <= lastSecond
	return k, ok
}

// domain gives the search for what the cursor stands before. Always ">=" and
// "<", never ">": from 19 on that skips the rest of a second.
func (k cursor) domain() []any {
	from := []any{fieldWritten, ">=", wireTime(k.at)}
	switch k.mode {
	case byTime:
		return []any{from}
	case inside:
		return []any{from, []any{fieldWritten, "<", wireTime(k.at + 1)}, []any{fieldID, ">", k.after}}
	default:
		return []any{[]any{fieldID, ">", k.after}}
	}
}

// order is the one that fits the domain.
func (k cursor) order() string {
	if k.mode == byTime {
		return "write_date asc, id asc"
	}
	return "id asc"
}

func wireTime(unix int64) string { return time.Unix(unix, 0).UTC().Format(odooTime) }

// List pages through what was written since a time, archived records included,
// by write_date in whole seconds and id; from the beginning of time, by id.
func (c *Client) List(ctx context.Context, object string, q connectors.Query) (connectors.Page, error) {
	const op = "list"
	k := cursor{mode: byID}
	if !q.Since.IsZero() {
		k = cursor{mode: byTime, at: q.Since.Unix()}
	}
	if q.Cursor != "" {
		var ok bool
		if k, ok = parseCursor(q.Cursor); !ok {
			return connectors.Page{}, c.bug(op, object, "the cursor is none of ours")
		}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = listPage
	}
	if _, t := c.whoami(ctx); t != nil {
		return connectors.Page{}, c.ours(op, object, t)
	}
	for {
		records, next, t := c.page(ctx, object, k, q.Fields, min(limit, listMost))
		if t != nil {
			return connectors.Page{}, c.ours(op, object, t)
		}
		if len(records) > 0 || next == nil {
			p := connectors.Page{Records: records}
			if next != nil {
				p.Next = next.text()
			}
			return p, nil
		}
		k = *next
	}
}

// page reads one page and says how to go on, nil at the end. It asks for one
// record more than it gives, so as to know whether the last second is whole.
func (c *Client) page(ctx context.Context, object string, k cursor, fields []string, limit int) ([]connectors.Record, *cursor, *trouble) {
	s, t := c.schemaOf(ctx, object)
	if t != nil {
		return nil, nil, t
	}
	rows, t := c.rows(ctx, searchRead(object, k.domain(), c.wanted(s, fields), k.order(), limit+1))
	if t != nil {
		return nil, nil, t
	}
	records := make([]connectors.Record, 0, len(rows))
	for _, r := range rows {
		if k.mode == byTime || r.id() > k.after {
			records = append(records, c.record(s, r, fields))
		}
	}
	records, next := split(records, k, limit)
	return records, next, nil
}

// split cuts an answer of up to limit+1 records into a page and what follows.
func split(records []connectors.Record, k cursor, limit int) ([]connectors.Record, *cursor) {
	if len(records) <= limit {
		sortByTime(records, k)
		if k.mode == inside {
			return records, &cursor{mode: byTime, at: k.at + 1}
		}
		return records, nil
	}
	if k.mode != byTime {
		records = records[:limit]
		last, _ := parseID(records[limit-1].ID)
		return records, &cursor{mode: k.mode, at: k.at, after: last}
	}
	// The last second may go on after this answer: give what is before it.
	edge := records[limit].Modified.Unix()
	before := slices.DeleteFunc(records, func(r connectors.Record) bool { return r.Modified.Unix() >= edge })
	sortByTime(before, k)
	if len(before) == 0 || edge <= k.at {
		return before, &cursor{mode: inside, at: max(edge, k.at)}
	}
	return before, &cursor{mode: byTime, at: edge}
}

// sortByTime puts a page by time into the contract's order: Odoo sorts by
// microseconds that it does not show.
func sortByTime(records []connectors.Record, k cursor) {
	if k.mode != byTime {
		return
	}
	slices.SortFunc(records, func(a, b connectors.Record) int {
		if n := a.Modified.Compare(b.Modified); n != 0 {
			return n
		}
		x, _ := parseID(a.ID)
		y, _ := parseID(b.ID)
		return int(x - y)
	})
}

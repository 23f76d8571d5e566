package rest

import (
	"time"
)

// listSpec is List made ready.
type listSpec struct {
	List
	items path
	next  source
	more  path
	since clock
}

// Styles of paging, orders of a listing, bounds of a since, stops.
const (
	pageNumber = "page"
	pageOffset = "offset"
	pageToken  = "token"
	pageURL    = "next_url"
	pageLink   = "link"
	pageNone   = "none"

	orderModified = "modified"
	orderID       = "id"
	orderNone     = "none"

	boundInclusive = "inclusive"
	boundExclusive = "exclusive"

	stopShort = "short_page"
	stopEmpty = "empty"
	stopMore  = "more"
)

func (f *faults) listing(key string, set List, at clock, o *object) *listSpec {
	l := &listSpec{List: set}
	if set.Path == "" {
		return l
	}
	f.urlPath(key+".path", set.Path, nil)
	f.queryTemplates(key+".query", set.Query, nil, nil)
	l.items = f.path(key+".items", cmpOr(set.Items, "$"))
	if set.Order == "" {
		f.add(key+".order", "is missing: what the vendor guarantees, modified (oldest change first), id (by what never changes) or none")
	} else {
		f.oneOf(key+".order", set.Order, orderModified, orderID, orderNone)
	}
	f.sinceOf(key+".since", l, at, o)
	f.paging(key+".paging", l)
	switch p := l.Paging.Style; {
	case (p == pageNumber || p == pageOffset) && set.Order == orderNone:
		f.add(key+".order", "%s paging over a listing without an order leaves records out when one changes meanwhile: sort it by query, or use another style", p)
	case (p == pageNumber || p == pageOffset) && set.Order == orderModified && (!o.modified.given || l.Since.Param == "" && len(l.Since.Query) == 0):
		f.add(key+".since", "is missing: %s paging by last change goes on from the last time seen, since a record that changes meanwhile shifts all pages", p)
	}
	return l
}

func (f *faults) sinceOf(key string, l *listSpec, at clock, o *object) {
	s := &l.Since
	l.since = f.clock(key+".time", s.Time, at)
	asked := s.Param != "" || len(s.Query) > 0
	if !asked {
		return
	}
	if s.Param != "" && len(s.Query) > 0 {
		f.add(key, "param and query say the same thing: take one out")
	}
	f.queryTemplates(key+".query", s.Query, []string{"since"}, []string{"since"})
	if !o.modified.given {
		f.add(key, "needs modified: the time by which the vendor compares")
	}
	if s.Bound == "" {
		f.add(key+".bound", "is missing: inclusive (at or after the time asked for) or exclusive (after it)")
	} else {
		f.oneOf(key+".bound", s.Bound, boundInclusive, boundExclusive)
	}
	if s.Granularity == 0 {
		f.add(key+".granularity", "is missing: the grain of the vendor's times, such as 1s or 1ms")
	}
	if s.Granularity < time.Millisecond && s.Granularity != 0 || s.Granularity > 24*time.Hour {
		f.add(key+".granularity", "is not between 1ms and 24h")
		s.Granularity = time.Second
	}
}

func (f *faults) paging(key string, l *listSpec) {
	p := &l.Paging
	if p.Style == "" {
		f.add(key+".style", "is missing: page, offset, token, next_url, link, or none where one answer holds all")
		return
	}
	if !f.oneOf(key+".style", p.Style, pageNumber, pageOffset, pageToken, pageURL, pageLink, pageNone) {
		return
	}
	if p.Size == 0 {
		p.Size = defaultPage
	}
	if p.Size < 1 || p.Size > 10_000 {
		f.add(key+".size", "is not between 1 and 10000")
	}
	if p.Start == 0 && !p.FromZero {
		p.Start = 1
	}
	numbered := p.Style == pageNumber || p.Style == pageOffset
	switch {
	case (numbered || p.Style == pageToken) && p.Param == "":
		f.add(key+".param", "is missing: the query key of the %s", p.Style)
	case (p.Style == pageToken || p.Style == pageURL) && p.Next == "":
		f.add(key+".next", "is missing: where the answer holds what leads to the next page")
	}
	l.next, l.more = f.source(key+".next", p.Next), f.path(key+".more", p.More)
	if numbered {
		p.Stop = cmpOr(p.Stop, stopEmpty)
		f.oneOf(key+".stop", p.Stop, stopShort, stopEmpty, stopMore)
		if (p.Stop == stopMore) != l.more.given {
			f.add(key+".more", "goes with stop: more, and says where the answer tells that there is more")
		}
		if p.Stop == stopShort && p.SizeKey == "" {
			f.add(key+".stop", "short_page needs size_param: a page is short only against a size that was asked for")
		}
	}
}

package odoosim_test

import (
	"fmt"
	"testing"
	"time"

	"syncd/simulator/odoosim"
)

// vendors/odoo.md 4: domain syntax.
func TestDomains(t *testing.T) {
	a := serve(t, odoosim.Options{})
	mk := func(name string, more map[string]any) int64 {
		vals := map[string]any{"name": name}
		for k, v := range more {
			vals[k] = v
		}
		return a.create(partner, vals)
	}
	ann := mk("Ann", map[string]any{"email": "ann@x.io", "country_id": 57, "color": 3})
	bob := mk("bob", map[string]any{"email": "BOB@X.io", "country_id": 75})
	cia := mk("Cia", map[string]any{"vat": "FR_12", "color": 5})
	l := func(f, op string, v any) any { return []any{f, op, v} }
	for i, c := range []struct {
		domain []any
		want   []int64
	}{
		{[]any{}, []int64{ann, bob, cia}},
		{[]any{l("email", "=", "ann@x.io")}, []int64{ann}},
		{[]any{l("email", "!=", "ann@x.io")}, []int64{bob, cia}},
		{[]any{l("email", "=", false)}, []int64{cia}},
		{[]any{l("email", "!=", false)}, []int64{ann, bob}},
		{[]any{l("email", "in", []any{"ann@x.io", "BOB@X.io"})}, []int64{ann, bob}},
		{[]any{l("email", "in", []any{"ann@x.io", false})}, []int64{ann, cia}},
		{[]any{l("email", "not in", []any{"ann@x.io"})}, []int64{bob, cia}},
		{[]any{l("email", "=ilike", "bob@x.IO")}, []int64{bob}},
		{[]any{l("email", "=ilike", "%@x.io")}, []int64{ann, bob}},
		{[]any{l("vat", "=ilike", `fr\_12`)}, []int64{cia}},
		{[]any{l("vat", "=like", "FR_1_")}, []int64{cia}},
		{[]any{l("name", "like", "o")}, []int64{bob}},
		{[]any{l("name", "ilike", "A")}, []int64{ann, cia}},
		{[]any{l("name", "not ilike", "a")}, []int64{bob}},
		{[]any{"|", l("email", "=ilike", "ann@x.io"), l("vat", "=", "FR_12")}, []int64{ann, cia}},
		{[]any{"!", l("email", "=", "ann@x.io")}, []int64{bob, cia}},
		{[]any{"&", l("color", ">", 2), l("color", "<=", 3)}, []int64{ann}},
		{[]any{"|", "|", l("id", "=", ann), l("id", "=", bob), l("id", "=", cia), l("color", ">=", 3)}, []int64{ann, cia}},
		{[]any{l("country_id.code", "=", "DE")}, []int64{ann}},
		{[]any{l("country_id", "=", 75)}, []int64{bob}},
		{[]any{l("country_id", "ilike", "germ")}, []int64{ann}},
		{[]any{l("id", "in", []any{cia, ann, 99})}, []int64{ann, cia}},
		{[]any{l("id", ">", ann), l("id", "<", cia)}, []int64{bob}},
	} {
		sameList(t, fmt.Sprint(i, c.domain), a.search(c.domain, map[string]any{"order": "id asc"}), c.want...)
		same(t, fmt.Sprint(i, " count"), a.must(partner, "search_count", []any{c.domain}, nil), any(float64(len(c.want))))
	}
	for _, bad := range []any{[]any{"&", l("name", "=", "x")}, []any{l("name", "~", "x")}, []any{[]any{"name"}}, "x"} {
		if _, e := a.call(partner, "search", []any{bad}, nil); e == nil {
			t.Errorf("%v passed", bad)
		}
	}
}

// vendors/odoo.md 4: the default order of partners is by name, which breaks paging.
func TestOrderLimitOffset(t *testing.T) {
	a := serve(t, odoosim.Options{})
	b := a.create(partner, map[string]any{"name": "B"})
	c := a.create(partner, map[string]any{"name": "C"})
	x := a.create(partner, map[string]any{"name": "A"})
	sameList(t, "default", a.search([]any{}, nil), x, b, c)
	sameList(t, "id desc", a.search([]any{}, map[string]any{"order": "id desc"}), x, c, b)
	sameList(t, "page", a.search([]any{}, map[string]any{"order": "id", "offset": 1, "limit": 1}), c)
	sameList(t, "page by name", a.search([]any{}, map[string]any{"offset": 2, "limit": 5}), c)
	sameList(t, "beyond", a.search([]any{}, map[string]any{"offset": 7, "limit": 5}))
	sameList(t, "by date", a.search([]any{}, map[string]any{"order": "write_date asc, id asc", "limit": 2}), b, c)
}

// vendors/odoo.md 6: archived rows hide.
func TestActiveTest(t *testing.T) {
	a := serve(t, odoosim.Options{})
	id := a.create(partner, map[string]any{"name": "A"})
	a.must(partner, "action_archive", []any{[]any{id}}, nil)
	sameList(t, "hidden", a.search([]any{}, nil))
	sameList(t, "shown", a.search([]any{}, map[string]any{"context": map[string]any{"active_test": false}}), id)
	sameList(t, "domain on active", a.search([]any{[]any{"active", "=", false}}, nil), id)
	same(t, "read shows it", len(a.must(partner, "read", []any{[]any{id}}, nil).([]any)), 1)
	a.must(partner, "write", []any{[]any{id}, map[string]any{"active": true}}, nil)
	sameList(t, "back", a.search([]any{}, nil), id)
}

// vendors/odoo.md 6: seconds on the wire, microseconds in the table; ">" means
// something else since 19.
func TestComparisonOfWriteDate(t *testing.T) {
	const shown = "2026-11-20 10:00:00" // the row has .123456
	for _, c := range []struct {
		major int
		op    string
		value string
		found bool
	}{
		{17, ">", shown, true}, {18, ">", shown, true}, {19, ">", shown, false}, {20, ">", shown, false},
		{17, ">=", shown, true}, {19, ">=", shown, true},
		{17, "=", shown, false}, {17, "<=", shown, false}, {19, "<=", shown, true},
		{17, "<", "2026-11-20 10:00:01", true}, {19, "<", "2026-11-20 10:00:01", true},
		{17, ">", "2026-11-20", false}, {17, ">=", "2026-11-20", true},
	} {
		k := newClock()
		a := serve(t, odoosim.Options{Major: c.major, Now: k.now})
		a.create(partner, map[string]any{"name": "A"})
		for _, order := range []string{"write_date asc, id asc", "id asc", ""} {
			got := a.search([]any{[]any{"write_date", c.op, c.value}}, map[string]any{"order": order})
			same(t, fmt.Sprint(c.major, c.op, c.value, order), len(got) == 1, c.found)
		}
	}
}

// Paging by write_date sees every row once although rows move on meanwhile.
func TestWriteDateOrderFollowsRewrites(t *testing.T) {
	k := newClock()
	a := serve(t, odoosim.Options{Now: k.now})
	var ids []int64
	for i := range 5 {
		ids = append(ids, a.create(partner, map[string]any{"name": fmt.Sprint(i)}))
		k.add(time.Second)
	}
	a.must(partner, "write", []any{[]any{ids[1]}, map[string]any{"name": "again"}}, nil)
	k.add(time.Second)
	a.must(partner, "unlink", []any{[]any{ids[2]}}, nil)
	by := map[string]any{"order": "write_date asc, id asc"}
	sameList(t, "all", a.search([]any{}, by), ids[0], ids[3], ids[4], ids[1])
	since := []any{[]any{"write_date", ">=", "2026-11-20 10:00:04"}}
	sameList(t, "since", a.search(since, by), ids[4], ids[1])
	sameList(t, "first of it", a.search(since, map[string]any{"order": "write_date, id", "limit": 1}), ids[4])
	inside := []any{[]any{"write_date", ">=", "2026-11-20 10:00:00"}, []any{"id", ">", ids[0]}}
	sameList(t, "by id", a.search(inside, map[string]any{"order": "id asc", "limit": 2}), ids[1], ids[3])
}

// 100k partners stay cheap to look up and to page through.
func TestManyPartners(t *testing.T) {
	const n = 20_000
	a := serve(t, odoosim.Options{})
	for i := range n {
		a.user(partner, map[string]any{"name": fmt.Sprint("P", i), "email": fmt.Sprintf("p%d@x.io", i)})
	}
	var or []any
	var want []int64
	for i := range 100 {
		or = append(or, []any{"email", "=ilike", fmt.Sprintf("P%d@X.io", i*3)})
		want = append(want, int64(11+i*3))
	}
	for range 99 {
		or = append([]any{"|"}, or...)
	}
	sameList(t, "100 emails", a.search(or, map[string]any{"order": "id"}), want...)
	seen, last := 0, int64(0)
	for {
		page := a.search([]any{[]any{"id", ">", last}}, map[string]any{"order": "id", "limit": 500})
		if len(page) == 0 {
			break
		}
		seen, last = seen+len(page), page[len(page)-1]
	}
	same(t, "paged", seen, n)
}

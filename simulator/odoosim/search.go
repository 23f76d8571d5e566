package odoosim

import (
	"math"
	"slices"
	"sort"
	"strings"
	"time"
)

// query is what search(), search_read() and search_count() ask.
type query struct {
	domain        node
	order         string // "" = the model's own
	offset, limit int    // limit 0 = all
}

// hideArchived adds the default condition on active: archived rows are found
// only with active_test=false or a domain that names active (vendors/odoo.md 6).
func (t *tx) hideArchived(m *model, domain any, n node) node {
	f := m.fields[fieldActive]
	if f == nil || t.context["active_test"] == false || namesActive(domain) {
		return n
	}
	return joinAnd(&leaf{path: []*field{f}, field: f, op: "=", value: true}, n)
}

func namesActive(domain any) bool {
	list, _ := domain.([]any)
	for _, item := range list {
		if l, ok := item.([]any); ok && len(l) == 3 && l[0] == fieldActive {
			return true
		}
	}
	return false
}

// search gives the ids of the committed rows that match, in order.
func (t *tx) search(m *model, q query) ([]int64, error) {
	keys, err := m.sortKeys(q.order)
	if err != nil {
		return nil, err
	}
	tb := &m.table
	need := 0
	if q.limit > 0 {
		need = q.offset + q.limit
	}
	var ids []int64
	candidates, few := tb.candidates(q.domain)
	switch {
	case few:
		ids = t.filter(tb, candidates, q.domain, 0)
		t.sort(tb, ids, keys)
	case byID(keys):
		ids = t.filter(tb, tb.ids[tb.fromID(q.domain):], q.domain, need)
	case byWriteDate(keys):
		ids = t.walkDates(tb, q.domain, need)
	default:
		ids = t.filter(tb, tb.ids, q.domain, 0)
		t.sort(tb, ids, keys)
	}
	ids = ids[min(q.offset, len(ids)):]
	if q.limit > 0 {
		ids = ids[:min(q.limit, len(ids))]
	}
	return ids, nil
}

// count is search_count.
func (t *tx) count(m *model, n node) int {
	ids, few := m.table.candidates(n)
	if !few {
		ids = m.table.ids
	}
	return len(t.filter(&m.table, ids, n, 0))
}

// filter keeps the matching rows, the first need of them (0 = all).
func (t *tx) filter(tb *table, ids []int64, n node, need int) []int64 {
	var out []int64
	for _, id := range ids {
		if r := tb.rows[id]; r != nil && n.match(t, r) {
			if out = append(out, id); len(out) == need {
				break
			}
		}
	}
	return out
}

// walkDates goes through the rows in the order of write_date, id.
func (t *tx) walkDates(tb *table, n node, need int) []int64 {
	from, _ := slices.BinarySearchFunc(tb.dates, stamp{at: earliest(n)}, compareStamps)
	var out []int64
	for _, s := range tb.dates[from:] {
		if tb.fresh(s) && n.match(t, tb.rows[s.id]) {
			if out = append(out, s.id); len(out) == need {
				break
			}
		}
	}
	return out
}

// earliest is the lower bound that a domain puts on write_date.
func earliest(n node) int64 {
	low := int64(math.MinInt64)
	for _, x := range conjuncts(n) {
		if at, ok := x.value.(time.Time); ok && x.plain(fieldWriteDate) && (x.op == ">=" || x.op == ">") {
			low = max(low, at.UnixMicro())
		}
	}
	return low
}

// fromID is where the lower bound that a domain puts on id begins.
func (tb *table) fromID(n node) int {
	from := 0
	for _, x := range conjuncts(n) {
		if id, ok := x.value.(int64); ok && x.plain(fieldID) && (x.op == ">=" || x.op == ">") {
			i, _ := slices.BinarySearch(tb.ids, id)
			from = max(from, i)
		}
	}
	return from
}

// plain says that a leaf compares the named field of the row itself.
func (l *leaf) plain(name string) bool { return len(l.path) == 1 && l.field.name == name }

func conjuncts(n node) []*leaf {
	switch x := n.(type) {
	case *leaf:
		return []*leaf{x}
	case andNode:
		var out []*leaf
		for _, y := range x {
			out = append(out, conjuncts(y)...)
		}
		return out
	}
	return nil
}

// candidates gives a small set of ids that holds all matches, if an index
// knows one.
func (tb *table) candidates(n node) (ids []int64, few bool) {
	switch x := n.(type) {
	case *leaf:
		return tb.looked(x)
	case orNode:
		for _, y := range x {
			more, ok := tb.candidates(y)
			if !ok {
				return nil, false
			}
			ids = append(ids, more...)
		}
		return unique(ids), true
	case andNode:
		for _, y := range x {
			if more, ok := tb.candidates(y); ok && (!few || len(more) < len(ids)) {
				ids, few = more, true
			}
		}
	}
	return ids, few
}

// looked finds the rows of a leaf by index.
func (tb *table) looked(l *leaf) ([]int64, bool) {
	if len(l.path) != 1 || !(l.field.indexed || l.field.name == fieldID) {
		return nil, false
	}
	if l.exact != "" {
		return unique(tb.having(l.field.name+foldSuffix, l.exact)), true
	}
	var values []any
	switch {
	case l.op == "=" && l.value != nil:
		values = []any{l.value}
	case l.op == "in" && !l.null:
		for v := range l.set {
			values = append(values, v)
		}
	default:
		return nil, false
	}
	if l.byName() && l.field.kind == kindMany2one {
		return nil, false
	}
	var ids []int64
	for _, v := range values {
		if l.field.name == fieldID {
			if id, ok := v.(int64); ok {
				ids = append(ids, id)
			}
			continue
		}
		ids = append(ids, tb.having(l.field.name, v)...)
	}
	return unique(ids), true
}

func unique(ids []int64) []int64 {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// sortKey is one term of an order.
type sortKey struct {
	field *field
	desc  bool
}

func (m *model) sortKeys(order string) ([]sortKey, error) {
	if order == "" {
		order = m.order
	}
	var keys []sortKey
	for term := range strings.SplitSeq(order, ",") {
		words := strings.Fields(term)
		if len(words) == 0 {
			continue
		}
		f := m.fields[words[0]]
		if f == nil || len(words) > 2 {
			return nil, valueError("Invalid field '%s' on model '%s' for order", words[0], m.name)
		}
		keys = append(keys, sortKey{f, len(words) == 2 && strings.EqualFold(words[1], "desc")})
	}
	return keys, nil
}

func byID(keys []sortKey) bool {
	return len(keys) > 0 && keys[0].field.name == fieldID && !keys[0].desc
}

func byWriteDate(keys []sortKey) bool {
	return len(keys) > 0 && keys[0].field.name == fieldWriteDate && !keys[0].desc &&
		(len(keys) == 1 || keys[1].field.name == fieldID && !keys[1].desc)
}

// sort orders ids; ties stay in the order of ids.
func (t *tx) sort(tb *table, ids []int64, keys []sortKey) {
	type entry struct {
		id   int64
		keys []any
	}
	list := make([]entry, len(ids))
	for i, id := range ids {
		list[i] = entry{id, make([]any, len(keys))}
		for j, k := range keys {
			v := t.value(k.field, tb.rows[id])
			if ref, ok := v.(int64); ok && k.field.kind == kindMany2one {
				v = t.display(k.field.relation, ref)
			}
			list[i].keys[j] = v
		}
	}
	sort.SliceStable(list, func(a, b int) bool {
		for j, k := range keys {
			c := compareValues(list[a].keys[j], list[b].keys[j])
			if k.desc {
				c = -c
			}
			if c != 0 {
				return c < 0
			}
		}
		return list[a].id < list[b].id
	})
	for i, e := range list {
		ids[i] = e.id
	}
}

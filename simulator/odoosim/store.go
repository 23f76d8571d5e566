package odoosim

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// row is one record. A committed row is never changed, only replaced.
type row struct {
	id                   int64
	vals                 map[string]any // stored values; nil is NULL
	created, written     time.Time
	createdBy, writtenBy int64
}

func (r *row) clone() *row {
	c := *r
	c.vals = maps.Clone(r.vals)
	return &c
}

func (r *row) text(name string) string { s, _ := r.vals[name].(string); return s }

// num gives an integer or the id of a many2one, 0 for NULL.
func (r *row) num(name string) int64 { n, _ := r.vals[name].(int64); return n }

func (r *row) flag(name string) bool { b, _ := r.vals[name].(bool); return b }

// key names a row, or with id 0 an external id, across models.
type key struct {
	model string
	id    int64
}

// stamp is an entry of the write_date order.
type stamp struct {
	at int64 // microseconds
	id int64
}

func compareStamps(a, b stamp) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id))
}

// table holds the committed rows of a model and the orders they are found by.
type table struct {
	rows  map[int64]*row
	next  int64   // the id sequence; a rollback does not give ids back
	ids   []int64 // ascending
	dates []stamp // ascending; entries of overwritten versions stay until compacted
	index map[string]map[any][]int64
}

// foldSuffix marks the index of a field's lower-cased values.
const foldSuffix = "~"

// staleStamps is how many outdated stamps are kept before a clean-up.
const staleStamps = 1024

// put replaces the row with an id; nil removes it.
func (tb *table) put(id int64, r *row) {
	old := tb.rows[id]
	for name, byValue := range tb.index {
		unindex(byValue, indexKey(old, name), id)
		if k := indexKey(r, name); k != nil {
			byValue[k] = append(byValue[k], id)
		}
	}
	at, found := slices.BinarySearch(tb.ids, id)
	if r == nil {
		delete(tb.rows, id)
		if found {
			tb.ids = slices.Delete(tb.ids, at, at+1)
		}
		return
	}
	tb.rows[id] = r
	if !found {
		tb.ids = slices.Insert(tb.ids, at, id)
	}
	if old == nil || !old.written.Equal(r.written) {
		tb.stampRow(stamp{r.written.UnixMicro(), id})
	}
}

func (tb *table) stampRow(s stamp) {
	if i, found := slices.BinarySearchFunc(tb.dates, s, compareStamps); !found {
		tb.dates = slices.Insert(tb.dates, i, s)
	}
	if len(tb.dates) > 2*len(tb.rows)+staleStamps {
		tb.dates = slices.DeleteFunc(tb.dates, func(s stamp) bool { return !tb.fresh(s) })
	}
}

// fresh says that a stamp is that of the row's newest version.
func (tb *table) fresh(s stamp) bool {
	r := tb.rows[s.id]
	return r != nil && r.written.UnixMicro() == s.at
}

func unindex(byValue map[any][]int64, k any, id int64) {
	if k == nil {
		return
	}
	left := byValue[k]
	if i := slices.Index(left, id); i >= 0 {
		left = slices.Delete(slices.Clone(left), i, i+1)
	}
	if len(left) == 0 {
		delete(byValue, k)
		return
	}
	byValue[k] = left
}

// indexKey is what a row is indexed by, nil if it is not.
func indexKey(r *row, index string) any {
	if r == nil {
		return nil
	}
	if name, fold := strings.CutSuffix(index, foldSuffix); fold {
		s, ok := r.vals[name].(string)
		if !ok {
			return nil
		}
		return strings.ToLower(s)
	}
	return r.vals[index]
}

// having gives the ids of the committed rows with a value, through an index
// that is built when it is first asked for.
func (tb *table) having(index string, value any) []int64 {
	byValue := tb.index[index]
	if byValue == nil {
		byValue = map[any][]int64{}
		for _, id := range tb.ids {
			if k := indexKey(tb.rows[id], index); k != nil {
				byValue[k] = append(byValue[k], id)
			}
		}
		tb.index[index] = byValue
	}
	return byValue[value]
}

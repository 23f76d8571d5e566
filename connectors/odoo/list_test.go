package odoo

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncd/connectors"
)

// stored is a record as Odoo keeps it: with microseconds that nobody sees.
type stored struct {
	id    int64
	micro int64
}

// served answers a cursor as Odoo would: >= and < on whole seconds, sorted by
// what is stored, times cut to seconds.
func served(rows []stored, k cursor, limit int) []connectors.Record {
	fits := slices.DeleteFunc(slices.Clone(rows), func(r stored) bool {
		sec := r.micro / 1e6
		switch k.mode {
		case byTime:
			return sec < k.at
		case inside:
			return sec != k.at || r.id <= k.after
		default:
			return r.id <= k.after
		}
	})
	slices.SortFunc(fits, func(a, b stored) int {
		if k.mode == byTime {
			return cmp.Or(cmp.Compare(a.micro, b.micro), cmp.Compare(a.id, b.id))
		}
		return cmp.Compare(a.id, b.id)
	})
	var out []connectors.Record
	for _, r := range fits[:min(len(fits), limit+1)] {
		out = append(out, connectors.Record{ID: idText(r.id), Modified: time.Unix(r.micro/1e6, 0).UTC()})
	}
	return out
}

// However the seconds fall together, a listing gives every record once, in the
// contract's order, and ends.
func TestPagingGivesEveryRecordOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.SliceOfN(rapid.Int64Range(0, 4e6), 0, 40).Draw(t, "micros")
		rows := make([]stored, len(micros))
		for i, m := range micros {
			rows[i] = stored{id: int64(i + 1), micro: m}
		}
		limit := rapid.IntRange(1, 10).Draw(t, "limit")
		since := rapid.Int64Range(0, 4).Draw(t, "since")
		k := cursor{mode: byTime, at: since}
		if rapid.Bool().Draw(t, "all") {
			k = cursor{mode: byID}
		}
		var got []string
		first, calls := k, 0
		for next := &k; next != nil; calls++ {
			if calls > 200 {
				t.Fatal("no end")
			}
			parsed, ok := parseCursor(next.text())
			if !ok || parsed != *next {
				t.Fatalf("cursor %q", next.text())
			}
			var page []connectors.Record
			page, next = split(served(rows, parsed, limit), parsed, limit)
			if len(page) > limit {
				t.Fatalf("page of %d", len(page))
			}
			for _, r := range page {
				got = append(got, r.ID)
			}
		}
		var want []string
		all := slices.Clone(rows)
		slices.SortFunc(all, func(a, b stored) int {
			if first.mode == byID {
				return cmp.Compare(a.id, b.id)
			}
			return cmp.Or(cmp.Compare(a.micro/1e6, b.micro/1e6), cmp.Compare(a.id, b.id))
		})
		for _, r := range all {
			if first.mode == byID || r.micro/1e6 >= since {
				want = append(want, idText(r.id))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestCursorsOfOthersAreRefused(t *testing.T) {
	for _, s := range []string{"x", "1.t", "1.x.1.1", "2.t.1.1", "1.t.1.1.1", "1.t.1.-1", "1.t.01.1", "1.t.1.1 "} {
		if k, ok := parseCursor(s); ok {
			t.Errorf("parseCursor(%q) = %+v", s, k)
		}
		c := primed(t, canned{})
		if _, err := c.List(t.Context(), object, connectors.Query{Cursor: s}); connectors.KindOf(err) != connectors.KindBug {
			t.Errorf("List(%q): %v", s, err)
		}
	}
}

// An answer without a result must not end a listing early.
func TestNullIsNoPage(t *testing.T) {
	f := newFake()
	f.answers["res.partner.search_read"] = []string{""}
	c, _ := dial(t, f)
	if _, err := c.List(t.Context(), object, connectors.Query{}); connectors.KindOf(err) != connectors.KindTransient {
		t.Error(err)
	}
}

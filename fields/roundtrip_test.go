package fields

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawRecord draws what a record shows in the columns of a row, and one that
// is none of its own.
func drawRecord(t *rapid.T, r *Row, system string) map[string]string {
	record := map[string]string{"other": "kept"}
	for _, c := range r.ColumnsOf(system) {
		record[c] = values().Draw(t, system+" "+c)
	}
	return record
}

// after gives a record with what was written to it.
func after(record, writes map[string]string) map[string]string {
	out := maps.Clone(record)
	maps.Copy(out, writes)
	return out
}

// roundTrip: a value that is read in one system and written to the other one
// arrives, leaves the rest of the record alone, and comes back as a write of
// nothing: an echo ends after one step (CORRECTNESS F28).
func roundTrip(rows []*Row) func(t *rapid.T) {
	return func(t *rapid.T) {
		r := rows[rapid.IntRange(0, len(rows)-1).Draw(t, "row")]
		from, to := "x", "y"
		if rapid.Bool().Draw(t, "back") {
			from, to = to, from
		}
		if to == r.from { // never written
			from, to = to, from
		}
		source, target := drawRecord(t, r, from), drawRecord(t, r, to)
		value, ok, fault := r.Read(from, source)
		if fault != nil {
			return // it does not flow, and says so
		}
		if !ok {
			t.Fatalf("%s: nothing to read", r.Rev())
		}
		written := after(target, r.Put(to, value, target))
		if got, ok := r.Get(to, written); !ok || got != value {
			t.Fatalf("%s: %q arrives as %q", r.Rev(), value, got)
		}
		if len(written) != len(target) || written["other"] != "kept" {
			t.Fatalf("%s: %q became %q", r.Rev(), target, written)
		}
		echo, _ := r.Get(to, written)
		if w := r.Put(from, echo, source); len(w) != 0 && from != r.from {
			t.Fatalf("%s: the echo of %q writes %q", r.Rev(), source, w)
		}
		if w := r.Put(to, value, written); len(w) != 0 {
			t.Fatalf("%s: %q is written again as %q", r.Rev(), value, w)
		}
	}
}

// sortedRows gives all rows in the order of their fingerprints, so that the
// corpus keeps its meaning.
func sortedRows(t testing.TB) []*Row {
	return slices.SortedFunc(slices.Values(rowsOfAll(t)), func(a, b *Row) int { return strings.Compare(a.Rev(), b.Rev()) })
}

func TestRoundTrip(t *testing.T) { rapid.Check(t, roundTrip(sortedRows(t))) }

// FuzzRoundTrip draws its records from the fuzzer's bytes.
func FuzzRoundTrip(f *testing.F) { f.Fuzz(rapid.MakeFuzz(roundTrip(sortedRows(f)))) }

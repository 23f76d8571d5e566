package flows_test

import (
	"fmt"
	"testing"
	"time"

	"syncd/flows"
	"syncd/store"
)

// BenchmarkRun brings batches through with vendors in memory and the real store:
// what is measured is our own work. ns/op is for one batch.
func BenchmarkRun(b *testing.B) {
	for _, rows := range []int{1, 100} {
		for _, what := range []string{"update", "no change"} {
			b.Run(fmt.Sprintf("%s of %d", what, rows), func(b *testing.B) { benchRun(b, rows, what == "update") })
		}
	}
}

func benchRun(b *testing.B, rows int, update bool) {
	w := newWorld(b)
	e := w.engine("a", nil, func(o *flows.Options) { o.Logger = quiet() })
	for n := range rows {
		w.person(crm, n)
	}
	w.settle(e)
	ids := w.births(crm)
	b.ReportAllocs()
	round := 0
	for b.Loop() {
		b.StopTimer()
		w.clock.advance(20 * time.Minute)
		round++
		if update {
			for _, id := range ids {
				w.edit(crm, id, map[string]string{"city": fmt.Sprint("City ", round)})
			}
		}
		w.forget()
		w.hint(crm, ids...)
		b.StartTimer()
		n, err := e.Run(b.Context(), store.Queue{System: crm, Object: contacts})
		if err != nil || n != rows {
			b.Fatal(n, err)
		}
		b.StopTimer()
		w.settle(e)
		b.StartTimer()
	}
}

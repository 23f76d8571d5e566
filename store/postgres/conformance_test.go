package postgres_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"syncd/store"
	"syncd/store/postgres"
	"syncd/store/postgres/pgtest"
	"syncd/store/storetest"
)

var _ storetest.Store = (*postgres.Store)(nil)

const stressFor = 5 * time.Second

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// open gives a store on a database of its own.
func open(tb testing.TB) *postgres.Store {
	tb.Helper()
	return openAt(tb, pgtest.Copy(tb, migrated))
}

// migrated brings a database up to date and leaves it.
func migrated(dsn string) error {
	s, err := postgres.Open(context.Background(), dsn, postgres.Options{KeyFingerprint: "fp", Replica: "test"})
	if err != nil {
		return err
	}
	return s.Close()
}

func openAt(tb testing.TB, dsn string) *postgres.Store {
	tb.Helper()
	s, err := postgres.Open(context.Background(), dsn, postgres.Options{KeyFingerprint: "fp", Replica: "test"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t) })
}

func TestStress(t *testing.T) {
	storetest.Stress(t, func(t *testing.T) storetest.Store { return open(t) }, stressFor)
}

func BenchmarkStore(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) storetest.Store { return open(b) })
}

// BenchmarkEnqueueParallel measures what many deliveries at once get, 10 hints
// each.
func BenchmarkEnqueueParallel(b *testing.B) {
	const clientsPerCPU, hintsEach = 8, 10
	s := open(b)
	ok(b, s.Register(ctx, systems))
	var next atomic.Int64
	b.SetParallelism(clientsPerCPU)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			first := int(next.Add(hintsEach))
			var hints []store.Hint
			for n := range hintsEach {
				hints = append(hints, store.Hint{System: crm, Object: contacts, RecordID: recordID((first + n) % 10_000), Cause: "webhook"})
			}
			if err := s.Receive(ctx, []store.Receipt{{System: crm, DeliveryKey: recordID(first), Events: hintsEach, Hints: hints}}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(hintsEach*b.N)/b.Elapsed().Seconds(), "hints/s")
}

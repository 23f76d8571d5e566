package daemon

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"syncd/config"
	"syncd/store"
)

// attic is a store that has so many old receipts, and notes when it was asked.
type attic struct {
	Store
	old   int
	began time.Time
	asked []time.Duration
	ages  store.Ages
}

func (a *attic) Prune(_ context.Context, ages store.Ages, most int) (store.Pruned, error) {
	n := min(a.old, most)
	a.old -= n
	a.ages, a.asked = ages, append(a.asked, time.Since(a.began))
	return store.Pruned{Deliveries: n}, nil
}

func TestPruneGoesOnUntilNothingOldIsLeftThenRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attic{old: 2*pruneBatch + 1, began: time.Now()}
		d := &Daemon{Options: Options{
			Config: &config.Config{Store: config.Store{Keep: config.Keep{Deliveries: config.DefaultKeepDeliveries}}},
			Logger: slog.New(slog.DiscardHandler), Rand: func() float64 { return 0.5 },
		}, store: a, metrics: newMetrics(prometheus.NewRegistry(), time.Now)}
		ctx, stop := context.WithTimeout(context.Background(), 2*pruneEvery)
		defer stop()
		d.prune(ctx)
		first := pruneEvery / 2
		want := []time.Duration{first, first + prunePause, first + 2*prunePause, first + 2*prunePause + pruneEvery}
		if len(a.asked) != len(want) {
			t.Fatalf("asked at %v, want %v", a.asked, want)
		}
		for i := range want {
			if a.asked[i] != want[i] {
				t.Errorf("asked at %v, want %v", a.asked, want)
			}
		}
		if a.ages != (store.Ages{Deliveries: 14 * 24 * time.Hour}) {
			t.Errorf("ages %+v", a.ages)
		}
		if got := testutil.ToFloat64(d.metrics.pruned.WithLabelValues("deliveries")); got != 2*pruneBatch+1 {
			t.Errorf("counted %v rows", got)
		}
	})
}

package flows_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/flows"
	"syncd/simulator/hubspotsim"
)

// lagging is a setting: the CRM's token is only searchable, after a while.
func lagging(lag time.Duration) setting {
	return func(w *world) {
		searched(w)
		w.hubs[crm] = hubspotsim.New(hubspotsim.Options{
			Now: w.clock.now, Seed: 1, Token: simToken, PortalID: 62515, PerTenSeconds: -1, SearchPerSecond: -1, SearchLag: lag,
			WebhookURL: "https://syncd.test/" + crm, Deliver: w.deliverer(crm),
		})
		w.t.Cleanup(w.hubs[crm].Close)
	}
}

func TestIndexLagIsMeasured(t *testing.T) {
	for _, c := range []struct{ lag, least, most time.Duration }{
		{0, 0, 5 * time.Second},
		{30 * time.Second, 30 * time.Second, 70 * time.Second},
		{3 * time.Minute, 3 * time.Minute, 7 * time.Minute},
	} {
		t.Run(c.lag.String(), func(t *testing.T) {
			w := newWorld(t, lagging(c.lag))
			e := w.engine("a", nil)
			for range 3 {
				w.nameless(erp)
				w.settle(e)
			}
			if len(w.seen.lags) != 3 || slices.Min(w.seen.lags) < c.least || slices.Max(w.seen.lags) > c.most {
				t.Errorf("measured %v", w.seen.lags)
			}
			if warned := strings.Contains(w.logs.String(), "event=create.lag"); warned != (c.lag > 2*time.Minute) {
				t.Errorf("warned %v", warned)
			}
			w.converged(3)
		})
	}
}

// What never shows is not looked for without end, and counts as what it lacks.
func TestCreateThatIsNeverShownIsGivenUpAndCounted(t *testing.T) {
	w := newWorld(t, lagging(24*time.Hour))
	e := w.engine("a", nil)
	w.nameless(erp)
	if took := w.settle(e); took > 30*time.Minute {
		t.Errorf("looked for it for %v", took)
	}
	if len(w.seen.lags) != 1 || w.seen.lags[0] < 8*time.Minute {
		t.Errorf("measured %v", w.seen.lags)
	}
	w.converged(1)
}

func TestManyCreatesAreSampledAndClassUniqueIsNot(t *testing.T) {
	w := newWorld(t, searched)
	e := w.engine("a", nil, func(o *flows.Options) { o.Rand = func() float64 { return 0.999 } })
	for range 40 {
		w.nameless(erp)
	}
	w.settle(e)
	if n := len(w.seen.lags); n != 10 {
		t.Errorf("%d of 40 creates in a moment were sampled", n)
	}
	w.converged(40)

	u := newWorld(t)
	e = u.engine("a", nil)
	u.nameless(erp)
	u.nameless(crm)
	u.settle(e)
	if len(u.seen.lags) > 0 {
		t.Errorf("class unique was measured: %v", u.seen.lags)
	}
}

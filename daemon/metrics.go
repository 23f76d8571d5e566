package daemon

import (
	"context"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"syncd/connectors"
	"syncd/ratelimit"
	"syncd/store"
)

// metrics are the daemon's own, by the names of UX 7. Labels are configured
// names and fixed words, never record ids.
type metrics struct {
	attempts  *prometheus.CounterVec
	changes   *prometheus.CounterVec
	lag       *prometheus.HistogramVec
	requests  *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	waited    *prometheus.CounterVec
	throttled *prometheus.CounterVec
	authOK    *prometheus.GaugeVec
	lastEvent *prometheus.GaugeVec
	swept     *prometheus.CounterVec
	found     *prometheus.CounterVec
	pruned    *prometheus.CounterVec
	surplus   *prometheus.CounterVec
	indexLag  *prometheus.HistogramVec
	amnesia   *prometheus.CounterVec
	described *prometheus.CounterVec
	suspended *prometheus.GaugeVec
	revisions prometheus.Gauge
	now       func() time.Time
}

func newMetrics(reg *prometheus.Registry, now func() time.Time) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		reg.MustRegister(h)
		return h
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		reg.MustRegister(g)
		return g
	}
	m := &metrics{
		attempts:  counter("syncd_attempts_total", "Tries to bring a record through a flow, by how they ended.", "link", "system", "outcome", "reason"),
		changes:   counter("syncd_changes_total", "Writes to a system, by flow and result.", "link", "flow", "operation", "result"),
		lag:       histogram("syncd_change_lag_seconds", "From the source's change time to the applied write.", prometheus.ExponentialBuckets(0.05, 2, 16), "link", "flow"),
		requests:  counter("syncd_system_requests_total", "Calls to a system, by status class.", "system", "code"),
		latency:   histogram("syncd_system_request_duration_seconds", "Time of calls to a system.", prometheus.ExponentialBuckets(0.005, 2, 14), "system"),
		waited:    counter("syncd_budget_wait_seconds_total", "Time that calls waited for the rate limit.", "system", "lane"),
		throttled: counter("syncd_throttled_total", "Answers that said: too many calls.", "system"),
		authOK:    gauge("syncd_system_auth_ok", "1 while the system takes our credential.", "system"),
		pruned:    counter("syncd_pruned_rows_total", "Rows of old evidence that were deleted.", "kind"),
		lastEvent: gauge("syncd_system_last_sweep_timestamp_seconds", "When a sweep last finished a page.", "system", "object"),
		swept:     counter("syncd_sweep_records_total", "Records that sweeps looked at.", "system", "object"),
		found:     counter("syncd_sweep_hints_total", "Records that sweeps found in a state not seen before.", "system", "object"),
		surplus:   counter("syncd_surplus_total", "Second records of one customer that were flagged for a person.", "link", "system"),
		indexLag:  histogram("syncd_index_lag_seconds", "From a create to the first look-up by reference that shows it.", prometheus.ExponentialBuckets(1, 2, 12), "system", "object"),
		amnesia:   counter("syncd_amnesia_total", "Times that the database was seen to have lost commits.", "link", "evidence"),
		described: counter("syncd_describes_total", "Times that a system was asked what its objects look like.", "system", "result"),
		suspended: gauge("syncd_suspended_rows", "Rows of a link that wait: for a column, or for a plan.", "link", "reason"),
		now:       now,
	}
	m.revisions = gauge("syncd_config_revisions", "Configurations that replicas run side by side.").WithLabelValues()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	buildInfo := gauge("syncd_build_info", "The running build.", "version", "goversion")
	buildInfo.WithLabelValues(Version(), runtime.Version()).Set(1)
	return m
}

// Version is the module version or VCS revision that the binary was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}

func flow(from, to string) string { return from + "_to_" + to }

// Attempt implements flows.Observer.
func (m *metrics) Attempt(link, system string, d store.Disposition, reason string) {
	m.attempts.WithLabelValues(link, system, string(d), reason).Inc()
}

// Wrote implements flows.Observer.
func (m *metrics) Wrote(link, from, to string, op connectors.Op, o connectors.Outcome) {
	m.changes.WithLabelValues(link, flow(from, to), string(op), string(o)).Inc()
}

// Lag implements flows.Observer.
func (m *metrics) Lag(link, from, to string, d time.Duration) {
	m.lag.WithLabelValues(link, flow(from, to)).Observe(d.Seconds())
}

// Swept implements flows.Observer.
func (m *metrics) Swept(system, object string, records, hints int) {
	m.swept.WithLabelValues(system, object).Add(float64(records))
	m.found.WithLabelValues(system, object).Add(float64(hints))
	m.lastEvent.WithLabelValues(system, object).Set(float64(m.now().Unix()))
}

// Surplus implements flows.Observer.
func (m *metrics) Surplus(link, system string) { m.surplus.WithLabelValues(link, system).Inc() }

// IndexLag implements flows.Observer.
func (m *metrics) IndexLag(system, object string, d time.Duration) {
	m.indexLag.WithLabelValues(system, object).Observe(d.Seconds())
}

// Forgot implements flows.Observer.
func (m *metrics) Forgot(link, evidence string) { m.amnesia.WithLabelValues(link, evidence).Inc() }

// SystemOK implements flows.Observer.
func (m *metrics) SystemOK(system string, ok bool) {
	v := 0.0
	if ok {
		v = 1
	}
	m.authOK.WithLabelValues(system).Set(v)
}

// called takes in what the rate limiter saw of one call.
func (m *metrics) called(o ratelimit.Observation) {
	code := "none"
	if o.Status > 0 {
		code = strconv.Itoa(o.Status/100) + "xx"
	}
	if !o.Sent {
		code = "not_sent"
	}
	m.requests.WithLabelValues(o.System, code).Inc()
	m.latency.WithLabelValues(o.System).Observe(o.Took.Seconds())
	m.waited.WithLabelValues(o.System, string(o.Lane)).Add(o.Waited.Seconds())
	if o.Status == 429 {
		m.throttled.WithLabelValues(o.System).Inc()
	}
}

// queueCollector computes the queue's gauges at scrape, so that an age cannot
// get stuck.
type queueCollector struct {
	store interface {
		Queues(ctx context.Context) ([]store.QueueStat, error)
	}
	now    func() time.Time
	rows   *prometheus.Desc
	oldest *prometheus.Desc
}

func newQueueCollector(s Store, now func() time.Time) *queueCollector {
	return &queueCollector{
		store: s, now: now,
		rows:   prometheus.NewDesc("syncd_queue_changes", "Rows of the work queue.", []string{"system", "object", "lane", "state"}, nil),
		oldest: prometheus.NewDesc("syncd_queue_oldest_seconds", "Age of the oldest row that is not parked.", []string{"system", "object", "lane"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(out chan<- *prometheus.Desc) { out <- c.rows; out <- c.oldest }

// scrapeTimeout bounds the queue's query at a scrape.
const scrapeTimeout = 2 * time.Second

// Collect implements prometheus.Collector.
func (c *queueCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	stats, err := c.store.Queues(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(c.rows, err)
		return
	}
	for _, s := range stats {
		lane := strconv.Itoa(int(s.Lane))
		for state, n := range map[string]int{"due": s.Due, "running": s.Running, "waiting": s.Waiting, "parked": s.Parked} {
			out <- prometheus.MustNewConstMetric(c.rows, prometheus.GaugeValue, float64(n), s.System, s.Object, lane, state)
		}
		age := 0.0
		if !s.OldestDue.IsZero() {
			age = max(0, c.now().Sub(s.OldestDue).Seconds())
		}
		out <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, age, s.System, s.Object, lane)
	}
}

func (m *metrics) prunedRows(p store.Pruned) {
	m.pruned.WithLabelValues("deliveries").Add(float64(p.Deliveries))
	m.pruned.WithLabelValues("history").Add(float64(p.History))
	m.pruned.WithLabelValues("trash").Add(float64(p.Trash))
}

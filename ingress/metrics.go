package ingress

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"syncd/connectors"
	"syncd/store"
)

// Results of a delivery, a metric label. The reasons of connectors.Refusal are
// results too.
const (
	resultAccepted      = "accepted"
	resultTooLarge      = "too_large"
	resultUnknownObject = "unknown_object" // taken, but it was about nothing that is configured
	resultMedia         = "refused_media"
	resultOverload      = "overload"
	resultStoreDown     = "store_down"
)

var results = []string{
	resultAccepted, connectors.RefusedSignature, connectors.RefusedStale, connectors.RefusedMalformed, connectors.RefusedAccount,
	resultTooLarge, resultUnknownObject, resultMedia, resultOverload, resultStoreDown,
}

func isResult(s string) bool { return slices.Contains(results, s) }

// viaWebhook is this listener's value of the label via.
const viaWebhook = "webhook"

type metrics struct {
	deliveries *prometheus.CounterVec
	ack        *prometheus.HistogramVec
	lastEvent  *prometheus.GaugeVec
	hints      *prometheus.CounterVec
	unknown    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	return &metrics{
		deliveries: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "syncd_webhook_deliveries_total",
			Help: "Webhook deliveries that knew the secret path, by what became of them.",
		}, []string{"system", "result"})),
		ack: register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "syncd_webhook_ack_duration_seconds",
			Help:    "Time from the headers of a webhook delivery to its answer, in seconds.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"system"})),
		lastEvent: register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "syncd_system_last_event_timestamp_seconds",
			Help: "When a system was last heard of, in seconds since 1970, by how.",
		}, []string{"system", "via"})),
		hints: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "syncd_webhook_hints_total",
			Help: "Hints taken from webhooks, by whether they carry the vendor's mark of our own change.",
		}, []string{"system", "own"})),
		unknown: register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "syncd_webhook_hints_dropped_total",
			Help: "Hints dropped because their object is not configured.",
		}, []string{"system"})),
	}
}

// register gives the collector that is there already if another part of the
// daemon shares it.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	err := r.Register(c)
	var twice prometheus.AlreadyRegisteredError
	if errors.As(err, &twice) {
		if there, ok := twice.ExistingCollector.(C); ok {
			return there
		}
	}
	if err != nil {
		panic(err) // two different metrics of one name: a programmer's mistake, at start
	}
	return c
}

// init makes every series of a system exist from the start. The time of the
// last event is left out until there is one: 1970 would raise an alarm.
func (m *metrics) init(system string) {
	for _, result := range results {
		m.deliveries.WithLabelValues(system, result)
	}
	m.ack.WithLabelValues(system)
	m.hints.WithLabelValues(system, "true")
	m.hints.WithLabelValues(system, "false")
	m.unknown.WithLabelValues(system)
}

// accepted counts a delivery that was committed.
func (m *metrics) accepted(system string, hints []store.Hint, dropped int, now time.Time) {
	for _, h := range hints {
		m.hints.WithLabelValues(system, strconv.FormatBool(h.Own)).Inc()
	}
	m.unknown.WithLabelValues(system).Add(float64(dropped))
	m.lastEvent.WithLabelValues(system, viaWebhook).Set(float64(now.UnixMilli()) / float64(time.Second/time.Millisecond))
}

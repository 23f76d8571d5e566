package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"syncd/connectors"
	"syncd/store"
)

const (
	goodSecret = "0f5a6b7c8d9e0f1a2b3c4d5e6f708192"
	oldSecret  = "ffffffffffffffffffffffffffffffff"
	goodPath   = "/webhooks/crm/" + goodSecret
	oneEvent   = `[{"object":"contacts","id":"7"}]`
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// fakeReceiver takes deliveries whose X-Signature is "good" and whose body is a
// list of events. It stands for a vendor's rules; policy is what it answers by.
type fakeReceiver struct {
	policy connectors.AnswerPolicy

	mu   sync.Mutex
	seen []connectors.Delivery
	at   []time.Time
}

type fakeEvent struct {
	Object, ID, Version string
	Own, Removed        bool
}

func (f *fakeReceiver) Policy() connectors.AnswerPolicy { return f.policy }

func (f *fakeReceiver) Verify(d connectors.Delivery, now time.Time) error {
	f.mu.Lock()
	f.seen, f.at = append(f.seen, d), append(f.at, now)
	f.mu.Unlock()
	switch s := http.Header(d.Header).Get("X-Signature"); s {
	case "good":
		return nil
	case "panic":
		panic("canary in a panic")
	case "odd":
		return io.ErrUnexpectedEOF
	default:
		return &connectors.Refusal{Reason: s, Detail: "canary in a detail"}
	}
}

func (f *fakeReceiver) Parse(d connectors.Delivery) (connectors.Events, error) {
	var events []fakeEvent
	if err := json.Unmarshal(d.Body, &events); err != nil {
		return connectors.Events{}, &connectors.Refusal{Reason: connectors.RefusedMalformed, Detail: "canary"}
	}
	out := connectors.Events{Key: http.Header(d.Header).Get("X-Delivery")}
	for _, e := range events {
		if e.ID == "panic" {
			var none *fakeEvent
			_ = none.ID
		}
		out.Hints = append(out.Hints, connectors.Hint{Object: e.Object, RecordID: e.ID, Version: e.Version, Own: e.Own, Removed: e.Removed})
	}
	return out, nil
}

func (f *fakeReceiver) last() connectors.Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[len(f.seen)-1]
}

func (f *fakeReceiver) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen)
}

// fakeStore keeps groups of receipts. Before it takes one it asks before.
type fakeStore struct {
	before func(receipts []store.Receipt) error

	mu     sync.Mutex
	groups [][]store.Receipt
}

func (f *fakeStore) Receive(_ context.Context, receipts []store.Receipt) error {
	if f.before != nil {
		if err := f.before(receipts); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups = append(f.groups, receipts)
	return nil
}

func (f *fakeStore) receipts() []store.Receipt {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []store.Receipt
	for _, g := range f.groups {
		all = append(all, g...)
	}
	return all
}

// rig is a server with fakes around it.
type rig struct {
	*Server
	receiver *fakeReceiver
	store    *fakeStore
	registry *prometheus.Registry
	log      *bytes.Buffer // read it after the last request only
	woken    chan string
	url      string // of a real listener, set by listen
}

func newRig(change func(*Options)) *rig {
	r := &rig{receiver: &fakeReceiver{}, store: &fakeStore{}, registry: prometheus.NewRegistry(), log: &bytes.Buffer{}, woken: make(chan string, 10_000)}
	o := Options{
		Endpoints: []Endpoint{{
			System: "crm", Secrets: []string{goodSecret, oldSecret, ""}, Receiver: r.receiver,
			Delay:        map[string]time.Duration{"contacts": 2 * time.Second, "companies": 0},
			TrustOwnMark: true, PublicURL: "https://sync.example.com/in/",
		}},
		Store: r.store, Registerer: r.registry,
		Now:     func() time.Time { return noon },
		Logger:  slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Wake:    func(system string) { r.woken <- system },
		TraceID: func() string { return "t1" },
	}
	if change != nil {
		change(&o)
	}
	r.Server = New(o)
	return r
}

// listen serves on a real listener until the test ends.
func (r *rig) listen(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	r.url = "http://" + l.Addr().String()
}

// request is a signed POST of JSON; edit changes it.
func request(method, url, body string, edit ...func(*http.Request)) *http.Request {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Signature", "good")
	for _, e := range edit {
		e(req)
	}
	return req
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// send answers over the real listener; the body must be empty.
func (r *rig) send(t *testing.T, req *http.Request) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); len(body) > 0 && req.Method != http.MethodHead {
		t.Errorf("%d with a body: %q", resp.StatusCode, body)
	}
	for _, name := range []string{"Server", "X-Powered-By", "Content-Type"} {
		if v := resp.Header.Get(name); v != "" {
			t.Errorf("%s: %s", name, v)
		}
	}
	return resp.StatusCode
}

// do answers without a network.
func (r *rig) do(req *http.Request) int {
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, req)
	return w.Code
}

// metric gives a sample's value by its name and label values in order of label
// name, and whether it exists; of a histogram it is the count.
func (r *rig) metric(t *testing.T, name string, labels ...string) (float64, bool) {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if strings.Join(values, "|") != strings.Join(labels, "|") {
				continue
			}
			switch {
			case m.GetCounter() != nil:
				return m.GetCounter().GetValue(), true
			case m.GetGauge() != nil:
				return m.GetGauge().GetValue(), true
			default:
				return float64(m.GetHistogram().GetSampleCount()), true
			}
		}
	}
	return 0, false
}

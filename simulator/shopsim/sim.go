// Package shopsim is a pretend system with a REST API, stateful, in memory and over
// real HTTP. It speaks one of three dialects, those of the profiles that
// connectors/rest ships: a web shop, a plain ERP, and EspoCRM as
// vendors/espocrm.md describes it (comments cite its sections).
package shopsim

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"syncd/simulator"
)

// Dialects of the API.
const (
	Shop  = "shop"
	Plain = "plain"
	Espo  = "espocrm"
)

// Defaults of Options.
const (
	defaultToken    = "shop-token"
	defaultSecret   = "shop-webhook-secret"
	defaultTenant   = "shop-1"
	defaultRetryGap = 200 * time.Millisecond
	hookTimeout     = 5 * time.Second
	hookTries       = 4
	keyWindow       = 24 * time.Hour
	firstNumber     = 1000
	appActor        = "app:syncd"
	userActor       = "user:jane"
)

// Options says which system is played.
type Options struct {
	API   string           // Shop (default), Plain or Espo
	Now   func() time.Time // the clock; nil is time.Now
	Token string           // the credential that the API takes
	// PeopleToken is a credential whose writes count as a person's; "" is none.
	PeopleToken   string
	Tenant        string
	WebhookSecret string
	WebhookURL    string // "" is no webhooks
	// UniqueRef refuses a second record with one syncd_ref; UniqueEmail with one address.
	UniqueRef, UniqueEmail bool
	IgnoreKeys             bool                 // idempotency keys are not kept
	RetryGap               time.Duration        // before the first retry of a webhook, doubling
	Deliver                func(simulator.Post) // gets every webhook request instead of its being sent
	WebhookClient          *http.Client
	Latency                time.Duration
}

// record is one row.
type record struct {
	number   int
	id       string
	object   string
	values   map[string]string
	revision int
	created  time.Time
	updated  time.Time
	by       string // who changed it last
	archived time.Time
	gone     bool
}

// kept is the answer to a create that came with a key.
type kept struct {
	body  string
	at    time.Time
	reply reply
}

// Sim is one pretend system. It is safe for concurrent use.
type Sim struct {
	o      Options
	truth  simulator.Truth
	faults simulator.Faults
	outbox simulator.Outbox
	ctx    context.Context
	stop   context.CancelFunc

	mu      sync.Mutex
	hookURL string
	number  int
	posts   int
	records map[string]*record // by id
	keys    map[string]kept
	events  []event // of the work under way
}

// event is a change that is to be announced.
type event struct {
	rec  record
	what string
}

// New starts a system without records.
func New(o Options) *Sim {
	o.API = cmp.Or(o.API, Shop)
	o.Token = cmp.Or(o.Token, defaultToken)
	o.Tenant = cmp.Or(o.Tenant, defaultTenant)
	o.WebhookSecret = cmp.Or(o.WebhookSecret, defaultSecret)
	o.RetryGap = cmp.Or(o.RetryGap, defaultRetryGap)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.WebhookClient == nil {
		o.WebhookClient = &http.Client{Timeout: hookTimeout}
	}
	s := &Sim{o: o, hookURL: o.WebhookURL, number: firstNumber, records: map[string]*record{}, keys: map[string]kept{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Handler is the API.
func (s *Sim) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Truth is what really happened.
func (s *Sim) Truth() *simulator.Truth { return &s.truth }

// Faults is the script of faults.
func (s *Sim) Faults() *simulator.Faults { return &s.faults }

// Outbox counts the webhook requests that are under way.
func (s *Sim) Outbox() *simulator.Outbox { return &s.outbox }

// Close gives up the webhook retries that are under way.
func (s *Sim) Close() { s.stop() }

// SetWebhookURL changes the target of webhooks, retries included.
func (s *Sim) SetWebhookURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hookURL = url
}

// Object gives the name of the dialect's customers.
func (s *Sim) Object() string {
	if s.o.API == Espo {
		return "Account"
	}
	return "customers"
}

// Get gives the values of a live record.
func (s *Sim) Get(object, id string) (map[string]string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[id]
	if r == nil || r.object != object || r.gone || !r.archived.IsZero() {
		return nil, false
	}
	return maps.Clone(r.values), true
}

// Archived says that a record lies in the bin.
func (s *Sim) Archived(object, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[id]
	return r != nil && r.object == object && !r.gone && !r.archived.IsZero()
}

// All gives every live record of an object by id.
func (s *Sim) All(object string) map[string]map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]map[string]string{}
	for id, r := range s.records {
		if r.object == object && !r.gone && r.archived.IsZero() {
			all[id] = maps.Clone(r.values)
		}
	}
	return all
}

// locked runs a piece of work on the state and, after it, sends the webhooks of
// what it changed.
func (s *Sim) locked(work func()) {
	s.mu.Lock()
	s.events = nil
	work()
	fresh, target := s.events, s.hookURL
	s.events = nil
	s.mu.Unlock()
	if target == "" {
		return
	}
	for _, e := range fresh {
		s.announce(e)
	}
}

// sorted gives the records of an object that fit, by last change, then by number.
func (s *Sim) sorted(object string, grain time.Duration, fits func(*record) bool) []*record {
	var out []*record
	for _, r := range s.records {
		if r.object == object && !r.gone && fits(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *record) int {
		return cmp.Or(a.updated.Truncate(grain).Compare(b.updated.Truncate(grain)), cmp.Compare(a.number, b.number))
	})
	return out
}

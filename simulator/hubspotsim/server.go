// Package hubspotsim is a pretend HubSpot: a stateful HTTP server in memory
// that answers, refuses, forgets and calls back the way the real one does,
// warts included. Every behaviour is written by hand from the facts of
// vendors/hubspot.md, whose section numbers the comments cite. Nothing of the
// vendor's specification is in it.
package hubspotsim

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"syncd/simulator"
)

// Defaults of Options.
const (
	defaultPortal   = 62515
	defaultApp      = 54321
	defaultToken    = "pat-sim"
	defaultSecret   = "sim-client-secret"
	defaultBurst    = 190
	defaultSearches = 5
	defaultRetryGap = 200 * time.Millisecond
	hookTimeout     = 5 * time.Second // vendors/hubspot.md 10: an answer within 5 s
	hookConcurrency = 10              // vendors/hubspot.md 10: requests in flight per account
	uiUser          = "9586504"
	firstID         = 10_000
	longestIDStride = 40
	versionNumber   = "v3"
	versionDate     = "2026-09"
	// versionAssociations is the number version of the association calls.
	versionAssociations = "v4"
	burstInterval       = 10 * time.Second
	searchInterval      = time.Second
	dailyLimit          = 650_000
	maxRequestBodyMB    = 16
)

// Options says which HubSpot account is played. The zero value is an ordinary
// Professional account without webhooks.
type Options struct {
	Now             func() time.Time // the clock; nil is time.Now
	Seed            uint64           // all randomness comes from it
	PortalID, AppID int64
	Token           string // the bearer token that the API accepts
	// PeopleToken is a bearer token whose writes count as a person's in the UI,
	// so that one can play the CRM's user with curl; "" is none.
	PeopleToken  string
	ClientSecret string // signs webhooks
	// APIVersion is "v3" or "2026-09". Both path shapes are always served; it
	// says how a batch that was applied in part is answered: "v3" with status
	// 207, "2026-09" with the normal status and an errors member
	// (vendors/hubspot.md 1, difference a).
	APIVersion string
	// PerTenSeconds and SearchPerSecond are rolling windows; 0 is the default
	// of 190 and 5, negative means no limit (vendors/hubspot.md 7).
	PerTenSeconds, SearchPerSecond int
	SearchLag                      time.Duration // how late the search index is (vendors/hubspot.md 8)
	// NewIDOnMerge mints a new id for a merged record; otherwise the primary id
	// stays. Both exist in the field (vendors/hubspot.md 9).
	NewIDOnMerge bool
	// ArchivedBlocksUnique keeps a custom unique value of an archived record
	// taken. Unknown of the real one, so both can be played. The e-mail of an
	// archived contact is free in either case.
	ArchivedBlocksUnique bool
	Latency              time.Duration        // added to every answer
	WebhookURL           string               // "" is no webhooks; exactly this text is signed
	WebhookClient        *http.Client         // nil is one with a timeout of 5 s
	RetryGap             time.Duration        // before the first retry of a webhook, doubling; 0 is 200 ms
	Deliver              func(simulator.Post) // gets every webhook request instead of its being sent
	Subscriptions        []string             // properties with a propertyChange subscription; nil is all
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.PortalID = cmp.Or(o.PortalID, defaultPortal)
	o.AppID = cmp.Or(o.AppID, defaultApp)
	o.Token = cmp.Or(o.Token, defaultToken)
	o.ClientSecret = cmp.Or(o.ClientSecret, defaultSecret)
	o.APIVersion = cmp.Or(o.APIVersion, versionNumber)
	o.PerTenSeconds = cmp.Or(o.PerTenSeconds, defaultBurst)
	o.SearchPerSecond = cmp.Or(o.SearchPerSecond, defaultSearches)
	o.RetryGap = cmp.Or(o.RetryGap, defaultRetryGap)
	if o.WebhookClient == nil {
		o.WebhookClient = &http.Client{Timeout: hookTimeout}
	}
	return o
}

// Sim is one pretend HubSpot account. It is safe for concurrent use.
type Sim struct {
	o       Options
	truth   simulator.Truth
	faults  simulator.Faults
	outbox  simulator.Outbox
	dice    *dice
	app     *actor // the API client
	user    *actor // the vendor's own person
	ctx     context.Context
	stop    context.CancelFunc
	sending chan struct{}

	mu       sync.Mutex
	tables   map[string]*table
	burst    window
	searches window
	denied   map[string]bool
	hookURL  string
	events   []event // append-only
	subs     map[string]int64
	watched  map[string]bool // nil: every property
}

// actor is somebody who writes: as the truth names him, and as webhooks do.
type actor struct {
	name, source, sourceID string
}

// New starts an account with the standard objects and no records.
func New(o Options) *Sim {
	o = o.withDefaults()
	app := strconv.FormatInt(o.AppID, 10)
	s := &Sim{
		o:       o,
		dice:    newDice(o.Seed),
		app:     &actor{name: "app:" + app, source: "INTEGRATION", sourceID: app},
		user:    &actor{name: "user:" + uiUser, source: "CRM_UI", sourceID: "userId:" + uiUser},
		sending: make(chan struct{}, hookConcurrency),
		tables:  map[string]*table{},
		denied:  map[string]bool{},
		subs:    map[string]int64{},
		hookURL: o.WebhookURL,
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if o.Subscriptions != nil {
		s.watched = map[string]bool{}
		for _, name := range o.Subscriptions {
			s.watched[name] = true
		}
	}
	for _, kind := range kinds() {
		s.tables[kind.name] = newTable(kind, s.now())
	}
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

// DenyScope takes a scope away from the token: calls that need it get 403
// MISSING_SCOPES (vendors/hubspot.md 2).
func (s *Sim) DenyScope(scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied[scope] = true
}

// AllowScope gives a scope back.
func (s *Sim) AllowScope(scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.denied, scope)
}

// Get gives the properties of a live record under its own id.
func (s *Sim) Get(object, id string) (map[string]string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table(object)
	if t == nil {
		return nil, false
	}
	r := t.byID[id]
	if r == nil || r.hidden() {
		return nil, false
	}
	return t.full(r.now), true
}

// All gives every live record of an object by id.
func (s *Sim) All(object string) map[string]map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]map[string]string{}
	t := s.table(object)
	if t == nil {
		return all
	}
	for _, r := range t.order {
		if !r.hidden() {
			all[r.id] = t.full(r.now)
		}
	}
	return all
}

func (s *Sim) now() time.Time { return s.o.Now() }

// table finds an object by any of its names; nil if there is none.
func (s *Sim) table(object string) *table {
	if t := s.tables[object]; t != nil {
		return t
	}
	for t := range maps.Values(s.tables) {
		if object == t.kind.typeID || object == t.kind.singular {
			return t
		}
	}
	return nil
}

// locked runs a piece of work on the account's state and, after it, sends the
// webhooks of what it changed.
func (s *Sim) locked(work func()) {
	s.mu.Lock()
	seen := len(s.events)
	work()
	fresh := s.events[seen:len(s.events):len(s.events)]
	target := s.hookURL
	s.mu.Unlock()
	if target != "" && len(fresh) > 0 {
		s.announce(fresh)
	}
}

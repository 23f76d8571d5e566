// Package odoosim is a pretend Odoo: an in-memory HTTP server that answers as
// Odoo 17 to 20 do, warts included. Facts are from vendors/odoo.md; comments
// name the section they follow. The demo, the tests and the benchmarks use it.
package odoosim

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"syncd/simulator"
)

// Defaults of Options.
const (
	DefaultMajor    = 17
	DefaultDatabase = "acme"
	DefaultLogin    = "syncd"
	DefaultAPIKey   = "sim-key"
	DefaultBotUID   = 7
	// PeopleUID is the user that the vendor's own people act as.
	PeopleUID = 2
	// HookTimeout is how long Odoo waits for a webhook receiver (vendors/odoo.md 11).
	HookTimeout = time.Second
)

// Options configure a Sim; the zero value is a quiet Odoo 17.
type Options struct {
	Now      func() time.Time // clock; nil = time.Now
	Seed     uint64           // of all randomness
	Major    int              // 17 and 18 speak JSON-RPC only; 19 and 20 JSON-2 as well
	Database string
	Login    string
	APIKey   string
	BotUID   int64 // the uid of Login
	// PeopleKey is a key with which JSON-RPC calls act as PeopleUID, so that one
	// can play the ERP's user with curl; "" is none.
	PeopleKey string

	Latency    time.Duration // added to every request
	PerSecond  int           // requests per second before a proxy's 429; 0 = no limit
	CloseConns bool          // "Connection: close" on every answer, as with workers=0

	// WebhookURL is the base that rules post below: "/partner/save",
	// "/partner/unlink", "/product/save", "/product/unlink".
	WebhookURL    string
	WebhookClient *http.Client         // nil = a client with the vendor's 1 s timeout
	Deliver       func(simulator.Post) // called for every post instead of sending it
	Blocking      bool                 // the saving call waits for the receiver, as in real Odoo
	// WatchFields are the rule's trigger_field_ids; nil = the usual mapped
	// fields and every x_ field but x_syncd_ref and QuietFields.
	WatchFields []string
	QuietFields []string
	IgnoreBot   bool // filter_domain write_uid != bot on the save rule
	TriggerAll  bool // no trigger_field_ids: 14 posts per create (vendors/odoo.md 11)
	// CommitDelay is the time between a post and the commit it announces.
	CommitDelay time.Duration
}

// Sim is a pretend Odoo. It is safe for concurrent use.
type Sim struct {
	o      Options
	truth  simulator.Truth
	faults simulator.Faults
	outbox simulator.Outbox
	client *http.Client
	slots  chan struct{} // bounds webhook posts under way

	mu        sync.Mutex
	committed *sync.Cond // some transaction left its post phase
	rng       *rand.Rand
	models    map[string]*model
	locked    map[key]*tx // rows of transactions that have not committed yet
	forbidden map[string]bool
	conflicts int
	hookURL   string
	posts     []simulator.Post
	second    int64 // of the rate limit's window
	inSecond  int
}

// postSlots is how many webhook posts are under way at most.
const postSlots = 8

// New makes an Odoo with countries, users and no business records.
func New(o Options) *Sim {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Major == 0 {
		o.Major = DefaultMajor
	}
	if o.Database == "" {
		o.Database = DefaultDatabase
	}
	if o.Login == "" {
		o.Login = DefaultLogin
	}
	if o.APIKey == "" {
		o.APIKey = DefaultAPIKey
	}
	if o.BotUID == 0 {
		o.BotUID = DefaultBotUID
	}
	s := &Sim{
		o:         o,
		client:    o.WebhookClient,
		slots:     make(chan struct{}, postSlots),
		rng:       rand.New(rand.NewPCG(o.Seed, o.Seed^0x9e3779b97f4a7c15)),
		models:    map[string]*model{},
		locked:    map[key]*tx{},
		forbidden: map[string]bool{},
		hookURL:   o.WebhookURL,
	}
	if s.client == nil {
		s.client = &http.Client{
			Timeout:   HookTimeout,
			Transport: &http.Transport{MaxIdleConnsPerHost: postSlots},
		}
	}
	s.committed = sync.NewCond(&s.mu)
	s.define()
	s.seed()
	return s
}

// Truth is what really happened in this Odoo.
func (s *Sim) Truth() *simulator.Truth { return &s.truth }

// Faults is the fault script of this Odoo's API.
func (s *Sim) Faults() *simulator.Faults { return &s.faults }

// Outbox tells whether webhook posts are under way.
func (s *Sim) Outbox() *simulator.Outbox { return &s.outbox }

// SetWebhookURL points the rules to another receiver; "" switches them off
// unless Options.Deliver is set.
func (s *Sim) SetWebhookURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hookURL = url
}

// Posts gives every webhook post ever made, oldest first, phantoms included.
func (s *Sim) Posts() []simulator.Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// ConflictNextLoads makes the next n load() calls lose a race: they answer
// "could not serialize access due to concurrent update" (vendors/odoo.md 7).
func (s *Sim) ConflictNextLoads(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conflicts = n
}

// Operations that Forbid knows.
const (
	OpRead   = "read"
	OpWrite  = "write"
	OpCreate = "create"
	OpUnlink = "unlink"
)

// Forbid takes rights on a model away from the API user: the operations answer
// AccessError as in vendors/odoo.md 5. Without operations it gives all back.
func (s *Sim) Forbid(model string, ops ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(ops) == 0 {
		for _, op := range []string{OpRead, OpWrite, OpCreate, OpUnlink} {
			delete(s.forbidden, model+" "+op)
		}
	}
	for _, op := range ops {
		s.forbidden[model+" "+op] = true
	}
}

// now is the transaction clock: microseconds, as PostgreSQL keeps them.
func (s *Sim) now() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }

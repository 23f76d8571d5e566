// Package odoo connects syncd to Odoo 16 and later, by JSON-2 where the server
// has it and by JSON-RPC elsewhere. Creates go through load() with an external
// id made of syncd's token, which Odoo keeps unique; updates go through write()
// and load(). Facts are those of vendors/odoo.md, sections in brackets there.
package odoo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"syncd/connectors"
)

// Defaults of a Config.
const (
	DefaultModule     = "syncd"
	DefaultTokenField = "x_syncd_ref"
)

// What one call may hold, and how Odoo behaves (vendors/odoo.md 6, 11, 12).
const (
	readBatch    = 200
	writeBatch   = 100
	rereadDelay  = 2 * time.Second
	sweepOverlap = 5 * time.Minute
)

// Between a load that met a conflict and its repeat lies a random pause.
const (
	minPause = 200 * time.Millisecond
	maxPause = 1200 * time.Millisecond
)

// Config says which Odoo database to talk to, and as whom.
type Config struct {
	System   string
	URL      string // https://erp.example.com
	Database string
	Login    string
	APIKey   func() string
	// Module is the first half of every external id that syncd gives. It must
	// not be the name of an installed module (vendors/odoo.md 7).
	Module string
	// TokenField is the custom char field that shows the token on a record.
	TokenField string
	// Models maps the word of a webhook URL to the model it speaks of.
	Models map[string]string
	Now    func() time.Time
	// Pause waits before a conflicting load is repeated.
	Pause func(ctx context.Context, d time.Duration)
	// Rand gives numbers in [0, 1).
	Rand func() float64
}

// Client is the connector. It is safe for concurrent use.
type Client struct {
	c    Config
	base *url.URL
	hc   *http.Client
	next atomic.Int64 // ids of JSON-RPC calls

	mu      sync.Mutex // guards what follows; never held over a call
	server  server
	uid     int64
	schemas map[string]schema
}

var (
	_ connectors.Connector = (*Client)(nil)
	_ connectors.Receiver  = (*Receiver)(nil)
)

// Names that go into requests as they are.
var (
	moduleName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	customName = regexp.MustCompile(`^x_[a-z0-9_]{1,60}$`)
	modelName  = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$`)
)

// New gives a client for a configuration. It makes no call.
func New(c Config, hc *http.Client) (*Client, error) {
	c = c.withDefaults()
	base, err := url.Parse(strings.TrimRight(c.URL, "/"))
	switch {
	case err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http"):
		return nil, errors.New("odoo: url must look like https://erp.example.com")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("odoo: url must hold neither credentials nor a query")
	case c.Database == "" || c.Login == "" || c.APIKey == nil:
		return nil, errors.New("odoo: database, login and API key are required")
	case !moduleName.MatchString(c.Module):
		return nil, fmt.Errorf("odoo: module %q: letters, digits and _ only", c.Module)
	case !customName.MatchString(c.TokenField):
		return nil, fmt.Errorf("odoo: token field %q: must be x_ and lower-case letters, digits or _", c.TokenField)
	case hc == nil:
		return nil, errors.New("odoo: no HTTP client")
	}
	return &Client{c: c, base: base, hc: hc, schemas: map[string]schema{}}, nil
}

// withDefaults fills in what may be left out.
func (c Config) withDefaults() Config {
	if c.Module == "" {
		c.Module = DefaultModule
	}
	if c.TokenField == "" {
		c.TokenField = DefaultTokenField
	}
	if len(c.Models) == 0 {
		c.Models = map[string]string{"partner": "res.partner", "product": "product.product"}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Float64
	}
	if c.Pause == nil {
		c.Pause = sleep
	}
	return c
}

// sleep waits, or gives up with the context.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// jitter gives the length of a pause.
func (c *Client) jitter() time.Duration {
	return minPause + time.Duration(c.c.Rand()*float64(maxPause-minPause))
}

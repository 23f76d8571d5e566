// Package rest is the connector to any REST API that answers JSON: what the
// vendor is like stands in its Settings, shipped as profiles or written by the
// operator. It follows vendors/http-conventions.md; "section X" in comments is a
// section of that page. What Settings cannot say is refused when they are read.
package rest

import (
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"syncd/connectors"
)

// Config is one system ready to be connected.
type Config struct {
	System   string // configured name, for errors
	Settings Settings
	Now      func() time.Time
}

// Client is the calling side of the connector.
type Client struct {
	system string
	spec   *spec
	hc     *http.Client
	now    func() time.Time
	auth   authorizer
	locks  *lockCache

	mu      sync.RWMutex
	fetched map[string]map[string]field // per object, from the schema call of the last Probe
	actor   string
}

var _ connectors.Connector = (*Client)(nil)

// New gives a client over hc, which should come from wire.NewClient.
func New(c Config, hc *http.Client) (*Client, error) {
	s, faults := compile(c.Settings)
	if len(faults) > 0 {
		return nil, faults.err()
	}
	if hc == nil {
		return nil, errors.New("system " + c.System + ": no HTTP client")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Client{
		system: c.System, spec: s, hc: hc, now: c.Now, auth: newAuthorizer(s, hc, c.Now),
		locks: newLockCache(maxLocks), fetched: map[string]map[string]field{},
	}, nil
}

// SettingError is one thing that Settings cannot mean.
type SettingError struct {
	Key string // dotted: objects.customers.list.paging
	Msg string
}

// Error gives key and message.
func (f SettingError) Error() string { return f.Key + ": " + f.Msg }

// Faults is all that is wrong with Settings.
type Faults []SettingError

func (f Faults) err() error {
	var all []error
	for _, one := range f {
		all = append(all, one)
	}
	return errors.Join(all...)
}

// Check says everything that is wrong with Settings, in a fixed order.
func (s Settings) Check() Faults {
	_, faults := compile(s)
	return faults
}

// sameOrigin says that a URL stays where our credential may go.
func sameOrigin(base, other *url.URL) bool {
	return other.Scheme == base.Scheme && other.Host == base.Host && other.User == nil
}

// Package hubspot is the connector to HubSpot's CRM: contacts, companies,
// deals, tickets, products, line items and custom objects over the batch calls
// of the object API, and the webhook side with its signatures. It follows
// vendors/hubspot.md; "section n" in comments is a section of that page.
package hubspot

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"syncd/connectors"
)

// Defaults of Config.
const (
	DefaultBaseURL    = "https://api.hubapi.com"
	DefaultAPIVersion = Version2026
	DefaultTokenField = "syncd_ref"
)

// API versions that the connector speaks (section 1).
const (
	VersionV3   = "v3"
	Version2026 = "2026-09"
)

// Signature schemes of webhooks (section 11).
const (
	SignatureV3 = "v3"
	SignatureV1 = "v1"
)

// Sizes and times, sections 3, 7 and 8.
const (
	batchSize     = 100              // inputs of every object batch
	listLimit     = 100              // records on a page of the plain list
	searchLimit   = 200              // records on a page of a search
	maxSearchBody = 3000             // characters of a search's body
	overlap       = 5 * time.Minute  // how far a sweep looks back
	indexLag      = 2 * time.Minute  // no bound is given; seconds were seen
	settle        = 5 * time.Minute  // longest late delivery of a request of ours
	lockedWait    = 2 * time.Second  // 423: locked by a heavy write
	burstWait     = 10 * time.Second // 429 TEN_SECONDLY_ROLLING
	secondWait    = time.Second      // 429 SECONDLY
)

// idPattern is what a record id looks like; nothing else reaches a URL (S4).
var idPattern = regexp.MustCompile(`^[0-9]{1,20}$`)

// namePattern is what an object or property name looks like.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// Config is one HubSpot account as an operator describes it (section 12.1).
type Config struct {
	System     string        // configured name, for errors
	BaseURL    string        // "" means DefaultBaseURL
	APIVersion string        // VersionV3 or Version2026; "" means DefaultAPIVersion
	Token      func() string // bearer token; asked for at every call
	PortalID   string        // account; "" takes the one that Probe finds
	AppID      string        // our app, the mark of own changes; "" if unknown
	Secrets    []string      // client secrets for webhook signatures, several while rotating
	Signature  string        // SignatureV3 (default) or SignatureV1; never falls back
	TokenField string        // custom property for syncd's token; "" means DefaultTokenField
	Objects    []string      // objects that webhooks may speak of
	Now        func() time.Time
}

// withDefaults fills what is empty and checks the rest.
func (c Config) withDefaults() (Config, error) {
	if c.BaseURL == "" {
		c.BaseURL = DefaultBaseURL
	}
	if c.APIVersion == "" {
		c.APIVersion = DefaultAPIVersion
	}
	if c.TokenField == "" {
		c.TokenField = DefaultTokenField
	}
	if c.Signature == "" {
		c.Signature = SignatureV3
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	u, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return c, fmt.Errorf("system %q: base_url is no http(s) URL", c.System)
	case c.APIVersion != VersionV3 && c.APIVersion != Version2026:
		return c, fmt.Errorf("system %q: api_version %q: want %q or %q", c.System, c.APIVersion, VersionV3, Version2026)
	case c.Signature != SignatureV3 && c.Signature != SignatureV1:
		return c, fmt.Errorf("system %q: signature %q: want %q or %q", c.System, c.Signature, SignatureV3, SignatureV1)
	case !namePattern.MatchString(c.TokenField):
		return c, fmt.Errorf("system %q: token_field %q is no property name", c.System, c.TokenField)
	case c.PortalID != "" && !idPattern.MatchString(c.PortalID):
		return c, fmt.Errorf("system %q: portal_id %q is no number", c.System, c.PortalID)
	case c.AppID != "" && !idPattern.MatchString(c.AppID):
		return c, fmt.Errorf("system %q: app_id %q is no number", c.System, c.AppID)
	}
	return c, nil
}

// Client is the calling side of the connector.
type Client struct {
	cfg Config
	hc  *http.Client

	mu     sync.RWMutex
	schema map[string]map[string]property // per object, from the last Probe
	zone   *time.Location                 // the account's, from the last Probe
}

var _ connectors.Connector = (*Client)(nil)

// New gives a client over hc, which should come from wire.NewClient.
func New(c Config, hc *http.Client) (*Client, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if c.Token == nil {
		return nil, fmt.Errorf("system %q: no token", c.System)
	}
	if hc == nil {
		return nil, fmt.Errorf("system %q: no HTTP client", c.System)
	}
	return &Client{cfg: c, hc: hc, schema: map[string]map[string]property{}}, nil
}

// objectsPath is the path of an object's records and what follows it.
func (c *Client) objectsPath(object string, rest ...string) string {
	return c.path("/crm/v3/objects/", "/crm/objects/"+Version2026+"/", object, rest)
}

// propertiesPath is the path of an object's properties and what follows it.
func (c *Client) propertiesPath(object string, rest ...string) string {
	return c.path("/crm/v3/properties/", "/crm/properties/"+Version2026+"/", object, rest)
}

// accountPath has no number version (section 1).
const accountPath = "/account-info/" + Version2026 + "/details"

// path picks the version's prefix and escapes every part that follows.
func (c *Client) path(v3, dated, object string, rest []string) string {
	p := dated
	if c.cfg.APIVersion == VersionV3 {
		p = v3
	}
	p += url.PathEscape(object)
	for _, r := range rest {
		p += "/" + url.PathEscape(r)
	}
	return p
}

// modifiedField is the property that holds the last change (section 5).
func modifiedField(object string) string {
	if object == "contacts" || object == "0-1" {
		return "lastmodifieddate"
	}
	return "hs_lastmodifieddate"
}

// objectNames is the other names of the standard objects: in events, in paths
// and as type id (section 1).
var objectNames = []struct{ plural, singular, typeID, group string }{
	{"contacts", "contact", "0-1", "contactinformation"},
	{"companies", "company", "0-2", "companyinformation"},
	{"deals", "deal", "0-3", "dealinformation"},
	{"tickets", "ticket", "0-5", "ticketinformation"},
	{"products", "product", "0-7", "productinformation"},
	{"line_items", "line_item", "0-8", "lineiteminformation"},
}

// plural gives the usual name of a standard object that is named by its type
// id or by its singular, and any other name as it is.
func plural(object string) string {
	for _, n := range objectNames {
		if object == n.typeID || object == n.singular {
			return n.plural
		}
	}
	return object
}

// takesUnique says that the vendor can keep a property of the object unique:
// not on products (section 5), and line items are not in its list either.
func takesUnique(object string) bool {
	p := plural(object)
	return p != "products" && p != "line_items"
}

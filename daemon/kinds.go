package daemon

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"time"

	"syncd/config"
	"syncd/connectors"
	"syncd/connectors/hubspot"
	"syncd/connectors/odoo"
	"syncd/connectors/rest"
	"syncd/connectors/wire"
	"syncd/ratelimit"
	"syncd/secret"
)

// HubSpotSettings are the keys of a system of kind hubspot.
type HubSpotSettings struct {
	Token                secret.Secret `yaml:"token"`
	ClientSecret         secret.Secret `yaml:"client_secret"`
	PreviousClientSecret secret.Secret `yaml:"previous_client_secret"`
	PortalID             string        `yaml:"portal_id"`
	AppID                string        `yaml:"app_id"`
	APIVersion           string        `yaml:"api_version"`
	Signature            string        `yaml:"signature"`
	BaseURL              string        `yaml:"base_url"`
	TokenField           string        `yaml:"token_field"`
}

// OdooSettings are the keys of a system of kind odoo.
type OdooSettings struct {
	URL        string        `yaml:"url"`
	Database   string        `yaml:"database"`
	Login      string        `yaml:"login"`
	APIKey     secret.Secret `yaml:"api_key"`
	TokenField string        `yaml:"token_field"`
	Module     string        `yaml:"module"`
}

// Validate says which key a HubSpot cannot be reached without.
func (s *HubSpotSettings) Validate() error {
	return errors.Join(
		required("token", s.Token.Empty(), "the access token of the app, as {env: NAME} or {file: path}"),
		required("client_secret", s.ClientSecret.Empty(), "the app's client secret, which checks the signatures of webhooks"),
	)
}

// Validate says which key an Odoo cannot be reached without.
func (s *OdooSettings) Validate() error {
	return errors.Join(
		required("url", s.URL == "", "where the Odoo answers, such as https://erp.example.com"),
		required("database", s.Database == "", "the name of its database"),
		required("login", s.Login == "", "the login of syncd's own user"),
		required("api_key", s.APIKey.Empty(), "that user's API key, as {env: NAME} or {file: path}"),
	)
}

// RestSettings are the keys of a system of kind rest: what its profile says, and
// over it what the file says.
type RestSettings struct {
	From          config.Profile `yaml:"profile,omitempty"`
	rest.Settings `yaml:",inline"`
}

// Profile gives the text of a profile that comes with syncd.
func (s *RestSettings) Profile(name string) ([]byte, bool) { return rest.Profile(name) }

// Profiles names them.
func (s *RestSettings) Profiles() []string { return rest.Profiles() }

// Validate says everything that a REST system cannot mean, each at its key.
func (s *RestSettings) Validate() error {
	var all []error
	for _, f := range s.Check() {
		all = append(all, &config.KeyError{Key: f.Key, Msg: f.Msg})
	}
	return errors.Join(all...)
}

func required(key string, missing bool, what string) error {
	if !missing {
		return nil
	}
	return &config.KeyError{Key: key, Msg: "is required: " + what}
}

// Kinds gives a fresh settings struct per kind of connector: what config
// decodes a system's own keys into.
func Kinds() map[string]func() any {
	return map[string]func() any{
		"hubspot": func() any { return new(HubSpotSettings) },
		"odoo":    func() any { return new(OdooSettings) },
		"rest":    func() any { return new(RestSettings) },
	}
}

// connected is a system as its connector made it, before it was probed.
type connected struct {
	config   config.System
	conn     connectors.Connector
	receiver connectors.Receiver
	limiter  *ratelimit.Limiter
	// reread is how long a webhook's record is left alone before it is known
	// from the probe: webhooks are taken in before the system is reached.
	reread time.Duration
	token  string // the field that holds the token
}

// connect builds the connector of one system: the one table of kinds.
func (d *Daemon) connect(s config.System, objects []string) (*connected, error) {
	switch set := s.Settings.(type) {
	case *HubSpotSettings:
		return d.connectHubSpot(s, set, objects)
	case *OdooSettings:
		return d.connectOdoo(s, set)
	case *RestSettings:
		return d.connectRest(s, set)
	}
	return nil, &connectors.Error{Kind: connectors.KindBug, System: s.Name, Op: "connect", Said: "kind " + s.Kind + " has no connector"}
}

func (d *Daemon) connectHubSpot(s config.System, set *HubSpotSettings, objects []string) (*connected, error) {
	var windows []ratelimit.Window
	for _, w := range hubspot.Windows() {
		windows = append(windows, ratelimit.Window{Name: w.Name, Max: w.Max, Per: w.Per, Applies: w.Applies})
	}
	c := &connected{config: s, limiter: d.limiter(s, windows, 0), token: cmp.Or(set.TokenField, "syncd_ref")}
	conf := hubspot.Config{
		System: s.Name, BaseURL: set.BaseURL, APIVersion: set.APIVersion, Token: set.Token.Reveal,
		PortalID: set.PortalID, AppID: set.AppID, Signature: set.Signature, TokenField: c.token,
		Objects: objects, Now: d.Now,
	}
	for _, x := range []secret.Secret{set.ClientSecret, set.PreviousClientSecret} {
		if !x.Empty() {
			conf.Secrets = append(conf.Secrets, x.Reveal())
		}
	}
	var err error
	if c.conn, err = hubspot.New(conf, wire.NewClient(c.limiter)); err != nil {
		return nil, err
	}
	c.receiver, err = hubspot.NewReceiver(conf)
	return c, err
}

func (d *Daemon) connectOdoo(s config.System, set *OdooSettings) (*connected, error) {
	host := set.URL
	if u, err := url.Parse(set.URL); err == nil {
		host = u.Hostname()
	}
	var windows []ratelimit.Window
	for _, w := range odoo.Windows(host) {
		windows = append(windows, ratelimit.Window{Name: w.Name, Max: w.Max, Per: w.Per})
	}
	c := &connected{config: s, limiter: d.limiter(s, windows, odoo.Concurrency(host)), token: cmp.Or(set.TokenField, "x_syncd_ref"), reread: odooReread}
	conf := odoo.Config{
		System: s.Name, URL: set.URL, Database: set.Database, Login: set.Login, APIKey: set.APIKey.Reveal,
		Module: set.Module, TokenField: c.token, Now: d.Now, Rand: d.Rand,
	}
	var err error
	if c.conn, err = odoo.New(conf, wire.NewClient(c.limiter)); err != nil {
		return nil, err
	}
	c.receiver, err = odoo.NewReceiver(conf)
	return c, err
}

func (d *Daemon) connectRest(s config.System, set *RestSettings) (*connected, error) {
	var windows []ratelimit.Window
	theirs, inFlight := set.Windows()
	for _, w := range theirs {
		windows = append(windows, ratelimit.Window{Name: w.Name, Max: w.Max, Per: w.Per})
	}
	c := &connected{config: s, limiter: d.limiter(s, windows, inFlight), token: set.Token(), reread: set.Reread()}
	conf := rest.Config{System: s.Name, Settings: set.Settings, Now: d.Now}
	var err error
	if c.conn, err = rest.New(conf, wire.NewClient(c.limiter)); err != nil {
		return nil, err
	}
	c.receiver, err = rest.NewReceiver(conf)
	return c, err
}

// odooReread: Odoo announces changes before they are committed (vendors/odoo.md 11).
const odooReread = 2 * time.Second

// limiter puts the configured budget over the connector's own windows.
func (d *Daemon) limiter(s config.System, windows []ratelimit.Window, inFlight int) *ratelimit.Limiter {
	if n := s.Budget.PerSecond; n > 0 {
		windows = append(windows, ratelimit.Window{Name: "second", Max: n, Per: time.Second})
	}
	if n := s.Budget.PerTenSeconds; n > 0 {
		windows = append(windows, ratelimit.Window{Name: "ten_seconds", Max: n, Per: 10 * time.Second})
	}
	if n := s.Budget.InFlight; n > 0 {
		inFlight = n
	}
	var base http.RoundTripper
	return ratelimit.New(ratelimit.Options{
		System: s.Name, Windows: windows, Concurrency: inFlight, Base: base, Now: d.Now,
		Observe: d.metrics.called,
	})
}

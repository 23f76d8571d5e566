package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v4"
)

// Defaults of the daemon's settings.
const (
	DefaultWebhooksListen = "0.0.0.0:8320"
	DefaultOpsListen      = "127.0.0.1:9320"
	DefaultDrainTimeout   = 30 * time.Second
	DefaultSQLite         = "syncd.db"
	DefaultLease          = 60 * time.Second
	DefaultLogLevel       = "info"
	DefaultLogFormat      = "text"
)

const (
	minInstallKey = 16               // bytes, as mapping.MinKeyLength
	minLease      = 10 * time.Second // shorter ones end while a batch is on its way
	minDrain      = time.Second
	envPrefix     = "SYNCD_"
	maxPort       = 65535
)

// ControlSocketKey names the setting of the control socket: a command that is told
// its path needs no configuration.
const ControlSocketKey = "server.control.socket"

// setting is one of the daemon's own settings, which flags and environment
// may override.
type setting struct {
	key, def string
	to       func(*Config) any // *string or *time.Duration
}

var settings = []setting{
	{"server.public_url", "", func(c *Config) any { return &c.Server.PublicURL }},
	{"server.webhooks.listen", DefaultWebhooksListen, func(c *Config) any { return &c.Server.Webhooks.Listen }},
	{"server.ops.listen", DefaultOpsListen, func(c *Config) any { return &c.Server.Ops.Listen }},
	{ControlSocketKey, "", func(c *Config) any { return &c.Server.Control.Socket }},
	{"server.drain_timeout", DefaultDrainTimeout.String(), func(c *Config) any { return &c.Server.DrainTimeout }},
	{"store.sqlite", "", func(c *Config) any { return &c.Store.SQLite }}, // DefaultSQLite without store.postgres
	{"store.state_dir", "", func(c *Config) any { return &c.Store.StateDir }},
	{"store.lease", DefaultLease.String(), func(c *Config) any { return &c.Store.Lease }},
	{"log.level", DefaultLogLevel, func(c *Config) any { return &c.Log.Level }},
	{"log.format", DefaultLogFormat, func(c *Config) any { return &c.Log.Format }},
}

// EnvName is the environment variable that overrides a setting:
// SYNCD_SERVER_PUBLIC_URL for server.public_url.
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// SettingKeys are the settings that flags and environment may override.
func SettingKeys() []string {
	var keys []string
	for _, s := range settings {
		keys = append(keys, s.key)
	}
	return keys
}

// The names of errors' File where a value does not come from the config.
const (
	fromEnvironment = "environment"
	fromFlags       = "flags"
)

// config decodes and checks everything below the root.
func (d *decoder) config(root *yaml.Node, c *Config) {
	entries, _ := d.mapping(root, "")
	var systems, links *yaml.Node
	top := fieldsOf(reflect.ValueOf(c).Elem())
	hasKey := false
	for _, e := range entries {
		f, ok := top[e.key]
		switch {
		case !ok:
			d.unknown(e, "", top)
		case e.key == "systems":
			systems = e.vn
		case e.key == "links":
			links = e.vn
		default:
			hasKey = hasKey || e.key == "install_key"
			d.value(e.vn, f, e.path)
		}
	}
	switch {
	case !hasKey:
		d.at("install_key", "is missing: tokens derive from it; write one to a file and name it, install_key: {file: path}")
	case len(c.InstallKey.Reveal()) < minInstallKey:
		d.at("install_key", "is shorter than %d bytes: make one with `openssl rand -base64 32`", minInstallKey)
	}
	d.overlay(c)
	if systems != nil {
		d.systems(systems, c)
	}
	if c.Server.PublicURL == "" {
		for _, s := range c.Systems {
			if !s.WebhookSecret.Empty() {
				d.at("systems."+s.Name+".webhook_secret", "webhooks need server.public_url: say how the outside reaches this daemon")
			}
		}
	}
	if links != nil {
		d.links(links, c)
	}
}

// overlay lays flags over environment over file over defaults, by viper, and
// checks what comes out.
func (d *decoder) overlay(c *Config) {
	v := viper.New()
	origin := map[string]string{}
	for _, s := range settings {
		v.SetDefault(s.key, s.def)
		if n := d.vals[s.key]; n != nil && !d.faulty[s.key] && n.Kind == yaml.ScalarNode {
			d.merge(v, s.key, n.Value)
		}
	}
	for _, s := range settings {
		if text, ok := d.o.Env(EnvName(s.key)); ok && text != "" {
			d.merge(v, s.key, text)
			origin[s.key] = fromEnvironment
		}
	}
	for _, key := range namesOf(d.o.Flags) {
		if !slices.Contains(SettingKeys(), key) {
			d.errs = append(d.errs, Error{File: fromFlags, Path: key, Msg: "there is no such setting", Suggestion: nearest(key, SettingKeys())})
			continue
		}
		v.Set(key, d.o.Flags[key])
		origin[key] = fromFlags
	}
	for _, s := range settings {
		text := v.GetString(s.key)
		switch to := s.to(c).(type) {
		case *string:
			*to = text
		case *time.Duration:
			t, err := time.ParseDuration(text)
			if err != nil || t < 0 {
				d.bad(origin, s.key, howToDuration)
			}
			*to = t
		}
	}
	d.checkServer(c, origin)
	d.checkStore(c, origin)
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		d.bad(origin, "log.level", "the level is debug, info, warn or error")
	}
	if !slices.Contains([]string{"text", "json"}, c.Log.Format) {
		d.bad(origin, "log.format", "the format is text or json")
	}
}

// merge lays one value over what viper has.
func (d *decoder) merge(v *viper.Viper, key, text string) {
	var tree any = text
	parts := strings.Split(key, ".")
	for _, part := range slices.Backward(parts) {
		tree = map[string]any{part: tree}
	}
	if err := v.MergeConfigMap(tree.(map[string]any)); err != nil {
		d.at(key, "cannot be merged: %v", err)
	}
}

// bad adds an error about a setting where it came from.
func (d *decoder) bad(origin map[string]string, key, format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	switch origin[key] {
	case fromEnvironment:
		d.errs = append(d.errs, Error{File: fromEnvironment, Path: EnvName(key), Msg: msg})
	case fromFlags:
		d.errs = append(d.errs, Error{File: fromFlags, Path: key, Msg: msg})
	default:
		d.at(key, "%s", msg)
	}
}

func (d *decoder) checkServer(c *Config, origin map[string]string) {
	if c.Server.PublicURL != "" {
		if msg := publicURLFault(c.Server.PublicURL); msg != "" {
			d.bad(origin, "server.public_url", "%s", msg)
		}
		c.Server.PublicURL = strings.TrimRight(c.Server.PublicURL, "/")
	}
	webhooks, opsKey := c.Server.Webhooks.Listen, "server.ops.listen"
	if _, _, ok := splitListen(webhooks); !ok {
		d.bad(origin, "server.webhooks.listen", "an address is written host:port, like %s", DefaultWebhooksListen)
	}
	host, port, ok := splitListen(c.Server.Ops.Listen)
	switch {
	case !ok:
		d.bad(origin, opsKey, "an address is written host:port, like %s", DefaultOpsListen)
	case !loopback(host):
		d.bad(origin, opsKey, "ops has no login and must stay on this machine: listen on 127.0.0.1 or [::1]")
	case port != "0" && strings.HasSuffix(webhooks, ":"+port):
		d.bad(origin, opsKey, "ops and webhooks need ports of their own")
	}
	if c.Server.DrainTimeout < minDrain {
		d.bad(origin, "server.drain_timeout", "at least %s, so that calls in hand can end", minDrain)
	}
}

func (d *decoder) checkStore(c *Config, origin map[string]string) {
	_, postgres := d.vals["store.postgres"]
	switch {
	case postgres && c.Store.SQLite != "":
		d.bad(origin, "store.sqlite", "sqlite and postgres are both given: the state is in one place, take one out")
	case !postgres && c.Store.SQLite == "" && d.vals["store.sqlite"] != nil:
		d.bad(origin, "store.sqlite", "the path is empty: write one, or take the key out for %s", DefaultSQLite)
	case !postgres && c.Store.SQLite == "":
		c.Store.SQLite = DefaultSQLite
	}
	if c.Store.Lease < minLease {
		d.bad(origin, "store.lease", "at least %s: a shorter lease ends while a batch is on its way", minLease)
	}
}

// publicURLFault says what is wrong with a public URL, "" if nothing is.
func publicURLFault(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return "a whole URL is needed, like https://sync.example.com"
	case u.User != nil:
		return "a URL with a user in it is not supported: take it out"
	case strings.ContainsAny(text, "?#%"):
		return "a URL without query, fragment and escapes is needed: vendors sign the URL letter by letter"
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "webhooks from outside need https"
	}
	return ""
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

// splitListen takes host:port apart; the host may be empty, the port 0.
func splitListen(listen string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", "", false
	}
	n, err := strconv.ParseUint(port, 10, 32)
	if err != nil || n > maxPort {
		return "", "", false
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostName.MatchString(host) {
		return "", "", false
	}
	return host, port, true
}

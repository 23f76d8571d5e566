package rest

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
)

// Defaults of Settings.
const (
	defaultTokenField = "syncd_ref"
	defaultIDFormat   = `[A-Za-z0-9_.~-]{1,64}`
	defaultTimeout    = 30 * time.Second
	defaultOverlap    = 5 * time.Minute
	defaultSettle     = 5 * time.Minute
	defaultReadMany   = 50
	defaultBatch      = 10
	defaultPage       = 100
	maxBatch          = 500
)

// spec is Settings made ready: every path parsed, every default filled in.
type spec struct {
	set      Settings
	base     *url.URL
	at       clock
	objects  map[string]*object
	tenant   path
	actor    path
	version  path
	codes    []source
	messages []source
	fields   []source
	failedIf []path
	rules    []rule
	hook     *hook
}

// object is an Object made ready.
type object struct {
	name     string
	set      Object
	idFormat *regexp.Regexp
	id       path
	record   path
	modified path
	created  path
	version  path
	archived path
	author   path
	founder  path
	read     readSpec
	list     *listSpec
	bin      *listSpec
	find     findSpec
	create   createSpec
	update   updateSpec
	schema   schemaSpec
	fields   map[string]field
	token    bool // it holds the token
}

// source is a place in an answer: a header or a path in the body.
type source struct {
	header string
	path   path
}

// faults collects what is wrong.
type faults struct{ list Faults }

func (f *faults) add(key, format string, args ...any) {
	f.list = append(f.list, SettingError{key, fmt.Sprintf(format, args...)})
}

// path parses a path of the settings.
func (f *faults) path(key, s string) path {
	p, err := parsePath(s)
	if err != nil {
		f.add(key, "%v", err)
	}
	return p
}

// source parses a place of the settings.
func (f *faults) source(key, s string) source {
	if name, ok := strings.CutPrefix(s, "header:"); ok {
		if !headerName.MatchString(name) {
			f.add(key, "%q is no header's name", name)
		}
		return source{header: http.CanonicalHeaderKey(name)}
	}
	return source{path: f.path(key, s)}
}

func (f *faults) sources(key string, list []string) (out []source) {
	for i, s := range list {
		out = append(out, f.source(fmt.Sprintf("%s[%d]", key, i), s))
	}
	return out
}

// oneOf says that a word is among those that may stand there.
func (f *faults) oneOf(key, word string, words ...string) bool {
	if slices.Contains(words, word) {
		return true
	}
	f.add(key, "%q is not one of %s", word, strings.Join(slices.DeleteFunc(slices.Clone(words), func(s string) bool { return s == "" }), ", "))
	return false
}

// headerName is what a header's name looks like.
var headerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)

// objectName is what an object's name looks like.
var objectName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// fieldName is what a field's name looks like.
var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,127}$`)

// compile checks Settings and makes them ready.
func compile(set Settings) (*spec, Faults) {
	f := &faults{}
	if set.TokenField == "" {
		set.TokenField = defaultTokenField
	}
	if set.Timeout == 0 {
		set.Timeout = defaultTimeout
	}
	s := &spec{set: set, objects: map[string]*object{}}
	s.base = f.base(set)
	f.auth(set)
	f.headers("headers", set.Headers)
	s.at = f.clock("time", set.Time, clock{timeRFC3339, time.UTC})
	s.tenant, s.actor, s.version = f.path("probe.tenant", set.Probe.Tenant), f.path("probe.actor", set.Probe.Actor), f.path("probe.version", set.Probe.Version)
	if set.Probe.Path == "" && (set.Probe.Tenant != "" || set.Probe.Actor != "" || set.Probe.Version != "") {
		f.add("probe.path", "is missing: say which path tells tenant, actor and version")
	}
	f.urlPath("probe.path", set.Probe.Path, nil)
	f.errors(s)
	if len(set.Objects) == 0 {
		f.add("objects", "is missing: say which objects there are and where, or name a profile that does")
	}
	for _, name := range slices.Sorted(maps.Keys(set.Objects)) {
		key := "objects." + name
		if !objectName.MatchString(name) {
			f.add("objects", "%q is no object's name", name)
		}
		s.objects[name] = f.object(key, name, set.Objects[name], s)
	}
	f.limits(set.Limits)
	s.hook = f.webhook(s)
	return s, f.list
}

// base checks where the system is.
func (f *faults) base(set Settings) *url.URL {
	u, err := url.Parse(strings.TrimRight(set.BaseURL, "/"))
	switch {
	case set.BaseURL == "":
		f.add("base_url", "is required: where the API answers, such as https://erp.example.com/api")
	case err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		f.add("base_url", "is no http(s) URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		f.add("base_url", "holds a credential, a query or a fragment: only scheme, host and path can stand here")
	case u.Scheme == "http" && !set.InsecureHTTP && !loopback(u.Hostname()):
		f.add("base_url", "is not https: the credential and the records would be readable on the way; insecure_http: true allows it")
	default:
		return u
	}
	return &url.URL{Scheme: "https", Host: "invalid.invalid"}
}

// loopback says that a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (f *faults) limits(l Limits) {
	for _, x := range []struct {
		key string
		n   int
	}{{"per_second", l.PerSecond}, {"per_minute", l.PerMinute}, {"per_hour", l.PerHour}, {"per_day", l.PerDay}, {"in_flight", l.InFlight}} {
		if x.n < 0 {
			f.add("limits."+x.key, "is less than 0; 0 is no limit")
		}
	}
}

// forbiddenHeaders are set by the transport, or make it send a call twice (CORRECTNESS 0.1.4).
var forbiddenHeaders = []string{
	"Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Cookie", "Authorization",
	"Idempotency-Key", "X-Idempotency-Key", "Content-Type",
}

func (f *faults) headers(key string, headers map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		switch {
		case !headerName.MatchString(name):
			f.add(key, "%q is no header's name", name)
		case slices.Contains(forbiddenHeaders, http.CanonicalHeaderKey(name)):
			f.add(key+"."+name, "cannot be set here")
		case strings.ContainsAny(headers[name], "\r\n\x00"):
			f.add(key+"."+name, "holds a line break")
		}
	}
}

// clock checks a way to write times; what it leaves out is the fallback's.
func (f *faults) clock(key string, t TimeFormat, fallback clock) clock {
	c := clock{t.Format, fallback.zone}
	if c.layout == "" {
		c.layout = fallback.layout
	}
	if t.Zone != "" {
		zone, err := time.LoadLocation(t.Zone)
		if err != nil || t.Zone == "Local" {
			f.add(key+".zone", "%q is no time zone: write one like Europe/Prague", t.Zone)
			zone = time.UTC
		}
		c.zone = zone
	}
	if !slices.Contains([]string{timeRFC3339, timeSeconds, timeMillis}, c.layout) {
		probe := time.Date(2031, 11, 22, 13, 14, 15, 0, c.zone)
		if back := c.parse(c.format(probe)); back.IsZero() || back.Truncate(24*time.Hour) != probe.UTC().Truncate(24*time.Hour) {
			f.add(key+".format", "%q is none of rfc3339, unix_s, unix_ms, nor a layout of the time 2006-01-02 15:04:05", c.layout)
			c.layout = timeRFC3339
		}
	}
	return c
}

// urlPath checks a path below the base URL.
func (f *faults) urlPath(key, p string, needed []string) {
	if p == "" {
		return
	}
	if err := checkTemplate(p, needed, needed); err != nil {
		f.add(key, "%v", err)
	}
	plain := placeholder.ReplaceAllString(p, "x")
	u, err := url.Parse(plain)
	switch {
	case !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//"):
		f.add(key, "%q is no path: it starts with one slash and stands below base_url", p)
	case err != nil || u.Fragment != "" || strings.ContainsAny(plain, " \\"):
		f.add(key, "%q is no path of a URL", p)
	case u.RawQuery != "":
		f.add(key, "%q holds a query: write it under query", p)
	case slices.Contains(strings.Split(plain, "/"), ".."):
		f.add(key, "%q leaves base_url", p)
	}
}

// queryTemplates checks the keys and values of a query.
func (f *faults) queryTemplates(key string, q map[string]string, known, needed []string) {
	var have strings.Builder
	for _, k := range slices.Sorted(maps.Keys(q)) {
		have.WriteString(k + " " + q[k] + " ")
		if err := checkTemplate(k+q[k], known, nil); err != nil {
			f.add(key, "%v", err)
			return
		}
	}
	if len(q) > 0 {
		if err := checkTemplate(have.String(), known, needed); err != nil {
			f.add(key, "%v", err)
		}
	}
}

// field checks one declared field.
func (f *faults) field(key, name string, set Field, at clock) field {
	if !fieldName.MatchString(name) {
		f.add(key, "%q is no field's name", name)
	}
	if set.Type == "" {
		set.Type = string(connectors.TypeText)
	}
	f.oneOf(key+".type", set.Type, fieldTypes...)
	f.oneOf(key+".send_as", set.SendAs, "", "text", "number")
	if set.Type == string(connectors.TypeEnum) && len(set.Options) == 0 {
		f.add(key+".options", "is missing: say which values the vendor takes")
	}
	for k := range set.Bool {
		if set.Type != string(connectors.TypeBool) || len(set.Bool) != 2 || (k != "true" && k != "false") {
			f.add(key+".bool", "says how true and false are written, of a field of type bool: {true: Y, false: N}")
			break
		}
	}
	p := set.Path
	if p == "" {
		p = "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name) // a dot in a name is a dot
	}
	out := field{name: name, set: set, path: f.path(key+".path", p), at: f.clock(key+".time", set.Time, at)}
	if len(out.path.steps) == 0 {
		f.add(key+".path", "the whole record is no field")
	}
	return out
}

// fieldTypes are those of the contract.
var fieldTypes = []string{
	string(connectors.TypeText), string(connectors.TypeBool), string(connectors.TypeNumber), string(connectors.TypeDate),
	string(connectors.TypeTime), string(connectors.TypeEnum), string(connectors.TypeReference), string(connectors.TypeOther),
}

package config

import (
	"errors"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Defaults of a system, and the least that makes sense.
const (
	DefaultSweepEvery = 5 * time.Minute
	minSweepEvery     = 10 * time.Second

	DefaultDescribeEvery = 24 * time.Hour
	minDescribeEvery     = time.Minute

	DefaultSweepDeletedEvery = 24 * time.Hour
	minSweepDeletedEvery     = 10 * time.Minute

	maxName = 40 // characters of a system's or a link's name
)

// webhookSecret is 22 characters of 6 bits each or more: 128 bits at least.
var webhookSecret = regexp.MustCompile(`^[A-Za-z0-9_-]{22,200}$`)

var systemName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// rowKeys are the keys of a field row that are no systems and no parameters.
var rowKeys = []string{"name", "as", "goes", "conflict", "private", "group", "accept_lossy", "values", "unknown", "value", "expr", "samples"}

// reservedNames can be no system's name besides the keys of a row: later keys
// of a row, and words that stand where a system could.
var reservedNames = []string{
	"link", "only_on_create", "when", "country", "scale", "note",
	ConflictAsk, ConflictNewest, ConflictUnion, ConflictRestrictive, "both", "system_of_record", "external_id",
}

func (d *decoder) reserved(name string) bool {
	if slices.Contains(rowKeys, name) || slices.Contains(reservedNames, name) {
		return true
	}
	for _, params := range d.o.Transforms {
		if slices.Contains(params, name) {
			return true
		}
	}
	return false
}

func (d *decoder) systems(n *yaml.Node, c *Config) {
	entries, ok := d.mapping(n, "systems")
	if !ok {
		return
	}
	for _, e := range entries {
		switch {
		case !systemName.MatchString(e.key) || len(e.key) > maxName:
			d.fail(e.kn, "systems", "a system's name is at most %d of a-z, 0-9 and _, a letter first", maxName)
		case d.reserved(e.key):
			d.fail(e.kn, e.path, "%q cannot be a system's name, it is a word of the field rows: choose another", e.key)
		}
		s := System{Name: e.key, SweepEvery: DefaultSweepEvery, SweepDeletedEvery: DefaultSweepDeletedEvery, DescribeEvery: DefaultDescribeEvery, TrustOwnMark: true}
		d.system(e, &s)
		c.Systems = append(c.Systems, s)
	}
}

// system decodes the keys that all systems have, and gives the others to the
// kind.
func (d *decoder) system(e entry, s *System) {
	entries, ok := d.mapping(e.vn, e.path)
	if !ok {
		return
	}
	own := fieldsOf(reflect.ValueOf(s).Elem())
	var rest []entry
	for _, one := range entries {
		if f, ok := own[one.key]; ok {
			d.value(one.vn, f, one.path)
		} else {
			rest = append(rest, one)
		}
	}
	d.checkSystem(e.path, s)
	if s.Kind == "" {
		d.at(e.path+".kind", "is missing: say what this system is, one of %s", strings.Join(namesOf(d.o.Kinds), ", "))
		return
	}
	if d.o.Kinds == nil {
		return
	}
	fresh, ok := d.o.Kinds[s.Kind]
	if !ok {
		kinds := namesOf(d.o.Kinds)
		d.at(e.path+".kind", "unknown kind %q: known are %s", s.Kind, strings.Join(kinds, ", ")).Suggestion = nearest(s.Kind, kinds)
		return
	}
	s.Settings = fresh()
	failed := d.failed()
	theirs := fieldsOf(reflect.ValueOf(s.Settings).Elem())
	rest = d.profile(e.path, rest, s.Settings)
	before := len(d.errs)
	both := maps.Clone(theirs)
	maps.Copy(both, own)
	for _, one := range rest {
		if f, ok := theirs[one.key]; ok {
			d.value(one.vn, f, one.path)
		} else {
			d.unknown(one, e.path, both)
		}
	}
	if v, ok := s.Settings.(interface{ Validate() error }); ok && len(d.errs) == before && d.failed() == failed {
		d.invalid(e.path, v.Validate())
	}
}

// invalid adds what a kind's Validate found, each fault at its key.
func (d *decoder) invalid(path string, err error) {
	if err == nil {
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			d.invalid(path, one)
		}
		return
	}
	var key *KeyError
	if errors.As(err, &key) && keyPath.MatchString(key.Key) {
		p := join(path, key.Key)
		d.owner(p).at(p, "%s", key.Msg)
		return
	}
	d.fail(d.place(path), path, "%s", clean(err))
}

func (d *decoder) checkSystem(path string, s *System) {
	if s.DescribeEvery < minDescribeEvery {
		d.at(path+".describe_every", "at least %s: asking costs calls, and a field that is refused by name has it asked at once", minDescribeEvery)
	}
	if s.SweepDeletedEvery != 0 && s.SweepDeletedEvery < minSweepDeletedEvery {
		d.at(path+".sweep_deleted_every", "at least %s, since it lists every record, or 0s for never", minSweepDeletedEvery)
	}
	if s.SweepEvery < minSweepEvery {
		d.at(path+".sweep_every", "at least %s: sweeps cost calls", minSweepEvery)
	}
	const howTo = "at least 22 characters of A-Z, a-z, 0-9, _ and - are needed, for it stands in a URL: make one with `openssl rand -hex 16`"
	if !s.WebhookSecret.Empty() && !webhookSecret.MatchString(s.WebhookSecret.Reveal()) {
		d.at(path+".webhook_secret", howTo)
	}
	if !s.PreviousWebhookSecret.Empty() {
		if !webhookSecret.MatchString(s.PreviousWebhookSecret.Reveal()) {
			d.at(path+".previous_webhook_secret", howTo)
		}
		if _, ok := d.vals[path+".webhook_secret"]; !ok {
			d.at(path+".previous_webhook_secret", "there is no webhook_secret that follows this one: set it, or take this out")
		}
	}
	for key, n := range map[string]int{"per_second": s.Budget.PerSecond, "per_ten_seconds": s.Budget.PerTenSeconds, "in_flight": s.Budget.InFlight} {
		if n < 0 {
			d.at(path+".budget."+key, "a budget is no less than 0; 0 is the connector's own")
		}
	}
}

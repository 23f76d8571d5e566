package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/config"
	"syncd/connectors"
	"syncd/daemon"
	"syncd/demo"
)

// story is a text scenario: a configuration as its users write it, what is there
// at the start, what happens then, and what syncd is to make of it
// (testdata/scenarios/README.md). It is played in the world of the scenes, so it
// can be played plainly, on either store, and with whatever may go wrong.
type story struct {
	file, title string
	line        int // of the title in the file
	about       []string
	yaml        string            // of the links
	later       map[string]string // links that the configuration is changed to
	world       []line
	given       []line
	events      []line
	golden      map[string]string // by section, as the file has it
	faults      faultRule
	loose       bool // how often is asked depends on chance: calls and causes are not told

	config  *config.Config
	objects map[string][]string // by system, sorted
	run     *telling            // of the one run that is under way
}

// line is a line of a section, for messages that say where.
type line struct {
	n    int
	text string
}

// faultRule says what of the golden text holds when something goes wrong.
type faultRule string

// The rules of "faults". One that says less than faultsSame gives its reason.
const (
	faultsSame  faultRule = "same"  // records, id map and waiting rows end as they do without faults
	faultsCount faultRule = "count" // as many live records as without faults, and nothing is doubled
	faultsOff   faultRule = "off"   // the story is not played with faults
)

// The golden sections, in the order of the file. Without faults all of them must
// be the same to the letter.
const (
	goldWrites  = "writes"
	goldCalls   = "calls"
	goldRecords = "records"
	goldMap     = "id map"
	goldWaits   = "waits"
	goldHistory = "history"
)

var goldSections = []string{goldWrites, goldCalls, goldRecords, goldMap, goldWaits, goldHistory}

// Settings of a story's world, beside the plain ones.
type setting func(d *swarm, words []string) error

var settings = map[string]setting{
	"search_lag": func(d *swarm, words []string) (err error) { d.crmLag, err = duration(words); return err },
	"answer_in":  func(d *swarm, words []string) (err error) { d.slow, err = duration(words); return err },
	"merge_makes_new_id": func(d *swarm, _ []string) error {
		d.mergeNewID = true
		return nil
	},
	"token_not_unique": func(d *swarm, _ []string) error {
		d.crmSearch = true
		return nil
	},
	"odoo": func(d *swarm, words []string) (err error) {
		if len(words) != 1 {
			return errors.New("want one number: the major version")
		}
		d.odooMajor, err = strconv.Atoi(words[0])
		return err
	},
	"replicas": func(d *swarm, words []string) (err error) {
		if len(words) != 1 {
			return errors.New("want one number")
		}
		d.replicas, err = strconv.Atoi(words[0])
		return err
	},
}

func duration(words []string) (time.Duration, error) {
	if len(words) != 1 {
		return 0, errors.New("want one duration, such as 30s")
	}
	return time.ParseDuration(words[0])
}

// swarm makes the world of a story.
func (st *story) swarm() (swarm, error) {
	d := plain()
	d.systems = slices.Sorted(maps.Keys(st.objects))
	d.personas = map[string]persona{}
	for _, name := range d.systems {
		if name != crm && name != erp {
			d.personas[name] = persona{
				Class: connectors.ClassUnique, Settle: 5 * time.Minute, Answers: true, Knows: true, Visible: true, Versions: true, Removes: true, Retries: 5,
			}
		}
	}
	for _, l := range st.world {
		words := strings.Fields(l.text)
		if set, ok := settings[words[0]]; ok {
			if err := set(&d, words[1:]); err != nil {
				return d, st.fault(l, "%v", err)
			}
			continue
		}
		if _, ok := adjustments[words[0]]; !ok && words[0] != furnishing {
			return d, st.fault(l, "there is no setting %s; there are %v and %v", words[0], slices.Sorted(maps.Keys(settings)), slices.Sorted(maps.Keys(adjustments)))
		}
	}
	return d, nil
}

// adjustments change what a system says of itself, or of the store, before the
// links are compiled.
var adjustments = map[string]func(w *world, words []string) error{
	// class SYSTEM OBJECT unique|search|blind
	"class": func(w *world, words []string) error {
		if len(words) != 3 || w.vendors[words[0]] == nil {
			return errors.New("want a system, an object and a create class")
		}
		o := w.infos[words[0]].Objects[words[1]]
		o.CreateClass = connectors.CreateClass(words[2])
		w.infos[words[0]].Objects[words[1]] = o
		return nil
	},
}

// furnishing is the setting that gives an account a field of its own, before
// anything is asked of it: addfield SYSTEM OBJECT NAME KIND.
const furnishing = "addfield"

func (st *story) furnish(w *world) error {
	for _, l := range st.world {
		if words := strings.Fields(l.text); words[0] == furnishing {
			if err := w.addField(words[1:]); err != nil {
				return st.fault(l, "%v", err)
			}
		}
	}
	return nil
}

func (st *story) adjust(w *world) error {
	for _, l := range st.world {
		words := strings.Fields(l.text)
		if change := adjustments[words[0]]; change != nil {
			if err := change(w, words[1:]); err != nil {
				return st.fault(l, "%v", err)
			}
		}
	}
	return nil
}

func (st *story) fault(l line, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", st.file, l.n, fmt.Sprintf(format, args...))
}

// head is what a configuration needs beside its links to be read as one. What it
// says of the systems does not count: the lab connects them itself.
const head = `
install_key: {env: SECRET}
server: {public_url: "https://lab.invalid"}
store: {sqlite: lab.db}
systems:
`

// configured reads the links as the daemon reads those of a file. They come
// first, so that the lines of an error are those of the section, but for one.
func configured(text string) (*config.Config, error) {
	full := "links:\n" + text + head
	for _, system := range []string{crm, erp, shopSystem, tillSystem} {
		if !strings.Contains(text, "system: "+system) {
			continue
		}
		switch system {
		case crm:
			full += "  crm: {kind: hubspot, token: {env: SECRET}, client_secret: {env: SECRET}}\n"
		case erp:
			full += "  erp: {kind: odoo, url: https://erp.invalid, database: lab, login: lab, api_key: {env: SECRET}}\n"
		default:
			full += "  " + system + ": {kind: shop}\n"
		}
	}
	o := demo.ConfigOptions()
	o.Kinds = maps.Clone(o.Kinds)
	o.Kinds["shop"] = func() any { return new(struct{}) }
	o.Env = func(name string) (string, bool) { return installKey, name == "SECRET" }
	return config.Parse("links", []byte(full), o)
}

// read reads the links of a story, those that they are changed to as well, and which
// objects they speak of.
func (st *story) read() error {
	st.objects = map[string][]string{}
	for _, name := range append(slices.Sorted(maps.Keys(st.later)), "") {
		if err := st.choose(name); err != nil {
			return err
		}
		for _, l := range st.config.Links {
			for _, m := range l.Members {
				if !slices.Contains(st.objects[m.System], m.Object) {
					st.objects[m.System] = append(st.objects[m.System], m.Object)
				}
			}
		}
	}
	for _, list := range st.objects {
		slices.Sort(list)
	}
	return nil
}

// choose takes the links of a name, "" for those of the beginning.
func (st *story) choose(name string) error {
	text, known := st.yaml, true
	if name != "" {
		text, known = st.later[name]
	}
	if !known {
		return fmt.Errorf("%s:%d: %s: there is no section \"links %s\"", st.file, st.line, st.title, name)
	}
	c, err := configured(text)
	if err != nil {
		return fmt.Errorf("%s:%d: %s: links %s: %w", st.file, st.line, st.title, name, err)
	}
	st.config = c
	return nil
}

// custom lists the fields that the daemon would ask a vendor for.
func (st *story) custom(w *world, v *vendor) []connectors.CustomField {
	token := "syncd_ref"
	if v.kind == kindOdoo {
		token = "x_syncd_ref"
	}
	out := daemon.CustomFields(st.config.Links, v.name, token)
	for i, f := range out {
		if v.kind == kindHubSpot && f.Name == token {
			out[i].Unique = !w.d.crmSearch
		}
	}
	return out
}

// begin makes the rules of the links as the daemon does at its start, by a daemon
// over the lab's store and vendors, which does what an operator asks later, too.
func (st *story) begin(ctx context.Context, w *world, conns map[string]connectors.Connector) error {
	w.syncd = daemon.Over(daemon.Options{
		Config: st.config, Logger: w.logger(), Now: w.now, Rand: w.s.rng.Float64, Owner: "lab", Wait: func(_ context.Context, d time.Duration) error {
			st.run.pass(d)
			return nil
		},
	}, w.db, w.keyring, conns)
	links, err := w.syncd.Begin(ctx, w.infos)
	if err != nil {
		return fmt.Errorf("%s:%d: %s: %w", st.file, st.line, st.title, err)
	}
	w.links, w.link = links, links[0]
	return nil
}

package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"syncd/config"
	"syncd/connectors"
	"syncd/connectors/sandbox"
)

// TrialOptions say what a trial writes.
type TrialOptions struct {
	Objects []string          // nil: all that links name
	Values  map[string]string // of every scratch record, over what the links suggest
	Edit    string            // the field that is changed and emptied; "": one is chosen
}

// Trial holds the connector of a configured system to its contract on the live
// system, which should be a sandbox: scratch records are made and taken out. No
// store is opened and nothing is paired.
func Trial(ctx context.Context, c *config.Config, system string, o TrialOptions) ([]sandbox.Report, error) {
	d := &Daemon{Options: Options{Config: c, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Float64}, registry: prometheus.NewRegistry()}
	d.metrics = newMetrics(d.registry, d.Now)
	i := slices.IndexFunc(c.Systems, func(s config.System) bool { return s.Name == system })
	if i < 0 {
		return nil, fmt.Errorf("there is no system %q in the configuration", system)
	}
	objects := d.objectsOf(system)
	for _, name := range o.Objects {
		if !slices.Contains(objects, name) {
			return nil, fmt.Errorf("no link names the object %q of %s: known are %s", name, system, strings.Join(objects, ", "))
		}
	}
	conn, err := d.connect(c.Systems[i], objects)
	if err != nil {
		return nil, err
	}
	if len(o.Objects) > 0 {
		objects = o.Objects
	}
	run := fmt.Sprintf("%08x", rand.Uint32())
	var out []sandbox.Report
	for _, name := range objects {
		out = append(out, d.try(ctx, conn, name, run, o))
	}
	return out, ctx.Err()
}

// try tries one object.
func (d *Daemon) try(ctx context.Context, c *connected, object, run string, o TrialOptions) sandbox.Report {
	var known map[string]connectors.Field
	if sys, err := c.conn.Probe(ctx, []string{object}); err == nil { // the trial itself tells what is wrong
		known = sys.Objects[object].Fields
	}
	kinds, constants := d.suggested(c, object, known)
	texts := slices.DeleteFunc(slices.Sorted(maps.Keys(kinds)), func(name string) bool {
		_, fixed := o.Values[name]
		return kinds[name] == asEmail || fixed
	})
	edit := o.Edit
	for _, name := range texts { // a name may be required: rather something else
		if edit == "" && !strings.Contains(strings.ToLower(name), "name") {
			edit = name
		}
	}
	if edit == "" && len(texts) > 0 {
		edit = texts[0]
	}
	return sandbox.Run(ctx, sandbox.Subject{
		Conn: c.conn, Object: object, Edit: edit, Run: run, Now: d.Now, Wait: pause,
		Custom: slices.DeleteFunc(CustomFields(d.Config.Links, c.config.Name, c.token), func(f connectors.CustomField) bool { return f.Object != object }),
		Make: func(n int) map[string]connectors.Value {
			values := maps.Clone(constants)
			for name, as := range kinds {
				values[name] = fmt.Sprintf("syncd test %s %d", run, n)
				if as == asEmail {
					values[name] = fmt.Sprintf("syncd-test-%s-%d@example.com", run, n)
				}
			}
			maps.Copy(values, o.Values)
			return values
		},
	})
}

// asEmail is the transform of addresses; plain are those that take any text.
const asEmail = "email"

var plain = []string{"", config.DefaultTransform, "lower", "person_name"}

// suggested gives the text fields that links write in an object, with their
// transform, and the constants that they set on create.
func (d *Daemon) suggested(c *connected, object string, known map[string]connectors.Field) (kinds, constants map[string]string) {
	system := c.config.Name
	kinds, constants = map[string]string{}, map[string]string{}
	for _, l := range d.Config.Links {
		for _, m := range l.Members {
			if m.System != system || m.Object != object {
				continue
			}
			maps.Copy(constants, m.CreateWith)
			for _, f := range l.Fields {
				if f.To != "" && f.To != system {
					continue
				}
				for _, column := range f.Columns[system] {
					field := known[column]
					fits := field.Type == connectors.TypeText && !field.ReadOnly && column != c.token
					if fits && (f.As == asEmail || slices.Contains(plain, f.As)) {
						kinds[column] = f.As
					}
				}
			}
		}
	}
	for name := range constants {
		delete(kinds, name)
	}
	return kinds, constants
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

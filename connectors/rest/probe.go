package rest

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
)

// Probe proves the credential, learns whose account it is, and tells what the
// asked objects look like.
func (c *Client) Probe(ctx context.Context, objects []string) (connectors.System, error) {
	sys := connectors.System{Objects: map[string]connectors.Object{}}
	sys.Tenant = c.spec.base.Host + c.spec.base.Path
	if e := c.whoami(ctx, &sys); e != nil {
		return connectors.System{}, e
	}
	for i, name := range objects {
		o := c.spec.objects[name]
		if o == nil {
			continue
		}
		if c.spec.set.Probe.Path == "" && i == 0 { // something must prove the credential
			if _, err := c.List(ctx, name, connectors.Query{Limit: 1}); err != nil {
				return connectors.System{}, err
			}
		}
		if o.schema.Path != "" {
			if e := c.fetchSchema(ctx, o); e != nil {
				return connectors.System{}, e
			}
		}
		sys.Objects[name] = c.shape(o)
	}
	return sys, nil
}

// whoami makes the probe's own call.
func (c *Client) whoami(ctx context.Context, sys *connectors.System) *connectors.Error {
	p := c.spec.set.Probe
	if p.Path == "" {
		return nil
	}
	k := call{op: opProbe, method: http.MethodGet, path: p.Path}
	got, r := c.get(ctx, k)
	if r != nil {
		return r.err
	}
	sys.Version = c.spec.version.text(got.body)
	sys.Actor = c.spec.actor.text(got.body)
	if c.spec.tenant.given {
		if sys.Tenant = c.spec.tenant.text(got.body); sys.Tenant == "" {
			return c.fault(k, connectors.KindConfig, "the answer has nothing at probe.tenant")
		}
	}
	if c.spec.actor.given && sys.Actor == "" {
		return c.fault(k, connectors.KindConfig, "the answer has nothing at probe.actor")
	}
	c.mu.Lock()
	c.actor = sys.Actor
	c.mu.Unlock()
	return nil
}

// shape is what the contract asks to know of an object.
func (c *Client) shape(o *object) connectors.Object {
	token := c.spec.set.TokenField
	fields := c.fieldsOf(o.name)
	out := connectors.Object{
		Fields:        make(map[string]connectors.Field, len(fields)),
		CreateClass:   connectors.CreateClass(o.create.Class),
		Settle:        o.create.Settle,
		IndexLag:      o.find.Lag,
		RepeatWindow:  o.create.Idempotency.Window,
		ReadBatch:     o.readBatch(),
		WriteBatch:    o.set.WriteBatch,
		RereadDelay:   o.set.RereadDelay,
		AnswersRecord: o.answersRecord(),
		KnowsActor:    o.author.given,
		Overlap:       o.set.Overlap,
		ListsBin:      o.bin != nil,
		MarksOwn:      c.spec.hook != nil && c.spec.set.Webhook.Events.Own != "",
	}
	for name, f := range fields {
		out.Fields[name] = connectors.Field{
			Type: connectors.FieldType(f.set.Type), Label: f.set.Label, ReadOnly: f.set.ReadOnly,
			Unique: f.set.Unique, Options: f.set.Options, Target: f.set.Target,
		}
	}
	if _, ok := fields[token]; ok {
		out.TokenField, out.TokenVisible = token, true
	}
	for _, x := range []struct {
		op  connectors.Op
		act Act
	}{{connectors.Archive, o.set.Archive}, {connectors.Delete, o.set.Delete}, {connectors.Restore, o.set.Restore}} {
		if x.act.Path != "" {
			out.Removes = append(out.Removes, x.op)
		}
	}
	return out
}

// readBatch is how many ids one Read takes.
func (o *object) readBatch() int {
	if o.read.Many.Param != "" && o.lockless() {
		return o.read.Many.Max
	}
	return singleReads
}

// singleReads is how many ids are read one by one in one go.
const singleReads = 20

// answersRecord says that every write's answer carries the record.
func (o *object) answersRecord() bool {
	return o.create.Answer == answerRecord && (o.update.Answer == answerRecord || o.update.Path == "")
}

// maxFields bounds what a schema call may tell.
const maxFields = 5000

// fetchSchema asks the vendor for an object's fields.
func (c *Client) fetchSchema(ctx context.Context, o *object) *connectors.Error {
	s := o.schema
	k := call{op: opSchema, object: o.name, shape: o, method: http.MethodGet, path: s.Path, query: fillQuery(s.Query, nil)}
	got, r := c.get(ctx, k)
	if r != nil {
		return r.err
	}
	v, _ := s.items.get(got.body)
	fields := map[string]field{}
	add := func(name string, item any) {
		if !fieldName.MatchString(name) || len(fields) >= maxFields {
			return
		}
		set := Field{
			Label: s.label.text(item), ReadOnly: s.readOnly.text(item) == "true", Unique: s.unique.text(item) == "true",
			Type: cmpOr(s.Types[s.kind.text(item)], string(connectors.TypeOther)),
		}
		if options, ok := s.options.items(item); ok && set.Type == string(connectors.TypeEnum) {
			for _, one := range options {
				set.Options = append(set.Options, scalar(one))
			}
		}
		fields[name] = field{name: name, set: set, path: path{steps: []string{name}, given: true}, at: c.spec.at}
	}
	switch items := v.(type) {
	case []any:
		for _, item := range items {
			add(s.name.text(item), item)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(items)) {
			if s.Name == schemaKey {
				add(name, items[name])
			}
		}
	}
	if len(fields) == 0 {
		return c.fault(k, connectors.KindConfig, "the answer tells no fields at schema.items")
	}
	c.mu.Lock()
	c.fetched[o.name] = fields
	c.mu.Unlock()
	return nil
}

// Setup looks whether the custom fields are there: a REST API in general has no
// call that makes one, so a person does.
func (c *Client) Setup(ctx context.Context, custom []connectors.CustomField) error {
	for _, want := range custom {
		o, e := c.object(ctx, "setup", want.Object)
		if e != nil {
			return e
		}
		f, ok := c.fieldsOf(want.Object)[want.Name]
		said := ""
		switch {
		case !ok:
			said = "the field is not there: make it in the system, and name it under objects." + want.Object + ".fields"
		case f.set.ReadOnly:
			said = "the field is read-only"
		case f.set.Type != string(connectors.TypeText) && f.set.Type != string(connectors.TypeOther) && f.set.Type != string(connectors.TypeNumber):
			said = "the field is of type " + f.set.Type + " and must take a text"
		}
		if said != "" {
			e := c.fault(call{op: "setup", object: o.name}, connectors.KindConfig, said)
			e.Field = want.Name
			return e
		}
	}
	return nil
}

// Window is one of the vendor's rate limits.
type Window struct {
	Name string
	Max  int
	Per  time.Duration
}

// Windows gives the vendor's rate limits, and how many calls it takes at once (0: any).
func (s Settings) Windows() (windows []Window, inFlight int) {
	l := s.Limits
	for _, w := range []Window{
		{"second", l.PerSecond, time.Second}, {"minute", l.PerMinute, time.Minute},
		{"hour", l.PerHour, time.Hour}, {"day", l.PerDay, 24 * time.Hour},
	} {
		if w.Max > 0 {
			windows = append(windows, w)
		}
	}
	return windows, l.InFlight
}

// Token gives the name of the field that holds syncd's token.
func (s Settings) Token() string { return cmpOr(s.TokenField, defaultTokenField) }

// Reread gives the longest time that a webhook comes before its change.
func (s Settings) Reread() time.Duration {
	var d time.Duration
	for _, o := range s.Objects {
		d = max(d, o.RereadDelay)
	}
	return d
}

// Host is where the system answers, for people.
func (s Settings) Host() string {
	_, rest, _ := strings.Cut(s.BaseURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

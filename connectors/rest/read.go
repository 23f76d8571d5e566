package rest

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"syncd/connectors"
)

// readers is how many single reads run at once where there is no call for many;
// the system's budget bounds them further.
const readers = 4

// Read reads records by id: in one call where the vendor has one for many, else
// one by one. What the answer leaves out is missing, which proves nothing.
func (c *Client) Read(ctx context.Context, name string, ids, fields []string) ([]connectors.Sighting, error) {
	o, e := c.object(ctx, opRead, name)
	if e != nil {
		return nil, e
	}
	var asked []string
	for _, id := range ids {
		if o.idFormat.MatchString(id) && !slices.Contains(asked, id) {
			asked = append(asked, id)
		}
	}
	seen := map[string]connectors.Sighting{}
	if o.read.Many.Param != "" && len(asked) > 1 && o.lockless() {
		for chunk := range slices.Chunk(asked, o.read.Many.Max) {
			if e := c.readMany(ctx, o, chunk, fields, seen); e != nil {
				return nil, e
			}
		}
	} else if e := c.readEach(ctx, o, asked, fields, seen); e != nil {
		return nil, e
	}
	out := make([]connectors.Sighting, len(ids))
	for i, id := range ids {
		s, ok := seen[id]
		if !ok {
			s = connectors.Sighting{Asked: id, Sight: connectors.SightMissing}
		}
		out[i] = s
	}
	return out, nil
}

// lockless says that nothing of the answer to a single read is needed for a write:
// a version in its headers is in no answer about many.
func (o *object) lockless() bool { return o.update.lock.header == "" }

func (c *Client) readMany(ctx context.Context, o *object, ids, fields []string, seen map[string]connectors.Sighting) *connectors.Error {
	k := call{op: opRead, object: o.name, shape: o, method: http.MethodGet, path: o.read.Many.Path, query: fillQuery(o.read.Many.Query, nil)}
	if o.read.Many.Join == "" {
		k.query[o.read.Many.Param] = ids
	} else {
		k.query.Set(o.read.Many.Param, strings.Join(ids, o.read.Many.Join))
	}
	if key, v := c.selected(o, o.set.List.Select, fields); key != "" {
		k.query.Set(key, v)
	}
	got, r := c.get(ctx, k)
	if r != nil {
		if r.is == isEmpty {
			return nil
		}
		return r.err
	}
	rows, ok := o.read.manyItems.items(got.body)
	if !ok {
		return c.broken(k, got.res.Status)
	}
	for _, raw := range rows {
		if rec, ok := c.record(o, raw, fields); ok && slices.Contains(ids, rec.ID) {
			c.sighted(o, rec.ID, rec, raw, answer{}, seen)
		}
	}
	return nil
}

// readEach reads ids one by one, some at once.
func (c *Client) readEach(ctx context.Context, o *object, ids, fields []string, seen map[string]connectors.Sighting) *connectors.Error {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		first *connectors.Error
		slots = make(chan struct{}, readers)
	)
	for _, id := range ids {
		slots <- struct{}{}
		mu.Lock()
		failed := first != nil
		mu.Unlock()
		if failed {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			rec, got, sight, e := c.readOne(ctx, o, id, fields)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case e != nil && first == nil:
				first = e
			case e != nil || sight == connectors.SightMissing:
			case sight == connectors.SightDenied:
				seen[id] = connectors.Sighting{Asked: id, Sight: sight}
			default:
				raw, _ := o.record.get(got.body)
				c.sighted(o, id, rec, raw, got, seen)
			}
		})
	}
	wg.Wait()
	return first
}

// reading is the call that reads one record.
func (o *object) reading(id string) call {
	values := map[string]string{"id": id}
	return call{
		op: opRead, object: o.name, shape: o, id: id, method: http.MethodGet,
		path: fillPath(o.read.Path, values), query: fillQuery(o.read.Ask, values),
	}
}

// readOne reads one record. A record under another id than the asked one was merged.
func (c *Client) readOne(ctx context.Context, o *object, id string, fields []string) (connectors.Record, answer, connectors.Sight, *connectors.Error) {
	k := o.reading(id)
	got, r := c.get(ctx, k)
	if r != nil {
		switch r.is {
		case isMissing, isEmpty, string(connectors.KindGone):
			return connectors.Record{}, got, connectors.SightMissing, nil
		case isDenied:
			return connectors.Record{}, got, connectors.SightDenied, nil
		}
		return connectors.Record{}, got, "", r.err
	}
	raw, ok := o.record.get(got.body)
	if ok && raw == nil {
		return connectors.Record{}, got, connectors.SightMissing, nil
	}
	rec, ok := c.record(o, raw, fields)
	if !ok {
		return connectors.Record{}, got, "", c.broken(k, got.res.Status)
	}
	return rec, got, connectors.SightFound, nil
}

// sighted notes a record as the answer to an asked id.
func (c *Client) sighted(o *object, asked string, rec connectors.Record, raw any, got answer, seen map[string]connectors.Sighting) {
	sight := connectors.SightFound
	if rec.Archived {
		sight = connectors.SightArchived
	}
	seen[asked] = connectors.Sighting{Asked: asked, Sight: sight, Record: rec}
	c.remember(o, rec.ID, raw, got)
}

// remember keeps the version that a write of this record shall be conditional on.
func (c *Client) remember(o *object, id string, raw any, got answer) {
	lock := o.update.lock
	var v string
	switch {
	case lock.header != "":
		v = got.res.Header.Get(lock.header)
	case lock.path.given:
		v = lock.path.text(raw)
	}
	if v != "" {
		c.locks.put(o.name, id, v)
	}
}

// Locate finds out what became of a record: by its id, then by syncd's token.
// PlaceDeleted is said only where a rule of the settings names the answer as proof.
func (c *Client) Locate(ctx context.Context, name, id, token string) (connectors.Location, error) {
	o, e := c.object(ctx, opRead, name)
	if e != nil {
		return connectors.Location{}, e
	}
	if !o.idFormat.MatchString(id) {
		return connectors.Location{Place: connectors.PlaceUnknown}, nil
	}
	values := map[string]string{"id": id}
	k := call{
		op: opRead, object: name, shape: o, id: id, method: http.MethodGet,
		path: fillPath(o.read.Path, values), query: fillQuery(o.read.Ask, values),
	}
	got, r := c.get(ctx, k)
	if r != nil {
		switch r.is {
		case isDenied:
			return connectors.Location{Place: connectors.PlaceDenied}, nil
		case string(connectors.KindGone):
			if at, e := c.byToken(ctx, o, id, token); e != nil || at.Place != connectors.PlaceUnknown {
				return at, errOrNil(e)
			}
			return connectors.Location{Place: connectors.PlaceDeleted}, nil
		case isMissing, isEmpty:
			at, e := c.byToken(ctx, o, id, token)
			return at, errOrNil(e)
		case string(connectors.KindForbidden):
			return connectors.Location{Place: connectors.PlaceDenied}, nil
		}
		return connectors.Location{}, r.err
	}
	raw, _ := o.record.get(got.body)
	rec, ok := c.record(o, raw, nil)
	switch {
	case raw == nil:
		at, e := c.byToken(ctx, o, id, token)
		return at, errOrNil(e)
	case !ok:
		return connectors.Location{}, c.broken(k, got.res.Status)
	case rec.ID != id:
		return connectors.Location{Place: connectors.PlaceMerged, ID: rec.ID}, nil
	case rec.Archived:
		return connectors.Location{Place: connectors.PlaceArchived}, nil
	}
	return connectors.Location{Place: connectors.PlaceHere}, nil
}

// errOrNil keeps a nil *Error from becoming an error.
func errOrNil(e *connectors.Error) error {
	if e == nil {
		return nil
	}
	return e
}

// byToken looks for a record under another id.
func (c *Client) byToken(ctx context.Context, o *object, id, token string) (connectors.Location, *connectors.Error) {
	field := c.spec.set.TokenField
	unknown := connectors.Location{Place: connectors.PlaceUnknown}
	if token == "" || !slices.Contains(o.find.Fields, field) {
		return unknown, nil
	}
	found, e := c.findOne(ctx, o, field, token, nil, nil)
	if e != nil {
		return connectors.Location{}, e
	}
	if len(found) != 1 || found[0].Archived || found[0].Values[field] != token {
		return unknown, nil // nobody, or clones
	}
	if found[0].ID == id {
		return connectors.Location{Place: connectors.PlaceHere}, nil
	}
	return connectors.Location{Place: connectors.PlaceRenamed, ID: found[0].ID}, nil
}

// Find looks records up by the values of one field, one call per value, and where
// the vendor keeps the bin apart another for it.
func (c *Client) Find(ctx context.Context, name string, by connectors.Lookup, fields []string) ([]connectors.Record, error) {
	o, e := c.object(ctx, opFind, name)
	if e != nil {
		return nil, e
	}
	if !slices.Contains(o.find.Fields, by.Field) {
		e := c.fault(call{op: opFind, object: name}, connectors.KindConfig, "the settings name no way to look up by this field: see find.fields")
		e.Field = by.Field
		return nil, e
	}
	var out []connectors.Record
	asked, seen := map[string]bool{}, map[string]bool{}
	for _, v := range by.Values {
		if v == "" || asked[v] {
			continue
		}
		asked[v] = true
		rounds := []map[string]string{nil}
		if len(o.find.Bin) > 0 {
			rounds = append(rounds, o.find.Bin)
		}
		for _, extra := range rounds {
			got, e := c.findOne(ctx, o, by.Field, v, fields, extra)
			if e != nil {
				return nil, e
			}
			for _, r := range got {
				if !seen[r.ID] {
					seen[r.ID] = true
					out = append(out, r)
				}
			}
		}
	}
	return out, nil
}

// findOne looks one value up. What the vendor finds is given as it is: its idea of
// "equal" may be wider than ours, and who asks compares.
func (c *Client) findOne(ctx context.Context, o *object, name, value string, fields []string, extra map[string]string) ([]connectors.Record, *connectors.Error) {
	f, known := c.fieldsOf(o.name)[name]
	if !known {
		e := c.fault(call{op: opFind, object: o.name}, connectors.KindConfig, "there is no such field")
		e.Field = name
		return nil, e
	}
	theirs := value
	if v, ok := f.toVendor(value, nil); ok && v != nil {
		theirs = scalar(v)
	}
	values := map[string]string{"field": pathName(f.path), "value": theirs}
	k := call{op: opFind, object: o.name, shape: o, method: http.MethodGet, path: o.find.Path, query: fillQuery(o.find.Query, values)}
	for key, v := range extra {
		k.query.Set(key, v)
	}
	fields = append(slices.Clone(fields), name)
	if key, v := c.selected(o, o.find.Select, fields); key != "" {
		k.query.Set(key, v)
	}
	got, r := c.get(ctx, k)
	if r != nil {
		if r.is == isEmpty {
			return nil, nil
		}
		return nil, r.err
	}
	rows, ok := o.find.items.items(got.body)
	if !ok {
		return nil, c.broken(k, got.res.Status)
	}
	var out []connectors.Record
	for _, raw := range rows {
		if rec, ok := c.record(o, raw, fields); ok {
			out = append(out, rec)
		}
	}
	return out, nil
}

// pathName is how a field is named to the vendor in a query.
func pathName(p path) string { return strings.Join(p.steps, ".") }

// resolved gives a next page's URL if it stays on our origin and below our base
// (SECURITY S9): a credential goes nowhere else.
func (c *Client) resolved(at *url.URL, ref string) (string, bool) {
	next, err := at.Parse(ref)
	if err != nil || !sameOrigin(c.spec.base, next) || next.Fragment != "" {
		return "", false
	}
	prefix := strings.TrimRight(c.spec.base.Path, "/") + "/"
	if !strings.HasPrefix(next.Path, prefix) || strings.Contains(next.Path, "..") {
		return "", false
	}
	return next.String(), true
}

package rest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"syncd/connectors"
)

// fieldsOf gives the fields of an object: those the schema call told, and over
// them those that are declared.
func (c *Client) fieldsOf(name string) map[string]field {
	o := c.spec.objects[name]
	if o == nil {
		return nil
	}
	c.mu.RLock()
	told := c.fetched[name]
	c.mu.RUnlock()
	if len(told) == 0 {
		return o.fields
	}
	all := maps.Clone(told)
	maps.Copy(all, o.fields)
	return all
}

// object gives an object by name, its fields known: where a call tells them and it
// was not made yet, it is made now.
func (c *Client) object(ctx context.Context, op, name string) (*object, *connectors.Error) {
	o := c.spec.objects[name]
	if o == nil {
		return nil, c.fault(call{op: op, object: name}, connectors.KindConfig, "the settings of this system name no such object")
	}
	c.mu.RLock()
	told := c.fetched[name]
	c.mu.RUnlock()
	if o.schema.Path != "" && told == nil {
		return o, c.fetchSchema(ctx, o)
	}
	return o, nil
}

// idOf gives the record id of a raw record, "" if it has none that is one.
func (o *object) idOf(raw any) string {
	if id := o.id.text(raw); o.idFormat.MatchString(id) {
		return id
	}
	return ""
}

// record turns a raw record into the contract's, with the asked fields as far as
// they are shown. False if it has no id.
func (c *Client) record(o *object, raw any, fields []string) (connectors.Record, bool) {
	r := connectors.Record{ID: o.idOf(raw), Values: make(map[string]connectors.Value, len(fields))}
	if r.ID == "" {
		return r, false
	}
	at := c.spec.at
	r.Modified, r.Born = at.parse(o.modified.text(raw)), at.parse(o.created.text(raw))
	switch {
	case o.version.given:
		r.Version = pad(o.version.text(raw))
	case o.modified.given:
		r.Version = sortable(r.Modified)
	}
	r.Archived = o.isArchived(raw)
	r.Ours = c.ours(o, raw)
	known := c.fieldsOf(o.name)
	for _, name := range append(slices.Clone(fields), c.spec.set.TokenField) {
		f, ok := known[name]
		if !ok {
			continue
		}
		if v, shown := f.path.get(raw); shown {
			r.Values[name] = f.fromVendor(v)
		} else if emptied(f.path, raw) {
			r.Values[name] = ""
		}
	}
	return r, true
}

// emptied says that an object on the way to a field is shown as null: then the
// field is empty, not absent (CORRECTNESS F66).
func emptied(p path, raw any) bool {
	for n := len(p.steps) - 1; n > 0; n-- {
		if v, shown := (path{steps: p.steps[:n], given: true}).get(raw); shown {
			return v == nil
		}
	}
	return false
}

func (o *object) isArchived(raw any) bool {
	v, shown := o.archived.get(raw)
	if !shown || v == nil {
		return false
	}
	s := scalar(v)
	return slices.Contains(o.set.Archived.Is, s) || slices.Contains(o.set.Archived.Is, "set") && s != ""
}

// ours says that the newest change was made by us, where the vendor tells.
func (c *Client) ours(o *object, raw any) bool {
	c.mu.RLock()
	me := c.actor
	c.mu.RUnlock()
	if me == "" || !o.author.given {
		return false
	}
	by := o.author.text(raw)
	if by == "" {
		by = o.founder.text(raw)
	}
	return by == me
}

// selected gives the query key that asks for some fields only.
func (c *Client) selected(o *object, s Select, fields []string) (key, value string) {
	if s.Param == "" {
		return "", ""
	}
	known := c.fieldsOf(o.name)
	want := map[string]bool{}
	for _, p := range []path{o.id, o.modified, o.created, o.version, o.archived, o.author, o.founder} {
		if len(p.steps) > 0 {
			want[p.steps[0]] = true
		}
	}
	for _, name := range append(slices.Clone(fields), c.spec.set.TokenField) {
		if f, ok := known[name]; ok {
			want[f.path.steps[0]] = true
		}
	}
	for _, name := range s.Extra {
		want[name] = true
	}
	return s.Param, strings.Join(slices.Sorted(maps.Keys(want)), cmpOr(s.Join, ","))
}

// byChange orders records by last change, ties by id.
func byChange(a, b connectors.Record) int {
	if n := a.Modified.Compare(b.Modified); n != 0 {
		return n
	}
	return compareIDs(a.ID, b.ID)
}

// compareIDs compares ids: numbers as numbers.
func compareIDs(a, b string) int {
	if strings.Trim(a+b, "0123456789") == "" && len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

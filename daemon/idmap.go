package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"syncd/control"
	"syncd/store"
)

// recordRef names a record as commands do: system:object:id, or system:id where the
// links have one object of the system.
type recordRef struct{ System, Object, ID string }

func (r recordRef) String() string { return r.System + ":" + r.Object + ":" + r.ID }

// parseRecord reads a record's name against the configured links.
func (d *Daemon) parseRecord(text string) (recordRef, error) {
	system, rest, ok := strings.Cut(text, ":")
	objects := d.objectsOf(system)
	switch {
	case !ok || rest == "":
		return recordRef{}, control.Usage("%q names no record: write system:object:id, such as hubspot:contacts:151", text)
	case len(objects) == 0:
		return recordRef{}, control.Usage("%q: no link has a system %q", text, system)
	}
	if object, id, ok := strings.Cut(rest, ":"); ok && slices.Contains(objects, object) {
		if id == "" {
			return recordRef{}, control.Usage("%q: the record's id is missing", text)
		}
		return recordRef{system, object, id}, nil
	}
	if len(objects) > 1 {
		return recordRef{}, control.Usage("%q: %s has several objects (%s): write system:object:id", text, system, strings.Join(objects, ", "))
	}
	return recordRef{system, objects[0], rest}, nil
}

// identityView is an identity as commands show it.
type identityView struct {
	ID      string       `json:"identity"`
	Link    string       `json:"link"`
	State   string       `json:"state"`
	Members []memberView `json:"members"`
}

type memberView struct {
	Record string            `json:"record,omitempty"` // system:object:id; none while creating
	System string            `json:"system"`
	State  string            `json:"state"`
	Why    string            `json:"why,omitempty"` // while gone
	Cause  string            `json:"cause,omitempty"`
	Fields map[string]string `json:"fields,omitempty"` // rows that are not agreed, by name
}

func viewOf(i *store.Identity) identityView {
	v := identityView{ID: i.ID, Link: i.Link, State: string(i.State)}
	for _, m := range i.Members {
		mv := memberView{System: m.System, State: string(m.State), Why: m.Why, Cause: m.Cause}
		if m.RecordID != "" {
			mv.Record = recordRef{m.System, m.Object, m.RecordID}.String()
		}
		for row, st := range m.Fields {
			if mv.Fields == nil {
				mv.Fields = map[string]string{}
			}
			mv.Fields[row] = st.State
		}
		v.Members = append(v.Members, mv)
	}
	return v
}

// mappingGet shows the identity that a record belongs to, or those that it did.
func (d *Daemon) mappingGet(ctx context.Context, c control.Call) (any, error) {
	var args struct{ Record string }
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	r, err := d.parseRecord(args.Record)
	if err != nil {
		return nil, err
	}
	found, err := d.identitiesOf(ctx, r)
	if err == nil && len(found) == 0 {
		return nil, fmt.Errorf("%s belongs to nobody", r)
	}
	return found, err
}

// identitiesOf gives the identity of a record first, then those that it belonged to,
// the newest first.
func (d *Daemon) identitiesOf(ctx context.Context, r recordRef) ([]identityView, error) {
	var ids []string
	held, err := d.store.Holders(ctx, r.System, r.Object, []string{r.ID})
	if err != nil {
		return nil, err
	}
	if id := held[r.ID]; id != "" {
		ids = append(ids, id)
	}
	past, err := d.store.Past(ctx, r.System, r.Object, []string{r.ID})
	if err != nil {
		return nil, err
	}
	for _, p := range past[r.ID] {
		if !slices.Contains(ids, p.IdentityID) {
			ids = append(ids, p.IdentityID)
		}
	}
	var out []identityView
	for _, id := range ids {
		i, err := d.store.Identity(ctx, id)
		if err != nil {
			return nil, err
		}
		if i != nil {
			out = append(out, viewOf(i))
		}
	}
	return out, nil
}

// mappingFind looks for a text in every place that names identities: canonical ids,
// our references, and record ids of every object.
func (d *Daemon) mappingFind(ctx context.Context, c control.Call) (any, error) {
	var args struct{ Text string }
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	text := strings.TrimSpace(args.Text)
	if text == "" {
		return nil, control.Usage("say what to look for: a record id, a canonical id, or a reference of ours")
	}
	out := []identityView{}
	add := func(list ...identityView) {
		for _, v := range list {
			if !slices.ContainsFunc(out, func(o identityView) bool { return o.ID == v.ID }) {
				out = append(out, v)
			}
		}
	}
	id, ours := d.keyring.Parse(text)
	if !ours {
		id = strings.ToLower(text)
	}
	if _, err := d.keyring.Token(id); err == nil { // it has the form of a canonical id
		i, err := d.store.Identity(ctx, id)
		if err != nil {
			return nil, err
		}
		if i != nil {
			add(viewOf(i))
		}
	}
	for _, s := range d.Config.Systems {
		for _, object := range d.objectsOf(s.Name) {
			found, err := d.identitiesOf(ctx, recordRef{s.Name, object, text})
			if err != nil {
				return nil, err
			}
			add(found...)
		}
	}
	return out, nil
}

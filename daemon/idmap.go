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
	Fields map[string]string `json:"fields,omitempty"` // rows that are not agreed, by name
}

func viewOf(i *store.Identity) identityView {
	v := identityView{ID: i.ID, Link: i.Link, State: string(i.State)}
	for _, m := range i.Members {
		mv := memberView{System: m.System, State: string(m.State)}
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

// mappingGet shows the identity of a record.
func (d *Daemon) mappingGet(ctx context.Context, c control.Call) (any, error) {
	var args struct{ Record string }
	if err := c.Into(&args); err != nil {
		return nil, err
	}
	r, err := d.parseRecord(args.Record)
	if err != nil {
		return nil, err
	}
	held, err := d.store.Holders(ctx, r.System, r.Object, []string{r.ID})
	if err != nil {
		return nil, err
	}
	id, known := held[r.ID]
	if !known {
		return nil, fmt.Errorf("%s belongs to nobody", r)
	}
	i, err := d.store.Identity(ctx, id)
	if err != nil {
		return nil, err
	}
	return []identityView{viewOf(i)}, nil
}

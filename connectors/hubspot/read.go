package hubspot

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"syncd/connectors"
)

// readInput is one id, or one value of idProperty, in a batch read.
type readInput struct {
	ID string `json:"id"`
}

// readBody is the body of a batch read (section 3).
type readBody struct {
	Properties []string    `json:"properties"`
	IDProperty string      `json:"idProperty,omitempty"`
	Inputs     []readInput `json:"inputs"`
}

// batchRead reads records by id, or by the values of a unique property, in as
// many calls as it takes. What the vendor leaves out is left out.
func (c *Client) batchRead(ctx context.Context, object, by string, values, ask []string, archived bool) ([]item, *connectors.Error) {
	k := call{op: "batch read", object: object, method: http.MethodPost, path: c.objectsPath(object, "batch", "read")}
	if archived {
		k.query = url.Values{"archived": {"true"}}
	}
	var out []item
	for chunk := range slices.Chunk(values, batchSize) {
		body := readBody{Properties: ask, IDProperty: by}
		for _, v := range chunk {
			body.Inputs = append(body.Inputs, readInput{ID: v})
		}
		k.body = body
		var answer records
		if e := c.get(ctx, k, &answer); e != nil {
			return nil, e
		}
		for _, o := range answer.Results {
			if idPattern.MatchString(string(o.ID)) {
				out = append(out, o)
			}
		}
	}
	return out, nil
}

// reading is a Read under way: what was asked and what was seen so far.
type reading struct {
	client *Client
	object string
	fields []string
	seen   map[string]connectors.Sighting
}

// put notes a record as the answer to an asked id.
func (r *reading) put(asked string, o item) {
	if _, ok := r.seen[asked]; ok {
		return
	}
	sight := connectors.SightFound
	if o.Archived {
		sight = connectors.SightArchived
	}
	r.seen[asked] = connectors.Sighting{
		Asked: asked, Sight: sight, Record: r.client.record(r.object, o, r.fields),
	}
}

// missing gives the ids that have no sighting yet.
func (r *reading) missing(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, ok := r.seen[id]; return ok })
}

// Read reads records by id with batch/read (section 3). An answer with another
// id than the asked one is a merge (section 9): it is found by the survivor's
// list of merged ids, or by reading the missing ids one by one when the answer
// holds a record that nobody asked for (trap R1).
func (c *Client) Read(ctx context.Context, object string, ids, fields []string) ([]connectors.Sighting, error) {
	r := &reading{client: c, object: object, fields: fields, seen: map[string]connectors.Sighting{}}
	asked := unique(ids, idPattern.MatchString)
	ask := c.ask(object, fields)
	if len(asked) > 0 {
		got, e := c.batchRead(ctx, object, "", asked, ask, false)
		if e != nil {
			return nil, e
		}
		if e := r.correlate(ctx, asked, ask, got); e != nil {
			return nil, e
		}
	}
	if left := r.missing(asked); len(left) > 0 {
		got, e := c.batchRead(ctx, object, "", left, ask, true)
		if e != nil {
			return nil, e
		}
		for _, o := range got {
			if o.Archived && slices.Contains(left, string(o.ID)) {
				r.put(string(o.ID), o)
			}
		}
	}
	if e := c.showPointers(ctx, object, fields, r.seen); e != nil {
		return nil, e
	}
	out := make([]connectors.Sighting, 0, len(ids))
	for _, id := range ids {
		s, ok := r.seen[id]
		if !ok {
			s = connectors.Sighting{Asked: id, Sight: connectors.SightMissing}
		}
		out = append(out, s)
	}
	return out, nil
}

// correlate gives every record of an answer to the id it answers.
func (r *reading) correlate(ctx context.Context, asked, ask []string, got []item) *connectors.Error {
	stranger := false
	for _, o := range got {
		if slices.Contains(asked, string(o.ID)) {
			r.put(string(o.ID), o)
		} else {
			stranger = true
		}
	}
	for _, o := range got {
		for _, old := range mergedIDs(o) {
			if slices.Contains(asked, old) {
				r.put(old, o)
			}
		}
	}
	if !stranger {
		return nil
	}
	for _, id := range r.missing(asked) {
		o, e := r.client.getOne(ctx, r.object, id, ask, false)
		if e != nil {
			return e
		}
		if o != nil {
			r.put(id, *o)
		}
	}
	return nil
}

// getOne reads one record by id; nil if the vendor answers 404.
func (c *Client) getOne(ctx context.Context, object, id string, ask []string, archived bool) (*item, *connectors.Error) {
	k := call{op: "read", object: object, method: http.MethodGet, path: c.objectsPath(object, id), query: url.Values{}}
	for _, p := range ask {
		k.query.Add("properties", p)
	}
	if archived {
		k.query.Set("archived", "true")
	}
	var o item
	if e := c.get(ctx, k, &o); e != nil {
		if e.Code == catNotFound || e.Code == "HTTP 404" {
			return nil, nil
		}
		return nil, e
	}
	if !idPattern.MatchString(string(o.ID)) {
		return nil, c.broken(k, http.StatusOK)
	}
	return &o, nil
}

// unique gives the values that fit, each once, in order.
func unique(values []string, fits func(string) bool) []string {
	seen := make(map[string]bool, len(values))
	var out []string
	for _, v := range values {
		if fits(v) && !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

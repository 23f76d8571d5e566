package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"syncd/connectors"
)

// job is one write on its way.
type job struct {
	at int // in the batch
	connectors.Write
	call call
}

// Write works a batch off: in one call where the vendor has one for many, else one
// by one. Nothing is sent twice. After an answer that is about the call and not a
// record the rest of the batch stays unsent.
func (c *Client) Write(ctx context.Context, name string, op connectors.Op, writes []connectors.Write) []connectors.Result {
	out := make([]connectors.Result, len(writes))
	o, e := c.object(ctx, string(op), name)
	var jobs []job
	keys, ids := map[string]bool{}, map[string]bool{}
	for i, w := range writes {
		out[i].Key = w.Key
		why := e
		if why == nil {
			why = c.unfit(o, op, w)
		}
		if why == nil && (keys[w.Key] || op != connectors.Create && ids[w.RecordID]) {
			why = c.own(call{op: string(op), object: name}, connectors.KindBug, "the batch holds the record twice")
		}
		if why != nil {
			out[i].Outcome, out[i].Err = connectors.NotApplied, why
			continue
		}
		keys[w.Key], ids[w.RecordID] = true, true
		jobs = append(jobs, job{at: i, Write: w})
	}
	if many := o.many(op); many != nil && len(jobs) > 1 {
		for chunk := range slices.Chunk(jobs, many.Max) {
			c.writeMany(ctx, o, op, many, chunk, out)
		}
		return out
	}
	for n, j := range jobs {
		out[j.at] = c.writeOne(ctx, o, op, j)
		if stop := out[j.at].Err; stop != nil && stop.WholeCall && ends(stop.Kind) {
			for _, rest := range jobs[n+1:] {
				out[rest.at] = connectors.Result{Key: rest.Key, Outcome: connectors.NotApplied, Err: stop}
			}
			break
		}
	}
	return out
}

// ends says that an answer with this kind is the answer of every other record too.
func ends(kind connectors.Kind) bool {
	switch kind {
	case connectors.KindThrottled, connectors.KindAuth, connectors.KindForbidden, connectors.KindConfig, connectors.KindTransient:
		return true
	}
	return false
}

// own gives an error about one record.
func (c *Client) own(k call, kind connectors.Kind, said string) *connectors.Error {
	e := c.fault(k, kind, said)
	e.WholeCall = false
	return e
}

// many gives the call for many of an operation, nil if there is none.
func (o *object) many(op connectors.Op) *batchSpec {
	switch {
	case o == nil:
		return nil
	case op == connectors.Create:
		return o.create.many
	case op == connectors.Update:
		return o.update.many
	}
	return nil
}

// unfit says why a write cannot be sent, nil if it can.
func (c *Client) unfit(o *object, op connectors.Op, w connectors.Write) *connectors.Error {
	k := call{op: string(op), object: o.name}
	act, isAct := o.act(op)
	switch {
	case w.Key == "":
		return c.own(k, connectors.KindBug, "the write has no key")
	case op != connectors.Create && !o.idFormat.MatchString(w.RecordID):
		return c.own(k, connectors.KindBug, "the record id is none of this object")
	case op == connectors.Create && o.create.Path == "", op == connectors.Update && o.update.Path == "", isAct && act.Path == "":
		return c.fault(k, connectors.KindConfig, "the settings name no way to "+string(op))
	case op != connectors.Create && op != connectors.Update && !isAct:
		return c.own(k, connectors.KindBug, "no such operation: "+string(op))
	}
	known := c.fieldsOf(o.name)
	for name := range w.Values {
		f, ok := known[name]
		if !ok || f.set.ReadOnly {
			e := c.fault(k, connectors.KindConfig, "there is no such field")
			if ok {
				e.Said = "the field is read-only"
			}
			e.Field = name
			return e
		}
	}
	return nil
}

// act gives the call of an operation without values.
func (o *object) act(op connectors.Op) (Act, bool) {
	switch op {
	case connectors.Archive:
		return o.set.Archive, true
	case connectors.Delete:
		return o.set.Delete, true
	case connectors.Restore:
		return o.set.Restore, true
	}
	return Act{}, false
}

// writeOne makes the call for one write and says what became of it.
func (c *Client) writeOne(ctx context.Context, o *object, op connectors.Op, j job) connectors.Result {
	if e := c.prepare(ctx, o, op, &j); e != nil {
		return connectors.Result{Key: j.Key, Outcome: connectors.NotApplied, Err: e}
	}
	res, e := c.send(ctx, j.call)
	switch {
	case e != nil && unsent(e):
		return connectors.Result{Key: j.Key, Outcome: connectors.NotApplied, Err: e}
	case e != nil:
		c.locks.drop(o.name, j.RecordID)
		return connectors.Result{Key: j.Key, Outcome: connectors.Unknown, Err: e}
	}
	body, ok := decode(res)
	if r := c.rejected(j.call, res, body); r != nil {
		return c.turnedDown(o, op, j, r)
	}
	return c.applied(o, op, j, answer{res, body}, ok)
}

// prepare makes the request of a write. Its error is proof that nothing was sent
// that writes.
func (c *Client) prepare(ctx context.Context, o *object, op connectors.Op, j *job) *connectors.Error {
	j.call = call{op: string(op), object: o.name, shape: o, id: j.RecordID, header: http.Header{}}
	values := map[string]string{"id": j.RecordID}
	switch op {
	case connectors.Create:
		cr := o.create
		raw := map[string]any{}
		if e := c.put(j.call, o, raw, c.createValues(j.Write), cr.Add, nil); e != nil {
			return e
		}
		j.call.method, j.call.path, j.call.query = cr.Method, cr.Path, fillQuery(cr.Query, nil)
		j.call.body = wrapped(cr.Wrap, raw)
		set(j.call.header, cr.Header)
		if h := cr.Idempotency.Header; h != "" {
			key := j.Key
			if cr.Idempotency.Quoted {
				key = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
			}
			j.call.header.Set(h, key)
		}
	case connectors.Update:
		return c.prepareUpdate(ctx, o, j)
	default:
		a, _ := o.act(op)
		j.call.method, j.call.path, j.call.query = cmpOr(a.Method, defaultAct(string(op))), fillPath(a.Path, values), fillQuery(a.Query, values)
		set(j.call.header, a.Header)
		if len(a.Body) > 0 {
			raw := map[string]any{}
			if e := c.put(j.call, o, raw, a.Body, nil, nil); e != nil {
				return e
			}
			j.call.body = wrapped(o.update.Wrap, raw)
		}
	}
	return nil
}

// createValues gives the values of a create: nothing that is empty, and the token.
func (c *Client) createValues(w connectors.Write) map[string]connectors.Value {
	out := make(map[string]connectors.Value, len(w.Values)+1)
	for name, v := range w.Values {
		if v != "" {
			out[name] = v
		}
	}
	if w.Token != "" {
		out[c.spec.set.TokenField] = w.Token
	}
	return out
}

// put writes values into a raw record.
func (c *Client) put(k call, o *object, raw map[string]any, values map[string]connectors.Value, add map[string]string, empty any) *connectors.Error {
	known := c.fieldsOf(o.name)
	for name, v := range add {
		if _, ours := values[name]; !ours {
			raw[name] = v
		}
	}
	for name, v := range values {
		f, ok := known[name]
		if !ok {
			continue // the token of an object without its field
		}
		theirs, ok := f.toVendor(v, empty)
		if ok {
			ok = f.path.set(raw, theirs)
		}
		if !ok {
			e := c.own(k, connectors.KindInvalid, "the value is no "+f.set.Type)
			e.Field = name
			return e
		}
	}
	return nil
}

// wrapped puts a record into its member.
func wrapped(member string, raw any) any {
	if member == "" {
		return raw
	}
	return map[string]any{member: raw}
}

func set(h http.Header, values map[string]string) {
	for name, v := range values {
		h.Set(name, v)
	}
}

// prepareUpdate makes the request of an update. Where the vendor replaces what it
// is given as a whole, or demands a version that we have not seen, the record is
// read first (section C.3).
func (c *Client) prepareUpdate(ctx context.Context, o *object, j *job) *connectors.Error {
	u := o.update
	values := map[string]string{"id": j.RecordID}
	raw := map[string]any{}
	version := c.locks.get(o.name, j.RecordID)
	if u.Style != styleDeep || version == "" && u.Lock.Required {
		now, got, e := c.readRaw(ctx, o, j.RecordID)
		if e != nil {
			return e
		}
		if version == "" && u.Lock.Required {
			c.remember(o, j.RecordID, now, got)
			version = c.locks.get(o.name, j.RecordID)
		}
		raw = overlaid(u.Style, now, c.fieldsOf(o.name), j.Values)
	}
	var empty any
	if u.Null == "empty" {
		empty = ""
	}
	if e := c.put(j.call, o, raw, j.Values, u.Add, empty); e != nil {
		return e
	}
	j.call.method, j.call.path, j.call.query = u.Method, fillPath(u.Path, values), fillQuery(u.Query, values)
	j.call.kind = u.Type
	set(j.call.header, u.Header)
	if version != "" && u.Lock.Header != "" {
		j.call.header.Set(u.Lock.Header, version)
	} else if version != "" && u.body.given {
		var v any = version
		if plainNumber.MatchString(version) {
			v = json.Number(version)
		}
		u.body.set(raw, v)
	}
	j.call.body = wrapped(u.Wrap, raw)
	return nil
}

// overlaid gives what of the record as it is has to be sent along.
func overlaid(style string, now map[string]any, known map[string]field, values map[string]connectors.Value) map[string]any {
	raw := map[string]any{}
	for member, v := range now {
		keep := style == styleReplace
		for name := range values {
			if f, ok := known[name]; ok && len(f.path.steps) > 1 && f.path.steps[0] == member {
				keep = keep || style == styleMerge
			}
		}
		if keep {
			raw[member] = v
		}
	}
	return raw
}

// readRaw reads a record as the vendor has it.
func (c *Client) readRaw(ctx context.Context, o *object, id string) (map[string]any, answer, *connectors.Error) {
	k := o.reading(id)
	got, r := c.get(ctx, k)
	if r != nil {
		if r.is == isMissing {
			r.err.Kind, r.err.WholeCall = connectors.KindGone, false
		}
		return nil, got, r.err
	}
	v, _ := o.record.get(got.body)
	raw, ok := v.(map[string]any)
	if !ok || o.idOf(raw) != id {
		return nil, got, c.broken(k, got.res.Status)
	}
	return raw, got, nil
}

// turnedDown is the outcome of a write that was refused.
func (c *Client) turnedDown(o *object, op connectors.Op, j job, r *refusal) connectors.Result {
	out := connectors.Result{Key: j.Key, Outcome: connectors.Unknown, Err: r.err}
	if r.nothing {
		out.Outcome = connectors.NotApplied
	}
	if op == connectors.Update {
		c.locks.drop(o.name, j.RecordID) // it was not what it seemed
	}
	switch {
	case r.is == isExists && op == connectors.Create:
		out.Outcome, out.RecordID = connectors.Exists, r.existing
	case r.is == isDone && op != connectors.Create && op != connectors.Update, r.is == string(connectors.KindGone) && op == connectors.Delete:
		return connectors.Result{Key: j.Key, Outcome: connectors.Applied, RecordID: j.RecordID}
	case r.is == isUnknown:
		out.Outcome = connectors.Unknown
	}
	return out
}

// locationID is the last segment of a path.
var locationID = regexp.MustCompile(`/([^/?#]+)/?$`)

// applied is the outcome of a write that was taken. A success whose body is not
// what it should be is none that can be told (CORRECTNESS W4).
func (c *Client) applied(o *object, op connectors.Op, j job, got answer, isJSON bool) connectors.Result {
	out := connectors.Result{Key: j.Key, Outcome: connectors.Applied, RecordID: j.RecordID}
	unclear := func() connectors.Result {
		c.locks.drop(o.name, j.RecordID)
		return connectors.Result{Key: j.Key, Outcome: connectors.Unknown, Err: c.broken(j.call, got.res.Status)}
	}
	if got.res.Status == http.StatusAccepted { // not done yet: a job
		return unclear()
	}
	how := answerNone
	switch op {
	case connectors.Create:
		how = o.create.Answer
	case connectors.Update:
		how = o.update.Answer
	}
	switch how {
	case answerRecord:
		raw, _ := o.record.get(got.body)
		rec, ok := c.written(o, raw, j.Write)
		if !isJSON || !ok || op == connectors.Update && rec.ID != j.RecordID {
			return unclear()
		}
		out.RecordID, out.Record = rec.ID, &rec
		c.locks.drop(o.name, rec.ID)
		c.remember(o, rec.ID, raw, got)
	case answerID:
		if out.RecordID = j.call.validID(o.create.answerID.text(got.body)); !isJSON || out.RecordID == "" {
			return unclear()
		}
	case answerLocation:
		if u, err := url.Parse(got.res.Header.Get("Location")); err == nil {
			if m := locationID.FindStringSubmatch(u.EscapedPath()); m != nil {
				id, _ := url.PathUnescape(m[1])
				out.RecordID = j.call.validID(id)
			}
		}
		if out.RecordID == "" {
			return unclear()
		}
	default:
		c.locks.drop(o.name, j.RecordID)
	}
	return out
}

// written gives the record of a write's answer, with every field that it shows.
func (c *Client) written(o *object, raw any, w connectors.Write) (connectors.Record, bool) {
	known := c.fieldsOf(o.name)
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	rec, ok := c.record(o, raw, names)
	rec.Ours = true
	for name, v := range w.Values {
		if _, shown := rec.Values[name]; v == "" && !shown {
			rec.Values[name] = "" // what was emptied may be left out
		}
	}
	return rec, ok
}

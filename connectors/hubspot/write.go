package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// writeInput is one record of a batch write (section 3).
type writeInput struct {
	ID         string            `json:"id,omitempty"`
	TraceID    string            `json:"objectWriteTraceId"`
	Properties map[string]string `json:"properties"`
	// Associations are made with a record that is created.
	Associations []inline `json:"associations,omitempty"`
}

// writeBody is the body of a batch write.
type writeBody struct {
	Inputs []writeInput `json:"inputs"`
}

// Write creates or updates by batch/create and batch/update with a trace id on
// every input, which makes each stand alone (section 3, trap W2). There is no
// upsert: a late repeat would overwrite what a person edited meanwhile. Archiving is
// the only way to remove, and there is no way back by API (section 9).
func (c *Client) Write(ctx context.Context, object string, op connectors.Op, writes []connectors.Write) []connectors.Result {
	if op == connectors.Archive {
		return c.archive(ctx, object, writes)
	}
	k := call{op: "batch " + string(op), object: object, method: http.MethodPost}
	k.path = c.objectsPath(object, "batch", string(op))
	results := make([]connectors.Result, len(writes))
	var fit []int
	keys, ids := map[string]bool{}, map[string]bool{}
	for i, w := range writes {
		results[i].Key = w.Key
		why := unfit(op, w)
		switch {
		case why != "":
		case keys[w.Key] || (op == connectors.Update && ids[w.RecordID]):
			why = "the batch holds the record twice"
		}
		if why != "" {
			e := c.fault(k, connectors.KindBug, why)
			e.WholeCall = false
			results[i].Outcome, results[i].Err = connectors.NotApplied, e
			continue
		}
		keys[w.Key], ids[w.RecordID] = true, true
		fit = append(fit, i)
	}
	for chunk := range slices.Chunk(fit, batchSize) {
		part := make([]connectors.Write, 0, len(chunk))
		for _, i := range chunk {
			part = append(part, writes[i])
		}
		for n, r := range c.writePart(ctx, k, op, part) {
			results[chunk[n]] = r
		}
	}
	return results
}

// unfit says why a write cannot be sent, "" if it can.
func unfit(op connectors.Op, w connectors.Write) string {
	switch {
	case op != connectors.Create && op != connectors.Update:
		return fmt.Sprintf("no such operation: %q", op)
	case w.Key == "":
		return "the write has no key"
	case op == connectors.Update && !idPattern.MatchString(w.RecordID):
		return "the record id is no HubSpot id"
	}
	return ""
}

// writePart writes the properties of some records, and then what their pointers
// point to. A create brings these along: its answer does not show them, a read does.
func (c *Client) writePart(ctx context.Context, k call, op connectors.Op, writes []connectors.Write) []connectors.Result {
	if op != connectors.Update || len(pointersOf(k.object)) == 0 {
		return c.writeChunk(ctx, k, op, writes)
	}
	results := make([]connectors.Result, len(writes))
	pointed, ids, wrote := make([]map[string]connectors.Value, len(writes)), make([]string, len(writes)), make([]bool, len(writes))
	var plain []connectors.Write
	var at []int
	for i, w := range writes {
		ids[i] = w.RecordID
		w.Values, pointed[i] = apartPointers(k.object, w.Values)
		if wrote[i] = len(w.Values) > 0 || pointed[i] == nil; wrote[i] {
			plain, at = append(plain, w), append(at, i)
		} else {
			results[i] = connectors.Result{Key: w.Key, Outcome: connectors.Applied, RecordID: w.RecordID}
		}
	}
	if len(plain) > 0 {
		for n, r := range c.writeChunk(ctx, k, op, plain) {
			results[at[n]] = r
		}
	}
	c.writePointers(ctx, k.object, pointed, ids, results, wrote)
	return results
}

// writeChunk makes one call and says what became of every write in it.
func (c *Client) writeChunk(ctx context.Context, k call, op connectors.Op, writes []connectors.Write) []connectors.Result {
	b := &batch{client: c, call: k, op: op, writes: writes}
	var body writeBody
	for _, w := range writes {
		body.Inputs = append(body.Inputs, c.input(k.object, op, w))
	}
	k.body = body
	res, failed := b.send(ctx, k)
	if failed != nil {
		return failed
	}
	return b.answered(res)
}

// send makes the batch's call. failed says what became of every write where the
// answer is no success.
func (b *batch) send(ctx context.Context, k call) (res wire.Response, failed []connectors.Result) {
	res, e := b.client.send(ctx, k)
	switch {
	case e != nil && unsent(e):
		return res, b.all(connectors.NotApplied, e)
	case e != nil:
		return res, b.all(connectors.Unknown, e)
	case res.Status < 200 || res.Status > 299:
		return res, b.refused(res)
	}
	return res, nil
}

// input gives a write as the vendor takes it. The token goes into its property
// where the object has one.
func (c *Client) input(object string, op connectors.Op, w connectors.Write) writeInput {
	props := c.known(object)
	in := writeInput{TraceID: w.Key, Properties: make(map[string]string, len(w.Values)+1)}
	plain, pointed := apartPointers(object, w.Values)
	for f, v := range plain {
		in.Properties[f] = toVendor(string(props[f].Type), v)
	}
	if op == connectors.Create {
		in.Associations = inlineOf(object, pointed)
	}
	if op == connectors.Update {
		in.ID = w.RecordID
		return in
	}
	maps.DeleteFunc(in.Properties, func(_, v string) bool { return v == "" }) // nothing to empty yet
	if _, ok := props[c.cfg.TokenField]; w.Token != "" && (ok || props == nil) {
		in.Properties[c.cfg.TokenField] = w.Token
	}
	return in
}

// batch is the writes of one call and how their answer is told apart.
type batch struct {
	client *Client
	call   call
	op     connectors.Op
	writes []connectors.Write
}

// all gives every write the same outcome.
func (b *batch) all(outcome connectors.Outcome, e *connectors.Error) []connectors.Result {
	out := make([]connectors.Result, len(b.writes))
	for i, w := range b.writes {
		out[i] = connectors.Result{Key: w.Key, Outcome: outcome, Err: e}
	}
	return out
}

// refused says what became of the writes when the whole call was refused. A
// row that the answer names is blamed on its own, a lone row always is; the
// others are told that it was about the call (section 3.7 of CORRECTNESS).
func (b *batch) refused(res wire.Response) []connectors.Result {
	e := b.client.refused(b.call, res)
	if !byStatus[res.Status].nothing {
		return b.all(connectors.Unknown, e)
	}
	p := readProblem(res.Body)
	missing := res.Status == http.StatusNotFound && string(p.Category) == catNotFound && b.op == connectors.Update
	if missing {
		e.Kind = connectors.KindInvalid // one of them is gone: the queue finds out which
	}
	out := b.all(connectors.NotApplied, e)
	if e.Kind != connectors.KindInvalid {
		return out
	}
	blamed := b.named(p)
	if len(b.writes) == 1 {
		blamed = []int{0}
	}
	for _, i := range blamed {
		own := *e
		own.WholeCall = false
		if missing {
			own.Kind = connectors.KindGone
		}
		out[i].Err = &own
		if b.op == connectors.Create && p.duplicate() {
			out[i].Outcome = connectors.Exists
			if len(blamed) == 1 {
				out[i].RecordID = p.existing()
			}
		}
	}
	return out
}

// named gives the writes that an error names: by trace id, or by record id.
func (b *batch) named(p problem) []int {
	var out []int
	traces := p.names("objectWriteTraceId")
	ids := append(p.names("ids"), p.names("id")...)
	for i, w := range b.writes {
		if slices.Contains(traces, w.Key) || (b.op == connectors.Update && slices.Contains(ids, w.RecordID)) {
			out = append(out, i)
		}
	}
	return out
}

// answered tells the writes apart in a success, which may be one in part: 200,
// 201 and 207 alike (section 1). What is in neither list is unknown, and so is
// what the two lists disagree about (trap W3).
func (b *batch) answered(res wire.Response) []connectors.Result {
	var answer records
	if json.Unmarshal(res.Body, &answer) != nil {
		return b.all(connectors.Unknown, b.client.broken(b.call, res.Status))
	}
	lost := b.client.fault(b.call, connectors.KindTransient, "the answer does not mention the record")
	lost.WholeCall = false
	out := b.all(connectors.Unknown, lost)
	told := make([]int, len(b.writes))
	for i, o := range b.match(answer.Results) {
		told[i]++
		w := b.writes[i]
		r := b.client.record(b.call.object, *o, slices.Collect(maps.Keys(o.Properties)))
		r.Ours = true
		for f := range pointersOf(b.call.object) {
			delete(r.Values, f) // the answer may be older than the association
		}
		for f, v := range w.Values {
			if _, shown := r.Values[f]; v == "" && !shown && !isPointer(b.call.object, f) {
				r.Values[f] = "" // an emptied property is left out (section 3)
			}
		}
		out[i] = connectors.Result{Key: w.Key, Outcome: connectors.Applied, RecordID: r.ID, Record: &r}
	}
	for _, p := range answer.Errors {
		rows := b.named(p)
		for _, i := range rows {
			told[i]++
			out[i] = b.failed(b.writes[i], p, len(rows) == 1)
		}
	}
	for i, n := range told {
		if n > 1 {
			out[i] = connectors.Result{Key: b.writes[i].Key, Outcome: connectors.Unknown, Err: lost}
		}
	}
	return out
}

// failed is the outcome of one write that the answer's errors name.
func (b *batch) failed(w connectors.Write, p problem, alone bool) connectors.Result {
	m, known := byCategory[string(p.Category)]
	if !known {
		m.kind = connectors.KindTransient
	}
	e := b.client.fault(b.call, m.kind, p.said())
	e.WholeCall = m.kind == connectors.KindThrottled || m.kind == connectors.KindAuth || m.kind == connectors.KindForbidden
	e.Code = p.code()
	if m.kind == connectors.KindInvalid {
		e.Field = p.field()
		if p.has(codeNoProperty) {
			e.Kind = connectors.KindConfig
		}
	}
	if m.kind == connectors.KindThrottled {
		e.RetryAfter = b.client.retryAfter(wire.Response{Status: http.StatusTooManyRequests}, p)
	}
	r := connectors.Result{Key: w.Key, Outcome: connectors.Unknown, Err: e}
	if m.nothing {
		r.Outcome = connectors.NotApplied
	}
	if b.op == connectors.Create && p.duplicate() {
		r.Outcome = connectors.Exists
		if alone {
			r.RecordID = p.existing()
		}
	}
	return r
}

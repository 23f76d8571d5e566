package rest

import (
	"context"
	"fmt"
	"net/http"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// writeMany makes one call for several writes. What is in no result is unknown, and
// so is what is there twice (CORRECTNESS F13, W3).
func (c *Client) writeMany(ctx context.Context, o *object, op connectors.Op, many *batchSpec, jobs []job, out []connectors.Result) {
	k := call{op: string(op), object: o.name, shape: o, method: many.Method, path: many.Path}
	all := func(outcome connectors.Outcome, e *connectors.Error) {
		for _, j := range jobs {
			out[j.at] = connectors.Result{Key: j.Key, Outcome: outcome, Err: e}
		}
	}
	rows := make([]any, 0, len(jobs))
	names := map[string]int{} // what a result is known by, to the job
	for n, j := range jobs {
		raw, name, e := c.row(o, op, many, j)
		if e != nil {
			out[j.at] = connectors.Result{Key: j.Key, Outcome: connectors.NotApplied, Err: e}
			continue
		}
		names[name] = n
		rows = append(rows, raw)
	}
	if len(rows) == 0 {
		return
	}
	k.body = wrapped(many.Wrap, rows)
	res, e := c.send(ctx, k)
	if e != nil {
		outcome := connectors.Unknown
		if unsent(e) {
			outcome = connectors.NotApplied
		}
		c.keep(jobs, out, func() { all(outcome, e) })
		return
	}
	body, ok := decode(res)
	if r := c.rejected(k, res, body); r != nil {
		outcome := connectors.Unknown
		if r.nothing {
			outcome = connectors.NotApplied
		}
		if len(rows) > 1 {
			r.err.WholeCall = true // the queue finds out which one (CORRECTNESS 3.7)
		}
		c.keep(jobs, out, func() { all(outcome, r.err) })
		return
	}
	lost := c.own(k, connectors.KindTransient, "the answer does not mention the record")
	c.keep(jobs, out, func() { all(connectors.Unknown, lost) })
	results, found := many.results.items(body)
	if !ok || !found {
		return
	}
	c.tell(o, op, many, k, res, results, names, jobs, out, lost)
}

// keep runs a function over the outcomes of a call without touching the rows that
// were never part of it.
func (c *Client) keep(jobs []job, out []connectors.Result, work func()) {
	before := map[int]connectors.Result{}
	for _, j := range jobs {
		if out[j.at].Outcome == connectors.NotApplied {
			before[j.at] = out[j.at]
		}
	}
	work()
	for at, r := range before {
		out[at] = r
	}
}

// row gives a write as an item of a batch, and what its result is known by.
func (c *Client) row(o *object, op connectors.Op, many *batchSpec, j job) (raw map[string]any, name string, e *connectors.Error) {
	k := call{op: string(op), object: o.name}
	raw = map[string]any{}
	values, name := j.Values, j.RecordID
	add, empty := o.update.Add, any(nil)
	if op == connectors.Create {
		values, name, add = c.createValues(j.Write), j.Key, o.create.Add
	} else if o.update.Null == "empty" {
		empty = ""
	}
	if e := c.put(k, o, raw, values, add, empty); e != nil {
		return nil, "", e
	}
	if !many.send.set(raw, name) {
		return nil, "", c.own(k, connectors.KindConfig, fmt.Sprintf("a field stands where many.send puts the key of %s", op))
	}
	return raw, name, nil
}

// tell gives every write its own result.
func (c *Client) tell(o *object, op connectors.Op, many *batchSpec, k call, res wire.Response, results []any, names map[string]int, jobs []job, out []connectors.Result, lost *connectors.Error) {
	told := map[int]int{}
	for _, result := range results {
		n, ok := names[many.key.text(result)]
		if !ok {
			continue
		}
		j := jobs[n]
		if told[n]++; told[n] > 1 {
			out[j.at] = connectors.Result{Key: j.Key, Outcome: connectors.Unknown, Err: lost}
			continue
		}
		out[j.at] = c.resultOf(o, op, many, k, res, result, j)
	}
}

// resultOf reads one result of a batch.
func (c *Client) resultOf(o *object, op connectors.Op, many *batchSpec, k call, res wire.Response, result any, j job) connectors.Result {
	k.id = j.RecordID
	status := res.Status
	if s := many.status.text(result); s != "" {
		if _, err := fmt.Sscanf(s, "%d", &status); err != nil {
			status = http.StatusInternalServerError
		}
	}
	fault, failed := many.fault.get(result)
	failed = failed && !blank(fault)
	if failed || status < 200 || status > 299 {
		if !failed {
			fault = result
		}
		if failed && status >= 200 && status <= 299 {
			status = http.StatusUnprocessableEntity
		}
		own := wire.Response{Status: status, Header: res.Header}
		v := c.judge(k, own, fault)
		return c.turnedDown(o, op, j, &refusal{v, c.refused(k, own, v)})
	}
	raw, _ := many.record.get(result)
	rec, ok := c.written(o, raw, j.Write)
	if !ok || op == connectors.Update && rec.ID != j.RecordID {
		return connectors.Result{Key: j.Key, Outcome: connectors.Unknown, Err: c.broken(k, res.Status)}
	}
	return connectors.Result{Key: j.Key, Outcome: connectors.Applied, RecordID: rec.ID, Record: &rec}
}

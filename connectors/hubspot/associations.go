package hubspot

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"syncd/connectors"
	"syncd/connectors/wire"
)

// pointer is a field that the vendor keeps as an association: the record's
// primary company, of which there is one at most (section 6). It reads like any
// other field and is written by calls of its own.
type pointer struct {
	object, field, target string
	primary               int // association type id, from the record to the target
}

// pointers are those that the connector shows. Contacts have a property of that
// name, which comes with every read, search and listing; where an object has none,
// a read asks for the associations.
var pointers = []pointer{
	{"contacts", "associatedcompanyid", "companies", 1},
	{"deals", "associatedcompanyid", "companies", 5},
	{"tickets", "associatedcompanyid", "companies", 26},
}

// categoryDefined is the category of the vendor's own association types.
const categoryDefined = "HUBSPOT_DEFINED"

// subNone says in an answer that a record has no association (observed).
const subNone = "NO_ASSOCIATIONS_FOUND"

// pointersOf gives the pointers of an object by field.
func pointersOf(object string) map[string]pointer {
	out := map[string]pointer{}
	for _, p := range pointers {
		if p.object == plural(object) {
			out[p.field] = p
		}
	}
	return out
}

func isPointer(object, field string) bool {
	_, is := pointersOf(object)[field]
	return is
}

// holds says whether one end of an association has a field that shows it.
func holds(from, to string) bool {
	return slices.ContainsFunc(pointers, func(p pointer) bool { return p.object == plural(from) && p.target == plural(to) })
}

// associationsPath is the path of a batch call on associations (section 1).
func (c *Client) associationsPath(from, to, what string) string {
	return c.path("/crm/v4/associations/", "/crm/associations/"+Version2026+"/", from, []string{to, "batch", what})
}

// endID is the id of one end.
type endID struct {
	ID string `json:"id"`
}

// associationType is a type of an association, as it is written.
type associationType struct {
	Category string `json:"associationCategory"`
	TypeID   int    `json:"associationTypeId"`
}

// inline is an association in the body of a create (section 3).
type inline struct {
	To    endID             `json:"to"`
	Types []associationType `json:"types"`
}

func (p pointer) types() []associationType {
	return []associationType{{categoryDefined, p.primary}}
}

// apart takes the pointers out of the values of a write.
func apartPointers(object string, values map[string]connectors.Value) (plain map[string]connectors.Value, pointed map[string]connectors.Value) {
	known := pointersOf(object)
	plain = values
	for f, v := range values {
		if _, is := known[f]; !is {
			continue
		}
		if pointed == nil {
			plain, pointed = maps.Clone(values), map[string]connectors.Value{}
		}
		pointed[f] = v
		delete(plain, f)
	}
	return plain, pointed
}

// inlineOf gives the associations that a create brings along.
func inlineOf(object string, pointed map[string]connectors.Value) []inline {
	var out []inline
	for _, f := range slices.Sorted(maps.Keys(pointed)) {
		if v := pointed[f]; v != "" {
			p := pointersOf(object)[f]
			out = append(out, inline{To: endID{v}, Types: p.types()})
		}
	}
	return out
}

// showPointers adds the fields to records that were read which no property shows:
// one call for each field that is asked for.
func (c *Client) showPointers(ctx context.Context, object string, fields []string, seen map[string]connectors.Sighting) *connectors.Error {
	for _, f := range fields {
		p, is := pointersOf(object)[f]
		if _, property := c.known(object)[f]; !is || property {
			continue
		}
		var ids []string
		for _, s := range seen {
			if s.Sight == connectors.SightFound && !slices.Contains(ids, s.Record.ID) {
				ids = append(ids, s.Record.ID)
			}
		}
		slices.Sort(ids)
		targets, e := c.primaries(ctx, object, p, ids)
		if e != nil {
			return e
		}
		for asked, s := range seen {
			if id, told := targets[s.Record.ID]; told && s.Sight == connectors.SightFound {
				s.Record.Values[f] = id
				seen[asked] = s
			}
		}
	}
	return nil
}

// association is one line of the answer of a read (section 6).
type association struct {
	From endText `json:"from"`
	To   []struct {
		ID    text `json:"toObjectId"`
		Types []struct {
			TypeID text `json:"typeId"`
		} `json:"associationTypes"`
	} `json:"to"`
}

type endText struct {
	ID text `json:"id"`
}

// primaries reads the primary targets of records: "" for one that has none. A
// record that the answer does not tell of is left out: that says nothing.
func (c *Client) primaries(ctx context.Context, object string, p pointer, ids []string) (map[string]string, *connectors.Error) {
	out := map[string]string{}
	for chunk := range slices.Chunk(ids, batchSize) {
		var body struct {
			Inputs []endID `json:"inputs"`
		}
		for _, id := range chunk {
			body.Inputs = append(body.Inputs, endID{id})
		}
		k := call{op: "read associations of", object: object, method: http.MethodPost, path: c.associationsPath(object, p.target, "read"), body: body}
		var answer struct {
			Results []association `json:"results"`
			Errors  []problem     `json:"errors"`
		}
		if e := c.get(ctx, k, &answer); e != nil {
			return nil, e
		}
		for _, a := range answer.Results {
			id := ""
			for _, to := range a.To {
				for _, t := range to.Types {
					if string(t.TypeID) == strconv.Itoa(p.primary) && idPattern.MatchString(string(to.ID)) {
						id = string(to.ID)
					}
				}
			}
			out[string(a.From.ID)] = id
		}
		for _, e := range answer.Errors {
			if strings.Contains(string(e.Sub), subNone) {
				for _, id := range e.names("fromObjectId") {
					out[id] = ""
				}
			}
		}
	}
	return out, nil
}

// aim is a pointer of one record that is to be written.
type aim struct {
	at    int // the write's index
	id    string
	value string
	// wrote: the record's properties were written before.
	wrote bool
}

// writePointers writes the pointers of updates whose properties, if they have any,
// were written, and says so in their results. Setting and clearing one again does
// no harm, so that a write without an answer may be made again.
func (c *Client) writePointers(ctx context.Context, object string, pointed []map[string]connectors.Value, ids []string, results []connectors.Result, wrote []bool) {
	for _, f := range slices.Sorted(maps.Keys(pointersOf(object))) {
		var sets, clears []aim
		for i := range results {
			v, has := pointed[i][f]
			if !has || results[i].Outcome != connectors.Applied {
				continue
			}
			a := aim{at: i, id: ids[i], value: v, wrote: wrote[i]}
			if v == "" {
				clears = append(clears, a)
			} else {
				sets = append(sets, a)
			}
		}
		w := pointing{client: c, ctx: ctx, object: object, pointer: pointersOf(object)[f], results: results}
		for chunk := range slices.Chunk(sets, batchSize) {
			w.set(chunk)
		}
		for chunk := range slices.Chunk(clears, batchSize) {
			w.clear(chunk)
		}
	}
}

// pointing is one pointer field of an object being written.
type pointing struct {
	pointer
	client  *Client
	ctx     context.Context
	object  string
	results []connectors.Result
}

func (w pointing) call(what string, body any) call {
	return call{op: "associations " + what, object: w.object, method: http.MethodPost,
		path: w.client.associationsPath(w.object, w.target, what), body: body}
}

// done says that a pointer holds its value now.
func (w pointing) done(a aim) {
	r := &w.results[a.at]
	if r.Record == nil {
		r.Record = &connectors.Record{ID: a.id, Ours: true}
	}
	if r.Record.Values == nil {
		r.Record.Values = map[string]connectors.Value{}
	}
	r.Record.Values[w.field] = a.value
}

// undone says that nothing was written of a pointer. Where the record's properties
// were, the write as a whole is neither applied nor not: what the vendor refuses is
// seen by the field that did not change, anything else by a read.
func (w pointing) undone(a aim, e *connectors.Error) {
	r := &w.results[a.at]
	switch {
	case !a.wrote:
		*r = connectors.Result{Key: r.Key, Outcome: connectors.NotApplied, Err: e}
	case e.Kind == connectors.KindInvalid && !e.WholeCall:
		delete(r.Record.Values, w.field)
	default:
		w.unknown(a, e)
	}
}

func (w pointing) unknown(a aim, e *connectors.Error) {
	r := &w.results[a.at]
	*r = connectors.Result{Key: r.Key, Outcome: connectors.Unknown, Err: e}
}

// send makes a call that writes. ok is false if it failed as a whole, and every aim
// knows it then.
func (w pointing) send(k call, aims []aim) (res wire.Response, ok bool) {
	res, e := w.client.send(w.ctx, k)
	var nothing bool
	switch {
	case e != nil:
		nothing = unsent(e)
	case res.Status >= 200 && res.Status <= 299:
		return res, true
	default:
		e, nothing = w.client.refused(k, res), byStatus[res.Status].nothing
	}
	for _, a := range aims {
		own := *e
		if len(aims) == 1 && own.Kind == connectors.KindInvalid {
			own.WholeCall = false
		}
		if nothing {
			w.undone(a, &own)
		} else {
			w.unknown(a, &own)
		}
	}
	return res, false
}

// set points records to their targets. A primary association takes the place of
// the one before, which stays without a label (section 6).
func (w pointing) set(aims []aim) {
	type input struct {
		From  endID             `json:"from"`
		To    endID             `json:"to"`
		Types []associationType `json:"types"`
	}
	var body struct {
		Inputs []input `json:"inputs"`
	}
	for _, a := range aims {
		body.Inputs = append(body.Inputs, input{endID{a.id}, endID{a.value}, w.types()})
	}
	k := w.call("create", body)
	res, ok := w.send(k, aims)
	if !ok {
		return
	}
	var answer struct {
		Results []struct {
			From text `json:"fromObjectId"`
			To   text `json:"toObjectId"`
		} `json:"results"`
		Errors []problem `json:"errors"`
	}
	if json.Unmarshal(res.Body, &answer) != nil {
		for _, a := range aims {
			w.unknown(a, w.client.broken(k, res.Status))
		}
		return
	}
	lost := w.client.fault(k, connectors.KindTransient, "the answer does not mention the record")
	lost.WholeCall = false
	b := &batch{client: w.client, call: k, op: connectors.Update}
	for _, a := range aims {
		applied := false
		for _, r := range answer.Results {
			applied = applied || string(r.From) == a.id && string(r.To) == a.value
		}
		at := slices.IndexFunc(answer.Errors, func(p problem) bool { return slices.Contains(p.names("fromObjectId"), a.id) })
		switch {
		case applied && at < 0:
			w.done(a)
		case at < 0 || applied:
			w.unknown(a, lost)
		default:
			r := b.failed(connectors.Write{}, answer.Errors[at], false)
			if r.Outcome == connectors.NotApplied {
				w.undone(a, r.Err)
			} else {
				w.unknown(a, r.Err)
			}
		}
	}
}

// clear takes the association with the primary target away, and with it the
// record's other labels there: one that stayed would be taken for the primary one
// again.
func (w pointing) clear(aims []aim) {
	ids := make([]string, len(aims))
	for i, a := range aims {
		ids[i] = a.id
	}
	targets, e := w.client.primaries(w.ctx, w.object, w.pointer, ids)
	if e != nil {
		for _, a := range aims {
			w.undone(a, e)
		}
		return
	}
	type input struct {
		From endID   `json:"from"`
		To   []endID `json:"to"`
	}
	var body struct {
		Inputs []input `json:"inputs"`
	}
	var left []aim
	for _, a := range aims {
		switch id, told := targets[a.id]; {
		case !told:
			lost := w.client.fault(w.call("read", nil), connectors.KindTransient, "the answer does not mention the record")
			lost.WholeCall = false
			w.undone(a, lost)
		case id == "":
			w.done(a)
		default:
			body.Inputs = append(body.Inputs, input{endID{a.id}, []endID{{id}}})
			left = append(left, a)
		}
	}
	if len(left) == 0 {
		return
	}
	if _, ok := w.send(w.call("archive", body), left); ok {
		for _, a := range left {
			w.done(a)
		}
	}
}

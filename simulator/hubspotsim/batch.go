package hubspotsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// batchMax is the largest batch of any kind (vendors/hubspot.md 3).
const batchMax = 100

// input is one row of a batch; which members count depends on the call.
type input struct {
	ID         string                     `json:"id"`
	IDProperty string                     `json:"idProperty"`
	TraceID    string                     `json:"objectWriteTraceId"`
	Raw        map[string]json.RawMessage `json:"properties"`
	// Associations are made with a record that is created.
	Associations []inlineAssociation `json:"associations"`
	sent         map[string]string
}

type batchBody struct {
	Properties []string `json:"properties"`
	IDProperty string   `json:"idProperty"`
	Inputs     []input  `json:"inputs"`
}

// traced says that every input has a trace id of its own, which is what lets
// a create be applied in part.
func (b *batchBody) traced() bool {
	seen := map[string]bool{}
	for _, in := range b.Inputs {
		if in.TraceID == "" || seen[in.TraceID] {
			return false
		}
		seen[in.TraceID] = true
	}
	return true
}

// batch reads the body of a batch: at most 100 inputs, and where rows are
// named none twice, which refuses the whole call (vendors/hubspot.md 3).
func (q *request) batch(named bool) (*batchBody, *trouble) {
	var b batchBody
	if x := q.decode(&b); x != nil {
		return nil, x
	}
	q.rows = len(b.Inputs)
	if q.rows == 0 || q.rows > batchMax {
		return nil, invalid("A batch holds 1 to %d inputs, not %d", batchMax, q.rows)
	}
	seen := map[string]bool{}
	var twice []string
	for i := range b.Inputs {
		in := &b.Inputs[i]
		sent, x := texts(in.Raw)
		if x != nil {
			return nil, x
		}
		in.sent = sent
		if !named {
			continue
		}
		q.ids = append(q.ids, in.ID)
		name := in.IDProperty + "=" + uniqueForm(in.IDProperty, in.ID)
		if seen[name] {
			twice = append(twice, in.ID)
		}
		seen[name] = true
	}
	if len(twice) > 0 {
		return nil, invalid("Duplicate IDs found in batch input: [%s]. IDs must be unique",
			strings.Join(twice, ", ")).with("ids", twice...)
	}
	return &b, nil
}

// outcome gathers the answer of a batch.
type outcome struct {
	results []map[string]any
	errors  []map[string]any
	lost    []string // ids that were not found
	traces  []string // their trace ids
}

func (o *outcome) done(row map[string]any, trace string) {
	if trace != "" {
		row["objectWriteTraceId"] = trace
	}
	o.results = append(o.results, row)
}

func (s *Sim) failed(o *outcome, x *trouble, in input) {
	if in.TraceID != "" {
		x.with("objectWriteTraceId", in.TraceID)
	}
	o.errors = append(o.errors, s.entry(x))
}

func (o *outcome) missed(in input) {
	o.lost = append(o.lost, in.ID)
	if in.TraceID != "" {
		o.traces = append(o.traces, in.TraceID)
	}
}

// conclude gives the answer. Results and errors come in any order, missing ids
// share one error (vendors/hubspot.md 3, traps).
func (s *Sim) conclude(t *table, o *outcome, status int, started string) reply {
	if len(o.lost) > 0 {
		x := notFound("Some %s objects were not found, they may be deleted or never have been", t.kind.singular)
		x.with("ids", o.lost...)
		if len(o.traces) > 0 {
			x.with("objectWriteTraceId", o.traces...)
		}
		o.errors = append(o.errors, s.entry(x))
	}
	if o.results == nil {
		o.results = []map[string]any{}
	}
	answer := map[string]any{
		"status": "COMPLETE", "results": shuffled(s.dice, o.results),
		"startedAt": started, "completedAt": stamp(s.now().UnixMilli()),
	}
	if len(o.errors) > 0 {
		answer["errors"], answer["numErrors"] = shuffled(s.dice, o.errors), len(o.errors)
		if s.o.APIVersion != versionDate {
			status = http.StatusMultiStatus
		}
	}
	return reply{status, answer}
}

// batchRead reads records by id or by one unique property. A property name
// that does not exist refuses the whole call; missing ones are errors of their
// own; a merged-away id gives the survivor, once.
func (s *Sim) batchRead(q *request) reply {
	t, started := q.table, stamp(s.now().UnixMilli())
	b, x := q.batch(true)
	if x != nil {
		return refuse(x)
	}
	var flaws []flaw
	for _, name := range b.Properties {
		if t.schema[name] == nil {
			flaws = append(flaws, flaw{Message: `Property "` + name + `" does not exist`, Error: codeUnknownProperty, Name: name})
		}
	}
	if flaws != nil {
		return refuse(badValues(flaws))
	}
	var o outcome
	names, seen := t.wanted(b.Properties), map[*record]bool{}
	for _, in := range b.Inputs {
		r, x := t.lookup(in.ID, b.IDProperty, q.archived())
		switch {
		case x != nil:
			return refuse(x)
		case r == nil:
			o.missed(in)
		case !seen[r]:
			seen[r] = true
			o.done(s.show(t, r.now, names), "")
		}
	}
	return s.conclude(t, &o, http.StatusOK, started)
}

// batchCreate makes records: all or none, unless every input has a trace id of
// its own, when each stands alone (vendors/hubspot.md 3).
func (s *Sim) batchCreate(q *request) reply {
	t, started := q.table, stamp(s.now().UnixMilli())
	b, x := q.batch(false)
	if x != nil {
		return refuse(x)
	}
	traced := b.traced()
	var o outcome
	var ready []map[string]string
	claimed := map[key]bool{}
	for _, in := range b.Inputs {
		stored, x := s.check(t, in.sent, claimed)
		if x == nil {
			_, x = s.withCompany(t, in)
		}
		switch {
		case x != nil && traced:
			s.failed(&o, x, in)
		case x != nil:
			return refuse(s.blurred(x))
		case traced:
			s.born(q, &o, in, stored)
		default:
			ready = append(ready, stored)
			for _, k := range t.keys(stored) {
				claimed[k] = true
			}
		}
	}
	for i, stored := range ready {
		s.born(q, &o, b.Inputs[i], stored)
	}
	return s.conclude(t, &o, http.StatusCreated, started)
}

// born makes one record of a batch.
func (s *Sim) born(q *request, o *outcome, in input, stored map[string]string) map[string]any {
	r := s.insert(q.table, stored, in.sent, q.who)
	q.ids = append(q.ids, r.id)
	row := s.showNew(q.table, r)
	if company, _ := s.withCompany(q.table, in); company != "" { // the answer does not show it yet
		s.joinCompany(q.table, r, company, q.who)
	}
	o.done(row, in.TraceID)
	return row
}

// blurred is a duplicate that refuses a whole batch: the existing id is
// missing from some answers (vendors/hubspot.md 4, way 3).
func (s *Sim) blurred(x *trouble) *trouble {
	if x.category == catConflict && s.dice.coin() {
		if head, _, cut := strings.Cut(x.message, ". Existing ID:"); cut {
			x.message, x.context = head, nil
		}
	}
	return x
}

// batchUpdate writes to records by id, each for itself. A merged-away id is
// missing from the answer without a word (vendors/hubspot.md 3, traps); by
// e-mail it is refused.
func (s *Sim) batchUpdate(q *request) reply {
	t, started := q.table, stamp(s.now().UnixMilli())
	b, x := q.batch(true)
	if x != nil {
		return refuse(x)
	}
	var o outcome
	for _, in := range b.Inputs {
		if in.IDProperty != "" && (in.IDProperty == propEmail || !slices.Contains(t.uniques, in.IDProperty)) {
			return refuse(invalid("Unable to perform update by non-unique property %q", in.IDProperty))
		}
	}
	for _, in := range b.Inputs {
		if _, away := t.survivor[in.ID]; away && in.IDProperty == "" {
			continue
		}
		r, _ := t.lookup(in.ID, in.IDProperty, false)
		if r == nil {
			o.missed(in)
			continue
		}
		if x := s.edit(t, r, in.sent, q.who); x != nil {
			s.failed(&o, x.with("ids", r.id), in)
			continue
		}
		o.done(s.showWritten(t, r, in.sent), in.TraceID)
	}
	return s.conclude(t, &o, http.StatusOK, started)
}

// batchArchive archives records; 204 also for ids that do not exist.
func (s *Sim) batchArchive(q *request) reply {
	b, x := q.batch(false)
	if x != nil {
		return refuse(x)
	}
	for _, in := range b.Inputs {
		q.ids = append(q.ids, in.ID)
		if r := q.table.byID[in.ID]; r != nil && !r.hidden() {
			s.archive(q.table, r, q.who)
		}
	}
	return reply{status: http.StatusNoContent}
}

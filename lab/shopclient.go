package lab

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
	cwire "syncd/connectors/wire"
	"syncd/simulator"
)

// shopClient is the connector of a shop: what a careful one would make of the
// vendor's answers, and of those that do not come (CORRECTNESS F4).
type shopClient struct {
	w *world
	v *vendor
	s *shop
}

var _ connectors.Connector = (*shopClient)(nil)

// shopBatch is the vendor's own limit, shopPage its page of a listing.
const shopBatch, shopPage = 100, 7

// statusRefused is what the vendor answers to a call that it refuses as a whole.
const statusRefused = http.StatusUnprocessableEntity

// Probe tells what the object can do. Starting is another test's business: it
// meets no faults.
func (x *shopClient) Probe(context.Context, []string) (connectors.System, error) {
	p := x.s.p
	o := connectors.Object{
		Fields: map[string]connectors.Field{}, CreateClass: p.Class, Settle: p.Settle, IndexLag: p.Lag + time.Second,
		ReadBatch: shopBatch, WriteBatch: shopBatch, AnswersRecord: p.Answers, MarksOwn: p.Marks, KnowsActor: p.Knows,
		TokenVisible: p.Visible, TokenField: shopToken, Overlap: 10 * time.Second,
	}
	if p.Class == connectors.ClassBlind {
		o.TokenField = ""
	}
	if p.Removes {
		o.Removes, o.ListsBin = []connectors.Op{connectors.Archive, connectors.Delete, connectors.Restore}, true
	}
	for _, c := range shopColumns {
		o.Fields[c] = connectors.Field{Type: connectors.TypeText}
	}
	for _, f := range x.w.custom(x.v) {
		o.Fields[f.Name] = connectors.Field{Type: connectors.TypeText}
	}
	return connectors.System{Tenant: "shop:" + x.s.name, Actor: byApp, Objects: map[string]connectors.Object{items: o}}, nil
}

// Setup has nothing to make: a shop takes any column.
func (x *shopClient) Setup(context.Context, []connectors.CustomField) error { return nil }

// Read reads records by id.
func (x *shopClient) Read(_ context.Context, _ string, ids, fields []string) ([]connectors.Sighting, error) {
	var out []connectors.Sighting
	e := x.call("read", ids, func() (int, []string) {
		out = make([]connectors.Sighting, len(ids))
		for i, id := range ids {
			out[i] = connectors.Sighting{Asked: id, Sight: connectors.SightMissing}
			if it := x.s.byID[id]; it != nil {
				out[i].Sight, out[i].Record = connectors.SightFound, x.s.record(it, fields, x.s.p.Visible)
				if it.archived {
					out[i].Sight = connectors.SightArchived
				}
			}
		}
		return http.StatusOK, ids
	})
	if e != nil {
		return nil, e
	}
	return out, nil
}

// Find looks records up by the value of a column. Only look-ups by token lag.
func (x *shopClient) Find(_ context.Context, _ string, by connectors.Lookup, fields []string) ([]connectors.Record, error) {
	var out []connectors.Record
	e := x.call("find", nil, func() (int, []string) {
		var shown []string
		for _, it := range x.s.sorted() {
			v := it.values[by.Field]
			if v != "" && slices.Contains(by.Values, v) && (by.Field != shopToken || !it.indexed.After(x.w.s.now)) {
				out, shown = append(out, x.s.record(it, fields, true)), append(shown, it.id)
			}
		}
		return http.StatusOK, shown
	})
	if e != nil {
		return nil, e
	}
	return out, nil
}

// List pages by last change, ties by id.
func (x *shopClient) List(_ context.Context, _ string, q connectors.Query) (connectors.Page, error) {
	var page connectors.Page
	e := x.call("list", nil, func() (int, []string) {
		all := slices.DeleteFunc(x.s.sorted(), func(it *item) bool {
			hidden := it.archived && !x.s.p.Bin
			if x.s.p.Removes {
				hidden = it.archived != q.Bin
			}
			return it.modified.Before(q.Since) || hidden || standing(it) <= q.Cursor
		})
		slices.SortFunc(all, func(a, b *item) int { return strings.Compare(standing(a), standing(b)) })
		for i, it := range all {
			if i == shopPage {
				page.Next = standing(all[i-1])
				break
			}
			page.Records = append(page.Records, x.s.record(it, q.Fields, x.s.p.Visible))
		}
		return http.StatusOK, nil
	})
	if e != nil {
		return connectors.Page{}, e
	}
	return page, nil
}

// standing is where a record stands in a listing.
func standing(it *item) string { return fmt.Sprintf("%020d %12s", it.modified.UnixNano(), it.id) }

// record shows a record as an answer does.
func (s *shop) record(it *item, fields []string, token bool) connectors.Record {
	r := connectors.Record{
		ID: it.id, Version: s.versionOf(it), Modified: it.modified, Born: it.born, Archived: it.archived,
		Ours: s.p.Knows && it.ours, Values: map[string]connectors.Value{},
	}
	for _, c := range fields {
		if c != shopToken || token {
			r.Values[c] = it.values[c]
		}
	}
	return r
}

// Locate says where a record is by now.
func (x *shopClient) Locate(_ context.Context, _, id, _ string) (connectors.Location, error) {
	at := connectors.Location{Place: connectors.PlaceUnknown}
	e := x.call("read", []string{id}, func() (int, []string) {
		if it := x.s.byID[id]; it != nil {
			if at.Place = connectors.PlaceHere; it.archived {
				at.Place = connectors.PlaceArchived
			}
		}
		return http.StatusOK, nil
	})
	if e != nil {
		return connectors.Location{}, e
	}
	return at, nil
}

// Write creates or updates in one call.
func (x *shopClient) Write(_ context.Context, _ string, op connectors.Op, writes []connectors.Write) []connectors.Result {
	var out []connectors.Result
	broke := false
	var ids []string
	for _, w := range writes {
		if w.RecordID != "" {
			ids = append(ids, w.RecordID)
		}
	}
	e := x.call(string(op), ids, func() (status int, _ []string) {
		out, status, broke = x.s.take(op, writes)
		return status, nil
	})
	if e == nil && broke {
		e = x.fault(string(op), &cwire.Failure{Sent: true, Err: errHangUp})
	}
	if e == nil {
		return out
	}
	o := connectors.Unknown
	if f, ok := e.Err.(*cwire.Failure); e.Kind == connectors.KindThrottled || (ok && !f.Sent) {
		o = connectors.NotApplied
	}
	out = make([]connectors.Result, len(writes))
	for i, w := range writes {
		out[i] = connectors.Result{Key: w.Key, Outcome: o, Err: e}
	}
	return out
}

// take is what the vendor makes of the writes of one call, and what its answer
// says of each. broke: the connection breaks after the first few.
func (s *shop) take(op connectors.Op, writes []connectors.Write) (out []connectors.Result, status int, broke bool) {
	out = make([]connectors.Result, len(writes))
	bad := false
	for i, w := range writes {
		out[i].Key = w.Key
		if out[i].Err = s.objection(op, w); out[i].Err != nil {
			out[i].Outcome, bad = connectors.NotApplied, true
		}
	}
	if bad && s.p.Whole {
		s.refuseAll(op, out)
		return out, statusRefused, false
	}
	part := len(writes)
	if len(writes) > 1 && s.w.hit(batchPart) {
		part, broke = 1+s.w.s.rng.IntN(len(writes)-1), true
	}
	for i, w := range writes[:part] {
		if out[i].Err == nil {
			out[i] = s.apply(op, w)
		}
	}
	if !broke && s.w.hit(batchMissing) {
		i := s.w.s.rng.IntN(len(writes))
		out[i] = connectors.Result{Key: writes[i].Key, Outcome: connectors.Unknown, Err: s.error(op, connectors.KindTransient, "the answer does not mention the record")}
	}
	return out, http.StatusOK, broke
}

// objection is the vendor's refusal of one write. Its words hold the value, as
// those of real vendors do.
func (s *shop) objection(op connectors.Op, w connectors.Write) *connectors.Error {
	it := s.byID[w.RecordID]
	if op == connectors.Update && (it == nil || it.archived) || op == connectors.Restore && it == nil {
		return s.error(op, connectors.KindGone, "there is no such record")
	}
	if c := s.valid(w.Values); c != "" {
		e := s.error(op, connectors.KindInvalid, fmt.Sprintf("%q is not allowed in %s", w.Values[c], c))
		e.Field = c
		return e
	}
	return nil
}

// refuseAll makes the refusal of some writes one of the whole call.
func (s *shop) refuseAll(op connectors.Op, out []connectors.Result) {
	for i := range out {
		switch {
		case len(out) == 1: // a lone row is to blame
		case s.p.Names && out[i].Err == nil:
			out[i].Err = s.error(op, connectors.KindTransient, "another record of the call was refused")
			out[i].Err.WholeCall = true
		case !s.p.Names:
			out[i].Err = s.error(op, connectors.KindInvalid, "one of the records was refused")
			out[i].Err.WholeCall = true
		}
		out[i].Outcome = connectors.NotApplied
	}
}

// apply makes one write.
func (s *shop) apply(op connectors.Op, w connectors.Write) connectors.Result {
	r := connectors.Result{Key: w.Key, Outcome: connectors.Applied}
	it, existed := s.byID[w.RecordID], false
	switch op {
	case connectors.Create:
		it, existed = s.make(w.Token, w.Values)
	case connectors.Archive, connectors.Delete, connectors.Restore:
		s.remove(it, op, byApp)
		r.RecordID = w.RecordID
		return r
	default:
		s.store(it, w.Values, byApp)
	}
	if existed {
		r.Outcome, r.Err = connectors.Exists, s.error(op, connectors.KindInvalid, "the reference is taken")
		if s.p.Visible { // else the answer does not say by whom
			r.RecordID = it.id
		}
		return r
	}
	r.RecordID = it.id
	if s.p.Answers {
		fields := append(slices.Clone(shopColumns), shopToken)
		for _, o := range s.w.systems {
			if o.name != s.name {
				fields = append(fields, o.name+"_id")
			}
		}
		rec := s.record(it, fields, s.p.Visible)
		r.Record = &rec
	}
	return r
}

func (s *shop) error(op connectors.Op, k connectors.Kind, said string) *connectors.Error {
	return &connectors.Error{Kind: k, System: s.name, Object: items, Op: string(op), Said: said}
}

// fault is a call without a whole answer.
func (x *shopClient) fault(op string, f *cwire.Failure) *connectors.Error {
	return &connectors.Error{Kind: connectors.KindTransient, System: x.s.name, Object: items, Op: op, WholeCall: true, Err: f}
}

// status is an answer that is not the vendor's own.
func (x *shopClient) status(op string, code int) *connectors.Error {
	return &connectors.Error{Kind: connectors.KindTransient, System: x.s.name, Object: items, Op: op, WholeCall: true, Status: code, Code: fmt.Sprintf("HTTP %d", code)}
}

// call makes a call under the seed's faults, as wire.RoundTrip does: work is
// what the vendor does, at the moment at which the call lands, and which records
// its answer shows.
func (x *shopClient) call(op string, ids []string, work func() (status int, shown []string)) *connectors.Error {
	w, t := x.w, x.w.s.current
	if t == nil {
		work()
		return nil
	}
	if t.dead {
		return x.fault(op, &cwire.Failure{Err: errDial})
	}
	w.giveWay(t)
	if w.hit(callUnsent) || w.inject.gone(x.v.name) {
		w.s.note("%s call %s %s: not sent", t.name, x.v.name, op)
		return x.fault(op, &cwire.Failure{Err: errDial})
	}
	fault := w.callFault()
	if fault == callLate {
		at := patience + w.s.between(0, w.d.late)
		w.s.note("%s call %s %s: late by %v", t.name, x.v.name, op, at)
		w.inFlight++
		w.s.after(at, func() {
			w.inFlight--
			x.land(t, op, ids, fault, work)
		})
		t.sleep(patience)
		return x.fault(op, &cwire.Failure{Sent: true, Err: errTimeout})
	}
	w.s.after(w.s.between(time.Millisecond, w.slow()), func() {
		x.land(t, op, ids, fault, work)
		back := w.s.between(time.Millisecond, w.slow())
		if fault == callStale {
			back = w.s.between(2*time.Second, patience-5*time.Second)
		}
		w.s.after(back, t.run)
	})
	t.wait()
	w.giveWay(t)
	switch fault {
	case callRefused, callPlain:
		e := x.status(op, http.StatusTooManyRequests)
		if e.Kind = connectors.KindThrottled; fault == callRefused {
			e.RetryAfter = time.Duration(1+w.s.rng.IntN(20)) * time.Second
		}
		return e
	case call5xx, callApplied:
		return x.status(op, http.StatusInternalServerError+w.s.rng.IntN(5))
	case callLost, callCut:
		return x.fault(op, &cwire.Failure{Sent: true, Err: errHangUp})
	case callHTML:
		return x.status(op, http.StatusOK)
	}
	return nil
}

// land is the moment at which the vendor takes a call.
func (x *shopClient) land(t *task, op string, ids []string, fault string, work func() (status int, shown []string)) {
	if fault == callRefused || fault == callPlain || fault == call5xx {
		x.w.s.note("%s call %s %s: %s", t.name, x.v.name, op, fault)
		return
	}
	c := simulator.Call{At: x.w.s.now, Op: op, Object: items, IDs: ids, Rows: max(1, len(ids)), Fault: fault}
	status, shown := work()
	c.Status = status
	x.s.truth.Called(c)
	x.v.calls++
	x.w.counted(t, x.v, c, fault)
	if (fault == "" || fault == callStale) && !strings.Contains(t.name, "sweep") {
		for _, id := range shown {
			x.w.wasRead(x.v.name, id)
		}
	}
	x.w.follow(x.v, fault == callLate || t.paused)
}

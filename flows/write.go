package flows

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"syncd/connectors"
	"syncd/connectors/wire"
	"syncd/failpoint"
	"syncd/flows/plan"
	"syncd/store"
)

// send is one write to one side, on its way.
type send struct {
	pending
	write   plan.Write
	columns map[string]string
	intent  *plan.Intent
	prior   *plan.Intent // what was open before
	repeat  bool         // it repeats an open create byte for byte
}

const (
	// confirmDelay is when an unanswered write is read to confirm it, if its
	// echo does not come first (CORRECTNESS 3.6).
	confirmDelay = 5 * time.Second
	// unknownDelay is when a write without an answer is looked at again.
	unknownDelay = 5 * time.Second
	// sendGrace is how old a committed intent may be when its call starts (3.5).
	sendGrace = 5 * time.Second
	// deadlineMargin is what must be left of the lease after a call's time-out.
	deadlineMargin = 5 * time.Second
	// heldDelay is when work under a hold is looked at again.
	heldDelay = time.Minute
)

// callTimeout bounds a write, so that it ends well within the lease.
func (e *Engine) callTimeout() time.Duration {
	return max(time.Second, min(wire.DefaultTimeout, e.Lease/2-deadlineMargin))
}

// writeRound decides every open unit and performs what is due: per target one
// call for updates and one for creates. false: there was nothing to write.
func (b *batch) writeRound(ctx context.Context, round int) bool {
	wrote := false
	for _, units := range b.byRank(func(u *unit) bool {
		return u.merged || round == 0 || u.binds > 0 && (round == 1 || u.binds != u.decided)
	}) {
		wrote = b.writeUnits(ctx, units) || wrote
	}
	return wrote
}

// writeUnits decides some units and performs what is due.
func (b *batch) writeUnits(ctx context.Context, units []*unit) bool {
	b.reach(ctx, units)
	updates, creates := map[place][]*send{}, map[place][]*send{}
	for _, u := range units {
		if u.ended != nil {
			continue
		}
		u.decided, u.merged = u.binds, false
		d, ok := b.decide(u)
		if !ok || b.parked(u, d) {
			continue
		}
		for _, w := range d.Writes {
			b.plan(u, w, updates, creates)
		}
	}
	for _, at := range sortedPlaces(updates) {
		b.update(ctx, at, stillOpen(updates[at]))
	}
	for _, at := range sortedPlaces(creates) {
		b.create(ctx, at, stillOpen(creates[at]))
	}
	return len(updates)+len(creates) > 0
}

func stillOpen(list []*send) []*send {
	out := list[:0:0]
	for _, s := range list {
		if s.unit.ended == nil {
			out = append(out, s)
		}
	}
	return out
}

// decide runs the pure core on a unit; a panic there is that record's own failure.
func (b *batch) decide(u *unit) (d plan.Decision, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			b.Logger.Error("panic while deciding", "event", "decide.panic", "link", u.link.Name, "identity", u.id, "panic", fmt.Sprint(p))
			b.endUnit(u, "panic", store.Finish{Disposition: store.Again, After: b.retryAfter(u.rows[0].work.Attempts), Retry: true, Blame: b.blamed(u.rows[0]), Error: "internal error while deciding"})
			ok = false
		}
	}()
	u.countHops(b.Now())
	d = plan.Decide(u.rules(), u.sides())
	u.take(d.Sides)
	u.freeze(b.Now())
	for _, w := range d.Writes {
		for _, e := range w.Fields {
			u.merged = u.merged || e.M
		}
	}
	for _, n := range d.Notes {
		u.notes[n.Row] = string(n.Reason)
	}
	return d, true
}

// plan sorts one decided write to its call.
func (b *batch) plan(u *unit, w plan.Write, updates, creates map[place][]*send) {
	m := u.member(w.System)
	at := place{m.stored.System, m.stored.Object}
	s := &send{pending: pending{u, m}, write: w, columns: u.columnsFor(m, w), prior: m.side.Intent}
	if !w.Create {
		if len(s.columns) > 0 {
			m.owed = fixedOf(w)
			updates[at] = append(updates[at], s)
		}
		return
	}
	if b.awaitsKey(u, w.System) {
		return
	}
	if !u.link.Create[w.System] {
		b.endUnit(u, "unmatched", store.Finish{Disposition: store.Parked, Reason: "unmatched",
			Error: "no partner in " + w.System + ", and the link does not create there"})
		return
	}
	if m.repeat {
		s.again()
	} else if !m.stored.SentAt.IsZero() && !m.resend {
		return // its outcome is open, and it was not proved absent
	}
	delete(s.columns, m.object.TokenField) // travels as Write.Token
	creates[at] = append(creates[at], s)
}

// ready says that there is time for one more call before the lease's deadline;
// otherwise the units go again at once.
func (b *batch) ready(list []*send) bool {
	if b.beat.left() >= b.callTimeout()+time.Second {
		return true
	}
	for _, s := range list {
		b.endUnit(s.unit, "out_of_time", store.Finish{Disposition: store.Again, Blame: b.unblamed(s.unit.rows[0])})
	}
	return false
}

// update commits the intents and sends one call per batch of updates.
func (b *batch) update(ctx context.Context, at place, list []*send) {
	size := max(1, b.object(at).WriteBatch)
	for start := 0; start < len(list); start += size {
		part := list[start:min(start+size, len(list))]
		if !b.ready(part) {
			continue
		}
		if part = b.intendUpdates(ctx, at, part); len(part) == 0 {
			continue
		}
		writes := make([]connectors.Write, len(part))
		for i, s := range part {
			writes[i] = connectors.Write{Key: s.unit.token, RecordID: s.member.stored.RecordID, Values: s.columns}
		}
		results := b.call(ctx, at, connectors.Update, writes)
		named := bystanders(results)
		for i, s := range part {
			b.updated(at, s, results[i], named)
		}
	}
}

// call makes one write call and notes what it says about the system.
func (b *batch) call(ctx context.Context, at place, op connectors.Op, writes []connectors.Write) []connectors.Result {
	ctx, cancel := context.WithTimeout(ctx, b.callTimeout())
	defer cancel()
	results := b.systems[at.system].Conn.Write(ctx, at.object, op, writes)
	failpoint.Hit("after_wire")
	b.beat.progress()
	healthy := false
	for _, r := range results {
		if r.Err != nil && (r.Err.WholeCall || aboutSystem(r.Err)) {
			b.noteTrouble(at.system, r.Err, true)
			return results
		}
		healthy = healthy || r.Outcome == connectors.Applied
	}
	if healthy {
		b.well(at, true)
	}
	return results
}

// bystanders says that a refused call names the rows that are to blame, so that
// the others can go again at once and together (3.7 "Whole-call refusals").
func bystanders(results []connectors.Result) bool {
	own, others := false, false
	for _, r := range results {
		if r.Outcome == connectors.NotApplied && r.Err != nil {
			own = own || (r.Err.Kind == connectors.KindInvalid || r.Err.Kind == connectors.KindGone) && !r.Err.WholeCall
			others = others || r.Err.WholeCall
		}
	}
	return own && others
}

// refused ends a unit of whose write nothing was written. named: others of the
// call are to blame, if it is not to blame itself.
func (b *batch) refused(s *send, r connectors.Result, named bool) {
	err := refusal(r, s.member.stored.System)
	if named && err.WholeCall && err.Kind == connectors.KindTransient {
		b.endUnit(s.unit, "bystander", store.Finish{Disposition: store.Again, Blame: b.unblamed(s.unit.rows[0])})
		return
	}
	b.endUnit(s.unit, reasonOf(r.Err), b.outcome(s.unit.rows[0], err))
}

// intendUpdates commits what is about to be written; rows that the statement
// does not return are not sent: fenced, or under a hold.
func (b *batch) intendUpdates(ctx context.Context, at place, list []*send) []*send {
	intents := make([]store.UpdateIntent, len(list))
	for i, s := range list {
		s.intent = &plan.Intent{Fields: map[string]plan.IntentEntry{}}
		if s.prior != nil {
			maps.Copy(s.intent.Fields, s.prior.Fields)
		}
		maps.Copy(s.intent.Fields, s.write.Fields)
		b.enterLedger(s)
		intents[i] = store.UpdateIntent{
			IdentityID: s.unit.id, Epoch: s.unit.epoch, Link: s.unit.link.Name, System: at.system,
			Intent: encode(s.safe()), Sent: encode(s.member.ledger),
		}
		switch {
		case b.object(at).AnswersRecord:
		case at == b.place:
			s.unit.confirm = true // its work row is in hand: it stays, for the same delay
		default:
			intents[i].Confirm = b.confirmHint(s, s.member.stored.RecordID)
		}
	}
	ok, err := b.Store.IntendUpdates(ctx, b.Owner, intents)
	return b.admitted(list, ok, err)
}

// safe is the intent as it is committed before the call. What an earlier intent
// told, and what was concluded from it, is in memory only until persist: should
// the process die, the next read has to find it again (3.6). What was seen to hold
// is marked, for the write that goes out now signs the record, and a row that it
// is not about may be edited by a person meanwhile.
func (s *send) safe() *plan.Intent {
	all := make(map[string]plan.IntentEntry, len(s.member.committed)+len(s.intent.Fields))
	for row, e := range s.member.committed {
		b, known := s.member.side.Base[row]
		e.Seen = e.Seen || known && !b.Never && b.V == e.W
		all[row] = e
	}
	maps.Copy(all, s.intent.Fields)
	s.member.committed = all
	return &plan.Intent{Fields: all}
}

func (b *batch) confirmHint(s *send, recordID string) *store.Hint {
	w := s.unit.rows[0].work
	return &store.Hint{
		System: s.member.stored.System, Object: s.member.stored.Object, RecordID: recordID,
		Delay: confirmDelay, Cause: "confirm", DeliveryKey: w.DeliveryKey, Trace: w.Trace,
	}
}

// admitted keeps the sends whose intent was committed.
func (b *batch) admitted(list []*send, ok []string, err error) []*send {
	b.beat.progress()
	if err != nil {
		for _, s := range list {
			b.endUnit(s.unit, "store", b.storeTrouble(s.unit.rows[0], err))
		}
		return nil
	}
	failpoint.Hit("after_intent")
	granted := map[string]bool{}
	for _, id := range ok {
		granted[id] = true
	}
	var out []*send
	for _, s := range list {
		if !granted[s.unit.id] {
			after, words := b.heldBy(s)
			b.endUnit(s.unit, "held", store.Finish{Disposition: store.Again, After: after, Blame: b.unblamed(s.unit.rows[0]), Error: words})
			continue
		}
		s.member.side.Intent, s.member.intended = s.intent, true
		out = append(out, s)
	}
	return out
}

// heldBy tells a hold from a lost lease: when to come back, and what to show.
func (b *batch) heldBy(s *send) (after time.Duration, words string) {
	what := []string{"writes"}
	if s.write.Create {
		what = append(what, "creates")
	}
	if h, held := b.holdOn(s.member.stored.System, s.unit.link.Name, what...); held {
		return b.between(heldDelay, heldDelay+10*time.Second), heldWords(h)
	}
	return b.between(300*time.Millisecond, time.Second), ""
}

// holdOn finds a hold on a kind of write of a link to a system.
func (b *batch) holdOn(system, link string, what ...string) (store.Hold, bool) {
	for _, h := range b.holds() {
		if h.System == system && (h.Link == "" || h.Link == link) && (h.What == "all" || slices.Contains(what, h.What)) {
			return h, true
		}
	}
	return store.Hold{}, false
}

func heldWords(h store.Hold) string {
	return "held: " + h.What + " in " + h.System + " (" + h.Reason + ")"
}

func (b *batch) enterLedger(s *send) {
	now := b.Now()
	for name, e := range s.write.Fields {
		from := e.From
		if s.write.Create {
			from = "" // a birth is no turn of a row's direction
		}
		s.member.ledger.record(now, name, b.Keyring.ValueHash(name, e.W), from)
		if e.From != "" || e.M {
			s.member.ledger.decided(name)
		}
	}
}

// answered takes out of doubt what a definite answer has told the fate of.
func (b *batch) answered(s *send, o connectors.Outcome) {
	if o == connectors.Unknown {
		return
	}
	for name, e := range s.write.Fields {
		s.member.ledger.answered(name, b.Keyring.ValueHash(name, e.W))
	}
}

// updated takes in the result of one update.
func (b *batch) updated(at place, s *send, r connectors.Result, named bool) {
	b.wrote(s, connectors.Update, r.Outcome)
	b.answered(s, r.Outcome)
	m := s.member
	switch r.Outcome {
	case connectors.Applied:
		s.unit.noteWrite(b, m, "update", s.write)
		m.side.Intent.Acked, m.owed = true, nil
		if r.Record == nil {
			m.side.Presence = plan.Written
			return
		}
		if r.Record.ID != m.stored.RecordID {
			b.moved(s.unit, at, *r.Record, whyMerged)
			return
		}
		s.unit.show(m, overlay(m.record, r.Record), true)
		s.unit.take(plan.Resolve(s.unit.rules(), s.unit.sides()))
	case connectors.Unknown:
		m.side.Presence = plan.Written
		b.endUnit(s.unit, "unknown", b.unknown(s, r.Err))
	default: // nothing was written; Exists is a unique value that another record has
		m.side.Intent = s.prior
		b.refused(s, r, named)
	}
}

// overlay lays a write's answer over what was read before it: answers show the
// written fields and whatever else the vendor likes.
func overlay(read, answer *connectors.Record) *connectors.Record {
	out := *answer
	out.Values = map[string]connectors.Value{}
	if read != nil {
		if out.Version == "" && out.Modified.IsZero() { // the vendor answered about a field, not about the record
			out.Version, out.Modified, out.Born = read.Version, read.Modified, read.Born
		}
		maps.Copy(out.Values, read.Values)
	}
	maps.Copy(out.Values, answer.Values)
	return &out
}

// unknown ends a unit whose write has no answer: the next read decides.
func (b *batch) unknown(s *send, err *connectors.Error) store.Finish {
	f := store.Finish{Disposition: store.Again, After: unknownDelay + b.between(0, time.Second), Retry: true, WholeCall: true}
	if err != nil {
		f.Error = err.Error()
		if f.WholeCall = err.WholeCall; !f.WholeCall {
			f.Blame = b.blamed(s.unit.rows[0]) // the answer is about this record
		}
	}
	switch {
	case !s.write.Create || s.member.object.CreateClass != connectors.ClassSearch:
	case b.repeatable(s.member, s.intent):
		f.After = b.retryAfter(s.unit.rows[0].work.Attempts)
	default:
		f.After = s.member.object.Settle
	}
	return f
}

// refusal gives the error of a result, made up where a connector gave none.
func refusal(r connectors.Result, system string) *connectors.Error {
	if r.Err != nil {
		return r.Err
	}
	return &connectors.Error{Kind: connectors.KindInvalid, System: system, Op: "write",
		Said: "refused: record " + r.RecordID + " holds a value that must be unique"}
}

func reasonOf(err *connectors.Error) string {
	if err == nil {
		return "refused"
	}
	return string(err.Kind)
}

func (b *batch) wrote(s *send, op connectors.Op, o connectors.Outcome) {
	src := s.unit.member(s.unit.source)
	b.Observe.Wrote(s.unit.link.Name, s.unit.source, s.member.stored.System, op, o)
	if o == connectors.Applied && src != nil && src.record != nil && !src.record.Modified.IsZero() && s.unit.source != s.member.stored.System {
		b.Observe.Lag(s.unit.link.Name, s.unit.source, s.member.stored.System, b.Now().Sub(src.record.Modified))
	}
}

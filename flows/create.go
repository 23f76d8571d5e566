package flows

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/failpoint"
	"syncd/flows/plan"
	"syncd/store"
)

// create commits the intents, sends one call per batch of creates, and binds
// the answers in a commit of its own (CORRECTNESS 3.5).
func (b *batch) create(ctx context.Context, at place, list []*send) {
	obj := b.object(at)
	size := max(1, obj.WriteBatch)
	if obj.CreateClass == connectors.ClassBlind {
		size = 1 // a lost answer would park a whole batch (3.7 C3)
	}
	for start := 0; start < len(list); start += size {
		part := list[start:min(start+size, len(list))]
		if !b.ready(part) {
			continue
		}
		committed := b.Now()
		if part = b.intendCreates(ctx, at, part); len(part) == 0 {
			continue
		}
		if b.Now().Sub(committed) > sendGrace {
			b.takeBack(ctx, part)
			for _, s := range part {
				b.endUnit(s.unit, "paused", store.Finish{Disposition: store.Again, Blame: b.unblamed(s.unit.rows[0])})
			}
			continue
		}
		writes := make([]connectors.Write, len(part))
		for i, s := range part {
			writes[i] = connectors.Write{Key: s.keyOf(), Token: s.unit.token, Values: s.columns}
		}
		b.created(ctx, at, part, b.call(ctx, at, connectors.Create, writes))
	}
}

func (b *batch) intendCreates(ctx context.Context, at place, list []*send) []*send {
	intents := make([]store.CreateIntent, len(list))
	for i, s := range list {
		s.intent = &plan.Intent{Create: true, Fields: s.write.Fields, Body: b.bodyOf(s)}
		b.enterLedger(s)
		intents[i] = store.CreateIntent{
			IdentityID: s.unit.id, Epoch: s.unit.epoch, Link: s.unit.link.Name, System: at.system,
			Sends: s.member.stored.Sends, Intent: encode(s.intent), Sent: encode(s.member.ledger),
		}
	}
	ok, err := b.Store.IntendCreates(ctx, b.Owner, intents)
	out := b.admitted(list, ok, err)
	for _, s := range out {
		s.member.stored.Sends++
	}
	return out
}

// takeBack clears sends that definitely did not happen. A repeat proves nothing
// about the send that it repeats, which stays in doubt. false: the store still has
// them, and each counts as uncertain and is looked up: slower, safe.
func (b *batch) takeBack(ctx context.Context, list []*send) bool {
	list = slices.DeleteFunc(slices.Clone(list), func(s *send) bool { return s.repeat })
	if len(list) == 0 {
		return true
	}
	refs := make([]store.SendRef, len(list))
	for i, s := range list {
		refs[i] = store.SendRef{IdentityID: s.unit.id, System: s.member.stored.System, Sends: s.member.stored.Sends}
		s.member.side.Intent = nil
	}
	if err := b.Store.TakeBack(ctx, refs); err != nil {
		b.Logger.Warn("could not take sends back", "event", "create.take_back", "system", list[0].member.stored.System, "error", err)
		return false
	}
	for _, s := range list {
		s.member.stored.SentAt = time.Time{} // nor is the send of one who died open any more: a person may be asked
	}
	return true
}

// created takes in the results of one create call.
func (b *batch) created(ctx context.Context, at place, list []*send, results []connectors.Result) {
	var applied, existing, undone []*send
	answers, named := map[*send]connectors.Result{}, bystanders(results)
	for i, s := range list {
		r := results[i]
		answers[s] = r
		b.wrote(s, connectors.Create, r.Outcome)
		b.answered(s, r.Outcome)
		switch r.Outcome {
		case connectors.Applied:
			applied = append(applied, s)
		case connectors.Exists:
			existing = append(existing, s)
		case connectors.Unknown:
			b.endUnit(s.unit, "unknown", b.unknown(s, r.Err))
		default:
			undone = append(undone, s)
			b.refused(s, r, named)
		}
	}
	b.bind(ctx, at, applied, answers)
	b.takeBack(ctx, undone)
	if len(existing) > 0 {
		b.adoptExisting(ctx, at, existing, answers)
	}
}

// bind commits the true facts right after the answer, unfenced.
func (b *batch) bind(ctx context.Context, at place, list []*send, answers map[*send]connectors.Result) {
	if len(list) == 0 {
		return
	}
	bindings := make([]store.Binding, len(list))
	for i, s := range list {
		r := answers[s]
		bindings[i] = store.Binding{IdentityID: s.unit.id, System: at.system, Object: at.object, RecordID: r.RecordID}
		if r.Record != nil {
			bindings[i].Birth = birthText(r.Record.Born)
		}
		if r.Record == nil || s.hides(r.Record) {
			bindings[i].Confirm = b.confirmHint(s, r.RecordID)
		}
	}
	failpoint.Hit("before_bind")
	bound, err := b.bindWithPatience(ctx, bindings)
	failpoint.Hit("after_bind")
	if err != nil {
		for _, s := range list {
			b.endUnit(s.unit, "store", b.storeTrouble(s.unit.rows[0], err))
		}
		return
	}
	ours := map[string]bool{}
	for _, id := range bound {
		ours[id] = true
	}
	for _, s := range list {
		if !ours[s.unit.id] && !b.boundAlready(ctx, at, s, answers[s].RecordID) {
			continue
		}
		b.nowBound(s, answers[s])
	}
	b.wakeAfterSleep(ctx, list)
	b.sampleLag(ctx, at, list)
	b.beat.progress()
}

// bindWithPatience repeats a bind that the store could not take: what it holds
// is true, and if it is lost a look-up has to find it again.
func (b *batch) bindWithPatience(ctx context.Context, bindings []store.Binding) (bound []string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), persistTimeout)
	defer cancel()
	return b.Store.Bind(ctx, bindings)
}

// boundAlready looks at a create that the bind did not take: the echo may have
// bound it first. Anything else comes back and is looked at afresh.
func (b *batch) boundAlready(ctx context.Context, at place, s *send, id string) bool {
	holders, err := b.Store.Holders(ctx, at.system, at.object, []string{id})
	if err == nil && holders[id] == s.unit.id {
		return true
	}
	b.Logger.Warn("created a record that could not be bound", "event", "create.surplus",
		"system", at.system, "object", at.object, "record", id, "identity", s.unit.id, "holder", holders[id])
	if err == nil && holders[id] == "" {
		b.announce(ctx, at, []string{id})
	}
	b.endUnit(s.unit, "bound_elsewhere", store.Finish{Disposition: store.Again, After: time.Second, Blame: b.unblamed(s.unit.rows[0]),
		Error: "created record " + id + " in " + at.system + " is not this identity's record"})
	return false
}

func (b *batch) nowBound(s *send, r connectors.Result) {
	b.becomes(s.pending, r.RecordID)
	s.unit.noteWrite(b, s.member, "create", s.write)
	s.member.side.Intent.Acked, s.member.side.Intent.Body = true, nil
	if r.Record == nil {
		s.member.side.Presence = plan.Written
		return
	}
	s.unit.show(s.member, s.whole(r.Record), true)
	s.unit.take(plan.Resolve(s.unit.rules(), s.unit.sides()))
}

// whole adds to the answer of a create what was created empty and is not
// mentioned: a default of the vendor that it hides shows at the next read, and
// counts as a change then.
func (s *send) whole(answer *connectors.Record) *connectors.Record {
	out := *answer
	out.Values = maps.Clone(answer.Values)
	var empty []string
	for name, e := range s.write.Fields {
		if r := s.unit.link.row(name); r != nil && e.W == "" {
			empty = append(empty, r.ColumnsOf(s.member.stored.System)...)
		}
	}
	for name := range s.unit.link.Refs {
		if s.member.side.States[name].State == plan.StateReference { // created without it
			empty = append(empty, s.unit.link.row(name).ColumnsOf(s.member.stored.System)...)
		}
	}
	for _, column := range s.member.rule.Inverse {
		empty = append(empty, column) // of sides that have no record yet
	}
	for _, c := range empty {
		if _, shown := out.Values[c]; !shown {
			out.Values[c] = ""
		}
	}
	return &out
}

// adoptExisting handles the vendor's own refusal of a duplicate: a record that
// carries our token is the one we wanted; any other is a candidate like those
// of a look-up by business key. All of one answer are verified in one read.
func (b *batch) adoptExisting(ctx context.Context, at place, list []*send, answers map[*send]connectors.Result) {
	var ids, tokens []string
	for _, s := range list {
		if id := answers[s].RecordID; id != "" {
			ids = append(ids, id)
		} else {
			tokens = append(tokens, s.unit.token)
		}
	}
	records := map[string]connectors.Record{} // by id and by token
	field := b.object(at).TokenField
	if len(ids) > 0 {
		sights, err := b.read(ctx, request{at, dedupe(ids)})
		if err != nil {
			b.endSends(list, err)
			return
		}
		for id, s := range sights {
			if s.Sight == connectors.SightFound || s.Sight == connectors.SightArchived {
				records[id] = s.Record
			}
		}
	}
	if len(tokens) > 0 {
		found, err := b.find(ctx, at, field, tokens)
		if err != nil {
			b.endSends(list, err)
			return
		}
		for _, r := range found {
			records[strings.ToLower(r.Values[field])] = r
		}
	}
	for _, s := range list {
		key := answers[s].RecordID
		if key == "" {
			key = s.unit.token
		}
		rec, shown := records[key]
		b.judgeExisting(ctx, at, s, rec, shown, answers[s])
	}
}

func (b *batch) endSends(list []*send, err *connectors.Error) {
	for _, s := range list {
		b.endUnit(s.unit, string(err.Kind), b.outcome(s.unit.rows[0], err))
	}
}

func (b *batch) judgeExisting(ctx context.Context, at place, s *send, rec connectors.Record, shown bool, r connectors.Result) {
	if !shown {
		b.takeBack(ctx, []*send{s})
		b.endUnit(s.unit, "exists_unseen", b.outcome(s.unit.rows[0], refusal(r, at.system)))
		return
	}
	token := strings.TrimSpace(rec.Values[b.object(at).TokenField])
	if strings.EqualFold(token, s.unit.token) {
		if b.keptInBin(s.pending, rec) {
			b.takeBack(ctx, []*send{s})
			return
		}
		b.bindFound(ctx, s.pending, rec, "adopt", true)
		return
	}
	if !b.takeBack(ctx, []*send{s}) { // a person is asked about what the store knows to be over
		b.endUnit(s.unit, "store", store.Finish{Disposition: store.Again, After: time.Second, Blame: b.unblamed(s.unit.rows[0])})
		return
	}
	free, err := b.withoutErased(ctx, at, []connectors.Record{rec})
	if err != nil {
		b.endUnit(s.unit, "store", b.storeTrouble(s.unit.rows[0], err))
		return
	}
	if len(free) == 0 {
		b.askPerson(s.unit, "erased_elsewhere", at.system+" has a record with these values that belongs to a person who was erased elsewhere", nil)
		return
	}
	holders, err := b.Store.Holders(ctx, at.system, at.object, []string{rec.ID})
	switch {
	case err != nil:
		b.endUnit(s.unit, "store", b.storeTrouble(s.unit.rows[0], err))
	case holders[rec.ID] != "" || token != "" || keyedElsewhere(ask{pending: s.pending}, rec):
		b.askPerson(s.unit, "suspected_duplicate", at.system+" refuses a second record with these values, and the one it has is paired with another record", []connectors.Record{rec})
	case s.unit.link.OnMatch == MatchPair && !rec.Archived && s.member.rule.inScope(rec.Values):
		b.pairExisting(ctx, s.pending, rec)
	default:
		b.askPerson(s.unit, "proposed", at.system+" has a record with these values already", []connectors.Record{rec})
	}
}

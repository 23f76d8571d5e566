package flows

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"syncd/connectors"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

// pending is a side of a unit that has no record yet.
type pending struct {
	unit   *unit
	member *member
}

func (b *batch) pendings(keep func(pending) bool) map[place][]pending {
	out := map[place][]pending{}
	for _, u := range b.open() {
		for _, m := range u.members {
			p := pending{u, m}
			if m.side.Presence == plan.Creating && keep(p) {
				at := place{m.stored.System, m.stored.Object}
				out[at] = append(out[at], p)
			}
		}
	}
	return out
}

func sortedPlaces[V any](m map[place]V) []place {
	return slices.SortedFunc(maps.Keys(m), func(a, b place) int {
		return strings.Compare(a.system+"\x00"+a.object, b.system+"\x00"+b.object)
	})
}

// settleCreates finds out what became of creates whose outcome is open, by
// class (CORRECTNESS 3.5). Found: adopted. Proved absent: sent again.
func (b *batch) settleCreates(ctx context.Context) {
	first := b.lookFirst(ctx)
	for _, u := range b.open() {
		u.lookToken = u.lookToken || first[u.link.Name]
	}
	uncertain := b.pendings(func(p pending) bool {
		return !p.member.stored.SentAt.IsZero() || p.member.stored.State == mapping.MemberUncertain || p.unit.lookToken || p.named() != ""
	})
	for _, at := range sortedPlaces(uncertain) {
		b.settlePlace(ctx, at, uncertain[at])
	}
}

func (b *batch) settlePlace(ctx context.Context, at place, list []pending) {
	obj, now := b.object(at), b.Now()
	var ask, blind []pending
	for _, p := range list {
		wait := p.member.stored.SentAt.Add(obj.Settle + obj.IndexLag).Sub(now)
		switch {
		case obj.CreateClass == connectors.ClassBlind && !p.member.stored.SentAt.IsZero():
			blind = append(blind, p)
		case obj.CreateClass == connectors.ClassBlind || obj.TokenField == "":
			// There is nothing to look up by.
		case !p.member.stored.SentAt.IsZero() && b.repeatable(p.member, p.member.side.Intent):
			p.member.repeat = true
		case obj.CreateClass == connectors.ClassSearch && wait > 0 && !p.member.stored.SentAt.IsZero():
			b.endUnit(p.unit, "settling", store.Finish{Disposition: store.Again, After: wait, Blame: b.unblamed(p.unit.rows[0])})
		default:
			ask = append(ask, p)
		}
	}
	b.parkBlind(ctx, at, blind)
	if len(ask) == 0 {
		return
	}
	tokens := make([]string, len(ask))
	for i, p := range ask {
		tokens[i] = p.unit.token
	}
	found, err := b.find(ctx, at, obj.TokenField, tokens)
	if err != nil {
		b.endPendings(ask, err)
		return
	}
	byToken := map[string][]connectors.Record{}
	for _, r := range found {
		t := strings.ToLower(strings.TrimSpace(r.Values[obj.TokenField]))
		byToken[t] = append(byToken[t], r)
	}
	b.adoptOrigins(ctx, at, slices.DeleteFunc(slices.Clone(ask), func(p pending) bool {
		return slices.ContainsFunc(byToken[p.unit.token], func(r connectors.Record) bool { return !p.outlived(r) })
	}))
	for _, p := range ask {
		if p.unit.ended != nil || p.member.stored.RecordID != "" {
			continue
		}
		records := slices.DeleteFunc(byToken[p.unit.token], func(r connectors.Record) bool { return p.outlived(r) })
		switch len(records) {
		case 0:
			p.member.resend = true
		default: // the oldest is ours; each of the others is judged by itself
			slices.SortStableFunc(records, func(a, b connectors.Record) int { return a.Born.Compare(b.Born) })
			if len(records) > 1 { // before the bind: a crash in between leaves all of them to be looked at
				b.announce(ctx, at, idsOf(records[1:]))
			}
			b.bindFound(ctx, p, records[0], "adopt", true)
		}
	}
}

func idsOf(records []connectors.Record) []string {
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	return ids
}

func (b *batch) find(ctx context.Context, at place, field string, values []string) ([]connectors.Record, *connectors.Error) {
	var out []connectors.Record
	values = dedupe(values)
	size := max(1, b.object(at).ReadBatch)
	for start := 0; start < len(values); start += size {
		part := values[start:min(start+size, len(values))]
		got, err := b.systems[at.system].Conn.Find(ctx, at.object, connectors.Lookup{Field: field, Values: part}, b.projection[at])
		if err != nil {
			return nil, b.trouble(at.system, err)
		}
		b.well(at, false)
		out = append(out, got...)
	}
	b.beat.progress()
	return out, b.referRecords(ctx, at, out)
}

func (b *batch) endPendings(list []pending, err *connectors.Error) {
	for _, p := range list {
		b.endUnit(p.unit, string(err.Kind), b.outcome(p.unit.rows[0], err))
	}
}

// bindFound gives a waiting side a record that exists already. ours: it carries
// our token, so its values are those of the create and its intent confirms them.
func (b *batch) bindFound(ctx context.Context, p pending, rec connectors.Record, action string, ours bool) {
	bound, err := b.Store.Bind(ctx, []store.Binding{{
		IdentityID: p.unit.id, System: p.member.stored.System, Object: p.member.stored.Object,
		RecordID: rec.ID, Birth: birthText(rec.Born),
	}})
	if err != nil {
		b.endUnit(p.unit, "store", b.storeTrouble(p.unit.rows[0], err))
		return
	}
	if len(bound) == 0 {
		b.boundElsewhere(ctx, p, rec)
		return
	}
	b.becomes(p, rec.ID)
	p.unit.note(b, p.member, action, nil)
	p.unit.show(p.member, &rec, false)
	if !ours {
		p.member.side.Intent, p.member.side.Base = nil, nil
		p.member.intended = true
	} else {
		p.member.findApplied()
		if p.member.side.Intent != nil {
			p.member.side.Intent.Acked, p.member.side.Intent.Body = true, nil
		}
	}
	if rec.Archived {
		b.endUnit(p.unit, "partner_archived", store.Finish{Disposition: store.Parked, Reason: "partner_archived",
			Error: p.member.where() + " is archived"})
	}
}

// boundElsewhere: the record that was found is not free. If another identity
// has it (somebody merged the two), coming back changes nothing: a person decides.
func (b *batch) boundElsewhere(ctx context.Context, p pending, rec connectors.Record) {
	holders, err := b.Store.Holders(ctx, p.member.stored.System, p.member.stored.Object, []string{rec.ID})
	switch {
	case err != nil:
		b.endUnit(p.unit, "store", b.storeTrouble(p.unit.rows[0], err))
	case holders[rec.ID] != "" && holders[rec.ID] != p.unit.id:
		b.askPerson(p.unit, "suspected_duplicate", "the record found in "+p.member.stored.System+" is paired with another record already", []connectors.Record{rec})
	default:
		b.endUnit(p.unit, "bound_elsewhere", b.meetAgain(p.unit.rows[0]))
	}
}

// becomes notes in the unit that a side has a record now.
func (b *batch) becomes(p pending, recordID string) {
	p.member.stored.RecordID = recordID
	p.member.stored.State = mapping.MemberActive
	p.unit.binds++
	p.unit.refs.becomes(p.unit.id, store.RefMember{
		System: p.member.stored.System, Object: p.member.stored.Object, RecordID: recordID, State: mapping.MemberActive,
	})
}

// matchCreates looks for a partner by business keys before anything is
// created: exactly one free candidate pairs, several ask, none creates.
func (b *batch) matchCreates(ctx context.Context) {
	fresh := b.pendings(func(p pending) bool {
		return p.member.stored.SentAt.IsZero() && p.unit.link.OnMatch != MatchOff && len(p.unit.link.Match) > 0
	})
	b.recallShared(ctx, fresh)
	for _, at := range sortedPlaces(fresh) {
		b.matchPlace(ctx, at, slices.DeleteFunc(fresh[at], func(p pending) bool { return p.unit.ended != nil }))
	}
}

// matchPlace makes one look-up per leading field of the match sets.
func (b *batch) matchPlace(ctx context.Context, at place, list []pending) {
	taken := map[string]bool{} // a candidate serves one unit of a batch
	for level := 0; len(list) > 0; level++ {
		asks, left := b.asksAt(at, list, level)
		if len(asks) == 0 && len(left) == 0 {
			return
		}
		for _, field := range slices.Sorted(maps.Keys(asks)) {
			left = append(left, b.matchField(ctx, at, field, asks[field], taken)...)
		}
		list = left
	}
}

// ask is a look-up for one waiting side.
type ask struct {
	pending
	set    []string          // the rows that must all be equal
	values map[string]string // canonical values of the source
	lead   string            // the value looked up
}

// asksAt sorts the sides that have a match set at this level by the column that
// leads it; a set whose values are not all there is passed over.
func (b *batch) asksAt(at place, list []pending, level int) (asks map[string][]ask, left []pending) {
	asks = map[string][]ask{}
	for _, p := range list {
		l := p.unit.link
		if level >= len(l.Match) {
			continue
		}
		set := l.Match[level]
		source := p.unit.member(p.unit.source).side.Values
		lead := l.row(set[0])
		column := ""
		if lead != nil && lead.Has(at.system) && len(lead.ColumnsOf(at.system)) == 1 {
			column = lead.ColumnsOf(at.system)[0]
		}
		if column == "" || !complete(l, set, source) {
			left = append(left, p)
			continue
		}
		rendered := lead.Put(at.system, source[set[0]], nil)
		asks[column] = append(asks[column], ask{p, set, source, rendered[column]})
	}
	return asks, left
}

func complete(l *Link, set []string, canonical map[string]string) bool {
	for _, name := range set {
		r := l.row(name)
		if r == nil {
			return false
		}
		if _, usable := r.MatchValue(canonical[name]); !usable {
			return false
		}
	}
	return true
}

// matchField makes one batched look-up and judges the candidates. It gives the
// sides that found nobody.
func (b *batch) matchField(ctx context.Context, at place, column string, asks []ask, taken map[string]bool) (left []pending) {
	values := make([]string, len(asks))
	for i, a := range asks {
		values[i] = a.lead
	}
	records, cerr := b.find(ctx, at, column, values)
	if cerr != nil {
		for _, a := range asks {
			b.endUnit(a.unit, string(cerr.Kind), b.outcome(a.unit.rows[0], cerr))
		}
		return nil
	}
	records, err := b.withoutErased(ctx, at, records)
	if err != nil {
		for _, a := range asks {
			b.endUnit(a.unit, "store", b.storeTrouble(a.unit.rows[0], err))
		}
		return nil
	}
	ids := idsOf(records)
	holders := map[string]string{}
	if len(ids) > 0 {
		if holders, err = b.notFree(ctx, at, ids); err != nil {
			for _, a := range asks {
				b.endUnit(a.unit, "store", b.storeTrouble(a.unit.rows[0], err))
			}
			return nil
		}
	}
	found := map[*unit][]connectors.Record{}
	for _, a := range asks {
		found[a.unit] = b.candidates(at, a, records, holders)
	}
	for _, a := range b.dropTwins(ctx, asks, found) {
		if len(found[a.unit]) == 0 && (b.idTaken(a, records, holders) || b.lonely(ctx, a, records, holders)) {
			continue
		}
		if b.judge(ctx, a, found[a.unit], taken) {
			left = append(left, a.pending)
		}
	}
	return left
}

// candidates keeps the records that really match, are in the link's scope, and
// belong to nobody.
func (b *batch) candidates(at place, a ask, records []connectors.Record, holders map[string]string) []connectors.Record {
	var out []connectors.Record
	rule := a.unit.link.member(at.system)
	token := b.object(at).TokenField
	for _, r := range records {
		if _, held := holders[r.ID]; held || r.Archived || !rule.inScope(r.Values) {
			continue
		}
		if t := r.Values[token]; token != "" && t != "" && !strings.EqualFold(t, a.unit.token) {
			continue // it carries another identity's token: never free
		}
		if !keyedElsewhere(a, r) && sameKey(a.unit.link, a.set, a.values, a.unit.link.canonical(at.system, r.Values)) {
			out = append(out, r)
		}
	}
	return out
}

func sameKey(l *Link, set []string, a, b map[string]string) bool {
	for _, name := range set {
		x, okX := l.row(name).MatchValue(a[name])
		y, okY := l.row(name).MatchValue(b[name])
		if !okX || !okY || x != y {
			return false
		}
	}
	return true
}

// judge acts on the candidates of one side; true: nobody was found.
func (b *batch) judge(ctx context.Context, a ask, candidates []connectors.Record, taken map[string]bool) bool {
	switch {
	case len(candidates) == 0:
		return true
	case a.unit.shared[strings.Join(a.set, "+")]: // theirs may be any of ours
		b.askPerson(a.unit, "ambiguous", "several records of "+a.unit.source+" match by "+strings.Join(a.set, ", ")+", and are told apart", candidates)
	case len(candidates) > 1:
		b.askPerson(a.unit, a.unit.link.severalReason(), "several records match by "+strings.Join(a.set, ", "), candidates)
	case taken[candidates[0].ID]:
		b.endUnit(a.unit, "same_candidate", b.meetAgain(a.unit.rows[0]))
	case a.unit.link.OnMatch == MatchPropose:
		b.askPerson(a.unit, "proposed", "one record matches by "+strings.Join(a.set, ", "), candidates)
	default:
		taken[candidates[0].ID] = true
		b.bindFound(ctx, a.pending, candidates[0], "pair", false)
	}
	return false
}

// askPerson parks a unit with a question and its candidates. Its sides that wait
// for a record wait for the person too: a candidate that is announced itself must
// not settle the question by coming first.
func (b *batch) askPerson(u *unit, reason, words string, candidates []connectors.Record) {
	for _, m := range u.members {
		if m.side.Presence == plan.Creating && m.stored.SentAt.IsZero() {
			m.parked = true
		}
	}
	b.endUnit(u, reason, store.Finish{Disposition: store.Parked, Reason: reason, Error: words, Detail: candidatesOf(candidates, "")})
}

// candidatesOf is the detail of a question: the records it is about, and the
// identity that is met, if any.
func candidatesOf(candidates []connectors.Record, identity string) json.RawMessage {
	question := map[string]any{"candidates": idsOf(candidates)}
	if identity != "" {
		question["identity"] = identity
	}
	detail, err := json.Marshal(question)
	if err != nil {
		return nil
	}
	return detail
}

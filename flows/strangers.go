package flows

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/mapping"
	"syncd/store"
)

// stranger is a record that is no member yet.
type stranger struct {
	row   *row
	link  *Link
	id    string // the identity it will start, or belongs to by its token
	token string
	known bool // id comes from a token that the record carries
	keys  []store.Key
}

// resolveStrangers finds out whose records the unknown ones are: by token, else
// by claiming a new identity, which business keys may turn into joining another.
func (b *batch) resolveStrangers(ctx context.Context) {
	var all []*stranger
	for _, r := range b.rows {
		if r.finish != nil || r.unit != nil {
			continue
		}
		if s := b.meet(r); s != nil {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return
	}
	all = b.mergedHere(ctx, all)
	all = b.leaveErased(ctx, all)
	all = b.adoptByInverse(ctx, all)
	all = b.holdBack(ctx, all)
	all = b.adoptByToken(ctx, all)
	all = b.meetByKey(ctx, all)
	all = b.apartByID(b.awaitIDs(all))
	all = b.letTargetsGoFirst(all)
	all = b.collapse(all)
	b.claim(ctx, all)
}

// meet finds the link that a stranger belongs to, and its identity id.
func (b *batch) meet(r *row) *stranger {
	rec := &r.sight.Record
	var fits []*Link
	deaf := false
	for _, l := range b.linksOf(b.place) {
		m := l.member(b.place.system)
		if m.Listen && m.Blind != "" {
			b.end(r, "schema", store.Finish{Disposition: store.Again, After: b.between(heldDelay, heldDelay+10*time.Second), Blame: b.unblamed(r), Error: m.Blind})
			return nil
		}
		// What a sink shows with a token of ours is the echo of a create.
		if (m.Listen || b.carriesToken(rec)) && m.inScope(rec.Values) {
			fits = append(fits, l)
		}
		deaf = deaf || !m.Listen && m.inScope(rec.Values)
	}
	switch {
	case len(fits) == 0 && deaf:
		b.end(r, "not_listened", store.Finish{Disposition: store.Done})
		return nil
	case len(fits) == 0:
		b.end(r, "out_of_scope", store.Finish{Disposition: store.Done})
		return nil
	case len(fits) > 1:
		b.end(r, "two_links", store.Finish{Disposition: store.Parked, Reason: "two_links",
			Error: "the record fits the links " + fits[0].Name + " and " + fits[1].Name + ": make their `only` filters disjoint"})
		return nil
	}
	s := &stranger{row: r, link: fits[0]}
	if field := b.object(b.place).TokenField; field != "" {
		if text := strings.TrimSpace(rec.Values[field]); text != "" {
			id, ours := b.Keyring.Parse(text)
			if !ours {
				b.end(r, "foreign_token", store.Finish{Disposition: store.Parked, Reason: "foreign_token",
					Error: "field " + field + " holds a reference that this installation did not make: another syncd writes here, or a person typed it"})
				return nil
			}
			s.id, s.known = id, true
		}
	}
	if !s.known {
		s.id = b.bornIdentity(s.link, b.place, rec)
	}
	token, err := b.Keyring.Token(s.id)
	if err != nil {
		b.end(r, "broken", store.Finish{Disposition: store.Dead, Reason: "broken", Error: err.Error()})
		return nil
	}
	s.token = token
	s.keys = b.keysOf(s.link, s.link.canonical(b.place.system, rec.Values))
	return s
}

// carriesToken says that a record shows a token of this installation.
func (b *batch) carriesToken(rec *connectors.Record) bool {
	_, ours := b.Keyring.Parse(rec.Values[b.object(b.place).TokenField])
	return ours
}

// keysOf gives the business keys of canonical values, one per complete match
// set, hashed with the install key.
func (b *batch) keysOf(l *Link, canonical map[string]string) []store.Key {
	if l.OnMatch == MatchOff {
		return nil // nobody meets by them
	}
	var out []store.Key
	for _, set := range l.Match {
		parts := make([]string, 0, len(set))
		for _, name := range set {
			r := l.row(name)
			if r == nil {
				break
			}
			v, usable := r.MatchValue(canonical[name])
			if !usable {
				break
			}
			parts = append(parts, v)
		}
		if len(parts) == len(set) && len(set) > 0 {
			kind := strings.Join(set, "+")
			out = append(out, store.Key{Kind: kind, Value: b.Keyring.KeyHash(l.Name, kind, parts)})
		}
	}
	return out
}

// holdBack sends strangers without a token back while they may be the echo of
// a create of ours that is not bound yet (CORRECTNESS 3.5). Objects that always
// show the token need no such patience.
func (b *batch) holdBack(ctx context.Context, all []*stranger) []*stranger {
	if b.object(b.place).TokenVisible {
		return all
	}
	after, open, err := b.Store.OpenCreates(ctx, b.place.system, b.place.object)
	return slices.DeleteFunc(all, func(s *stranger) bool {
		if err != nil {
			b.end(s.row, "store", b.storeTrouble(s.row, err))
			return true
		}
		if open && !s.known && s.row.sight.Record.Born.After(after) {
			b.end(s.row, "may_be_ours", store.Finish{Disposition: store.Again, After: b.between(2*time.Second, 10*time.Second), Blame: b.unblamed(s.row)})
			return true
		}
		return false
	})
}

// adoptByToken settles the strangers that carry a token of ours: the echo of
// our own create that came before its bind, or a clone.
func (b *batch) adoptByToken(ctx context.Context, all []*stranger) []*stranger {
	var ids []string
	for _, s := range all {
		if s.known {
			ids = append(ids, s.id)
		}
	}
	if len(ids) == 0 {
		return all
	}
	leased, busy, err := b.lookAt(ctx, dedupe(ids)...)
	if err != nil {
		return slices.DeleteFunc(all, func(s *stranger) bool {
			if s.known {
				b.end(s.row, "store", b.storeTrouble(s.row, err))
			}
			return s.known
		})
	}
	met := map[string]*store.Identity{}
	for _, i := range leased {
		met[i.ID] = i
	}
	recovers := map[string]bool{} // by link
	return slices.DeleteFunc(all, func(s *stranger) bool {
		switch {
		case !s.known:
			return false
		case slices.Contains(busy, s.id):
			b.end(s.row, "leased_elsewhere", b.meetAgain(s.row))
		case has(met[s.id], s.row.work): // bound by somebody else since the row was claimed as nobody's
			b.end(s.row, "adopted_by_echo", store.Finish{Disposition: store.Again, Blame: b.unblamed(s.row)})
		case met[s.id] != nil:
			b.bindEcho(ctx, s, met[s.id])
		default: // a token of ours that this database never saw: claimed under its own id
			if !recovers[s.link.Name] {
				var err error
				if recovers[s.link.Name], err = b.unknownToken(ctx, s); err != nil {
					recovers[s.link.Name] = false
					b.end(s.row, "store", b.storeTrouble(s.row, err))
					return true
				}
			}
			return false
		}
		return true
	})
}

// bindEcho binds a record that carries the token of an identity without a
// record here. The row comes back at once: what was read before the lease
// proves nothing (R3).
func (b *batch) bindEcho(ctx context.Context, s *stranger, i *store.Identity) {
	at := slices.IndexFunc(i.Members, func(m store.Member) bool { return m.System == b.place.system && m.Object == b.place.object })
	if at >= 0 && i.Members[at].RecordID == "" {
		delete(b.looked, i.ID) // it is another one now
		_, err := b.Store.Bind(ctx, []store.Binding{{
			IdentityID: i.ID, System: b.place.system, Object: b.place.object,
			RecordID: s.row.work.RecordID, Birth: birthText(s.row.sight.Record.Born),
		}})
		if err != nil {
			b.end(s.row, "store", b.storeTrouble(s.row, err))
			return
		}
		if i.Members[at].State == mapping.MemberParked {
			b.wakeSources(ctx, i)
		}
		b.end(s.row, "adopted_by_echo", store.Finish{Disposition: store.Again, Blame: b.unblamed(s.row)})
		return
	}
	var member *store.Member
	if at >= 0 {
		member = &i.Members[at]
	}
	b.second(ctx, s, i, member)
}

// wakeSources has the records that wait for a parked create looked at again: it
// is not in doubt any more.
func (b *batch) wakeSources(ctx context.Context, i *store.Identity) {
	var hints []store.Hint
	for _, m := range i.Members {
		if m.RecordID != "" {
			hints = append(hints, store.Hint{System: m.System, Object: m.Object, RecordID: m.RecordID, Cause: "adopt"})
		}
	}
	if err := b.Store.Enqueue(ctx, hints); err != nil {
		b.Logger.Warn("a record that waited for a create is not woken: its next change does it", "event", "create.wake", "identity", i.ID, "error", err)
	}
}

// collapse lets one of several new records with one business key go on; the
// others come back and meet its identity (CORRECTNESS 3.7 "Collapse").
func (b *batch) collapse(all []*stranger) []*stranger {
	slices.SortStableFunc(all, func(x, y *stranger) int {
		return cmp.Or(x.row.work.FirstHint.Compare(y.row.work.FirstHint), cmp.Compare(x.row.work.RecordID, y.row.work.RecordID))
	})
	taken := map[store.Key]bool{}
	ids := map[string]bool{}
	return slices.DeleteFunc(all, func(s *stranger) bool {
		again := ids[s.id]
		for _, k := range s.keys {
			again = again || taken[k]
		}
		if again {
			b.end(s.row, "same_key", b.meetAgain(s.row))
			return true
		}
		ids[s.id] = true
		for _, k := range s.keys {
			taken[k] = true
		}
		return false
	})
}

// claim takes the unique constraint before anything is created: the identity,
// its source member, and a member that waits for a record in every other system.
func (b *batch) claim(ctx context.Context, all []*stranger) { b.claimNow(ctx, all, true) }

// claimNow makes one claim of all strangers. asking: those that meet an identity by
// a business key are looked at before they join it.
func (b *batch) claimNow(ctx context.Context, all []*stranger, asking bool) {
	if len(all) == 0 {
		return
	}
	claims := make([]store.NewIdentity, len(all))
	for i, s := range all {
		claims[i] = b.newIdentity(s)
		claims[i].Ask = claims[i].Ask || asking && len(claims[i].Keys) > 0
	}
	results, err := b.Store.ClaimIdentities(ctx, b.Owner, b.Lease, claims)
	b.learnClaims(claims, results)
	var met []*stranger
	verdicts := map[*stranger]store.ClaimResult{}
	for i, s := range all {
		if err != nil {
			b.end(s.row, "store", b.storeTrouble(s.row, err))
			continue
		}
		switch verdicts[s] = results[i]; results[i].Verdict {
		case store.VerdictNew:
			b.newcomer(s, claims[i], results[i])
		case store.VerdictJoined:
			b.end(s.row, "joined", store.Finish{Disposition: store.Again, Blame: b.unblamed(s.row)})
		case store.VerdictClash:
			b.idClash(ctx, s, results[i].IdentityID)
		case store.VerdictErased:
			b.end(s.row, "erased", store.Finish{Disposition: store.Done})
		case store.VerdictWait:
			if asking && results[i].Free && s.link.OnMatch != MatchPropose {
				met = append(met, s)
			} else {
				b.waitFor(ctx, s, results[i].IdentityID)
			}
		default:
			b.taken(ctx, s)
		}
	}
	b.beat.progress()
	if len(met) > 0 {
		b.claimAlone(ctx, met, verdicts)
	}
}

func (b *batch) newIdentity(s *stranger) store.NewIdentity {
	return b.identityOf(s.link, b.place, &s.row.sight.Record, s.id, s.token, s.keys, s.row.work.Cause)
}

// identityOf is the claim of an identity that begins with a record.
func (b *batch) identityOf(l *Link, at place, rec *connectors.Record, id, token string, keys []store.Key, cause string) store.NewIdentity {
	n := store.NewIdentity{
		ID: id, Link: l.Name, CreatedBy: cause, Keys: keys, Ask: l.OnMatch == MatchPropose, Exact: l.Mode == ModeExternal,
		Source: store.NewMember{System: at.system, Object: at.object, RecordID: rec.ID, Token: token, Birth: birthText(rec.Born),
			Mac: b.Keyring.RecordHash(at.system, at.object, rec.ID)},
	}
	for _, m := range l.Members {
		if m.System != at.system && m.Write {
			n.Targets = append(n.Targets, store.NewMember{System: m.System, Object: m.Object, Token: token})
		}
	}
	return n
}

// newcomer makes the unit of a fresh claim; its record was read before, and
// nobody else could have had the identity meanwhile.
func (b *batch) newcomer(s *stranger, n store.NewIdentity, res store.ClaimResult) {
	i := &store.Identity{ID: n.ID, Link: n.Link, State: mapping.IdentityLive, Epoch: res.Epoch}
	for _, t := range append([]store.NewMember{n.Source}, n.Targets...) {
		m := store.Member{System: t.System, Object: t.Object, RecordID: t.RecordID, Token: t.Token, Birth: t.Birth, State: mapping.MemberCreating}
		if t.RecordID != "" {
			m.State = mapping.MemberActive
		}
		i.Members = append(i.Members, m)
	}
	u, err := b.newUnit(i, b.place.system)
	if err != nil {
		b.end(s.row, "broken", store.Finish{Disposition: store.Dead, Reason: "broken", Error: err.Error()})
		return
	}
	u.born, u.lookToken = true, s.known || b.mayBeForgotten(b.place, s.row.sight.Record.Born)
	for _, k := range res.Shared {
		u.shared[k.Kind] = true
	}
	u.rows, u.refs = []*row{s.row}, b.refs
	s.row.unit = u
	b.units = append(b.units, u)
	b.beat.covers(store.LeaseRef{ID: u.id, Epoch: u.epoch})
	b.showSource(s.row)
}

// trouble notes a connector's failure and what it says about its system.
func (b *batch) trouble(system string, err error) *connectors.Error {
	e := asConnectorError(system, err)
	b.noteTrouble(system, e, false)
	return e
}

// has says that a record is a member of an identity, nil having none.
func has(i *store.Identity, w store.Work) bool {
	return i != nil && slices.ContainsFunc(i.Members, func(m store.Member) bool {
		return m.System == w.System && m.Object == w.Object && m.RecordID == w.RecordID && m.State.Bound()
	})
}

package flows

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"syncd/connectors"
	"syncd/fields"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

// A reference is a row that points to records of another link. Its canonical value
// is the id of the identity that is pointed to, so that bases, policies and
// history need not know which system calls it what.

// Why a reference waits, as people read it.
const (
	waitsUnknown  = "it is not paired yet"
	waitsCreate   = "it is being created there"
	waitsPerson   = "its create there waits for a person"
	waitsNoCreate = "it has no record there, and its link does not create there"
	waitsGone     = "its record there is gone"
	waitsScope    = "out of scope of its link"
	waitsSilent   = "out of scope: its link does not listen there"
	waitsOther    = "out of scope: it belongs to another link"
)

// outOfScope are the answers that say that a record is none of its link's.
var outOfScope = map[string]string{"out_of_scope": waitsScope, "archived": "out of scope: it is archived", "missing": "out of scope: it is not shown",
	"erased": "out of scope: it was erased"}

// referents are what the references of a batch point to, as far as it was looked
// up. It is safe for concurrent use: sides are read side by side.
type referents struct {
	mu       sync.Mutex
	byRecord map[store.RecordRef]store.Referent
	byID     map[string]*store.RefIdentity
}

func newReferents() *referents {
	return &referents{byRecord: map[store.RecordRef]store.Referent{}, byID: map[string]*store.RefIdentity{}}
}

func (f *referents) learn(r store.Referent) {
	if r.Asked.RecordID != "" {
		f.byRecord[r.Asked] = r
	}
	if r.Identity == nil {
		return
	}
	f.byID[r.Identity.ID] = r.Identity
	for _, m := range r.Identity.Members {
		if m.RecordID != "" && m.State.Bound() {
			ref := store.RecordRef{System: m.System, Object: m.Object, RecordID: m.RecordID}
			f.byRecord[ref] = store.Referent{Asked: ref, Identity: r.Identity}
		}
	}
}

// becomes notes that an identity got its record in a system.
func (f *referents) becomes(id string, m store.RefMember) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.byID[id]
	if i == nil {
		return
	}
	known := *i
	known.Members = append(slices.DeleteFunc(slices.Clone(i.Members), func(o store.RefMember) bool { return o.System == m.System }), m)
	f.learn(store.Referent{Identity: &known})
}

func (f *referents) record(r store.RecordRef) (store.Referent, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	got, known := f.byRecord[r]
	return got, known
}

func (f *referents) identity(id string) *store.RefIdentity {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byID[id]
}

// recordOf gives an identity's record in a system, "" if it has none.
func (f *referents) recordOf(id, system string) string {
	if m := memberIn(f.identity(id), system); m != nil && m.State == mapping.MemberActive {
		return m.RecordID
	}
	return ""
}

func memberIn(i *store.RefIdentity, system string) *store.RefMember {
	if i == nil {
		return nil
	}
	for n := range i.Members {
		if i.Members[n].System == system {
			return &i.Members[n]
		}
	}
	return nil
}

// lookUp finds what some references point to, unless it is known: one query.
func (b *batch) lookUp(ctx context.Context, records []store.RecordRef, ids []string) error {
	f := b.refs
	f.mu.Lock()
	defer f.mu.Unlock()
	records = slices.DeleteFunc(dedupe(records), func(r store.RecordRef) bool { _, known := f.byRecord[r]; return known })
	ids = slices.DeleteFunc(dedupe(ids), func(id string) bool { return f.byID[id] != nil })
	if len(records)+len(ids) == 0 {
		return nil
	}
	got, err := b.Store.Referents(ctx, records, ids)
	if err != nil {
		return err
	}
	for n, r := range got {
		f.learn(r)
		if n >= len(records) && r.Identity == nil { // not to be asked for again
			id := ids[n-len(records)]
			f.byID[id] = &store.RefIdentity{ID: id, State: mapping.IdentityRetired}
		} else if n >= len(records) {
			f.byID[ids[n-len(records)]] = r.Identity
		}
	}
	return nil
}

// pointsTo lists what a record of an object points to, whichever link it is of.
func (e *Engine) pointsTo(p place, values map[string]string) []store.RecordRef {
	var out []store.RecordRef
	for _, l := range e.Links {
		m := l.member(p.system)
		if m == nil || m.Object != p.object {
			continue
		}
		for row := range l.Refs {
			if ref, raw := e.target(l, row, p.system, values); raw != "" {
				out = append(out, ref)
			}
		}
	}
	return out
}

// target gives the record that a reference row of a side points to. raw is ""
// if it is empty, or not shown.
func (e *Engine) target(l *Link, row, system string, values map[string]string) (ref store.RecordRef, raw string) {
	other := e.links[l.Refs[row].Link]
	r := l.row(row)
	if other == nil || r == nil || other.member(system) == nil {
		return ref, ""
	}
	raw, _ = r.Get(system, values)
	return store.RecordRef{System: system, Object: other.member(system).Object, RecordID: raw}, raw
}

// referRecords looks up what records that were read point to.
func (b *batch) referRecords(ctx context.Context, p place, records []connectors.Record) *connectors.Error {
	if !b.referring[p] {
		return nil
	}
	var refs []store.RecordRef
	for i := range records {
		refs = append(refs, b.pointsTo(p, records[i].Values)...)
	}
	return b.storeError(p, b.lookUp(ctx, refs, nil))
}

// storeError makes a failure of the store one of the call that it belongs to: it
// goes again.
func (b *batch) storeError(p place, err error) *connectors.Error {
	if err == nil {
		return nil
	}
	var known *connectors.Error
	if errors.As(err, &known) {
		return known
	}
	return &connectors.Error{Kind: connectors.KindTransient, System: p.system, Object: p.object, Op: "look up references", WholeCall: true, Err: err}
}

// name puts what a side's references point to in the place of the record ids
// that it shows, and says which cannot be named.
func (u *unit) name(m *member, values map[string]string) {
	m.side.Unnamed = nil
	for _, row := range slices.Sorted(maps.Keys(u.link.Refs)) {
		if _, shown := m.side.Values[row]; !shown {
			continue
		}
		target, raw := u.engine.target(u.link, row, m.stored.System, values)
		if raw == "" {
			continue // empty, on every side alike
		}
		ref, known := u.refs.record(target)
		if !known { // it was not looked up: says nothing
			delete(m.side.Values, row)
			continue
		}
		id, w := u.nameOf(row, target, ref)
		if id != "" {
			m.side.Values[row] = id
			continue
		}
		if m.side.Unnamed == nil {
			m.side.Unnamed = map[string]plan.Wait{}
		}
		m.side.Unnamed[row] = w
		delete(m.side.Values, row)
		if w.Blank {
			m.side.Values[row] = ""
		}
	}
}

// nameOf gives the identity that a record stands for, or why there is none.
func (u *unit) nameOf(row string, target store.RecordRef, ref store.Referent) (id string, w plan.Wait) {
	rule := u.link.Refs[row]
	w = plan.Wait{For: target.System + " " + target.Object + " " + target.RecordID, Record: target.RecordID, Reason: waitsUnknown}
	// What is not known yet may be out of scope.
	w.Park = rule.OutOfScope == fields.OutOfScopePark
	side := u.engine.links[rule.Link].member(target.System)
	switch i := ref.Identity; {
	case i != nil && i.Link != rule.Link:
		w.Reason, w.Record = waitsOther, ""
	case i != nil && i.State != mapping.IdentityLive:
		w.Reason, w.Record = waitsGone, ""
	case i != nil:
		return i.ID, w
	case outOfScope[ref.Answer] != "":
		w.Reason = outOfScope[ref.Answer]
	case !side.Listen:
		w.Reason = waitsSilent
	case ref.Answer != "":
		w.Reason += ": " + ref.Answer
		return "", w
	default:
		return "", w
	}
	w.Blank = rule.OutOfScope == fields.OutOfScopeClear
	return "", w
}

// reach says which references the sides of some units cannot be told, by what the
// id map knows: one query for all of them, if it is not known yet.
func (b *batch) reach(ctx context.Context, units []*unit) {
	var ids []string
	for _, u := range units {
		for row := range u.link.Refs {
			ids = append(ids, u.pointed(row)...)
		}
	}
	if err := b.lookUp(ctx, nil, ids); err != nil {
		for _, u := range units {
			if len(u.link.Refs) > 0 {
				b.endUnit(u, "store", b.storeTrouble(u.rows[0], err))
			}
		}
		return
	}
	for _, u := range units {
		u.lacks()
	}
}

// pointed lists the identities that a row may have to be told on some side.
func (u *unit) pointed(row string) []string {
	var ids []string
	for _, m := range u.members {
		for _, id := range []string{m.side.Values[row], m.side.Base[row].V, m.side.Kept[row]} {
			if id != "" {
				ids = append(ids, id)
			}
		}
	}
	return dedupe(ids)
}

func (u *unit) lacks() {
	for _, m := range u.members {
		m.side.Lacks = nil
		for row := range u.link.Refs {
			if r := u.link.row(row); r == nil || !r.Has(m.stored.System) {
				continue
			}
			for _, id := range u.pointed(row) {
				if u.refs.recordOf(id, m.stored.System) != "" {
					continue
				}
				if m.side.Lacks == nil {
					m.side.Lacks = map[string]map[string]plan.Wait{}
				}
				if m.side.Lacks[row] == nil {
					m.side.Lacks[row] = map[string]plan.Wait{}
				}
				m.side.Lacks[row][id] = u.lackOf(row, id, m.stored.System)
			}
		}
	}
}

// lackOf says why an identity has no record that a side could point to.
func (u *unit) lackOf(row, id, system string) plan.Wait {
	i := u.refs.identity(id)
	w := plan.Wait{For: u.link.Refs[row].Link + " " + id, Identity: id, Reason: waitsCreate}
	if i == nil || i.State != mapping.IdentityLive {
		w.Reason, w.Identity = waitsGone, ""
		return w
	}
	for _, m := range i.Members { // a name that people know, the record beside it first
		if m.RecordID != "" && m.State == mapping.MemberActive {
			w.For = m.System + " " + m.Object + " " + m.RecordID
			break
		}
	}
	link := u.engine.links[i.Link]
	switch m := memberIn(i, system); {
	case m == nil || link == nil:
		w.Reason = waitsNoCreate
	case m.State == mapping.MemberGone || m.State == mapping.MemberMerged || m.State == mapping.MemberQuarantined:
		w.Reason = waitsGone
	case m.RecordID == "" && !link.Create[system]:
		w.Reason = waitsNoCreate
	case m.State == mapping.MemberParked:
		w.Reason = waitsPerson
	}
	return w
}

// learnClaims notes identities that this batch has claimed: a record of the same
// batch may refer to them.
func (b *batch) learnClaims(claims []store.NewIdentity, results []store.ClaimResult) {
	if !b.wanted[b.place] {
		return
	}
	b.refs.mu.Lock()
	defer b.refs.mu.Unlock()
	for n, res := range results {
		if res.Verdict != store.VerdictNew {
			continue
		}
		c := claims[n]
		i := &store.RefIdentity{ID: c.ID, Link: c.Link, State: mapping.IdentityLive, Members: []store.RefMember{
			{System: c.Source.System, Object: c.Source.Object, RecordID: c.Source.RecordID, State: mapping.MemberActive},
		}}
		for _, t := range c.Targets {
			i.Members = append(i.Members, store.RefMember{System: t.System, Object: t.Object, State: mapping.MemberCreating})
		}
		b.refs.learn(store.Referent{Identity: i})
	}
}

// told gives a row's value as a system is told it: a reference as the record id
// that its identity has there. It is not known where the side cannot be told.
func (u *unit) told(row, system, value string) (string, bool) {
	if _, refers := u.link.Refs[row]; !refers || value == "" {
		return value, true
	}
	id := u.refs.recordOf(value, system)
	return id, id != ""
}

// hides says that the answer of a create does not show a reference that was
// written: a read has to.
func (s *send) hides(answer *connectors.Record) bool {
	for row := range s.unit.link.Refs {
		if e, written := s.write.Fields[row]; written && e.W != "" {
			if _, shown := s.unit.link.row(row).Get(s.member.stored.System, answer.Values); !shown {
				return true
			}
		}
	}
	return false
}

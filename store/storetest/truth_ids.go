package storetest

import (
	"cmp"
	"slices"
	"time"

	"syncd/mapping"
	"syncd/store"
)

// boundTo gives the member that a record is, nil if it is nobody's.
func (t *truth) boundTo(at spot) *part {
	if id := t.holderOf(at); id != "" {
		return t.ids[id].members[at.system]
	}
	return nil
}

func (t *truth) holderOf(at spot) string {
	for id, p := range t.ids {
		if m := p.members[at.system]; m != nil && m.record == at.record && m.state.Bound() {
			return id
		}
	}
	return ""
}

// isFree says that an identity may be leased.
func (t *truth) isFree(p *person) bool { return p.owner == "" || p.until < t.now }

// leasedTo gives the identity if a decision under this lease counts, nil if not.
func (t *truth) leasedTo(owner string, l store.LeaseRef) *person {
	if p := t.ids[l.ID]; p != nil && p.owner == owner && p.epoch == l.Epoch {
		return p
	}
	return nil
}

// claim settles one claim of an identity: F5, F6, F11.
func (t *truth) claim(c store.NewIdentity) (r store.ClaimResult) {
	src := c.Source
	if t.ids[c.ID] != nil || t.holderOf(spot{src.System, src.RecordID}) != "" {
		return store.ClaimResult{Verdict: store.VerdictTaken}
	}
	r.Verdict = store.VerdictNew
	for n, k := range c.Keys {
		h := t.keys[k]
		if h == nil || slices.Contains(c.Keys[:n], k) {
			continue
		}
		if c.Exact && (h.shared || t.ids[h.id].has(src.System)) {
			return store.ClaimResult{Verdict: store.VerdictClash, IdentityID: h.id, Shared: r.Shared}
		}
		if h.shared {
			r.Shared = append(r.Shared, k)
			continue
		}
		m := t.ids[h.id].members[src.System]
		switch {
		case c.Ask && (m == nil || m.record == "" || m.state == mapping.MemberGone || m.state == mapping.MemberMerged):
			free := m == nil || m.record != "" || !m.sent && m.state == mapping.MemberCreating
			return store.ClaimResult{Verdict: store.VerdictWait, IdentityID: h.id, Shared: r.Shared, Free: free}
		case m == nil:
			t.ids[h.id].members[src.System] = &part{record: src.RecordID, birth: src.Birth, token: tokenOf(t.ids[h.id]), state: mapping.MemberActive}
			return store.ClaimResult{Verdict: store.VerdictJoined, IdentityID: h.id, Shared: r.Shared}
		case m.state == mapping.MemberGone || m.state == mapping.MemberMerged: // made anew (3.8)
			m.version = ""
			fallthrough
		case m.record == "" && !m.sent && m.state == mapping.MemberCreating: // its create never went out
			m.record, m.birth, m.state, m.base, m.intent = src.RecordID, src.Birth, mapping.MemberActive, "", ""
			return store.ClaimResult{Verdict: store.VerdictJoined, IdentityID: h.id, Shared: r.Shared}
		case m.record == "": // its create may be our record
			return store.ClaimResult{Verdict: store.VerdictWait, IdentityID: h.id, Shared: r.Shared}
		default: // two records of one system
			h.shared = true
			r.Shared = append(r.Shared, k)
		}
	}
	p := &person{members: map[string]*part{src.System: {record: src.RecordID, birth: src.Birth, token: src.Token, state: mapping.MemberActive}}}
	for _, m := range c.Targets {
		p.members[m.System] = &part{token: m.Token, birth: m.Birth, state: mapping.MemberCreating}
	}
	t.ids[c.ID] = p
	for _, k := range c.Keys {
		if t.keys[k] == nil {
			t.keys[k] = &holder{id: c.ID}
		}
	}
	return r
}

// has says that an identity has a record in a system that is not known to be gone.
func (p *person) has(system string) bool {
	m := p.members[system]
	return m != nil && m.record != "" && m.state != mapping.MemberGone && m.state != mapping.MemberMerged
}

func compareKeys(a, b store.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
}

func tokenOf(p *person) string {
	for _, m := range p.members {
		if m.token != "" {
			return m.token
		}
	}
	return ""
}

// held says that a catch is closed for these writes.
func (t *truth) held(system, link string, what ...string) bool {
	for h := range t.holds {
		if h.system == system && (h.link == "" || h.link == link) && slices.Contains(what, h.what) {
			return true
		}
	}
	return false
}

func (t *truth) intendUpdate(owner string, i store.UpdateIntent) bool {
	p := t.leasedTo(owner, store.LeaseRef{ID: i.IdentityID, Epoch: i.Epoch})
	if p == nil || p.members[i.System] == nil || p.members[i.System].state != mapping.MemberActive || t.held(i.System, i.Link, "all", "writes") {
		return false
	}
	m := p.members[i.System]
	m.intent, m.ledger = string(i.Intent), string(i.Sent)
	return true
}

func (t *truth) intendCreate(owner string, i store.CreateIntent) bool {
	p := t.leasedTo(owner, store.LeaseRef{ID: i.IdentityID, Epoch: i.Epoch})
	if p == nil || p.members[i.System] == nil || t.held(i.System, i.Link, "all", "writes", "creates") {
		return false
	}
	m := p.members[i.System]
	if m.sends != i.Sends || m.record != "" || !m.state.Open() && m.state != mapping.MemberParked {
		return false
	}
	if m.state == mapping.MemberParked {
		m.state = mapping.MemberCreating
	}
	m.sends++
	m.sent, m.intent, m.ledger = true, string(i.Intent), string(i.Sent)
	return true
}

func (t *truth) takeBack(s store.SendRef) {
	if p := t.ids[s.IdentityID]; p != nil && p.members[s.System] != nil {
		if m := p.members[s.System]; m.state == mapping.MemberCreating && m.sends == s.Sends {
			m.sent = false
		}
	}
}

// bind is a true fact: whose lease it is does not matter.
func (t *truth) bind(b store.Binding) bool {
	p := t.ids[b.IdentityID]
	if p == nil || p.members[b.System] == nil || t.holderOf(spot{b.System, b.RecordID}) != "" {
		return false
	}
	m := p.members[b.System]
	if m.record != "" || !m.state.Open() && m.state != mapping.MemberParked {
		return false
	}
	m.record, m.state = b.RecordID, mapping.MemberActive
	m.birth = cmp.Or(b.Birth, m.birth)
	return true
}

// write is persist's update of one member.
func (t *truth) write(id string, u store.MemberUpdate) {
	m := t.ids[id].members[u.System]
	if m == nil {
		return
	}
	open := u.State.Open() || u.State == mapping.MemberParked
	another := t.holderOf(spot{u.System, m.record})
	if u.State != "" && (m.record == "") == open && !(u.State.Bound() && !m.state.Bound() && another != "") {
		m.state = u.State
	}
	m.base, m.version, m.intent, m.ledger = string(u.Base), u.BaseVersion, string(u.Intent), string(u.Sent)
	m.birth = cmp.Or(m.birth, u.Birth)
	if u.Fields != nil {
		m.fields = map[string]string{}
		for name, f := range u.Fields {
			m.fields[name] = f.State
		}
	}
}

// rekey rewrites the keys of held identities: what is no longer wanted goes
// before anything comes, so that two of them can swap. A key that several want
// goes to the one that the store gave it to.
func (t *truth) rekey(us []store.IdentityUpdate, given func(store.Key) string) {
	wants := map[store.Key][]string{}
	ofBatch := map[string]bool{}
	for _, u := range us {
		if u.SetKeys {
			ofBatch[u.ID] = true
			for _, k := range u.Keys {
				wants[k.Key] = append(wants[k.Key], u.ID)
			}
		}
	}
	for k, h := range t.keys {
		if ofBatch[h.id] && !h.shared && !slices.Contains(wants[k], h.id) {
			delete(t.keys, k)
		}
	}
	for k, ids := range wants {
		if t.keys[k] != nil {
			continue
		}
		id := ids[0]
		if g := given(k); len(ids) > 1 && slices.Contains(ids, g) {
			id = g
		}
		t.keys[k] = &holder{id: id}
	}
}

// leaseCursor gives the cursor unless another holds it.
func (t *truth) leaseCursor(owner string, ttl time.Duration) bool {
	c := &t.cursor
	if c.owner != "" && c.owner != owner && c.until >= t.now {
		return false
	}
	c.owner, c.until = owner, t.now+ttl
	return true
}

// sweep commits a page: hints for the marks that are new, the last row of a
// record counting.
func (t *truth) sweep(p store.SweepPage, ttl time.Duration) (hints int, fenced bool) {
	if t.cursor.owner == "" || t.cursor.epoch != p.Epoch {
		return 0, true
	}
	t.cursor.until, t.cursor.pos = t.now+ttl, string(p.Pos)
	last := map[string]store.SeenRow{}
	for _, r := range p.Rows {
		last[r.RecordID] = r
	}
	for id, r := range last {
		if t.seen[id] != r.Mark {
			hints++
			t.seen[id] = r.Mark
			t.hint([]store.Hint{{System: p.System, RecordID: id, Lane: p.Lane, Version: r.Version, Cause: p.Cause}})
		}
	}
	return hints, false
}

package flows

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

// Names of the fixed fields of a side: see plan.FixedPrefix.
const (
	fixedToken   = plan.FixedPrefix + "token"
	fixedInverse = plan.FixedPrefix + "inverse:"
)

// row is one claimed work row.
type row struct {
	work   store.Work
	sight  *connectors.Sighting
	unit   *unit
	finish *store.Finish
	reason string // label of the outcome
}

// unit is one identity in a batch, with all rows that belong to it. Two rows of
// one identity are one decision (CORRECTNESS 3.7 "Collapse").
type unit struct {
	engine  *Engine
	link    *Link
	id      string
	epoch   int64
	token   string
	members []*member // sorted by system
	gone    []*member // those of which the record went: no sides any more
	rows    []*row
	refs    *referents
	source  string // system of the rows
	stopped string // why nothing may be done with it, for people; "" if it is well
	orphan  bool   // it was merged into another one: its records are left over
	retired bool   // its end is in the batch's list of ended identities
	repoint bool   // one of its members moves to another record

	born      bool              // claimed in this batch
	lookToken bool              // the record carried our token and the database did not know it
	shared    map[string]bool   // match kinds not to match by (F11)
	binds     int               // how many members got their record in this batch
	decided   int               // binds when it was decided last
	merged    bool              // sides were just written a value that none of them held: look whether all hold it
	ended     *store.Finish     // set: this unit is over
	reason    string            // label of ended
	confirm   bool              // the batch's own record is to be read again to confirm a write to it
	uncreated string            // the reference that a create waits for
	thaw      time.Time         // when the first frozen row is to be looked at again; zero if none is
	history   []store.Entry     //
	notes     map[string]string // row → reason, for the log
}

// member is one side of a unit.
type member struct {
	stored   store.Member
	rule     *Member
	object   connectors.Object
	record   *connectors.Record // as read or answered in this batch
	side     plan.Side
	before   plan.Side // as loaded
	ledger   ledger
	intended bool     // an intent was committed in this batch: persist must say what is left of it
	resend   bool     // an uncertain create was looked up and is absent
	repeat   bool     // an uncertain create may be sent again as it was
	froze    bool     // a row was frozen in this batch
	keyed    bool     // the key of the system of record was seen in it
	unfit    []string // rows whose value is not known, and that the record is to wait for
	kept     bool     // the edits to be kept are others than before
	parked   bool     // its create is a person's business now: strangers need not wait for it
	lost     absence  // this batch saw that the record went, and how
	fate     change   // what is to be written about its end
	// committed are the fields of every intent that the store was given for this
	// side and that persist has not closed yet, those of earlier batches included.
	committed map[string]plan.IntentEntry
	// late are the fields of an open write without an answer that the record was
	// seen to hold: history has no line about them yet.
	late map[string]plan.IntentEntry
	// owed are fixed fields that were decided on and not acknowledged: see owe.
	owed map[string]plan.IntentEntry
}

// newUnit loads an identity as the store gave it.
func (e *Engine) newUnit(i *store.Identity, source string) (*unit, error) {
	link := e.links[i.Link]
	if link == nil {
		return nil, fmt.Errorf("link %q is not configured any more", i.Link)
	}
	token, err := e.Keyring.Token(i.ID)
	if err != nil {
		return nil, err
	}
	u := &unit{engine: e, link: link, id: i.ID, epoch: i.Epoch, token: token, source: source, shared: map[string]bool{}, notes: map[string]string{}}
	if u.orphan = i.State == mapping.IdentityMerged; !u.orphan && i.State != mapping.IdentityLive && i.State != "" {
		u.stopped = "the identity is " + string(i.State)
	}
	for _, sm := range i.Members {
		rule := link.member(sm.System)
		if rule == nil {
			continue // the link lost this side; its member is kept as it is
		}
		if sm.State == mapping.MemberGone && mapping.SetAside(sm.Why) {
			continue // a person took it out: the rest goes on, and nothing is made in its place
		}
		if !u.orphan && sm.RecordID != "" && sm.State != mapping.MemberActive && sm.State != mapping.MemberGone {
			u.stopped = "its record " + sm.RecordID + " in " + sm.System + " is " + string(sm.State)
		}
		m := &member{stored: sm, rule: rule, object: e.object(place{sm.System, sm.Object})}
		if err := m.load(); err != nil {
			return nil, fmt.Errorf("identity %s in %s: %w", i.ID, sm.System, err)
		}
		if sm.State == mapping.MemberGone {
			u.gone = append(u.gone, m)
			continue
		}
		u.members = append(u.members, m)
	}
	slices.SortFunc(u.members, func(a, b *member) int { return strings.Compare(a.stored.System, b.stored.System) })
	return u, nil
}

func (m *member) load() error {
	s := plan.Side{System: m.stored.System, Presence: plan.Unread}
	if err := decode(m.stored.Base, &s.Base); err != nil {
		return fmt.Errorf("base: %w", err)
	}
	if err := decode(m.stored.Intent, &s.Intent); err != nil {
		return fmt.Errorf("intent: %w", err)
	}
	if err := decode(m.stored.Sent, &m.ledger); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	s.States = states(m.stored.Fields)
	if m.stored.State.Open() || (m.stored.State == mapping.MemberParked && m.stored.RecordID == "") {
		s.Presence = plan.Creating
	}
	m.side, m.before = s, s
	if err := decode(m.stored.Removal, &m.fate.removal); err != nil {
		return fmt.Errorf("removal: %w", err)
	}
	m.committed = map[string]plan.IntentEntry{}
	if s.Intent != nil {
		m.committed = maps.Clone(s.Intent.Fields)
		open := *s.Intent // before stays as it was loaded
		m.side.Intent = &open
		if s.Presence == plan.Creating && m.stored.SentAt.IsZero() {
			m.side.Intent = nil // the body of a send that was taken back: it never reached anybody
		}
	}
	return nil
}

// states gives the field states of a stored member, nil if there are none.
func states(stored map[string]store.FieldState) map[string]plan.FieldState {
	if len(stored) == 0 {
		return nil
	}
	out := make(map[string]plan.FieldState, len(stored))
	for f, st := range stored {
		out[f] = plan.FieldState(st)
	}
	return out
}

func decode(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// where names the member's record for people.
func (m *member) where() string {
	return m.stored.System + " " + m.stored.Object + " " + m.stored.RecordID
}

func (u *unit) member(system string) *member {
	for _, m := range u.members {
		if m.stored.System == system {
			return m
		}
	}
	return nil
}

// show takes a record as the truth of one side, read under the lease.
func (u *unit) show(m *member, r *connectors.Record, ours bool) {
	m.record = r
	m.back(u.engine.Now())
	m.side.Presence = plan.Present
	m.side.Values, m.side.Faults, m.unfit = u.link.read(m.stored.System, r.Values)
	u.name(m, r.Values)
	m.side.Modified = r.Modified
	m.side.Ours = ours || r.Ours
	if r.Ours && !ours { // an answer is about its own send only
		u.landed(m)
	}
	m.side.Late, m.side.Kept = u.late(m), m.ledger.K
	m.side.Fixed = map[string]string{}
	if v, shown := r.Values[m.object.TokenField]; shown && m.object.TokenField != "" {
		m.side.Fixed[fixedToken] = v
	}
	for other, column := range m.rule.Inverse {
		if v, shown := r.Values[column]; shown {
			m.side.Fixed[fixedInverse+other] = v
		}
	}
}

// landed takes the values of an open write out of doubt that the record shows and
// of which the vendor says that we wrote them.
func (u *unit) landed(m *member) {
	if m.before.Intent == nil || m.before.Intent.Acked {
		return
	}
	for row, e := range m.before.Intent.Fields {
		if v, shown := m.side.Values[row]; shown && v == e.W && e.W != e.O {
			m.ledger.landed(row, u.engine.Keyring.ValueHash(row, e.W))
		}
	}
}

// late finds the rows whose value a write of ours without an answer may only
// now have brought. Who wrote the record last says nothing about one row of it: a
// person's edit of another field signs the record after our late write landed.
func (u *unit) late(m *member) map[string]bool {
	if len(m.ledger.V) == 0 {
		return nil
	}
	out := map[string]bool{}
	for row, value := range m.side.Values {
		hash := ""
		for _, d := range m.ledger.doubts(u.engine.Now(), row) {
			if hash == "" {
				hash = u.engine.Keyring.ValueHash(row, value)
			}
			if d.H == hash {
				out[row] = true
			}
		}
	}
	return out
}

// keep notes the edits that a side was seen to hold and that are not agreed, of rows
// of which a write of ours is in doubt: it may land on top of them before the other
// side can be read or told, and then nobody has them any more (I5).
func (u *unit) keep(m *member) {
	now, keep := u.engine.Now(), map[string]string{}
	for row, was := range m.ledger.K { // what is agreed by now, or decided against, needs no keeping
		unlooked := m.record == nil || m.side.Late[row] && len(m.ledger.doubts(now, row)) > 0
		if unlooked && m.side.Base[row].V != was && !m.decided(row) {
			keep[row] = was
		}
	}
	for row, value := range m.side.Values {
		b, overruled := m.side.Base[row], m.decided(row) && m.committed[row].O == value
		if m.record != nil && !m.side.Late[row] && value != b.V && !b.Never && !overruled && len(m.ledger.doubts(now, row)) > 0 {
			keep[row] = value
		}
	}
	if m.kept = !maps.Equal(keep, m.ledger.K); m.kept {
		m.ledger.K = keep
	}
}

// decided says that a decision has looked at a row of this side and writes over what
// it holds: what was kept of it lost there, or the side had moved on from it, and is
// nobody's to give back.
func (m *member) decided(row string) bool {
	e, written := m.committed[row]
	return written && (e.From != "" || e.M)
}

// want says what the fixed fields of every side must hold by now.
func (u *unit) want() {
	for _, m := range u.members {
		m.side.Want = map[string]string{}
		if !m.rule.Write || len(u.members) < 2 {
			continue // a source only is not written at all, and a record alone needs no reference
		}
		if m.object.TokenField != "" {
			m.side.Want[fixedToken] = u.token
		}
		for other := range m.rule.Inverse {
			if o := u.member(other); o != nil && o.stored.RecordID != "" {
				m.side.Want[fixedInverse+other] = o.stored.RecordID
			}
		}
	}
}

func (u *unit) sides() []plan.Side {
	u.want()
	out := make([]plan.Side, len(u.members))
	for i, m := range u.members {
		out[i] = m.side
	}
	return out
}

func (u *unit) take(sides []plan.Side) {
	for i, m := range u.members {
		m.side = sides[i]
	}
}

// echoLikely says that the source's hint is probably our own write coming back,
// so that reading the other side already would likely be a wasted call. It never
// decides what is an echo.
func (u *unit) echoLikely(now time.Time) bool {
	m := u.member(u.source)
	if m == nil {
		return false
	}
	return m.side.Intent != nil || now.Sub(time.UnixMilli(m.ledger.At)) < echoWindow
}

// dirty says that a member's remembered state moved in this batch.
func (m *member) dirty() bool {
	return m.intended || m.parked || m.fate.moved || m.froze || m.kept || m.keyed || !maps.Equal(m.side.Base, m.before.Base) ||
		!reflect.DeepEqual(m.side.Intent, m.before.Intent) || !sameStates(m.side.States, m.before.States) ||
		(m.record != nil && m.stored.Birth == "" && !m.record.Born.IsZero())
}

func sameStates(a, b map[string]plan.FieldState) bool {
	return maps.EqualFunc(a, b, func(x, y plan.FieldState) bool {
		return x.State == y.State && string(x.Detail) == string(y.Detail)
	})
}

// owe keeps fixed fields that a side should have and was not told, or gave no
// answer about, as an open write that may never have gone out. They have no
// base that differs, so nothing else would ask for a look at that side again
// when the work row comes back.
func (m *member) owe() {
	if len(m.owed) == 0 {
		return
	}
	open := plan.Intent{Fields: maps.Clone(m.owed)}
	if m.side.Intent != nil {
		open.Create, open.Body = m.side.Intent.Create, m.side.Intent.Body
		maps.Copy(open.Fields, m.side.Intent.Fields)
	}
	m.side.Intent = &open
}

// fixedOf gives the fixed fields of a write.
func fixedOf(w plan.Write) map[string]plan.IntentEntry {
	out := map[string]plan.IntentEntry{}
	for name, e := range w.Fields {
		if strings.HasPrefix(name, plan.FixedPrefix) {
			out[name] = e
		}
	}
	return out
}

// columnsFor renders a write for the vendor: the columns of every row, and of
// the fixed fields, that differ from what the record shows.
func (u *unit) columnsFor(m *member, w plan.Write) map[string]string {
	shown := map[string]string{}
	if m.record != nil {
		shown = m.record.Values
	}
	out := map[string]string{}
	for name, e := range w.Fields {
		switch {
		case name == fixedToken:
			out[m.object.TokenField] = e.W
		case strings.HasPrefix(name, fixedInverse):
			out[m.rule.Inverse[strings.TrimPrefix(name, fixedInverse)]] = e.W
		default:
			if r := u.link.row(name); r != nil {
				if value, known := u.told(name, m.stored.System, e.W); known {
					maps.Copy(out, r.Put(m.stored.System, value, shown))
				}
			}
		}
	}
	for c, v := range out {
		if was, known := shown[c]; known && was == v {
			delete(out, c)
		} else if w.Create && v == "" {
			delete(out, c)
		}
	}
	if w.Create {
		for c, v := range m.rule.CreateWith {
			if _, mapped := out[c]; !mapped {
				out[c] = v
			}
		}
	}
	return out
}

// birthText is how a birth is stored: epoch milliseconds, so that it reads the
// same for ever (CORRECTNESS 3.5, limit 5).
func birthText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d", t.UnixMilli())
}

// birthOf is the time that birthText wrote.
func birthOf(text string) (time.Time, bool) {
	ms, err := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(ms), err == nil
}

package flows

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
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
	link    *Link
	id      string
	epoch   int64
	token   string
	members []*member // sorted by system
	rows    []*row
	source  string // system of the rows

	born       bool              // claimed in this batch
	lookToken  bool              // the record carried our token and the database did not know it
	shared     map[string]bool   // match kinds not to match by (F11)
	bound      bool              // a member got its record in this batch
	ended      *store.Finish     // set: this unit is over
	reason     string            // label of ended
	history    []store.Entry     //
	notes      map[string]string // row → reason, for history
	candidates []string
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
	intended bool // an intent was committed in this batch: persist must say what is left of it
	resend   bool // an uncertain create was looked up and is absent
	refusal  *connectors.Error
}

// ledger remembers outbound values: a ring of hashes per row, and when the
// newest went out (CORRECTNESS F32).
type ledger struct {
	At int64               `json:"at,omitempty"` // Unix milliseconds
	V  map[string][]string `json:"v,omitempty"`
}

const (
	ledgerDepth = 8
	// echoWindow is how long after an own write a hint is likely its echo.
	echoWindow = 10 * time.Minute
)

func (l *ledger) record(now time.Time, row, hash string) {
	l.At = now.UnixMilli()
	if l.V == nil {
		l.V = map[string][]string{}
	}
	ring := append(l.V[row], hash)
	if len(ring) > ledgerDepth {
		ring = ring[len(ring)-ledgerDepth:]
	}
	l.V[row] = ring
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
	u := &unit{link: link, id: i.ID, epoch: i.Epoch, token: token, source: source, shared: map[string]bool{}, notes: map[string]string{}}
	for _, sm := range i.Members {
		rule := link.member(sm.System)
		if rule == nil {
			continue // the link lost this side; its member is kept as it is
		}
		m := &member{stored: sm, rule: rule, object: e.object(place{sm.System, sm.Object})}
		if err := m.load(); err != nil {
			return nil, fmt.Errorf("identity %s in %s: %w", i.ID, sm.System, err)
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
	if len(m.stored.Fields) > 0 {
		s.States = make(map[string]plan.FieldState, len(m.stored.Fields))
		for f, st := range m.stored.Fields {
			s.States[f] = plan.FieldState(st)
		}
	}
	if m.stored.State.Open() || (m.stored.State == mapping.MemberParked && m.stored.RecordID == "") {
		s.Presence = plan.Creating
	}
	m.side, m.before = s, s
	return nil
}

func decode(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
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
	m.side.Presence = plan.Present
	m.side.Values = u.link.canonical(m.stored.System, r.Values)
	m.side.Modified = r.Modified
	m.side.Ours = ours || r.Ours
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

// want says what the fixed fields of every side must hold by now.
func (u *unit) want() {
	for _, m := range u.members {
		m.side.Want = map[string]string{}
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
	return m.intended || !maps.Equal(m.side.Base, m.before.Base) ||
		!reflect.DeepEqual(m.side.Intent, m.before.Intent) || !sameStates(m.side.States, m.before.States) ||
		(m.record != nil && m.stored.Birth == "" && !m.record.Born.IsZero())
}

func sameStates(a, b map[string]plan.FieldState) bool {
	return maps.EqualFunc(a, b, func(x, y plan.FieldState) bool {
		return x.State == y.State && string(x.Detail) == string(y.Detail)
	})
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
				maps.Copy(out, r.Put(m.stored.System, e.W, shown))
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

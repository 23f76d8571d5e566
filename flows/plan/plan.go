// Package plan is the decision core: what every side should hold, and which
// writes get it there. It is a pure function of values: no context, no error,
// no clock, no log, and no map order in its result (STYLE habit 1).
//
// A link's field rows meet here in canonical form, so that one value means the
// same on every side. There is one base per side: what THAT side held when the
// row was last agreed (CORRECTNESS 0.1.3, 3.6).
package plan

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Mode is a conflict policy.
type Mode string

// The conflict policies (CORRECTNESS F31).
const (
	ModeSystem Mode = "system" // the named system wins
	ModeNewest Mode = "newest" // the newer record wins; within Margin the named system
	ModeAsk    Mode = "ask"    // a person decides; only this row waits

	ModeUnion       Mode = "union"            // lists: what any side added, without what any removed
	ModeRestrictive Mode = "most_restrictive" // Value wins; among others a person decides
)

// Margin is how far apart two vendors' times must be to say anything (F34).
const Margin = 2 * time.Second

// Policy says who wins where two sides changed one row.
type Policy struct {
	Mode   Mode
	System string
	Value  string // canonical; of ModeRestrictive
}

// Row is one field row of a link as far as deciding goes.
type Row struct {
	Name    string
	Systems []string // the systems that have it
	From    string   // one way from here; "" is both ways
	Policy  Policy
	Rev     string // revision of the row's definition (F48)
	// Suspended says why the row waits ("" if it does not): a column of it is
	// missing or another one than the link was made for (F65). The rest of its group
	// waits with it.
	Suspended string
	// Gone counts, by system, how often a column of the row was missing there and
	// came back: what was lost meanwhile was not cleared by anybody (F66).
	Gone map[string]int
	// Force says whether the definition is the one in force (F48).
	Force Force
	// Const is the one value that every system of the row must have, nil for a row
	// whose value comes from a side. Such a row is in no group.
	Const *string
	// Group names the rows that merge as one value, "" for a row by itself. They
	// have the same Systems, From and Policy (F33).
	Group string
	// Required: a reference without which a record is not created.
	Required bool
}

func (r Row) has(system string) bool { return slices.Contains(r.Systems, system) }

// mayChange says whether the row may be written on this side.
func (r Row) mayChange(system string) bool { return r.From == "" || r.From != system }

// Rules are a link's rows and where writing is allowed.
type Rules struct {
	Rows     []Row
	ReadOnly map[string]bool // systems that are sources only
	Silent   map[string]bool // systems that are sinks only: their changes do not count
	// Able stands for what a system can take from us: its schema, our credential
	// there. A refused value is tried again when it changes (F29).
	Able map[string]string
	// Mask hides a value that must not be shown in a field state; nil shows all.
	Mask func(row, value string) string
}

func (r Rules) mask(row, value string) string {
	if r.Mask == nil {
		return value
	}
	return r.Mask(row, value)
}

// BaseEntry is what a side held at the last agreement, and under which
// definition. Never: the row was known when the pair was made and was not
// agreed yet, which is not the same as a row that is new to an old pair (F48).
type BaseEntry struct {
	V     string `json:"v"`
	R     string `json:"r"`
	Never bool   `json:"never,omitempty"`
	// G is Row.Gone of the side when the base was taken.
	G int `json:"g,omitempty"`
}

// Base is a side's base by row name. nil: this side never agreed with anybody.
type Base map[string]BaseEntry

// IntentEntry is one row of an open write: what is written, the side it came
// from ("" if a side gets back what it held itself), the value that side gets as
// base once the write is confirmed, and what the written side showed before. O
// tells a write that did not happen from one that was edited since, also where
// the side had strayed from its base.
type IntentEntry struct {
	W    string `json:"w"`
	From string `json:"from,omitempty"`
	V    string `json:"v,omitempty"`
	O    string `json:"o,omitempty"`
	// B and F are the bases of the written side and of the side it came from when
	// it was decided, nil where there was none. An earlier write may have been
	// found confirmed in the same step, and a crash loses what was found: if this
	// write proves not to have happened, they are put back.
	B *string `json:"b,omitempty"`
	F *string `json:"f,omitempty"`
	// Seen: a read has shown the value, and a later intent carries the entry along
	// until that is persisted. Whatever else the side shows by then is an edit.
	Seen bool `json:"seen,omitempty"`
	// M: no side held the value, it was merged of several (ModeUnion). Nothing is
	// agreed by it.
	M bool `json:"m,omitempty"`
}

// Intent is an open write. Acked: the vendor said that it was applied.
type Intent struct {
	Create bool                   `json:"create,omitempty"`
	Acked  bool                   `json:"acked,omitempty"`
	Fields map[string]IntentEntry `json:"fields"`
	// Body is a create as it first went out, kept where the vendor honours its key
	// for a while: a repeat must be byte-identical (CORRECTNESS 3.5).
	Body *Body `json:"body,omitempty"`
}

// Body is what a create was sent as. Plan does not look at it.
type Body struct {
	Key     string            `json:"key"`
	First   int64             `json:"first"` // when it first went out, Unix milliseconds
	Columns map[string]string `json:"columns"`
}

// FixedPrefix opens the names of rows that have one right value and no base:
// the token and the inverse ids.
const FixedPrefix = "@"

// FieldState says why a row is not agreed on a side.
type FieldState struct {
	State  string          `json:"state"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

// The field states that plan sets.
const (
	StateConflict  = "conflict"  // both changed, the policy asks
	StateRefused   = "refused"   // the side took the write and did not keep the value (F29)
	StateDiverged  = "diverged"  // the side keeps its own form of our value (F26)
	StateSuspended = "suspended" // the row's definition changed (F48), or its column did (F65)
	StateFrozen    = "frozen"    // two sides' automations undo each other (F27)
	StateWaits     = "waits"     // another row of its group is refused or frozen (F33)
	StateUnmapped  = "unmapped"  // the side shows a value that the row does not know (F67)
	StateMerging   = "merging"   // the side took a merged list, and not all are seen to hold it yet (F31)
	StateFailed    = "failed"    // the row's expression cannot be computed for this record
	StateReference = "reference" // what it points to is not there yet, or out of reach: see Wait (F64)
)

// Presence is how a side was seen.
type Presence string

// The presences. A side that could not be read is not an empty side.
const (
	Present  Presence = "present"
	Creating Presence = "creating" // has no record yet
	Unread   Presence = "unread"
	// Written: a write went out and its answer showed no record. What was read
	// before it still stands for the rows that were not written.
	Written Presence = "written"
)

// Side is one member as seen and remembered.
type Side struct {
	System   string
	Presence Presence
	Values   map[string]string // row → canonical value; missing: not shown, says nothing (F66)
	Faults   map[string]Fault  // rows that are shown and have no canonical value
	Fixed    map[string]string // "@…" → value shown
	Want     map[string]string // "@…" → the value it must have
	Base     Base
	Intent   *Intent
	States   map[string]FieldState
	Modified time.Time
	Ours     bool // the newest change of the record is proved to be our own
	// Late rows show a value that a write of ours without an answer may only now
	// have brought: not an edit (F32).
	Late map[string]bool
	// Kept are edits that were read and not agreed while a write of ours of that row
	// was in doubt: should it land now, they are not in the vendor any more.
	Kept map[string]string
	// Hops are the writes of each row to this side in the last hour.
	Hops map[string][]Hop
	// Frozen rows were frozen and have not thawed by the clock.
	Frozen map[string]bool
	// Unnamed are references to records that have no identity to name them by;
	// they are not in Values, but where they count as empty.
	Unnamed map[string]Wait
	// Lacks says, by row and canonical value, which references this side cannot be
	// told.
	Lacks map[string]map[string]Wait

	newcomer bool // had no base when Decide began, whatever rows have one by now
	signed   bool // Ours, and no other write of ours explains it
}

// Hop is one write of a row to a side: when, in Unix milliseconds, and the side
// that the value came from.
type Hop struct {
	T    int64  `json:"t"`
	From string `json:"f"`
}

func (s Side) clone() Side {
	s.Base = maps.Clone(s.Base)
	s.States = maps.Clone(s.States)
	if s.Intent != nil {
		c := *s.Intent
		c.Fields = maps.Clone(c.Fields)
		s.Intent = &c
	}
	return s
}

// Write is what one side is to be sent. Fields holds rows and "@…" names.
type Write struct {
	System string
	Create bool
	Fields map[string]IntentEntry
}

// Reason says why a row was treated as it was: a label of metrics and history.
type Reason string

// The reasons of notes.
const (
	ReasonAgreed     Reason = "agreed"
	ReasonOneChanged Reason = "one_changed"
	ReasonPolicy     Reason = "policy"
	ReasonAsk        Reason = "ask"
	ReasonOneWay     Reason = "one_way"
	ReasonFill       Reason = "fill" // a side that never agreed gets the value
	ReasonRefused    Reason = "refused"
	ReasonSuspended  Reason = "suspended"
	ReasonRepair     Reason = "repair" // a late write of ours is written over
	ReasonFrozen     Reason = "frozen"
	ReasonConst      Reason = "constant"  // the row has one fixed value
	ReasonReference  Reason = "reference" // waits for what it points to
)

// Note is what happened to one row.
type Note struct {
	Row    string
	Reason Reason
	From   string // the side that won, "" if none
}

// Decision is the outcome: the sides with bases, intents and states moved on,
// and the writes that are due, sorted by system.
type Decision struct {
	Sides  []Side
	Writes []Write
	Notes  []Note
	// Uncreated are the sides that are not created before a required reference can
	// be written, with that row.
	Uncreated map[string]string
	// Parks is a reference that says that nothing of the record may be written.
	Parks string
}

// Decide compares every side with its own base and says what to write. Sides
// must be sorted by system; rows are decided in the order of the rules, those of
// a group together with its first. An unread side yields no writes at all:
// nothing is known about it.
func Decide(rules Rules, in []Side) Decision {
	d := Decision{Sides: make([]Side, len(in))}
	for i := range in {
		d.Sides[i] = in[i].clone()
		d.Sides[i].newcomer = in[i].Base == nil
	}
	for i := range d.Sides {
		if d.Sides[i].Presence == Unread {
			return d
		}
	}
	resolve(rules, d.Sides)
	for i := range d.Sides {
		d.Sides[i].tellFaults(rules)
	}
	writes := map[string]map[string]IntentEntry{}
	put := func(system, name string, e IntentEntry) {
		if writes[system] == nil {
			writes[system] = map[string]IntentEntry{}
		}
		writes[system][name] = e
	}
	unnamed, parks := refer(rules, d.Sides)
	d.Parks = parks
	for _, b := range bundles(rules.Rows) {
		if b.suspended() {
			d.Notes = append(d.Notes, putOff(b, d.Sides)...)
			continue
		}
		note, ok := Note{Reason: ReasonReference}, true
		if !unnamed[b[0].Name] {
			note, ok = decide(rules, b, d.Sides, put)
		}
		for _, r := range b {
			if note.Row = r.Name; ok {
				d.Notes = append(d.Notes, note)
			}
		}
	}
	for i := range d.Sides {
		s := &d.Sides[i]
		s.owePutOff(rules)
		fixed(rules, *s, d.Sides, put)
		if s.Presence == Creating {
			if row := stub(rules, s, unnamed, writes[s.System]); row != "" {
				if d.Uncreated == nil {
					d.Uncreated = map[string]string{}
				}
				d.Uncreated[s.System] = row
				continue
			}
		}
		if f := writes[s.System]; len(f) > 0 {
			d.Writes = append(d.Writes, Write{System: s.System, Create: s.Presence == Creating, Fields: f})
		}
	}
	blanks(d.Sides)
	return d
}

// fixed puts the fixed fields that a side lacks. A side that exists gets them
// when every side has its record: token and inverse ids then go in one write.
func fixed(rules Rules, s Side, sides []Side, put func(system, name string, e IntentEntry)) {
	if s.Presence != Creating {
		if s.Presence != Present || rules.ReadOnly[s.System] ||
			slices.ContainsFunc(sides, func(o Side) bool { return o.Presence == Creating }) {
			return
		}
	}
	for name, want := range s.Want {
		if shown, known := s.Fixed[name]; s.Presence == Creating || (known && shown != want) {
			put(s.System, name, IntentEntry{W: want})
		}
	}
}

// Quiet says that a source holds nothing new: every row equals its own base, or
// the value that acknowledged writes to all other sides were made from. It is an
// echo or a no-op, finished without a look at the other sides (F25 layer 2);
// what is still to be confirmed has a hint of its own.
func Quiet(rules Rules, s Side, others []Side) bool {
	if s.Presence != Present || s.Intent != nil || len(s.States) > 0 || len(s.Faults) > 0 || merges(others) || unsure(s, others) || s.robbed() || waiting(s, others) {
		return false
	}
	taken := map[string]IntentEntry{}
	for _, r := range rules.Rows {
		if r.Policy.Mode == ModeUnion && elsewhere(r, s, others) {
			return false
		}
		e, open, same := underWay(r, s, others)
		switch {
		case !open:
		case !same || !reachesAll(rules, r, s, others):
			return false
		default:
			taken[r.Name] = e
		}
	}
	return (s.Base != nil || len(taken) > 0) && settled(rules, s, taken)
}

// robbed says that a late write of ours took the place of an edit that was read
// and not agreed yet.
func (s Side) robbed() bool {
	for row := range s.Kept {
		if _, taken := s.kept(row); taken {
			return true
		}
	}
	return false
}

// kept gives the edit whose place a late write of ours took. The write that gives
// it back is in doubt, too, and brings nothing but the edit.
func (s Side) kept(row string) (value string, taken bool) {
	v, known := s.Kept[row]
	n, shown := s.Values[row]
	return v, known && shown && s.Late[row] && n != v
}

// unsure says that a write to another side may or may not have gone out. Only a
// look at that side tells, and fixed fields move no base that would ask for it.
func unsure(s Side, others []Side) bool {
	return slices.ContainsFunc(others, func(o Side) bool { return o.System != s.System && o.Intent != nil && !o.Intent.Acked })
}

// underWay finds open writes of a row that were made from a side. same says
// that the side still holds the value that they were made from.
func underWay(r Row, s Side, others []Side) (e IntentEntry, open, same bool) {
	same = true
	for _, o := range others {
		if o.System == s.System || o.Intent == nil {
			continue
		}
		if x, ok := o.Intent.Fields[r.Name]; ok && x.From == s.System {
			e, open = x, true
			same = same && x.V == s.Values[r.Name]
		}
	}
	return e, open, same
}

// reachesAll says that every side that should get a row from this one was sent
// it or holds it: of three, one may have been written and another not.
func reachesAll(rules Rules, r Row, s Side, others []Side) bool {
	for _, o := range others {
		if o.System == s.System || !r.has(o.System) || !r.mayChange(o.System) || rules.ReadOnly[o.System] {
			continue
		}
		if o.Intent != nil {
			if x, ok := o.Intent.Fields[r.Name]; ok && x.From == s.System {
				continue
			}
		}
		if b, known := o.Base[r.Name]; !known || b.Never || b.V != s.Values[r.Name] {
			return false
		}
	}
	return true
}

// Confirms says that a side holds exactly what its open intent wrote and
// equals its base in everything else, so that nothing else need be read.
func Confirms(rules Rules, s Side, others []Side) bool {
	if s.Presence != Present || s.Intent == nil || len(s.States) > 0 || len(s.Faults) > 0 || merges(others) || unsure(s, others) || s.robbed() || waiting(s, others) {
		return false
	}
	for name, e := range s.Intent.Fields {
		if strings.HasPrefix(name, FixedPrefix) {
			continue // checked with Want below
		}
		if n, shown := s.Values[name]; !shown || n != e.W || e.M {
			return false // merged: whether the others hold it, too, only a look tells
		}
	}
	return settled(rules, s, s.Intent.Fields)
}

// settled compares rows (but those excepted) with the base and fixed fields
// with what they must be.
func settled(rules Rules, s Side, except map[string]IntentEntry) bool {
	for _, r := range rules.Rows {
		if !r.has(s.System) {
			continue
		}
		if _, skip := except[r.Name]; skip {
			continue
		}
		n, shown := s.Values[r.Name]
		if !shown {
			continue
		}
		if b, known := s.Base[r.Name]; !known || b.Never || b.V != n || b.R != r.Rev {
			return false
		}
	}
	for name, want := range s.Want {
		if shown, known := s.Fixed[name]; known && shown != want {
			return false
		}
	}
	return true
}

package plan

import (
	"encoding/json"
	"slices"
	"strings"
)

// Resolve closes the open intents of sides that were read, and gives the sides
// moved on. Sides that are unread keep their intents; their bases still move
// where a write that came from them is confirmed.
func Resolve(rules Rules, in []Side) []Side {
	out := make([]Side, len(in))
	for i := range in {
		out[i] = in[i].clone()
		out[i].newcomer = in[i].Base == nil
	}
	resolve(rules, out)
	for i := range out {
		out[i].owePutOff(rules)
	}
	return out
}

// resolve is the loop "for each open intent" of CORRECTNESS 3.6. It runs before
// anything is compared.
func resolve(rules Rules, sides []Side) {
	var open []*Side
	for i := range sides {
		s := &sides[i]
		if s.Intent == nil || s.Presence != Present {
			continue
		}
		s.signed = s.Ours && !s.lateBeside(s.Intent)
		open = append(open, s)
	}
	for _, r := range rules.Rows {
		for _, s := range oldestFirst(r.Name, open) {
			if e, is := s.Intent.Fields[r.Name]; is && resolveRow(rules, r, e, s, sides) {
				delete(s.Intent.Fields, r.Name)
			}
		}
	}
	for _, s := range open {
		// Fixed fields have no base: once read, Want decides. Rows that left the
		// link have nobody to answer to.
		for name := range s.Intent.Fields {
			if strings.HasPrefix(name, FixedPrefix) || !slices.ContainsFunc(rules.Rows, func(r Row) bool { return r.Name == name }) {
				delete(s.Intent.Fields, name)
			}
		}
	}
	for i := range sides {
		if s := &sides[i]; s.Intent != nil && len(s.Intent.Fields) == 0 && s.Presence != Creating {
			s.Intent = nil
		}
	}
}

// oldestFirst orders sides by when their open writes of a row were decided: what
// the later one settles is what counts in the end. A create carries its rows until
// they are seen, so both sides may have one: theirs, and the edit that came back.
func oldestFirst(row string, open []*Side) []*Side {
	out := slices.Clone(open)
	for i := range out {
		for j := i + 1; j < len(out); j++ {
			if upon(row, out[i], out[j]) && !upon(row, out[j], out[i]) {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return out
}

// upon says that the open write to a was decided when the one to b was taken for
// done: it comes from b, whose base was what that one wrote.
func upon(row string, a, b *Side) bool {
	later, is := a.Intent.Fields[row]
	sooner, both := b.Intent.Fields[row]
	return is && both && later.From == b.System && sooner.From == a.System && later.F != nil && *later.F == sooner.W
}

// resolveRow closes one row of an intent, or says that it must stay open
// because the side does not show the row.
func resolveRow(rules Rules, r Row, e IntentEntry, s *Side, sides []Side) bool {
	n, shown := s.Values[r.Name]
	if !shown && r.Suspended != "" {
		// Nobody can see what became of it: still to be written, when the column is
		// back. If it was written, both sides will hold the same.
		putBack(r, e, s, sides)
		keepPending(r, e, s, sides)
		return true
	}
	if !shown {
		return false
	}
	switch {
	case e.M:
		s.resolveMerged(rules, r, e, n)
	case e.From == "": // put back on its own side: nothing was agreed by it
	case n == e.W:
		s.setBase(r, n)
		s.clearState(r.Name)
		settle(rules, r, e, s.System, sides)
	case !e.Seen && !s.Intent.Create && n == e.O && s.Intent.Acked && s.Late[r.Name]:
		// Taken, and then an older write of ours without an answer landed on top:
		// it is written over, and refuses nothing (F32).
		s.setBase(r, e.W)
		settle(rules, r, e, s.System, sides)
	case !e.Seen && !s.Intent.Create && n == e.O:
		// Not applied. If the vendor said it was, it refuses the value: pushed
		// again only when the value to push is another one (F29). If it did not,
		// the intent is dropped and the change is still pending. A person who put
		// the old value back looks the same: listed, which loses nothing, while
		// the other guess would write the old value over the source's news.
		putBack(r, e, s, sides)
		if s.Intent.Acked {
			s.setState(r.Name, StateRefused, rules.refusal(s.System, r.Name, e.W))
		} else {
			keepPending(r, e, s, sides)
		}
	case !e.Seen && s.Intent.Create && n == "":
		// Created without the value: the vendor dropped it.
		s.setBase(r, n)
		s.setState(r.Name, StateRefused, rules.refusal(s.System, r.Name, e.W))
		settle(rules, r, e, s.System, sides)
	case !e.Seen && s.signed && e.W != "" && !s.Late[r.Name]:
		// The vendor keeps its own form of what we wrote; that form is the base
		// of this side (F26), and the inequality is shown.
		s.setBase(r, n)
		s.setState(r.Name, StateDiverged, rules.refusal(s.System, r.Name, e.W))
		settle(rules, r, e, s.System, sides)
	case r.Policy.Mode == ModeUnion && !e.Seen && !s.Intent.Acked && !s.Intent.Create:
		// Edited, and whether our write was there before nobody knows. Taken for one
		// that was not: an element may come back that somebody removed, while the other
		// guess would remove everywhere what the others had added.
		putBack(r, e, s, sides)
	default:
		// Written, and edited since by somebody: not absorbed (F35). With the
		// written value as base the edit shows up and flows.
		s.setBase(r, e.W)
		settle(rules, r, e, s.System, sides)
	}
	return true
}

// resolveMerged closes a write of a value that no side held. Its side agrees when
// all are seen to hold the same; what it took, and what was edited on top of that,
// is its news until then.
func (s *Side) resolveMerged(rules Rules, r Row, e IntentEntry, n string) {
	switch {
	case n == e.W:
		if s.Intent.Create {
			s.setBase(r, n) // it had nothing of its own
			s.clearState(r.Name)
		} else {
			s.setState(r.Name, StateMerging, rules.refusal(s.System, r.Name, e.W))
		}
	case e.Seen:
	case s.Intent.Create && n == "":
		s.setBase(r, n)
		s.setState(r.Name, StateRefused, rules.refusal(s.System, r.Name, e.W))
	case n == e.O && s.Intent.Acked && !s.Late[r.Name]:
		s.setState(r.Name, StateRefused, rules.refusal(s.System, r.Name, e.W))
	case s.signed && e.W != "" && !s.Late[r.Name]: // F26
		s.setBase(r, n)
		s.setState(r.Name, StateDiverged, rules.refusal(s.System, r.Name, e.W))
	case s.Intent.Create:
		s.setBase(r, e.W)
	}
}

// lateBeside says that a row which an intent is not about shows what a write of
// ours without an answer may only now have brought. Our signature is then about
// that row, and a person may have edited any other before it.
func (s *Side) lateBeside(i *Intent) bool {
	for row, late := range s.Late {
		if _, about := i.Fields[row]; late && !about {
			return true
		}
	}
	return false
}

// putBack restores the bases that a write which never happened was decided on.
func putBack(r Row, e IntentEntry, s *Side, sides []Side) {
	if e.B != nil {
		s.setBase(r, *e.B)
	}
	if at := slices.IndexFunc(sides, func(o Side) bool { return o.System == e.From }); at >= 0 && e.F != nil {
		sides[at].setBase(r, *e.F)
	}
}

// keepPending sees to it that a decision whose write never happened is made
// again. A source that has a base differs from it, or the written side is new;
// a source that has none starts from what the written side held.
func keepPending(r Row, e IntentEntry, s *Side, sides []Side) {
	if r.Policy.Mode == ModeUnion {
		return // what a side without a base holds is all its news
	}
	at := slices.IndexFunc(sides, func(o Side) bool { return o.System == e.From })
	if at < 0 {
		return
	}
	if b, known := sides[at].Base[r.Name]; known && !b.Never {
		return
	}
	for _, o := range []*Side{s, &sides[at]} {
		if b, known := o.Base[r.Name]; !known || b.Never {
			o.setBase(r, e.O)
		}
	}
}

// refusedDetail remembers what a side did not take as it was: the value, hashed
// in private rows, and what the side was able to take then.
type refusedDetail struct {
	W    string `json:"w"`
	Able string `json:"able,omitempty"`
}

func (r Rules) refusal(system, row, value string) refusedDetail {
	return refusedDetail{W: r.mask(row, value), Able: r.Able[system]}
}

// waitsDetail names the row for which another row of its group waits.
type waitsDetail struct {
	For string `json:"for"`
}

// settle moves the base of the side that a confirmed write came from, unless a
// third side still waits for the same value.
func settle(rules Rules, r Row, e IntentEntry, confirmed string, sides []Side) {
	if e.From == "" || e.From == confirmed {
		return
	}
	for i := range sides {
		o := &sides[i]
		if o.System == e.From || o.System == confirmed || !r.has(o.System) || !r.mayChange(o.System) || rules.ReadOnly[o.System] {
			continue
		}
		st, excused := o.States[r.Name]
		excused = excused && st.State != StateReference // it will be told
		if b, ok := o.Base[r.Name]; (!ok || b.Never || b.V != e.V) && !excused {
			return // its own confirmation will move the base
		}
	}
	for i := range sides {
		if o := &sides[i]; o.System == e.From {
			o.setBase(r, e.V)
			o.clearState(r.Name)
			// An open write to it that the confirmed one was decided upon is over: looked
			// at later, it would put the older agreement in the place of this one.
			if o.Intent != nil {
				if x, is := o.Intent.Fields[r.Name]; is && x.From == confirmed && e.F != nil && *e.F == x.W {
					delete(o.Intent.Fields, r.Name)
				}
			}
		}
	}
}

func (s *Side) setBase(r Row, v string) {
	if s.Base == nil {
		s.Base = Base{}
	}
	s.Base[r.Name] = BaseEntry{V: v, R: r.Rev, G: r.Gone[s.System]}
}

func (s *Side) setState(row, state string, detail any) {
	raw, err := json.Marshal(detail)
	if err != nil {
		raw = nil // details are plain structs; an unmarshalable one is only less to show
	}
	if s.States == nil {
		s.States = map[string]FieldState{}
	}
	s.States[row] = FieldState{State: state, Detail: raw}
}

func (s *Side) clearState(row string) { delete(s.States, row) }

// refusal gives what a side refused of a row.
func (s *Side) refusal(row string) (refusedDetail, bool) {
	st, ok := s.States[row]
	if !ok || st.State != StateRefused {
		return refusedDetail{}, false
	}
	return detailOf(st), true
}

// detailOf reads what a side did not take as it was, nothing if it cannot be read.
func detailOf(st FieldState) refusedDetail {
	var d refusedDetail
	if json.Unmarshal(st.Detail, &d) != nil {
		return refusedDetail{}
	}
	return d
}

// refuses says that a value need not be pushed to a side again: it was refused,
// and neither the side's schema nor our credential there changed since (F29).
func (s *Side) refuses(rules Rules, row, value string) bool {
	d, ok := s.refusal(row)
	return ok && d.Able == rules.Able[s.System] && d.W == rules.mask(row, value)
}

package flows

import (
	"maps"
	"slices"
	"time"

	"syncd/connectors"
	"syncd/fields"
	"syncd/flows/plan"
	"syncd/store"
)

// OnMatch says what happens to exactly one free candidate of a look-up by
// business keys.
type OnMatch string

// The match policies.
const (
	MatchPair    OnMatch = "pair"
	MatchPropose OnMatch = "propose"
	MatchOff     OnMatch = "off"
)

// Mode says how the records of a link are known for one customer (DESIGN 7).
type Mode string

// The identity modes.
const (
	ModeMapping  Mode = ""                 // the id map decides
	ModeSystem   Mode = "system_of_record" // the record ids of Link.Record are the keys
	ModeExternal Mode = "external_id"      // people set one id on all sides: the row SharedID
)

// SharedID is the row of the ids that people set: two-way text in every member of
// a link of ModeExternal, and the one business key that such a link meets by.
const SharedID = "external_id"

// Leaves says what becomes of a pair of which a record leaves its side's scope.
type Leaves string

// The policies for a record that leaves scope.
const (
	LeavesFreeze  Leaves = "freeze" // also ""
	LeavesUnpair  Leaves = "unpair"
	LeavesArchive Leaves = "archive" // of the other sides
)

// Member is one side of a link.
type Member struct {
	System, Object string
	Inverse        map[string]string // other system → column that holds its record id
	Filter         *fields.Filter    // nil: every record
	CreateWith     map[string]string // columns set when we create, never afterwards
	// Blind says why the filter cannot tell whose records are whose: a field of it is
	// missing or another one (F65). Records that nobody knows wait; "" if it can.
	Blind         string
	Leaves        Leaves // what follows when a paired record fails Filter
	Write, Listen bool
}

// Link is a configured link, compiled.
type Link struct {
	Name    string
	Mode    Mode
	Record  string   // ModeSystem: the system of record
	Members []Member // sorted by system
	Rows    []*fields.Row
	Private map[string]bool // rows of which history keeps keyed hashes only
	Match   [][]string
	OnMatch OnMatch
	Create  map[string]bool // system → records may be created there
	Delete  Delete
	Live    bool // false: creates are held until a first plan is applied
	// EraseOther says what becomes of an erased person's records in other systems;
	// "" asks.
	EraseOther store.EraseOrder
	Orphan     Orphan                      // of a merge elsewhere; "" asks
	Refs       map[string]fields.Reference // rows that point to records of other links
	Rules      plan.Rules
}

// Delete says what a deletion in one system means for the others.
type Delete struct {
	From  map[string]plan.Removal // by system; nothing said is RemovalIgnore
	Wins  plan.Wins
	Grace time.Duration
}

// removes says that a deletion in a system is to reach the others.
func (d Delete) removes(system string) bool {
	return d.From[system] == plan.RemovalArchive || d.From[system] == plan.RemovalDelete
}

// op is how a record of the others is removed.
func (d Delete) op(system string) connectors.Op {
	if d.From[system] == plan.RemovalDelete {
		return connectors.Delete
	}
	return connectors.Archive
}

// member gives the link's side in a system, nil if it has none.
func (l *Link) member(system string) *Member {
	for i := range l.Members {
		if l.Members[i].System == system {
			return &l.Members[i]
		}
	}
	return nil
}

// inScope evaluates a member's filter. A filter that uses a field the record
// does not show cannot say "in".
func (m *Member) inScope(values map[string]string) bool {
	if m.Blind != "" {
		return false
	}
	if m.Filter == nil {
		return true
	}
	in, shown, err := m.Filter.Match(values)
	return err == nil && shown && in
}

// columns lists every column that a link needs of one object.
func (l *Link) columns(m *Member) []string {
	set := map[string]bool{}
	for _, r := range l.Rows {
		for _, c := range r.ColumnsOf(m.System) {
			set[c] = true
		}
	}
	for _, c := range m.Inverse {
		set[c] = true
	}
	if m.Filter != nil {
		for _, c := range m.Filter.Fields() {
			set[c] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// projection is what a read of an object asks for: the columns of all links
// that have the object, and the token. What the object does not have is not asked
// for: vendors refuse a whole read for one unknown name (F65).
func projection(links []*Link, system, object string, o connectors.Object) []string {
	set := map[string]bool{}
	if o.TokenField != "" {
		set[o.TokenField] = true
	}
	for _, l := range links {
		if m := l.member(system); m != nil && m.Object == object {
			for _, c := range l.columns(m) {
				if _, known := o.Fields[c]; known || len(o.Fields) == 0 {
					set[c] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// canonical gives the rows of a record on one side, in canonical form. Rows of
// which a column is not shown are left out, and so are those without a value.
func (l *Link) canonical(system string, values map[string]string) map[string]string {
	out, _, _ := l.read(system, values)
	return out
}

// read is canonical with the rows that are shown and have no value, and the names of
// those for which the record is to wait for a person.
func (l *Link) read(system string, values map[string]string) (out map[string]string, faults map[string]plan.Fault, park []string) {
	out = make(map[string]string, len(l.Rows))
	for _, r := range l.Rows {
		v, shown, fault := r.Read(system, values)
		switch {
		case shown:
			out[r.Name()] = v
		case fault != nil:
			if faults == nil {
				faults = map[string]plan.Fault{}
			}
			f := plan.Fault{State: plan.StateUnmapped, Value: fault.Value, Why: fault.Detail}
			if fault.Computed {
				f.State = plan.StateFailed
			}
			faults[r.Name()] = f
			if fault.Park {
				park = append(park, r.Name())
			}
		}
	}
	return out, faults, park
}

func (l *Link) row(name string) *fields.Row {
	for _, r := range l.Rows {
		if r.Name() == name {
			return r
		}
	}
	return nil
}

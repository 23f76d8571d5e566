package hubspotsim

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/simulator"
)

// record is one row of an object. What it holds is its newest version.
type record struct {
	id         string
	num        int64
	born       int64 // milliseconds
	archivedAt int64
	gone       bool // merged away: known only by the id of its survivor
	now        *version
	company    string   // its primary company, where no property shows it
	companies  []string // those that it is associated with without a label
}

// hidden says that the record is archived or merged away.
func (r *record) hidden() bool { return r.gone || r.now.archived }

// version is a record at a moment; it is never changed, except that the search
// index marks it as overtaken.
type version struct {
	of       *record
	props    map[string]string // without empty values
	modified int64             // milliseconds
	archived bool
	stale    bool
}

// key is a value that no other record may hold.
type key struct{ property, value string }

// table is all records of an object.
type table struct {
	kind     *kind
	schema   map[string]*property
	uniques  []string
	order    []*record // by id
	byID     map[string]*record
	survivor map[string]string   // merged-away id to the id it went into
	taken    map[key]*record     // by live records
	binned   map[key]*record     // by archived records
	merges   map[string][]string // by survivor
	index    index
	nextID   int64
	newest   int64 // latest modification, milliseconds: it never goes back
}

func newTable(k *kind, now time.Time) *table {
	t := &table{
		kind: k, schema: map[string]*property{}, byID: map[string]*record{},
		survivor: map[string]string{}, taken: map[key]*record{}, binned: map[key]*record{},
		merges: map[string][]string{}, nextID: firstID,
	}
	for _, p := range k.standard {
		p.Group, p.Created = k.group, now
		t.schema[p.Name] = &p
	}
	if k.name == "contacts" {
		t.uniques = append(t.uniques, propEmail)
	}
	return t
}

// keys are the unique values among some properties. A contact's further
// addresses count as its e-mail (vendors/hubspot.md 4, duplicate contact).
func (t *table) keys(props map[string]string) []key {
	var list []key
	for _, name := range t.uniques {
		if v := props[name]; v != "" {
			list = append(list, key{name, uniqueForm(name, v)})
		}
		if name == propEmail {
			for _, v := range pieces(props[propMoreEmails]) {
				list = append(list, key{name, uniqueForm(name, v)})
			}
		}
	}
	return list
}

// holder finds the record that has a unique value, among the live or the
// archived ones.
func (t *table) holder(name, value string, archived bool) *record {
	k := key{name, uniqueForm(name, value)}
	if archived {
		return t.binned[k]
	}
	return t.taken[k]
}

// find gives the record that an id leads to: itself, or what it was merged
// into (vendors/hubspot.md 9). Archived ones are not found, and only archived
// ones where archived is set.
func (t *table) find(id string, archived bool) *record {
	for next, away := t.survivor[id]; away; next, away = t.survivor[next] {
		id = next
	}
	r := t.byID[id]
	if r == nil || r.gone || r.now.archived != archived {
		return nil
	}
	return r
}

// value is one property of a version, those that HubSpot keeps included.
func (t *table) value(v *version, name string) string {
	switch name {
	case propID:
		return v.of.id
	case propCreated:
		return stamp(v.of.born)
	case t.kind.modified:
		return stamp(v.modified)
	}
	return v.props[name]
}

func (t *table) full(v *version) map[string]string {
	m := maps.Clone(v.props)
	for _, name := range []string{propID, propCreated, t.kind.modified} {
		m[name] = t.value(v, name)
	}
	return m
}

// mint makes an id. Ids of different objects overlap on purpose
// (vendors/hubspot.md 1: they are unique inside one object type only).
func (s *Sim) mint(t *table) int64 {
	t.nextID += 1 + s.dice.roll(longestIDStride)
	return t.nextID
}

// tick is the time of a write: milliseconds that never go back.
func (s *Sim) tick(t *table) int64 {
	t.newest = max(t.newest, s.now().UnixMilli())
	return t.newest
}

// publish makes a version the newest of its record, in the unique values and
// in the search index.
func (s *Sim) publish(t *table, v *version) {
	r := v.of
	if r.now != nil {
		old := t.taken
		if r.now.archived {
			old = t.binned
		}
		for _, k := range t.keys(r.now.props) {
			if old[k] == r {
				delete(old, k)
			}
		}
	}
	r.now = v
	if !r.gone {
		into := t.taken
		if v.archived {
			into = t.binned
		}
		for _, k := range t.keys(v.props) {
			into[k] = r
		}
	}
	t.index.add(v, s.now().Add(s.o.SearchLag), s.o.SearchLag > 0)
}

// clash refuses values that another record holds, or that earlier inputs of
// the same batch claimed.
func (s *Sim) clash(t *table, self *record, stored map[string]string, claimed map[key]bool) *trouble {
	keys := t.keys(stored)
	if len(keys) > 1 && s.dice.coin() {
		slices.Reverse(keys)
	}
	for _, k := range keys {
		if other := t.taken[k]; other != nil && other != self {
			return s.duplicate(t, k, other.id)
		}
		if other := t.binned[k]; other != nil && other != self && s.o.ArchivedBlocksUnique && k.property != propEmail {
			return s.duplicate(t, k, other.id)
		}
		if claimed[k] {
			return s.duplicate(t, k, "")
		}
	}
	return nil
}

// duplicate is the refusal of a unique value (vendors/hubspot.md 4). A
// duplicate e-mail is named in the context and in the text; for a custom
// property the page is unsure, so the existing id is in the text only, and the
// category is one of two.
func (s *Sim) duplicate(t *table, k key, existing string) *trouble {
	tail := ""
	if existing != "" {
		tail = " Existing ID: " + existing
	}
	if k.property == propEmail {
		x := &trouble{status: http.StatusConflict, category: catConflict, message: t.kind.label + " already exists"}
		if existing != "" {
			x.message += "." + tail
			x.with("existingId", existing)
		}
		return x
	}
	if s.dice.coin() {
		return &trouble{
			status: http.StatusConflict, category: catConflict,
			message: "A " + t.kind.singular + " with " + k.property + " '" + k.value + "' already exists." + tail,
		}
	}
	return badValues([]flaw{{
		Message: k.property + " '" + k.value + "' is taken by another " + t.kind.singular + "." + tail,
		Error:   codeTaken, Name: k.property,
	}})
}

// missing refuses a new record that lacks a required property
// (vendors/hubspot.md 3, required on create).
func (t *table) missing(stored map[string]string) *trouble {
	for _, group := range t.kind.required {
		if !slices.ContainsFunc(group, func(name string) bool { return stored[name] != "" }) {
			x := invalid("Error creating %s. Some required properties were not set.", strings.ToUpper(t.kind.singular))
			x.details = []detail{{
				Message: "one of " + strings.Join(group, ", ") + " is required", Code: codeRequired,
				Context: map[string][]string{"properties": group},
			}}
			return x
		}
	}
	return nil
}

// check says what is wrong with a new record, and gives its values as stored.
func (s *Sim) check(t *table, sent map[string]string, claimed map[key]bool) (map[string]string, *trouble) {
	stored, x := t.accept(sent, nil)
	if x != nil {
		return nil, x
	}
	s.complete(t, stored)
	if x := t.missing(stored); x != nil {
		return nil, x
	}
	return stored, s.clash(t, nil, stored, claimed)
}

// complete fills what HubSpot fills by itself: the only pipeline, and what a
// line item takes from its product (vendors/hubspot.md 3).
func (s *Sim) complete(t *table, stored map[string]string) {
	switch t.kind.name {
	case "deals":
		stored["pipeline"] = cmp.Or(stored["pipeline"], "default")
	case "line_items":
		if p := s.tables["products"].find(stored[propProduct], false); p != nil {
			for _, name := range []string{"name", "price", "description", "hs_sku"} {
				stored[name] = cmp.Or(stored[name], p.now.props[name])
			}
		}
	}
}

// insert makes a record of checked values.
func (s *Sim) insert(t *table, stored, sent map[string]string, by *actor) *record {
	r := &record{num: s.mint(t), born: s.tick(t)}
	r.id = idText(r.num)
	props := map[string]string{}
	for name, v := range stored {
		if v != "" {
			props[name] = v
		}
	}
	set := slices.Sorted(maps.Keys(props))
	props[propSource], props[propSourceID] = by.source, by.sourceID
	t.order = append(t.order, r)
	t.byID[r.id] = r
	s.publish(t, &version{of: r, props: props, modified: r.born})
	s.truth.Changed(simulator.Change{
		At: s.now(), Object: t.kind.name, ID: r.id, Born: true, Actor: by.name, Values: only(sent, props),
	})
	s.raise(event{table: t, kind: eventCreation, object: r.num, at: r.born, by: by})
	for _, name := range set {
		s.raise(event{table: t, kind: eventChange, object: r.num, at: r.born, by: by, property: name, value: props[name]})
		if name == propCompany {
			s.raiseBond(t, r, props[name], "", by)
		}
	}
	return r
}

// only gives the values that are in a set of names.
func only[V any](sent map[string]string, names map[string]V) map[string]string {
	m := make(map[string]string, len(sent))
	for name, v := range sent {
		if _, ok := names[name]; ok {
			m[name] = v
		}
	}
	return m
}

// change says what a write would change, or what is wrong with it.
func (s *Sim) change(t *table, r *record, sent map[string]string, claimed map[key]bool) (map[string]string, *trouble) {
	stored, x := t.accept(sent, r.now.props)
	if x != nil {
		return nil, x
	}
	maps.DeleteFunc(stored, func(name, v string) bool { return v == r.now.props[name] })
	return stored, s.clash(t, r, stored, claimed)
}

// edit writes values to a record.
func (s *Sim) edit(t *table, r *record, sent map[string]string, by *actor) *trouble {
	changed, x := s.change(t, r, sent, nil)
	if x == nil {
		s.apply(t, r, changed, sent, by)
	}
	return x
}

// apply writes checked changes. A write without any moves nothing and raises
// no event.
func (s *Sim) apply(t *table, r *record, changed, sent map[string]string, by *actor) {
	if len(changed) == 0 {
		return
	}
	props, company := maps.Clone(r.now.props), r.now.props[propCompany]
	for name, v := range changed {
		if v == "" {
			delete(props, name)
		} else {
			props[name] = v
		}
	}
	at := s.tick(t)
	s.publish(t, &version{of: r, props: props, modified: at})
	s.truth.Changed(simulator.Change{
		At: s.now(), Object: t.kind.name, ID: r.id, Actor: by.name, Values: only(sent, changed),
	})
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		s.raise(event{kind: eventChange, table: t, object: r.num, at: at, by: by, property: name, value: changed[name]})
		if name == propCompany {
			s.raiseBond(t, r, changed[name], company, by)
		}
	}
}

// archive moves a live record to the bin; there is no way back by API
// (vendors/hubspot.md 3).
func (s *Sim) archive(t *table, r *record, by *actor) {
	at := s.tick(t)
	r.archivedAt = at
	s.publish(t, &version{of: r, props: r.now.props, modified: at, archived: true})
	s.truth.Changed(simulator.Change{At: s.now(), Object: t.kind.name, ID: r.id, Gone: true, Actor: by.name})
	s.raise(event{table: t, kind: eventDeletion, object: r.num, at: at, by: by})
	if t.kind.name == "companies" {
		s.leaveAll(r.id, "", by)
	}
}

// after gives where in the order of ids a page begins that follows an id.
func (t *table) after(id string) int {
	num, _ := strconv.ParseInt(id, 10, 64)
	i, _ := slices.BinarySearchFunc(t.order, num+1, func(r *record, n int64) int { return cmp.Compare(r.num, n) })
	return i
}

package lab

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/simulator"
)

// shop is a pretend vendor of the lab's own, with the personality that its seed
// drew. It is spoken to in process: a call costs no HTTP.
type shop struct {
	w     *world
	name  string
	p     persona
	truth *simulator.Truth
	byID  map[string]*item
	next  int
	clock int64 // of versions
}

// item is one record of a shop.
type item struct {
	id             string
	values         map[string]string
	born, modified time.Time
	version        int64
	ours, archived bool
	indexed        time.Time // from when on look-ups by token show it
}

// Columns and actors of a shop.
const (
	shopToken = "syncd_ref"
	byUser    = "user:keeper"
	byApp     = "app:syncd"
)

// shopColumns are what every record has.
var shopColumns = []string{"name", "email", "phone", "job", "city", "zip"}

func (w *world) newShop(name string, p persona) *vendor {
	s := &shop{w: w, name: name, p: p, truth: &simulator.Truth{}, byID: map[string]*item{}, next: 100}
	v := &vendor{object: items, kind: kindShop, truth: s.truth, people: s, shop: s, close: func() {}}
	v.connect = func(*gate) (connectors.Connector, error) { return &shopClient{w: w, v: v, s: s}, nil }
	v.hook = hook{receiver: func() (connectors.Receiver, error) { return shopReceiver{}, nil }, retries: p.Retries, trust: p.Trusted}
	return v
}

// errRefused is the vendor's own validation.
var errRefused = errors.New("the value is not allowed")

// valid says what is wrong with values, "" if nothing is: the column at fault.
func (s *shop) valid(values map[string]string) string {
	if s.p.Strict != "" && strings.HasPrefix(values[s.p.Strict], "!") {
		return s.p.Strict
	}
	return ""
}

// normal is how the vendor stores a value.
func (s *shop) normal(column, v string) string {
	v = strings.TrimSpace(v)
	if column == s.p.Shout {
		v = strings.ToUpper(v)
	}
	if rest, ok := strings.CutPrefix(v, "+420"); ok && column == "phone" && s.p.Spells && len(rest) == 9 {
		v = rest[:3] + " " + rest[3:6] + " " + rest[6:]
	}
	return v
}

// insert makes a record.
func (s *shop) insert(values map[string]string, actor string) *item {
	s.next++
	it := &item{id: strconv.Itoa(s.next), values: map[string]string{}, born: s.w.s.now.Truncate(time.Millisecond)}
	for _, c := range shopColumns {
		it.values[c] = ""
	}
	it.indexed = s.w.s.now
	if s.p.Lag > 0 {
		it.indexed = s.w.s.now.Add(s.w.s.between(0, s.p.Lag))
	}
	s.byID[it.id] = it
	s.set(it, values, actor)
	s.changed(it, simulator.Change{Born: true, Actor: actor, Values: maps.Clone(values)}, "created")
	return it
}

// store writes to a record.
func (s *shop) store(it *item, values map[string]string, actor string) {
	s.set(it, values, actor)
	s.changed(it, simulator.Change{Actor: actor, Values: maps.Clone(values)}, "changed")
}

func (s *shop) set(it *item, values map[string]string, actor string) {
	for c, v := range values {
		if c == s.p.ReadOnly && actor == byApp {
			continue
		}
		it.values[c] = s.normal(c, v)
	}
}

// changed puts a change on record and announces it.
func (s *shop) changed(it *item, c simulator.Change, what string) {
	s.clock++
	it.version, it.modified, it.ours = s.clock, s.w.s.now.Truncate(time.Millisecond), c.Actor == byApp
	c.At, c.Object, c.ID = s.w.s.now, items, it.id
	s.truth.Changed(c)
	own := s.p.Marks && it.ours
	body, err := json.Marshal(connectors.Hint{Object: items, RecordID: it.id, Version: s.versionOf(it), Own: own, What: what, Removed: c.Gone})
	if err != nil {
		panic(fmt.Sprintf("lab: a hint of plain fields does not encode: %v", err))
	}
	s.w.announced(s.name)(simulator.Post{URL: hookURL(s.name), Header: http.Header{}, Body: body})
}

func (s *shop) versionOf(it *item) string {
	if !s.p.Versions {
		return ""
	}
	return fmt.Sprintf("%012d", it.version)
}

// holder finds the record with a token, oldest first, archived ones included.
func (s *shop) holder(token string) *item {
	for _, it := range s.sorted() {
		if token != "" && it.values[shopToken] == token {
			return it
		}
	}
	return nil
}

// sorted gives the records in the order of their making.
func (s *shop) sorted() []*item {
	return slices.SortedFunc(maps.Values(s.byID), func(a, b *item) int {
		return cmp.Or(cmp.Compare(len(a.id), len(b.id)), cmp.Compare(a.id, b.id))
	})
}

// make is what the vendor does with a create of ours: the record, and whether
// it was there before.
func (s *shop) make(token string, values map[string]string) (it *item, existed bool) {
	values = maps.Clone(values)
	if s.p.Class != connectors.ClassBlind {
		values[shopToken] = token
	}
	if s.p.Class == connectors.ClassUnique {
		if it = s.holder(token); it != nil {
			if s.p.Upsert && !it.archived {
				s.store(it, values, byApp)
				return it, false
			}
			return it, true
		}
	}
	return s.insert(values, byApp), false
}

// create, edit and values are the hands of the vendor's own people.
func (s *shop) create(columns map[string]string) (string, error) {
	if s.valid(columns) != "" {
		return "", errRefused
	}
	return s.insert(columns, byUser).id, nil
}

func (s *shop) edit(id string, columns map[string]string) error {
	it := s.byID[id]
	if it == nil || it.archived {
		return fmt.Errorf("there is no record %s", id)
	}
	if s.valid(columns) != "" {
		return errRefused
	}
	s.store(it, columns, byUser)
	return nil
}

func (s *shop) values(id string) map[string]string {
	it := s.byID[id]
	if it == nil || it.archived {
		return nil
	}
	return maps.Clone(it.values)
}

// clone copies a record as a person does in the vendor's screens. What is
// unique there is left out of the copy; what is not, the token too, is in it
// (F10).
func (s *shop) clone(id string) string {
	values := maps.Clone(s.byID[id].values)
	if s.p.Class == connectors.ClassUnique {
		delete(values, shopToken)
	}
	return s.insert(values, byUser).id
}

// archive puts a record into the vendor's bin, by hand.
func (s *shop) archive(id string) { s.remove(s.byID[id], connectors.Archive, byUser) }

// remove puts a record into the bin, takes it out of it, or ends it; what is done
// already is done.
func (s *shop) remove(it *item, op connectors.Op, actor string) {
	switch {
	case it == nil || op != connectors.Delete && it.archived == (op == connectors.Archive):
		return
	case op == connectors.Restore:
		it.archived = false
		s.changed(it, simulator.Change{Actor: actor}, "restored")
		return
	case op == connectors.Delete:
		delete(s.byID, it.id)
	default:
		it.archived = true
	}
	s.changed(it, simulator.Change{Gone: true, Actor: actor}, string(op)+"d")
}

// shopReceiver takes what a shop announces.
type shopReceiver struct{}

func (shopReceiver) Verify(connectors.Delivery, time.Time) error { return nil }

func (shopReceiver) Parse(d connectors.Delivery) (connectors.Events, error) {
	var h connectors.Hint
	if err := json.Unmarshal(d.Body, &h); err != nil {
		return connectors.Events{}, &connectors.Refusal{Reason: connectors.RefusedMalformed, Detail: err.Error()}
	}
	return connectors.Events{Hints: []connectors.Hint{h}}, nil
}

func (shopReceiver) Policy() connectors.AnswerPolicy { return connectors.AnswerPolicy{} }

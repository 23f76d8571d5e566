package hubspotsim

import (
	"fmt"
	"maps"

	"syncd/simulator"
)

// UserCreate makes a record by hand in HubSpot's own screens, under the rules
// of the API: known properties, valid values, unique values unique.
func (s *Sim) UserCreate(object string, props map[string]string) (id string, err error) {
	err = s.byHand(object, func(t *table) *trouble {
		stored, x := s.check(t, props, nil)
		if x == nil {
			id = s.insert(t, stored, maps.Clone(props), s.user).id
		}
		return x
	})
	return id, err
}

// UserEdit edits a live record by hand; "" clears a property.
func (s *Sim) UserEdit(object, id string, props map[string]string) error {
	return s.byHand(object, func(t *table) *trouble {
		r := t.byID[id]
		if r == nil || r.hidden() {
			return notFound("there is no %s %s", t.kind.singular, id)
		}
		return s.edit(t, r, maps.Clone(props), s.user)
	})
}

// UserArchive deletes a live record by hand: it goes to the bin.
func (s *Sim) UserArchive(object, id string) error {
	return s.byHand(object, func(t *table) *trouble {
		r := t.byID[id]
		if r == nil || r.hidden() {
			return notFound("there is no %s %s", t.kind.singular, id)
		}
		s.archive(t, r, s.user)
		return nil
	})
}

// UserRestore takes a record out of the bin, which only people can do, within 90
// days (vendors/hubspot.md 3).
func (s *Sim) UserRestore(object, id string) error {
	return s.byHand(object, func(t *table) *trouble {
		r := t.byID[id]
		if r == nil || r.gone || !r.now.archived {
			return notFound("there is no %s %s in the bin", t.kind.singular, id)
		}
		at := s.tick(t)
		s.publish(t, &version{of: r, props: r.now.props, modified: at})
		s.truth.Changed(simulator.Change{At: s.now(), Object: t.kind.name, ID: r.id, Actor: s.user.name, Values: map[string]string{}})
		s.raise(event{kind: eventRestore, table: t, object: r.num, at: at, by: s.user})
		return nil
	})
}

// UserErase erases a contact for good, as a privacy request has it: it is in no bin,
// and two events tell of it (vendors/hubspot.md 9).
func (s *Sim) UserErase(object, id string) error {
	return s.byHand(object, func(t *table) *trouble {
		r := t.byID[id]
		if r == nil || r.gone {
			return notFound("there is no %s %s", t.kind.singular, id)
		}
		at := s.tick(t)
		r.gone = true
		s.publish(t, &version{of: r, props: map[string]string{}, modified: at, archived: true})
		s.truth.Changed(simulator.Change{At: s.now(), Object: t.kind.name, ID: r.id, Gone: true, Actor: s.user.name})
		for _, kind := range []string{eventPrivacy, eventDeletion} {
			s.raise(event{table: t, kind: kind, object: r.num, at: at, by: s.user})
		}
		return nil
	})
}

// UserMerge merges two records by hand and gives the id that lives on
// (vendors/hubspot.md 9).
func (s *Sim) UserMerge(object, primary, loser string) (survivor string, err error) {
	err = s.byHand(object, func(t *table) *trouble {
		if !t.kind.mergeable {
			return invalid("%s cannot be merged", t.kind.name)
		}
		r, x := s.join(t, primary, loser, s.user)
		if x == nil {
			survivor = r.id
		}
		return x
	})
	return survivor, err
}

// UserPropertyArchive archives a property of the account's own. Records keep its
// values for as long as it can be restored; UserProperty with its name does that here.
func (s *Sim) UserPropertyArchive(object, name string) error {
	return s.byHand(object, func(t *table) *trouble {
		if p := t.schema[name]; p == nil || p.Standard {
			return notFound("there is no property %s of yours", name)
		}
		delete(t.schema, name)
		return nil
	})
}

// UserProperty defines a property in the settings of the account. The kind is
// one of string, number, date, datetime, bool and enumeration, which needs
// options.
func (s *Sim) UserProperty(object, name, kind string, unique bool, options ...string) error {
	b := propertyBody{Name: name, Type: kind, HasUniqueValue: unique, Label: name}
	for i, v := range options {
		b.Options = append(b.Options, option{Label: v, Value: v, DisplayOrder: i})
	}
	return s.byHand(object, func(t *table) *trouble {
		if known := fieldTypes[kind]; len(known) > 0 {
			b.FieldType = known[0]
		}
		b.GroupName = t.kind.group
		_, x := s.define(t, b)
		return x
	})
}

// byHand does the work of the vendor's own people. No fault and no limit
// stands in their way.
func (s *Sim) byHand(object string, work func(t *table) *trouble) error {
	var x *trouble
	s.locked(func() {
		if t := s.table(object); t != nil {
			x = work(t)
		} else {
			x = notFound("there is no object %s", object)
		}
	})
	if x != nil {
		return fmt.Errorf("hubspotsim: %w", x)
	}
	return nil
}

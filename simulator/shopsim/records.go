package shopsim

import (
	"fmt"
	"maps"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"syncd/simulator"
)

// trouble is a refusal, before a dialect writes it.
type trouble struct {
	status              int
	code, detail, field string
	holder              string // taken: whose the value is
}

// Error lets people's edits be refused in Go.
func (t *trouble) Error() string { return t.code + ": " + t.detail }

// kinds of the fields that are no plain text.
var numbers = []string{"credit", "credit_limit"}
var booleans = []string{"newsletter", "active"}

// known are the fields of the dialects' objects.
var known = map[string][]string{
	Shop + "/customers": {
		"email", "name", "phone", "number", "company", "vat_id", "street", "zip", "city", "country", "newsletter",
		"tier", "credit", "birthday", "last_order_at", "syncd_ref", "crm_id", "erp_id",
	},
	Shop + "/orders": {"number", "customer", "total", "currency", "placed_at", "note"},
	Plain + "/customers": {
		"name", "email", "phone", "street", "zip", "city", "country", "vat", "erp_code", "active", "credit_limit",
		"syncd_ref", "crm_id", "shop_id",
	},
	Espo + "/Account": {
		"name", "emailAddress", "phoneNumber", "website", "description", "type", "industry", "sicCode", "billingAddressStreet",
		"billingAddressCity", "billingAddressPostalCode", "billingAddressCountry", "cSyncdRef", "cErpId",
	},
}

// tokens are the fields that hold syncd's reference, addresses those of an e-mail.
var (
	tokens    = []string{"syncd_ref", "cSyncdRef"}
	addresses = []string{"email", "emailAddress"}
)

// check says why values cannot be stored; id is the record's own.
func (s *Sim) check(object, id string, values map[string]string) *trouble {
	fields := known[s.o.API+"/"+object]
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name]
		bad := func(detail string) *trouble {
			return &trouble{status: http.StatusUnprocessableEntity, code: "invalid", detail: detail, field: name}
		}
		switch {
		case !slices.Contains(fields, name):
			if s.o.API == Espo { // an unknown field is ignored (section 2)
				delete(values, name)
				continue
			}
			return &trouble{status: http.StatusUnprocessableEntity, code: "unknown_field", detail: "there is no such field", field: name}
		case v == "":
		case slices.Contains(addresses, name):
			if a, err := mail.ParseAddress(v); err != nil || a.Address != v {
				return bad("this is no address")
			}
			if x := s.taken(s.o.UniqueEmail, object, id, name, v); x != nil {
				return x
			}
		case slices.Contains(tokens, name):
			if x := s.taken(s.o.UniqueRef, object, id, name, v); x != nil {
				return x
			}
		case slices.Contains(numbers, name):
			if _, err := strconv.ParseFloat(v, 64); err != nil {
				return bad("this is no number")
			}
		case slices.Contains(booleans, name):
			if v != "true" && v != "false" {
				return bad("this is neither true nor false")
			}
		case name == "tier" && !slices.Contains([]string{"basic", "silver", "gold"}, v):
			return bad("there is no such tier")
		}
	}
	return nil
}

// taken says that another record has a unique value; one in the bin counts too.
func (s *Sim) taken(unique bool, object, id, name, v string) *trouble {
	if !unique {
		return nil
	}
	for _, r := range s.records {
		if r.object == object && !r.gone && r.id != id && strings.EqualFold(r.values[name], v) {
			return &trouble{status: http.StatusUnprocessableEntity, code: "taken", detail: "another record has this value", field: name, holder: r.id}
		}
	}
	return nil
}

// insert makes a record of values that were checked.
func (s *Sim) insert(object string, values map[string]string, actor string) *record {
	s.number++
	id := strconv.Itoa(s.number)
	switch {
	case s.o.API == Espo:
		id = fmt.Sprintf("6b0064d%010x", s.number)
	case s.o.API == Shop && object == "orders":
		id = "ord_" + id
	case s.o.API == Shop:
		id = "cus_" + id
	}
	now := s.o.Now().UTC()
	r := &record{number: s.number, id: id, object: object, values: map[string]string{}, revision: 1, created: now, updated: now, by: actor}
	for name, v := range values {
		if v != "" {
			r.values[name] = v
		}
	}
	s.records[id] = r
	s.truth.Changed(simulator.Change{At: now, Object: object, ID: id, Born: true, Actor: actor, Values: maps.Clone(values)})
	s.tell(r, "created")
	return r
}

// edit writes values that were checked. What changes nothing moves nothing, but in
// EspoCRM, where it moves the time and the version (section 8).
func (s *Sim) edit(r *record, values map[string]string, actor string) {
	changed := false
	for name, v := range values {
		if r.values[name] == v {
			continue
		}
		changed = true
		if v == "" {
			delete(r.values, name)
		} else {
			r.values[name] = v
		}
	}
	s.truth.Changed(simulator.Change{At: s.o.Now(), Object: r.object, ID: r.id, Actor: actor, Values: maps.Clone(values)})
	if changed || s.o.API == Espo {
		s.touch(r, actor)
	}
	if changed {
		s.tell(r, "updated")
	}
}

func (s *Sim) touch(r *record, actor string) {
	r.revision++
	r.updated, r.by = s.o.Now().UTC(), actor
}

// archive puts a record into the bin; false if it lies there.
func (s *Sim) archive(r *record, actor string) bool {
	if !r.archived.IsZero() {
		return false
	}
	r.archived = s.o.Now().UTC()
	s.touch(r, actor)
	s.truth.Changed(simulator.Change{At: s.o.Now(), Object: r.object, ID: r.id, Gone: true, Actor: actor})
	s.tell(r, "archived")
	return true
}

// restore takes a record out of the bin; false if it is not there.
func (s *Sim) restore(r *record, actor string) bool {
	if r.archived.IsZero() {
		return false
	}
	r.archived = time.Time{}
	s.touch(r, actor)
	s.truth.Changed(simulator.Change{At: s.o.Now(), Object: r.object, ID: r.id, Actor: actor, Values: maps.Clone(r.values)})
	s.tell(r, "restored")
	return true
}

// remove ends a record.
func (s *Sim) remove(r *record, actor string) {
	r.gone = true
	s.truth.Changed(simulator.Change{At: s.o.Now(), Object: r.object, ID: r.id, Gone: true, Actor: actor})
	s.tell(r, "deleted")
}

// tell notes a change to be announced.
func (s *Sim) tell(r *record, what string) {
	c := *r
	c.values = maps.Clone(r.values)
	s.events = append(s.events, event{c, what})
}

// byHand does the work of the system's own people. No fault stands in their way.
func (s *Sim) byHand(object, id string, work func(r *record) error) (err error) {
	s.locked(func() {
		r := s.records[id]
		if id != "" && (r == nil || r.object != object || r.gone) {
			err = &trouble{status: http.StatusNotFound, code: "no_such_record", detail: "there is no " + object + " " + id}
			return
		}
		err = work(r)
	})
	return err
}

// UserCreate makes a record by hand.
func (s *Sim) UserCreate(object string, values map[string]string) (id string, err error) {
	err = s.byHand(object, "", func(*record) error {
		values := maps.Clone(values)
		if x := s.check(object, "", values); x != nil {
			return x
		}
		id = s.insert(object, values, userActor).id
		return nil
	})
	return id, err
}

// UserEdit edits a record by hand; "" clears a field.
func (s *Sim) UserEdit(object, id string, values map[string]string) error {
	return s.byHand(object, id, func(r *record) error {
		values := maps.Clone(values)
		if x := s.check(object, id, values); x != nil {
			return x
		}
		s.edit(r, values, userActor)
		return nil
	})
}

// UserArchive puts a record into the bin by hand; where there is none, it ends it.
func (s *Sim) UserArchive(object, id string) error {
	return s.byHand(object, id, func(r *record) error {
		if s.o.API == Espo {
			s.remove(r, userActor)
		} else {
			s.archive(r, userActor)
		}
		return nil
	})
}

// UserRestore takes a record out of the bin by hand.
func (s *Sim) UserRestore(object, id string) error {
	return s.byHand(object, id, func(r *record) error {
		s.restore(r, userActor)
		return nil
	})
}

// UserDelete ends a record by hand.
func (s *Sim) UserDelete(object, id string) error {
	return s.byHand(object, id, func(r *record) error {
		s.remove(r, userActor)
		return nil
	})
}

package hubspotsim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// Operations on associations (vendors/hubspot.md 6).
const (
	opAssociate    = "associations_create"
	opDissociate   = "associations_archive"
	opAssociations = "associations_read"
)

// propCompany is the property of contacts that shows their primary company.
const propCompany = "associatedcompanyid"

// Sizes of the calls (vendors/hubspot.md 6).
const (
	associateMax    = 2000
	associationsMax = 1000
	dissociateMax   = 100
)

const eventAssociation = "associationChange"

// subNoAssociations is the subCategory of a record that has none.
const subNoAssociations = "crm.associations.NO_ASSOCIATIONS_FOUND"

// subBadType is the subCategory of a type that does not belong between two objects.
const subBadType = "crm.associations.INVALID_IDENTIFIER"

// bond is a kind of association between records and their companies: the types
// from the record to the company and back, plain and primary.
type bond struct {
	holder                                 string
	plain, primary, plainBack, primaryBack int
}

// bonds are those that this account plays (vendors/hubspot.md 6, the table).
var bonds = []bond{
	{"contacts", 279, 1, 280, 2},
	{"deals", 341, 5, 342, 6},
}

// bondOf finds the bond between two objects. back says that it is asked for from
// the company's end.
func bondOf(from, to string) (b bond, back, ok bool) {
	for _, b := range bonds {
		switch {
		case from == b.holder && to == "companies":
			return b, false, true
		case to == b.holder && from == "companies":
			return b, true, true
		}
	}
	return bond{}, false, false
}

// companyOf is a record's primary company, "" if it has none.
func (r *record) companyOf(t *table) string {
	if t.schema[propCompany] != nil {
		return r.now.props[propCompany]
	}
	return r.company
}

// joinCompany gives a record another primary company, or none. The one before
// stays with it, without a label (vendors/hubspot.md 6: one primary at most).
func (s *Sim) joinCompany(t *table, r *record, id string, by *actor) {
	old := r.companyOf(t)
	if old == id {
		return
	}
	if old != "" && !slices.Contains(r.companies, old) {
		r.companies = append(r.companies, old)
	}
	if t.schema[propCompany] != nil {
		s.apply(t, r, map[string]string{propCompany: id}, map[string]string{propCompany: id}, by)
		return
	}
	r.company = id
	s.publish(t, &version{of: r, props: r.now.props, modified: s.tick(t)})
	s.raiseBond(t, r, id, old, by)
}

// leaveCompany takes every association between a record and a company away.
func (s *Sim) leaveCompany(t *table, r *record, id string, by *actor) {
	if r.companyOf(t) == id {
		s.joinCompany(t, r, "", by)
	}
	r.companies = slices.DeleteFunc(r.companies, func(x string) bool { return x == id })
}

// leaveAll takes a company that is gone away from its people, or puts another in
// its place.
func (s *Sim) leaveAll(company, heir string, by *actor) {
	for _, b := range bonds {
		t := s.tables[b.holder]
		for _, r := range t.order {
			if r.hidden() {
				continue
			}
			primary := r.companyOf(t) == company
			if primary && heir != "" {
				s.joinCompany(t, r, heir, by)
			}
			s.leaveCompany(t, r, company, by)
		}
	}
}

// raiseBond tells of a primary company: twice in each direction, as the vendor
// does, for the primary type and the plain one. Who did it is not told
// (vendors/hubspot.md 10: association events may lack the source).
func (s *Sim) raiseBond(t *table, r *record, id, old string, by *actor) {
	for _, primary := range []bool{true, false} {
		for _, end := range []struct {
			id      string
			removed bool
		}{{old, true}, {id, false}} {
			if end.id == "" || (end.removed && !primary && slices.Contains(r.companies, old)) {
				continue // the plain one is still there
			}
			for _, back := range []bool{false, true} {
				e := event{
					table: t, kind: eventAssociation, at: t.newest, by: by,
					bond: &bondFacts{from: r.id, to: end.id, fromKind: t.kind, toKind: s.tables["companies"].kind, removed: end.removed, primary: primary},
				}
				if back {
					e.table, e.bond.from, e.bond.to = s.tables["companies"], end.id, r.id
					e.bond.fromKind, e.bond.toKind = e.bond.toKind, e.bond.fromKind
				}
				s.raise(e)
			}
		}
	}
}

// bondFacts are the facts of an association event.
type bondFacts struct {
	from, to         string
	fromKind, toKind *kind
	removed, primary bool
}

func (f bondFacts) name() string {
	return strings.ToUpper(f.fromKind.singular + "_to_" + f.toKind.singular)
}

// associationRoute is vendors/hubspot.md 6, the batch calls.
func (s *Sim) associationRoute(method string, rest []string) (route, bool) {
	if method != http.MethodPost || len(rest) != 4 || rest[2] != "batch" {
		return route{}, false
	}
	from, to := s.table(rest[0]), s.table(rest[1])
	if from == nil || to == nil {
		return route{}, false
	}
	r, ok := map[string]route{
		"create":  {op: opAssociate, write: true, run: (*Sim).associate},
		"read":    {op: opAssociations, run: (*Sim).associations},
		"archive": {op: opDissociate, write: true, run: (*Sim).dissociate},
	}[rest[3]]
	r.table, r.other = from, to
	return r, ok
}

// ends is the body of the calls that write associations.
type ends struct {
	Inputs []struct {
		From  struct{ ID string }
		To    struct{ ID string }
		Types []struct {
			AssociationCategory string
			AssociationTypeID   int `json:"associationTypeId"`
		}
	}
}

// associate makes associations, each for itself. A type that does not belong
// between the two objects refuses the whole call.
func (s *Sim) associate(q *request) reply {
	var b ends
	if x := q.decode(&b); x != nil {
		return refuse(x)
	}
	if q.rows = len(b.Inputs); q.rows == 0 || q.rows > associateMax {
		return refuse(invalid("A batch holds 1 to %d inputs, not %d", associateMax, q.rows))
	}
	kind, back, known := bondOf(q.table.kind.name, q.other.kind.name)
	plain, primary := kind.plain, kind.primary
	if back {
		plain, primary = kind.plainBack, kind.primaryBack
	}
	for _, in := range b.Inputs {
		for _, t := range in.Types {
			if !known || t.AssociationCategory != "HUBSPOT_DEFINED" || (t.AssociationTypeID != plain && t.AssociationTypeID != primary) {
				x := invalid("Association type %d is not valid between %s and %s", t.AssociationTypeID, q.table.kind.name, q.other.kind.name)
				x.subCategory = subBadType
				return refuse(x)
			}
		}
	}
	started := stamp(s.now().UnixMilli())
	var o outcome
	for _, in := range b.Inputs {
		q.ids = append(q.ids, in.From.ID)
		from, to := q.table.byID[in.From.ID], q.other.byID[in.To.ID]
		if from == nil || from.hidden() || to == nil || to.hidden() {
			x := invalid("One or more of the objects to associate do not exist: %s, %s", in.From.ID, in.To.ID)
			s.failed(&o, x.with("fromObjectId", in.From.ID).with("toObjectId", in.To.ID), input{})
			continue
		}
		holder, r, company := q.table, from, to.id
		if back {
			holder, r, company = q.other, to, from.id
		}
		for _, t := range in.Types {
			if t.AssociationTypeID == primary {
				s.joinCompany(holder, r, company, q.who)
			} else if r.companyOf(holder) != company && !slices.Contains(r.companies, company) {
				r.companies = append(r.companies, company)
			}
		}
		o.done(map[string]any{
			"fromObjectId": in.From.ID, "fromObjectTypeId": q.table.kind.typeID,
			"toObjectId": in.To.ID, "toObjectTypeId": q.other.kind.typeID, "labels": []string{},
		}, "")
	}
	return s.conclude(q.table, &o, http.StatusCreated, started)
}

// associations reads the associations of records; one without any is an error of
// its own.
func (s *Sim) associations(q *request) reply {
	var b struct{ Inputs []struct{ ID string } }
	if x := q.decode(&b); x != nil {
		return refuse(x)
	}
	if q.rows = len(b.Inputs); q.rows == 0 || q.rows > associationsMax {
		return refuse(invalid("A batch holds 1 to %d inputs, not %d", associationsMax, q.rows))
	}
	kind, back, known := bondOf(q.table.kind.name, q.other.kind.name)
	if !known || back {
		return refuse(invalid("These associations are not played"))
	}
	started := stamp(s.now().UnixMilli())
	var o outcome
	for _, in := range b.Inputs {
		q.ids = append(q.ids, in.ID)
		r := q.table.byID[in.ID]
		if r == nil || r.hidden() {
			o.missed(input{ID: in.ID})
			continue
		}
		var to []map[string]any
		for _, id := range slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(r.companies), r.companyOf(q.table))))) {
			if id == "" {
				continue
			}
			types := []map[string]any{{"category": "HUBSPOT_DEFINED", "typeId": kind.plain, "label": nil}}
			if id == r.companyOf(q.table) {
				types = append(types, map[string]any{"category": "HUBSPOT_DEFINED", "typeId": kind.primary, "label": "Primary"})
			}
			to = append(to, map[string]any{"toObjectId": id, "associationTypes": types})
		}
		if to == nil {
			x := notFound("No company is associated with %s %s.", q.table.kind.singular, in.ID)
			x.subCategory = subNoAssociations
			s.failed(&o, x.with("fromObjectId", in.ID), input{})
			continue
		}
		o.done(map[string]any{"from": map[string]any{"id": in.ID}, "to": to}, "")
	}
	return s.conclude(q.table, &o, http.StatusOK, started)
}

// dissociate takes associations away; 204 also where there was none.
func (s *Sim) dissociate(q *request) reply {
	var b struct {
		Inputs []struct {
			From struct{ ID string }
			To   []struct{ ID string }
		}
	}
	if x := q.decode(&b); x != nil {
		return refuse(x)
	}
	if q.rows = len(b.Inputs); q.rows == 0 || q.rows > dissociateMax {
		return refuse(invalid("A batch holds 1 to %d inputs, not %d", dissociateMax, q.rows))
	}
	for _, in := range b.Inputs {
		q.ids = append(q.ids, in.From.ID)
		for _, to := range in.To {
			if r := q.table.byID[in.From.ID]; r != nil && !r.hidden() {
				s.leaveCompany(q.table, r, to.ID, q.who)
			}
		}
	}
	if s.o.APIVersion == versionDate { // vendors/hubspot.md 1, difference b
		return reply{http.StatusOK, map[string]any{"status": "COMPLETE", "results": []any{}}}
	}
	return reply{status: http.StatusNoContent}
}

// withCompany is the association that a create brings along, "" if it brings none
// (vendors/hubspot.md 3, create).
func (s *Sim) withCompany(t *table, in input) (string, *trouble) {
	company := ""
	for _, a := range in.Associations {
		kind, _, known := bondOf(t.kind.name, "companies")
		for _, ty := range a.Types {
			if !known || (ty.TypeID != kind.primary && ty.TypeID != kind.plain) {
				x := invalid("Association type %d is not valid for %s", ty.TypeID, t.kind.name)
				x.subCategory = subBadType
				return "", x
			}
		}
		if r := s.tables["companies"].byID[a.To.ID]; r == nil || r.hidden() {
			return "", invalid("The company %s to associate does not exist", a.To.ID)
		}
		company = cmp.Or(a.To.ID, company)
	}
	return company, nil
}

// inlineAssociation is an association in the body of a create.
type inlineAssociation struct {
	To    struct{ ID string }
	Types []struct {
		TypeID int `json:"associationTypeId"`
	}
}

package hubspotsim

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
)

// uniqueMax is how many unique properties an object may have
// (vendors/hubspot.md 5).
const uniqueMax = 10

// subExists is the subCategory of a property name that is taken.
const subExists = "Properties.PROPERTY_WITH_NAME_EXISTS"

var propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

// fieldTypes are the field types of each type.
var fieldTypes = map[string][]string{
	typeString: {"text", "textarea", "html", "file", "phonenumber"}, typeNumber: {typeNumber}, typeDate: {typeDate},
	typeDateTime: {typeDate}, typeBool: {"booleancheckbox"}, typePhone: {"phonenumber"},
	typeEnum: {"select", "radio", fieldCheckbox, "booleancheckbox"},
}

// propertyBody is a property as a client asks for it.
type propertyBody struct {
	Name           string   `json:"name"`
	Label          string   `json:"label"`
	Type           string   `json:"type"`
	FieldType      string   `json:"fieldType"`
	GroupName      string   `json:"groupName"`
	Description    string   `json:"description"`
	Options        []option `json:"options"`
	HasUniqueValue bool     `json:"hasUniqueValue"`
	Hidden         bool     `json:"hidden"`
}

// check refuses a definition that HubSpot would not take.
func (b *propertyBody) check(t *table) *trouble {
	switch {
	case !propertyName.MatchString(b.Name):
		return invalid("Property name %q must be lower-case letters, digits and underscores", b.Name)
	case t.schema[b.Name] != nil:
		return &trouble{
			status: http.StatusConflict, category: catExists, subCategory: subExists,
			message: "A property named '" + b.Name + "' already exists.",
		}
	case b.Label == "":
		return invalid("Property label must not be empty")
	case !slices.Contains(fieldTypes[b.Type], b.FieldType):
		return invalid("type %q and fieldType %q do not go together", b.Type, b.FieldType)
	case b.GroupName != t.kind.group:
		return invalid("Property group %q does not exist", b.GroupName)
	case b.Type == typeEnum && len(b.Options) == 0 && b.FieldType != "booleancheckbox":
		return invalid("An enumeration needs options")
	case !b.HasUniqueValue:
		return nil
	case !t.kind.uniques:
		return invalid("hasUniqueValue is not supported for %s", t.kind.name)
	case b.Type != typeString && b.Type != typeNumber:
		return invalid("hasUniqueValue is not supported for type %q", b.Type)
	case t.customUniques() >= uniqueMax:
		return invalid("An object may have %d unique properties", uniqueMax)
	}
	return nil
}

func (t *table) customUniques() int {
	n := 0
	for _, p := range t.schema {
		if p.Unique {
			n++
		}
	}
	return n
}

// define adds a property of the account's own.
func (s *Sim) define(t *table, b propertyBody) (*property, *trouble) {
	if x := b.check(t); x != nil {
		return nil, x
	}
	p := &property{
		Name: b.Name, Label: b.Label, Type: b.Type, FieldType: b.FieldType, Group: b.GroupName, About: b.Description,
		Options: b.Options, Unique: b.HasUniqueValue, Hidden: b.Hidden, Created: s.now(),
	}
	t.schema[p.Name] = p
	if p.Unique {
		t.uniques = append(t.uniques, p.Name)
	}
	return p, nil
}

// show is a property as JSON (vendors/hubspot.md 5).
func (p *property) show() map[string]any {
	options := p.Options
	if options == nil {
		options = []option{}
	}
	made := stamp(p.Created.UnixMilli())
	return map[string]any{
		"name": p.Name, "label": p.Label, "type": p.Type, "fieldType": p.FieldType, "groupName": p.Group,
		"description": p.About, "options": options, "hasUniqueValue": p.Unique, "hidden": p.Hidden,
		"hubspotDefined": p.Standard, "calculated": false, "externalOptions": false, "formField": !p.ReadOnly,
		"displayOrder": -1, "archived": false, "createdAt": made, "updatedAt": made,
		"modificationMetadata": map[string]any{
			"archivable": !p.Standard, "readOnlyDefinition": p.Standard, "readOnlyValue": p.ReadOnly,
		},
	}
}

// propertyList gives the whole schema; it has no pages.
func (s *Sim) propertyList(q *request) reply {
	results := []map[string]any{}
	if !q.archived() {
		for _, name := range slices.Sorted(maps.Keys(q.table.schema)) {
			results = append(results, q.table.schema[name].show())
		}
	}
	return reply{http.StatusOK, map[string]any{"results": results}}
}

func (s *Sim) propertyGet(q *request) reply {
	p := q.table.schema[q.id]
	if p == nil {
		return refuse(notFound("Property %q does not exist", q.id))
	}
	return reply{http.StatusOK, p.show()}
}

func (s *Sim) propertyCreate(q *request) reply {
	var b propertyBody
	if x := q.decode(&b); x != nil {
		return refuse(x)
	}
	q.rows = 1
	p, x := s.define(q.table, b)
	if x != nil {
		return refuse(x)
	}
	return reply{http.StatusCreated, p.show()}
}

// propertyBatchCreate defines properties, each for itself.
func (s *Sim) propertyBatchCreate(q *request) reply {
	started := stamp(s.now().UnixMilli())
	var b struct {
		Inputs []propertyBody `json:"inputs"`
	}
	if x := q.decode(&b); x != nil {
		return refuse(x)
	}
	q.rows = len(b.Inputs)
	if q.rows == 0 || q.rows > batchMax {
		return refuse(invalid("A batch holds 1 to %d inputs, not %d", batchMax, q.rows))
	}
	var o outcome
	for _, in := range b.Inputs {
		p, x := s.define(q.table, in)
		if x != nil {
			s.failed(&o, x.with("name", in.Name), input{})
			continue
		}
		o.done(p.show(), "")
	}
	return s.conclude(q.table, &o, http.StatusCreated, started)
}

// propertyGroups gives the groups: the standard one.
func (s *Sim) propertyGroups(q *request) reply {
	return reply{http.StatusOK, map[string]any{"results": []map[string]any{{
		"name": q.table.kind.group, "label": title(q.table.kind.group), "displayOrder": 0, "archived": false,
	}}}}
}

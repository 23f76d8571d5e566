package hubspotsim

import (
	"slices"
	"strings"
	"time"
)

// Properties that HubSpot keeps itself (vendors/hubspot.md 3, 5 and 9).
const (
	propID         = "hs_object_id"
	propCreated    = "createdate"
	propSource     = "hs_object_source"
	propSourceID   = "hs_object_source_id"
	propMerged     = "hs_merged_object_ids"
	propEmail      = "email"
	propMoreEmails = "hs_additional_emails"
	propProduct    = "hs_product_id"
)

// Property types and field types (vendors/hubspot.md 5).
const (
	typeString   = "string"
	typeNumber   = "number"
	typeDate     = "date"
	typeDateTime = "datetime"
	typeEnum     = "enumeration"
	typeBool     = "bool"
	typePhone    = "phone_number"

	fieldCheckbox = "checkbox"
)

// kind is a type of object.
type kind struct {
	name, typeID, singular string
	label                  string // in messages: "Contact already exists"
	group                  string // the standard property group
	modified               string // name of the property that says when it was last changed
	schemaScope            string // scope stem of property calls
	shown                  []string
	standard               []property
	required               [][]string // on create: one of each
	mergeable, uniques     bool
}

// option is a choice of an enumeration.
type option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	Description  string `json:"description"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

// property is one property definition.
type property struct {
	Name      string
	Label     string
	Type      string
	FieldType string
	Group     string
	About     string
	Options   []option
	Unique    bool
	Hidden    bool
	ReadOnly  bool
	Standard  bool
	Created   time.Time
}

func (p *property) takes(value string) bool {
	return slices.ContainsFunc(p.Options, func(o option) bool { return o.Value == value })
}

// def makes a standard property; the field type follows from the type.
func def(kind string, names ...string) []property {
	field := map[string]string{
		typeString: "text", typeNumber: typeNumber, typeDate: typeDate, typeDateTime: typeDate,
		typeEnum: "select", typeBool: "booleancheckbox", typePhone: "phonenumber",
	}[kind]
	var list []property
	for _, n := range names {
		list = append(list, property{Name: n, Label: title(n), Type: kind, FieldType: field, Standard: true})
	}
	return list
}

func title(name string) string {
	name = strings.TrimPrefix(name, "hs_")
	return strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "_", " ")
}

func enum(name string, values ...string) []property {
	p := def(typeEnum, name)
	for i, v := range values {
		p[0].Options = append(p[0].Options, option{Label: title(v), Value: v, DisplayOrder: i})
	}
	return p
}

func kept(list []property) []property {
	for i := range list {
		list[i].ReadOnly = true
	}
	return list
}

// common are the properties that HubSpot keeps on every object.
func common(modified string) []property {
	return slices.Concat(
		kept(def(typeNumber, propID)),
		kept(def(typeDateTime, propCreated, modified)),
		kept(def(typeString, propSource, propSourceID, "hs_object_source_label", propMerged)),
	)
}

func lifecycle() []property {
	return enum("lifecyclestage", "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead",
		"opportunity", "customer", "evangelist", "other")
}

// kinds are the objects of the account (vendors/hubspot.md 1, 3 and 5). Every
// call gives fresh ones.
func kinds() []*kind {
	return []*kind{contactKind(), companyKind(), dealKind(), productKind(), lineItemKind()}
}

func contactKind() *kind {
	return &kind{
		name: "contacts", typeID: "0-1", singular: "contact", label: "Contact",
		group: "contactinformation", modified: "lastmodifieddate", schemaScope: "crm.schemas.contacts",
		shown:     []string{"email", "firstname", "lastname"},
		mergeable: true, uniques: true,
		standard: slices.Concat(common("lastmodifieddate"), lifecycle(),
			def(typeString, propEmail, "firstname", "lastname", "phone", "mobilephone", "company", "jobtitle",
				"website", "address", "city", "zip", "country", "state", "salutation", propMoreEmails),
			def(typeNumber, "associatedcompanyid")),
	}
}

func companyKind() *kind {
	return &kind{
		name: "companies", typeID: "0-2", singular: "company", label: "Company",
		group: "companyinformation", modified: "hs_lastmodifieddate", schemaScope: "crm.schemas.companies",
		shown:    []string{"name", "domain"},
		required: [][]string{{"name", "domain"}}, mergeable: true, uniques: true,
		standard: slices.Concat(common("hs_lastmodifieddate"), lifecycle(),
			def(typeString, "name", "domain", "website", "phone", "address", "address2", "city", "zip", "country",
				"state", "description"),
			def(typeNumber, "annualrevenue", "numberofemployees")),
	}
}

func dealKind() *kind {
	return &kind{
		name: "deals", typeID: "0-3", singular: "deal", label: "Deal",
		group: "dealinformation", modified: "hs_lastmodifieddate", schemaScope: "crm.schemas.deals",
		shown:    []string{"dealname", "amount", "closedate", "dealstage", "pipeline"},
		required: [][]string{{"dealname"}, {"dealstage"}}, mergeable: true, uniques: true,
		standard: slices.Concat(common("hs_lastmodifieddate"),
			def(typeString, "dealname", "description"), def(typeNumber, "amount"), def(typeDateTime, "closedate"),
			enum("pipeline", "default"),
			enum("dealstage", "appointmentscheduled", "qualifiedtobuy", "presentationscheduled",
				"decisionmakerboughtin", "contractsent", "closedwon", "closedlost")),
	}
}

func productKind() *kind {
	return &kind{
		name: "products", typeID: "0-7", singular: "product", label: "Product",
		group: "productinformation", modified: "hs_lastmodifieddate", schemaScope: "e-commerce",
		shown: []string{"name", "price", "description"}, required: [][]string{{"name"}},
		standard: slices.Concat(common("hs_lastmodifieddate"),
			def(typeString, "name", "description", "hs_sku", "hs_url"), def(typeNumber, "price", "hs_cost_of_goods_sold", "tax")),
	}
}

func lineItemKind() *kind {
	return &kind{
		name: "line_items", typeID: "0-8", singular: "line_item", label: "Line item",
		group: "lineiteminformation", modified: "hs_lastmodifieddate", schemaScope: "e-commerce",
		shown: []string{"name", "price", "quantity", "amount"},
		standard: slices.Concat(common("hs_lastmodifieddate"),
			def(typeString, "name", "description", "hs_sku"),
			def(typeNumber, "price", "quantity", "amount", "discount", propProduct)),
	}
}

// scope is what an operation on an object needs (vendors/hubspot.md 2).
func (k *kind) scope(op string, write bool) string {
	if op == opProperties {
		if k.schemaScope == "e-commerce" {
			return k.schemaScope
		}
		if write {
			return k.schemaScope + ".write"
		}
		return k.schemaScope + ".read"
	}
	if write {
		return "crm.objects." + k.name + ".write"
	}
	return "crm.objects." + k.name + ".read"
}

package odoo

import (
	"context"
	"encoding/json"
	"slices"

	"syncd/connectors"
)

// Fields that nearly every model has (vendors/odoo.md 6).
const (
	fieldID      = "id"
	fieldWritten = "write_date"
	fieldWriter  = "write_uid"
	fieldCreated = "create_date"
	fieldActive  = "active"
)

// field is one field of a model as fields_get tells it.
type field struct {
	name     string
	label    string
	kind     string
	target   string
	options  []string
	readonly bool
}

// schema is the fields of a model by name.
type schema map[string]field

// kinds maps Odoo's field types to the contract's; what is not here is other.
var kinds = map[string]connectors.FieldType{
	typeChar: connectors.TypeText, typeText: connectors.TypeText, typeHTML: connectors.TypeText,
	typeBoolean: connectors.TypeBool,
	typeInteger: connectors.TypeNumber, typeFloat: connectors.TypeNumber, typeMonetary: connectors.TypeNumber,
	typeDate: connectors.TypeDate, typeDatetime: connectors.TypeTime,
	typeSelection: connectors.TypeEnum, typeMany2one: connectors.TypeReference,
	typeMany2many: connectors.TypeOther, // ids with commas between them
}

// writable tells whether values of the field's type can be written.
func (f field) writable() bool {
	_, ok := kinds[f.kind]
	return ok
}

// public gives the field as the contract has it.
func (f field) public() connectors.Field {
	kind, ok := kinds[f.kind]
	if !ok {
		kind = connectors.TypeOther
	}
	out := connectors.Field{Type: kind, Label: f.label, ReadOnly: f.readonly || !f.writable()}
	switch kind {
	case connectors.TypeEnum:
		out.Options = f.options
	case connectors.TypeReference:
		out.Target = f.target
	}
	return out
}

// basics gives the fields that make a record's version and times, as far as
// the model has them.
func (s schema) basics() []string {
	out := []string{fieldID}
	for _, f := range []string{fieldWritten, fieldWriter, fieldCreated, fieldActive} {
		if _, ok := s[f]; ok {
			out = append(out, f)
		}
	}
	return out
}

// wanted gives the fields to ask for: the basics and what the caller named. A
// token field that does not exist (yet) is left out: the external id has it.
func (c *Client) wanted(s schema, fields []string) []string {
	out := s.basics()
	for _, f := range fields {
		if _, ok := s[f]; !ok && f == c.c.TokenField {
			continue
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// schemaOf gives a model's schema, asking for it the first time.
func (c *Client) schemaOf(ctx context.Context, model string) (schema, *trouble) {
	c.mu.Lock()
	s, ok := c.schemas[model]
	c.mu.Unlock()
	if ok {
		return s, nil
	}
	return c.describe(ctx, model)
}

// forget drops what is known of a model's schema.
func (c *Client) forget(model string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.schemas, model)
}

// described is one field in the answer of fields_get. Selection and relation
// are absent or of another type where they do not apply.
type described struct {
	Label     string          `json:"string"`
	Kind      string          `json:"type"`
	ReadOnly  bool            `json:"readonly"`
	Relation  json.RawMessage `json:"relation"`
	Selection json.RawMessage `json:"selection"`
}

// describe asks for the fields of a model (vendors/odoo.md 4).
func (c *Client) describe(ctx context.Context, model string) (schema, *trouble) {
	var fields map[string]described
	m := method{model: model, name: "fields_get", opts: map[string]any{
		"attributes": []string{"string", "type", "required", "readonly", "selection", "relation", "store"},
	}}
	if t := c.into(ctx, m, &fields); t != nil {
		return nil, t
	}
	s := make(schema, len(fields))
	for name, d := range fields {
		f := field{name: name, label: d.Label, kind: d.Kind, readonly: d.ReadOnly}
		switch d.Kind {
		case typeMany2one:
			_ = json.Unmarshal(d.Relation, &f.target) // false where Odoo has none
		case typeSelection:
			f.options = keys(d.Selection)
		}
		s[name] = f
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.schemas[model] = s
	return s, nil
}

// keys gives the values of a selection that reads [["contact", "Contact"], …].
func keys(raw json.RawMessage) []string {
	var pairs [][]any
	if decode(raw, &pairs) != nil {
		return nil
	}
	var out []string
	for _, p := range pairs {
		if len(p) > 0 {
			out = append(out, toText(typeSelection, p[0]))
		}
	}
	return out
}

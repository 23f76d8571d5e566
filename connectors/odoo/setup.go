package odoo

import (
	"context"
	"fmt"

	"syncd/connectors"
)

// Setup makes the custom fields that are missing: char, indexed, and not
// copied when a person duplicates a record (vendors/odoo.md 8). Odoo cannot
// keep a custom field unique; the external id does that for the token.
func (c *Client) Setup(ctx context.Context, fields []connectors.CustomField) error {
	for _, f := range fields {
		if err := c.setup(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// setup makes one field unless it is there. Whether it is there anybody may
// see; only making it needs an administrator's right.
func (c *Client) setup(ctx context.Context, f connectors.CustomField) error {
	op := "set up field " + f.Name
	if there, err := c.fits(ctx, op, f); there || err != nil {
		return err
	}
	if !customName.MatchString(f.Name) {
		return c.atField(op, f, &trouble{kind: connectors.KindConfig, code: "field_name",
			said: "a custom field's name begins with x_ and has lower-case letters, digits and _ only"})
	}
	var models []struct {
		ID int64 `json:"id"`
	}
	t := c.into(ctx, searchRead("ir.model", []any{[]any{"model", "=", f.Object}}, []string{"model"}, "id asc", 1), &models)
	if t == nil && len(models) == 0 {
		t = &trouble{kind: connectors.KindConfig, noModel: true, said: "there is no such model"}
	}
	if t != nil {
		return c.atField(op, f, byHand(t, f))
	}
	label := f.Label
	if label == "" {
		label = f.Name
	}
	_, t = c.call(ctx, method{model: "ir.model.fields", name: "create", write: true, args: []named{{"vals_list", []any{
		map[string]any{
			"name": f.Name, "model_id": models[0].ID, "ttype": typeChar, "field_description": label,
			"index": true, "copied": false, "state": "manual",
		},
	}}}})
	c.forget(f.Object)
	if t != nil && t.kind == connectors.KindInvalid { // perhaps somebody made it at the same time
		if there, err := c.fits(ctx, op, f); there || err != nil {
			return err
		}
	}
	if t != nil {
		return c.atField(op, f, byHand(t, f))
	}
	return nil
}

// fits tells whether the field is there, with an error if it is another one.
func (c *Client) fits(ctx context.Context, op string, f connectors.CustomField) (bool, error) {
	s, t := c.describe(ctx, f.Object)
	if t != nil {
		return false, c.atField(op, f, t)
	}
	have, ok := s[f.Name]
	if ok && (have.kind != typeChar || have.readonly) {
		return true, c.atField(op, f, &trouble{kind: connectors.KindConfig, code: "field_type", said: fmt.Sprintf(
			"the field %s of %s is %s; it must be a char field that can be written: rename it in Odoo, or name another one here",
			f.Name, f.Object, have.kind)})
	}
	return ok, nil
}

// atField gives an error that names the field.
func (c *Client) atField(op string, f connectors.CustomField, t *trouble) error {
	err := c.ours(op, f.Object, t)
	err.Field = f.Name
	return err
}

// byHand adds to a missing right what an administrator can do instead.
func byHand(t *trouble, f connectors.CustomField) *trouble {
	if t.kind != connectors.KindForbidden {
		return t
	}
	out := *t
	out.said = fmt.Sprintf("our user lacks the right Administration/Access Rights. Give it for the time of the setup, or make the field by hand: "+
		"model %s, name %s, type char, indexed, not copied", f.Object, f.Name)
	return &out
}

package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"syncd/connectors"
)

// newProperty is the body that makes a property (section 5).
type newProperty struct {
	GroupName      string `json:"groupName"`
	Name           string `json:"name"`
	Label          string `json:"label"`
	Type           string `json:"type"`
	FieldType      string `json:"fieldType"`
	HasUniqueValue bool   `json:"hasUniqueValue"`
	Hidden         bool   `json:"hidden"`
}

// Setup makes the properties that are missing and checks the others; it never
// changes one (section 5). Uniqueness can be set only when a property is made.
func (c *Client) Setup(ctx context.Context, fields []connectors.CustomField) error {
	have := map[string]map[string]property{}
	for _, f := range fields {
		if !namePattern.MatchString(f.Name) {
			return c.misfit(f, "is no property name: use letters, digits and _")
		}
		if have[f.Object] == nil {
			props, e := c.properties(ctx, f.Object)
			if e != nil {
				return e
			}
			have[f.Object] = props
		}
		p, ok := have[f.Object][f.Name]
		if !ok {
			made, e := c.makeProperty(ctx, f)
			if e != nil {
				return e
			}
			p = made
			have[f.Object][f.Name] = p
		}
		if e := c.check(f, p); e != nil {
			return e
		}
		c.learn(f.Object, p)
	}
	return nil
}

// makeProperty makes a property. It may be there after all: another process
// was faster, or it was archived, in which case the vendor brings the old one
// back with its old type.
func (c *Client) makeProperty(ctx context.Context, f connectors.CustomField) (property, *connectors.Error) {
	group, e := c.group(ctx, f.Object)
	if e != nil {
		return property{}, e
	}
	label := f.Label
	if label == "" {
		label = f.Name
	}
	k := call{
		op: "create property of", object: f.Object, method: http.MethodPost, path: c.propertiesPath(f.Object),
		body: newProperty{
			GroupName: group, Name: f.Name, Label: label, Type: "string", FieldType: "text",
			HasUniqueValue: f.Unique && takesUnique(f.Object),
		},
	}
	res, e := c.send(ctx, k)
	if e != nil {
		return property{}, e
	}
	if ok := res.Status >= 200 && res.Status <= 299; !ok && res.Status != http.StatusConflict {
		e := c.refused(k, res)
		if e.Field = f.Name; e.Kind == connectors.KindInvalid {
			e.Kind = connectors.KindConfig // no record's data is at fault: the account does not take the property
		}
		return property{}, e
	}
	// What is there now is read, whatever the answer was.
	k = call{op: "read property of", object: f.Object, method: http.MethodGet, path: c.propertiesPath(f.Object, f.Name)}
	var p property
	if e := c.get(ctx, k, &p); e != nil {
		e.Field = f.Name
		return property{}, e
	}
	return p, nil
}

// group is the property group for a new property: the object's usual one if
// the account has it, else the first.
func (c *Client) group(ctx context.Context, object string) (string, *connectors.Error) {
	usual := plural(object) + "information"
	for _, n := range objectNames {
		if n.plural == plural(object) {
			usual = n.group
		}
	}
	k := call{op: "read property groups of", object: object, method: http.MethodGet, path: c.propertiesPath(object, "groups")}
	var answer struct {
		Results []struct {
			Name     text `json:"name"`
			Archived bool `json:"archived"`
		} `json:"results"`
	}
	e := c.get(ctx, k, &answer)
	switch {
	case e != nil && (e.Code == catNotFound || e.Code == "HTTP 404"):
		return usual, nil
	case e != nil:
		return "", e
	}
	var names []string
	for _, g := range answer.Results {
		if !g.Archived && g.Name != "" {
			names = append(names, string(g.Name))
		}
	}
	if len(names) == 0 || slices.Contains(names, usual) {
		return usual, nil
	}
	return names[0], nil
}

// check says whether a property serves as the field that syncd wants.
func (c *Client) check(f connectors.CustomField, p property) error {
	switch {
	case string(p.Name) != f.Name:
		return c.misfit(f, "was answered under another name: choose another name for it")
	case p.Type != "string" || (p.FieldType != "" && p.FieldType != "text" && p.FieldType != "textarea"):
		return c.misfit(f, fmt.Sprintf("has the type %s/%s and must be string/text: choose another name for it, "+
			"or delete that property", p.Type, p.FieldType))
	case p.Calculated || p.Modification.ReadOnlyValue:
		return c.misfit(f, "is read-only or calculated: choose another name for it")
	case f.Unique && takesUnique(f.Object) && !p.HasUniqueValue:
		return c.misfit(f, "exists without unique values, which HubSpot sets only when a property is made: "+
			"choose another name for it, or delete that property for good and let syncd make it")
	}
	return nil
}

// misfit is the error of a property that does not serve.
func (c *Client) misfit(f connectors.CustomField, why string) error {
	e := c.fault(call{op: "set up", object: f.Object}, connectors.KindConfig,
		fmt.Sprintf("system %s: property %.60q of %s %s", c.cfg.System, f.Name, f.Object, why))
	e.Field = f.Name
	return e
}

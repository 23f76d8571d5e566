package hubspot

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
)

// property is one property of an object as the vendor describes it (section 5).
type property struct {
	Name           text `json:"name"`
	Label          text `json:"label"`
	Type           text `json:"type"`
	FieldType      text `json:"fieldType"`
	GroupName      text `json:"groupName"`
	HasUniqueValue bool `json:"hasUniqueValue"`
	Calculated     bool `json:"calculated"`
	Archived       bool `json:"archived"`
	Referenced     text `json:"referencedObjectType"`
	Options        []struct {
		Value text `json:"value"`
	} `json:"options"`
	Modification struct {
		ReadOnlyValue bool `json:"readOnlyValue"`
	} `json:"modificationMetadata"`
}

// fieldTypes maps the vendor's types to ours.
var fieldTypes = map[string]connectors.FieldType{
	"bool":         connectors.TypeBool,
	"date":         connectors.TypeDate,
	"datetime":     connectors.TypeTime,
	"enumeration":  connectors.TypeEnum,
	"number":       connectors.TypeNumber,
	"phone_number": connectors.TypeText,
	"string":       connectors.TypeText,
}

// field gives a property in the contract's words.
func (p property) field() connectors.Field {
	f := connectors.Field{
		Type:     connectors.TypeOther,
		Label:    string(p.Label),
		ReadOnly: p.Calculated || p.Modification.ReadOnlyValue,
		Unique:   p.HasUniqueValue,
	}
	if t, ok := fieldTypes[string(p.Type)]; ok {
		f.Type = t
	}
	if p.Referenced != "" {
		f.Type, f.Target = connectors.TypeReference, strings.ToLower(string(p.Referenced))
		return f
	}
	for _, o := range p.Options {
		f.Options = append(f.Options, string(o.Value))
	}
	return f
}

// account is the answer of the account details (section 2).
type account struct {
	PortalID text `json:"portalId"`
	TimeZone text `json:"timeZone"`
}

// Probe reads the account and the properties of the objects (sections 2 and
// 5). An account other than the configured one is refused (SECURITY S24).
func (c *Client) Probe(ctx context.Context, objects []string) (connectors.System, error) {
	k := call{op: "read account details", method: http.MethodGet, path: accountPath}
	var a account
	if e := c.get(ctx, k, &a); e != nil {
		return connectors.System{}, e
	}
	if !idPattern.MatchString(string(a.PortalID)) {
		return connectors.System{}, c.broken(k, http.StatusOK)
	}
	if c.cfg.PortalID != "" && c.cfg.PortalID != string(a.PortalID) {
		return connectors.System{}, c.fault(k, connectors.KindConfig, fmt.Sprintf(
			"the token belongs to account %s, but portal_id is %s: take a token of that account or correct portal_id",
			a.PortalID, c.cfg.PortalID))
	}
	sys := connectors.System{
		Tenant: string(a.PortalID), Version: c.cfg.APIVersion, Actor: c.cfg.AppID,
		Objects: map[string]connectors.Object{},
	}
	if zone, err := time.LoadLocation(string(a.TimeZone)); err == nil && a.TimeZone != "" {
		sys.Location = zone
	}
	c.mu.Lock()
	c.zone = sys.Location
	c.mu.Unlock()
	for _, object := range objects {
		props, e := c.properties(ctx, object)
		if e != nil {
			if noSuchObject(e) {
				continue
			}
			return connectors.System{}, e
		}
		c.mu.Lock()
		c.schema[object] = props
		c.mu.Unlock()
		sys.Objects[object] = c.describe(object, props)
		point(sys.Objects[object], object, objects)
	}
	return sys, nil
}

// noSuchObject says that the properties call failed because the object does
// not exist: a 404, or a 400 that cannot tell what object is meant.
func noSuchObject(e *connectors.Error) bool {
	return e.Code == catNotFound || e.Code == "HTTP 404" ||
		strings.Contains(e.Said, "infer object type")
}

// properties reads the schema of an object.
func (c *Client) properties(ctx context.Context, object string) (map[string]property, *connectors.Error) {
	var answer struct {
		Results []property `json:"results"`
	}
	k := call{op: "read properties of", object: object, method: http.MethodGet, path: c.propertiesPath(object)}
	if e := c.get(ctx, k, &answer); e != nil {
		return nil, e
	}
	props := make(map[string]property, len(answer.Results))
	for _, p := range answer.Results {
		if namePattern.MatchString(string(p.Name)) && !p.Archived {
			props[string(p.Name)] = p
		}
	}
	return props, nil
}

// describe gives the capabilities of an object. Without the token property
// nothing tells a create of ours from another's: the class is blind until
// Setup has made it.
func (c *Client) describe(object string, props map[string]property) connectors.Object {
	o := connectors.Object{
		Fields:        make(map[string]connectors.Field, len(props)),
		CreateClass:   connectors.ClassBlind,
		Settle:        settle,
		IndexLag:      indexLag,
		ReadBatch:     batchSize,
		WriteBatch:    batchSize,
		AnswersRecord: true,
		MarksOwn:      c.cfg.AppID != "",
		Overlap:       overlap,
		Removes:       []connectors.Op{connectors.Archive},
		ListsBin:      true,
	}
	for name, p := range props {
		o.Fields[name] = p.field()
	}
	token, ok := props[c.cfg.TokenField]
	if !ok {
		return o
	}
	o.TokenField, o.TokenVisible = c.cfg.TokenField, true
	switch {
	case plural(object) == "line_items":
	case token.HasUniqueValue && takesUnique(object):
		o.CreateClass = connectors.ClassUnique
	default:
		o.CreateClass = connectors.ClassSearch
	}
	return o
}

// point describes the fields of an object that are kept as associations. Their
// targets have the names that the caller uses.
func point(o connectors.Object, object string, named []string) {
	for f, p := range pointersOf(object) {
		field := connectors.Field{Type: connectors.TypeReference, Label: "Primary company", Target: p.target}
		for _, name := range named {
			if plural(name) == p.target {
				field.Target = name
			}
		}
		o.Fields[f] = field
	}
}

// known gives the properties of an object from the last Probe, nil before it.
// The map is never changed after it was stored.
func (c *Client) known(object string) map[string]property {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.schema[object]
}

// learn adds properties that Setup made to what is known.
func (c *Client) learn(object string, p property) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.schema[object] == nil {
		return
	}
	props := maps.Clone(c.schema[object])
	props[string(p.Name)] = p
	c.schema[object] = props
}

// ask is the names to ask the vendor for: the fields that exist, and what
// every record needs. One unknown name can fail a whole read (trap R2).
func (c *Client) ask(object string, fields []string, always ...string) []string {
	props := c.known(object)
	names := slices.Clone(fields)
	for _, name := range append(always, modifiedField(object), mergedField) {
		if _, ok := props[name]; ok || (props == nil && name != mergedField) {
			names = append(names, name)
		}
	}
	if props != nil {
		names = slices.DeleteFunc(names, func(n string) bool { _, ok := props[n]; return !ok })
	}
	slices.Sort(names)
	return slices.Compact(names)
}

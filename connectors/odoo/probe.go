package odoo

import (
	"context"
	"time"

	"syncd/connectors"
)

// Probe asks version, user and schemas. A model that the database does not
// have is left out. The protocol is found anew: an upgrade may have come.
func (c *Client) Probe(ctx context.Context, objects []string) (connectors.System, error) {
	const op = "probe"
	s, t := c.ask(ctx)
	if t != nil {
		return connectors.System{}, c.ours(op, "", t)
	}
	c.forgetUser()
	uid, t := c.whoami(ctx)
	if t != nil {
		return connectors.System{}, c.ours(op, "", t)
	}
	tenant, t := c.tenant(ctx)
	if t != nil {
		return connectors.System{}, c.ours(op, "", t)
	}
	out := connectors.System{
		Tenant: tenant, Version: s.version, Location: time.UTC, Actor: idText(uid),
		Objects: map[string]connectors.Object{},
	}
	for _, model := range objects {
		fields, t := c.describe(ctx, model)
		switch {
		case t != nil && t.noModel:
			c.forget(model)
		case t != nil:
			return connectors.System{}, c.ours(op, model, t)
		default:
			out.Objects[model] = c.object(fields)
		}
	}
	return out, nil
}

// tenant gives the database's name with its uuid, or with the host where our
// user may not read the uuid.
func (c *Client) tenant(ctx context.Context) (string, *trouble) {
	var uuid any
	t := c.into(ctx, method{model: "ir.config_parameter", name: "get_param", args: []named{{"key", "database.uuid"}}}, &uuid)
	if id, ok := uuid.(string); t == nil && ok && id != "" {
		return c.c.Database + "/" + id, nil
	}
	// Only an answer of Odoo's own says that the uuid is not for us: were a
	// time-out taken for one, the tenant would seem to change (SECURITY S24).
	if t != nil && t.stops() && t.code != "odoo.exceptions.AccessError" {
		return "", t
	}
	return c.base.Host + "/" + c.c.Database, nil
}

// object says what syncd can count on (vendors/README.md 3, 4).
func (c *Client) object(s schema) connectors.Object {
	o := connectors.Object{
		Fields:      make(map[string]connectors.Field, len(s)),
		CreateClass: connectors.ClassUnique,
		ReadBatch:   readBatch, WriteBatch: writeBatch,
		RereadDelay: rereadDelay, Overlap: sweepOverlap,
		TokenField: c.c.TokenField,
	}
	for name, f := range s {
		o.Fields[name] = f.public()
	}
	o.TracesOwnOnly = true // by the external id that load() gave (vendors/odoo.md 10)
	o.Removes = []connectors.Op{connectors.Delete}
	if s.archives() {
		o.Removes = []connectors.Op{connectors.Archive, connectors.Delete, connectors.Restore}
	}
	o.KnowsActor = true // write_uid is the last writer, and the bot user is ours alone
	_, o.TokenVisible = s[c.c.TokenField]
	return o
}

package odoo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"syncd/connectors"
)

// A look-up is read in pages and ends at a number that no key should reach.
const (
	findPage = 1000
	findMost = 5000
)

// externalIDs is the model that holds external ids (vendors/odoo.md 7).
const externalIDs = "ir.model.data"

// Find looks records up by the value of a field, archived ones included; e-mail
// addresses whatever their case.
// By the token field it looks for external ids first; each record found so
// carries the token that was asked for, also where a merge made it point to a
// record with a token of its own (vendors/odoo.md 7, 10).
func (c *Client) Find(ctx context.Context, object string, by connectors.Lookup, fields []string) ([]connectors.Record, error) {
	op := "find by " + by.Field
	values := slices.DeleteFunc(slices.Clone(by.Values), func(v string) bool { return v == "" })
	if len(values) == 0 {
		return nil, nil
	}
	var out []connectors.Record
	var t *trouble
	if by.Field == c.c.TokenField {
		out, t = c.findTokens(ctx, object, values, fields)
	} else {
		out, t = c.findField(ctx, object, by.Field, values, fields)
	}
	if t != nil {
		return nil, c.ours(op, object, t)
	}
	return out, nil
}

// findField finds records by the values of one field.
func (c *Client) findField(ctx context.Context, object, name string, values, fields []string) ([]connectors.Record, *trouble) {
	if _, t := c.whoami(ctx); t != nil {
		return nil, t
	}
	s, t := c.schemaOf(ctx, object)
	if t != nil {
		return nil, t
	}
	terms := lookup(s, name, values)
	if len(terms) == 0 {
		return nil, nil
	}
	var out []connectors.Record
	for after := int64(0); ; {
		domain := append(slices.Clone(terms), []any{fieldID, ">", after})
		rows, t := c.rows(ctx, searchRead(object, domain, c.wanted(s, fields), "id asc", findPage))
		if t != nil {
			return nil, t
		}
		last := after
		for _, r := range rows {
			if id := r.id(); id > last {
				out, last = append(out, c.record(s, r, fields)), id
			}
		}
		if len(rows) < findPage || last == after {
			return out, nil
		}
		if after = last; len(out) >= findMost {
			return nil, &trouble{kind: connectors.KindConfig, field: name, code: "too_many",
				said: fmt.Sprintf("more than %d records hold the values looked for: the field is no key", findMost)}
		}
	}
}

// lookup gives the terms of a domain that finds the holders of values, none if
// no record can hold any. E-mail addresses are found however they are spelt, for
// people type capitals: by the normalised copy that Odoo's mail module keeps and
// indexes, else by a comparison that ignores case. The caller compares again.
func lookup(s schema, name string, values []string) []any {
	keys := domainValues(s, name, values)
	if len(keys) == 0 {
		return nil
	}
	exact := []any{name, "in", keys}
	if !isEmail(s, name) {
		return []any{exact}
	}
	lower := make([]string, len(values))
	for i, v := range values {
		lower[i] = strings.ToLower(v)
	}
	if _, kept := s[name+normalized]; kept {
		return []any{"|", exact, []any{name + normalized, "in", lower}}
	}
	var terms []any
	for range len(values) - 1 {
		terms = append(terms, "|")
	}
	for _, v := range lower {
		terms = append(terms, []any{name, "=ilike", likeEscape.Replace(v)})
	}
	return terms
}

// normalized ends the name of the copy of an address that Odoo keeps.
const normalized = "_normalized"

// likeEscape takes the wildcards of =ilike for themselves (vendors/odoo.md 4).
var likeEscape = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func isEmail(s schema, name string) bool {
	return strings.HasPrefix(name, "email") && s[name].kind == typeChar
}

// domainValues gives the values of a look-up as the field's type has them; one
// that the type cannot hold is held by no record.
func domainValues(s schema, name string, values []string) []any {
	f, ok := s[name]
	if !ok || name == fieldID {
		f = field{name: name, kind: typeChar}
	}
	var out []any
	for _, v := range values {
		if name == fieldID {
			if id, ok := parseID(v); ok {
				out = append(out, id)
			}
			continue
		}
		if x, err := toWire(f, v); err == nil {
			out = append(out, x)
		}
	}
	return out
}

// findTokens finds records by syncd's token: by external id, and what that
// does not know by the token field.
func (c *Client) findTokens(ctx context.Context, object string, tokens, fields []string) ([]connectors.Record, *trouble) {
	known, blind := c.tokens(ctx, object, tokens)
	if blind != nil && blind.kind != connectors.KindForbidden {
		return nil, blind
	}
	var out []connectors.Record
	rest := tokens
	if len(known) > 0 {
		ids := slices.Compact(slices.Sorted(maps.Values(known)))
		found, _, t := c.look(ctx, object, ids, fields)
		if t != nil {
			return nil, t
		}
		rest = nil
		for _, token := range tokens {
			r, ok := found[known[token]]
			if !ok {
				rest = append(rest, token)
				continue
			}
			r.Values = maps.Clone(r.Values)
			r.Values[c.c.TokenField] = token
			out = append(out, r)
		}
	}
	s, t := c.schemaOf(ctx, object)
	if t != nil {
		return nil, t
	}
	if _, ok := s[c.c.TokenField]; !ok || len(rest) == 0 {
		if blind != nil {
			return nil, blind // nothing was looked at: that must not read as "absent"
		}
		return out, nil
	}
	if !slices.Contains(fields, c.c.TokenField) {
		fields = append(slices.Clone(fields), c.c.TokenField)
	}
	more, t := c.findField(ctx, object, c.c.TokenField, rest, fields)
	return append(out, more...), t
}

// tokens gives the record of each token that has an external id. Our user may
// lack the right to read them: KindForbidden.
func (c *Client) tokens(ctx context.Context, object string, tokens []string) (map[string]int64, *trouble) {
	domain := []any{
		[]any{"module", "=", c.c.Module}, []any{"name", "in", tokens}, []any{"model", "=", object},
	}
	var rows []struct {
		Name string `json:"name"`
		ID   int64  `json:"res_id"`
	}
	m := searchRead(externalIDs, domain, []string{"name", "res_id"}, "id asc", len(tokens))
	if t := c.into(ctx, m, &rows); t != nil {
		return nil, t
	}
	out := map[string]int64{}
	for _, r := range rows {
		if r.ID > 0 && slices.Contains(tokens, r.Name) {
			out[r.Name] = r.ID
		}
	}
	return out, nil
}

package odoo

import (
	"context"
	"slices"

	"syncd/connectors"
)

// Locate finds out what became of a record. A merge deletes the loser and lets
// its external id point to the winner, so the external id is asked before a
// delete is believed; that needs a token (vendors/odoo.md 10).
func (c *Client) Locate(ctx context.Context, object, id, token string) (connectors.Location, error) {
	const op = "locate"
	seen, err := c.Read(ctx, object, []string{id}, nil)
	if err != nil {
		if connectors.KindOf(err) == connectors.KindForbidden {
			return connectors.Location{Place: connectors.PlaceDenied}, nil
		}
		return connectors.Location{Place: connectors.PlaceUnknown}, err
	}
	switch seen[0].Sight {
	case connectors.SightFound:
		return connectors.Location{Place: connectors.PlaceHere}, nil
	case connectors.SightArchived:
		return connectors.Location{Place: connectors.PlaceArchived}, nil
	case connectors.SightDenied:
		return connectors.Location{Place: connectors.PlaceDenied}, nil
	}
	number, ok := parseID(id)
	if !ok || token == "" {
		// Without a token a merge looks like a delete: nothing is proved.
		return connectors.Location{Place: connectors.PlaceUnknown}, nil
	}
	at, t := c.trace(ctx, object, number, token)
	if t != nil {
		return connectors.Location{Place: connectors.PlaceUnknown}, c.ours(op, object, t)
	}
	return at, nil
}

// trace follows the token of a record that can no longer be read.
func (c *Client) trace(ctx context.Context, object string, id int64, token string) (connectors.Location, *trouble) {
	unknown := connectors.Location{Place: connectors.PlaceUnknown}
	known, t := c.tokens(ctx, object, []string{token})
	blind := t != nil && t.kind == connectors.KindForbidden
	if t != nil && !blind {
		return unknown, t
	}
	if other, ok := known[token]; ok && other != id {
		return connectors.Location{Place: connectors.PlaceMerged, ID: idText(other)}, nil
	}
	s, t := c.schemaOf(ctx, object)
	if t != nil {
		return unknown, t
	}
	if _, ok := s[c.c.TokenField]; ok {
		found, t := c.findField(ctx, object, c.c.TokenField, []string{token}, nil)
		if t != nil {
			return unknown, t
		}
		for _, r := range found {
			if r.ID != idText(id) {
				return connectors.Location{Place: connectors.PlaceMerged, ID: r.ID}, nil
			}
		}
	}
	if blind {
		return unknown, nil // a merge cannot be ruled out
	}
	return c.deleted(ctx, object, id)
}

// deleted proves a delete: the record is not in the table, and another one is
// readable with the same credential (CORRECTNESS F37).
func (c *Client) deleted(ctx context.Context, object string, id int64) (connectors.Location, *trouble) {
	unknown := connectors.Location{Place: connectors.PlaceUnknown}
	have, t := c.exist(ctx, object, []int64{id})
	if t != nil {
		return unknown, t
	}
	if slices.Contains(have, id) {
		return connectors.Location{Place: connectors.PlaceDenied}, nil
	}
	others, t := c.search(ctx, object, []any{[]any{fieldID, "!=", id}}, 1)
	if t != nil {
		return unknown, t
	}
	if len(others) == 0 {
		return unknown, nil
	}
	canary, t := c.fetch(ctx, object, others, nil)
	if t != nil || len(canary) == 0 {
		return unknown, t
	}
	return connectors.Location{Place: connectors.PlaceDeleted}, nil
}

package hubspot

import (
	"context"
	"slices"

	"syncd/connectors"
)

// Locate finds out what became of a record: by its id, in the bin, and by
// syncd's token (section 9). A 404 is no proof that a record was deleted: an
// account may hide it, and a path may be wrong. So PlaceDeleted is never said.
func (c *Client) Locate(ctx context.Context, object, id, token string) (connectors.Location, error) {
	if !idPattern.MatchString(id) {
		return connectors.Location{Place: connectors.PlaceUnknown}, nil
	}
	ask := c.ask(object, nil)
	for _, archived := range []bool{false, true} {
		o, e := c.getOne(ctx, object, id, ask, archived)
		switch {
		case e != nil && e.Kind == connectors.KindForbidden:
			return connectors.Location{Place: connectors.PlaceDenied}, nil
		case e != nil:
			return connectors.Location{}, e
		case o == nil:
		case string(o.ID) != id:
			return connectors.Location{Place: connectors.PlaceMerged, ID: string(o.ID)}, nil
		case o.Archived:
			return connectors.Location{Place: connectors.PlaceArchived}, nil
		default:
			return connectors.Location{Place: connectors.PlaceHere}, nil
		}
	}
	return c.locateByToken(ctx, object, id, token)
}

// locateByToken looks for the record under another id.
func (c *Client) locateByToken(ctx context.Context, object, id, token string) (connectors.Location, error) {
	if _, known := c.known(object)[c.cfg.TokenField]; token == "" || !known {
		return connectors.Location{Place: connectors.PlaceUnknown}, nil
	}
	by := connectors.Lookup{Field: c.cfg.TokenField, Values: []string{token}}
	found, err := c.Find(ctx, object, by, nil)
	if err != nil {
		return connectors.Location{}, err
	}
	found = slices.DeleteFunc(found, func(r connectors.Record) bool {
		return r.Archived || r.Values[c.cfg.TokenField] != token
	})
	if len(found) != 1 {
		return connectors.Location{Place: connectors.PlaceUnknown}, nil // nobody, or clones
	}
	switch r := found[0]; {
	case r.ID == id:
		return connectors.Location{Place: connectors.PlaceHere}, nil
	case slices.Contains(r.Merged, id):
		return connectors.Location{Place: connectors.PlaceMerged, ID: r.ID}, nil
	default:
		return connectors.Location{Place: connectors.PlaceRenamed, ID: r.ID}, nil
	}
}

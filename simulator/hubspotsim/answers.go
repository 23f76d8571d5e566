package hubspotsim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// texts reads property values as sent. HubSpot wants text; plain numbers and
// booleans are taken as their text, null says nothing (the way to empty a
// property is "", vendors/hubspot.md 3).
func texts(raw map[string]json.RawMessage) (map[string]string, *trouble) {
	m := make(map[string]string, len(raw))
	for name, text := range raw {
		switch text[0] {
		case 'n':
		case '"':
			var v string
			if err := json.Unmarshal(text, &v); err != nil {
				return nil, invalid("Invalid input JSON: %v", err)
			}
			m[name] = v
		case '{', '[':
			return nil, invalid("Invalid input JSON: the value of %q must be a string", name)
		default:
			m[name] = string(text)
		}
	}
	return m, nil
}

// wanted are the properties that an answer shows: those asked for, else a
// small default set, and the three that are always there.
func (t *table) wanted(asked []string) []string {
	if len(asked) == 0 {
		asked = t.kind.shown
	}
	list := slices.Concat(asked, []string{propID, propCreated, t.kind.modified})
	slices.Sort(list)
	return slices.Compact(list)
}

// asked reads the names of a query parameter, given once or many times.
func asked(values []string) []string {
	var list []string
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "" {
				list = append(list, name)
			}
		}
	}
	return list
}

// show is a version as JSON (vendors/hubspot.md 3, object JSON). A property
// without a value is left out or null, as the dice fall; names that do not
// exist are ignored.
func (s *Sim) show(t *table, v *version, names []string) map[string]any {
	props := make(map[string]any, len(names))
	for _, name := range names {
		if t.schema[name] == nil {
			continue
		}
		if value := t.value(v, name); value != "" {
			props[name] = value
		} else if s.dice.coin() {
			props[name] = nil
		}
	}
	out := map[string]any{
		"id": v.of.id, "properties": props, "createdAt": stamp(v.of.born), "updatedAt": stamp(v.modified),
		"archived": v.archived,
	}
	if v.archived {
		out["archivedAt"] = stamp(v.of.archivedAt)
	}
	return out
}

// showNew is a record as its creation answers it: with all that it holds.
func (s *Sim) showNew(t *table, r *record) map[string]any {
	return s.show(t, r.now, t.wanted(slices.Collect(maps.Keys(r.now.props))))
}

// showWritten is a record as its update answers it: with what was sent, and
// not with what was not.
func (s *Sim) showWritten(t *table, r *record, sent map[string]string) map[string]any {
	return s.show(t, r.now, t.wanted(append(slices.Collect(maps.Keys(sent)), propID)))
}

// lookup finds a record by id or by a unique property. A property that is not
// unique is refused (vendors/hubspot.md 3, batch upsert).
func (t *table) lookup(id, property string, archived bool) (*record, *trouble) {
	switch {
	case property == "" || property == propID:
		return t.find(id, archived), nil
	case slices.Contains(t.uniques, property):
		return t.holder(property, id, archived), nil
	}
	return nil, invalid("Unable to perform the operation by non-unique property %q", property)
}

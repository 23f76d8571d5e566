package hubspot

import (
	"bytes"
	"encoding/json"
	"errors"
)

// text is a JSON scalar as text. The vendor gives property values as strings,
// but numbers and booleans have been seen, and ids in either form.
type text string

var errNotScalar = errors.New("not a scalar")

// UnmarshalJSON takes a string, a number or a boolean; null is "".
func (t *text) UnmarshalJSON(b []byte) error {
	switch b = bytes.TrimSpace(b); {
	case len(b) == 0 || b[0] == '{' || b[0] == '[':
		return errNotScalar
	case string(b) == "null":
		*t = ""
	case b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	default:
		*t = text(b)
	}
	return nil
}

// list is a list of texts; a single one is a list of one, and anything else
// is empty, because a strange error context must not hide what was written.
type list []string

// UnmarshalJSON never fails on well-formed JSON.
func (l *list) UnmarshalJSON(b []byte) error {
	var many []text
	if json.Unmarshal(b, &many) != nil {
		var one text
		if json.Unmarshal(b, &one) != nil {
			return nil
		}
		many = []text{one}
	}
	*l = nil
	for _, m := range many {
		*l = append(*l, string(m))
	}
	return nil
}

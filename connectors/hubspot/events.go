package hubspot

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// eventMembers are the members of an event that are looked at; all others are
// skipped, whatever they hold.
var eventMembers = map[string]bool{
	"eventId": true, "portalId": true, "occurredAt": true, "subscriptionType": true, "eventType": true,
	"objectId": true, "objectTypeId": true, "changeFlag": true, "changeSource": true, "sourceId": true,
	"primaryObjectId": true, "newObjectId": true, "fromObjectId": true, "toObjectId": true,
	"fromObjectTypeId": true, "toObjectTypeId": true, "associationType": true,
}

// mergedMember is the one member that is a list.
const mergedMember = "mergedObjectIds"

// Why a body is malformed. The decoder's own words may quote it.
var (
	errNotArray  = errors.New("the body is no JSON array of objects")
	errSyntax    = errors.New("the body is no JSON")
	errTooDeep   = errors.New("the body is nested too deeply")
	errTooMany   = errors.New("the body has too many elements")
	errTwice     = errors.New("an event has a member twice")
	errNotSimple = errors.New("an event has a member of the wrong form")
)

// eventDecoder reads a delivery token by token: exact member names, numbers as
// written, bounded depth and number of elements (SECURITY S5).
type eventDecoder struct {
	dec      *json.Decoder
	elements int
}

// decodeEvents reads the body of a delivery.
func decodeEvents(body []byte) ([]event, error) {
	d := &eventDecoder{dec: json.NewDecoder(bytes.NewReader(body))}
	d.dec.UseNumber()
	if t, err := d.token(); err != nil || t != json.Delim('[') {
		return nil, errNotArray
	}
	var out []event
	for d.dec.More() {
		if err := d.count(); err != nil {
			return nil, err
		}
		e, err := d.event()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if _, err := d.token(); err != nil {
		return nil, err
	}
	if _, err := d.dec.Token(); err != io.EOF {
		return nil, errSyntax
	}
	return out, nil
}

// token reads the next token.
func (d *eventDecoder) token() (json.Token, error) {
	t, err := d.dec.Token()
	if err != nil {
		return nil, errSyntax
	}
	return t, nil
}

// count counts an element of an array.
func (d *eventDecoder) count() error {
	if d.elements++; d.elements > maxElements {
		return errTooMany
	}
	return nil
}

// event reads one event.
func (d *eventDecoder) event() (event, error) {
	e := event{scalars: map[string]string{}}
	t, err := d.token()
	if err != nil {
		return e, err
	}
	if t != json.Delim('{') {
		return e, errNotArray
	}
	seenMerged := false
	for d.dec.More() {
		t, err := d.token()
		if err != nil {
			return e, err
		}
		name, _ := t.(string)
		switch _, twice := e.scalars[name]; {
		case twice || (name == mergedMember && seenMerged):
			return e, errTwice
		case name == mergedMember:
			seenMerged = true
			e.merged, err = d.list()
		case eventMembers[name]:
			e.scalars[name], err = d.scalar()
		default:
			err = d.skip()
		}
		if err != nil {
			return e, err
		}
	}
	_, err = d.token()
	return e, err
}

// scalar reads a string, number, boolean or null as text.
func (d *eventDecoder) scalar() (string, error) {
	t, err := d.token()
	if err != nil {
		return "", err
	}
	return asText(t)
}

// asText gives a scalar token as text.
func asText(t json.Token) (string, error) {
	switch v := t.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool, nil:
		return "", nil
	}
	return "", errNotSimple
}

// list reads an array of scalars, or null.
func (d *eventDecoder) list() ([]string, error) {
	t, err := d.token()
	if err != nil || t == nil {
		return nil, err
	}
	if t != json.Delim('[') {
		return nil, errNotSimple
	}
	var out []string
	for d.dec.More() {
		if err := d.count(); err != nil {
			return nil, err
		}
		v, err := d.scalar()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	_, err = d.token()
	return out, err
}

// skip reads past a value of any form.
func (d *eventDecoder) skip() error {
	// Two levels are around it already: the array and the event.
	for depth := 2; ; {
		t, err := d.token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			if depth++; depth > maxDepth {
				return errTooDeep
			}
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 2 {
			return nil
		}
		if err := d.count(); err != nil {
			return err
		}
	}
}

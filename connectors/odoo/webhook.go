package odoo

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"syncd/connectors"
)

// Limits on a delivery's body (SECURITY S5).
const (
	maxBody     = 1 << 20
	maxDepth    = 64
	maxElements = 10_000
)

// The events that a webhook URL can name.
const (
	eventSave   = "save"
	eventUnlink = "unlink"
	eventAny    = "event" // a URL without words
)

// Receiver reads Odoo's webhooks. They carry no signature: the secret part of
// the URL is the only proof, and ingress has checked it (vendors/odoo.md 11).
type Receiver struct {
	models map[string]string
}

// NewReceiver gives a receiver for the words of a configuration.
func NewReceiver(c Config) (*Receiver, error) {
	c = c.withDefaults()
	for word, model := range c.Models {
		if word == "" || strings.Contains(word, "/") || !modelName.MatchString(model) {
			return nil, errors.New("odoo: models: each webhook word needs the technical name of a model")
		}
	}
	return &Receiver{models: c.Models}, nil
}

// Policy says that Odoo takes any answer as final and must not be kept
// waiting (vendors/README.md 8).
func (r *Receiver) Policy() connectors.AnswerPolicy {
	return connectors.AnswerPolicy{MaxBody: maxBody, RefusedCode: http.StatusOK}
}

// Verify checks the form of a delivery; there is nothing signed in it.
func (r *Receiver) Verify(d connectors.Delivery, _ time.Time) error {
	switch body := bytes.TrimSpace(d.Body); {
	case d.Method != http.MethodPost:
		return malformed("not a POST")
	case len(d.Body) > maxBody:
		return malformed("body too large")
	case len(body) < 2 || body[0] != '{' || body[len(body)-1] != '}':
		return malformed("the body is not a JSON object")
	}
	return nil
}

func malformed(detail string) error {
	return &connectors.Refusal{Reason: connectors.RefusedMalformed, Detail: detail}
}

// Parse gives the hint in a delivery. The record may not be committed yet, or
// never come to be (vendors/odoo.md 11).
func (r *Receiver) Parse(d connectors.Delivery) (connectors.Events, error) {
	e, err := readEnvelope(d.Body)
	if err != nil {
		return connectors.Events{}, malformed(err.Error())
	}
	model, what, ok := r.subject(d.Path, e.model)
	if !ok {
		return connectors.Events{}, nil
	}
	if e.model != model {
		return connectors.Events{}, malformed("the URL speaks of another model than the body")
	}
	id, ok := parseID(e.id)
	if !ok {
		return connectors.Events{}, malformed("_id is not a record id")
	}
	h := connectors.Hint{Object: model, RecordID: idText(id), What: what, Removed: what == eventUnlink}
	if t, ok := parseTime(e.written); ok {
		h.Version, h.At = version(t), t
	}
	return connectors.Events{Hints: []connectors.Hint{h}}, nil
}

// subject gives model and event of a URL such as …/partner/save; a URL without
// words leaves the model to the body.
func (r *Receiver) subject(path, said string) (model, what string, ok bool) {
	if path == "" || path == "/" {
		for _, m := range r.models {
			if m == said {
				return m, eventAny, true
			}
		}
		return "", "", false
	}
	word, event, two := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	model, ok = r.models[word]
	return model, event, ok && two && (event == eventSave || event == eventUnlink)
}

// envelope is what syncd takes from a body; the values in it are no data.
type envelope struct {
	model, id, written string
}

// readEnvelope walks a body once and takes three members of the outer object.
func readEnvelope(body []byte) (envelope, error) {
	var e envelope
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return e, errors.New("the body is not a JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return e, errors.New("the body is not JSON")
		}
		key, _ := t.(string)
		if seen[key] {
			return e, errors.New("a key is given twice")
		}
		if seen[key] = true; len(seen) > maxElements {
			return e, errors.New("too many elements")
		}
		v, err := walk(d)
		if err != nil {
			return e, err
		}
		e.take(key, v)
	}
	if _, err := d.Token(); err != nil {
		return e, errors.New("the body is not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return e, errors.New("more than one JSON value")
	}
	return e, nil
}

// take keeps a member that counts.
func (e *envelope) take(key string, v json.Token) {
	switch v := v.(type) {
	case string:
		switch key {
		case "_model":
			e.model = v
		case fieldWritten:
			e.written = v
		}
	case json.Number:
		if key == "_id" {
			e.id = v.String()
		}
	}
}

// walk reads one value of any shape within the limits and gives it if it is
// neither object nor list.
func walk(d *json.Decoder) (json.Token, error) {
	depth := 1
	for n := 0; n < maxElements; n++ {
		t, err := d.Token()
		if err != nil {
			return nil, errors.New("the body is not JSON")
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		default:
			if depth == 1 {
				return t, nil
			}
		}
		if depth > maxDepth {
			return nil, errors.New("nested too deeply")
		}
		if depth == 1 {
			return nil, nil
		}
	}
	return nil, errors.New("too many elements")
}

package hubspotsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Error categories and codes (vendors/hubspot.md 4). The ones that the page
// calls unconfirmed are played as commonly named.
const (
	catValidation = "VALIDATION_ERROR"
	catConflict   = "CONFLICT"
	catExists     = "OBJECT_ALREADY_EXISTS"
	catNotFound   = "OBJECT_NOT_FOUND"
	catAuth       = "INVALID_AUTHENTICATION"
	catScopes     = "MISSING_SCOPES"

	codeUnknownProperty = "PROPERTY_DOESNT_EXIST"
	codeNumber          = "INVALID_INTEGER"
	codeOption          = "INVALID_OPTION"
	codeEmail           = "INVALID_EMAIL"
	codeDate            = "INVALID_DATE"
	codeBool            = "INVALID_BOOLEAN"
	codeReadOnly        = "READ_ONLY_VALUE"
	codeRequired        = "MISSING_REQUIRED_PROPERTY"
	codeTaken           = "CONFLICTING_UNIQUE_VALUE"
)

// trouble is a refusal, of a whole call or of one input of a batch.
type trouble struct {
	status      int
	category    string
	subCategory string
	message     string
	details     []detail
	context     map[string][]string
	policy      string // of a rate limit
	group       string
}

// detail is one entry of an error's errors list.
type detail struct {
	Message string              `json:"message"`
	Code    string              `json:"code,omitempty"`
	Context map[string][]string `json:"context,omitempty"`
}

func (x *trouble) Error() string { return fmt.Sprintf("%d %s: %s", x.status, x.category, x.message) }

// with adds to the context of a refusal.
func (x *trouble) with(key string, values ...string) *trouble {
	if x.context == nil {
		x.context = map[string][]string{}
	}
	x.context[key] = values
	return x
}

func invalid(format string, args ...any) *trouble {
	return &trouble{status: http.StatusBadRequest, category: catValidation, message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) *trouble {
	return &trouble{status: http.StatusNotFound, category: catNotFound, message: fmt.Sprintf(format, args...)}
}

// flaw is one property value that is refused.
type flaw struct {
	IsValid bool   `json:"isValid"`
	Message string `json:"message"`
	Error   string `json:"error"`
	Name    string `json:"name"`
}

// badValues is the refusal of property values: a JSON list inside the message,
// and the same as details (vendors/hubspot.md 4).
func badValues(flaws []flaw) *trouble {
	text, _ := json.Marshal(flaws)
	x := invalid("Property values were not valid: %s", text)
	for _, f := range flaws {
		x.details = append(x.details, detail{
			Message: f.Message, Code: f.Error,
			Context: map[string][]string{"propertyName": {f.Name}},
		})
	}
	return x
}

// body is the refusal as the answer of a whole call.
func (s *Sim) body(x *trouble) map[string]any {
	b := map[string]any{"status": "error", "message": x.message, "correlationId": s.dice.uuid()}
	if x.policy != "" {
		b["errorType"], b["policyName"], b["groupName"] = "RATE_LIMIT", x.policy, x.group
		b["requestId"] = s.dice.uuid()
		return b
	}
	put := func(key string, value any, there bool) {
		if there {
			b[key] = value
		}
	}
	put("category", x.category, x.category != "")
	put("subCategory", x.subCategory, x.subCategory != "")
	put("errors", x.details, len(x.details) > 0)
	put("context", x.context, len(x.context) > 0)
	return b
}

// entry is the refusal as one of a batch's errors. The details are there in
// some answers only (vendors/hubspot.md 3).
func (s *Sim) entry(x *trouble) map[string]any {
	e := map[string]any{"status": "error", "category": x.category, "message": x.message}
	if x.subCategory != "" {
		e["subCategory"] = x.subCategory
	}
	if len(x.context) > 0 {
		e["context"] = x.context
	}
	if len(x.details) > 0 && s.dice.coin() {
		e["errors"] = x.details
	}
	return e
}

// scripted is the body of a status that a fault asks for; "" category where
// the vendor's gateway answers, not its API.
func (s *Sim) scripted(status int, op string) *trouble {
	if status == http.StatusTooManyRequests {
		return s.rateLimited(op)
	}
	x := &trouble{status: status, message: strings.ToLower(http.StatusText(status))}
	switch status {
	case http.StatusUnauthorized:
		x.category, x.message = catAuth, "Authentication credentials not found."
	case http.StatusForbidden:
		x.category, x.message = catScopes, "This app hasn't been granted all required scopes."
	case http.StatusNotFound:
		x.category, x.message = catNotFound, "resource not found"
	case http.StatusConflict:
		x.category = catConflict
	case http.StatusBadRequest:
		x.category = catValidation
	case http.StatusLocked:
		x.message = "The record is being written to, try again later."
	}
	return x
}

package fields

import (
	"errors"
	"maps"
	"regexp"
)

// asReference is a row that points to records of another link. Its canonical
// value is the id of what is pointed to, which only the id map knows: this
// transform keeps whatever id it is given.
const asReference = "reference"

// The parameters of a reference.
const (
	paramLink       = "link"         // whose records it points to
	paramOutOfScope = "out_of_scope" // what becomes of one that the link does not take
	paramRequired   = "required"     // nothing is created without it
)

// Values of out_of_scope.
const (
	OutOfScopeLeave = "leave"
	OutOfScopeClear = "clear"
	OutOfScopePark  = "park"
)

// policies are parameters that say what to do and not what a value means: to
// change one makes no other field of a row.
var policies = []string{paramOutOfScope, paramRequired}

var linkName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// Reference is what a reference row says besides its columns.
type Reference struct {
	Link       string
	OutOfScope string
	Required   bool
}

// ReferenceOf reads the parameters of a row; ok is false if it is no reference.
func ReferenceOf(as string, params map[string]string) (r Reference, ok bool) {
	r = Reference{Link: params[paramLink], OutOfScope: params[paramOutOfScope], Required: params[paramRequired] == "true"}
	if r.OutOfScope == "" {
		r.OutOfScope = OutOfScopeLeave
	}
	return r, as == asReference
}

func checkLinkName(value string) (string, error) {
	if !linkName.MatchString(value) {
		return "", errors.New("it is no link's name")
	}
	return value, nil
}

// withoutPolicies gives the parameters that decide what a value means.
func withoutPolicies(params map[string]string) map[string]string {
	out := maps.Clone(params)
	for _, name := range policies {
		delete(out, name)
	}
	return out
}

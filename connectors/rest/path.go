package rest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// path is a place in a JSON value: member names and list positions.
type path struct {
	steps []string
	given bool // false: no path at all
}

// maxSteps bounds a path.
const maxSteps = 16

// whole is the path of the value itself.
var whole = path{given: true}

// parsePath reads a dotted path, a JSON pointer (RFC 6901) or "$".
func parsePath(s string) (path, error) {
	switch {
	case s == "":
		return path{}, nil
	case s == "$":
		return whole, nil
	}
	var steps []string
	if strings.HasPrefix(s, "/") {
		for _, step := range strings.Split(s[1:], "/") {
			steps = append(steps, strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
		}
	} else {
		steps = strings.Split(strings.TrimPrefix(s, "$."), ".")
	}
	for _, step := range steps {
		if step == "" {
			return path{}, fmt.Errorf("%q is no path: write a.b.0, /a/b/0 or $", s)
		}
	}
	if len(steps) > maxSteps {
		return path{}, fmt.Errorf("%q is too deep: at most %d steps", s, maxSteps)
	}
	return path{steps: steps, given: true}, nil
}

// get gives what is at the place; false if nothing is there.
func (p path) get(v any) (any, bool) {
	if !p.given {
		return nil, false
	}
	for _, step := range p.steps {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[step]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// text gives a scalar at the place as text, "" for nothing.
func (p path) text(v any) string {
	got, _ := p.get(v)
	return scalar(got)
}

// set puts a value at the place, making the members on the way. It says no where
// something stands in the way.
func (p path) set(into map[string]any, v any) bool {
	if len(p.steps) == 0 {
		return false
	}
	for _, step := range p.steps[:len(p.steps)-1] {
		next, ok := into[step]
		if !ok || next == nil {
			next = map[string]any{}
			into[step] = next
		}
		inner, ok := next.(map[string]any)
		if !ok {
			return false
		}
		into = inner
	}
	into[p.steps[len(p.steps)-1]] = v
	return true
}

// scalar gives a JSON scalar as text; lists and objects as "".
func scalar(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	case bool:
		return strconv.FormatBool(x)
	}
	return ""
}

// items gives the list at a place: a list as it is, a single object as a list of one.
func (p path) items(v any) ([]any, bool) {
	got, ok := p.get(v)
	if !ok || got == nil {
		return nil, false
	}
	if list, ok := got.([]any); ok {
		return list, true
	}
	if _, ok := got.(map[string]any); ok {
		return []any{got}, true
	}
	return nil, false
}

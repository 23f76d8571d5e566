package fields

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// setting is what a transform is built from: a checked definition, with its
// parameters in their normal form.
type setting struct {
	spec   Spec
	params map[string]string            // for all systems
	per    map[string]map[string]string // parameter → system → value
}

// in gives a parameter as it is for one system, "" if it is not set.
func (s setting) in(system, name string) string {
	if v, ok := s.per[name][system]; ok {
		return v
	}
	return s.params[name]
}

// systems gives the row's systems, sorted.
func (s setting) systems() []string { return slices.Sorted(maps.Keys(s.spec.Columns)) }

// writes says that the row may be written in a system.
func (s setting) writes(system string) bool { return s.spec.From != system }

func settingOf(s Spec, t transform) (setting, *Error) {
	set := setting{spec: s, params: map[string]string{}, per: map[string]map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(s.Params)) {
		value, err := checkParam(s, t, name, "", s.Params[name])
		if err != nil {
			return set, err
		}
		set.params[name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(s.Per)) {
		set.per[name] = map[string]string{}
		for _, system := range slices.Sorted(maps.Keys(s.Per[name])) {
			value, err := checkParam(s, t, name, system, s.Per[name][system])
			if err != nil {
				return set, err
			}
			set.per[name][system] = value
		}
	}
	return set, nil
}

// checkParam gives a parameter in its normal form.
func checkParam(s Spec, t transform, name, system, value string) (string, *Error) {
	p, ok := t.params[name]
	key := name
	if system != "" {
		key += "." + system
	}
	switch {
	case !ok:
		return "", s.fault(key, "transform %q has no parameter %q%s", s.As, name, didYouMean(name, slices.Sorted(maps.Keys(t.params))))
	case system != "" && !p.perSystem:
		return "", s.fault(key, "%s is the same for all systems of the row: write `%s: …`", name, name)
	case system != "" && len(s.Columns[system]) == 0:
		return "", s.fault(key, "%s has no column in this row", system)
	}
	out, err := p.check(value)
	if err != nil {
		return "", s.fault(key, "%s %q: %v", name, value, err)
	}
	return out, nil
}

func checkColumns(s Spec, most int) *Error {
	if len(s.Columns) == 0 {
		return s.fault("", "it has no column in any system")
	}
	for _, system := range slices.Sorted(maps.Keys(s.Columns)) {
		columns := s.Columns[system]
		limit := most
		if s.Expr != "" && system == s.From {
			limit = maxComputed
		}
		switch {
		case len(columns) == 0:
			return s.fault("", "it has no column in %s", system)
		case len(columns) > limit && limit == 1:
			return s.fault(system, "transform %q takes one column in each system, not %d in %s", s.As, len(columns), system)
		case len(columns) > limit:
			return s.fault(system, "transform %q takes at most %d columns in a system, not %d in %s", s.As, limit, len(columns), system)
		}
		for i, c := range columns {
			if strings.TrimSpace(c) == "" {
				return s.fault(system, "a column in %s has no name", system)
			}
			if slices.Contains(columns[:i], c) {
				return s.fault(system, "column %q is there twice in %s", c, system)
			}
		}
	}
	return nil
}

// maxComputed is how many columns an expression may be computed from.
const maxComputed = 20

// oneOf is the check of a parameter that is one of a few words.
func oneOf(words ...string) func(string) (string, error) {
	return func(value string) (string, error) {
		if !slices.Contains(words, value) {
			return "", fmt.Errorf("it is one of %s", strings.Join(words, ", "))
		}
		return value, nil
	}
}

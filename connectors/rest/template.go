package rest

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// placeholder is a name in braces.
var placeholder = regexp.MustCompile(`\{([A-Za-z_]*)\}`)

// checkTemplate says which placeholders of a text are not among the known, and
// which of the needed are missing.
func checkTemplate(text string, known, needed []string) error {
	var have []string
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(known, m[1]) {
			if len(known) == 0 {
				return fmt.Errorf("{%s}: no placeholder can stand here", m[1])
			}
			return fmt.Errorf("unknown placeholder {%s}: known here are {%s}", m[1], strings.Join(known, "}, {"))
		}
		have = append(have, m[1])
	}
	if rest := placeholder.ReplaceAllString(text, ""); strings.ContainsAny(rest, "{}") {
		return fmt.Errorf("a brace without its partner in %q", text)
	}
	for _, name := range needed {
		if !slices.Contains(have, name) {
			return fmt.Errorf("{%s} is missing in %q", name, text)
		}
	}
	return nil
}

// fill puts values in place of their names.
func fill(text string, values map[string]string) string {
	return placeholder.ReplaceAllStringFunc(text, func(m string) string { return values[m[1:len(m)-1]] })
}

// fillPath puts values into a path, each escaped as one segment (SECURITY S4).
func fillPath(text string, values map[string]string) string {
	escaped := make(map[string]string, len(values))
	for name, v := range values {
		escaped[name] = url.PathEscape(v)
	}
	return fill(text, escaped)
}

// fillQuery gives a query whose keys and values are filled.
func fillQuery(q map[string]string, values map[string]string) url.Values {
	out := url.Values{}
	for k, v := range q {
		out.Set(fill(k, values), fill(v, values))
	}
	return out
}

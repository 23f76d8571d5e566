package fields

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// listSeparator is between the elements of a canonical list. No element has one.
const listSeparator = "\n"

// defaultSeparator is HubSpot's (vendors/hubspot.md 7); Odoo's ids have a comma.
const defaultSeparator = ";"

// maxSeparator is the longest separator in bytes.
const maxSeparator = 8

func checkSeparator(value string) (string, error) {
	if value == "" || len(value) > maxSeparator {
		return "", errors.New("a separator has one to eight characters")
	}
	return value, nil
}

// normSet gives the elements sorted, each once and on a line of its own.
func normSet(s string) string {
	s = cleanText(s)
	if !strings.Contains(s, listSeparator) {
		return s
	}
	var elements []string
	for _, e := range strings.Split(s, listSeparator) {
		if e = cleanText(e); e != "" {
			elements = append(elements, e)
		}
	}
	slices.Sort(elements)
	return strings.Join(slices.Compact(elements), listSeparator)
}

// setCodec is how a system keeps a list: joined by its separator.
type setCodec struct {
	separator string
	values    map[string]string // what an element reads as, nil without a table
	written   map[string]string
	spec      Spec
}

// buildSet gives a list without order, such as tags.
func buildSet(set setting) (built, *Error) {
	b := built{norm: normSet, usable: func(string) bool { return true }}
	t, err := tableOf(set, built{norm: cleanText, usable: func(s string) bool { return !strings.Contains(s, listSeparator) }}, false)
	if err != nil {
		return b, err
	}
	s := set.spec
	if s.Unknown == UnknownDefault {
		if s.Default = cleanText(s.Default); !t.names[s.Default] || s.Default == "" {
			return b, s.fault("unknown.default", "%q is none of the row's values", s.Default)
		}
	}
	codecs := map[string]setCodec{}
	for _, system := range set.systems() {
		separator := set.in(system, paramSeparator)
		if separator == "" {
			separator = defaultSeparator
		}
		codecs[system] = setCodec{separator: separator, values: t.read[system], written: t.write[system], spec: s}
	}
	b.partial = true
	for i, v := range s.Values {
		for _, system := range slices.Sorted(maps.Keys(v.In)) {
			for _, text := range v.In[system] {
				if text = cleanText(text); text == "" || strings.Contains(text, codecs[system].separator) {
					return b, s.fault(keyOfValue(i, system), "%q cannot stand in a list of %s: it is empty, or holds the separator %q", text, system, codecs[system].separator)
				}
			}
		}
	}
	b.table = t
	b.codec = func(system string) codec { return codec{get: codecs[system].get, put: codecs[system].put} }
	return b, nil
}

func (c setCodec) read(element string) (string, bool) {
	if name, ok := c.values[element]; ok {
		return name, true
	}
	switch c.spec.Unknown {
	case "":
		return element, true
	case UnknownDefault:
		return c.spec.Default, true
	}
	return "", false
}

func (c setCodec) write(element string) string {
	if text, ok := c.written[element]; ok {
		return text
	}
	return element
}

func (c setCodec) split(shown string) []string {
	var elements []string
	for _, e := range strings.Split(shown, c.separator) {
		if e = strings.ReplaceAll(cleanText(e), listSeparator, " "); e != "" {
			elements = append(elements, e)
		}
	}
	return elements
}

func (c setCodec) get(shown []string) (string, bool) {
	elements := c.split(shown[0])
	for i, e := range elements {
		name, known := c.read(e)
		if !known {
			return "", false
		}
		elements[i] = name
	}
	return strings.Join(elements, listSeparator), true
}

// put keeps the elements that are there, in their order and spelling.
func (c setCodec) put(canonical string, shown []string) []string {
	missing := map[string]bool{}
	var order []string
	for element := range strings.SplitSeq(canonical, listSeparator) {
		if element != "" {
			missing[element] = true
			order = append(order, element)
		}
	}
	var texts []string
	for _, e := range c.split(shown[0]) {
		if name, known := c.read(e); known && missing[name] {
			texts = append(texts, e)
			delete(missing, name)
		}
	}
	for _, element := range order {
		if missing[element] {
			texts = append(texts, c.write(element))
		}
	}
	return []string{strings.Join(texts, c.separator)}
}

// buildJoin gives one text of several columns.
func buildJoin(set setting) (built, *Error) {
	separator := set.params[paramSeparator]
	if separator == "" {
		return built{}, set.spec.fault(paramSeparator, "`as: join` needs what stands between the columns: add `separator: \", \"`")
	}
	b := built{norm: func(s string) string { return normJoin(s, separator) }, usable: func(string) bool { return true }}
	b.partial = true
	b.codec = func(system string) codec {
		n := len(set.spec.Columns[system])
		return codec{
			get: func(shown []string) (string, bool) {
				if n == 1 {
					return shown[0], true
				}
				joined := normJoin(strings.Join(shown, separator), separator)
				if !set.writes(system) {
					return joined, true
				}
				// A column that holds the separator would move to its neighbour.
				for i, part := range splitColumns(joined, separator, n) {
					if part != cleanText(shown[i]) {
						return "", false
					}
				}
				return joined, true
			},
			put: func(canonical string, _ []string) []string { return splitColumns(canonical, separator, n) },
		}
	}
	return b, nil
}

// normJoin cleans each part and drops empty ones at the end; all of them where the
// separator begins with a blank, which cleaning may take away.
func normJoin(s, separator string) string {
	blank := strings.TrimSpace(separator[:1]) == ""
	for range maxNormRounds {
		parts := strings.Split(cleanText(s), separator)
		for i := range parts {
			parts[i] = cleanText(parts[i])
		}
		for len(parts) > 0 && parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
		if blank {
			parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
		}
		next := strings.Join(parts, separator)
		if next == s {
			return s
		}
		s = next
	}
	return s
}

// splitColumns gives n columns; the last one takes what is left.
func splitColumns(canonical, separator string, n int) []string {
	parts := make([]string, n)
	copy(parts, strings.SplitN(canonical, separator, n))
	return parts
}

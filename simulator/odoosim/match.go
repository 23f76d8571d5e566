package odoosim

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// match compares one row with a leaf the way SQL does: NULL is never greater
// or like anything, and "not" operators let it through.
func (l *leaf) match(t *tx, r *row) bool {
	for _, f := range l.path[:len(l.path)-1] {
		id, _ := t.value(f, r).(int64)
		if r = t.get(f.relation, id); r == nil {
			return false
		}
	}
	v := t.value(l.field, r)
	if ids, many := v.([]int64); many || l.field.kind == kindMany2many || l.field.kind == kindOne2many {
		return l.matchSet(t, ids)
	}
	if l.field.kind == kindMany2one && l.byName() {
		if id, ok := v.(int64); ok {
			v = t.display(l.field.relation, id)
			if v == false {
				v = nil
			}
		}
	}
	return l.matchValue(v)
}

// byName says that a relational leaf compares display names.
func (l *leaf) byName() bool {
	if _, text := l.value.(string); text || l.like != nil {
		return true
	}
	for k := range l.set {
		if _, text := k.(string); text {
			return true
		}
	}
	return false
}

func (l *leaf) matchValue(v any) bool {
	switch l.op {
	case "in":
		return v == nil && l.null || v != nil && l.set[hashable(v)]
	case "not in":
		return v == nil && !l.null || v != nil && !l.set[hashable(v)]
	case "=":
		return equal(v, l.value)
	case "!=", "<>":
		return !equal(v, l.value)
	}
	if l.like != nil {
		s, ok := v.(string)
		if strings.HasPrefix(l.op, "not ") {
			return !ok || !l.like(s)
		}
		return ok && l.like(s)
	}
	if v == nil || l.value == nil {
		return false
	}
	c := compareValues(v, l.value)
	switch l.op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// matchSet compares an x2many: "=" and "in" ask for any common id.
func (l *leaf) matchSet(t *tx, ids []int64) bool {
	hit := l.null && len(ids) == 0
	for _, id := range ids {
		switch {
		case l.set != nil:
			hit = hit || l.set[id]
		case l.byName():
			name, _ := t.display(l.field.relation, id).(string)
			hit = hit || (l.like != nil && l.like(name)) || name == l.value
		default:
			hit = hit || l.value == id
		}
	}
	if l.set == nil && l.value == nil && l.like == nil {
		hit = len(ids) == 0
	}
	if l.op == "not in" || l.op == "!=" || strings.HasPrefix(l.op, "not ") {
		return !hit
	}
	return hit
}

// compareValues orders two stored values of one kind; NULL is last, as in
// PostgreSQL's ascending order.
func compareValues(a, b any) int {
	if a == nil || b == nil {
		switch {
		case a == b:
			return 0
		case a == nil:
			return 1
		}
		return -1
	}
	switch x := a.(type) {
	case string:
		y, _ := b.(string)
		return cmp.Or(strings.Compare(strings.ToLower(x), strings.ToLower(y)), strings.Compare(x, y))
	case int64:
		y, _ := b.(int64)
		return cmp.Compare(x, y)
	case float64:
		y, _ := b.(float64)
		return cmp.Compare(x, y)
	case time.Time:
		y, _ := b.(time.Time)
		return x.Compare(y)
	case bool:
		y, _ := b.(bool)
		switch {
		case x == y:
			return 0
		case y:
			return -1
		}
		return 1
	case []int64:
		y, _ := b.([]int64)
		return slices.Compare(x, y)
	}
	return 0
}

// prepareLike makes the matcher of a like operator. "like" and "ilike" look
// for the text anywhere; "=like" and "=ilike" compare all of it. % and _ are
// wildcards, a backslash escapes them (vendors/odoo.md 4).
func (l *leaf) prepareLike(value any) {
	pattern, ok := value.(string)
	if !ok && !empty(value) {
		pattern = pyRepr(value)
	}
	fold := strings.Contains(l.op, "ilike")
	if fold {
		pattern = strings.ToLower(pattern)
	}
	whole := strings.HasPrefix(l.op, "=")
	text, wild := unescapeLike(pattern)
	l.like = func(s string) bool {
		if fold {
			s = strings.ToLower(s)
		}
		if whole {
			return s == text
		}
		return strings.Contains(s, text)
	}
	if wild {
		re := likeExpression(pattern, whole)
		l.like = func(s string) bool {
			if fold {
				s = strings.ToLower(s)
			}
			return re.MatchString(s)
		}
		return
	}
	if whole && fold {
		l.exact = text
	}
}

// unescapeLike gives the plain text of a pattern and whether it has wildcards.
func unescapeLike(pattern string) (text string, wild bool) {
	var b strings.Builder
	escaped := false
	for _, c := range pattern {
		switch {
		case escaped:
			b.WriteRune(c)
			escaped = false
		case c == '\\':
			escaped = true
		default:
			wild = wild || c == '%' || c == '_'
			b.WriteRune(c)
		}
	}
	return b.String(), wild
}

func likeExpression(pattern string, whole bool) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("(?s)")
	if whole {
		b.WriteByte('^')
	}
	escaped := false
	for _, c := range pattern {
		switch {
		case escaped:
			b.WriteString(regexp.QuoteMeta(string(c)))
			escaped = false
		case c == '\\':
			escaped = true
		case c == '%':
			b.WriteString(".*")
		case c == '_':
			b.WriteByte('.')
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	if whole {
		b.WriteByte('$')
	}
	return regexp.MustCompile(b.String())
}

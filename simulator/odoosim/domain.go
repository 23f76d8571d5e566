package odoosim

import (
	"strings"
	"time"
)

// node is a parsed domain (vendors/odoo.md 4).
type node interface {
	match(t *tx, r *row) bool
}

type (
	andNode []node
	orNode  []node
	notNode struct{ of node }
	// always is the leaf (1, '=', 1) or (0, '=', 1).
	always bool
)

func (n andNode) match(t *tx, r *row) bool {
	for _, x := range n {
		if !x.match(t, r) {
			return false
		}
	}
	return true
}

func (n orNode) match(t *tx, r *row) bool {
	for _, x := range n {
		if x.match(t, r) {
			return true
		}
	}
	return false
}

func (n notNode) match(t *tx, r *row) bool { return !n.of.match(t, r) }
func (n always) match(*tx, *row) bool      { return bool(n) }

// domain parses prefix notation; what stands side by side is joined by and.
func (t *tx) domain(m *model, v any) (node, error) {
	list, ok := v.([]any)
	if !ok && v != nil && v != false {
		return nil, valueError("Domain %s is not a list", pyRepr(v))
	}
	var all andNode
	for len(list) > 0 {
		n, rest, err := t.operand(m, list)
		if err != nil {
			return nil, err
		}
		all, list = append(all, n), rest
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

func (t *tx) operand(m *model, list []any) (node, []any, error) {
	if len(list) == 0 {
		return nil, nil, valueError("Domain is malformed: an operand is missing")
	}
	head, rest := list[0], list[1:]
	switch head {
	case "!":
		n, rest, err := t.operand(m, rest)
		return notNode{n}, rest, err
	case "&", "|":
		left, rest, err := t.operand(m, rest)
		if err != nil {
			return nil, nil, err
		}
		right, rest, err := t.operand(m, rest)
		if err != nil {
			return nil, nil, err
		}
		if head == "&" {
			return joinAnd(left, right), rest, nil
		}
		return joinOr(left, right), rest, nil
	}
	n, err := t.leaf(m, head)
	return n, rest, err
}

func joinAnd(left, right node) node {
	if more, ok := right.(andNode); ok {
		return append(andNode{left}, more...)
	}
	return andNode{left, right}
}

func joinOr(left, right node) node {
	if more, ok := right.(orNode); ok {
		return append(orNode{left}, more...)
	}
	return orNode{left, right}
}

// leaf is [field, operator, value], ready to be matched.
type leaf struct {
	path  []*field // dotted names, the last is compared
	field *field
	op    string
	value any          // scalar operators: as stored
	set   map[any]bool // in, not in
	null  bool         // the set holds NULL
	like  func(string) bool
	exact string // =ilike without wildcards: the folded text
}

func (t *tx) leaf(m *model, v any) (node, error) {
	parts, _ := v.([]any)
	if len(parts) != 3 {
		return nil, valueError("Malformed domain leaf: %s", pyRepr(v))
	}
	op, _ := parts[1].(string)
	name, named := parts[0].(string)
	if !named {
		left, okLeft := asID(parts[0])
		right, okRight := asID(parts[2])
		if op != "=" || !okLeft || !okRight {
			return nil, valueError("Malformed domain leaf: %s", pyRepr(v))
		}
		return always(left == right), nil
	}
	l := &leaf{op: op}
	at := m
	for step := range strings.SplitSeq(name, ".") {
		var f *field
		if at != nil {
			f = at.fields[step]
		}
		if f == nil {
			on := m
			if at != nil {
				on = at
			}
			return nil, valueError("Invalid field %s.%s in leaf (%s, %s, %s)", on.name, step,
				pyRepr(name), pyRepr(op), pyRepr(parts[2]))
		}
		l.path = append(l.path, f)
		l.field, at = f, t.s.models[f.relation]
	}
	if err := t.operator(l, parts[2]); err != nil {
		return nil, err
	}
	return l, nil
}

// operator prepares the comparison of a leaf.
func (t *tx) operator(l *leaf, value any) error {
	switch l.op {
	case "in", "not in":
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		l.set = make(map[any]bool, len(list))
		for _, item := range list {
			v, err := t.operandValue(l, item)
			if err != nil {
				return err
			}
			if v == nil {
				l.null = true
			} else {
				l.set[hashable(v)] = true
			}
		}
		return nil
	case "like", "ilike", "not like", "not ilike", "=like", "=ilike":
		l.prepareLike(value)
		return nil
	case "=", "!=", "<>", "<", ">", "<=", ">=":
		v, err := t.operandValue(l, value)
		if err != nil {
			return err
		}
		l.value = v
		t.wholeSeconds(l)
		return nil
	}
	return valueError("Invalid operator %s in leaf (%s, %s, %s)", pyRepr(l.op), pyRepr(l.field.name), pyRepr(l.op), pyRepr(value))
}

// wholeSeconds gives inequalities on times the meaning they have since 19:
// "> T" is ">= T+1s" and "<= T" is "< T+1s" (vendors/odoo.md 6).
func (t *tx) wholeSeconds(l *leaf) {
	at, ok := l.value.(time.Time)
	if !ok || l.field.kind != kindDatetime || t.s.o.Major < majorJSON2 || l.op == "=" || l.op == "!=" || l.op == "<>" {
		return
	}
	at = at.Truncate(time.Second)
	switch l.op {
	case ">":
		l.op, at = ">=", at.Add(time.Second)
	case "<=":
		l.op, at = "<", at.Add(time.Second)
	}
	l.value = at
}

// operandValue turns a value of a leaf into the stored form of its field.
func (t *tx) operandValue(l *leaf, v any) (any, error) {
	if empty(v) && l.field.kind != kindBool {
		return nil, nil
	}
	switch l.field.kind {
	case kindBool:
		return truthy(v), nil
	case kindChar, kindText, kindHTML, kindSelection:
		if s, ok := v.(string); ok {
			return s, nil
		}
		return pyRepr(v), nil
	case kindInt, kindMany2one, kindMany2many, kindOne2many:
		if id, ok := asID(v); ok {
			return id, nil
		}
		if s, ok := v.(string); ok && l.field.relation != "" {
			return s, nil // compared with the display name
		}
		return coerceInt(v)
	case kindFloat:
		return coerceFloat(l.field, v)
	}
	return parseMoment(l, v)
}

// parseMoment reads a date or a time; a bare date is the end of its day where
// that is meant ("> day", "<= day").
func parseMoment(l *leaf, v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, valueError("Wrong value for %s: %s", l.field.name, pyRepr(v))
	}
	if at, err := time.Parse(dateLayout, s); err == nil {
		if l.field.kind == kindDatetime && (l.op == ">" || l.op == "<=") {
			at = at.Add(24*time.Hour - time.Second)
		}
		return at, nil
	}
	if at, err := time.Parse(datetimeLayout, s); err == nil { // takes fractions too
		return at, nil
	}
	return nil, failure(500, "psycopg2.errors.InvalidDatetimeFormat",
		"invalid input syntax for type timestamp: \"%s\"\n", s)
}

// hashable makes a time a map key.
func hashable(v any) any {
	if at, ok := v.(time.Time); ok {
		return at.UnixMicro()
	}
	return v
}

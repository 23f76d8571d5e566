package config

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"syncd/secret"
)

// text takes a word as it is written: 0123 stays 0123. What YAML reads as
// true, false or nothing must be quoted to be a text.
func (d *decoder) text(n *yaml.Node, path string) (string, bool) {
	n = resolve(n)
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fail(n, path, "a text is expected here, not %s", describe(n))
	case n.Tag == "!!null":
		d.fail(n, path, "has no value: write one or take the key out")
	case n.Tag == "!!bool":
		d.fail(n, path, "a text is expected here, not %s: put it in quotes if it is meant", describe(n))
	default:
		return n.Value, true
	}
	return "", false
}

func (d *decoder) boolean(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode || (n.Value != "true" && n.Value != "false") || n.Tag != "!!bool" {
		d.fail(n, path, "true or false is expected here, not %s", describe(n))
		return
	}
	v.SetBool(n.Value == "true")
}

func (d *decoder) integer(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
		d.fail(n, path, "a whole number is expected here, not %s", describe(n))
		return
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil || v.OverflowInt(i) || i > math.MaxInt32 {
		d.fail(n, path, "a whole number in plain digits is expected here")
		return
	}
	v.SetInt(i)
}

// howToDuration ends every message about a duration.
const howToDuration = "a duration is written like 30s, 5m or 1h30m"

func (d *decoder) duration(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, path, "%s, not as %s", howToDuration, describe(n))
		return
	}
	t, err := time.ParseDuration(n.Value)
	if err != nil || t < 0 {
		d.fail(n, path, howToDuration)
		return
	}
	v.SetInt(int64(t))
}

func (d *decoder) secret(n *yaml.Node, v reflect.Value, path string) {
	s, err := d.secrets.Resolve(n)
	if err == nil {
		v.Set(reflect.ValueOf(s))
		return
	}
	where := n
	var e *secret.Error
	if errors.As(err, &e) {
		if e.Exposed {
			d.hide(n)
		}
		if e.Line > 0 {
			where = &yaml.Node{Kind: n.Kind, Line: e.Line, Column: e.Column}
		}
	}
	d.fail(where, path, "%s", err)
}

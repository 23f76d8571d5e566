package fields

import (
	"strings"
	"testing"
)

func TestComputedValues(t *testing.T) {
	types := map[string]string{"first": "text", "last": "text", "price": "number", "qty": "number", "vip": "bool"}
	tests := []struct {
		src    string
		values map[string]string
		want   string
	}{
		{`upper(last) + ", " + first`, map[string]string{"first": "Jan", "last": "Novák"}, "NOVÁK, Jan"},
		{`price * qty`, map[string]string{"price": "0.1", "qty": "3"}, "0.3"},
		{`price + 0.2`, map[string]string{"price": "0.1"}, "0.3"},
		{`1 - price`, map[string]string{"price": "0.9"}, "0.1"},
		{`price / 3 > 1 ? "more" : "less"`, map[string]string{"price": "3.000000000000000001"}, "less"},
		{`price > 9007199254740992 ? "more" : "not"`, map[string]string{"price": "9007199254740993"}, "more"},
		{`string(price) + " CZK"`, map[string]string{"price": "12.50"}, "12.5 CZK"},
		{`vip`, map[string]string{"vip": "1"}, "true"},
		{`len(first)`, map[string]string{"first": "Jan"}, "3"},
		{`first == "" ? "none" : first`, map[string]string{"first": ""}, "none"},
		{`1.5 + 1`, nil, "2.5"},
	}
	for _, tt := range tests {
		t.Run(tt.src, func(t *testing.T) {
			var columns []string
			for name := range types {
				if strings.Contains(tt.src, name) {
					columns = append(columns, name)
				}
			}
			c, err := parseComputed(tt.src, columns)
			if err == nil {
				err = c.bind(types)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, ok, err := c.value(tt.values); got != tt.want || !ok || err != nil {
				t.Errorf("%q, %v, %v; want %q", got, ok, err, tt.want)
			}
		})
	}
}

func TestComputedRefusals(t *testing.T) {
	tests := []struct {
		src     string
		columns []string
		want    string
	}{
		{`firstnam + "x"`, []string{"firstname"}, `uses "firstnam", which is no column of the row's source — did you mean "firstname"?`},
		{`first`, []string{"first", "last"}, `does not use the column "last"`},
		{`first - "x"`, []string{"first"}, "does not fit its fields"},
		{`first +`, []string{"first"}, "not understood"},
		{`repeat(first, 9)`, []string{"first"}, "repeat() is not available"},
		{`$env["decimal +"](first, first)`, []string{"first"}, "not"},
		{strings.Repeat("first + ", 21) + "first", []string{"first"}, "more than 20 sums"},
	}
	for _, tt := range tests {
		t.Run(tt.src[:min(30, len(tt.src))], func(t *testing.T) {
			if _, err := parseComputed(tt.src, tt.columns); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// Whatever goes wrong on a record is an error that tells no value.
func TestComputedFailsOnItsRecordOnly(t *testing.T) {
	for src, values := range map[string]map[string]string{
		`1 / price`:      {"price": "0"},
		`price + 1`:      {"price": "canary"},
		`name[5:900000]`: {"name": strings.Repeat("canary", maxFormulaValue)},
		`int(name)`:      {"name": "canary"},
		`["a", "b"]`:     {},
	} {
		var columns []string
		for name := range values {
			columns = append(columns, name)
		}
		c, err := parseComputed(src, columns)
		if err == nil {
			err = c.bind(map[string]string{"price": "number", "name": "text"})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, err := c.value(values); ok || err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, %v", src, ok, err)
		}
	}
}

func FuzzComputed(f *testing.F) {
	for _, src := range []string{`a + b`, `n * 2 / 3`, `a matches "(a?){20}a{20}$" ? a : b`, `string(n) + a[1:2]`, `n == 1 ? "x" : upper(a)`, `1 in 1..9`, `$env["a"]`} {
		f.Add(src, "Jan", "2")
	}
	types := map[string]string{"a": "text", "b": "text", "n": "number", "y": "bool"}
	f.Fuzz(func(t *testing.T, src, text, n string) {
		formula, err := parseFormula("expression", src)
		if err != nil {
			return
		}
		c, err := parseComputed(src, formula.fields)
		if err == nil {
			err = c.bind(types)
		}
		if err != nil {
			return
		}
		out, ok, err := c.value(map[string]string{"a": text, "b": text + text, "n": n, "y": "true"})
		if ok == (err != nil) || len(out) > maxFormulaValue {
			t.Fatalf("%q gives %d bytes, %v, %v", src, len(out), ok, err)
		}
	})
}

package fields

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var filterTypes = map[string]string{
	"is_company": "bool", "type": "enum", "lifecyclestage": "text", "amount": "number", "email": "text", "name": "text", "Order No.": "text",
}

func bound(t testing.TB, src string) *Filter {
	t.Helper()
	f, err := ParseFilter(src)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Bind(filterTypes); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFilterMatch(t *testing.T) {
	type m = map[string]string
	tests := []struct {
		src    string
		values m
		in, ok bool
	}{
		{`!is_company && type == "contact"`, m{"is_company": "false", "type": "contact"}, true, true},
		{`!is_company && type == "contact"`, m{"is_company": "true", "type": "contact"}, false, true},
		{`!is_company && type == "contact"`, m{"is_company": "", "type": "contact"}, true, true},
		{`!is_company && type == "contact"`, m{"type": "contact"}, false, false},
		{`lifecyclestage == "customer"`, m{"lifecyclestage": "customer", "x": "y"}, true, true},
		{`lifecyclestage == "customer"`, m{"lifecyclestage": ""}, false, true},
		{`lifecyclestage in ["customer", "lead"]`, m{"lifecyclestage": "lead"}, true, true},
		{`email != "" and not (email endsWith "@example.com")`, m{"email": "a@b.cz"}, true, true},
		{`amount > 10 && amount < 20.5`, m{"amount": "20.49"}, true, true},
		{`amount == 0`, m{"amount": ""}, true, true},
		{`amount in 1..100`, m{"amount": "7"}, true, true},
		{`lower(trim(name)) matches "^a[0-9]+$"`, m{"name": " A12 "}, true, true},
		{`$env["Order No."] startsWith "S"`, m{"Order No.": "S1"}, true, true},
		{`len(name) > 3 ? is_company : !is_company`, m{"name": "abcd", "is_company": "1"}, true, true},
		{`name[0:2] == "ab"`, m{"name": "abc"}, true, true},
		{`["a", "b"][1] == name`, m{"name": "b"}, true, true},
		{`name | upper() == "X"`, m{"name": "x"}, true, true},
		{`true`, m{}, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.src, func(t *testing.T) {
			in, ok, err := bound(t, tt.src).Match(tt.values)
			if err != nil || in != tt.in || ok != tt.ok {
				t.Errorf("Match(%v) = %v, %v, %v", tt.values, in, ok, err)
			}
		})
	}
}

func TestFilterFields(t *testing.T) {
	f := bound(t, `type == "a" || type == "b" || !is_company || $env["Order No."] == ""`)
	if got := f.Fields(); !slices.Equal(got, []string{"Order No.", "is_company", "type"}) {
		t.Errorf("fields %q", got)
	}
}

func TestFilterRefusals(t *testing.T) {
	tests := []struct{ src, want string }{
		{"", "empty"},
		{`name ==`, "not understood"},
		{strings.Repeat(" ", maxFormulaLength) + "true", "longer than"},
		{strings.Repeat("!", 300) + "true", "not understood"},
		{strings.Repeat("(", 1900) + "true", "not understood"},
		{`repeat("x", 1e9) == ""`, "repeat() is not available"},
		{`now() == name`, "now() is not available"},
		{`fromJSON(name) == 1`, "fromJSON() is not available"},
		{`replace(name, "a", "aaaaaaaaaa") == ""`, "replace() is not available"},
		{`all(1..1000, all(1..1000, # > 0))`, "not"},
		{`map(1..9, #)[0] == 1`, "not"},
		{`let a = name + name; let b = a + a; b == ""`, "no variables"},
		{`system("ls") == ""`, "system() is not available"},
		{`name.foo == ""`, "has no parts"},
		{`$env.name == "" && len($env) > 0`, "$env"},
		{`$env == {}`, "not allowed"},
		{`$env[name] == ""`, "only fields"},
		{`1 in 1..100000000`, "a range"},
		{`int(name) in int(name)..9`, "a range"},
		{`name matches name`, "pattern"},
		{`name matches "("`, "is not understood"},
		{`name matches "(a?){900}a{900}$"`, "too large"},
		{`1 == 1` + strings.Repeat("+1", 21), "more than 20 sums"},
		{`name == nil`, "nil is not used"},
		{`name?.x == ""`, "not allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.src[:min(len(tt.src), 40)], func(t *testing.T) {
			_, err := ParseFilter(tt.src)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFilterBindErrors(t *testing.T) {
	tests := []struct{ src, want string }{
		{`lifecyclestag == "customer"`, `unknown field "lifecyclestag" — did you mean "lifecyclestage"?`},
		{`zzzzzzzz == "customer"`, `unknown field "zzzzzzzz"`},
		{`Name == ""`, `did you mean "name"?`},
		{`name`, "does not fit"},
		{`amount == "5"`, "does not fit"},
		{`is_company == "true"`, "does not fit"},
		{`name > 5`, "does not fit"},
	}
	for _, tt := range tests {
		t.Run(tt.src, func(t *testing.T) {
			f, err := ParseFilter(tt.src)
			if err == nil {
				err = f.Bind(filterTypes)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFilterErrorsHoldNoValues(t *testing.T) {
	for src, values := range map[string]map[string]string{
		`amount > 5`:       {"amount": "canary"},
		`is_company`:       {"is_company": "canary"},
		`int(name) == 5`:   {"name": "canary"},
		`name[0:5] == ""`:  {"name": strings.Repeat("canary", maxFormulaValue)},
		`amount > 5 `:      {"amount": "NaN"},
		`float(name) == 5`: {"name": "canary"},
	} {
		in, ok, err := bound(t, src).Match(values)
		if in || ok || err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, %v, %v", src, in, ok, err)
		}
	}
}

func TestFilterNotBound(t *testing.T) {
	f, err := ParseFilter(`name == ""`)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := f.Match(map[string]string{"name": ""}); ok || err == nil {
		t.Error("a filter that was not bound matched")
	}
}

// TestFilterIsBounded runs the worst that the grammar allows: as many sums and
// as large patterns as there may be over the longest value.
func TestFilterIsBounded(t *testing.T) {
	const (
		most      = 2 * time.Second // it takes a tenth of that without the race detector
		mostBytes = 64 << 20
	)
	for _, src := range []string{
		strings.Repeat("name+", maxFormulaSums) + `name == ""`,
		`name matches "(a|aa)+$" and name matches "(a*)*b"`,
		`name matches "(a?){30}a{30}$"`,
		strings.Repeat("name+", maxFormulaSums) + `name matches "(a?){30}a{30}$"`,
	} {
		f := bound(t, src)
		long := strings.Repeat("a", f.formula.reach)
		if _, ok, err := f.Match(map[string]string{"name": long + "a"}); ok || err == nil {
			t.Errorf("%.30s: longer than its reach, but evaluated", src)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, _, err := f.Match(map[string]string{"name": long})
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if err != nil || took > most {
			t.Errorf("%.30s took %v: %v", src, took, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > mostBytes {
			t.Errorf("%.30s used %d bytes", src, used)
		}
		t.Logf("%.30s took %v for %d bytes", src, took, len(long))
	}
}

func TestFilterIsSafeForConcurrentUse(t *testing.T) {
	f := bound(t, `amount > 5 && name matches "^a"`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if in, ok, err := f.Match(map[string]string{"amount": "6", "name": "ab"}); !in || !ok || err != nil {
					t.Error(in, ok, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{`!is_company && type == "contact"`, `amount in 1..3`, `name matches "a+"`, `$env["Order No."] == ""`, `name[1:2] + name`} {
		f.Add(seed, "a")
	}
	f.Fuzz(func(t *testing.T, src, value string) {
		filter, err := ParseFilter(src)
		if err != nil || filter.Bind(filterTypes) != nil {
			return
		}
		values := map[string]string{}
		for _, name := range filter.Fields() {
			values[name] = value
		}
		if in, ok, err := filter.Match(values); in && !ok || err != nil && ok {
			t.Fatalf("%v, %v, %v", in, ok, err)
		}
	})
}

package fields

import (
	"maps"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCompileErrorsAreOneSentence(t *testing.T) {
	one := map[string][]string{"x": {"a"}, "y": {"b"}}
	tests := []struct {
		name string
		spec Spec
		want string
	}{
		{"unknown transform", Spec{As: "emial", Columns: one}, `there is no transform "emial" — did you mean "email"?`},
		{"no columns", Spec{As: "text"}, "no column in any system"},
		{"none in a system", Spec{Columns: map[string][]string{"x": {"a"}, "y": nil}}, "no column in y"},
		{"two columns", Spec{As: "email", Columns: map[string][]string{"x": {"a", "b"}}}, `takes one column in each system, not 2 in x`},
		{"three names", Spec{As: "person_name", Columns: map[string][]string{"x": {"a", "b", "c"}}}, "at most 2 columns"},
		{"twice", Spec{As: "person_name", Columns: map[string][]string{"x": {"a", "a"}}}, `"a" is there twice in x`},
		{"empty column", Spec{Columns: map[string][]string{"x": {" "}}}, "has no name"},
		{"unknown parameter", Spec{As: "phone", Columns: one, Params: map[string]string{"contry": "CZ"}}, `did you mean "country"?`},
		{"parameter of another", Spec{As: "text", Columns: one, Params: map[string]string{"scale": "2"}}, `no parameter "scale"`},
		{"country", Spec{As: "phone", Columns: one, Params: map[string]string{"country": "Czechia"}}, "no country code"},
		{"country without phones", Spec{As: "phone", Columns: one, Params: map[string]string{"country": "AQ"}}, "no calling code"},
		{"scale", Spec{As: "number", Columns: one, Params: map[string]string{"scale": "-1"}}, "whole number from 0 to 20"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Name = "f"
			_, err := Compile(tt.spec)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), `field "f": `) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestRevCoversTransformParametersAndColumns(t *testing.T) {
	base := func() Spec {
		return Spec{Name: "f", As: "phone", Params: map[string]string{"country": "CZ"}, Columns: map[string][]string{"x": {"a"}, "y": {"b"}}}
	}
	rev := func(change func(*Spec)) string {
		s := base()
		change(&s)
		r, err := Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		return r.Rev()
	}
	want := rev(func(*Spec) {})
	same := []func(*Spec){
		func(s *Spec) { s.Name = "g" },
		func(s *Spec) { s.Params["country"] = "cze" },
	}
	for i, change := range same {
		if got := rev(change); got != want {
			t.Errorf("same %d: %s, want %s", i, got, want)
		}
	}
	seen := map[string]int{want: -1}
	other := []func(*Spec){
		func(s *Spec) { s.As, s.Params = "text", nil },
		func(s *Spec) { s.Params["country"] = "DE" },
		func(s *Spec) { s.Params = nil },
		func(s *Spec) { s.Columns["x"] = []string{"c"} },
		func(s *Spec) { delete(s.Columns, "y") },
		func(s *Spec) { s.Columns = map[string][]string{"x": {"b"}, "y": {"a"}} },
	}
	for i, change := range other {
		got := rev(change)
		if before, ok := seen[got]; ok {
			t.Errorf("change %d has the fingerprint of %d", i, before)
		}
		seen[got] = i
	}
}

func TestAbsentIsNotNull(t *testing.T) {
	r, err := Compile(Spec{Name: "name", As: "person_name", Columns: map[string][]string{"x": {"a"}, "y": {"first", "last"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range []map[string]string{nil, {"first": "A"}, {"last": "B"}} {
		if _, ok := r.Get("y", values); ok {
			t.Errorf("%v was read", values)
		}
	}
	if c, ok := r.Get("y", map[string]string{"first": "", "last": ""}); !ok || c != "" {
		t.Errorf("null was read as %q, %v", c, ok)
	}
	if _, ok := r.Get("z", map[string]string{"a": "A"}); ok || r.Has("z") || r.Put("z", "A", nil) != nil {
		t.Error("a system without columns was read or written")
	}
}

func TestPutPersonName(t *testing.T) {
	r, err := Compile(Spec{Name: "name", As: "person_name", Columns: map[string][]string{"x": {"a"}, "y": {"first", "last"}}})
	if err != nil {
		t.Fatal(err)
	}
	type m = map[string]string
	tests := []struct {
		name, value string
		current     m
		want        m
	}{
		{"keeps an unusual split", "Anna Maria Berg", m{"first": "Anna", "last": " Maria  Berg"}, m{}},
		{"splits at the last space", "Anna Maria Berg", nil, m{"first": "Anna Maria", "last": "Berg"}},
		{"one word is the last name", "Berg", m{"first": "Anna", "last": "Smith"}, m{"first": "", "last": "Berg"}},
		{"keeps a last name of many words", "Eva van der Berg", m{"first": "Anna", "last": "van der Berg"}, m{"first": "Eva"}},
		{"drops the first name", "van der Berg", m{"first": "Anna", "last": "van der Berg"}, m{"first": ""}},
		{"half a word is no last name", "Anna Goldberg", m{"first": "Anna", "last": "berg"}, m{"last": "Goldberg"}},
		{"empties both", "", m{"first": "Anna", "last": "Berg"}, m{"first": "", "last": ""}},
		{"writes what was not shown", "Anna Berg", m{"last": "Berg"}, m{"first": "Anna"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.Put("y", tt.value, tt.current); !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPutKeepsTheSpellingThatMeansTheSame(t *testing.T) {
	r := row(t, "phone", map[string]string{"country": "CZ"})
	if w := r.Put("x", "+420603123456", map[string]string{"a": "603 123 456"}); len(w) != 0 {
		t.Errorf("wrote %v", w)
	}
	if w := r.Put("x", "+420603123457", map[string]string{"a": "603 123 456"}); w["a"] != "+420603123457" {
		t.Errorf("wrote %v", w)
	}
}

func TestTransformsListsParameters(t *testing.T) {
	all := Transforms()
	if len(all) != len(transforms) {
		t.Fatalf("%d transforms", len(all))
	}
	if got := all["phone"]; len(got) != 1 || got[0] != "country" {
		t.Errorf("phone takes %v", got)
	}
	if got := all["text"]; len(got) != 0 {
		t.Errorf("text takes %v", got)
	}
}

// values draws texts that look like what CRMs hold, and any text at all.
func values() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ ]?(\+|00)?[0-9()/ .-]{3,18}( ext [0-9])?`),
		rapid.StringMatching(` ?[A-Za-z.+0-9]{1,8}@[A-Za-z0-9-]{1,6}\.[A-Z a-z]{2,3}`),
		rapid.StringMatching(`[A-Za-z]{0,3}[ .-]?[0-9 .-]{1,12}[a-z]?`),
		rapid.StringMatching(`[+-]?[0-9]{0,12}(\.[0-9]{0,8})?(e-?[0-9]{1,3})?`),
		rapid.StringMatching(`[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:00:00(Z|[+-]0[0-9]:00))?`),
		rapid.StringMatching(`(\p{Lu}\p{Ll}{0,5}[  ]{0,2}){0,4}`),
		rapid.Map(rapid.Int64Range(-1<<40, 1<<40), func(n int64) string { return strconv.FormatInt(n*86400, 10) + "000" }),
		rapid.StringMatching(`(red|Red|B|1|2|3|none| ){0,2}([;,\n ]{1,2}(red|blue|1|x)){0,3}`),
		rapid.StringMatching(`20[0-9]{2}-(03|10|11)-[0-3][0-9][ T]0[0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,3})?)?(Z|[+-]0[0-9]:30)?`),
		rapid.StringMatching(`[ab]?(, |--?| |,){1,2}[ab]?(, |--| ){0,2}[ab -]?`),
		rapid.SampledFrom([]string{"czechia", "Germany", "Türkiye", "USA", "czk", "EUR", "ano", "ne", "blue", "1730000000000", "-99999999999"}),
		rapid.SampledFrom([]string{"", "yes", "No", "TRUE", "0", "1", "CZE", "gbr", "uk", "\r\n", "\u0085", "ı", "İ", "ſ", "K", "Å"}),
	)
}

func TestLaws(t *testing.T) {
	for _, r := range rowsOfAll(t) {
		t.Run(r.Name()+" "+r.Rev(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				checkLaws(t, r, values().Draw(t, "value"), values().Draw(t, "current"))
			})
		})
	}
}

func TestCheckLens(t *testing.T) {
	for _, r := range rowsOfAll(t) {
		samples := map[string][]map[string]string{
			"x": {{"a": " +420 603 123 456"}, {"a": "Jan  Novák"}, {}},
			"y": {{"b": "A@b.cz", "first": "Anna", "last": "van der Berg"}, {"b": "1.10", "first": "", "last": ""}},
			"z": {{"q": "not its system"}},
		}
		if err := CheckLens(r, samples); err != nil {
			t.Errorf("%s: %v", r.Rev(), err)
		}
	}
	lossy := row(t, "text", nil)
	lossy.norm = func(s string) string { return strings.TrimPrefix(s, "x") }
	err := CheckLens(lossy, map[string][]map[string]string{"x": {{"a": "xxsecret"}}})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a norm that never ends: %v", err)
	}
}

package fields

import (
	"maps"
	"strings"
	"testing"
)

func compiled(t testing.TB, s Spec) *Row {
	t.Helper()
	if s.Name == "" {
		s.Name = "f"
	}
	if s.Columns == nil {
		s.Columns = map[string][]string{"x": {"a"}, "y": {"b"}}
	}
	r, err := Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// meaning is an entry of a value map with one value in x and any in y.
func meaning(name, x string, y ...string) Value {
	return Value{Name: name, In: map[string][]string{"x": {x}, "y": y}}
}

func per(name string, values map[string]string) map[string]map[string]string {
	return map[string]map[string]string{name: values}
}

// What one system shows is what the other is written, and back.
func TestFormsOfEachSystem(t *testing.T) {
	segment := []Value{meaning("", "smb", "11"), meaning("", "ent", "13", "14"), meaning("", "none", "")}
	tests := []struct {
		name   string
		spec   Spec
		x, y   string
		oneWay bool // y is not a form that x's value is written in
	}{
		{name: "map", spec: Spec{As: asMap, Values: segment}, x: "smb", y: "11"},
		{name: "map, first is written", spec: Spec{As: asMap, Values: segment}, x: "ent", y: "13"},
		{name: "map, other is read", spec: Spec{As: asMap, Values: segment}, x: "ent", y: "14", oneWay: true},
		{name: "map, a word for empty", spec: Spec{As: asMap, Values: segment}, x: "none", y: ""},
		{name: "words of a bool", spec: Spec{As: asBool, Values: []Value{meaning("", "ano", "true"), meaning("", "ne", "false")}}, x: "ano", y: "true"},
		{name: "a currency by id", spec: Spec{As: asCurrency, Values: []Value{meaning("", "CZK", "9")}}, x: "CZK", y: "9"},
		{name: "a currency without entry", spec: Spec{As: asCurrency, Values: []Value{meaning("", "CZK", "9")}}, x: "EUR", y: "EUR"},
		{name: "country by name", spec: Spec{As: asCountry, Per: per(paramForm, map[string]string{"x": formName})}, x: "Czechia", y: "CZ"},
		{name: "country by three letters", spec: Spec{As: asCountry, Per: per(paramForm, map[string]string{"x": formAlpha3})}, x: "DEU", y: "DE"},
		{name: "no country", spec: Spec{As: asCountry, Per: per(paramForm, map[string]string{"x": formName})}, x: "Atlantis", y: "Atlantis"},
		{name: "tags", spec: Spec{As: asSet, Per: per(paramSeparator, map[string]string{"y": ","})}, x: "blue;red", y: "blue,red"},
		{name: "tags by id", spec: Spec{As: asSet, Values: []Value{meaning("", "vip", "7")}, Per: per(paramSeparator, map[string]string{"y": ","})}, x: "new;vip", y: "new,7"},
		{name: "local time", spec: Spec{As: asDatetime, Per: map[string]map[string]string{paramForm: {"y": formSQL}, paramZone: {"y": "Europe/Prague"}}}, x: "2026-07-01T10:00:00Z", y: "2026-07-01 12:00:00"},
		{name: "milliseconds", spec: Spec{As: asDatetime, Per: per(paramForm, map[string]string{"y": formMillis})}, x: "2026-07-01T10:00:00Z", y: "1782900000000"},
		{name: "day in a zone", spec: Spec{As: asDate, Params: map[string]string{paramZone: "Europe/Prague"}}, x: "2026-07-01T22:30:00Z", y: "2026-07-02", oneWay: true},
		{name: "join", spec: Spec{As: asJoin, Columns: map[string][]string{"x": {"a"}, "y": {"b", "c"}}, Params: map[string]string{paramSeparator: ", "}}, x: "Main 1, Brno", y: "Main 1|Brno"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := compiled(t, tt.spec)
			x, y := map[string]string{"a": tt.x}, map[string]string{}
			for i, v := range strings.Split(tt.y, "|") {
				y[[]string{"b", "c"}[i]] = v
			}
			cx, okX := r.Get("x", x)
			cy, okY := r.Get("y", y)
			if !okX || !okY || cx != cy {
				t.Fatalf("x reads %q, y reads %q (%v, %v)", cx, cy, okX, okY)
			}
			if got := r.Put("y", cx, nil); !tt.oneWay && !maps.Equal(got, y) {
				t.Errorf("y is written %q, want %q", got, y)
			}
			if got := r.Put("x", cy, nil); !tt.oneWay && !maps.Equal(got, x) {
				t.Errorf("x is written %q, want %q", got, x)
			}
		})
	}
}

// What a row does not know is neither passed on nor taken for empty (F67).
func TestUnknownValuesDoNotFlow(t *testing.T) {
	two := []Value{meaning("small", "smb", "11")}
	tests := []struct {
		name    string
		spec    Spec
		columns map[string]string
		want    string // canonical; "!" is a fault, "!!" one that parks
	}{
		{"map", Spec{As: asMap, Values: two}, map[string]string{"a": "big"}, "!"},
		{"map parks", Spec{As: asMap, Values: two, Unknown: UnknownPark}, map[string]string{"a": "big"}, "!!"},
		{"map default", Spec{As: asMap, Values: two, Unknown: UnknownDefault, Default: "small"}, map[string]string{"a": "big"}, "small"},
		{"case counts", Spec{As: asMap, Values: two}, map[string]string{"a": "SMB"}, "!"},
		{"empty is null", Spec{As: asMap, Values: two, Unknown: UnknownDefault, Default: "small"}, map[string]string{"a": ""}, ""},
		{"a date", Spec{As: asDate, Unknown: UnknownSkip}, map[string]string{"a": "soon"}, "!"},
		{"an element", Spec{As: asSet, Values: two, Unknown: UnknownSkip}, map[string]string{"a": "smb;big"}, "!"},
		{"another's separator", Spec{As: asSet, Per: per(paramSeparator, map[string]string{"y": ","})}, map[string]string{"a": "a,b"}, "!"},
		{"the hour shown twice", Spec{As: asDatetime, Per: map[string]map[string]string{paramForm: {"y": formSQL}, paramZone: {"y": "Europe/Prague"}}}, map[string]string{"a": "2026-10-25T00:30:00Z"}, "!"},
		{"a part with the separator", Spec{As: asJoin, Columns: map[string][]string{"x": {"a", "b"}, "y": {"b"}}, Params: map[string]string{paramSeparator: " "}}, map[string]string{"a": "Main Street", "b": "1"}, "!"},
		{"the same, one way", Spec{As: asJoin, From: "x", Columns: map[string][]string{"x": {"a", "b"}, "y": {"b"}}, Params: map[string]string{paramSeparator: " "}}, map[string]string{"a": "Main Street", "b": "1"}, "Main Street 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok, fault := compiled(t, tt.spec).Read("x", tt.columns)
			switch {
			case fault != nil && fault.Park:
				got = "!!"
			case fault != nil:
				got = "!"
			case !ok:
				got = "?"
			}
			if got != tt.want {
				t.Errorf("read %q, want %q", got, tt.want)
			}
		})
	}
}

// Nothing flows from a target, so what is unknown there is only another value.
func TestUnknownValueInATargetIsWrittenOver(t *testing.T) {
	fixed := "small"
	values := []Value{meaning("small", "smb", "11")}
	for name, r := range map[string]*Row{
		"one way":  compiled(t, Spec{As: asMap, Values: values, From: "x"}),
		"constant": compiled(t, Spec{As: asMap, Values: values, Const: &fixed}),
	} {
		now := map[string]string{"b": "small"} // the name of the meaning, which is no value of y
		read, ok := r.Get("y", now)
		if !ok || read == "small" || r.Put("y", "small", now)["b"] != "11" {
			t.Errorf("%s: read %q, %v; writes %v", name, read, ok, r.Put("y", "small", now))
		}
	}
}

func TestSetKeepsOrderAndSpellingOfWhatStays(t *testing.T) {
	r := compiled(t, Spec{As: asSet, Values: []Value{{Name: "vip", In: map[string][]string{"x": {"VIP", "Very important"}}}}})
	now := map[string]string{"a": "red; Very important;blue"}
	if w := r.Put("x", "blue\nred\nvip", now); len(w) != 0 {
		t.Errorf("the same elements write %q", w)
	}
	if w := r.Put("x", "green\nred\nvip", now); w["a"] != "red;Very important;green" {
		t.Errorf("wrote %q", w)
	}
}

func TestComputedAndConstantRows(t *testing.T) {
	r := compiled(t, Spec{As: asNumber, Params: map[string]string{paramScale: "1"}, From: "x", Expr: "price * qty", Columns: map[string][]string{"x": {"price", "qty"}, "y": {"total"}}})
	if err := r.Bind(map[string]string{"price": "number", "qty": "number"}); err != nil {
		t.Fatal(err)
	}
	if got, ok := r.Get("x", map[string]string{"price": "1.25", "qty": "3"}); got != "3.8" || !ok {
		t.Errorf("computed %q, %v", got, ok)
	}
	if _, ok, fault := r.Read("x", map[string]string{"price": "1.25"}); ok || fault != nil {
		t.Errorf("a column that is not shown: %v, %v", ok, fault)
	}
	if _, _, fault := r.Read("x", map[string]string{"price": "dear", "qty": "3"}); fault == nil || !fault.Computed || strings.Contains(fault.Detail, "dear") {
		t.Errorf("fault %+v", fault)
	}
	if w := r.Put("x", "5", nil); len(w) != 0 {
		t.Errorf("the source is written %q", w)
	}
	if err := compiled(t, Spec{From: "x", Expr: "b - 1", Columns: map[string][]string{"x": {"b"}, "y": {"c"}}}).Bind(map[string]string{"b": "text"}); err == nil {
		t.Error("an expression fits columns of the wrong type")
	}
	fixed := " CRM "
	if v, ok := compiled(t, Spec{Const: &fixed}).Const(); v != "CRM" || !ok {
		t.Errorf("constant %q, %v", v, ok)
	}
}

func TestDefinitionFaultsNameTheirKey(t *testing.T) {
	x := "x"
	tests := []struct {
		name      string
		spec      Spec
		key, want string
	}{
		{"no values", Spec{As: asMap}, "values", "needs a list of values"},
		{"a system is missing", Spec{As: asMap, Values: []Value{{In: map[string][]string{"x": {"1"}}}}}, "values[0]", "no value for y"},
		{"a value twice", Spec{As: asMap, Values: []Value{meaning("", "a", "1"), meaning("", "b", "1")}}, "values[1].y", `"1" of y means "a" already`},
		{"a meaning twice", Spec{As: asMap, Values: []Value{meaning("n", "a", "1"), meaning("n", "b", "2")}}, "values[1]", "there twice"},
		{"a named null", Spec{As: asMap, Values: []Value{meaning("n", "a", "")}}, "values[0].name", "has no name"},
		{"not its system", Spec{As: asMap, Values: []Value{{In: map[string][]string{"x": {"1"}, "y": {"2"}, "z": {"3"}}}}}, "values[0].z", "z has no column"},
		{"no bool", Spec{As: asBool, Values: []Value{meaning("", "ano", "ja")}}, "values[0]", "understands none of its values"},
		{"collision", Spec{As: asBool, Values: []Value{meaning("true", "0", "1")}}, "values[0].x", `"0" means "false" by itself`},
		{"default", Spec{As: asMap, Values: []Value{meaning("n", "a", "1")}, Unknown: UnknownDefault, Default: "m"}, "unknown.default", "none of the row's values"},
		{"separator in a value", Spec{As: asSet, Values: []Value{meaning("", "a;b", "1")}}, "values[0].x", "holds the separator"},
		{"values of a name", Spec{As: asJoin, Params: map[string]string{paramSeparator: " "}, Columns: map[string][]string{"x": {"a", "b"}, "y": {"c"}}, Unknown: UnknownSkip}, "x", "one column in each system"},
		{"join without separator", Spec{As: asJoin}, "separator", "needs what stands between"},
		{"zone", Spec{As: asDate, Params: map[string]string{paramZone: "Prague"}}, "zone", "no such zone"},
		{"a zone of a time with one", Spec{As: asDatetime, Per: per(paramZone, map[string]string{"y": "Europe/Prague"})}, "zone.y", "form: {y: local}"},
		{"form", Spec{As: asCountry, Params: map[string]string{paramForm: "iso"}}, "form", "alpha2, alpha3, name"},
		{"not by system", Spec{As: asNumber, Per: per(paramScale, map[string]string{"y": "2"})}, "scale.y", "the same for all systems"},
		{"rounding without scale", Spec{As: asNumber, Params: map[string]string{paramRounding: roundDown}}, "rounding", "needs a scale"},
		{"expression both ways", Spec{Expr: "a"}, "expr", "goes one way"},
		{"expression and value", Spec{Expr: "a", Const: &x, From: "x"}, "expr", "either an expression or a fixed value"},
		{"expression", Spec{Expr: "a +", From: "x"}, "expr", "not understood"},
		{"constant", Spec{As: asMap, Values: []Value{meaning("n", "a", "1")}, Const: &x}, "value", "hold that value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.spec.Columns == nil {
				tt.spec.Columns = map[string][]string{"x": {"a"}, "y": {"b"}}
			}
			_, err := compile(tt.spec)
			if err == nil || err.Key != tt.key || !strings.Contains(err.Msg, tt.want) {
				t.Errorf("%v at %v; want %q at %q", err, err, tt.want, tt.key)
			}
		})
	}
}

func TestRevCoversAllThatARowMeans(t *testing.T) {
	a, b := "a", "b"
	values := []Value{meaning("", "smb", "11"), meaning("", "ent", "12", "13")}
	seen := map[string]int{}
	for i, s := range []Spec{
		{As: asMap, Values: values}, {As: asMap, Values: values[:1]}, {As: asMap, Values: []Value{values[0], meaning("", "ent", "13", "12")}},
		{As: asMap, Values: []Value{values[0], meaning("big", "ent", "12", "13")}},
		{As: asMap, Values: values, Unknown: UnknownPark}, {As: asMap, Values: values, Unknown: UnknownDefault, Default: "smb", From: "x"},
		{As: asMap, Values: values, Unknown: UnknownDefault, Default: "ent", From: "x"},
		{As: asSet}, {As: asSet, Params: map[string]string{paramSeparator: ","}}, {As: asSet, Per: per(paramSeparator, map[string]string{"x": ","})},
		{As: asSet, Per: per(paramSeparator, map[string]string{"y": ","})},
		{From: "x", Expr: "a"}, {From: "x", Expr: "a + a"}, {Const: &a}, {Const: &b}, {},
	} {
		r := compiled(t, s)
		if before, taken := seen[r.Rev()]; taken {
			t.Errorf("definition %d has the fingerprint of %d", i, before)
		}
		seen[r.Rev()] = i
	}
	if compiled(t, Spec{Samples: []string{"x"}}).Rev() != compiled(t, Spec{}).Rev() {
		t.Error("samples change what a row means")
	}
}

func TestSamplesOfADefinitionComeBack(t *testing.T) {
	phone := map[string]string{"country": "CZ"}
	tests := []struct {
		spec Spec
		want string // "" is well
	}{
		{Spec{As: asPhone, Params: phone, Samples: []string{"+420603123456"}}, ""},
		{Spec{As: asPhone, Params: phone, Samples: []string{"603 123 456"}}, `the sample "603 123 456" comes back as "+420603123456"`},
		{Spec{As: asCountry, Per: per(paramForm, map[string]string{"x": formName}), Samples: []string{"Czechia", "CZ"}}, ""},
		{Spec{As: asMap, Values: []Value{meaning("", "smb", "11")}, Samples: []string{"smb", "11", "big"}}, `the sample "big" does not flow from x`},
		{Spec{As: asDatetime, Params: map[string]string{paramPrecision: precisionMinute}}, `"2026-11-20T15:04:05Z" comes back as "2026-11-20T15:04:00Z"`},
		{Spec{As: asMap, Values: []Value{meaning("n", "smb", "11")}, Unknown: UnknownDefault, Default: "n"}, "comes back as the default"},
	}
	for _, tt := range tests {
		err := CheckTwoWay(compiled(t, tt.spec))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v; want %q", tt.spec.As, err, tt.want)
		}
	}
}

func BenchmarkRow(b *testing.B) {
	for _, r := range rowsOfAll(b) {
		if len(r.ColumnsOf("x")) > 1 || len(r.ColumnsOf("y")) > 1 {
			continue
		}
		sample := r.samples[0]
		held := r.Put("x", sample, nil)
		b.Run("get "+r.Name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Get("x", held)
			}
		})
		b.Run("put "+r.Name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Put("y", sample, nil)
			}
		})
	}
}

package fields

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// row compiles a row with one column a in system x and one column b in y.
func row(t testing.TB, as string, params map[string]string) *Row {
	t.Helper()
	r, err := Compile(Spec{Name: "f", As: as, Params: params, Columns: map[string][]string{"x": {"a"}, "y": {"b"}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNorm(t *testing.T) {
	cz := map[string]string{"country": "CZ"}
	tests := []struct {
		as     string
		params map[string]string
		in     string
		want   string
	}{
		{"text", nil, "  Novák\t& syn \x00 ", "Novák & syn"},
		{"text", nil, "a\r\nb\rc\nd", "a\nb\nc\nd"},
		{"text", nil, "Nova\u0301k", "Nov\u00e1k"},
		{"text", nil, "\u00a0x\u2003", "x"},
		{"text", nil, "a\xffb", "a\ufffdb"},
		{"text", nil, "a  b", "a  b"},
		{"", nil, " a ", "a"},
		{"lower", nil, " ÁbC ", "ábc"},
		{"email", nil, " Jan.Novak@Example.COM ", "jan.novak@example.com"},
		{"email", nil, "Info@Straße.DE", "info@straße.de"},
		{"email", nil, "None Given", "None Given"},
		{"email", nil, "Jan <jan@example.com>", "Jan <jan@example.com>"},
		{"email", nil, "A@b.cz, C@d.cz", "A@b.cz, C@d.cz"},
		{"email", nil, "Root@Localhost", "Root@Localhost"},
		{"phone", cz, "603 123 456", "+420603123456"},
		{"phone", cz, "(+420) 603-123-456", "+420603123456"},
		{"phone", cz, "00420603123456", "+420603123456"},
		{"phone", cz, "+49 30 901820", "+4930901820"},
		{"phone", map[string]string{"country": "US"}, "(212) 555-0101", "+12125550101"},
		{"phone", map[string]string{"country": "IT"}, "06 1234 5678", "+390612345678"},
		{"phone", cz, "603 123 456 ext. 5", "603 123 456 ext. 5"},
		{"phone", cz, "112", "112"},
		{"phone", cz, "ask Eva", "ask Eva"},
		{"phone", nil, "603 123 456", "603 123 456"},
		{"phone", nil, "+420 603 123 456", "+420603123456"},
		{"vat", nil, " cz 1234-5678 ", "CZ12345678"},
		{"vat", cz, "12.345.678", "CZ12345678"},
		{"vat", cz, "DE 123456789", "DE123456789"},
		{"vat", map[string]string{"country": "GR"}, "123456789", "EL123456789"},
		{"vat", map[string]string{"country": "ES"}, "B12345678", "ESB12345678"},
		{"vat", map[string]string{"country": "AT"}, "U12345678", "ATU12345678"},
		{"vat", cz, "not registered", "not registered"},
		{"country", nil, "cz", "CZ"},
		{"country", nil, "DEU", "DE"},
		{"country", nil, "uk", "GB"},
		{"country", nil, "Germany", "Germany"},
		{"country", nil, "ZZ", "ZZ"},
		{"country", nil, "150", "150"},
		{"number", nil, "1.10", "1.1"},
		{"number", nil, "-0.00", "0"},
		{"number", nil, "+1e3", "1000"},
		{"number", nil, "0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"},
		{"number", nil, "9007199254740993", "9007199254740993"},
		{"number", nil, "1e999999999", "1e999999999"},
		{"number", nil, "1,5", "1,5"},
		{"number", map[string]string{"scale": "2"}, "1.005", "1.01"},
		{"number", map[string]string{"scale": "0"}, "-2.5", "-3"},
		{"bool", nil, " YES ", "true"},
		{"bool", nil, "0", "false"},
		{"bool", nil, "", ""},
		{"bool", nil, "maybe", "maybe"},
		{"date", nil, "2024-02-29", "2024-02-29"},
		{"date", nil, "2024-02-29T23:30:00-01:00", "2024-03-01"},
		{"date", nil, "1709164800000", "2024-02-29"},
		{"date", nil, "1709164800001", "1709164800001"},
		{"date", nil, "-86400000", "1969-12-31"},
		{"date", nil, "2024-02-30", "2024-02-30"},
		{"date", nil, "9999-12-31T23:00:00-02:00", "9999-12-31T23:00:00-02:00"},
		{"number", map[string]string{"scale": "2", "rounding": "half_even"}, "1.005", "1"},
		{"number", map[string]string{"scale": "2", "rounding": "half_even"}, "1.015", "1.02"},
		{"number", map[string]string{"scale": "2", "rounding": "down"}, "-1.019", "-1.01"},
		{"currency", nil, " czk ", "CZK"},
		{"currency", nil, "XXQ", "XXQ"},
		{"currency", nil, "Kč", "Kč"},
		{"datetime", nil, "2026-11-20T16:04:05.999+01:00", "2026-11-20T15:04:05Z"},
		{"datetime", nil, "1763651045123", "2025-11-20T15:04:05Z"},
		{"datetime", map[string]string{"precision": "millisecond"}, "1763651045123", "2025-11-20T15:04:05.123Z"},
		{"datetime", map[string]string{"precision": "minute"}, "2026-11-20T15:04:59Z", "2026-11-20T15:04:00Z"},
		{"datetime", nil, "2026-11-20 15:04:05", "2026-11-20 15:04:05"},
		{"datetime", nil, "20261120", "20261120"},
		{"set", nil, "b\n a \r\nb", "a\nb"},
		{"person_name", nil, "  Jan \n  Novák ", "Jan Novák"},
	}
	for _, tt := range tests {
		t.Run(tt.as+" "+tt.in, func(t *testing.T) {
			r := row(t, tt.as, tt.params)
			if got := r.Norm(tt.in); got != tt.want {
				t.Errorf("norm(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestMatchValue(t *testing.T) {
	tests := []struct {
		as, in, want string
		ok           bool
	}{
		{"text", " A1 ", "A1", true},
		{"text", " ", "", false},
		{"email", "A@B.cz", "a@b.cz", true},
		{"email", "none", "", false},
		{"phone", "603123456", "+420603123456", true},
		{"phone", "n/a", "", false},
		{"vat", "cz 12", "CZ12", true},
		{"vat", "00000000", "", false},
		{"vat", "n/a", "", false},
		{"country", "Atlantis", "", false},
		{"number", "1.0", "1", true},
		{"number", "x", "", false},
		{"date", "soon", "", false},
		{"bool", "maybe", "", false},
		{"person_name", "Jan  N", "Jan N", true},
	}
	for _, tt := range tests {
		t.Run(tt.as+" "+tt.in, func(t *testing.T) {
			var params map[string]string
			if tt.as == "phone" {
				params = map[string]string{"country": "CZ"}
			}
			got, ok := row(t, tt.as, params).MatchValue(tt.in)
			if got != tt.want || ok != tt.ok {
				t.Errorf("MatchValue(%q) = %q, %v", tt.in, got, ok)
			}
		})
	}
}

// rowsOfAll gives a row of every transform, with and without its parameters.
func rowsOfAll(t testing.TB) []*Row {
	t.Helper()
	one := map[string][]string{"x": {"a"}, "y": {"b"}}
	two := map[string][]string{"x": {"a"}, "y": {"first", "last"}}
	colours := []Value{{In: map[string][]string{"x": {"red", "Red"}, "y": {"1"}}}, {Name: "blue", In: map[string][]string{"x": {"B"}, "y": {"2", "3"}}}}
	specs := []Spec{
		{As: asName, Columns: two},
		{As: asCountry, Columns: one, Per: map[string]map[string]string{paramForm: {"x": formName, "y": formAlpha3}}},
		{As: asDate, Columns: one, Per: map[string]map[string]string{paramZone: {"y": "America/New_York"}}},
		{As: asDatetime, Columns: one, Params: map[string]string{paramZone: "Europe/Prague"}, Per: map[string]map[string]string{paramForm: {"y": formSQL}}},
		{As: asDatetime, Columns: one, Per: map[string]map[string]string{paramForm: {"x": formMillis, "y": formLocal}, paramZone: {"y": "Australia/Lord_Howe"}}},
		{As: asJoin, Columns: two, Params: map[string]string{paramSeparator: ", "}},
		{As: asJoin, Columns: map[string][]string{"x": {"a", "b", "c"}, "y": {"first", "last"}}, Params: map[string]string{paramSeparator: " "}},
		{As: asJoin, Columns: two, From: "y", Params: map[string]string{paramSeparator: "--"}},
		{As: asSet, Columns: one, Per: map[string]map[string]string{paramSeparator: {"y": ","}}},
		{As: asSet, Columns: one, Values: colours},
		{As: asSet, Columns: one, Values: colours, Unknown: UnknownSkip},
		{As: asMap, Columns: one, Values: colours},
		{As: asMap, Columns: one, Values: append(slices.Clone(colours), Value{In: map[string][]string{"x": {"none"}, "y": {""}}})},
		{As: asMap, Columns: one, Values: colours, Unknown: UnknownDefault, Default: "red", From: "x"},
		{As: asBool, Columns: one, Values: []Value{{In: map[string][]string{"x": {"ano"}, "y": {"true"}}}, {In: map[string][]string{"x": {"ne", "0"}, "y": {"false"}}}}},
		{As: asBool, Columns: one, Unknown: UnknownPark},
		{As: asEmail, Columns: one, Unknown: UnknownSkip},
	}
	for as, params := range Transforms() {
		if as != asMap && as != asJoin {
			specs = append(specs, Spec{As: as, Columns: one})
		}
		for _, p := range params {
			for _, value := range map[string][]string{"country": {"CZ", "US", "IT", "AR", "MX", "GR", "BR"}, "scale": {"0", "2"}, "precision": {"minute", "millisecond"}}[p] {
				specs = append(specs, Spec{As: as, Columns: one, Params: map[string]string{p: value}})
			}
		}
		if as == asNumber {
			for _, rounding := range []string{roundHalfEven, roundDown} {
				specs = append(specs, Spec{As: as, Columns: one, Params: map[string]string{paramScale: "2", paramRounding: rounding}})
			}
		}
	}
	var rows []*Row
	for i, s := range specs {
		s.Name = fmt.Sprintf("%s %d", s.As, i)
		r, err := Compile(s)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		rows = append(rows, r)
	}
	return rows
}

func FuzzNorm(f *testing.F) {
	for _, seed := range []string{"", " a ", "+420 603 123 456", "Jan@Example.com", "cz 123", "DEU", "1.10", "1e40", "yes", "1709164800000",
		"2024-02-29T23:30:00-01:00", "Jan  van der Berg", "\xff\x00\r\n", "İ@x.cz", "a\u0301\u0327", "0011420603123456", "011 15 4123-4567"} {
		f.Add(seed, seed)
	}
	rows := rowsOfAll(f)
	f.Fuzz(func(t *testing.T, value, current string) {
		for _, r := range rows {
			checkLaws(t, r, value, current)
		}
	})
}

// checkLaws tries every law of the package comment on one value and one
// current text, in both systems.
func checkLaws(t interface{ Fatalf(string, ...any) }, r *Row, value, current string) {
	c := r.Norm(value)
	inSpace := r.Holds(c)
	if again := r.Norm(c); again != c {
		t.Fatalf("norm of %q: %q, then %q", value, c, again)
	}
	if m, ok := r.MatchValue(c); ok && (m == "" || r.Norm(m) != m) {
		t.Fatalf("match value of %q is %q", c, m)
	}
	for _, system := range []string{"x", "y"} {
		columns := r.ColumnsOf(system)
		now := map[string]string{"other": "kept"}
		for i, column := range columns {
			now[column] = current
			if i > 0 {
				now[column] = value
			}
		}
		read, ok, fault := r.Read(system, now)
		if ok == (fault != nil) {
			t.Fatalf("in %s, %q is read: %v, %v", system, now, ok, fault)
		}
		if ok && !r.Holds(read) && !strings.HasPrefix(read, strangeMark) {
			t.Fatalf("%s reads %q, which the row cannot hold", system, read)
		}
		if system == r.from {
			continue // never written
		}
		if w := r.Put(system, read, now); ok && len(w) != 0 {
			t.Fatalf("GetPut in %s: %q changes %q to %q", system, read, now, w)
		}
		if !inSpace {
			if w := r.Put(system, c, now); len(w) != 0 {
				t.Fatalf("%s is written %q, which the row cannot hold", system, w)
			}
			continue
		}
		for _, before := range []map[string]string{now, {}, nil} {
			if err := checkPutGet(r, system, c, before); err != nil {
				t.Fatalf("value %q into %q: %v", c, before, err)
			}
		}
	}
}

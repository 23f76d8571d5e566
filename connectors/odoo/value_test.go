package odoo

import (
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestToText(t *testing.T) {
	for _, x := range []struct{ kind, json, want string }{
		{typeChar, `false`, ""},
		{typeChar, `null`, ""},
		{typeChar, `""`, ""},
		{typeChar, `"Trim  "`, "Trim  "},
		{typeBoolean, `false`, "false"},
		{typeBoolean, `true`, "true"},
		{typeMany2one, `[57,"Germany"]`, "57"},
		{typeMany2one, `57`, "57"},
		{typeMany2one, `false`, ""},
		{typeFloat, `1000.10`, "1000.1"},
		{typeFloat, `20.0`, "20"},
		{typeFloat, `1e+16`, "10000000000000000"},
		{typeFloat, `1e-07`, "0.0000001"},
		{typeFloat, `-0.0`, "0"},
		{typeInteger, `9007199254740993`, "9007199254740993"},
		{typeDate, `"2026-11-20"`, "2026-11-20"},
		{typeDatetime, `"2026-11-20 15:03:37"`, "2026-11-20T15:03:37Z"},
		{typeSelection, `"contact"`, "contact"},
		{"many2many", `[3,1]`, "3,1"},
		{"many2many", `[]`, ""},
		{"json", `{"a":1}`, `{"a":1}`},
	} {
		var v any
		if err := decode([]byte(x.json), &v); err != nil {
			t.Fatal(err)
		}
		if got := toText(x.kind, v); got != x.want {
			t.Errorf("toText(%s, %s) = %q, want %q", x.kind, x.json, got, x.want)
		}
	}
}

func TestToWireAndCell(t *testing.T) {
	for _, x := range []struct{ kind, text, wire, column, cell string }{
		{typeChar, "", `false`, "f", ""},
		{typeChar, "a", `"a"`, "f", "a"},
		{typeChar, "true", `"true"`, "f", "true"},
		{typeBoolean, "false", `false`, "f", "False"},
		{typeBoolean, "true", `true`, "f", "True"},
		{typeBoolean, "", `false`, "f", "False"},
		{typeMany2one, "57", `57`, "f/.id", "57"},
		{typeMany2one, "", `false`, "f/.id", ""},
		{typeMany2many, "3,57", `[[6, 0, [3, 57]]]`, "f/.id", "3,57"},
		{typeMany2many, "", `[[6, 0, []]]`, "f/.id", ""},
		{typeFloat, "10.50", `10.5`, "f", "10.5"},
		{typeInteger, "-3", `-3`, "f", "-3"},
		{typeDate, "2026-11-20", `"2026-11-20"`, "f", "2026-11-20"},
		{typeDatetime, "2026-11-20T16:03:37+01:00", `"2026-11-20 15:03:37"`, "f", "2026-11-20 15:03:37"},
		{typeSelection, "other", `"other"`, "f", "other"},
		{typeHTML, "<p>a</p>", `"<p>a</p>"`, "f", "<p>a</p>"},
	} {
		f := field{name: "f", kind: x.kind}
		v, err := toWire(f, x.text)
		if err != nil {
			t.Errorf("toWire(%s, %q): %v", x.kind, x.text, err)
		}
		var want any
		_ = decode([]byte(x.wire), &want)
		if got := compact(v); got != compact(want) {
			t.Errorf("toWire(%s, %q) = %s, want %s", x.kind, x.text, got, x.wire)
		}
		column, cell, err := toCell(f, x.text)
		if err != nil || column != x.column || cell != x.cell {
			t.Errorf("toCell(%s, %q) = %q %q %v, want %q %q", x.kind, x.text, column, cell, err, x.column, x.cell)
		}
	}
}

func TestToWireRefuses(t *testing.T) {
	for _, x := range []struct{ kind, text string }{
		{typeBoolean, "yes"}, {typeInteger, "1.5"}, {typeFloat, "1,5"}, {typeFloat, "NaN"}, {typeFloat, "."},
		{typeMany2one, "Germany"}, {typeMany2one, "0"}, {typeMany2one, "-1"}, {typeDate, "20.11.2026"},
		{typeDatetime, "2026-11-20 15:03:37"}, {typeMany2many, "1, 2"}, {typeMany2many, "vip"}, {typeMany2many, "1,"}, {"one2many", "1"}, {"binary", "x"},
	} {
		if v, err := toWire(field{name: "f", kind: x.kind}, x.text); err == nil {
			t.Errorf("toWire(%s, %q) = %v, want an error", x.kind, x.text, v)
		}
	}
}

func TestParseID(t *testing.T) {
	for s, want := range map[string]bool{
		"1": true, "2147483647": true, "2147483648": false, "0": false, "-1": false, "01": false, "+1": false,
		"1.0": false, "": false, "../1": false, "1?x=": false, "１": false, "1\x00": false, " 1": false,
	} {
		if _, ok := parseID(s); ok != want {
			t.Errorf("parseID(%q) = %v, want %v", s, ok, want)
		}
	}
}

// A decimal keeps the value of the number, and writing it twice changes nothing.
func TestDecimalKeepsTheValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		got, err := decimal(s)
		if err != nil {
			t.Fatalf("decimal(%q): %v", s, err)
		}
		a, _ := new(big.Rat).SetString(s)
		b, ok := new(big.Rat).SetString(got)
		if !ok || a.Cmp(b) != 0 {
			t.Fatalf("decimal(%q) = %q", s, got)
		}
		if again, _ := decimal(got); again != got {
			t.Fatalf("decimal(%q) = %q, then %q", s, got, again)
		}
		if !json.Valid([]byte(got)) {
			t.Fatalf("decimal(%q) = %q is not JSON", s, got)
		}
	})
}

// A writable value that Odoo gives back as it was written reads as it was.
func TestValuesSurviveTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{typeChar, typeBoolean, typeInteger, typeFloat, typeDate, typeDatetime, typeMany2one}).Draw(t, "kind")
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), 0).UTC()
		var text string
		switch kind {
		case typeBoolean:
			text = rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
		case typeInteger, typeMany2one:
			text = idText(rapid.Int64Range(1, 1<<31-1).Draw(t, "int"))
		case typeFloat:
			text, _ = decimal(rapid.StringMatching(`[0-9]{1,9}\.[0-9]{1,4}`).Draw(t, "float"))
		case typeDate:
			text = at.Format(isoDate)
		case typeDatetime:
			text = at.Format(time.RFC3339)
		default:
			text = rapid.String().Draw(t, "text")
		}
		v, err := toWire(field{name: "f", kind: kind}, text)
		if err != nil {
			t.Fatal(err)
		}
		var back any
		if err := decode([]byte(compact(v)), &back); err != nil {
			t.Fatal(err)
		}
		if got := toText(kind, back); got != text {
			t.Fatalf("%s %q came back as %q", kind, text, got)
		}
	})
}

func TestVersionDropsTheFraction(t *testing.T) {
	hook, _ := parseTime("2026-11-20 15:05:42.354039")
	read, _ := parseTime("2026-11-20 15:05:42")
	if version(hook) != version(read) || version(read) != "0001795187142000" {
		t.Errorf("versions %s and %s", version(hook), version(read))
	}
}

func TestReadVersion(t *testing.T) {
	for _, x := range []struct {
		body  string
		json2 bool
		ok    bool
	}{
		{`{"version":"19.0","version_info":[19,0,0,"final",0,""]}`, true, true},
		{`{"server_version":"17.0-20240709","server_version_info":[17,0,0,"final",0,""]}`, false, true},
		{`{"server_version":"saas~18.2+e","server_version_info":["saas~18",2,0,"final",0,"e"]}`, false, true},
		{`{"version":"saas~19.1","version_info":["saas~19",1,0,"final",0,"e"]}`, true, true},
		{`{"version":"20.0"}`, true, true},
		{`{"version":"master"}`, false, false},
		{`<html>`, false, false},
	} {
		s, ok := readVersion([]byte(x.body))
		if ok != x.ok || (ok && s.json2 != x.json2) {
			t.Errorf("readVersion(%s) = %+v, %v", x.body, s, ok)
		}
	}
}

func TestWindows(t *testing.T) {
	for host, n := range map[string]int{
		"acme.odoo.com": 1, "ACME.Odoo.com:443": 1, "odoo.com.": 1, "erp.example.com": 4, "notodoo.com": 4, "odoo.com.example": 4,
	} {
		if got := Concurrency(host); got != n {
			t.Errorf("Concurrency(%q) = %d, want %d", host, got, n)
		}
		if (len(Windows(host)) == 1) != (n == 1) {
			t.Errorf("Windows(%q) = %v", host, Windows(host))
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := Config{URL: "https://erp.example.com", Database: "acme", Login: "syncd", APIKey: func() string { return "k" }}
	for name, spoil := range map[string]func(*Config){
		"no url":      func(c *Config) { c.URL = "" },
		"scheme":      func(c *Config) { c.URL = "ftp://erp.example.com" },
		"credentials": func(c *Config) { c.URL = "https://u:p@erp.example.com" },
		"query":       func(c *Config) { c.URL = "https://erp.example.com?db=x" },
		"database":    func(c *Config) { c.Database = "" },
		"key":         func(c *Config) { c.APIKey = nil },
		"module":      func(c *Config) { c.Module = "a.b" },
		"token field": func(c *Config) { c.TokenField = "ref" },
	} {
		c := good
		spoil(&c)
		if _, err := New(c, httpClient); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(good, httpClient); err != nil {
		t.Error(err)
	}
}

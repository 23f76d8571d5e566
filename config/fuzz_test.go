package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzParse: no panic, every error has a place in the file, and what is taken
// can be shown.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, examplePath) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{"", "a", "- a", "a: &a [*a]", "a: &a {b: *a}", "install_key: *x", "\xff", "a: \x00", "? {a: b}\n: c", "---\n---\n", "{", "links: &l\n- members: *l\n", "systems: {a: {kind: odoo, url: &u [*u]}}", "links: [{members: [{inverse_id: {\"\\e[31m\": x}}]}]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o := testOptions()
		c, err := Parse("syncd.yaml", data, o)
		if err == nil {
			if _, err := c.Show(); err != nil || c.Rev == "" {
				t.Fatalf("cannot be shown: %v", err)
			}
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("got a %T", err)
		}
		lines := len(newSource(data).lines)
		for _, e := range errs {
			if e.Line < 1 || e.Line > lines || e.Column < 1 || e.File != "syncd.yaml" || e.Msg == "" {
				t.Fatalf("without a place: %+v", e)
			}
			if strings.ContainsFunc(e.Error(), unicode.IsControl) {
				t.Fatalf("a message steers the terminal: %q", e.Error())
			}
			if !utf8.ValidString(e.Snippet) {
				t.Fatalf("a snippet is text: %q", e.Snippet)
			}
		}
	})
}

// Package syncd_test keeps the laws of the repository's layout: which package
// may import which, which library has which home, and how long a file may be.
// ARCHITECTURE.md explains them; a change of a law is a change of this file,
// with its reason.
package syncd_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "syncd"

// layers are the packages from top to bottom. A package imports from layers
// below its own and nothing from its own or above. A name that ends in /* is
// every package directly below it that has no line of its own.
var layers = [][]string{
	{"cmd/syncd"},
	{"demo"},
	{"daemon"},
	{"ingress", "ops", "control", "config", "console"},
	{"flows"},
	{"connectors/*", "flows/plan", "ratelimit", "store/postgres", "store/sqlite"},
	{"connectors/wire", "store/erase"},
	{"connectors", "fields", "secret", "store"},
	{"mapping"},
	{"failpoint"},
}

// Two layers are finer than the picture in ARCHITECTURE.md, so that no import
// within a layer needs an exception:
//   - connectors/wire lies below the vendors, which all make their calls with it,
//     and store/erase below the stores, which both run it;
//   - mapping lies below store, whose types carry its states.

// pretend packages stand for the world outside: vendors, and the conformance
// suites. Nothing that runs for real may import them.
var pretend = []string{"simulator", "store/storetest", "store/postgres/pgtest", "connectors/connectortest"}

// stages are the packages that may import the pretend ones, beside tests. The
// demo is one: it is a real daemon between pretend vendors. cmd/syncd reaches
// them only through the demo.
var stages = []string{"demo", "lab", "e2e"}

// homes says which packages may import a library. One that is not listed may
// not be imported at all: add it here, with as few homes as will do.
var homes = map[string][]string{
	"github.com/jackc/pgx/v5":             {"store/postgres", "store/postgres/pgtest"},
	"modernc.org/sqlite":                  {"store/sqlite"},
	"github.com/pressly/goose/v3":         {"store/postgres", "store/sqlite"}, // migrations
	"golang.org/x/sys":                    {"store/sqlite"},                   // the file lock, the kind of file system
	"github.com/labstack/echo/v4":         {"ingress", "console"},             // v4 is in maintenance: a move touches these two
	"golang.org/x/time":                   {"ingress", "console"},
	"github.com/spf13/viper":              {"config"},
	"go.yaml.in/yaml/v4":                  {"config", "secret"}, // a secret is decoded from its YAML node
	"github.com/spf13/cobra":              {"cmd/syncd"},
	"golang.org/x/oauth2":                 {"connectors/rest"},
	"github.com/expr-lang/expr":           {"fields"},
	"github.com/nyaruka/phonenumbers":     {"fields"},
	"github.com/shopspring/decimal":       {"fields"},
	"golang.org/x/text":                   {"fields"},
	"github.com/prometheus/client_golang": {"daemon", "ingress", "ops", "console"},
	"github.com/cenkalti/backoff/v4":      {"flows", "connectors/wire"},
	"pgregory.net/rapid":                  {"store/storetest", "connectors/connectortest", "lab", "e2e"}, // and tests
	// These have no home, for a reason.
	"github.com/mattn/go-sqlite3":           {}, // needs cgo
	"github.com/sirupsen/logrus":            {}, // log/slog
	"github.com/stretchr/testify":           {}, // package testing
	"github.com/hashicorp/go-retryablehttp": {}, // no client retries a write by itself
}

// pure packages decide; they may not read, wait, log or draw lots.
var pure = map[string][]string{
	"flows/plan": {"context", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "os", "sync"},
	"mapping":    {"context", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "os"},
}

// maxLines bounds a file that is no test.
const maxLines = 500

// longFiles may be longer, each with its reason. There are none.
var longFiles = map[string]string{}

// scratched matches what opens a database that a power loss may shorten.
var scratched = regexp.MustCompile(`\bScratch(:|\s*=)`)

// vague names say nothing about what a package is for.
var vague = []string{"base", "common", "helper", "helpers", "lib", "misc", "shared", "types", "util", "utils"}

func TestLayout(t *testing.T) {
	for _, broken := range laws(os.DirFS(".")) {
		t.Error(broken)
	}
}

// TestTheExampleConfigurationIsLoadedByATest: an example that nobody loads is
// wrong after a month.
func TestTheExampleConfigurationIsLoadedByATest(t *testing.T) {
	tests, err := fs.Glob(os.DirFS("config"), "*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tests {
		text, err := os.ReadFile(path.Join("config", name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"../config.example.yaml"`) {
			return
		}
	}
	t.Error("no test of package config loads config.example.yaml")
}

// TestTheDocsNameWhatExists: every Go file that the docs name is there, and every
// metric and every reason of the code is in docs/operating.md.
func TestTheDocsNameWhatExists(t *testing.T) {
	text := map[string]string{} // of Go files
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != "." && foreign(os.DirFS("."), name):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		b, err := os.ReadFile(name)
		text[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	exists := func(pattern string) bool {
		for name := range text {
			if ok, _ := path.Match(pattern, name); ok || path.Base(name) == pattern {
				return true
			}
		}
		return false
	}
	named := regexp.MustCompile("`([a-z0-9_*/]+\\.go)`")
	for _, doc := range []string{"README.md", "ARCHITECTURE.md", "docs/guarantees.md", "docs/operating.md", "docs/configuration.md", "docs/troubleshooting.md"} {
		b, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(b), -1) {
			if !exists(m[1]) {
				t.Errorf("%s names %s, which is not there", doc, m[1])
			}
		}
	}
	b, err := os.ReadFile("docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	label := regexp.MustCompile(`Name: +"(syncd_[a-z_]+)"|(?:counter|histogram|gauge|NewDesc)\("(syncd_[a-z_]+)"|Reason: +"([a-z_]+)"|\b(?:end|endRow|endUnit|unseen)\([a-z.]+, "([a-z_]+)"`)
	for name, src := range text {
		if strings.HasSuffix(name, "_test.go") || !isOf([]string{"daemon", "flows", "ingress", "ops", "control"}, path.Dir(name)) {
			continue
		}
		for _, m := range label.FindAllStringSubmatch(src, -1) {
			if word := m[1] + m[2] + m[3] + m[4]; !strings.Contains(string(b), "`"+word+"`") {
				t.Errorf("docs/operating.md says nothing about %s (%s)", word, name)
			}
		}
	}
}

// TestLayoutSeesEveryBreach breaks each law once, in a tree of its own.
func TestLayoutSeesEveryBreach(t *testing.T) {
	src := func(doc, name string, imports ...string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "%spackage %s\n", doc, name)
		for _, i := range imports {
			fmt.Fprintf(&b, "import _ %q\n", i)
		}
		return b.String()
	}
	const doc = "// Package x is here.\n"
	for _, c := range []struct{ name, file, text, want string }{
		{"up", "flows/a.go", src(doc, "flows", "syncd/daemon"), "flows/a.go imports syncd/daemon: arrows point down"},
		{"sideways", "ingress/a.go", src(doc, "ingress", "syncd/config"), "ingress/a.go imports syncd/config: arrows point down"},
		{"vendor to vendor", "connectors/odoo/a.go", src(doc, "odoo", "syncd/connectors/hubspot"), "arrows point down"},
		{"wire to vendor", "connectors/wire/a.go", src(doc, "wire", "syncd/connectors/odoo"), "arrows point down"},
		{"a new vendor has a layer", "connectors/erpnext/a.go", src(doc, "erpnext", "syncd/flows"), "arrows point down"},
		{"new package", "attic/a.go", src(doc, "attic"), "package attic has no layer"},
		{"pretend", "daemon/a.go", src(doc, "daemon", "syncd/simulator/odoosim"), "is for tests, demo, e2e and lab"},
		{"pretend from below", "store/sqlite/a.go", src(doc, "sqlite", "syncd/store/storetest"), "is for tests, demo, e2e and lab"},
		{"pretend upwards", "simulator/a.go", src(doc, "simulator", "syncd/daemon"), "a pretend package knows nothing of"},
		{"stage imported", "daemon/a.go", src(doc, "daemon", "syncd/lab"), "arrows point down"},
		{"library", "flows/a.go", src(doc, "flows", "github.com/jackc/pgx/v5/pgxpool"), "github.com/jackc/pgx/v5 belongs to store/postgres"},
		{"library of nobody", "ops/a.go", src(doc, "ops", "github.com/stretchr/testify/assert"), "belongs to nobody"},
		{"unknown library", "ops/a.go", src(doc, "ops", "example.com/x"), "example.com/x has no home"},
		{"other system's file", "store/sqlite/a_windows.go", src(doc, "sqlite", "syncd/flows"), "arrows point down"},
		{"pure", "flows/plan/a.go", src(doc, "plan", "os"), "is pure"},
		{"no doc", "ops/a.go", src("", "ops"), "package ops has no doc comment"},
		{"vague", "flows/utils/a.go", src(doc, "utils"), "says nothing"},
		{"vague inside", "flows/a.go", src(doc, "helpers"), "says nothing"},
		{"long", "ops/a.go", src(doc, "ops") + strings.Repeat("\n", maxLines), "lines, more than 500"},
		{"scratch", "daemon/a.go", src(doc, "daemon") + "var o = sqlite.Options{Scratch: true}\n", "sets Scratch"},
		{"not Go", "ops/a.go", "func", "ops/a.go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := laws(fstest.MapFS{c.file: {Data: []byte(c.text)}})
			if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, c.want) }) {
				t.Errorf("got %q, want one with %q", got, c.want)
			}
		})
	}
	t.Run("allowed", func(t *testing.T) {
		tree := fstest.MapFS{}
		for file, text := range map[string]string{
			"flows/a.go":                    src(doc, "flows", "syncd/flows/plan", "syncd/connectors/wire", "context"),
			"flows/a_test.go":               src("", "flows", "syncd/simulator/odoosim", "syncd/daemon", "pgregory.net/rapid"),
			"connectors/odoo/a.go":          src(doc, "odoo", "syncd/connectors", "syncd/connectors/wire"),
			"store/a.go":                    src(doc, "store", "syncd/mapping"),
			"demo/a.go":                     src(doc, "demo", "syncd/daemon", "syncd/simulator/odoosim"),
			"simulator/odoosim/a.go":        src(doc, "odoosim", "syncd/simulator"),
			"connectors/connectortest/a.go": src(doc, "connectortest", "syncd/connectors"),
			"bench/naive/go.mod":            "module naive\n",
			"bench/naive/a.go":              src("", "utils", "example.com/x"),
			"ops/testdata/a.go":             "not Go",
		} {
			tree[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := laws(tree); len(got) > 0 {
			t.Errorf("got %q, want none", got)
		}
	})
}

// laws gives a sentence for every law that a tree breaks. It reads the files
// themselves, so that those for other systems count too.
func laws(tree fs.FS) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	documented := map[string]bool{}
	err := fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if name != "." && foreign(tree, name) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			say("%s: %v", name, err)
			return nil
		}
		pkg := path.Dir(name)
		checkName(say, name, pkg, f)
		if strings.HasSuffix(name, "_test.go") {
			return nil // tests may import what they need
		}
		documented[pkg] = documented[pkg] || f.Doc != nil
		if n := strings.Count(string(text), "\n"); n > maxLines && longFiles[name] == "" {
			say("%s has %d lines, more than %d: split it, or list it with a reason", name, n, maxLines)
		}
		for _, spec := range f.Imports {
			if target, err := strconv.Unquote(spec.Path.Value); err == nil {
				checkImport(say, name, pkg, target)
			}
		}
		if pkg != "lab" && scratched.Match(text) {
			say("%s sets Scratch: a power loss would take its commits back", name)
		}
		return nil
	})
	if err != nil {
		say("the tree cannot be read: %v", err)
	}
	for pkg, ok := range documented {
		if !ok {
			say("package %s has no doc comment", pkg)
		}
		if layerOf(pkg) < 0 && !isOf(pretend, pkg) && !isOf(stages, pkg) {
			say("package %s has no layer: give it one in layout_test.go", pkg)
		}
	}
	slices.SortFunc(out, cmp.Compare)
	return slices.Compact(out)
}

// foreign directories hold no package of this module.
func foreign(tree fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	return err == nil
}

func checkName(say func(string, ...any), file, pkg string, f *ast.File) {
	for _, name := range []string{path.Base(pkg), strings.TrimSuffix(f.Name.Name, "_test")} {
		if slices.Contains(vague, name) {
			say("%s: the package name %q says nothing about what is in it", file, name)
		}
	}
}

func checkImport(say func(string, ...any), file, pkg, target string) {
	if slices.Contains(pure[pkg], target) {
		say("%s imports %s: %s is pure, it takes values and gives values", file, target, pkg)
	}
	own, inside := strings.CutPrefix(target, module+"/")
	if !inside {
		checkLibrary(say, file, pkg, target)
		return
	}
	switch {
	case isOf(pretend, own):
		if !isOf(pretend, pkg) && !isOf(stages, pkg) {
			say("%s imports %s, which is for tests, demo, e2e and lab", file, target)
		}
	case isOf(pretend, pkg):
		// connectors/sandbox: the laws that connectortest shares with `syncd connector test`.
		if !slices.Contains([]string{"connectors", "connectors/sandbox", "mapping", "store"}, own) {
			say("%s imports %s: a pretend package knows nothing of syncd but the contract it stands for", file, target)
		}
	case isOf(stages, pkg) && layerOf(pkg) < 0: // lab and e2e see everything
	case layerOf(own) < 0 || layerOf(pkg) >= layerOf(own):
		say("%s imports %s: arrows point down the layers only", file, target)
	}
}

func checkLibrary(say func(string, ...any), file, pkg, target string) {
	if first, _, _ := strings.Cut(target, "/"); !strings.Contains(first, ".") {
		return // the standard library
	}
	for library, allowed := range homes {
		if target != library && !strings.HasPrefix(target, library+"/") {
			continue
		}
		if !slices.Contains(allowed, pkg) {
			owner := strings.Join(allowed, ", ")
			say("%s imports %s: %s belongs to %s", file, target, library, cmp.Or(owner, "nobody"))
		}
		return
	}
	say("%s imports %s: %s has no home: name one in layout_test.go", file, target, target)
}

// layerOf gives the number of a package's layer, 0 at the top, -1 if it has none.
func layerOf(pkg string) int {
	for n, layer := range layers {
		if slices.Contains(layer, pkg) {
			return n
		}
	}
	for n, layer := range layers {
		if slices.Contains(layer, path.Dir(pkg)+"/*") {
			return n
		}
	}
	return -1
}

// isOf says that a package is one of the list or lies below one.
func isOf(list []string, pkg string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") })
}

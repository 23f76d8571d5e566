package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed are the bugs of TESTING 2(j).
var listed = []string{
	"sent_at not committed", "epoch + 1", "one-statement completion", "single base", "sticky tag", "POST-then-persist", "5xx = failed",
	"search without settle", "bind fenced", "returned id ignored", "birth ignored", "absent = null", "merge's deletion obeyed",
	"404 = deleted", "ledger off", "hop budget off", "header Idempotency-Key everywhere", "GetBody kept", "NOTIFY only", "volatile claim",
	"attempts counted only at failure", "random token", "match key per system", "watermark without overlap", "dedupe by eventId",
	"token refresh unlocked", "heartbeat from a free goroutine", "group merge off", "deletes without breaker", "trash on first error",
	"results by position", "missing item = success", "one fenced row rolls the batch back", "two rows of one identity not collapsed",
	"an attempt charged to siblings", "source not read again under a late lease", "batch_cap ignored",
}

func TestEveryListedBugIsAMutant(t *testing.T) {
	named := map[string]int{}
	for _, m := range mutants() {
		named[m.name]++
		if named[m.name] > 1 || m.breaks == "" || len(m.tests) == 0 {
			t.Errorf("%s: twice, without words or without tests", m.name)
		}
	}
	for _, name := range listed {
		if named[name] == 0 {
			t.Errorf("no mutant is called %q", name)
		}
	}
	if len(listed) != 37 {
		t.Errorf("%d bugs are listed, want 37", len(listed))
	}
}

// listing is what `go list -export` says of a package.
type listing struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// exported lists packages and all that they import, compiled.
func exported(t *testing.T, root string, dirs []string) map[string]listing {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles"}, dirs...)...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	raw, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]listing{}
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var l listing
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out[l.ImportPath] = l
	}
}

// A mutant that does not apply or does not compile is caught by nobody and
// shows nothing: it has to follow the code that it mutates.
func TestEveryMutantAppliesAndCompiles(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dirs := map[string]bool{}
	for _, m := range mutants() {
		for _, e := range m.edits {
			dirs["./"+path.Dir(e.file)] = true
		}
	}
	packages := exported(t, root, slices.Sorted(maps.Keys(dirs)))
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(name string) (io.ReadCloser, error) { return os.Open(packages[name].Export) })
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			files, err := m.apply(root)
			if err != nil {
				t.Fatal(err)
			}
			touched := map[string]bool{}
			for name := range files {
				touched["syncd/"+path.Dir(name)] = true
			}
			for _, pkg := range slices.Sorted(maps.Keys(touched)) {
				compile(t, fset, imports, root, packages[pkg], files)
			}
		})
	}
}

// compile checks the types of a package of which some files are mutated.
func compile(t *testing.T, fset *token.FileSet, imports types.Importer, root string, l listing, mutated map[string]string) {
	t.Helper()
	var parsed []*ast.File
	for _, name := range l.GoFiles {
		full := filepath.Join(l.Dir, name)
		var src any
		if rel, err := filepath.Rel(root, full); err == nil {
			if text, ok := mutated[filepath.ToSlash(rel)]; ok {
				src = text
			}
		}
		f, err := parser.ParseFile(fset, full, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	config := types.Config{Importer: imports}
	if _, err := config.Check(l.ImportPath, fset, parsed, nil); err != nil {
		t.Error(err)
	}
}

// A test that is called otherwise by now catches nothing.
func TestEveryNamedTestIsThere(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	plain, special := invocations(mutants())
	for pkg, patterns := range plain {
		files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var source strings.Builder
		for _, name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(raw)
		}
		for pattern := range patterns {
			for one := range strings.SplitSeq(pattern, "|") {
				name, _, _ := strings.Cut(one, "/")
				if !strings.Contains(source.String(), "\nfunc "+name+"(t *testing.T)") {
					t.Errorf("%s has no test %s", pkg, name)
				}
			}
		}
	}
	for test := range special {
		if words := strings.Fields(test); len(words) != 1 {
			t.Errorf("go test %s: want a package, or a package and -run", test)
		}
	}
}

func TestTextThatIsNotThereOnceIsRefused(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("one two two"), 0o600); err != nil {
		t.Fatal(err)
	}
	for old, want := range map[string]string{"one": "", "two": "occurs 2 times", "three": "occurs 0 times"} {
		_, err := mutant{edits: []edit{{"a.go", old, "x"}}}.apply(root)
		if got := text(err); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", old, got, want)
		}
	}
	if _, err := (mutant{}).apply(root); err == nil {
		t.Error("a mutant without an edit is taken")
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What counts as caught: a test that failed, or hung; never a build that failed.
func TestOnlyAFailingTestCatches(t *testing.T) {
	for _, c := range []struct {
		name, out, by string
		hung, wrong   bool
	}{
		{"a test", "--- FAIL: TestA (0.00s)\n    a_test.go:1: no\nFAIL\n", "TestA", false, false},
		{"a subtest", "--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/B (0.00s)\n        --- FAIL: TestA/B/c (0.00s)\n--- FAIL: TestZ (0.00s)\n", "TestA/B/c", false, false},
		{"a panic", "--- FAIL: TestA (0.00s)\npanic: runtime error\n", "TestA", false, false},
		{"a panic elsewhere", "panic: nil\n\ngoroutine 9:\nsyncd/x.(*y).z()\ncreated by syncd/x_test.TestA.func1 in goroutine 1\nFAIL\tsyncd/x 1s\n", "TestA, which panics,", false, false},
		{"a hang", "panic: test timed out after 1s\n\trunning tests:\n\t\tTestA (1s)\n\ngoroutine 1", "TestA", true, false},
		{"a build", "# syncd/x\nx.go:1:1: undefined: y\nFAIL\tsyncd/x [build failed]\n", "", false, true},
		{"nothing in particular", "signal: killed\nFAIL\tsyncd/x 3s\n", "", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			by, hung, err := caught(c.out)
			if by != c.by || hung != c.hung || (err != nil) != c.wrong {
				t.Errorf("by %q, hung %v, %v; want %q, %v, an error: %v", by, hung, err, c.by, c.hung, c.wrong)
			}
		})
	}
}

// A survivor, and one that could not be judged, fail the run.
func TestSurvivorFailsTheRun(t *testing.T) {
	fine := verdict{mutant: mutant{name: "a"}, by: "TestA"}
	if text, err := closing([]verdict{fine}, 0); err != nil || !strings.Contains(text, "killed=1 hung=0 not_applicable=0 failed=0") {
		t.Error(text, err)
	}
	for _, bad := range []verdict{{mutant: mutant{name: "b"}}, {mutant: mutant{name: "b"}, err: errors.New("no")}} {
		if text, err := closing([]verdict{fine, bad}, 0); err == nil || !strings.Contains(err.Error(), "b") || !strings.Contains(text, "failed=1") {
			t.Errorf("%+v: %s%v", bad, text, err)
		}
	}
	// What stands in for a bug of the list is never counted as that bug.
	near := verdict{mutant: mutant{name: "c", instead: "not built"}, by: "TestC"}
	if text, err := closing([]verdict{fine, near}, 0); err != nil || !strings.Contains(text, "killed=1 hung=0 not_applicable=1") || !strings.Contains(text, "c: not built") {
		t.Error(text, err)
	}
}

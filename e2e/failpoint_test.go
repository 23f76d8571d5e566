//go:build linux

package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnOrdinaryBinaryHasNoFailpoints: neither the code of a failpoint nor the
// name of the variable that arms them is in the binary that people run. The same
// look finds both in the one that the lab kills, so it would find them here.
func TestAnOrdinaryBinaryHasNoFailpoints(t *testing.T) {
	t.Parallel()
	for _, armed := range []bool{false, true} {
		path := binary
		if armed {
			var err error
			if path, err = armedBinary(); err != nil {
				t.Fatal(err)
			}
		}
		symbols, err := exec.Command("go", "tool", "nm", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(symbols), "syncd/flows.") {
			t.Fatal("the symbols of the binary cannot be seen")
		}
		if has := strings.Contains(string(symbols), "syncd/failpoint."); has != armed {
			t.Errorf("built with failpoints: %t, has their code: %t", armed, has)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if has := bytes.Contains(b, []byte("SYNCD_FAILPOINTS")); has != armed {
			t.Errorf("built with failpoints: %t, knows the variable that arms them: %t", armed, has)
		}
	}
}

// TestEveryFailpointOfTheLabIsInTheCode, and the other way round: the lab leaves
// none out.
func TestEveryFailpointOfTheLabIsInTheCode(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, pattern := range []string{"../flows/*.go", "../store/sqlite/*.go", "../store/postgres/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range strings.Split(string(text), `failpoint.Hit("`)[1:] {
				name, _, _ := strings.Cut(part, `"`)
				found[name] = true
				if points[name] == 0 {
					t.Errorf("%s: the lab never stops at %s", file, name)
				}
			}
		}
	}
	for name := range points {
		if !found[name] {
			t.Errorf("no code passes %s", name)
		}
	}
}

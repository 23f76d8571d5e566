package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mutant is one seeded bug.
type mutant struct {
	name   string
	breaks string // what no longer holds, and where that is written
	edits  []edit
	// tests are arguments of `go test`, cheapest first; one of them has to fail.
	tests []string
	// instead says why a bug of TESTING's list has no counterpart in the code
	// yet. What is mutated then is the nearest thing that there is.
	instead string
}

// edit replaces a text that occurs exactly once in a file.
type edit struct{ file, old, new string }

// mutants gives all of them: those of TESTING 2(j), then our own.
func mutants() []mutant {
	var out []mutant
	for _, list := range [][]mutant{creates, updates, stores, wires, batches, moreOfCreates, moreOfFlows, moreOfFields, moreOfStores, moreOfPostgres, moreOfRecovery, moreOfTheRest} {
		out = append(out, list...)
	}
	return out
}

var errNoModule = errors.New("no go.mod in this folder or above")

// moduleRoot is the folder of go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", errNoModule
		}
		dir = above
	}
}

// apply gives the mutated text of every file that a mutant touches.
func (m mutant) apply(root string) (map[string]string, error) {
	out := map[string]string{}
	for _, e := range m.edits {
		text, again := out[e.file]
		if !again {
			raw, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, err
			}
			text = string(raw)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return nil, fmt.Errorf("%s: the text to replace occurs %d times, want once: %q", e.file, n, e.old)
		}
		out[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	if len(out) == 0 {
		return nil, errors.New("the mutant changes nothing")
	}
	return out, nil
}

// overlay writes the mutated files and the list of them that the go command takes.
func (m mutant) overlay(root, dir string) (string, error) {
	files, err := m.apply(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for name, text := range files {
		copied := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, name)] = copied
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, raw, 0o600)
}

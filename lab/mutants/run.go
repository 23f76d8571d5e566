package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// runner runs tests in the tree at root.
type runner struct {
	root  string
	limit time.Duration
}

// verdict is what became of a mutant. by is "" if it survived.
type verdict struct {
	mutant mutant
	by     string
	hung   bool
	took   time.Duration
	err    error // it could not be judged
}

func (v verdict) line() string {
	by := v.by
	switch {
	case v.err != nil:
		by = "ERROR " + v.err.Error()
	case by == "":
		by = "SURVIVES"
	case v.hung:
		by = "hangs; caught by the time limit in " + by
	}
	mark := ""
	if v.mutant.instead != "" {
		mark = " (nearest thing)"
	}
	return fmt.Sprintf("%-46s %s (%.0f s)", v.mutant.name+mark, by, v.took.Seconds())
}

// grace is what a test binary gets to end by its own time limit.
const grace = 20 * time.Second

// play runs the tests of a mutant until one fails.
func (r runner) play(m mutant) verdict {
	began := time.Now()
	v := verdict{mutant: m}
	dir, err := os.MkdirTemp("", "syncd-mutant-")
	if err != nil {
		v.err = err
		return v
	}
	defer func() { _ = os.RemoveAll(dir) }() // only disc space is at stake
	overlay, err := m.overlay(r.root, dir)
	if err != nil {
		v.err = err
		return v
	}
	for _, test := range m.tests {
		out, failed := r.test("-overlay="+overlay, "-count=1", "-failfast", test)
		if failed == nil {
			if v.err = idle(out, test); v.err != nil {
				break
			}
			continue
		}
		if v.by, v.hung, v.err = caught(out); v.err == nil {
			v.by += " of " + strings.Fields(test)[0]
		}
		break
	}
	v.took = time.Since(began)
	return v
}

// test runs `go test`. Vet is off: a mutant that vet refuses is not caught by a test.
func (r runner) test(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.limit+grace+time.Minute) // a minute to compile
	defer cancel()
	argv := []string{"test", "-vet=off", "-timeout=" + r.limit.String()}
	for _, a := range args {
		argv = append(argv, strings.Fields(a)...)
	}
	cmd := exec.CommandContext(ctx, "go", argv...)
	cmd.Dir, cmd.WaitDelay = r.root, grace
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// idle refuses a test invocation that runs nothing.
func idle(out, test string) error {
	if strings.Contains(out, "[no test files]") || strings.Contains(out, "[no tests to run]") {
		return fmt.Errorf("go test %s runs no test", test)
	}
	return nil
}

var (
	failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	hungTest   = regexp.MustCompile(`panic: test timed out after .*\n(?:\s*running tests:\n\s*(\S+))?`)
	panicked   = regexp.MustCompile(`(?s)^(?:.*\n)?panic: .*?\.(Test\w+)[.(]`)
	endless    = regexp.MustCompile(`(?m)^\*\*\* Test killed`)
)

// caught names the test that failed, the innermost of the first. What does not
// compile, and what fails without a test, is caught by nobody.
func caught(out string) (by string, hung bool, err error) {
	if strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]") {
		return "", false, fmt.Errorf("it does not compile:\n%s", head(out))
	}
	if m := hungTest.FindStringSubmatch(out); m != nil {
		return or(m[1], "the tests"), true, nil
	}
	if endless.MatchString(out) {
		return "the tests", true, nil
	}
	names := failedTest.FindAllStringSubmatch(out, -1)
	if len(names) == 0 {
		// A panic in a goroutine of a test ends the process before the test can fail.
		if m := panicked.FindStringSubmatch(out); m != nil {
			return m[1] + ", which panics,", false, nil
		}
		return "", false, fmt.Errorf("go test failed and named no test:\n%s", head(out))
	}
	first := names[0][1]
	for _, n := range names[1:] {
		if strings.HasPrefix(n[1], first+"/") {
			first = n[1]
		}
	}
	return first, false, nil
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// head is the beginning of an output, enough to see what is wrong.
func head(out string) string { return out[:min(len(out), 1500)] }

// base runs the tests of all mutants on the code as it is, a package at a time.
func (r runner) base(list []mutant) error {
	plain, special := invocations(list)
	var wrong []error
	run := func(test string) {
		out, err := r.test(test)
		if err == nil {
			err = idle(out, test)
		} else if by, hung, strange := caught(out); strange == nil {
			err = fmt.Errorf("go test %s: %s fails (time limit: %v)", test, by, hung)
		} else {
			err = strange
		}
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(plain)) {
		run(pkg + " -run " + strings.Join(slices.Sorted(maps.Keys(plain[pkg])), "|"))
	}
	for _, test := range slices.Sorted(maps.Keys(special)) {
		run(test)
	}
	return errors.Join(wrong...)
}

// invocations sorts the tests of some mutants: those that name a package and a
// -run pattern only, by package, and those that need a run of their own.
func invocations(list []mutant) (plain map[string]map[string]bool, special map[string]bool) {
	plain, special = map[string]map[string]bool{}, map[string]bool{}
	for _, m := range list {
		for _, test := range m.tests {
			words := strings.Fields(test)
			if len(words) != 3 || words[1] != "-run" {
				special[test] = true
				continue
			}
			if plain[words[0]] == nil {
				plain[words[0]] = map[string]bool{}
			}
			plain[words[0]][words[2]] = true
		}
	}
	return plain, special
}

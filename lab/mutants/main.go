// Command mutants asks whether the suite would notice (TESTING 2(j)): it puts
// one known bug at a time into the code and runs the tests that should catch
// it. A mutant that survives is a missing test.
//
// The bugs are edits of the source, kept in tables beside this file. Nothing in
// the tree changes: a mutated file lies in a folder of its own, and `go test
// -overlay` compiles it in place of the real one. The text that an edit replaces
// must occur exactly once, so that mutants cannot rot; a test of this package
// checks that, and that every mutant compiles, in `make test`.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	only := flag.String("run", "", "play only mutants whose name matches this")
	workers := flag.Int("j", 2, "how many mutants at once")
	limit := flag.Duration("limit", 4*time.Minute, "how long one test invocation may take: a mutant that hangs is caught by it")
	unmutated := flag.Bool("base", true, "first run the tests on the code as it is: a test that fails anyway catches nothing")
	flag.Parse()
	if err := play(*only, *workers, *limit, *unmutated); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// play runs the mutants that a pattern names and prints what caught them.
func play(only string, workers int, limit time.Duration, base bool) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	var picked []mutant
	for _, m := range mutants() {
		if pattern.MatchString(m.name) {
			picked = append(picked, m)
		}
	}
	if len(picked) == 0 {
		return fmt.Errorf("no mutant matches %q", only)
	}
	began := time.Now()
	r := runner{root: root, limit: limit}
	if base {
		if err := r.base(picked); err != nil {
			return fmt.Errorf("before any mutant: %w", err)
		}
		fmt.Printf("the tests pass without mutants (%.0f s)\n", time.Since(began).Seconds())
	}
	var out []verdict
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan mutant)
	for range max(1, workers) {
		wg.Go(func() {
			for m := range next {
				v := r.play(m)
				mu.Lock()
				out = append(out, v)
				fmt.Println(v.line())
				mu.Unlock()
			}
		})
	}
	for _, m := range picked {
		next <- m
	}
	close(next)
	wg.Wait()
	text, err := closing(out, time.Since(began))
	fmt.Print(text)
	return err
}

// closing gives the figures; the error names what was not caught.
func closing(out []verdict, took time.Duration) (text string, err error) {
	var killed, nearest, hung int
	var wrong []string
	for _, v := range out {
		switch {
		case v.err != nil:
			wrong = append(wrong, fmt.Sprintf("%s: %v", v.mutant.name, v.err))
		case v.by == "":
			wrong = append(wrong, fmt.Sprintf("%s survives: %s", v.mutant.name, v.mutant.breaks))
		case v.mutant.instead != "":
			nearest++
		default:
			killed++
		}
		if v.hung {
			hung++
		}
	}
	text = fmt.Sprintf("mutants played=%d killed=%d hung=%d not_applicable=%d failed=%d seconds=%.0f\n", len(out), killed, hung, nearest, len(wrong), took.Seconds())
	for _, v := range out {
		if v.mutant.instead != "" {
			text += fmt.Sprintf("not applicable yet: %s: %s\n", v.mutant.name, v.mutant.instead)
		}
	}
	if len(wrong) == 0 {
		return text, nil
	}
	slices.Sort(wrong)
	return text, fmt.Errorf("%d mutants were not caught:\n  %s", len(wrong), strings.Join(wrong, "\n  "))
}

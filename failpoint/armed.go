//go:build failpoints

// Package failpoint names the instants at which a crash is hardest to survive,
// so that a test can end or stop the real binary at exactly one of them. This is
// the build that can be told to: see Variable.
package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Variable is the environment variable that arms failpoints. It holds orders
// such as "after_intent:3=kill,mid_persist:1=sleep:12s", or @ and the path of a
// file that holds them and is read at every passing. An order is carried out
// once, at the passing it names, counted from when the orders were first seen.
// kill is kill -9 of this process, stop SIGSTOP, sleep:d a pause of one thread.
const Variable = "SYNCD_FAILPOINTS"

// order is one thing to do at the nth passing of an instant.
type order struct {
	name string
	nth  int
	act  func()
}

var armed struct {
	sync.Mutex
	text   string
	orders []order
	passed map[string]int
}

// Hit carries out what was ordered for this passing of an instant. Orders that
// cannot be read end the process: a test that arms nothing proves nothing.
func Hit(name string) {
	for _, o := range due(name) {
		fmt.Fprintf(os.Stderr, "failpoint %s:%d\n", o.name, o.nth)
		o.act()
	}
}

func due(name string) []order {
	text := os.Getenv(Variable)
	if path, is := strings.CutPrefix(text, "@"); is {
		b, err := os.ReadFile(path)
		if err != nil {
			b = nil // not written yet: nothing is ordered
		}
		text = strings.TrimSpace(string(b))
	}
	armed.Lock()
	defer armed.Unlock()
	if text != armed.text || armed.passed == nil {
		orders, err := parse(text)
		if err != nil {
			panic(err)
		}
		armed.text, armed.orders, armed.passed = text, orders, map[string]int{}
	}
	armed.passed[name]++
	var out []order
	for _, o := range armed.orders {
		if o.name == name && o.nth == armed.passed[name] {
			out = append(out, o)
		}
	}
	return out
}

func parse(text string) ([]order, error) {
	var out []order
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		where, what, _ := strings.Cut(part, "=")
		name, count, _ := strings.Cut(where, ":")
		nth, err := strconv.Atoi(count)
		if err != nil || nth < 1 || name == "" {
			return nil, fmt.Errorf("failpoint order %q: want name:nth=action", part)
		}
		act, err := action(what)
		if err != nil {
			return nil, fmt.Errorf("failpoint order %q: %w", part, err)
		}
		out = append(out, order{name, nth, act})
	}
	return out, nil
}

func action(what string) (func(), error) {
	if long, is := strings.CutPrefix(what, "sleep:"); is {
		d, err := time.ParseDuration(long)
		return func() { time.Sleep(d) }, err
	}
	if act, known := signals[what]; known {
		return act, nil
	}
	return nil, fmt.Errorf("no action %q", what)
}

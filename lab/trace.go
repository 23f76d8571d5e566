package lab

import (
	"fmt"
	"hash"
	"strings"
	"time"
)

// trace is what happened, line by line. Its hash stands for the whole of it:
// one seed has one hash.
type trace struct {
	hash  hash.Hash64
	lines []string
	began time.Time
}

// traceKept bounds the lines kept in memory; the hash covers all.
const traceKept = 60_000

func (t *trace) add(at time.Time, line string) {
	if t.began.IsZero() {
		t.began = at
	}
	line = fmt.Sprintf("%12.3f %s", at.Sub(t.began).Seconds(), line)
	_, _ = t.hash.Write([]byte(line)) // never fails (hash.Hash)
	if len(t.lines) < traceKept {
		t.lines = append(t.lines, line)
	}
}

// tail gives the last lines, or those that mention one of the words.
func (t *trace) tail(n int, words ...string) []string {
	var out []string
	for i := len(t.lines) - 1; i >= 0 && len(out) < n; i-- {
		if mentions(t.lines[i], words) {
			out = append(out, t.lines[i])
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

func mentions(line string, words []string) bool {
	if len(words) == 0 {
		return true
	}
	for _, w := range words {
		if strings.Contains(line, w) {
			return true
		}
	}
	return false
}

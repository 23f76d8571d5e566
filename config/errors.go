package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"syncd/secret"
)

// Error is one thing wrong with a config, at its place.
type Error struct {
	File         string // the file as it was named, "environment" or "flags"
	Line, Column int    // from 1, columns in characters; 0 where File is no file or was not read
	Path         string // links.contacts.fields[1]
	Msg          string // what is wrong and how to mend it
	Suggestion   string // what was perhaps meant, "" if nothing is near
	Snippet      string // two lines of the file and a caret, secrets hidden

	width int // of the caret, in characters
}

// Error is the first line of the message, without the snippet.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString("  ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Msg)
	if e.Suggestion != "" {
		fmt.Fprintf(&b, " — did you mean %q?", e.Suggestion)
	}
	return printable(b.String())
}

// printable keeps a config's text from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '·'
		}
		return r
	}, text)
}

// Errors is everything wrong with a config, by position.
type Errors []Error

// Error is the message for a terminal (UX 5.3).
func (e Errors) Error() string {
	var b strings.Builder
	for _, one := range e {
		b.WriteString(one.Error() + "\n" + one.Snippet)
	}
	plural := "s"
	if len(e) == 1 {
		plural = ""
	}
	fmt.Fprintf(&b, "%d error%s. Nothing was changed.", len(e), plural)
	return b.String()
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Msg, b.Msg))
	})
}

// snippetWidth caps a line of a snippet in characters.
const snippetWidth = 110

// source is the file's text, for snippets.
type source struct {
	lines []string
	// hide says from which column on a line may show a secret.
	hide map[int]int
}

func newSource(data []byte) *source {
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	text = strings.TrimPrefix(text, "\ufeff")
	return &source{lines: strings.Split(text, "\n"), hide: map[int]int{}}
}

// conceal hides the text of a scalar: the rest of its line and, unless it
// ends there, all lines below that are indented deeper.
func (s *source) conceal(n *yaml.Node) {
	if n.Line < 1 || n.Line > len(s.lines) {
		return
	}
	if old, ok := s.hide[n.Line]; !ok || n.Column < old {
		s.hide[n.Line] = n.Column
	}
	text := s.lines[n.Line-1]
	block := n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if !block && strings.Contains(text, n.Value) {
		return
	}
	for line := n.Line + 1; line <= len(s.lines); line++ {
		next := s.lines[line-1]
		if strings.TrimSpace(next) != "" && indent(next) <= indent(text) {
			return
		}
		s.hide[line] = 1
	}
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// A value in plain after a key that sounds like a secret, and the user part of
// a URL: what a file with a syntax error may show, where no node says what is
// a secret.
var (
	plainSecret = regexp.MustCompile(`(?i)([\w-]*(?:secret|token|passw\w*|pwd|key|credentials?)["']?\s*:\s*)([^\s{,}#][^,}]*)`)
	urlSecret   = regexp.MustCompile(`://[^/\s@]+@`)
)

// shown is a line as it may be printed: no secrets, no control characters.
func (s *source) shown(line int) string {
	text := s.lines[line-1]
	if column, ok := s.hide[line]; ok {
		runes := []rune(text)
		text = string(runes[:min(column-1, len(runes))]) + secret.Hidden
	}
	text = plainSecret.ReplaceAllString(text, "${1}"+secret.Hidden)
	text = urlSecret.ReplaceAllString(text, "://"+secret.Hidden+"@")
	return printable(text)
}

// snippet draws the line at fault with its predecessor and a caret.
func (s *source) snippet(line, column, width int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	from := 0
	if column > snippetWidth-20 {
		from = column - snippetWidth/2
	}
	var b strings.Builder
	if line > 1 {
		fmt.Fprintf(&b, "%5d | %s\n", line-1, cut(s.shown(line-1), from))
	}
	text := cut(s.shown(line), from)
	fmt.Fprintf(&b, "%5d | %s\n", line, text)
	at := column - 1 - from
	width = max(1, min(width, utf8.RuneCountInString(text)-at))
	fmt.Fprintf(&b, "      | %s%s\n", strings.Repeat(" ", max(0, at)), strings.Repeat("^", width))
	return b.String()
}

// cut gives the part of a line that is shown, without blanks at the end.
func cut(text string, from int) string {
	runes := []rune(text)
	runes = runes[min(from, len(runes)):]
	if len(runes) > snippetWidth {
		runes = append(runes[:snippetWidth:snippetWidth], '…')
	}
	if from > 0 && len(runes) > 0 {
		runes[0] = '…'
	}
	return strings.TrimRight(string(runes), " ")
}

// nearest gives the name that was perhaps meant: at most two edits away, or
// one that begins with the other; "" if none is.
func nearest(got string, names []string) string {
	best, bestDistance := "", 3
	names = slices.Clone(names)
	slices.Sort(names)
	for _, name := range names {
		d := distance(strings.ToLower(got), strings.ToLower(name))
		if d < bestDistance && 2*d <= min(len(name), len(got)) {
			best, bestDistance = name, d
		}
	}
	if best != "" {
		return best
	}
	const shortest = 3 // a shorter beginning says nothing
	for _, name := range names {
		short := min(len(got), len(name))
		if short >= shortest && strings.EqualFold(got[:short], name[:short]) {
			return name
		}
	}
	return ""
}

// distanceCap is the length in bytes above which a name is nobody's typo.
const distanceCap = 64

// distance counts insertions, deletions, replacements and swaps of neighbours.
func distance(a, b string) int {
	if len(a) > distanceCap || len(b) > distanceCap {
		return distanceCap
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			step := 1
			if a[i-1] == b[j-1] {
				step = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+step)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

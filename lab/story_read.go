package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Sections of a scenario that a person writes; the golden ones follow them.
const (
	partLinks  = "links"
	partWorld  = "world"
	partGiven  = "given"
	partEvents = "events"
)

// chapter is one file of scenarios, kept so that -update can write it again.
type chapter struct {
	path    string
	head    []string // up to the first title
	stories []*story
}

var sectionLine = regexp.MustCompile(`^-- ([a-z_0-9 ]+) --$`)

// readChapter reads a file of scenarios.
//
//	# about the file
//	-- links --              what the scenarios below share
//	== a title in plain words
//	# about the scenario
//	-- given --
//	...
func readChapter(path string) (*chapter, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read scenarios: %w", err)
	}
	c := &chapter{path: path}
	file := filepath.Base(path)
	shared := &story{file: file, golden: map[string]string{}}
	st, section := shared, ""
	for i, text := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		n := i + 1
		title, begins := strings.CutPrefix(text, "== ")
		switch m := sectionLine.FindStringSubmatch(text); {
		case begins:
			st, section = &story{file: file, title: title, line: n, yaml: shared.yaml, world: shared.world, golden: map[string]string{}, faults: shared.faults, loose: shared.loose}, ""
			c.stories = append(c.stories, st)
		case m != nil:
			section = m[1]
			if err := st.open(section, n); err != nil {
				return nil, err
			}
		default:
			if err := st.take(section, line{n, text}); err != nil {
				return nil, err
			}
		}
		if st == shared {
			c.head = append(c.head, text)
		} else if !begins && !isGolden(section) {
			st.about = append(st.about, text)
		}
	}
	for _, st := range c.stories {
		if st.faults == "" {
			st.faults = faultsSame
		}
		if err := st.read(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func isGolden(section string) bool {
	for _, s := range goldSections {
		if s == section {
			return true
		}
	}
	return false
}

// open begins a section.
func (st *story) open(section string, n int) error {
	switch section {
	case partLinks:
		st.yaml = ""
	case partWorld, partGiven, partEvents:
	default:
		if name, is := strings.CutPrefix(section, partLinks+" "); is && st.title != "" {
			if st.later == nil {
				st.later = map[string]string{}
			}
			st.later[name] = ""
			return nil
		}
		if !isGolden(section) || st.title == "" {
			return fmt.Errorf("%s:%d: there is no section %q here", st.file, n, section)
		}
	}
	return nil
}

// take takes a line of a section.
func (st *story) take(section string, l line) error {
	if section == partLinks {
		st.yaml += l.text + "\n"
		return nil
	}
	if isGolden(section) {
		st.golden[section] += l.text + "\n"
		return nil
	}
	if name, is := strings.CutPrefix(section, partLinks+" "); is {
		st.later[name] += l.text + "\n"
		return nil
	}
	l.text = strings.TrimSpace(l.text)
	if l.text == "" || strings.HasPrefix(l.text, "#") {
		return nil
	}
	switch section {
	case partWorld:
		if rule, why, is := cutFaults(l.text); is {
			st.faults = rule
			if rule != faultsSame && why == "" {
				return st.fault(l, "say why the faults are %s: faults %s: because …", rule, rule)
			}
			return nil
		}
		if why, is := strings.CutPrefix(l.text, "chance decides:"); is {
			if st.loose = true; strings.TrimSpace(why) == "" {
				return st.fault(l, "say what chance decides")
			}
			return nil
		}
		st.world = append(st.world[:len(st.world):len(st.world)], l)
	case partGiven:
		st.given = append(st.given, l)
	case partEvents:
		st.events = append(st.events, l)
	default:
		return st.fault(l, "%q is in no section", l.text)
	}
	return nil
}

func cutFaults(text string) (rule faultRule, why string, is bool) {
	rest, is := strings.CutPrefix(text, "faults ")
	if !is {
		return "", "", false
	}
	word, why, _ := strings.Cut(rest, ":")
	return faultRule(strings.TrimSpace(word)), strings.TrimSpace(why), true
}

// String writes a file with the golden sections that were told.
func (c *chapter) String() string {
	var b strings.Builder
	lines := func(list []string) {
		for _, l := range list {
			b.WriteString(l + "\n")
		}
	}
	lines(c.head)
	for _, st := range c.stories {
		b.WriteString("== " + st.title + "\n")
		about := st.about
		for len(about) > 0 && strings.TrimSpace(about[len(about)-1]) == "" {
			about = about[:len(about)-1]
		}
		lines(about)
		for _, section := range goldSections {
			if text := strings.TrimRight(st.golden[section], "\n"); text != "" {
				b.WriteString("-- " + section + " --\n" + text + "\n")
			}
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// command is an event: what is done, after how long, to what, with which values.
type command struct {
	line
	after  string // "", or a duration, or "rest"
	deaf   bool   // the webhook of it is lost
	verb   string
	words  []string // names and other bare words
	values map[string]string
}

// parseCommand reads a line such as
//
//	+30s unheard edit ada@crm city=Brno jobtitle="Head of sales"
func (st *story) parseCommand(l line) (command, error) {
	c := command{line: l, values: map[string]string{}}
	words, err := split(l.text)
	if err != nil {
		return c, st.fault(l, "%v", err)
	}
	if rest, is := strings.CutPrefix(words[0], "+"); is {
		c.after, words = rest, words[1:]
	}
	if len(words) > 0 && words[0] == "unheard" {
		c.deaf, words = true, words[1:]
	}
	if len(words) == 0 {
		return c, nil // a wait
	}
	c.verb = words[0]
	for _, word := range words[1:] {
		if column, value, is := strings.Cut(word, "="); is {
			c.values[column] = value
			continue
		}
		c.words = append(c.words, word)
	}
	return c, nil
}

var spaced = regexp.MustCompile(`^[^\s"]*("(\\.|[^"\\])*")?`)

// split cuts a line at its spaces, but for those in quotes, which it takes off.
func split(text string) ([]string, error) {
	var out []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		word := spaced.FindString(text)
		if word == "" || len(word) < len(text) && text[len(word)] != ' ' {
			return nil, fmt.Errorf("%q cannot be read", text)
		}
		text = text[len(word):]
		if bare, quoted, is := strings.Cut(word, `"`); is {
			value, err := strconv.Unquote(`"` + quoted)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", word, err)
			}
			word = bare + value
		}
		out = append(out, word)
	}
	return out, nil
}

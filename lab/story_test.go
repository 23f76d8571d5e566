package lab

import (
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	flagStory  = flag.String("story", "", "play the scenarios whose file or title this regexp finds; with -at and -fault, with these injections")
	flagUpdate = flag.Bool("update", false, "write the golden sections of the scenarios anew")
	flagStride = flag.Int("stride", storyStride, "TestScenariosWithFaults: play every n-th single fault of the scenarios; 1 is all")
)

// storyStride is how many of the single faults one is played of by default: a
// slice through all scenarios and all boundaries.
const storyStride = 451

// scenarios reads the files of scenarios that were asked for.
func scenarios(t *testing.T) []*chapter {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no scenarios: %v", err)
	}
	which := regexp.MustCompile(*flagStory)
	var out []*chapter
	for _, file := range files {
		c, err := readChapter(file)
		if err != nil {
			t.Fatal(err)
		}
		var some []*story
		for _, st := range c.stories {
			if which.MatchString(st.file + ": " + st.title) {
				some = append(some, st)
			}
		}
		if *flagUpdate && len(some) < len(c.stories) && len(some) > 0 {
			t.Log(file, "is played whole: it is written anew")
			some = c.stories
		}
		if c.stories = some; len(some) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// TestScenarios plays every scenario without faults on SQLite: what syncd writes,
// and what becomes of it, is what the file says, to the letter.
func TestScenarios(t *testing.T) {
	if *flagAt != "" {
		playStory(t)
		return
	}
	began, n := time.Now(), 0
	o := Options{Dir: folder(t), Verbose: *flagVerbose}
	for _, c := range scenarios(t) {
		changed := false
		for _, st := range c.stories {
			n++
			p, err := st.play(o)
			if err != nil {
				t.Error(err)
				continue
			}
			reportStory(t, "sqlite", p)
			if *flagUpdate {
				for section, text := range p.said {
					changed = changed || st.golden[section] != text
					st.golden[section] = text
				}
				continue
			}
			compareGolden(t, "sqlite", p)
		}
		if changed {
			if err := os.WriteFile(c.path, []byte(c.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	fmt.Printf("scenarios store=sqlite played=%d seconds=%.1f\n", n, time.Since(began).Seconds())
}

// TestScenariosOnPostgres: the same golden text on the store of production.
func TestScenariosOnPostgres(t *testing.T) {
	began, n := time.Now(), 0
	o := onPostgres(t, Options{Dir: folder(t), Verbose: *flagVerbose})
	jobs := make(chan *story)
	var wg sync.WaitGroup
	for range *flagWorkers {
		wg.Go(func() {
			for st := range jobs {
				p, err := st.play(o)
				if err != nil {
					t.Error(err)
					continue
				}
				reportStory(t, "postgres", p)
				compareGolden(t, "postgres", p)
			}
		})
	}
	for _, c := range scenarios(t) {
		for _, st := range c.stories {
			n++
			jobs <- st
		}
	}
	close(jobs)
	wg.Wait()
	fmt.Printf("scenarios store=postgres played=%d seconds=%.1f\n", n, time.Since(began).Seconds())
}

// storyJob is one run of one scenario with one thing that goes wrong.
type storyJob struct {
	st  *story
	inj injection
}

// TestScenariosWithFaults plays every scenario with a crash before a call, and
// with every other single fault; by default a slice of them (-stride). What is
// there in the end is what the file says.
func TestScenariosWithFaults(t *testing.T) {
	began := time.Now()
	dirs := []string{}
	for i := range max(*flagWorkers, runtime.NumCPU()) {
		dirs = append(dirs, filepath.Join(folder(t), strconv.Itoa(i)))
		if err := os.MkdirAll(dirs[i], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	jobs := make(chan storyJob)
	var mu sync.Mutex
	runs, missed, failed := 0, 0, 0
	var wg sync.WaitGroup
	for _, dir := range dirs {
		wg.Go(func() {
			for j := range jobs {
				p, err := j.st.play(Options{Dir: dir}, j.inj)
				mu.Lock()
				runs++
				switch {
				case err != nil:
					failed++
					t.Errorf("with %s: %v", j.inj, err)
				default:
					if !p.all {
						missed++
						t.Errorf("%s: never came to: %s", p.st.title, j.inj)
					}
					if !sameWithFault(t, p) {
						failed++
					}
				}
				mu.Unlock()
			}
		})
	}
	stories, boundaries := 0, 0
	for _, c := range scenarios(t) {
		for _, st := range c.stories {
			if st.faults == faultsOff {
				continue
			}
			base, err := st.play(Options{Dir: folder(t)})
			if err != nil {
				t.Error(err)
				continue
			}
			stories, boundaries = stories+1, boundaries+len(base.met)
			h := fnv.New32a()
			fmt.Fprint(h, st.title)
			for i, in := range injections(base.met, 0, false, nil) {
				if (i+int(h.Sum32()))%*flagStride == 0 {
					jobs <- storyJob{st, in}
				}
			}
		}
	}
	close(jobs)
	wg.Wait()
	fmt.Printf("scenarios with_faults=%d boundaries=%d runs=%d failed=%d not_reached=%d seconds=%.1f\n", stories, boundaries, runs, failed, missed, time.Since(began).Seconds())
	if missed > 0 {
		t.Errorf("%d runs ended before their fault: a run was not the same as the one that numbered its boundaries", missed)
	}
}

// compareGolden shows where a run and the file part.
func compareGolden(t *testing.T, where string, p told) {
	for _, section := range goldSections {
		if diff := difference(steady(section, p.st.golden[section]), steady(section, p.said[section])); diff != "" {
			t.Errorf("%s:%d: %s (%s): %s are not as the file has them (- file, + now; go test ./lab -run TestScenarios -update writes them anew)\n%s",
				p.st.file, p.st.line, p.st.title, where, section, diff)
		}
	}
}

var (
	readCounts = regexp.MustCompile(`(read|find|locate) [0-9]+ ?`)
	causes     = regexp.MustCompile(` \((webhook|sweep|confirm|deletion|unlisted|merge|recover|schema|definitions)\)`)
)

// steady leaves out of a golden text what the dice of another draw change: how often
// is read, and which of two hints of one change came first. Both are told, so that a
// reader sees what a story costs.
func steady(section, text string) string {
	switch section {
	case goldCalls:
		return readCounts.ReplaceAllString(text, "")
	case goldHistory:
		return causes.ReplaceAllString(text, "")
	}
	return text
}

func reportStory(t *testing.T, where string, p told) {
	for i, v := range p.Violations {
		if i < 4 {
			t.Errorf("%s:%d: %s (%s): %s: %s", p.st.file, p.st.line, p.st.title, where, v.Invariant, v.Words)
		}
	}
}

// sameWithFault judges a run with a fault by the story's rule.
func sameWithFault(t *testing.T, p told) bool {
	how := fmt.Sprintf("%s with %s: go test ./lab -run TestScenarios -story %q -at %d -fault %s", p.st.title, p.Injected[0], p.st.title, p.Injected[0].at, p.Injected[0].fault)
	bad := ""
	for _, v := range p.Violations {
		bad += v.Invariant + ": " + v.Words + "\n"
	}
	if p.st.faults == faultsCount {
		bad += difference(census(p.st.golden[goldRecords]), census(p.said[goldRecords]))
	} else {
		for _, section := range []string{goldRecords, goldMap, goldWaits} {
			want, got := p.st.golden[section], p.said[section]
			if section == goldWaits { // a vendor's words may differ, the reason may not
				want, got = reasons(want), reasons(got)
			}
			if diff := difference(want, got); diff != "" {
				bad += section + ":\n" + diff
			}
		}
	}
	if bad != "" {
		t.Errorf("%s\n%s", how, bad)
	}
	return bad == ""
}

// reasons is what waits, without the words of vendors.
func reasons(waits string) string {
	var out []string
	for _, l := range linesOf(waits) {
		parts := strings.SplitN(l, ":", 3)
		out = append(out, strings.Join(parts[:min(2, len(parts))], ":"))
	}
	return joined(out)
}

// census is who is there, and nothing of what they hold.
func census(records string) string {
	var out []string
	for _, l := range strings.Split(strings.TrimSpace(records), "\n") {
		name, _, _ := strings.Cut(l, " ")
		out = append(out, name)
	}
	return joined(out)
}

// difference shows the lines that two texts do not share, "" if they are the same.
func difference(want, got string) string {
	a, b := linesOf(want), linesOf(got)
	// The longest common run of lines, by the book: texts are short.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	if len(a) == len(b) && common[0][0] == len(a) {
		return ""
	}
	var out strings.Builder
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out.WriteString("    " + a[i] + "\n")
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out.WriteString("  - " + a[i] + "\n")
			i++
		default:
			out.WriteString("  + " + b[j] + "\n")
			j++
		}
	}
	return out.String()
}

func linesOf(text string) []string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// playStory plays one run again and shows its trace.
func playStory(t *testing.T) {
	at, err := strconv.Atoi(*flagAt)
	if err != nil {
		t.Fatalf("-at %s: want one boundary", *flagAt)
	}
	var plan []injection
	if at > 0 {
		plan = append(plan, injection{at, *flagFault})
	}
	for _, c := range scenarios(t) {
		for _, st := range c.stories {
			p, err := st.play(Options{Dir: folder(t), Verbose: *flagVerbose}, plan...)
			if err != nil {
				t.Fatal(err)
			}
			var words []string
			if *flagAbout != "" {
				words = strings.Split(*flagAbout, ",")
			}
			fmt.Println(strings.Join(p.trace.tail(traceKept, words...), "\n"))
			if len(plan) > 0 {
				sameWithFault(t, p)
			} else {
				reportStory(t, "sqlite", p)
				compareGolden(t, "sqlite", p)
			}
			return
		}
	}
	t.Fatalf("there is no scenario %q", *flagStory)
}

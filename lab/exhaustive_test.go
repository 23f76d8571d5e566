package lab

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

var (
	flagScene = flag.String("scene", "", "play the scenes whose names this regexp finds; with -at the one of this name")
	flagFirst = flag.String("first", "", "begin with the scene whose name begins like this: a run that was cut off goes on")
	flagAt    = flag.String("at", "", "with -scene: the boundaries of the injections, with a comma")
	flagFault = flag.String("fault", "", "with -at: what goes wrong there, with a comma")
	flagDepth = flag.Int("depth", int(Crashes), "TestEveryCrashOfEveryScene: -1 nothing wrong, 0 crashes, 1 every fault, 2 pairs too")
)

// labGC is how much garbage a short run may leave: it keeps little, and to
// collect it less often saves a fifth of the time.
const labGC = 800

// TestEveryCrashOfEveryScene plays every scene with a crash before every call;
// with -depth, with everything else that can go wrong as well.
func TestEveryCrashOfEveryScene(t *testing.T) {
	if *flagAt != "" {
		playScene(t)
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(labGC))
	x := &exhaust{depth: Depth(*flagDepth), warn: func(err error) { t.Error(err) }}
	for i := range max(*flagWorkers, runtime.NumCPU()) {
		dir := filepath.Join(folder(t), strconv.Itoa(i))
		x.dirs = append(x.dirs, dir)
		for _, d := range []string{dir, dir + "/base"} {
			if err := os.MkdirAll(d, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	failed := 0
	x.begun = func(name string, so Tally) {
		if x.depth > Crashes {
			fmt.Printf("%6d runs, %d failed, now: %s\n", so.Singles+so.Pairs, so.Failed, name)
		}
	}
	x.known = func(p Played, why string) {
		if x.depth > Crashes {
			fmt.Println("known:", p, "\n   ", why)
		}
	}
	x.bad = func(p Played) {
		if failed++; failed <= 200 {
			t.Fail()
			fmt.Println("FAILS: go test ./lab -run TestEveryCrashOfEveryScene", p)
		}
		if failed <= 2 {
			fmt.Println(strings.Join(p.trace.tail(60), "\n"))
		}
	}
	which, err := regexp.Compile(*flagScene)
	if err != nil {
		t.Fatal(err)
	}
	var list []scene
	begun := false
	for _, sc := range scenes() {
		if begun = begun || strings.HasPrefix(sc.name, *flagFirst); begun && which.MatchString(sc.name) {
			list = append(list, sc)
		}
	}
	tally := x.run(list)
	fmt.Println(tally)
	if tally.Missed > 0 {
		t.Errorf("%d runs ended before their injections: a run was not the same as the one that numbered its boundaries", tally.Missed)
	}
	for _, k := range known {
		if *flagScene == "" && *flagFirst == "" && x.depth >= k.from && !x.seen[k.scene] {
			t.Errorf("%q does not fail any more: take it off the list of known bugs", k.scene)
		}
	}
}

// playScene plays one run again and shows its trace.
func playScene(t *testing.T) {
	at, fault := strings.Split(*flagAt, ","), strings.Split(*flagFault, ",")
	var plan []injection
	for i := range at {
		n, err := strconv.Atoi(at[i])
		if err != nil || i >= len(fault) {
			t.Fatalf("-at %s -fault %s: want a boundary and a fault each", *flagAt, *flagFault)
		}
		if n > 0 {
			plan = append(plan, injection{n, fault[i]})
		}
	}
	for _, sc := range scenes() {
		if sc.name != *flagScene {
			continue
		}
		p, err := sc.run(Options{Dir: folder(t), Verbose: *flagVerbose}, plan...)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(strings.Join(p.trace.tail(traceKept, strings.Split(*flagAbout, ",")...), "\n"))
		if len(p.Violations) > 0 {
			t.Error(p.String())
		}
		return
	}
	t.Fatalf("there is no scene %q", *flagScene)
}

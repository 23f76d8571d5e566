package lab

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	flagSeeds   = flag.Int("seeds", defaultSeeds, "how many seeds TestSeeds plays")
	flagFrom    = flag.Uint64("from", 1, "the first seed")
	flagSeed    = flag.Uint64("seed", 0, "play this seed alone, and show its trace")
	flagWithout = flag.String("without", "", "faults to leave out, by name, with commas")
	flagAbout   = flag.String("about", "", "with -seed: show only lines that mention this")
	flagVerbose = flag.Bool("bodies", false, "with -seed: bodies and arguments too")
	flagPlain   = flag.Bool("plain", true, "the two real vendors only; false: the systems that each seed draws")
	flagCalm    = flag.Bool("calm", false, "no faults")
	flagWorkers = flag.Int("workers", 2, "seeds at once")
)

// folder is where the databases of a test live: in memory if there is such a place.
func folder(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "syncd-lab-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func options(t testing.TB) Options {
	o := Options{Dir: folder(t), Without: map[string]bool{}, Calm: *flagCalm, Plain: *flagPlain}
	for _, name := range strings.Split(*flagWithout, ",") {
		o.Without[name] = true
	}
	return o
}

// TestSeeds plays seed after seed and closes with one line for machines.
func TestSeeds(t *testing.T) {
	o := options(t)
	if *flagSeed != 0 {
		playOne(t, o)
		return
	}
	total, failed := playMany(t, o, *flagFrom, *flagSeeds)
	calm := o
	calm.Calm = true
	quiet, wrong := playMany(t, calm, *flagFrom, max(1, min(*flagSeeds/20, mostCalm)))
	failed = append(failed, wrong...)
	failed, late := apart(failed)
	if most := 1 + total.Edits/editsPerLate; late > most {
		t.Errorf("%d edits were lost to late writes of ours, want at most %d of %d", late, most, total.Edits)
	}
	for i, r := range failed {
		if i < 10 {
			report(t, r)
		}
		if i < 2 {
			shorten(t, o, r)
		}
	}
	fmt.Println(closing(total, quiet, len(failed)))
	if w := perChange(quiet.FieldWrites, quiet); w > 1.1 {
		t.Errorf("writes per change %.3f, want at most 1.1", w)
	}
}

// castSeeds is how many seeds TestCastSeeds plays.
//
// What the judgement of worlds with made-up vendors still lets pass, and in which
// of the seeds 1 to 300 it did so:
//   - a freeze that has not ended after twelve hours (thawing): 124, 189, 284;
//   - diverged in a column of which our writes are dropped: an edit that came
//     between our look and such a write stands under our signature (F35), is listed
//     and does not flow: 52, 256;
//   - a second life of a record that cannot show whose it is, once everything is
//     forgotten (F46): 58, 124, 157, 189, 285;
//   - half an address where a vendor keeps a form or a value of its own of the
//     other half: 105, 107, 229, 248, 289.
//
// What fails beyond them, of 301 to 550:
//   - an address of which one part was written in a form that the vendor changes
//     back to what it had counts as refused, and the other part waits with it for
//     ever, listed: 455, 467;
//   - an edit on top of a value that we had just written, of three sides of which
//     two have other news, loses to that value: 334; 418 looks the same (I5).
const castSeeds = 40

// TestCastSeeds plays seeds with the systems that they draw: half of them have
// vendors that are made up, in twos and threes.
func TestCastSeeds(t *testing.T) {
	o := options(t)
	o.Plain = false
	total, failed := playMany(t, o, 1, castSeeds)
	calm := o
	calm.Calm = true
	quiet, wrong := playMany(t, calm, 1, castSeeds/4)
	failed, _ = apart(append(failed, wrong...))
	for _, r := range failed {
		report(t, r)
	}
	fmt.Println("cast", closing(total, quiet, len(failed)))
	if total.Unique == 0 || total.Search == 0 || total.Blind == 0 {
		t.Errorf("seeds by class: unique %d, search %d, blind %d; want some of each", total.Unique, total.Search, total.Blind)
	}
}

// editsPerLate bounds what is known and not mended: an edit that loses to a
// write of ours which landed minutes late, after several crashes in a row, in a
// vendor without compare-and-set. TESTING I5 counts these apart; every one is
// in lost_edits.
const editsPerLate = 10_000

// apart sorts out the seeds that fail by such late writes alone.
func apart(failed []Result) (rest []Result, late int) {
	for _, r := range failed {
		if slices.ContainsFunc(r.Violations, func(v Violation) bool { return v.Invariant != "I5late" }) {
			rest = append(rest, r)
		} else {
			late += len(r.Violations)
		}
	}
	return rest, late
}

// closing is the one line for machines. Writes and calls per change are of the
// calm seeds, per edit and system that it must reach: no fault, and no vendor
// that rewrites what it is given.
func closing(total, quiet Stats, failed int) string {
	return fmt.Sprintf("lab seeds=%d hours=%.0f creations=%d edits=%d crashes=%d pauses=%d faults=%d duplicates=%d doubles=%d surplus=%d lost_edits=%d overwritten=%d"+
		" unconverged=%d stated=%d parked=%d trash=%d clones=%d archives=%d failed_seeds=%d seeds_unique=%d seeds_search=%d seeds_blind=%d log_lines=%d writes_per_change=%.3f calls_per_change=%.2f",
		total.Seeds, total.Hours, total.Creations, total.Edits, total.Crashes, total.Pauses, total.Faults, total.Duplicates, total.Doubles, total.Surplus,
		total.LostEdits, total.Window, total.Unconverged, total.Stated, total.Parked, total.Trash, total.Clones, total.Archives, failed,
		total.Unique, total.Search, total.Blind, total.Logged, perChange(quiet.FieldWrites, quiet), perChange(quiet.Calls, quiet))
}

// mostCalm is how many seeds without faults are enough for the figures per change.
const mostCalm = 100

func perChange(n int, s Stats) float64 { return float64(n) / float64(max(1, s.Targets)) }

func playMany(t *testing.T, o Options, from uint64, n int) (Stats, []Result) {
	var mu sync.Mutex
	var total Stats
	var failed []Result
	kinds := map[string][]uint64{}
	var wg sync.WaitGroup
	next := make(chan uint64)
	for range *flagWorkers {
		wg.Go(func() {
			for seed := range next {
				r, err := Run(seed, o)
				mu.Lock()
				if err != nil {
					t.Error(err)
				}
				total.Add(r.Stats)
				if len(r.Violations) > 0 {
					failed = append(failed, r)
					for _, v := range r.Violations {
						kinds[v.Invariant] = append(kinds[v.Invariant], r.Seed)
					}
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- from + uint64(i)
	}
	close(next)
	wg.Wait()
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		slices.Sort(kinds[kind])
		t.Logf("%s fails in %d seeds: %v", kind, len(slices.Compact(kinds[kind])), slices.Compact(kinds[kind]))
	}
	return total, failed
}

// report shows a failing seed: its violations, and how to see it.
func report(t *testing.T, r Result) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d fails:\n", r.Seed)
	for i, v := range r.Violations {
		if i < 6 {
			fmt.Fprintf(&text, "  %s: %s\n", v.Invariant, v.Words)
		}
	}
	fmt.Fprintf(&text, "  %s\n  see it: go test ./lab -run TestSeeds -seed %d [-bodies] [-about words]\n", r.Swarm, r.Seed)
	t.Error(text.String())
}

// shorten cuts a failing seed down to the least number of fault draws with which
// it still fails, and shows the end of that shorter story.
func shorten(t *testing.T, o Options, r Result) {
	t.Helper()
	low, high := 0, r.Draws // fails with high; 0 stands for "no limit", so 1 is the least
	best := r
	for high-low > 1 {
		o.FaultSteps = (low + high) / 2
		try, err := Run(r.Seed, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(try.Violations) > 0 {
			best, high = try, o.FaultSteps
		} else {
			low = o.FaultSteps
		}
	}
	t.Logf("seed %d: %d of %d fault draws are enough; the tail about it:\n%s", r.Seed, high, r.Draws,
		strings.Join(best.Tail(40, best.Violations[0].About), "\n"))
}

func playOne(t *testing.T, o Options) {
	o.Verbose = *flagVerbose
	r, err := Run(*flagSeed, o)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	if *flagAbout != "" {
		words = strings.Split(*flagAbout, ",")
	}
	for _, line := range r.Tail(traceKept, words...) {
		fmt.Println(line)
	}
	if len(r.Violations) > 0 {
		report(t, r)
	}
}

// TestSameSeedSameTrace: nothing but the seed decides.
func TestSameSeedSameTrace(t *testing.T) { playTwice(t, options(t), 12) }

// playTwice plays the first seeds twice each.
func playTwice(t *testing.T, o Options, seeds uint64) {
	t.Helper()
	for seed := uint64(1); seed <= seeds; seed++ {
		a, err := Run(seed, o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Run(seed, o)
		if err != nil {
			t.Fatal(err)
		}
		if a.Hash != b.Hash {
			t.Errorf("seed %d: two runs differ, first at: %s", seed, firstDifference(a, b))
		}
	}
}

func firstDifference(a, b Result) string {
	for i, line := range a.trace.lines {
		if i >= len(b.trace.lines) || b.trace.lines[i] != line {
			other := "nothing"
			if i < len(b.trace.lines) {
				other = b.trace.lines[i]
			}
			return fmt.Sprintf("line %d\n%s\n%s", i, line, other)
		}
	}
	return "the end"
}

// TestKeptSeeds replays the seeds that once failed, for ever.
func TestKeptSeeds(t *testing.T) {
	files, err := filepath.Glob("testdata/seeds/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	for _, file := range files {
		for _, kept := range seedsOf(t, file) {
			o.Plain = !kept.cast
			r, err := Run(kept.seed, o)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Violations) > 0 {
				t.Logf("from %s", file)
				report(t, r)
			}
		}
	}
}

// kept is a seed that once failed. cast: with the systems that it draws, else
// with the two real vendors.
type kept struct {
	seed uint64
	cast bool
}

// seedsOf reads a file of seeds: a number a line, "cast" behind it where the
// seed plays with the systems that it draws. # opens a comment.
func seedsOf(t *testing.T, file string) []kept {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []kept
	for s := bufio.NewScanner(f); s.Scan(); {
		text, _, _ := strings.Cut(s.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		text, cast := strings.CutSuffix(text, " cast")
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out = append(out, kept{n, cast})
	}
	return out
}

// BenchmarkSeeds says how many seeds a second one core plays.
func BenchmarkSeeds(b *testing.B) {
	o := options(b)
	began := time.Now()
	for i := range b.N {
		if _, err := Run(uint64(i+1), o); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "seeds/s")
}

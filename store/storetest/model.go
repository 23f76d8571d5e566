package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncd/store"
)

// Inside is what the contract does not show of one link: who holds which
// match key and which lease, and how often each delivery came.
type Inside struct {
	Keys     map[store.Key]string // identity, and " shared"
	Leases   map[string]string    // identity → owner and epoch
	Receipts map[string]int
}

// Insider is implemented by stores under test.
type Insider interface {
	Inside(link, receipts string) (Inside, error)
}

// Model plays random scripts of the whole contract on a store and on the model
// of it, and compares the two after each call. rapid shrinks a failure to its
// shortest script. The store's clock must be one that is moved.
func Model(t *testing.T, open func(t *testing.T) Store) {
	fewer(t, modelChecks)
	e := modelEnv(t, open)
	run, tally := 0, map[string]int{}
	defer func() { met(t, tally) }()
	rapid.Check(t, func(rt *rapid.T) {
		run++
		p := newPlayer(e, fmt.Sprintf("%04x", run), tally)
		p.t = rt
		defer p.open()
		for _, a := range script(rt) {
			p.play(a)
		}
		p.all()
	})
}

// met wants that the scripts came everywhere: a model that never met a fenced
// persist says nothing about fences. Other scripts than the usual ones may be
// too few for that.
func met(t *testing.T, tally map[string]int) {
	if t.Failed() {
		return
	}
	t.Logf("met %v", tally)
	if flag.Lookup("rapid.seed").Value.String() != strconv.Itoa(modelSeed) {
		return
	}
	for _, what := range []string{"claimed rows", "leased", "busy", "kept by a heartbeat", "new", "joined", "wait", "taken", "shared keys",
		"intended updates", "intended creates", "bound", "fenced", "lost", "rerun", "pairs", "open trash"} {
		if tally[what] == 0 {
			t.Errorf("no script met: %s", what)
		}
	}
}

// Serial plays each script twice: its rows in batches, and its rows one by one.
// What is left must be the same (I16). Two things are not drawn, because a
// batch may do them and no order of single calls: two identities that swap
// their keys, and hints of one record that are our own and are not.
func Serial(t *testing.T, open func(t *testing.T) Store) {
	fewer(t, modelChecks/2)
	e := modelEnv(t, open)
	run, compared, tally := 0, 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		run += 2
		script := script(rt)
		batch, single := newPlayer(e, fmt.Sprintf("%04x", run), tally), newPlayer(e, fmt.Sprintf("%04x", run+1), tally)
		single.apart = true
		for _, p := range []*player{batch, single} {
			p.t, p.plain = rt, true
			defer p.open()
			for _, a := range script {
				if a.kind == "restart" { // it would end the leases of the other
					continue
				}
				p.play(a)
			}
			p.all()
		}
		if !reflect.DeepEqual(batch.picks(), single.picks()) {
			return // rows due at the same instant were claimed in another order
		}
		compared++
		if got, want := batch.end(), single.end(); got != want {
			batch.fail("a batch is no order of its rows", "as batches:\n%s\none by one:\n%s", got, want)
		}
	})
	if compared*2 < run/2 {
		t.Errorf("only %d of %d scripts could be compared", compared, run/2)
	}
}

const (
	modelChecks = 20
	modelSteps  = 80
	modelSeed   = 1
)

// fewer takes this many checks of more steps than rapid would, with the race
// detector a check takes a second, and the same ones each time. -rapid.checks,
// -rapid.steps and -rapid.seed have the last word.
func fewer(t *testing.T, checks int) {
	for name, n := range map[string]int{"rapid.checks": checks, "rapid.steps": modelSteps, "rapid.seed": modelSeed} {
		told := false
		flag.Visit(func(f *flag.Flag) { told = told || f.Name == name })
		if told {
			continue
		}
		f := flag.Lookup(name)
		before := f.Value.String()
		if err := f.Value.Set(strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(before) })
	}
}

func modelEnv(t *testing.T, open func(t *testing.T) Store) *env {
	t.Helper()
	e := newEnv(t, open(t))
	if _, inside := e.Store.(Insider); !inside || !e.canMove() {
		t.Fatal("the model needs a store whose clock can be moved and that shows its inside")
	}
	return e
}

// open releases the holds that a script left closed.
func (p *player) open() {
	for c := range p.truth.holds {
		p.e.ok(p.e.ReleaseHold(context.Background(), c.system, c.link, c.what, p.where, "test"))
	}
}

// picks is what each claim got.
func (p *player) picks() map[string][]string {
	for _, ids := range p.picked {
		slices.Sort(ids)
	}
	return p.picked
}

// end tells what is left, without what counts calls: epochs, and how many
// hints a row had.
func (p *player) end() string {
	lines := []string{}
	add := func(v ...any) { lines = append(lines, fmt.Sprint(v...)) }
	for at, r := range p.truth.rows {
		c := *r
		c.owner, c.epoch, c.key = "", 0, ""
		add(at, r.owner != "", r.gen == r.claimedGen, fmt.Sprintf(" lane %d due %v parked %v cap %d attempts %d version %s first %v", c.lane, c.due, c.parked, c.cap, c.attempts, c.version, c.first))
	}
	for id, q := range p.truth.ids {
		raw := fmt.Sprintf("%v", shown(q))
		add(id[len(id)-2:], q.owner != "", q.until, raw)
	}
	for k, h := range p.truth.keys {
		add(k, h.id[len(h.id)-2:], h.shared)
	}
	for at, since := range p.truth.trash {
		add("trash", at, since)
	}
	for at, n := range p.truth.history {
		add("history", at, n)
	}
	slices.Sort(lines)
	out, _ := json.MarshalIndent(lines, "", " ") // strings are never refused
	return replaced(string(out), p.where)
}

func isFenced(err error) bool { return errors.Is(err, store.ErrFenced) }

func secs(n int) time.Duration { return time.Duration(n) * time.Second }

// replaced tells a corner's words without its name.
func replaced(s, where string) string { return strings.ReplaceAll(s, where, "") }

package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"syncd/mapping"
	"syncd/store"
)

// act is one call of a script, drawn before anything is run: what its numbers
// stand for depends on what is there when its turn comes.
type act struct {
	kind    string
	numbers []int
}

// kinds of calls; a kind that stands here twice comes twice as often.
var kinds = []string{"hint", "hint", "hint", "claim", "claim", "claim", "claim", "persist", "persist", "persist", "persist", "persist",
	"found", "found", "found", "intend", "intend", "create", "create", "create", "bind", "bind", "take back", "lease", "lease", "beat", "hold",
	"cursor", "sweep", "release cursor", "pass", "pass", "pass", "drop", "restart"}

// script draws calls and plays none: rapid's way to draw steps is one that it
// can shorten well.
func script(t *rapid.T) []act {
	var out []act
	steps := map[string]func(*rapid.T){}
	for n, kind := range kinds {
		steps[fmt.Sprint(kind, n)] = func(t *rapid.T) {
			out = append(out, act{kind, rapid.SliceOfN(rapid.Custom(number), actNumbers, actNumbers).Draw(t, kind)})
		}
	}
	t.Repeat(steps)
	return out
}

// number spreads what rapid draws, which is small mostly.
func number(t *rapid.T) int {
	const golden = 0x9E3779B97F4A7C15
	return int(uint64(rapid.IntRange(0, 1<<20).Draw(t, "n")) * golden >> 58)
}

// player plays a script on a store in a corner of its own, and beside it on
// the truth; it compares the two after each call.
type player struct {
	e     *env
	t     *rapid.T
	truth *truth
	where string // of its own: objects, link, ids and owners are told apart by it
	apart bool   // one row at a time: the store gets N calls where it else gets one of N rows
	plain bool   // leave out what a batch may do and no order of single calls (see Serial)

	numbers []int          // left of the act that is played
	works   []store.Finish // claims that were got, zombies' among them: WorkRef and IdentityID
	leases  []lease        // leases that were got, likewise
	cursors []store.CursorRef
	picked  map[string][]string // what each claim got, for Serial
	claims  int
	known   map[string]string // identities as they were when they were last compared
	tally   map[string]int    // how often what happened, over all scripts
}

type lease struct {
	store.LeaseRef
	owner string
}

const (
	modelLease   = time.Minute
	modelRecords = 4 // per system
	modelPeople  = 6
	modelKept    = 8 // claims and leases that are remembered
	actNumbers   = 24
)

var sides = []string{crm, erp}

func newPlayer(e *env, where string, tally map[string]int) *player {
	p := &player{e: e, tally: tally, truth: newTruth(), where: where, picked: map[string][]string{}, known: map[string]string{}}
	var rows []store.SystemRow
	for _, s := range sides {
		rows = append(rows, store.SystemRow{System: s, Kind: "demo", Objects: []store.ObjectRow{{Object: p.object(s), CreateClass: "unique"}}})
	}
	e.ok(e.Register(e.ctx, rows))
	return p
}

func (p *player) object(system string) string { return system + "-" + p.where }
func (p *player) link() string                { return "link-" + p.where }
func (p *player) owner(n int) string          { return fmt.Sprintf("w%d-%s", n, p.where) }
func (p *player) id(n int) string             { return fmt.Sprintf("00000000-0000-4000-%s-%012d", p.where, n) }

// n reads the next number of the act, below most.
func (p *player) n(most int) int {
	if len(p.numbers) == 0 || most < 2 {
		return 0
	}
	v := p.numbers[0] % most
	p.numbers = p.numbers[1:]
	return v
}

func (p *player) coin() bool { return p.n(2) == 1 }

func (p *player) system() string { return sides[p.n(len(sides))] }
func (p *player) record(system string) string {
	return fmt.Sprintf("%s%d", system, p.n(modelRecords))
}

func (p *player) must(err error) {
	p.t.Helper()
	if err != nil {
		p.fail("an error", "%v", err)
	}
}

// fail breaks a law. The details go apart: rapid shortens a script as long as
// it fails with the same words.
func (p *player) fail(law, format string, args ...any) {
	p.t.Helper()
	p.t.Logf(format, args...)
	p.t.Fatal(law)
}

// want compares lists without their order.
func (p *player) want(what string, got, want []string) {
	p.t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	p.tally[strings.SplitN(what, " of ", 2)[0]] += len(got)
	if !slices.Equal(got, want) {
		p.fail(strings.SplitN(what, " of ", 2)[0], "%s: the store says %q, the truth %q", what, got, want)
	}
}

// each hands rows to a call: all at once, or one by one.
func each[T any](p *player, rows []T, call func([]T)) {
	if !p.apart {
		call(rows)
		return
	}
	for i := range rows {
		call(rows[i : i+1])
	}
}

func (p *player) play(a act) {
	p.numbers = a.numbers
	map[string]func(){"hint": p.hint, "claim": p.claim, "persist": p.persist, "found": p.found, "intend": p.intend,
		"create": p.create, "bind": p.bind, "take back": p.takeBack, "lease": p.lease, "beat": p.beat, "hold": p.hold,
		"cursor": p.takeCursor, "sweep": p.sweep, "release cursor": p.releaseCursor, "pass": p.pass, "drop": p.drop, "restart": p.restart}[a.kind]()
	p.compare()
}

// pass lets time go by: delays end, and leases with them now and then, so that
// their holders go on as zombies.
func (p *player) pass() {
	d := []time.Duration{time.Second, time.Second, 5 * time.Second, 5 * time.Second, modelLease, modelLease + time.Second, modelLease / 2, 61 * time.Minute}[p.n(8)]
	p.e.pass(d)
	p.truth.now += d
}

func (p *player) drop() {
	owner := p.owner(p.n(2))
	p.must(p.e.Drop(context.Background(), owner))
	p.truth.drop(owner)
}

// Restarter is implemented by a store under test that can be closed and opened
// again; freed says that this gives back every lease.
type Restarter interface {
	Restart() (freed bool, err error)
}

func (p *player) restart() {
	r, can := p.e.Store.(Restarter)
	if !can || p.n(4) != 0 {
		return
	}
	freed, err := r.Restart()
	p.must(err)
	if freed {
		p.truth.restart()
	}
}

// hold closes a catch, or opens it; it is opened more often, for a closed one
// stops all that comes after.
func (p *player) hold() {
	c := catch{p.system(), p.link(), []string{"all", "writes", "creates", "deletes"}[p.n(4)]}
	switch {
	case p.truth.holds[c]:
		p.must(p.e.ReleaseHold(context.Background(), c.system, c.link, c.what, p.where, "test"))
		delete(p.truth.holds, c)
	case p.n(3) == 0:
		p.must(p.e.CloseHold(context.Background(), store.Hold{System: c.system, Link: c.link, What: c.what, Reason: p.where}))
		p.truth.holds[c] = true
		p.intend() // tried at once: it may be opened soon
		p.create()
	}
}

func (p *player) lease() {
	var ids []string
	first := p.n(modelPeople)
	for k := range 1 + p.n(3) {
		ids = append(ids, p.id((first+k)%modelPeople))
	}
	slices.Sort(ids)
	owner, before := p.owner(p.n(2)), p.truth.last
	each(p, ids, func(ids []string) {
		got, busy, err := p.e.Lease(context.Background(), ids, owner, modelLease)
		p.must(err)
		var free, taken []string
		for _, id := range ids {
			if q := p.truth.ids[id]; q != nil && p.truth.isFree(q) {
				free = append(free, id)
			} else if q != nil {
				taken = append(taken, id)
			}
		}
		p.want("busy", busy, taken)
		var have []string
		for _, i := range got {
			have = append(have, i.ID)
			p.leased(i, owner, before)
			p.sameIdentity(i)
		}
		p.want("leased", have, free)
	})
}

// beat prolongs what is ours of anything that was ever got.
func (p *player) beat() {
	owner := p.owner(p.n(2))
	var work []store.WorkRef
	var leases []store.LeaseRef
	for _, f := range p.works {
		if p.coin() {
			work = append(work, f.WorkRef)
		}
	}
	for _, l := range p.leases {
		if p.coin() {
			leases = append(leases, l.LeaseRef)
		}
	}
	w, l, err := p.e.Heartbeat(context.Background(), owner, modelLease, work, leases)
	p.must(err)
	var kept, want []string
	for _, r := range work {
		if o := p.truth.ours(r); o != nil && o.owner == owner {
			o.due = p.truth.now + modelLease
			want = append(want, r.System+r.RecordID)
		}
	}
	for _, r := range leases {
		if q := p.truth.leasedTo(owner, r); q != nil {
			q.until = p.truth.now + modelLease
			want = append(want, r.ID)
		}
	}
	for _, r := range w {
		kept = append(kept, r.System+r.RecordID)
	}
	for _, r := range l {
		kept = append(kept, r.ID)
	}
	p.want("kept by a heartbeat", kept, want)
}

func jsonOf(n int) json.RawMessage { return json.RawMessage(fmt.Sprintf(`{"n":%d}`, n)) }

func fieldsOf(n int) map[string]store.FieldState {
	return []map[string]store.FieldState{nil, {}, {"a": {State: "conflict"}}, {"a": {State: "refused"}, "b": {State: "frozen"}}}[n]
}

func stateOf(n int) mapping.MemberState {
	return []mapping.MemberState{mapping.MemberGone, mapping.MemberParked, mapping.MemberUncertain, mapping.MemberActive, mapping.MemberQuarantined, mapping.MemberMerged}[n]
}

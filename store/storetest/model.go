package storetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"syncd/store"
)

// Model runs random calls of the queue against the store and against a small
// model of it, and compares the two after each. It needs a store whose clock
// can be moved. rapid shrinks a failure to its shortest run.
func Model(t *testing.T, open func(t *testing.T) Store) {
	s := newEnv(t, open(t))
	if !s.canMove() {
		t.Fatal("the model needs a store whose clock can be moved")
	}
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++ // a queue of its own per run: opening a store costs more than the run
		m := &model{e: s, object: fmt.Sprintf("object%d", run), rows: map[string]*row{}, held: map[int64][]string{}}
		rt.Repeat(map[string]func(*rapid.T){
			"Enqueue": m.enqueue, "Claim": m.claim, "Done": m.done, "Again": m.again, "Park": m.park, "Expire": m.expire, "": m.check,
		})
	})
}

// row is a work row as the laws say it is. due counts on the model's clock.
type row struct {
	gen, claimedGen int
	owned           bool
	epoch           int64
	due             time.Duration
	parked          bool
	cap, attempts   int // cap 0: none
	lone            bool
	version         string
}

type model struct {
	e      *env
	object string
	now    time.Duration
	rows   map[string]*row
	held   map[int64][]string // claims that have not ended, zombies among them, by epoch
}

const (
	modelLease = time.Minute
	modelMost  = 5
)

func (m *model) enqueue(t *rapid.T) {
	var hs []store.Hint
	for _, n := range rapid.SliceOfN(rapid.IntRange(0, 7), 1, 4).Draw(t, "records") {
		hs = append(hs, store.Hint{System: crm, Object: m.object, RecordID: fmt.Sprintf("R%d", n), Cause: "webhook",
			Version: rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, "version"),
			Delay:   time.Duration(rapid.IntRange(0, 2).Draw(t, "delay")) * time.Second})
	}
	must(t, m.e.Enqueue(context.Background(), hs))
	first := map[string]time.Duration{} // of one call the shortest delay counts
	version := map[string]string{}
	for _, h := range hs {
		if d, ok := first[h.RecordID]; !ok || h.Delay < d {
			first[h.RecordID] = h.Delay
		}
		version[h.RecordID] = max(version[h.RecordID], h.Version)
	}
	for id, d := range first {
		r := m.rows[id]
		if r == nil {
			m.rows[id] = &row{gen: 1, due: m.now + d, version: version[id]}
			continue
		}
		r.gen++
		r.version = max(r.version, version[id])
		if !r.owned && r.attempts == 0 && r.cap == 0 && (r.parked || m.now+d < r.due) {
			r.parked, r.due = false, m.now+d
		}
	}
}

func (m *model) isDue(r *row) bool { return !r.parked && r.due <= m.now }

// claim compares by what the laws fix: rows that are due at the same instant
// may be claimed in any order, so the model follows the store's choice.
func (m *model) claim(t *rapid.T) {
	got, err := m.e.Claim(context.Background(), store.ClaimRequest{System: crm, Object: m.object, Max: modelMost, Owner: w1, Lease: modelLease})
	must(t, err)
	var due []*row
	for _, r := range m.rows {
		if m.isDue(r) {
			due = append(due, r)
		}
	}
	if (len(got) == 0) != (len(due) == 0) {
		t.Fatalf("claimed %v, %d rows are due", recordsOf(got), len(due))
	}
	if len(got) == 0 {
		return
	}
	slices.SortFunc(due, func(a, b *row) int { return cmp.Compare(a.due, b.due) })
	fits := slices.ContainsFunc(due, func(head *row) bool { // the oldest row says how many; of equally old ones, any
		n, bear := bears(head), 0
		for _, r := range due {
			if bears(r) >= n {
				bear++
			}
		}
		return head.due == due[0].due && len(got) == min(n, bear)
	})
	if !fits {
		t.Fatalf("claimed %d rows of %d that are due, the oldest bears %d", len(got), len(due), bears(due[0]))
	}
	for _, c := range got {
		m.claimed(t, c, len(got))
	}
}

// bears says with how many rows at most a row may be claimed.
func bears(r *row) int { return min(modelMost, cmp.Or(r.cap, modelMost)) }

func (m *model) claimed(t *rapid.T, c store.Claimed, n int) {
	r := m.rows[c.RecordID]
	switch {
	case r == nil || !m.isDue(r):
		t.Fatalf("claimed %s, which is not due: %+v", c.RecordID, r)
	case r.cap != 0 && n > r.cap:
		t.Fatalf("claimed %s with %d rows, it bears %d", c.RecordID, n, r.cap)
	case c.Epoch <= r.epoch:
		t.Fatalf("epoch %d of %s after %d", c.Epoch, c.RecordID, r.epoch)
	}
	r.owned, r.epoch, r.claimedGen, r.due, r.cap, r.lone = true, c.Epoch, r.gen, m.now+modelLease, max(1, n/2), n == 1
	if r.lone {
		r.attempts++
	}
	if c.Attempts != r.attempts || c.HintVersion != r.version || int(c.Gen) != r.gen {
		t.Fatalf("claimed %+v, want %+v", c.Work, *r)
	}
	m.held[c.Epoch] = append(m.held[c.Epoch], c.RecordID)
}

// finish ends one claim that may be a zombie's by now; end is told for a row
// that is still ours.
func (m *model) finish(t *rapid.T, f store.Finish, end func(id string, r *row)) {
	epochs := slices.Sorted(maps.Keys(m.held))
	if len(epochs) == 0 {
		return
	}
	epoch := rapid.SampledFrom(epochs).Draw(t, "claim")
	ids := m.held[epoch]
	id := ids[len(ids)-1]
	if m.held[epoch] = ids[:len(ids)-1]; len(ids) == 1 {
		delete(m.held, epoch)
	}
	f.WorkRef = store.WorkRef{System: crm, Object: m.object, RecordID: id, Epoch: epoch}
	for range rapid.IntRange(1, 2).Draw(t, "times") { // a repeated finish changes nothing
		got, err := m.e.Persist(context.Background(), store.Persist{Owner: w1, Work: []store.Finish{f}})
		must(t, err)
		r := m.rows[id]
		ours := r != nil && r.owned && r.epoch == epoch
		if (len(got.Lost) == 0) != ours {
			t.Fatalf("%s of %s: lost %v, ours %v", f.Disposition, id, got.Lost, ours)
		}
		if ours {
			r.owned, r.lone = false, false
			end(id, r)
		}
	}
}

func (m *model) done(t *rapid.T) {
	m.finish(t, store.Finish{Disposition: store.Done}, func(id string, r *row) {
		if r.gen == r.claimedGen {
			delete(m.rows, id)
			return
		}
		r.attempts, r.cap, r.due = 0, 0, m.now
	})
}

func (m *model) again(t *rapid.T) {
	f := store.Finish{Disposition: store.Again, After: time.Duration(rapid.IntRange(0, 3).Draw(t, "after")) * time.Second,
		Blame: rapid.IntRange(0, 1).Draw(t, "blame"), WholeCall: rapid.Bool().Draw(t, "whole call")}
	m.finish(t, f, func(_ string, r *row) {
		r.attempts += f.Blame
		r.due = m.now + f.After
		if !f.WholeCall {
			r.cap = 0
		}
	})
}

func (m *model) park(t *rapid.T) {
	m.finish(t, store.Finish{Disposition: store.Parked, Reason: "test"}, func(_ string, r *row) {
		r.attempts, r.cap, r.due = 0, 0, m.now
		r.parked = r.gen == r.claimedGen
	})
}

// expire lets time go by: delays end, and leases with them now and then.
func (m *model) expire(t *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Second, modelLease + time.Second}).Draw(t, "time")
	m.e.pass(d)
	m.now += d
}

// check compares the counts of the queue.
func (m *model) check(t *rapid.T) {
	stats, err := m.e.Queues(context.Background())
	must(t, err)
	var got, want store.QueueStat
	for _, q := range stats {
		if q.Object == m.object {
			got = store.QueueStat{Due: q.Due, Running: q.Running, Waiting: q.Waiting, Parked: q.Parked}
		}
	}
	for _, r := range m.rows {
		switch {
		case r.parked:
			want.Parked++
		case m.isDue(r):
			want.Due++
		case r.owned:
			want.Running++
		default:
			want.Waiting++
		}
	}
	if got != want {
		t.Fatalf("the queue counts %+v, want %+v", got, want)
	}
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

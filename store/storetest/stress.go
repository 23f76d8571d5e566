package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncd/store"
)

const (
	stressIdentities = 60
	stressLease      = 300 * time.Millisecond
	stressBatch      = 10
	stressWorkers    = 8
	stressEnqueuers  = 4
)

// Stress lets enqueuers and workers loose on one store for d, of whom about 3 %
// overstay their lease (zombies) and 1 % vanish with it (crashes). Records of
// two systems belong to one identity, match keys collide and swap, and intents
// enqueue confirming hints. It counts what must never happen: a hint that is
// lost, a base that is accepted though it is older than one before, a commit by
// somebody whose lease had gone to another, and an error that reaches a caller.
func Stress(t *testing.T, open func(t *testing.T) Store, d time.Duration) {
	s := newStress(newEnv(t, open(t)))
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var enqueuers, workers sync.WaitGroup
	for n := range stressEnqueuers {
		enqueuers.Go(func() { s.enqueue(ctx, rand.New(rand.NewPCG(1, uint64(n)))) })
	}
	quiet := make(chan struct{})
	for n := range stressWorkers {
		workers.Go(func() { s.work(quiet, fmt.Sprintf("w%d", n), rand.New(rand.NewPCG(2, uint64(n)))) })
	}
	enqueuers.Wait()
	s.calm.Store(true)
	s.drain(60 * time.Second)
	close(quiet)
	workers.Wait()
	s.judge()
}

// stress is the truth that the store is judged by.
type stress struct {
	e     *env
	calm  atomic.Bool // the enqueuers are done: no more zombies
	truth [stressIdentities + 1]atomic.Int64

	mu       sync.Mutex
	newest   map[string]int64    // per identity: the highest epoch that was handed out
	accepted map[string][]commit // per identity
	baseOf   map[string]int64    // per identity: the newest base whose commit was answered

	edits, persists, fenced, zombies, crashes, staleReads, stolen atomic.Int64
}

type commit struct{ epoch, value int64 }

func newStress(e *env) *stress {
	e.t.Helper()
	s := &stress{e: e, newest: map[string]int64{}, accepted: map[string][]commit{}, baseOf: map[string]int64{}}
	for n := range stressIdentities {
		e.pair(n+1, store.Key{Kind: "email", Value: fmt.Sprint(n)})
	}
	return s
}

// enqueue edits records: the truth first, then the hint.
func (s *stress) enqueue(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		var hs []store.Hint
		for range 1 + r.IntN(4) {
			n := 1 + r.IntN(stressIdentities)
			s.truth[n].Add(1)
			if r.IntN(2) == 0 {
				hs = append(hs, hintOf(crm, contacts, fmt.Sprintf("C%d", n)))
			} else {
				hs = append(hs, hintOf(erp, partners, fmt.Sprintf("E%d", n)))
			}
		}
		s.edits.Add(int64(len(hs)))
		var err error
		if r.IntN(2) == 0 {
			err = s.e.Enqueue(context.Background(), hs)
		} else {
			err = s.e.Receive(context.Background(), []store.Receipt{{System: crm, DeliveryKey: fmt.Sprint(r.IntN(1000)), Events: len(hs), Hints: hs}})
		}
		s.fail("enqueue", err)
		time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
	}
}

func (s *stress) fail(what string, err error) {
	if err != nil {
		s.e.t.Errorf("%s: %v", what, err)
	}
}

// work claims and ends batches of either queue until it is quiet.
func (s *stress) work(quiet <-chan struct{}, owner string, r *rand.Rand) {
	for round := 0; ; round++ {
		select {
		case <-quiet:
			return
		default:
		}
		q := store.ClaimRequest{System: crm, Object: contacts, Max: stressBatch, Owner: fmt.Sprint(owner, ".", round), Lease: stressLease}
		if r.IntN(2) == 0 {
			q.System, q.Object = erp, partners
		}
		s.mu.Lock()
		before := map[string]int64{}
		for id, v := range s.baseOf {
			before[id] = v
		}
		s.mu.Unlock()
		cs, err := s.e.Claim(context.Background(), q)
		s.fail("claim", err)
		if len(cs) == 0 {
			time.Sleep(2 * time.Millisecond)
			continue
		}
		s.batch(q, cs, before, r)
	}
}

// batch reads the truth under the leases, intends, and persists.
func (s *stress) batch(q store.ClaimRequest, cs []store.Claimed, before map[string]int64, r *rand.Rand) {
	p := store.Persist{Owner: q.Owner}
	values := map[string]int64{}
	var intents []store.UpdateIntent
	for _, c := range cs {
		i := c.Identity
		if i.Epoch == 0 {
			p.Work = append(p.Work, store.Finish{WorkRef: c.WorkRef, Disposition: store.Again, After: time.Duration(r.IntN(5)) * time.Millisecond})
			continue
		}
		s.leased(i, before)
		var n int
		fmt.Sscanf(c.RecordID[1:], "%d", &n)
		values[i.ID] = s.truth[n].Load()
		up := base(store.LeaseRef{ID: i.ID, Epoch: i.Epoch}, int(values[i.ID]))
		up.SetKeys = r.IntN(3) == 0
		up.Keys = []store.KeyOf{{Key: store.Key{Kind: "email", Value: fmt.Sprint(r.IntN(stressIdentities))}, System: crm}}
		p.Identities = append(p.Identities, up)
		p.History = append(p.History, store.Entry{IdentityID: i.ID, System: c.System, Object: c.Object, RecordID: c.RecordID, Cause: c.Cause, Action: "update"})
		p.Work = append(p.Work, store.Finish{WorkRef: c.WorkRef, IdentityID: i.ID, Disposition: store.Done})
		if !s.calm.Load() && r.IntN(4) == 0 {
			intents = append(intents, store.UpdateIntent{IdentityID: i.ID, Epoch: i.Epoch, Link: link, System: erp, Intent: json.RawMessage(`{}`),
				Confirm: &store.Hint{System: erp, Object: partners, RecordID: fmt.Sprintf("E%d", n), Cause: "confirm"}})
		}
	}
	r.Shuffle(len(intents), func(a, b int) { intents[a], intents[b] = intents[b], intents[a] })
	_, err := s.e.IntendUpdates(context.Background(), q.Owner, intents)
	s.fail("intend", err)
	if !s.calm.Load() {
		switch x := r.IntN(100); {
		case x < 3:
			s.zombies.Add(1)
			time.Sleep(stressLease + time.Duration(r.IntN(100))*time.Millisecond)
		case x < 4:
			s.crashes.Add(1)
			return
		}
	}
	r.Shuffle(len(p.Identities), func(a, b int) { p.Identities[a], p.Identities[b] = p.Identities[b], p.Identities[a] })
	s.commit(p, values)
}

// leased notes a lease and compares its base with what was accepted before.
func (s *stress) leased(i *store.Identity, before map[string]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest[i.ID] = max(s.newest[i.ID], i.Epoch)
	var v struct{ N int64 }
	if b := i.Members[0].Base; b != nil {
		s.fail("base", json.Unmarshal(b, &v))
	}
	if v.N < before[i.ID] {
		s.staleReads.Add(1)
	}
}

func (s *stress) commit(p store.Persist, values map[string]int64) {
	s.mu.Lock()
	over := map[string]bool{}
	for _, u := range p.Identities {
		over[u.ID] = s.newest[u.ID] > u.Epoch // the lease has gone to another already
	}
	s.mu.Unlock()
	got, err := s.e.Persist(context.Background(), p)
	s.fail("persist", err)
	if err != nil {
		return
	}
	s.persists.Add(1)
	s.fenced.Add(int64(len(got.Fenced)))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range p.Identities {
		if slices.Contains(got.Fenced, u.ID) {
			continue
		}
		if over[u.ID] {
			s.stolen.Add(1)
		}
		s.accepted[u.ID] = append(s.accepted[u.ID], commit{u.Epoch, values[u.ID]})
		s.baseOf[u.ID] = max(s.baseOf[u.ID], values[u.ID])
	}
}

// drain waits until no work is left.
func (s *stress) drain(most time.Duration) {
	for deadline := time.Now().Add(most); ; time.Sleep(20 * time.Millisecond) {
		stats, err := s.e.Queues(context.Background())
		s.fail("queues", err)
		if left := rowsIn(stats); left == 0 {
			return
		} else if time.Now().After(deadline) {
			s.e.t.Errorf("%d rows are still queued %v after the last edit: %+v", left, most, stats)
			return
		}
	}
}

func rowsIn(stats []store.QueueStat) int {
	n := 0
	for _, q := range stats {
		n += q.Due + q.Running + q.Waiting + q.Parked
	}
	return n
}

// judge compares the store with the truth.
func (s *stress) judge() {
	lost, stale := 0, 0
	for n := 1; n <= stressIdentities; n++ {
		if int64(baseN(s.e, s.e.member(id(n), crm))) != s.truth[n].Load() {
			lost++
		}
		cs := s.accepted[id(n)]
		slices.SortFunc(cs, func(a, b commit) int { return int(a.epoch - b.epoch) })
		for k := 1; k < len(cs); k++ {
			if cs[k].epoch == cs[k-1].epoch || cs[k].value < cs[k-1].value {
				stale++
			}
		}
	}
	s.e.t.Logf("%d edits, %d batches persisted, %d zombies, %d crashes, %d identities fenced", s.edits.Load(), s.persists.Load(), s.zombies.Load(), s.crashes.Load(), s.fenced.Load())
	for what, n := range map[string]int64{"identities with a lost hint": int64(lost), "stale bases accepted": int64(stale),
		"leases that came with a stale base": s.staleReads.Load(), "commits by a non-holder": s.stolen.Load()} {
		if n != 0 {
			s.e.t.Errorf("%d %s, want 0", n, what)
		}
	}
	if s.persists.Load() == 0 {
		s.e.t.Error(errors.New("nothing was persisted: the stress stressed nothing"))
	}
}

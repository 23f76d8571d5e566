package ingress

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"syncd/store"
)

func receipt(key string) store.Receipt { return store.Receipt{System: "crm", DeliveryKey: key} }

func keysOf(group []store.Receipt) string {
	s := ""
	for _, r := range group {
		s += r.DeliveryKey
	}
	return s
}

// submitAll submits receipts at the same time and gives their results, in
// order, by a function that waits for them.
func submitAll(c *committer, keys ...string) func() []error {
	errs := make([]error, len(keys))
	var wg sync.WaitGroup
	for i, key := range keys {
		wg.Go(func() { errs[i] = c.submit(receipt(key)) })
		synctest.Wait() // the order of arrival is the order of keys
	}
	return func() []error {
		wg.Wait()
		return errs
	}
}

func TestAReceiptAloneIsCommittedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		c := newCommitter(f)
		start := time.Now()
		for _, key := range []string{"a", "b", "c"} {
			if err := c.submit(receipt(key)); err != nil {
				t.Fatal(err)
			}
		}
		if len(f.groups) != 3 || time.Since(start) != 0 {
			t.Errorf("%d commits in %v", len(f.groups), time.Since(start))
		}
	})
}

func TestReceiptsThatComeDuringACommitGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		f := &fakeStore{before: func([]store.Receipt) error { <-free; return nil }}
		c := newCommitter(f)
		wait := submitAll(c, "a", "b", "c", "d")
		free <- struct{}{}
		synctest.Wait()
		late := submitAll(c, "e")
		close(free)
		for i, err := range append(wait(), late()...) {
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		var got []string
		for _, g := range f.groups {
			got = append(got, keysOf(g))
		}
		if fmt.Sprint(got) != "[a bcd e]" {
			t.Errorf("commits %v", got)
		}
	})
}

func TestNothingIsAcknowledgedBeforeItsCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		f := &fakeStore{before: func([]store.Receipt) error { <-free; return nil }}
		r := newRig(func(o *Options) { o.Store = f })
		codes := make(chan int, 1)
		go func() { codes <- r.do(request("POST", goodPath, oneEvent)) }()
		synctest.Wait()
		if len(codes) != 0 {
			t.Fatal("answered before the commit")
		}
		close(free)
		if code := <-codes; code != 200 || len(f.groups) != 1 {
			t.Errorf("%d, %d commits", code, len(f.groups))
		}
	})
}

func TestABadReceiptFailsAlone(t *testing.T) {
	bad := errors.New("bad")
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		f := &fakeStore{before: func(group []store.Receipt) error {
			<-free
			for _, r := range group {
				if r.DeliveryKey == "x" {
					return bad
				}
			}
			return nil
		}}
		c := newCommitter(f)
		wait := submitAll(c, "a", "b", "x", "c")
		close(free)
		for i, want := range []error{nil, nil, bad, nil} {
			if got := wait()[i]; got != want {
				t.Errorf("%d: %v", i, got)
			}
		}
	})
}

func TestAStoreThatIsDownIsNotAskedForEachReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free, calls := make(chan struct{}), 0
		f := &fakeStore{before: func([]store.Receipt) error { <-free; calls++; return errors.New("down") }}
		c := newCommitter(f)
		wait := submitAll(c, "a", "b", "c", "d", "e", "f")
		close(free)
		for i, err := range wait() {
			if err == nil {
				t.Errorf("%d was acknowledged", i)
			}
		}
		if want := 1 + 1 + failuresInARow; calls != want { // a; b–f together; then one by one
			t.Errorf("%d calls, want %d", calls, want)
		}
	})
}

func TestAStoreThatHangsIsGivenUpOnAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		f := &fakeStore{before: func([]store.Receipt) error { <-free; return nil }}
		c := newCommitter(f)
		start := time.Now()
		for i, err := range submitAll(c, "a", "b", "c")() {
			if err == nil {
				t.Errorf("%d was acknowledged", i)
			}
		}
		if took := time.Since(start); took != commitTimeout {
			t.Errorf("took %v", took)
		}
		close(free)
		synctest.Wait()
		if err := c.submit(receipt("d")); err != nil {
			t.Error(err)
		}
		if len(f.groups) != 2 || keysOf(f.groups[1]) != "d" {
			t.Errorf("receipts nobody waits for were committed: %v", f.groups)
		}
	})
}

func TestBacklogAndGroupsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		largest := 0
		f := &fakeStore{before: func(group []store.Receipt) error { largest = max(largest, len(group)); <-free; return nil }}
		c := newCommitter(f)
		var wg sync.WaitGroup
		results := make(chan error, maxBacklog+20)
		for i := range 1 + maxBacklog + 10 { // the first is in the store, the last have no room
			wg.Go(func() { results <- c.submit(receipt("k")) })
			if i == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		close(free)
		wg.Wait()
		close(results)
		full := 0
		for err := range results {
			if errors.Is(err, errBacklog) {
				full++
			}
		}
		if full != 10 || largest > maxGroupReceipts {
			t.Errorf("%d refused, largest group %d", full, largest)
		}
	})
}

func TestAGroupHasBoundedHints(t *testing.T) {
	c := newCommitter(&fakeStore{})
	for _, n := range []int{maxGroupHints + 1, maxGroupHints / 2, maxGroupHints / 2, 1} {
		c.pending = append(c.pending, &waiter{receipt: store.Receipt{Hints: make([]store.Hint, n)}})
	}
	var sizes []int
	for g := c.next(); g != nil; g = c.next() {
		sizes = append(sizes, len(g))
	}
	if fmt.Sprint(sizes) != "[1 2 1]" {
		t.Errorf("%v", sizes)
	}
}

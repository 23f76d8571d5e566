package hubspotsim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"syncd/simulator"
)

const (
	postMax        = 100 // events in one delivery (vendors/hubspot.md 10)
	retriesMax     = 10  // after the first attempt (vendors/hubspot.md 10)
	redeliverers   = 8
	deliveredBelow = 300
)

// SignedPost builds a delivery of events to the webhook URL, signed now.
func (s *Sim) SignedPost(events []json.RawMessage) simulator.Post {
	s.mu.Lock()
	target := s.hookURL
	s.mu.Unlock()
	body := slices.Concat([]byte{'['}, bytes.Join(asBytes(events), []byte{','}), []byte{']'})
	return simulator.Post{URL: target, Header: signed(s.o.ClientSecret, target, body, s.now()), Body: body}
}

func asBytes(events []json.RawMessage) [][]byte {
	list := make([][]byte, len(events))
	for i, e := range events {
		list[i] = e
	}
	return list
}

// announce delivers what one call raised, in posts of at most 100 events.
func (s *Sim) announce(list []event) {
	for batch := range slices.Chunk(list, postMax) {
		if s.o.Deliver != nil {
			s.o.Deliver(s.SignedPost(s.wires(batch, 0)))
			continue
		}
		s.outbox.Go(func() { s.insist(batch) })
	}
}

// insist sends a batch until it is answered with 2xx, ten retries at most,
// with growing gaps. A batch fails as a whole, and every attempt is signed
// anew (vendors/hubspot.md 10, delivery).
func (s *Sim) insist(batch []event) {
	gap := s.o.RetryGap
	for attempt := 0; attempt <= retriesMax; attempt++ {
		post := s.SignedPost(s.wires(batch, attempt))
		if post.URL == "" || s.send(s.ctx, post) {
			return
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(gap):
		}
		gap *= 2
	}
}

// send posts once, when fewer than ten posts are on their way.
func (s *Sim) send(ctx context.Context, post simulator.Post) bool {
	s.sending <- struct{}{}
	defer func() { <-s.sending }()
	return delivered(post.Send(ctx, s.o.WebhookClient))
}

func delivered(status int) bool { return status >= http.StatusOK && status < deliveredBelow }

// Redeliver sends every event ever raised once more, copies times: regrouped
// at random into posts of 1 to 100, signed anew, eight at a time, in any order
// if shuffle is set. The vendor promises no order and allows duplicates
// (vendors/hubspot.md 10). It waits for the answers; its error says how many
// posts were not taken.
func (s *Sim) Redeliver(ctx context.Context, shuffle bool, copies int) error {
	all := s.wires(s.log(), 0)
	var posts [][]json.RawMessage
	for range copies {
		list := slices.Clone(all)
		if shuffle {
			shuffled(s.dice, list)
		}
		for len(list) > 0 {
			n := min(int(1+s.dice.roll(postMax)), len(list))
			posts = append(posts, list[:n])
			list = list[n:]
		}
	}
	if shuffle {
		shuffled(s.dice, posts)
	}
	var wg sync.WaitGroup
	var next, refused atomic.Int64
	for range redeliverers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(posts)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if !s.repost(ctx, posts[i]) {
					refused.Add(1)
				}
			}
		})
	}
	wg.Wait()
	var err error
	if n := refused.Load(); n > 0 {
		err = fmt.Errorf("hubspotsim: %d of %d deliveries were not taken", n, len(posts))
	}
	return errors.Join(err, ctx.Err())
}

func (s *Sim) repost(ctx context.Context, events []json.RawMessage) bool {
	post := s.SignedPost(events)
	if post.URL == "" {
		return false
	}
	if s.o.Deliver != nil {
		s.o.Deliver(post)
		return true
	}
	return delivered(post.Send(ctx, s.o.WebhookClient))
}

package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/simulator"
	"syncd/store"
)

// hook is the webhook endpoint of one system.
type hook struct {
	receiver func() (connectors.Receiver, error)
	retries  int                                 // of the vendor, after a refusal
	trust    bool                                // its own-change marks are believed
	renew    func(simulator.Post) simulator.Post // of every attempt; nil: as it was

	opened connectors.Receiver
}

func (w *world) openHooks() error {
	for _, v := range w.systems {
		r, err := v.hook.receiver()
		if err != nil {
			return err
		}
		v.hook.opened = r
	}
	return nil
}

// announced takes a webhook from a vendor and sends it on its way: 0, 1 or 2
// times, soon or late.
func (w *world) announced(system string) func(simulator.Post) {
	return func(p simulator.Post) {
		if w.hit(hookLost) {
			w.s.note("hook of %s lost", system)
			return
		}
		n := 1
		if w.hit(hookTwice) {
			n = 2
		}
		for range n {
			d := w.s.between(5*time.Millisecond, 2*time.Second)
			if w.hit(hookLate) {
				d = w.s.between(0, 3*time.Hour)
				if w.s.chance(0.7) {
					d = w.s.between(0, 2*time.Minute)
				}
			}
			w.posts++
			w.s.after(d, func() { w.deliver(system, p, 0) })
		}
	}
}

// deliver makes one attempt; what is refused is tried again as the vendor does.
func (w *world) deliver(system string, p simulator.Post, attempt int) {
	w.posts--
	h := &w.vendors[system].hook
	if h.renew != nil {
		p = h.renew(p)
	}
	err := w.receive(system, h, p)
	if err == nil {
		return
	}
	w.s.note("hook of %s refused: %v", system, err)
	if attempt < h.retries {
		w.posts++
		w.s.after(time.Second<<min(attempt, 10), func() { w.deliver(system, p, attempt+1) })
	}
}

// receive is what ingress does with a delivery: verify, parse, commit.
func (w *world) receive(system string, h *hook, p simulator.Post) error {
	r := w.replicas[w.s.rng.IntN(len(w.replicas))]
	if r.down {
		return errDial
	}
	d := connectors.Delivery{Method: http.MethodPost, URL: p.URL, Path: strings.TrimPrefix(p.URL, hookURL(system)), Header: p.Header, Body: p.Body}
	if err := h.opened.Verify(d, w.now()); err != nil {
		w.violate("hook", "", "%s: a true delivery is refused: %v", system, err)
		return nil
	}
	events, err := h.opened.Parse(d)
	if err != nil {
		w.violate("hook", "", "%s: a true delivery does not parse: %v", system, err)
		return nil
	}
	key := events.Key
	if key == "" {
		sum := sha256.Sum256(p.Body)
		key = hex.EncodeToString(sum[:])
	}
	receipt := store.Receipt{System: system, DeliveryKey: key, Events: len(events.Hints)}
	var said []string
	var delay time.Duration // how long a record is left alone after an event
	for _, e := range events.Hints {
		if !w.speaksOf(system, e.Object) {
			continue
		}
		cause := "webhook"
		if e.Removed {
			cause = store.CauseDeletion
		}
		delay = max(delay, w.infos[system].Objects[e.Object].RereadDelay)
		receipt.Hints = append(receipt.Hints, store.Hint{
			System: system, Object: e.Object, RecordID: e.RecordID, Lane: store.LaneLive, Version: e.Version,
			Delay: delay, Cause: cause, DeliveryKey: key, Own: e.Own && h.trust, Erased: e.Erased,
		})
		said = append(said, fmt.Sprintf("%s own=%v v=%s", e.RecordID, e.Own && h.trust, e.Version))
	}
	if w.hit(storeBefore) {
		return errStore
	}
	if err := w.db.Receive(context.Background(), []store.Receipt{receipt}); err != nil {
		return err
	}
	w.s.note("hook of %s: %s", system, strings.Join(said, ", "))
	w.wakeAll(delay)
	if w.hit(storeAfter) {
		return errStore
	}
	w.stats.Hooks++
	w.stats.Hints += len(receipt.Hints)
	for _, hint := range receipt.Hints {
		k := recordKey{system, hint.RecordID}
		if _, waits := w.acked[k]; !waits && !hint.Own {
			w.acked[k] = w.s.now
		}
	}
	return nil
}

// speaksOf says that a link has the object: hints of others have no queue.
func (w *world) speaksOf(system, object string) bool {
	return slices.ContainsFunc(w.links, func(l *flows.Link) bool {
		return slices.ContainsFunc(l.Members, func(m flows.Member) bool { return m.System == system && m.Object == object })
	})
}

package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"syncd/connectors"
	"syncd/connectors/hubspot"
	"syncd/connectors/odoo"
	"syncd/simulator"
	"syncd/simulator/odoosim"
	"syncd/store"
)

// hook is the webhook endpoint of one system.
type hook struct {
	system   string
	url      string
	receiver connectors.Receiver
	delay    time.Duration // how long a record is left alone after an event
	retries  int           // of the vendor, after a refusal
	trust    bool
}

func (w *world) openHooks() error {
	h, err := hubspot.NewReceiver(hubspot.Config{System: crm, AppID: "54321", Secrets: []string{clientSecret}, Objects: []string{contacts}, Now: w.now})
	if err != nil {
		return err
	}
	o, err := odoo.NewReceiver(odoo.Config{System: erp, URL: "https://erp.invalid", Database: odoosim.DefaultDatabase})
	if err != nil {
		return err
	}
	w.hooks[crm] = &hook{system: crm, url: crmHook, receiver: h, delay: w.infos[crm].Objects[contacts].RereadDelay, retries: 10, trust: w.d.trustMark}
	w.hooks[erp] = &hook{system: erp, url: erpHook, receiver: o, delay: w.infos[erp].Objects[partners].RereadDelay}
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
	h := w.hooks[system]
	if system == crm { // every attempt is signed anew
		var events []json.RawMessage
		if err := json.Unmarshal(p.Body, &events); err == nil {
			p = w.crm.SignedPost(events)
		}
	}
	err := w.receive(h, p)
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
func (w *world) receive(h *hook, p simulator.Post) error {
	r := w.replicas[w.s.rng.IntN(len(w.replicas))]
	if r.down {
		return errDial
	}
	d := connectors.Delivery{Method: http.MethodPost, URL: p.URL, Path: strings.TrimPrefix(p.URL, h.url), Header: p.Header, Body: p.Body}
	if err := h.receiver.Verify(d, w.now()); err != nil {
		w.violate("hook", "", "%s: a true delivery is refused: %v", h.system, err)
		return nil
	}
	events, err := h.receiver.Parse(d)
	if err != nil {
		w.violate("hook", "", "%s: a true delivery does not parse: %v", h.system, err)
		return nil
	}
	key := events.Key
	if key == "" {
		sum := sha256.Sum256(p.Body)
		key = hex.EncodeToString(sum[:])
	}
	receipt := store.Receipt{System: h.system, DeliveryKey: key, Events: len(events.Hints)}
	var said []string
	for _, e := range events.Hints {
		receipt.Hints = append(receipt.Hints, store.Hint{
			System: h.system, Object: e.Object, RecordID: e.RecordID, Lane: store.LaneLive, Version: e.Version,
			Delay: h.delay, Cause: "webhook", DeliveryKey: key, Own: e.Own && h.trust,
		})
		said = append(said, fmt.Sprintf("%s own=%v v=%s", e.RecordID, e.Own && h.trust, e.Version))
	}
	if w.hit(storeBefore) {
		return errStore
	}
	if err := w.db.Receive(context.Background(), []store.Receipt{receipt}); err != nil {
		return err
	}
	w.s.note("hook of %s: %s", h.system, strings.Join(said, ", "))
	w.wakeAll(h.delay)
	if w.hit(storeAfter) {
		return errStore
	}
	w.stats.Hooks++
	for _, hint := range receipt.Hints {
		k := recordKey{h.system, hint.RecordID}
		if _, waits := w.acked[k]; !waits && !hint.Own {
			w.acked[k] = w.s.now
		}
	}
	return nil
}

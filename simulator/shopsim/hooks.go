package shopsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"syncd/simulator"
)

// announce sends the webhook of a change, again and again until it is taken. A
// signature is made anew for each attempt: it carries the attempt's time.
func (s *Sim) announce(e event) {
	s.mu.Lock()
	s.posts++
	number := s.posts
	s.mu.Unlock()
	if s.o.Deliver != nil {
		s.o.Deliver(s.post(e, number))
		return
	}
	s.outbox.Go(func() {
		gap := s.o.RetryGap
		for range hookTries {
			status := s.post(e, number).Send(s.ctx, s.o.WebhookClient)
			if status >= 200 && status < 300 {
				return
			}
			select {
			case <-s.ctx.Done():
				return
			case <-time.After(gap):
				gap *= 2
			}
		}
	})
}

// post makes the request that announces a change.
func (s *Sim) post(e event, number int) simulator.Post {
	s.mu.Lock()
	target := s.hookURL
	s.mu.Unlock()
	h := http.Header{"Content-Type": {"application/json"}}
	var body any
	switch s.o.API {
	case Shop:
		body = map[string]any{"events": []any{map[string]any{
			"subject": strings.TrimSuffix(e.rec.object, "s"), "event": e.what, "id": e.rec.id, "revision": e.rec.revision,
			"at": s.o.Now().UTC().Format(shopTime), "by": e.rec.by,
		}}}
	case Plain:
		body = map[string]any{
			"object": "customer", "event": e.what, "id": e.rec.number, "at": e.rec.updated.Format(time.RFC3339),
			"event_id": fmt.Sprintf("ev-%s-%d", s.o.Tenant, number), "customer": s.plainRecord(&e.rec),
		}
	case Espo:
		word := map[string]string{"created": "create", "deleted": "delete"}[e.what]
		item := map[string]any{"id": e.rec.id}
		if word == "" {
			word = "update"
		}
		if word == "create" {
			item = s.espoRecord(&e.rec)
		}
		target += "/Account." + word
		body = []any{item}
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // every body is made of maps, lists and text
	}
	s.sign(h, text, number)
	return simulator.Post{URL: target, Header: h, Body: text}
}

// sign puts the dialect's signature on a delivery.
func (s *Sim) sign(h http.Header, body []byte, number int) {
	mac := func(signed string) []byte {
		m := hmac.New(sha256.New, []byte(s.o.WebhookSecret))
		m.Write([]byte(signed))
		return m.Sum(nil)
	}
	switch s.o.API {
	case Shop:
		at := strconv.FormatInt(s.o.Now().Unix(), 10)
		h.Set("X-Shop-Signature", "t="+at+",v1="+hex.EncodeToString(mac(at+"."+string(body))))
		h.Set("X-Shop-Delivery", fmt.Sprintf("dlv_%s_%d", s.o.Tenant, number))
	case Plain:
		h.Set("X-Erp-Hmac-Sha256", hex.EncodeToString(mac(string(body))))
	case Espo: // section 10
		h.Set("Signature", base64.StdEncoding.EncodeToString([]byte("6b0064d87c53c703d:"+hex.EncodeToString(mac(string(body))))))
	}
}

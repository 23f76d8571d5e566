package odoosim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"syncd/simulator"
)

// Posts per event of a rule without trigger_field_ids, as measured on 17.0
// (vendors/odoo.md 11).
const (
	postsPerCreate  = 14
	postsPerNoOp    = 2
	postsPerLoadRow = 3
	postsPerMerged  = 3
)

// defaultWatch are the rule's trigger_field_ids if Options name none.
var defaultWatch = []string{
	"name", "email", "phone", "vat", "active", "street", "city", "zip", "country_id", "parent_id", "is_company",
	"type", "function", "website", "comment",
}

// productWatch are those of the product rule.
var productWatch = []string{"name", "active", "default_code", "barcode", "list_price", "standard_price", "type"}

// hookRule is the pair of automation rules of a model.
type hookRule struct {
	path         string
	save, unlink int // action ids
	payload      []string
}

var hookRules = map[string]hookRule{
	modelPartner: {"/partner", 377, 378, []string{"active", "category_id", "color", "country_id", "email",
		"id", "is_company", "name", "parent_id", "phone", "type", "vat", "write_date"}},
	modelProduct: {"/product", 379, 380, []string{"active", "barcode", "default_code", "id", "list_price", "name",
		"type", "write_date"}},
}

// SyncdRef is the custom field whose writes raise no webhook by default: it
// holds syncd's token.
const SyncdRef = "x_syncd_ref"

// watched says that a field is among the rule's trigger fields.
func (s *Sim) watched(m *model, name string) bool {
	if slices.Contains(s.o.QuietFields, name) {
		return false
	}
	if s.o.WatchFields != nil {
		return slices.Contains(s.o.WatchFields, name)
	}
	if strings.HasPrefix(name, customPrefix) {
		return name != SyncdRef
	}
	if m.name == modelProduct {
		return slices.Contains(productWatch, name)
	}
	return slices.Contains(defaultWatch, name)
}

// announceSave posts for a create (old is nil) or a write.
func (t *tx) announceSave(m *model, r, old *row) {
	rule, ok := hookRules[m.name]
	if !ok || (t.s.o.IgnoreBot && t.uid == t.s.o.BotUID) {
		return
	}
	changed, watched, archived := t.changes(m, r, old)
	n := 0
	switch {
	case !t.s.o.TriggerAll:
		if old == nil || watched {
			n = 1
		}
	case old == nil:
		n = postsPerCreate
	case t.context[loading] == true:
		n = postsPerLoadRow
	case t.many || archived:
		n = 1
	case changed:
		n = postsPerNoOp + t.s.rng.IntN(2)
	default:
		n = postsPerNoOp
	}
	t.post(m, r, rule.path+"/save", rule.save, n)
}

// loading marks the context of a load() while it runs.
const loading = "syncd.sim.loading"

func (t *tx) changes(m *model, r, old *row) (any, watched, archived bool) {
	if old == nil {
		return true, true, false
	}
	for _, name := range m.names {
		f := m.fields[name]
		if f.compute != nil || logAccess(name) || equal(r.vals[name], old.vals[name]) {
			continue
		}
		any = true
		watched = watched || t.s.watched(m, name)
		archived = archived || name == fieldActive
	}
	return any, watched, archived
}

// announceSync posts for a row that only followed another's change: rules with
// trigger_field_ids stay silent.
func (t *tx) announceSync(m *model, r *row) {
	rule, ok := hookRules[m.name]
	if ok && t.s.o.TriggerAll && !(t.s.o.IgnoreBot && t.uid == t.s.o.BotUID) {
		t.post(m, r, rule.path+"/save", rule.save, 1)
	}
}

// announceUnlink posts the full values of a row about to be deleted; nothing
// in the body says so, only the URL.
func (t *tx) announceUnlink(m *model, r *row) {
	if rule, ok := hookRules[m.name]; ok {
		t.post(m, r, rule.path+"/unlink", rule.unlink, 1)
	}
}

// post adds n equal posts about a row to the transaction.
func (t *tx) post(m *model, r *row, path string, action, n int) {
	if n == 0 || (t.s.hookURL == "" && t.s.o.Deliver == nil) {
		return
	}
	body := map[string]any{
		"_action": fmt.Sprintf("Send Webhook Notification(#%d)", action), "_id": r.id, "_model": m.name,
	}
	for _, name := range hookRules[m.name].payload {
		body[name] = t.render(m.fields[name], r, true)
	}
	for _, name := range m.names {
		if strings.HasPrefix(name, customPrefix) {
			body[name] = t.render(m.fields[name], r, true)
		}
	}
	body[fieldWriteDate] = r.written.Format(microLayout)
	post := simulator.Post{
		URL: t.s.hookURL + path,
		Header: http.Header{
			"User-Agent": {"python-requests/2.28.1"}, "Accept-Encoding": {"gzip, deflate"}, "Accept": {"*/*"},
			"Connection": {"keep-alive"}, "Content-Type": {"application/json"},
		},
		Body: encode(body, true),
	}
	for range n {
		t.posts = append(t.posts, post)
	}
}

// send makes each post once, in order, and never again.
func (s *Sim) send(posts []simulator.Post) {
	switch {
	case len(posts) == 0:
	case s.o.Deliver != nil:
		for _, p := range posts {
			s.o.Deliver(p)
		}
	case s.o.Blocking:
		for _, p := range posts {
			p.Send(context.Background(), s.client)
		}
	default:
		s.outbox.Go(func() {
			s.slots <- struct{}{}
			defer func() { <-s.slots }()
			for _, p := range posts {
				p.Send(context.Background(), s.client)
			}
		})
	}
}

// redeliverTimeout is patient: a redelivery waits for answers.
const redeliverTimeout = 30 * time.Second

// Redeliver sends every post ever made again, copies times, and waits for the
// answers. Real Odoo never sends again; syncd must bear it all the same. It
// fails if a post got no answer.
func (s *Sim) Redeliver(ctx context.Context, shuffle bool, copies int) error {
	var posts []simulator.Post
	for range max(copies, 1) {
		posts = append(posts, s.Posts()...)
	}
	if shuffle {
		s.mu.Lock()
		s.rng.Shuffle(len(posts), func(a, b int) { posts[a], posts[b] = posts[b], posts[a] })
		s.mu.Unlock()
	}
	patient := &http.Client{Transport: s.client.Transport, Timeout: redeliverTimeout}
	var unanswered, next atomic.Int64
	var wg sync.WaitGroup
	for range postSlots {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(posts)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if s.o.Deliver != nil {
					s.o.Deliver(posts[i])
				} else if posts[i].Send(ctx, patient) == 0 {
					unanswered.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := unanswered.Load(); n > 0 {
		return errors.Join(ctx.Err(), fmt.Errorf("%d of %d posts got no answer", n, len(posts)))
	}
	return ctx.Err()
}

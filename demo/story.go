package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"syncd/simulator"
)

// story plays the moments and keeps score.
type story struct {
	*World
	out    io.Writer
	denied []string // claims that the vendors' truth denies
	claims int

	created, updated     []time.Duration // edit → visible on the other side
	callsCreate, callsUp int
}

func newStory(w *World, out io.Writer) *story { return &story{World: w, out: out} }

const (
	contacts  = "contacts"
	companies = "companies"
	partner   = "res.partner"
	// patience is how long a claim may take to come true.
	patience = 20 * time.Second
	glance   = 5 * time.Millisecond
	// stillness is how long nobody calls a vendor when nothing is going on.
	stillness = 300 * time.Millisecond
	// burst is how many deliveries of one new contact arrive at once.
	burst = 10
	// queued is how many edits wait out the outage.
	queued = 5
)

var errStory = errors.New("the story does not hold")

func (s *story) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// claim checks a sentence against the vendors' truth, waiting for it to come true.
func (s *story) claim(ctx context.Context, holds func() bool, format string, args ...any) bool {
	s.claims++
	text := fmt.Sprintf(format, args...)
	if s.await(ctx, holds) {
		s.say("   ✓ %s", text)
		return true
	}
	s.denied = append(s.denied, text)
	s.say("   ✗ %s", text)
	return false
}

func (s *story) await(ctx context.Context, holds func() bool) bool {
	deadline := time.Now().Add(patience)
	for !holds() {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return false
		}
		time.Sleep(glance)
	}
	return true
}

// quiet waits until every webhook was answered and no work is left.
func (s *story) quiet(ctx context.Context) bool {
	return s.await(ctx, func() bool {
		return s.CRM.Outbox().Wait(time.Second) && s.ERP.Outbox().Wait(time.Second) && s.left(ctx) == 0
	})
}

// still says that nobody called a vendor for a moment: the sweep at start is
// over, and the calls that are counted from here on belong to the story.
func (s *story) still() bool {
	before := s.calls()
	time.Sleep(stillness)
	return before == s.calls()
}

func (s *story) left(ctx context.Context) int {
	stats, err := s.Daemon.Store().Queues(ctx)
	if err != nil {
		return -1
	}
	n := 0
	for _, q := range stats {
		n += q.Due + q.Running + q.Waiting
	}
	return n
}

func (s *story) play(ctx context.Context) error {
	s.say("syncd between a pretend CRM (HubSpot, %s) and a pretend ERP (Odoo, %s)", s.crmURL, s.erpURL)
	s.say("Nothing here is real, and it is gone when you stop.\n")
	if !s.await(ctx, s.Daemon.Flowing) || !s.await(ctx, s.still) {
		return fmt.Errorf("%w: syncd did not start", errStory)
	}
	for _, moment := range []func(context.Context) error{s.arrive, s.financeEdits, s.tenAtOnce, s.outage, s.conflict, s.otherWay} {
		if err := moment(ctx); err != nil {
			return err
		}
	}
	return s.summary(ctx)
}

// partnerBy gives the partners that have an e-mail address, by the ERP's truth.
func (s *story) partnersBy(field, value string) []int64 {
	var ids []int64
	for id, r := range s.ERP.All(partner) {
		if r[field] == value {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (s *story) partner(id int64, field string) string {
	r, ok := s.ERP.Get(partner, id)
	if !ok {
		return ""
	}
	if v, is := r[field].(string); is {
		return v
	}
	return ""
}

func (s *story) contact(id, field string) string {
	r, _ := s.CRM.Get(contacts, id)
	return r[field]
}

func (s *story) paired(object, id string, erp int64) bool {
	r, _ := s.CRM.Get(object, id)
	return r["erp_id"] == strconv.FormatInt(erp, 10) && s.partner(erp, "x_crm_id") == id &&
		r["syncd_ref"] != "" && r["syncd_ref"] == s.partner(erp, "x_syncd_ref")
}

// arrive: a contact created in the CRM appears in the ERP.
func (s *story) arrive(ctx context.Context) error {
	s.say("1. Somebody adds Ada to the CRM.")
	calls := s.calls()
	began := time.Now()
	id, err := s.CRM.UserCreate(contacts, map[string]string{"firstname": "Ada", "lastname": "Lovelace", "email": "ada@example.com", "phone": "+420 601 111 222"})
	if err != nil {
		return err
	}
	var erp int64
	s.claim(ctx, func() bool {
		ids := s.partnersBy("email", "ada@example.com")
		if len(ids) == 1 {
			erp = ids[0]
			s.created = append(s.created, time.Since(began))
		}
		return len(ids) == 1
	}, "CRM contact %s is in the ERP", id)
	s.claim(ctx, func() bool { return s.paired(contacts, id, erp) }, "each record names the other: contact %s ⇄ partner %d", id, erp)
	s.claim(ctx, func() bool { return s.quiet(ctx) }, "the queue is empty again, echoes included")
	s.callsCreate = s.calls() - calls
	return nil
}

// financeEdits: the other direction, on the same pair.
func (s *story) financeEdits(ctx context.Context) error {
	s.say("2. Finance corrects Ada's phone in the ERP.")
	erp := s.partnersBy("email", "ada@example.com")[0]
	crm := s.partner(erp, "x_crm_id")
	calls, began := s.calls(), time.Now()
	if err := s.ERP.UserWrite(partner, erp, map[string]any{"phone": "+420 602 333 444"}); err != nil {
		return err
	}
	if s.claim(ctx, func() bool { return s.contact(crm, "phone") == "+420602333444" }, "CRM contact %s follows: +420602333444", crm) {
		s.updated = append(s.updated, time.Since(began))
	}
	s.claim(ctx, func() bool { return s.quiet(ctx) }, "and nobody answers back: the queue is empty")
	s.callsUp = s.calls() - calls
	return nil
}

// tenAtOnce: ten deliveries of one new contact at the same moment.
func (s *story) tenAtOnce(ctx context.Context) error {
	s.say("3. The CRM announces one new contact in %d webhooks at once.", burst)
	s.CRM.SetWebhookURL("")
	_, from := s.CRM.EventsSince(0)
	id, err := s.CRM.UserCreate(contacts, map[string]string{"firstname": "Grace", "lastname": "Hopper", "email": "grace@example.com"})
	if err != nil {
		return err
	}
	s.CRM.SetWebhookURL(s.crmHook)
	events, _ := s.CRM.EventsSince(from)
	post := s.CRM.SignedPost(events)
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range burst {
		wg.Go(func() {
			if post.Send(ctx, s.acks.client(5*time.Second)) == http.StatusOK {
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s.claim(ctx, func() bool { return taken == burst }, "all %d deliveries were acknowledged", burst)
	s.claim(ctx, func() bool { return len(s.partnersBy("email", "grace@example.com")) == 1 && s.quiet(ctx) }, "and made one customer for contact %s", id)
	s.claim(ctx, func() bool { return len(s.partnersBy("email", "grace@example.com")) == 1 }, "still one when everything is quiet")
	return nil
}

// outage: the ERP goes down, edits queue, it comes back and the queue drains.
func (s *story) outage(ctx context.Context) error {
	s.say("4. The ERP goes down while %d people are edited in the CRM.", queued)
	s.ERP.Faults().Down(true)
	ids := make([]string, queued)
	for i := range ids {
		var err error
		mail := fmt.Sprintf("queued%d@example.com", i)
		if ids[i], err = s.CRM.UserCreate(contacts, map[string]string{"firstname": "Queued", "lastname": strconv.Itoa(i), "email": mail}); err != nil {
			return err
		}
	}
	s.claim(ctx, func() bool { return s.left(ctx) >= queued }, "their changes wait in the queue, acknowledged and safe")
	s.ERP.Faults().Down(false)
	s.claim(ctx, func() bool {
		for i := range ids {
			if len(s.partnersBy("email", fmt.Sprintf("queued%d@example.com", i))) != 1 {
				return false
			}
		}
		return true
	}, "the ERP is back: all %d arrived, each once", queued)
	s.claim(ctx, func() bool { return s.quiet(ctx) }, "the queue is empty")
	return nil
}

// conflict: both sides edit the same field; the policy says the ERP wins phones.
func (s *story) conflict(ctx context.Context) error {
	s.say("5. CRM and ERP both change Ada's phone before either hears of the other.")
	erp := s.partnersBy("email", "ada@example.com")[0]
	crm := s.partner(erp, "x_crm_id")
	s.ERP.Faults().Down(true)
	if err := s.CRM.UserEdit(contacts, crm, map[string]string{"phone": "+420601000001", "jobtitle": "Countess"}); err != nil {
		return err
	}
	if err := s.ERP.UserWrite(partner, erp, map[string]any{"phone": "+420602000002"}); err != nil {
		return err
	}
	s.ERP.Faults().Down(false)
	s.claim(ctx, func() bool {
		return s.contact(crm, "phone") == "+420602000002" && s.partner(erp, "phone") == "+420602000002"
	}, "the rule `phone: conflict: odoo` decides: both hold +420602000002")
	s.claim(ctx, func() bool { return s.partner(erp, "function") == "Countess" }, "the CRM's other edit of the same moment is kept: partner %d is %q", erp, "Countess")
	s.claim(ctx, func() bool { return s.quiet(ctx) }, "the queue is empty: no ping-pong")
	return nil
}

// otherWay: records born in the ERP, and companies beside people.
func (s *story) otherWay(ctx context.Context) error {
	s.say("6. The ERP gets a new person, the CRM a new company.")
	erp, err := s.ERP.UserCreate(partner, map[string]any{"name": "Katherine Johnson", "email": "katherine@example.com", "type": "contact"})
	if err != nil {
		return err
	}
	company, err := s.CRM.UserCreate(companies, map[string]string{"name": "Analytical Engines", "domain": "engines.example.com", "city": "Praha"})
	if err != nil {
		return err
	}
	s.claim(ctx, func() bool {
		return s.partner(erp, "x_crm_id") != "" && s.paired(contacts, s.partner(erp, "x_crm_id"), erp)
	}, "partner %d is a CRM contact now, and each names the other", erp)
	s.claim(ctx, func() bool {
		ids := s.partnersBy("name", "Analytical Engines")
		return len(ids) == 1 && s.paired(companies, company, ids[0])
	}, "CRM company %s is a company in the ERP", company)
	s.claim(ctx, func() bool { return s.quiet(ctx) }, "the queue is empty")
	return nil
}

func (s *story) calls() int { return len(s.CRM.Truth().Calls()) + len(s.ERP.Truth().Calls()) }

// summary checks the whole against the truth and prints figures.
func (s *story) summary(ctx context.Context) error {
	s.say("\nIn the end:")
	people := len(s.CRM.All(contacts)) + len(s.CRM.All(companies))
	made := len(s.CRM.Truth().Births(contacts)) + len(s.CRM.Truth().Births(companies))
	s.claim(ctx, func() bool { return people == made && s.mappedPartners() == made }, "%d records in the CRM, %d in the ERP, none twice", made, s.mappedPartners())
	before := len(writesOf(s.CRM.Truth())) + len(writesOf(s.ERP.Truth()))
	if err := errors.Join(s.CRM.Redeliver(ctx, true, 1), s.ERP.Redeliver(ctx, true, 1)); err != nil {
		return fmt.Errorf("deliver everything again: %w", err)
	}
	s.claim(ctx, func() bool { return s.quiet(ctx) }, "every webhook was delivered once more, shuffled")
	after := len(writesOf(s.CRM.Truth())) + len(writesOf(s.ERP.Truth()))
	s.claim(ctx, func() bool { return after == before }, "which made no write at all")
	s.say("\n   API calls, echoes included: %d for one person carried from the CRM into the ERP, %d for one edit carried back", s.callsCreate, s.callsUp)
	s.say("   from edit to visible: CRM → ERP %s created, ERP → CRM %s updated (the ERP announces a change 2 s before it may be read)", first(s.created), first(s.updated))
	s.say("   webhooks acknowledged after commit: %s", s.acks)
	if len(s.denied) > 0 {
		return fmt.Errorf("%w: %d of %d claims are false:\n  %s", errStory, len(s.denied), s.claims, strings.Join(s.denied, "\n  "))
	}
	s.say("   %d claims, all true.", s.claims)
	return nil
}

// mappedPartners counts partners of the ERP that carry a CRM id.
func (s *story) mappedPartners() int {
	n := 0
	for _, r := range s.ERP.All(partner) {
		if id, ok := r["x_crm_id"].(string); ok && id != "" {
			n++
		}
	}
	return n
}

// writesOf lists what API clients wrote, people's own edits left out.
func writesOf(t *simulator.Truth) []simulator.Change {
	return slices.DeleteFunc(t.Changes(), func(c simulator.Change) bool { return !strings.HasPrefix(c.Actor, "app:") })
}

func first(d []time.Duration) string {
	if len(d) == 0 {
		return "(not seen)"
	}
	return d[0].Round(time.Millisecond).String()
}

// invite prints how to go on by hand.
func (w *World) invite(out io.Writer) {
	fmt.Fprintf(out, `
It all stays up until you press Ctrl-C. You may play the people on both sides:

  the CRM's contacts, and an edit of one (put an id for ID), which arrives in the ERP:
    curl -s '%[1]s/crm/v3/objects/contacts?properties=email,phone,city,erp_id' -H 'Authorization: Bearer %[4]s'
    curl -s -X PATCH %[1]s/crm/v3/objects/contacts/ID -H 'Authorization: Bearer %[4]s' \
         -H 'Content-Type: application/json' -d '{"properties":{"city":"Brno"}}'

  the ERP's partners, and an edit of one, which arrives in the CRM some two seconds later:
    curl -s %[2]s/jsonrpc -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","method":"call","id":1,"params":{"service":"object",
         "method":"execute_kw","args":["acme",2,"%[4]s","res.partner","search_read",[[]],{"fields":["name","email","phone","city","x_crm_id"]}]}}'
    curl -s %[2]s/jsonrpc -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","method":"call","id":2,"params":{"service":"object",
         "method":"execute_kw","args":["acme",2,"%[4]s","res.partner","write",[[ID],{"city":"Plzen"}]]}}'

  what syncd says of itself:
    curl -s http://%[3]s/metrics | grep ^syncd_
    curl -s http://%[3]s/status
`, w.crmURL, w.erpURL, w.Daemon.OpsAddr(), peopleKey)
}

//go:build linux

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/simulator"
)

// crowd is people who work in both systems while syncd is hit. Every field of a
// pair has one side on which it is edited, so that no edit of theirs may lose:
// what they typed last is what both sides have in the end.
type crowd struct {
	*world
	dice *rand.Rand

	mu    sync.Mutex
	crm   []string // contacts born in the CRM
	erp   []int64  // partners born in the ERP
	typed map[edit]string
	edits int
	// suspect is the pair at which an edit was missing when last looked.
	suspect [2]string
	stop    chan struct{}
	rested  chan struct{}
}

// edit is a field of a record where it was born; column is the name on that side.
type edit struct {
	crm    string
	erp    int64
	column string
}

// fields that people edit: on the side where the record was born, and on the other.
var (
	ownField   = map[string]string{crmSystem: "jobtitle", erpSystem: "function"}
	otherField = "city" // called so on both sides
	phoneField = "phone"
)

const (
	crowdShortest = 40 * time.Millisecond
	crowdLongest  = 260 * time.Millisecond
	// birthsIn is how many actions one birth is among.
	birthsIn = 6
	newest   = 3
)

func (w *world) newCrowd(seed uint64) *crowd {
	c := &crowd{
		world: w, dice: rand.New(rand.NewPCG(seed, 7)), typed: map[edit]string{},
		stop: make(chan struct{}), rested: make(chan struct{}),
	}
	go c.work(seed)
	return c
}

func (c *crowd) work(seed uint64) {
	defer close(c.rested)
	for i := 0; ; i++ {
		if err := c.act(seed, i); err != nil {
			c.t.Errorf("people at work: %v", err)
			return
		}
		select {
		case <-c.stop:
			return
		case <-time.After(between(c.dice, crowdShortest, crowdLongest)):
		}
	}
}

// rest ends the work.
func (c *crowd) rest() {
	close(c.stop)
	<-c.rested
}

func (c *crowd) act(seed uint64, i int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i < 2 || c.dice.IntN(birthsIn) == 0 {
		return c.bear(seed, i)
	}
	value := fmt.Sprintf("edit %d", i)
	if len(c.erp) == 0 || len(c.crm) > 0 && c.dice.IntN(2) == 0 {
		return c.editBornInCRM(oneOf(c.dice, c.crm), value)
	}
	return c.editBornInERP(oneOf(c.dice, c.erp), value)
}

// oneOf takes one of the newest half of the time: so what is edited is often on
// its way already, and its record just being made.
func oneOf[T any](dice *rand.Rand, all []T) T {
	if dice.IntN(2) == 0 {
		all = all[max(0, len(all)-newest):]
	}
	return all[dice.IntN(len(all))]
}

func (c *crowd) bear(seed uint64, i int) error {
	p := people(seed+uint64(i)<<20, 1)[0]
	p.mail = fmt.Sprintf("w%05d.%s", i, p.mail)
	if i%2 == 0 {
		id, err := c.world.crm.UserCreate(contacts, p.props())
		c.crm = append(c.crm, id)
		return err
	}
	id, err := c.world.erp.UserCreate(partner, p.vals())
	c.erp = append(c.erp, id)
	return err
}

func (c *crowd) editBornInCRM(contact, value string) error {
	there := c.partnerOf(contact)
	switch {
	case there == 0 || c.dice.IntN(2) == 0:
		c.note(edit{crm: contact, column: ownField[crmSystem]}, value)
		return c.world.crm.UserEdit(contacts, contact, map[string]string{ownField[crmSystem]: value})
	case c.dice.IntN(2) == 0:
		c.note(edit{crm: contact, column: otherField}, value)
		return c.world.erp.UserWrite(partner, there, map[string]any{otherField: value})
	default:
		value = phoneOf(c.dice.IntN(1_000_000))
		c.note(edit{crm: contact, column: phoneField}, value)
		return c.world.erp.UserWrite(partner, there, map[string]any{phoneField: value})
	}
}

func (c *crowd) editBornInERP(id int64, value string) error {
	there := c.contactOf(id)
	if there == "" || c.dice.IntN(2) == 0 {
		c.note(edit{erp: id, column: ownField[erpSystem]}, value)
		return c.world.erp.UserWrite(partner, id, map[string]any{ownField[erpSystem]: value})
	}
	c.note(edit{erp: id, column: otherField}, value)
	return c.world.crm.UserEdit(contacts, there, map[string]string{otherField: value})
}

func (c *crowd) note(e edit, value string) {
	c.typed[e] = value
	c.edits++
}

// contactOf gives the contact of a partner, "" while there is none.
func (w *world) contactOf(id int64) string {
	contact := w.partner(id, "x_crm_id")
	if contact == "" || w.contact(contact, "erp_id") != strconv.FormatInt(id, 10) {
		return ""
	}
	return contact
}

func (c *crowd) born() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.crm) + len(c.erp)
}

// lost says which edit is not on both sides.
func (c *crowd) lost() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e, want := range c.typed {
		contact, id := e.crm, e.erp
		if contact == "" {
			contact = c.contactOf(id)
		} else {
			id = c.partnerOf(contact)
		}
		inCRM, inERP := e.column, e.column
		if e.column == ownField[crmSystem] || e.column == ownField[erpSystem] {
			inCRM, inERP = ownField[crmSystem], ownField[erpSystem]
		}
		if a, b := c.contact(contact, inCRM), c.partner(id, inERP); a != want || b != want {
			c.suspect = [2]string{contact, strconv.FormatInt(id, 10)}
			return fmt.Sprintf("%s of contact %s and partner %d was last made %q; there is %q and %q", e.column, contact, id, want, a, b)
		}
	}
	return c.equal()
}

// undone says which edit syncd has ever written over, where it was made: nobody
// edits these fields on the other side, so there never was a reason. A later edit
// hides such a loss from those who look at the end only.
func (c *crowd) undone() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	bornHere := map[string]bool{}
	for _, id := range c.crm {
		bornHere[contacts+id] = true
	}
	for _, id := range c.erp {
		bornHere[partner+strconv.FormatInt(id, 10)] = true
	}
	last := map[string]string{}
	for _, side := range []struct {
		changes []simulator.Change
		column  string
	}{{c.world.crm.Truth().Changes(), ownField[crmSystem]}, {c.world.erp.Truth().Changes(), ownField[erpSystem]}} {
		for _, ch := range side.changes {
			value, written := ch.Values[side.column]
			key := ch.Object + ch.ID
			switch {
			case !written || !bornHere[key]:
			case strings.HasPrefix(ch.Actor, "user:"):
				last[key] = value
			case value != last[key]:
				return fmt.Sprintf("%s of %s %s was made %q by a person, and then %q by %s", side.column, ch.Object, ch.ID, last[key], value, ch.Actor)
			}
		}
	}
	return ""
}

// story tells what befell the pair at which an edit is missing: every change by
// the vendors' truth, and what syncd said about it.
func (c *crowd) story() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for n, changes := range [][]simulator.Change{c.world.crm.Truth().Changes(), c.world.erp.Truth().Changes()} {
		for _, ch := range changes {
			if ch.ID == c.suspect[n] && (ch.Object == contacts || ch.Object == partner) {
				out = append(out, fmt.Sprintf("%s %s %s by %s: %v", ch.At.UTC().Format(time.RFC3339Nano), ch.Object, ch.ID, ch.Actor, ch.Values))
			}
		}
	}
	for line := range strings.SplitSeq(c.log.all(), "\n") {
		if strings.Contains(line, ":"+contacts+":"+c.suspect[0]+`"`) || strings.Contains(line, ":"+partner+":"+c.suspect[1]+`"`) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// TestLabSeesAnEditThatWasUndone: a check that has never spoken proves nothing.
func TestLabSeesAnEditThatWasUndone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{Store: onSQLite})
	c := &crowd{world: w, typed: map[edit]string{}}
	id := w.crmCreate(people(1, 1)[0])
	c.crm = append(c.crm, id)
	w.crmEdit(id, map[string]string{ownField[crmSystem]: "typed"})
	for _, step := range []struct{ value, want string }{{"typed", ""}, {"older", `was made "typed" by a person, and then "older"`}} {
		body := fmt.Sprintf(`{"inputs":[{"id":%q,"properties":{%q:%q}}]}`, id, ownField[crmSystem], step.value)
		req, err := http.NewRequest(http.MethodPost, w.crmURL+"/crm/v3/objects/contacts/batch/update", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+secrets()[fileCRMToken])
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("write as an app: status %d", res.StatusCode)
		}
		if got := c.undone(); (got == "") != (step.want == "") || !strings.Contains(got, step.want) {
			t.Errorf("an app wrote %q: %q", step.value, got)
		}
	}
}

package flows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/simulator"
)

// shaped is a connector whose records or writes are changed on the way.
type shaped struct {
	connectors.Connector
	write func(op connectors.Op, w connectors.Write) connectors.Write
}

func (s *shaped) Write(ctx context.Context, object string, op connectors.Op, ws []connectors.Write) []connectors.Result {
	out := make([]connectors.Write, len(ws))
	for i, w := range ws {
		if out[i] = w; s.write != nil {
			out[i] = s.write(op, w)
		}
	}
	return s.Connector.Write(ctx, object, op, out)
}

// over replaces the connector of a system.
func over(system string, wrap func(connectors.Connector) connectors.Connector) func(*flows.Options) {
	return func(o *flows.Options) {
		for _, s := range o.Systems {
			if s.Name == system {
				s.Conn = wrap(s.Conn)
			}
		}
	}
}

// without drops a column of every update.
func without(column string, drop *bool) func(connectors.Connector) connectors.Connector {
	return func(c connectors.Connector) connectors.Connector {
		return &shaped{Connector: c, write: func(op connectors.Op, w connectors.Write) connectors.Write {
			if op == connectors.Update && *drop {
				v := map[string]string{}
				for k, x := range w.Values {
					if k != column {
						v[k] = x
					}
				}
				w.Values = v
			}
			return w
		}}
	}
}

func TestFieldThatTheVendorIgnoresIsRefusedAndNotPushedAgain(t *testing.T) {
	w := newWorld(t)
	drop := true
	e := w.engine("a", nil, over(erp, without("city", &drop)))
	id, partner := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno", "jobtitle": "CEO"})
	w.settle(e)
	for _, m := range w.identity(crm, id).Members {
		if m.System == erp && (m.Fields["city"].State != "refused" || m.Intent != nil) {
			t.Errorf("states %v, intent %s", m.Fields, m.Intent)
		}
	}
	calls := w.counting()
	w.hint(crm, id)
	w.hint(erp, partner)
	w.settle(e)
	for _, c := range calls() {
		if c == "erp write" {
			t.Error("the refused value is pushed again")
		}
	}
	drop = false
	w.edit(crm, id, map[string]string{"city": "Praha"})
	w.settle(e)
	w.converged(1)
}

func TestEditBetweenOurWriteAndItsConfirmationIsNotSwallowed(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, partner := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.deliver()
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	w.edit(erp, partner, map[string]string{"city": "Praha", "function": "CEO"})
	w.settle(e)
	if got := w.get(crm, id); got["city"] != "Praha" || got["jobtitle"] != "CEO" {
		t.Errorf("the person's edit is lost: %v", got)
	}
	w.converged(1)
}

func TestSourceEditedBackWhileItsWriteIsOpenFlows(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.settle(e)
	w.clock.advance(20 * time.Minute)
	w.edit(crm, id, map[string]string{"city": "Praha"})
	w.deliver()
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	w.edit(crm, id, map[string]string{"city": "Brno"}) // its old base
	w.settle(e)
	if got := w.get(crm, id)["city"]; got != "Brno" {
		t.Errorf("city %q", got)
	}
	w.converged(1)
}

func TestLinkThatDoesNotCreateParksTheUnmatched(t *testing.T) {
	w := newWorld(t)
	w.link.Create[erp] = false
	e := w.engine("a", nil)
	w.person(crm, 1)
	w.settle(e)
	w.parkedAs("unmatched")
	if len(w.births(erp)) != 0 {
		t.Error("it was created")
	}
}

func TestUncertainCreateThatWasMergedAwayAsksAPerson(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	_, partner := w.paired(e, crm, 1)
	w.erp.Faults().Add(simulator.Fault{Op: "load", Effect: simulator.DropAfter, Times: 1})
	w.person(crm, 2)
	w.deliver()
	w.forget()
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	w.forget()
	born := w.births(erp)
	if err := w.erp.UserMerge(number(partner), number(born[len(born)-1])); err != nil {
		t.Fatal(err)
	}
	w.forget()
	calls := w.counting()
	w.settle(e)
	w.parkedAs("suspected_duplicate")
	if n := len(calls()); n > 8 {
		t.Errorf("%d calls: %v", n, calls())
	}
}

func number(id string) (n int64) {
	for _, c := range id {
		n = n*10 + int64(c-'0')
	}
	return n
}

func TestArchivedAdoptionIsParked(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.hubs[crm].Faults().Add(simulator.Fault{Op: "batch_create", Effect: simulator.DropAfter, Times: 1})
	w.person(erp, 1)
	w.clock.advance(3 * time.Second)
	w.deliver()
	w.clock.advance(3 * time.Second)
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	w.forget()
	if err := w.hubs[crm].UserArchive(contacts, w.births(crm)[0]); err != nil {
		t.Fatal(err)
	}
	w.forget()
	w.settle(e)
	w.parkedAs("partner_archived")
	if n := len(w.births(crm)); n != 1 {
		t.Errorf("%d contacts", n)
	}
}

// What was given up while a partner system was down is not even tried.
func TestNewRecordsDoNotAskASystemThatIsDown(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.erp.Faults().Down(true)
	w.person(crm, 1)
	w.deliver()
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	n := len(w.calls(erp))
	w.person(crm, 2)
	w.deliver()
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	if got := len(w.calls(erp)) - n; got != 0 {
		t.Errorf("%d calls to a system that is known to be down", got)
	}
	w.erp.Faults().Clear()
	w.settle(e)
	w.converged(2)
}

func TestIdentityOfARemovedLinkIsParkedAndItsLeaseGivenBack(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, _ := w.paired(e, crm, 1)
	renamed := *w.link
	renamed.Name = "renamed"
	w.links = []*flows.Link{&renamed}
	e = w.engine("b", nil)
	w.hint(crm, id)
	w.settle(e)
	w.parkedAs("broken")
	i := w.identity(crm, id)
	if got, busy, err := w.store.Lease(t.Context(), []string{i.ID}, "me", time.Second); err != nil || len(got) != 1 || len(busy) > 0 {
		t.Errorf("leased %v, busy %v, %v", got, busy, err)
	}
}

func TestAnswersThatOmitARecordEndInTheTrash(t *testing.T) {
	w := newWorld(t)
	silent := &connectors.Error{Kind: connectors.KindTransient, System: crm, Op: "batch update", Said: "not mentioned"}
	e := w.engine("a", nil, over(crm, func(c connectors.Connector) connectors.Connector { return &omitting{c, silent} }))
	w.paired(w.engine("z", nil), erp, 1)
	w.person(erp, 2)
	w.settle(w.engine("z", nil))
	w.clock.advance(20 * time.Minute)
	for _, id := range w.births(erp) {
		w.edit(erp, id, map[string]string{"city": "Brno"})
	}
	w.settle(e)
	if ts := w.trash(); len(ts) != 2 {
		t.Errorf("trash %+v, waiting %+v", ts, w.waiting())
	}
}

// omitting answers without a word about the records.
type omitting struct {
	connectors.Connector
	err *connectors.Error
}

func (o *omitting) Write(_ context.Context, _ string, _ connectors.Op, ws []connectors.Write) []connectors.Result {
	out := make([]connectors.Result, len(ws))
	for i, w := range ws {
		out[i] = connectors.Result{Key: w.Key, Outcome: connectors.Unknown, Err: o.err}
	}
	return out
}

func TestMergedStrangerIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	a, b := w.person(crm, 1), w.person(crm, 2)
	w.forget()
	if _, err := w.hubs[crm].UserMerge(contacts, a, b); err != nil {
		t.Fatal(err)
	}
	w.settle(e)
	if n := len(w.births(erp)); n != 1 {
		t.Errorf("%d partners", n)
	}
	for _, row := range w.waiting() {
		t.Errorf("waits for nothing: %+v", row)
	}
}

func TestVendorsWordsStayOutOfTheLog(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	_, partner := w.paired(e, erp, 1)
	w.edit(erp, partner, map[string]string{"email": "no address of Jane"})
	w.settle(e)
	w.parkedAs("refused")
	if strings.Contains(w.logs.String(), "Jane") {
		t.Errorf("a value is in the log\n%s", w.tail())
	}
}

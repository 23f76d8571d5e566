package flows_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
)

// copied makes a copy of a record as a person does: with its token.
func (w *world) copied(system, id string) string {
	w.t.Helper()
	v := map[string]string{"firstname": "Copy", "lastname": "Cat", "email": "copy@x.example", tokenOf(system): w.get(system, id)[tokenOf(system)]}
	if other := map[string]string{crm: erp, erp: crm}[system]; other != "" {
		v[inverseOf(system, other)] = w.get(system, id)[inverseOf(system, other)]
	}
	return w.create(system, v)
}

// nameless makes a customer without a business key: the CRM takes two of them.
func (w *world) nameless(system string) string {
	return w.create(system, map[string]string{"firstname": "Ann", "lastname": "Nokey"})
}

// searched is a setting: the token of the CRM is not unique, only searchable.
func searched(w *world) { w.search = map[string]bool{crm: true} }

// flagged checks that one record waits as surplus beside the paired one.
func (w *world) flagged(surplus, paired string) {
	w.t.Helper()
	row := w.parkedAs("surplus")
	var detail struct {
		Candidates                []string
		Identity, Paired, Surplus string
	}
	if err := json.Unmarshal(row.Detail, &detail); err != nil {
		w.t.Fatalf("detail %s: %v", row.Detail, err)
	}
	if row.RecordID != surplus || detail.Surplus != surplus || detail.Paired != paired || !slices.Equal(detail.Candidates, []string{paired, surplus}) || detail.Identity == "" {
		w.t.Errorf("flagged %s with %s; want record %s beside %s", row.RecordID, row.Detail, surplus, paired)
	}
	if !slices.Equal(w.seen.surplus, []string{"customers " + row.System}) {
		w.t.Errorf("counted %v", w.seen.surplus)
	}
}

func TestCopyByAPersonLosesItsTokenAndBecomesARecordOfItsOwn(t *testing.T) {
	for _, system := range []string{crm, erp} {
		t.Run(system, func(t *testing.T) {
			w := newWorld(t, searched)
			e := w.engine("a", nil)
			id, partner := w.paired(e, crm, 1)
			copyID := w.copied(system, map[string]string{crm: id, erp: partner}[system])
			w.settle(e)
			if got := w.pair(crm, id, erp); got != partner {
				t.Errorf("pair %s, want %s", got, partner)
			}
			w.converged(2)
			lines, err := w.store.History(t.Context(), system, objectOf(system), copyID, 20)
			if err != nil {
				t.Fatal(err)
			}
			told := 0
			for _, l := range lines {
				if l.Action == "clone" && strings.Contains(string(l.Fields), "@token") {
					told++
				}
			}
			if told != 1 || len(w.seen.surplus) > 0 {
				t.Errorf("%d lines of history tell of the token, surplus %v: %+v", told, w.seen.surplus, lines)
			}
		})
	}
}

func TestCopyInASystemThatIsNotWrittenToIsParked(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	_, partner := w.paired(e, crm, 1)
	for i := range w.link.Members {
		w.link.Members[i].Write = w.link.Members[i].System != erp
	}
	calls := w.counting()
	w.copied(erp, partner)
	w.settle(e)
	w.parkedAs("clone")
	if slices.Contains(calls(), "erp write") {
		t.Error("it was written to")
	}
}

// unsure lets writes of one kind go wrong the way that a network does.
type unsure struct {
	connectors.Connector
	create func(object string, ws []connectors.Write) []connectors.Result // nil: as it is
}

func (u *unsure) Write(ctx context.Context, object string, op connectors.Op, ws []connectors.Write) []connectors.Result {
	if op == connectors.Create && u.create != nil {
		if out := u.create(object, ws); out != nil {
			return out
		}
	}
	return u.Connector.Write(ctx, object, op, ws)
}

// unanswered says of every write that nothing is known about it.
func unanswered(ws []connectors.Write) []connectors.Result {
	out := make([]connectors.Result, len(ws))
	for i, w := range ws {
		out[i] = connectors.Result{Key: w.Key, Outcome: connectors.Unknown,
			Err: &connectors.Error{Kind: connectors.KindTransient, System: crm, Op: "batch create", Said: "no answer"}}
	}
	return out
}

// A first send that outlives settle and index lag lands after the second.
func TestSendThatLandsAfterItsRepeatIsFlaggedAndNothingIsDeleted(t *testing.T) {
	w := newWorld(t, searched)
	var stuck []connectors.Write
	var u *unsure
	e := w.engine("a", nil, over(crm, func(c connectors.Connector) connectors.Connector {
		u = &unsure{Connector: c}
		return u
	}))
	u.create = func(_ string, ws []connectors.Write) []connectors.Result {
		if stuck != nil {
			return nil
		}
		stuck = ws
		return unanswered(ws)
	}
	partner := w.nameless(erp)
	w.settle(e)
	paired := w.pair(erp, partner, crm)
	w.clock.advance(time.Hour)
	u.Connector.Write(t.Context(), contacts, connectors.Create, stuck)
	w.settle(e)
	born := w.births(crm)
	if len(born) != 2 || born[0] != paired {
		t.Fatalf("contacts %v, paired %s", born, paired)
	}
	w.flagged(born[1], paired)
	w.hint(crm, born[1]) // looked at again it is what it was
	w.settle(e)
	w.parkedAs("surplus")
	if n := len(w.births(erp)); n != 1 {
		t.Errorf("the surplus record reached the ERP: %d partners", n)
	}
	if v, ok := w.hubs[crm].Get(contacts, born[1]); !ok || v["syncd_ref"] == "" {
		t.Errorf("the surplus record was changed: %v", v)
	}
	// A person says that it is a customer of its own.
	w.edit(crm, born[1], map[string]string{"syncd_ref": "", "email": "other@x.example"})
	w.settle(e)
	w.converged(2)
}

// A process that slept through its lease gets the answer to its own create when
// another one has made the record already. No webhook tells of it.
func TestAnswerThatIsNotTheBoundRecordIsFlagged(t *testing.T) {
	w := newWorld(t, searched)
	other := w.engine("b", nil)
	slept := false
	e := w.engine("a", nil, over(crm, func(c connectors.Connector) connectors.Connector {
		return &unsure{Connector: c, create: func(string, []connectors.Write) []connectors.Result {
			if !slept {
				slept = true
				w.clock.advance(leaseTime + 10*time.Minute)
				w.settle(other)
			}
			return nil
		}}
	}))
	partner := w.nameless(erp)
	w.clock.advance(3 * time.Second)
	w.deliver()
	w.clock.advance(3 * time.Second)
	if _, err := w.drain(e); err != nil {
		t.Log(err)
	}
	w.forget()
	w.settle(e, other)
	born := w.births(crm)
	if len(born) != 2 {
		t.Fatalf("contacts %v", born)
	}
	if paired := w.pair(erp, partner, crm); paired != born[0] {
		t.Errorf("paired with %s of %v", paired, born)
	}
	w.flagged(born[1], born[0])
}

func TestLookUpThatFindsSeveralTakesTheOldestAndFlagsTheRest(t *testing.T) {
	w := newWorld(t, searched)
	twice := true
	e := w.engine("a", nil, over(crm, func(c connectors.Connector) connectors.Connector {
		return &unsure{Connector: c, create: func(object string, ws []connectors.Write) []connectors.Result {
			if !twice {
				return nil
			}
			twice = false
			c.Write(w.t.Context(), object, connectors.Create, ws)
			w.clock.advance(time.Second)
			c.Write(w.t.Context(), object, connectors.Create, ws)
			return unanswered(ws)
		}}
	}))
	partner := w.nameless(erp)
	w.clock.advance(3 * time.Second)
	w.deliver()
	w.clock.advance(3 * time.Second)
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	w.forget()
	w.settle(e)
	born := w.births(crm)
	if len(born) != 2 || w.pair(erp, partner, crm) != born[0] {
		t.Fatalf("contacts %v, paired %s", born, w.pair(erp, partner, crm))
	}
	w.flagged(born[1], born[0])
}

// What is in doubt is never taken for a copy: it would become a second customer.
func TestRecordBornWhileASendMayLandIsSurplusAndNoCopy(t *testing.T) {
	w := newWorld(t, searched)
	e := w.engine("a", nil)
	partner := w.nameless(erp)
	w.settle(e)
	paired := w.pair(erp, partner, crm)
	w.clock.advance(time.Minute)
	second := w.copied(crm, paired)
	w.settle(e)
	w.flagged(second, paired)
}

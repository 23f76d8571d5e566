package flows_test

import (
	"strings"
	"testing"

	"syncd/simulator"
	"syncd/store"
)

// History.

func (w *world) history(system, id string) []store.Entry {
	w.t.Helper()
	es, err := w.store.History(w.t.Context(), system, objectOf(system), id, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return es
}

func TestHistoryExplainsEveryWrite(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, partner := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"city": "Brno", "email": "secret@x.example"})
	w.settle(e)
	es := w.history(erp, partner)
	if len(es) != 2 || es[1].Action != "create" || es[0].Action != "update" {
		t.Fatalf("history %+v", es)
	}
	u := es[0]
	if u.Cause != "webhook" || u.DeliveryKey == "" || u.Trace == "" || !strings.Contains(string(u.Fields), `"city":["","Brno"]`) {
		t.Errorf("%+v fields %s", u, u.Fields)
	}
	for _, x := range es {
		if strings.Contains(string(x.Fields), "@x.example") || !strings.Contains(string(x.Fields), `"email"`) {
			t.Errorf("a private value is in the history: %s", x.Fields)
		}
	}
}

func TestHistoryExplainsWritesWithoutAnAnswer(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.erp.Faults().Add(simulator.Fault{Op: "load", Effect: simulator.DropAfter, Times: 1})
	id, partner := w.paired(e, crm, 1)
	w.erp.Faults().Add(simulator.Fault{Op: "write", Effect: simulator.DropAfter, Times: 1})
	w.edit(crm, id, map[string]string{"city": "Brno"})
	w.settle(e)
	w.converged(1)
	var actions []string
	for _, x := range w.history(erp, partner) {
		actions = append(actions, x.Action+" "+string(x.Fields))
	}
	text := strings.Join(actions, "\n")
	if !strings.Contains(text, `update {"city":["","Brno"]}`) || strings.Count(text, "create ") != 1 || strings.Count(text, "Brno") != 1 {
		t.Errorf("history:\n%s", text)
	}
}

package flows_test

import (
	"net/http"
	"testing"

	"syncd/simulator"
)

// net/http sends a request again by itself, after the vendor has applied it, if
// it can get its body once more and a header says that it may (CORRECTNESS
// 0.1.4, F8). No request of any connector lets it, repeats included.
func TestNoRequestCouldBeSentAgainByTheTransport(t *testing.T) {
	w := newWorld(t, searched)
	seen := map[string]int{}
	w.tap = func(system string, r *http.Request) {
		if r.Method == http.MethodGet {
			return
		}
		seen[system]++
		if r.GetBody != nil {
			t.Errorf("%s %s: its body can be had again", r.Method, r.URL.Path)
		}
		for name := range r.Header {
			if c := http.CanonicalHeaderKey(name); c == "Idempotency-Key" || c == "X-Idempotency-Key" {
				t.Errorf("%s %s: header %s", r.Method, r.URL.Path, name)
			}
		}
	}
	e, _ := w.keeping("a", nil)
	for n := range 3 {
		w.person(crm, n)
		w.person(erp, 10+n)
	}
	w.faults(crm).Add(simulator.Fault{Op: "batch_create", Effect: simulator.DropAfter, Times: 1})
	w.faults(erp).Add(simulator.Fault{Op: "load", Effect: simulator.DropAfter, Times: 1})
	w.settle(e)
	for _, id := range w.births(crm) {
		w.edit(crm, id, map[string]string{"city": "Brno"})
	}
	w.settle(e)
	w.converged(6)
	if seen[crm] < 5 || seen[erp] < 5 {
		t.Errorf("only %v requests were seen", seen)
	}
}

package flows_test

import (
	"fmt"
	"slices"
	"testing"
)

func TestWalkUpdateFromHubSpotIsFourCalls(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, partner := w.paired(e, crm, 1)
	calls := w.counting()
	w.edit(crm, id, map[string]string{"phone": "+420 603 111 222"})
	w.settle(e)
	want := []string{"crm batch_read", "erp read", "erp write", "erp read"}
	if got := calls(); !slices.Equal(got, want) {
		t.Errorf("calls %v; want %v", got, want)
	}
	if w.get(erp, partner)["phone"] == "" {
		t.Error("the phone did not arrive")
	}
	w.converged(1)
}

func TestWalkUpdateFromOdooIsThreeCalls(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	_, partner := w.paired(e, erp, 1)
	calls := w.counting()
	w.edit(erp, partner, map[string]string{"phone": "+420 603 111 222"})
	w.settle(e)
	want := []string{"crm batch_read", "crm batch_update", "erp read"}
	if got := calls(); !slices.Equal(got, want) {
		t.Errorf("calls %v; want %v", got, want)
	}
	w.converged(1)
}

func TestWalkCreateFromHubSpotIsFiveCalls(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.person(crm, 1)
	calls := w.counting()
	w.settle(e)
	want := []string{"crm batch_read", "crm batch_update", "erp search_read", "erp load", "erp read"}
	if got := calls(); !slices.Equal(got, want) {
		t.Errorf("calls %v; want %v", got, want)
	}
	w.converged(1)
}

func TestWalkCreateFromOdoo(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.person(erp, 1)
	calls := w.counting()
	w.settle(e)
	// Two of the reads look for a partner, in the bin as well.
	want := []string{"crm batch_read", "crm batch_read", "crm batch_create", "erp read", "erp write", "erp read"}
	if got := calls(); !slices.Equal(got, want) {
		t.Errorf("calls %v; want %v", got, want)
	}
	w.converged(1)
}

func TestBatchOfTwentyMakesTheSameCalls(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run(from, func(t *testing.T) {
			w := newWorld(t)
			e := w.engine("a", nil)
			for n := range 20 {
				w.person(from, n)
			}
			calls := w.counting()
			w.settle(e)
			t.Logf("creates: %v", calls())
			if got := calls(); len(got) > 7 {
				t.Errorf("20 creates made %d calls: %v", len(got), got)
			}
			w.converged(20)
			w.clock.advance(20 * 60e9)
			calls = w.counting()
			for n, id := range w.births(from) {
				w.edit(from, id, map[string]string{"phone": fmt.Sprintf("+420 603 111 %03d", n)})
			}
			w.settle(e)
			t.Logf("updates: %v", calls())
			if got := calls(); len(got) > 4 {
				t.Errorf("20 updates made %d calls: %v", len(got), got)
			}
			w.converged(20)
		})
	}
}

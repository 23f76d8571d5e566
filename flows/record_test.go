package flows_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/flows"
)

// ofRecord makes the ERP the system of record of the world's link.
func ofRecord(w *world) *world {
	w.link.Mode, w.link.Record = flows.ModeSystem, erp
	return w
}

// keyed is a person in the CRM with a key of the ERP.
func (w *world) keyed(key, mail string) string {
	w.t.Helper()
	return w.create(crm, map[string]string{"firstname": "Ann", "lastname": "Lee", "email": mail, inverseOf(crm, erp): key})
}

func TestSystemOfRecordMintsTheKeyWhereverARecordIsBorn(t *testing.T) {
	for from, want := range map[string][]string{
		erp: {"crm batch_read", "crm batch_read", "crm batch_read", "crm batch_create", "crm search", "erp read", "erp write", "erp read"},
		crm: {"crm batch_read", "crm batch_update", "erp search_read", "erp load", "erp read"},
	} {
		t.Run("from "+from, func(t *testing.T) {
			w := ofRecord(newWorld(t))
			e := w.engine("a", nil)
			w.person(from, 1)
			calls := w.counting()
			w.settle(e)
			w.converged(1)
			t.Logf("calls: %v", calls())
			if got := len(calls()); got > len(want) {
				t.Errorf("%d calls %v; want at most %v", got, calls(), want)
			}
			if got := w.get(crm, w.births(crm)[0])[inverseOf(crm, erp)]; got != w.births(erp)[0] {
				t.Errorf("the contact carries the key %q; want %s", got, w.births(erp)[0])
			}
		})
	}
}

// With three systems the others are created with the key that was minted first.
func TestOthersAreCreatedOnceTheSystemOfRecordHasMintedTheKey(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run("from "+from, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.hubs[crm2] = w.newHub(crm2, 2) })
			w.link = w.customers(crm, crm2, erp)
			w.links = []*flows.Link{ofRecord(w).link}
			bare := false
			w.tap = func(system string, r *http.Request) {
				if system != crm2 || !strings.HasSuffix(r.URL.Path, "batch/create") {
					return
				}
				text, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				r.Body = io.NopCloser(strings.NewReader(string(text)))
				bare = bare || !strings.Contains(string(text), inverseOf(crm2, erp))
			}
			e := w.engine("a", nil)
			w.person(from, 1)
			w.settle(e)
			w.converged(1)
			if bare {
				t.Error("a contact was created without the key")
			}
		})
	}
}

func TestStrangerWithAKeyIsTheRecordThatItNames(t *testing.T) {
	for _, known := range []bool{false, true} {
		w := ofRecord(newWorld(t))
		w.link.Create[crm] = false // so that a known partner waits without a contact
		e := w.engine("a", nil)
		partner := w.person(erp, 1)
		if known {
			w.settle(e)
		}
		w.forget()
		contact := w.keyed(partner, "other@x.example") // no business key would match
		w.settle(e)
		w.waitOut(e)
		if got := w.pair(crm, contact, erp); got != partner {
			t.Errorf("paired with %s; want %s", got, partner)
		}
		if n := len(w.births(erp)); n != 1 {
			t.Errorf("known %t: %d partners", known, n)
		}
	}
}

// The look-up goes the other way, too: the contact with the key is old, and only
// its partner is announced.
func TestNewRecordOfTheSystemOfRecordFindsWhoCarriesItsKey(t *testing.T) {
	w := ofRecord(newWorld(t))
	e := w.engine("a", nil)
	partner := w.person(erp, 1)
	contact := w.keyed(partner, "other@x.example")
	w.clock.advance(5 * time.Minute) // the search index of the CRM has it
	w.forget()
	w.hint(erp, partner)
	w.settle(e)
	w.converged(1)
	if got := w.pair(crm, contact, erp); got != partner {
		t.Errorf("paired with %s; want %s", got, partner)
	}
}

func TestKeyInDoubtIsAPersonsAndNoCoinToss(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		play         func(w *world, e *flows.Engine)
		partners     int
		rows         int
	}{
		{"it names nothing", "key_missing", func(w *world, _ *flows.Engine) { w.keyed("4711", "x@x.example") }, 0, 1},
		{"it names an archived record", "key_missing", func(w *world, _ *flows.Engine) {
			partner := w.person(erp, 1)
			if err := w.erp.UserWrite(partners, number(partner), map[string]any{"active": false}); err != nil {
				w.t.Fatal(err)
			}
			w.forget()
			w.keyed(partner, "x@x.example")
		}, 1, 1},
		{"it names a record out of scope", "key_out_of_scope", func(w *world, _ *flows.Engine) {
			partner := w.person(erp, 1)
			if err := w.erp.UserWrite(partners, number(partner), map[string]any{"is_company": true}); err != nil {
				w.t.Fatal(err)
			}
			w.forget()
			w.keyed(partner, "x@x.example")
		}, 1, 1},
		{"its identity has another record here", "key_taken", func(w *world, e *flows.Engine) {
			_, partner := w.paired(e, crm, 1)
			w.keyed(partner, "x@x.example")
		}, 1, 1},
		{"two records carry it", "key_taken", func(w *world, _ *flows.Engine) {
			partner := w.person(erp, 1)
			w.forget()
			w.keyed(partner, "x@x.example")
			w.keyed(partner, "y@x.example")
		}, 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ofRecord(newWorld(t))
			e := w.engine("a", nil)
			c.play(w, e)
			w.settle(e)
			w.waitOut(e)
			w.allParked(slices.Repeat([]string{c.reason}, c.rows)...)
			if n := len(w.births(erp)); n != c.partners {
				t.Errorf("%d partners; want %d", n, c.partners)
			}
		})
	}
}

// A record that matches by e-mail and carries another record's key is another customer's.
func TestBusinessKeyYieldsToTheKey(t *testing.T) {
	w := ofRecord(newWorld(t))
	e := w.engine("a", nil)
	other := w.create(erp, map[string]string{"firstname": "Bob", "lastname": "Roe", "email": "bob@x.example"})
	contact := w.keyed(other, "ann1@x.example")
	w.forget()
	partner := w.person(erp, 1) // ann1 as well
	w.settle(e)
	if id := w.holder(crm, contact); id != "" && id == w.holder(erp, partner) {
		t.Error("paired by e-mail although the contact names another partner")
	}
}

func TestKeyThatAPersonChangedParksUntilItIsSetBack(t *testing.T) {
	w := ofRecord(newWorld(t))
	e := w.engine("a", nil)
	id, partner := w.paired(e, crm, 1)
	key := inverseOf(crm, erp)
	w.edit(crm, id, map[string]string{key: "4711", "city": "Brno"})
	w.settle(e)
	w.parkedAs("key_changed")
	if got := w.get(erp, partner)["city"]; got != "" {
		t.Errorf("city %q went over although nobody knows whose it is", got)
	}
	w.edit(erp, partner, map[string]string{"jobtitle": "CEO"})
	w.settle(e)
	w.allParked("key_changed", "key_changed")
	w.edit(crm, id, map[string]string{key: partner})
	w.settle(e)
	w.converged(1)
	if got := w.get(erp, partner); got["city"] != "Brno" || w.get(crm, id)["jobtitle"] != "CEO" {
		t.Errorf("what changed meanwhile is lost: %v", got)
	}
	w.edit(crm, id, map[string]string{key: ""})
	w.settle(e)
	w.converged(1) // written again
}

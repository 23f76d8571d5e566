package flows_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/fields"
	"syncd/flows"
	"syncd/flows/plan"
	"syncd/store"
)

// customerNo is the field of the CRM for the id that people set; the ERP's is ref.
const customerNo = "customer_no"

// byNumber makes a world whose link goes by ids that people set.
func byNumber(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.numbered()
	return w
}

func (w *world) numbered() {
	w.t.Helper()
	c := w.connect(nil)[crm]
	if err := c.Setup(w.t.Context(), []connectors.CustomField{{Object: contacts, Name: customerNo, Label: "Customer no."}}); err != nil {
		w.t.Fatal(err)
	}
	info, err := c.Probe(w.t.Context(), []string{contacts})
	if err != nil {
		w.t.Fatal(err)
	}
	w.infos[crm] = info
	row, err := fields.Compile(fields.Spec{Name: flows.SharedID, Columns: map[string][]string{crm: {customerNo}, erp: {"ref"}}})
	if err != nil {
		w.t.Fatal(err)
	}
	l := w.link
	l.Mode, l.Match, l.OnMatch = flows.ModeExternal, [][]string{{flows.SharedID}}, flows.MatchPair
	l.Rows = append(l.Rows, row)
	l.Rules.Rows = append(l.Rules.Rows, plan.Row{Name: flows.SharedID, Systems: []string{crm, erp}, Rev: row.Rev(), Policy: plan.Policy{Mode: plan.ModeAsk}})
}

// numberOf is the column of the shared id of a system.
func numberOf(system string) string {
	if system == erp {
		return "ref"
	}
	return customerNo
}

// renumber sets a shared id as a person does who also leaves a remark: the rule of
// the pretend ERP that posts to us does not watch the field by itself.
func (w *world) renumber(system, id, no string, more map[string]string) {
	v := map[string]string{numberOf(system): no}
	if system == erp {
		v["comment"] = "now " + no
	}
	maps.Copy(v, more)
	w.edit(system, id, v)
}

func (w *world) client(system, no, mail string) string {
	w.t.Helper()
	return w.create(system, map[string]string{"firstname": "Ann", "lastname": "Lee", "email": mail, numberOf(system): no})
}

func TestRecordWithoutASharedIDWaitsAndGoesWhenItIsSet(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run("from "+from, func(t *testing.T) {
			w := byNumber(t)
			e := w.engine("a", nil)
			id := w.client(from, " ", "ann@x.example")
			w.settle(e)
			if row := w.parkedAs("no_external_id"); !strings.Contains(row.Error, "waiting: no external id") {
				t.Errorf("it says %q", row.Error)
			}
			w.renumber(from, id, " C-7 ", nil)
			calls := w.counting()
			w.settle(e)
			w.converged(1)
			t.Logf("calls: %v", calls())
			if got := len(calls()); got > 8 {
				t.Errorf("%d calls", got)
			}
			to := map[string]string{crm: erp, erp: crm}[from]
			if got := w.get(to, w.births(to)[0])[flows.SharedID]; got != "C-7" {
				t.Errorf("created with id %q", got)
			}
		})
	}
}

// The sweep wakes what waits for an id as a webhook does.
func TestSweepWakesARecordThatWaitedForItsSharedID(t *testing.T) {
	w := byNumber(t)
	e := w.engine("a", nil)
	w.sweep(e)
	id := w.client(erp, "", "ann@x.example")
	w.settle(e)
	w.parkedAs("no_external_id")
	w.edit(erp, id, map[string]string{"ref": "C-7"})
	w.forget()
	w.sweep(e)
	w.settle(e)
	w.converged(1)
}

func TestRecordsPairBySharedIDAndByNothingElse(t *testing.T) {
	for _, from := range []string{crm, erp} {
		t.Run("from "+from, func(t *testing.T) {
			w := byNumber(t)
			e := w.engine("a", nil)
			to := map[string]string{crm: erp, erp: crm}[from]
			there := w.client(to, "C-7", "there@x.example")
			w.client(to, "C-8", "") // another customer
			w.forget()
			here := w.client(from, "C-7", "here@x.example")
			w.settle(e)
			if got := w.pair(from, here, to); got != there {
				t.Errorf("paired with %s; want %s", got, there)
			}
			if n := len(w.births(to)); n != 2 {
				t.Errorf("%d records", n)
			}
		})
	}
}

func TestBornOnBothSidesWithOneSharedIDIsOneCustomer(t *testing.T) {
	w := byNumber(t)
	e := w.engine("a", nil)
	w.client(crm, "C-7", "a@x.example")
	w.client(erp, "C-7", "b@x.example")
	w.settle(e)
	w.converged(1)
}

// Two records of one side with one id are a question, however they come.
func TestTwoRecordsWithOneSharedIDAreNoCoinToss(t *testing.T) {
	for _, c := range []struct {
		name    string
		play    func(w *world, e *flows.Engine)
		reasons []string
	}{
		{"at once", func(w *world, _ *flows.Engine) {
			w.client(crm, "C-7", "a@x.example")
			w.client(crm, "C-7", "b@x.example")
		}, []string{"external_id_taken", "external_id_taken"}},
		{"one after the other", func(w *world, e *flows.Engine) {
			w.client(crm, "C-7", "a@x.example")
			w.settle(e)
			w.client(crm, "C-7", "b@x.example")
		}, []string{"external_id_taken", "external_id_taken"}},
		{"one of them old, where there is a partner", func(w *world, _ *flows.Engine) {
			w.client(crm, "C-7", "a@x.example")
			w.client(erp, "C-7", "c@x.example")
			w.forget()
			w.client(crm, "C-7", "b@x.example")
		}, []string{"external_id_taken"}},
		{"two on the other side", func(w *world, _ *flows.Engine) {
			w.client(erp, "C-7", "a@x.example")
			w.client(erp, "C-7", "b@x.example")
			w.forget()
			w.client(crm, "C-7", "c@x.example")
		}, []string{"external_id_taken"}},
		{"the one on the other side is archived", func(w *world, _ *flows.Engine) {
			id := w.client(erp, "C-7", "a@x.example")
			if err := w.erp.UserWrite(partners, number(id), map[string]any{"active": false}); err != nil {
				w.t.Fatal(err)
			}
			w.forget()
			w.client(crm, "C-7", "c@x.example")
		}, []string{"external_id_taken"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := byNumber(t)
			e := w.engine("a", nil)
			c.play(w, e)
			made := len(w.births(erp))
			w.settle(e)
			w.waitOut(e)
			w.allParked(c.reasons...)
			if got := len(w.births(erp)); got != made {
				t.Errorf("%d partners; want %d", got, made)
			}
		})
	}
}

func TestContestedSharedIDIsFreeAgainOnceOneIsCorrected(t *testing.T) {
	w := byNumber(t)
	e := w.engine("a", nil)
	first := w.client(crm, "C-7", "a@x.example")
	w.settle(e)
	second := w.client(crm, "C-7", "b@x.example")
	w.settle(e)
	w.allParked("external_id_taken", "external_id_taken")
	w.renumber(crm, second, "C-8", nil)
	w.settle(e)
	w.edit(crm, first, map[string]string{"city": "Brno"})
	w.clock.advance(5 * time.Minute)
	w.settle(e)
	w.converged(2)
}

func TestSharedIDThatChangedOnAPairParksUntilItIsSetBackOrAlike(t *testing.T) {
	for _, mend := range []string{"set back", "set alike"} {
		for _, changed := range []string{crm, erp} {
			t.Run(mend+" "+changed, func(t *testing.T) {
				w := byNumber(t)
				e := w.engine("a", nil)
				ids := map[string]string{crm: w.client(crm, "C-7", "a@x.example")}
				w.settle(e)
				ids[erp] = w.pair(crm, ids[crm], erp)
				other := map[string]string{crm: erp, erp: crm}[changed]
				w.renumber(changed, ids[changed], "C-9", map[string]string{"city": "Brno"})
				w.settle(e)
				w.parkedAs("external_id_changed")
				w.edit(other, ids[other], map[string]string{"jobtitle": "CEO"})
				w.settle(e)
				w.allParked("external_id_changed", "external_id_changed")
				if w.get(other, ids[other])["city"] == "Brno" {
					t.Error("a record whose id is in doubt was carried over")
				}
				want := "C-7"
				if mend == "set back" {
					w.renumber(changed, ids[changed], want, nil)
				} else {
					want = "C-9"
					w.renumber(other, ids[other], want, nil)
				}
				w.settle(e)
				w.converged(1)
				got := w.get(other, ids[other])
				if got["city"] != "Brno" || got["jobtitle"] != "CEO" || got[flows.SharedID] != want {
					t.Errorf("what changed meanwhile is lost: %v", got)
				}
			})
		}
	}
}

// modeScenes are the creates of the two other identity modes, for every crash.
func modeScenes() []scene {
	var out []scene
	for _, from := range []string{crm, erp} {
		to := map[string]string{crm: erp, erp: crm}[from]
		out = append(out,
			scene{"of record, create from " + from, func(w *world, _ *flows.Engine) { ofRecord(w).person(from, 1) }, func(w *world) { w.converged(1) }, false},
			scene{"of record, create for three from " + from, func(w *world, _ *flows.Engine) { ofRecord(w).person(from, 1) }, func(w *world) { w.converged(1) }, true},
			scene{"by shared id, create from " + from, func(w *world, _ *flows.Engine) {
				w.numbered()
				w.client(from, "C-7", "ann@x.example")
			}, func(w *world) { w.converged(1) }, false},
			scene{"by shared id, adopt from " + from, func(w *world, _ *flows.Engine) {
				w.numbered()
				w.client(to, "C-7", "b@x.example")
				w.forget()
				w.client(from, "C-7", "ann@x.example")
			}, func(w *world) { w.converged(1) }, false},
		)
	}
	return append(out, scene{"of record, a contact that carries the key", func(w *world, _ *flows.Engine) {
		partner := ofRecord(w).person(erp, 1)
		w.forget()
		w.keyed(partner, "other@x.example")
	}, func(w *world) { w.converged(1) }, false}, scene{"by shared id, two with one", func(w *world, _ *flows.Engine) {
		w.numbered()
		w.client(crm, "C-7", "a@x.example")
		w.settle(w.engine("y", nil)) // with the new column
		w.client(crm, "C-7", "b@x.example")
	}, func(w *world) {
		if n := len(w.births(erp)); n != 1 {
			w.t.Errorf("%d partners", n)
		}
		if got := slices.IndexFunc(w.waiting(), func(r store.WaitingRow) bool { return !r.Parked }); got >= 0 || len(w.waiting()) != 2 {
			w.t.Errorf("waiting %+v", w.waiting())
		}
	}, false})
}

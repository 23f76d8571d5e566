package flows_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/store"
)

const erasedMail = "ann1@x.example"

// remembered says what of a person stands anywhere in the database's files.
func (w *world) remembered(words ...string) (found []string) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(w.path), "*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, word := range words {
			if bytes.Contains(b, []byte(word)) {
				found = append(found, filepath.Base(f)+": "+word)
			}
		}
	}
	return found
}

// gdpr erases a contact in the CRM as a privacy request has it.
func (w *world) gdpr(id string) {
	w.t.Helper()
	if err := w.hubs[crm].UserErase(contacts, id); err != nil {
		w.t.Fatal(err)
	}
}

// erase is `syncd erase`.
func (w *world) erase(system, id string, other store.EraseOrder) store.Erased {
	w.t.Helper()
	done, err := w.store.Erase(w.t.Context(), store.Erasure{System: system, Object: objectOf(system), RecordID: id, By: "test", Reason: "test",
		Mac: w.keys.RecordHash, Other: map[string]store.EraseOrder{w.link.Name: other}})
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

func TestAPersonErasedByTheVendorIsForgottenAndTheOtherSideIsAsked(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, partner := w.paired(e, crm, 1)
	w.edit(crm, id, map[string]string{"phone": "+420 777 123 987"}) // history has both values
	w.settle(e)
	if len(w.remembered(erasedMail, id)) == 0 {
		t.Fatal("the person was never remembered")
	}
	canonical := w.identity(crm, id).ID
	w.gdpr(id)
	w.settle(e)
	if found := w.remembered(erasedMail, "777 123 987", "777123987"); len(found) > 0 {
		t.Errorf("still remembered: %v", found)
	}
	if row := w.parkedAs("erased_elsewhere"); row.RecordID != partner {
		t.Errorf("asked about %s, want the partner %s", row.RecordID, partner)
	}
	kept, err := w.store.Certificates(t.Context(), 10)
	if err != nil || len(kept) != 1 || !strings.Contains(kept[0].Text, canonical) || strings.Contains(kept[0].Text, id) {
		t.Errorf("certificates %+v, %v", kept, err)
	}
	since := w.logs.Len()
	w.hint(crm, id)
	w.settle(e)
	if strings.Contains(w.logs.String()[since:], contacts+":"+id) {
		t.Error("an attempt about an erased record names it")
	}
}

// TestAnErasedPersonIsNeverBroughtBack: announced again, edited elsewhere, listed by
// a sweep, met by a business key, shown with its token.
func TestAnErasedPersonIsNeverBroughtBack(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	w.sweep(e)
	id, partner := w.paired(e, crm, 1)
	for _, order := range []store.EraseOrder{store.EraseKeep} {
		if got := w.erase(crm, id, order); got.Tombstones != 2 {
			t.Fatalf("certificate %+v", got)
		}
	}
	w.edit(erp, partner, map[string]string{"city": "Brno"})
	w.edit(crm, id, map[string]string{"city": "Plzen"}) // the operator has not erased it there yet
	w.hint(crm, id)
	w.hint(erp, partner)
	w.settle(e)
	w.clock.advance(time.Minute)
	w.sweep(e)
	w.settle(e)
	if n := len(w.births(crm)) + len(w.births(erp)); n != 2 {
		t.Errorf("%d records, want the 2 of before", n)
	}
	if got := w.get(erp, partner)["city"]; got != "Brno" {
		t.Errorf("the kept partner was written to: %q", got)
	}
	if ws := w.waiting(); len(ws) > 0 {
		t.Errorf("waiting %+v", ws)
	}
	if found := w.remembered(erasedMail); len(found) > 0 {
		t.Errorf("remembered again: %v", found)
	}
	// The same person, with a new record: a customer like any other, and the kept
	// partner is not theirs.
	if err := w.hubs[crm].UserErase(contacts, id); err != nil {
		t.Fatal(err)
	}
	again := w.person(crm, 1)
	w.settle(e)
	if p := w.pair(crm, again, erp); p == "" || p == partner {
		t.Errorf("the new record is paired with %q, want a partner of its own", p)
	}
}

// TestARecordThatIsStillThereIsNotForgotten: an announcement is no proof.
func TestARecordThatIsStillThereIsNotForgotten(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	id, partner := w.paired(e, crm, 1)
	if err := w.store.Enqueue(t.Context(), []store.Hint{{System: crm, Object: contacts, RecordID: id, Cause: "webhook", Erased: true}}); err != nil {
		t.Fatal(err)
	}
	if took := w.settle(e); took < 9*time.Minute || took > 12*time.Minute {
		t.Errorf("a person is asked after %v, want ten minutes", took)
	}
	w.parkedAs("erase_unproved")
	if w.pair(crm, id, erp) != partner || len(w.remembered(erasedMail)) == 0 {
		t.Error("the person was forgotten on the word of a webhook")
	}
}

// TestALateCreateOfAnErasedPersonIsListed: the create was under way when the person
// was erased. What it made is recognised by its token, and a person is told.
func TestALateCreateOfAnErasedPersonIsListed(t *testing.T) {
	w := newWorld(t)
	e := w.engine("a", nil)
	land := w.caught(erp, "load")
	id := w.person(crm, 1)
	w.deliver()
	if _, err := w.drain(e); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(2 * leaseTime)
	if got := w.erase(crm, id, store.EraseKeep); !slices.Equal(got.OpenCreates, []string{erp}) {
		t.Fatalf("certificate %+v, want it to name the create", got)
	}
	land()
	w.settle(e)
	w.parkedAs("erased_elsewhere")
	if n := len(w.births(crm)); n != 1 {
		t.Errorf("%d contacts, want 1", n)
	}
}

// TestErasureSurvivesACrashAtEveryStep: whichever step is the last, the next process
// ends what was begun.
func TestErasureSurvivesACrashAtEveryStep(t *testing.T) {
	for _, how := range []trouble{crashBefore, crashAfter, lostBefore, lostAfter} {
		for at := 1; ; at++ {
			w := newWorld(t)
			e := w.engine("a", nil)
			id, partner := w.paired(e, crm, 1)
			w.gdpr(id)
			s := &steps{at: at, how: how}
			first := w.engine("b", s)
			w.clock.advance(11 * time.Second)
			w.deliver()
			_, _ = w.drain(first)
			if s.n < at {
				break
			}
			w.clock.advance(2 * leaseTime)
			w.settle(w.engine("c", nil))
			if found := w.remembered(erasedMail); len(found) > 0 {
				t.Errorf("%s at step %d (%s): %v", how, at, s.names[at-1], found)
			}
			if row := w.parkedAs("erased_elsewhere"); row.RecordID != partner {
				t.Errorf("%s at step %d: asked about %s", how, at, row.RecordID)
			}
			if kept, err := w.store.Certificates(t.Context(), 10); err != nil || len(kept) != 1 {
				t.Errorf("%s at step %d: certificates %+v, %v", how, at, kept, err)
			}
		}
	}
}

// removing lets a connector archive and delete, whatever it could before.
func removing(ops ...connectors.Op) func(*flows.Options) {
	return func(o *flows.Options) {
		for _, s := range o.Systems {
			if s.Name == erp {
				obj := s.Info.Objects[partners]
				obj.Removes = ops
				s.Info.Objects[partners] = obj
			}
		}
	}
}

func TestWhatCannotBeArchivedElsewhereIsAskedAbout(t *testing.T) {
	w := newWorld(t)
	w.link.EraseOther = store.EraseArchive
	e := w.engine("a", nil, removing())
	id, partner := w.paired(e, crm, 1)
	w.gdpr(id)
	w.settle(e)
	if row := w.parkedAs("erased_elsewhere"); row.RecordID != partner || !strings.Contains(row.Error, "archive") {
		t.Errorf("waiting %+v", row)
	}
	if n, err := strconv.Atoi(partner); err != nil || len(w.get(erp, partner)) == 0 || n == 0 {
		t.Error("the partner is gone")
	}
}

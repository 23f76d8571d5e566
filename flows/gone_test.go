package flows_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncd/connectors"
	"syncd/flows"
	"syncd/flows/plan"
	"syncd/mapping"
	"syncd/store"
)

const grace = 10 * time.Minute

// deletes sets what a deletion in either system means for the other.
func (w *world) deletes(fromCRM, fromERP plan.Removal, wins plan.Wins) {
	w.link.Delete = flows.Delete{From: map[string]plan.Removal{crm: fromCRM, erp: fromERP}, Wins: wins, Grace: grace}
}

func (w *world) odooID(id string) int64 {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// archive puts a record away as a person does; restore takes it back.
func (w *world) archive(system, id string) {
	w.t.Helper()
	if system == erp {
		w.must(w.erp.UserWrite(partners, w.odooID(id), map[string]any{"active": false}))
		return
	}
	w.must(w.hubs[system].UserArchive(contacts, id))
}

func (w *world) restore(system, id string) {
	w.t.Helper()
	if system == erp {
		w.must(w.erp.UserWrite(partners, w.odooID(id), map[string]any{"active": true}))
		return
	}
	w.must(w.hubs[system].UserRestore(contacts, id))
}

// live says that a record is there and not archived.
func (w *world) live(system, id string) bool {
	if system == erp {
		r, ok := w.erp.Get(partners, w.odooID(id))
		return ok && r["active"] != false
	}
	_, ok := w.hubs[system].Get(contacts, id)
	return ok
}

func (w *world) wantLive(system, id string, want bool) {
	w.t.Helper()
	if w.live(system, id) != want {
		w.t.Fatalf("%s %s is live: %v, want %v; waiting %+v\n%s", system, id, !want, want, w.waiting(), w.tail())
	}
}

// state gives a member as stored, by any record that the identity ever had.
func (w *world) stateOf(identity, system string) store.Member {
	w.t.Helper()
	i, err := w.store.Identity(w.t.Context(), identity)
	w.must(err)
	for _, m := range i.Members {
		if m.System == system {
			return m
		}
	}
	w.t.Fatalf("identity %s has no member in %s", identity, system)
	return store.Member{}
}

func (w *world) quiet() {
	w.t.Helper()
	if ws, ts := w.waiting(), w.trash(); len(ws)+len(ts) > 0 {
		w.t.Fatalf("waiting %+v, trash %+v\n%s", ws, ts, w.tail())
	}
}

// otherOf is the other of the two systems.
var otherOf = map[string]string{crm: erp, erp: crm}

// both runs a law from each system.
func both(t *testing.T, law func(t *testing.T, from, to string)) {
	for _, from := range []string{crm, erp} {
		t.Run("from "+from, func(t *testing.T) { law(t, from, otherOf[from]) })
	}
}

// pairOf makes a customer and gives its records in two systems.
func (w *world) pairOf(e *flows.Engine, from, to string) (a, b, identity string) {
	w.t.Helper()
	c, p := w.paired(e, from, 1)
	ids := map[string]string{crm: c, erp: p}
	return ids[from], ids[to], w.identity(crm, c).ID
}

func TestArchivedRecordTakesItsPartnerAlongAfterTheGrace(t *testing.T) {
	both(t, func(t *testing.T, from, to string) {
		w := newWorld(t)
		w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
		e := w.engine("a", nil)
		a, b, identity := w.pairOf(e, from, to)
		calls := w.counting()
		w.archive(from, a)
		began := w.clock.now()
		for w.live(to, b) && w.clock.now().Sub(began) < time.Hour {
			w.deliver()
			if _, err := w.drain(e); err != nil {
				t.Fatal(err)
			}
			w.clock.advance(time.Second)
		}
		if took := w.clock.now().Sub(began); took < grace || took > grace+time.Minute {
			t.Errorf("the partner was archived after %v, want the grace of %v", took, grace)
		}
		w.settle(e)
		t.Logf("calls %q", calls())
		w.quiet()
		for system, why := range map[string]string{from: "archived", to: "removed"} {
			if m := w.stateOf(identity, system); m.State != mapping.MemberGone || m.Why != why || m.Gone.IsZero() || m.Cause == "" || m.Removal != nil {
				t.Errorf("member in %s: %+v", system, m)
			}
		}
		ps, err := w.store.Pairs(t.Context(), store.PairQuery{SourceSystem: crm})
		w.must(err)
		if len(ps) != 1 || ps[0].Active || ps[0].InactiveAt.IsZero() || ps[0].InactiveWhy == "" || ps[0].InactiveCause == "" {
			t.Errorf("pairs %+v, want one that is inactive, with when, why and by what", ps)
		}
	})
}

func TestUnlinkedPartnerArchivesTheContact(t *testing.T) {
	w := newWorld(t)
	w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
	e := w.engine("a", nil)
	c, p := w.paired(e, crm, 1)
	w.person(erp, 2) // a canary
	w.settle(e)
	w.clock.advance(20 * time.Minute)
	identity := w.identity(crm, c).ID
	calls := w.counting()
	w.must(w.erp.UserUnlink(partners, w.odooID(p)))
	w.settle(e)
	t.Logf("calls %q", calls())
	w.wantLive(crm, c, false)
	if m := w.stateOf(identity, erp); m.State != mapping.MemberGone || m.Why != "deleted" || !strings.HasPrefix(m.Cause, store.CauseDeletion) {
		t.Errorf("member %+v", m)
	}
	w.quiet()
}

func TestDeletePolicyDeletes(t *testing.T) {
	w := newWorld(t)
	w.deletes(plan.RemovalDelete, plan.RemovalIgnore, plan.WinsUpdate)
	e := w.engine("a", nil)
	c, p := w.paired(e, crm, 1)
	w.archive(crm, c)
	w.settle(e)
	if _, there := w.erp.Get(partners, w.odooID(p)); there {
		t.Fatalf("partner %s is still there\n%s", p, w.tail())
	}
	var kept bool // nobody else has its values by now
	for _, h := range w.history(erp, p) {
		kept = kept || h.Action == "delete" && strings.Contains(string(h.Fields), "Lee1")
	}
	if !kept {
		t.Error("the history does not keep what was deleted")
	}
	w.quiet()
}

func TestIgnoredDeletionTouchesNothing(t *testing.T) {
	both(t, func(t *testing.T, from, to string) {
		w := newWorld(t)
		w.deletes(plan.RemovalIgnore, plan.RemovalIgnore, plan.WinsUpdate)
		e := w.engine("a", nil)
		a, b, identity := w.pairOf(e, from, to)
		w.archive(from, a)
		w.settle(e)
		w.wantLive(to, b, true)
		w.edit(to, b, map[string]string{"city": "Brno"})
		w.settle(e)
		w.wantLive(from, a, false)
		if n := len(w.births(from)); n != 1 {
			t.Errorf("%d records in %s: a deletion that is ignored was undone", n, from)
		}
		if m := w.stateOf(identity, from); m.State != mapping.MemberGone || w.stateOf(identity, to).State != mapping.MemberActive {
			t.Errorf("member %+v", m)
		}
		w.quiet()
	})
}

func TestUnpairedRecordGetsAPartnerAgainWhenItChanges(t *testing.T) {
	both(t, func(t *testing.T, from, to string) {
		w := newWorld(t)
		w.deletes(plan.RemovalUnpair, plan.RemovalUnpair, plan.WinsUpdate)
		e := w.engine("a", nil)
		a, b, _ := w.pairOf(e, from, to)
		w.archive(from, a)
		w.settle(e)
		if n := len(w.births(from)); n != 1 {
			t.Fatalf("%d records in %s before anybody edited anything", n, from)
		}
		w.clock.advance(20 * time.Minute)
		w.edit(to, b, map[string]string{"city": "Brno"})
		w.settle(e)
		partner := a // out of Odoo's archive, which keeps its external id
		if from == crm {
			if partner = w.births(crm)[len(w.births(crm))-1]; partner == a {
				t.Fatalf("no new partner\n%s", w.tail())
			}
		}
		w.wantLive(from, partner, true)
		if got := w.get(from, partner); got["city"] != "Brno" || w.pair(to, b, from) != partner {
			t.Errorf("the partner holds %v and is not paired", got)
		}
		w.quiet()
	})
}

func TestRestoredWithinTheGraceNothingHappened(t *testing.T) {
	both(t, func(t *testing.T, from, to string) {
		w := newWorld(t)
		w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
		e := w.engine("a", nil)
		a, b, identity := w.pairOf(e, from, to)
		w.archive(from, a)
		for range 60 {
			w.deliver()
			if _, err := w.drain(e); err != nil {
				t.Fatal(err)
			}
			w.clock.advance(time.Second)
		}
		if m := w.stateOf(identity, from); m.Missing.IsZero() || m.State != mapping.MemberActive || m.Why == "" {
			t.Fatalf("member %+v, want it missing\n%s", m, w.tail())
		}
		w.restore(from, a)
		w.settle(e)
		w.clock.advance(grace)
		w.settle(e)
		w.wantLive(to, b, true)
		if m := w.stateOf(identity, from); !m.Missing.IsZero() || m.Why+m.Cause != "" || m.State != mapping.MemberActive {
			t.Errorf("member %+v, want nothing left of it", m)
		}
		w.converged(1)
	})
}

func TestRestoredLaterTheSamePairIsBack(t *testing.T) {
	both(t, func(t *testing.T, from, to string) {
		w := newWorld(t)
		w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
		e := w.engine("a", nil)
		a, b, identity := w.pairOf(e, from, to)
		w.archive(from, a)
		w.settle(e)
		w.wantLive(to, b, false)
		w.clock.advance(time.Hour)
		calls := w.counting()
		w.restore(from, a)
		w.settle(e)
		t.Logf("calls %q", calls())
		w.wantLive(from, a, true)
		if to == erp { // Odoo takes out of the archive
			w.wantLive(to, b, true)
			w.converged(1)
		} else { // HubSpot cannot: it is made anew under the same claim
			if n := len(w.births(to)); n != 2 || w.pair(from, a, to) != w.births(to)[1] {
				t.Fatalf("records %v in %s\n%s", w.births(to), to, w.tail())
			}
		}
		if m := w.stateOf(identity, from); m.State != mapping.MemberActive || m.RecordID != a || m.Why != "" {
			t.Errorf("member %+v", m)
		}
		w.quiet()
	})
}

func TestWhatWeRemovedAndAPersonRestoresBringsThePairBack(t *testing.T) {
	w := newWorld(t)
	w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
	e := w.engine("a", nil)
	c, p, _ := w.pairOf(e, crm, erp)
	w.archive(crm, c)
	w.settle(e)
	w.clock.advance(time.Hour)
	w.restore(erp, p)
	w.settle(e)
	w.wantLive(erp, p, true)
	if got := w.births(crm); len(got) != 2 || w.pair(erp, p, crm) != got[1] {
		t.Fatalf("contacts %v\n%s", got, w.tail())
	}
	w.quiet()
}

func TestEditBeatsADeletion(t *testing.T) {
	both(t, func(t *testing.T, from, to string) {
		w := newWorld(t)
		w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
		e := w.engine("a", nil)
		a, b, _ := w.pairOf(e, from, to)
		w.archive(from, a)
		w.edit(to, b, map[string]string{"city": "Brno"})
		w.settle(e)
		w.wantLive(to, b, true)
		back := a
		if from == crm { // no way out of its bin by API: made anew
			if n := len(w.births(crm)); n != 2 {
				t.Fatalf("%d contacts\n%s", n, w.tail())
			}
			back = w.births(crm)[1]
		}
		w.wantLive(from, back, true)
		if got := w.get(from, back); got["city"] != "Brno" || w.pair(to, b, from) != back {
			t.Errorf("what came back holds %v", got)
		}
		w.quiet()
	})
}

func TestDeletionMayBeatAnEditWhichTheHistoryKeeps(t *testing.T) {
	both(t, func(t *testing.T, from, to string) {
		w := newWorld(t)
		w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsDelete)
		e := w.engine("a", nil)
		a, b, _ := w.pairOf(e, from, to)
		w.archive(from, a)
		w.edit(to, b, map[string]string{"city": "Brno"})
		w.settle(e)
		w.wantLive(to, b, false)
		kept := slices.ContainsFunc(w.history(to, b), func(h store.Entry) bool {
			return h.Action == "archive" && strings.Contains(string(h.Fields), "Brno")
		})
		if !kept {
			t.Errorf("history %+v", w.history(to, b))
		}
		w.quiet()
	})
}

func TestDeletionAndEditMayWaitForAPerson(t *testing.T) {
	w := newWorld(t)
	w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsAsk)
	e := w.engine("a", nil)
	c, p, _ := w.pairOf(e, crm, erp)
	w.archive(crm, c)
	w.edit(erp, p, map[string]string{"city": "Brno"})
	w.settle(e)
	w.wantLive(erp, p, true)
	if ws := w.waiting(); len(ws) == 0 || slices.ContainsFunc(ws, func(r store.WaitingRow) bool { return !strings.HasPrefix(r.Error, "deleted_and_edited") }) {
		t.Fatalf("waiting %+v", ws)
	}
	w.restore(crm, c) // the person decides
	w.settle(e)
	w.converged(1)
}

// The loser of a merge in Odoo is unlinked with no hint of merging (F41).
func TestMergedPartnerIsNotTakenForDeleted(t *testing.T) {
	w := newWorld(t)
	w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
	e := w.engine("a", nil)
	var cs, ps []string
	for n := range 2 {
		c, p := w.paired(e, crm, n+1)
		cs, ps = append(cs, c), append(ps, p)
	}
	w.must(w.erp.UserMerge(w.odooID(ps[0]), w.odooID(ps[1])))
	w.settle(e)
	w.clock.advance(time.Hour)
	w.hint(erp, ps[1])
	w.settle(e)
	for _, c := range cs {
		w.wantLive(crm, c, true)
	}
}

// Odoo keeps no trace of a merge of what was born there: deleted or merged, nobody
// can tell, so nothing follows (F41).
func TestPartnerBornInOdooThatIsGoneIsAPersonsQuestion(t *testing.T) {
	w := newWorld(t)
	w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
	e := w.engine("a", nil)
	p, c, _ := w.pairOf(e, erp, crm)
	w.person(erp, 2)
	w.settle(e)
	w.must(w.erp.UserUnlink(partners, w.odooID(p)))
	w.settle(e)
	w.clock.advance(time.Hour)
	w.settle(e)
	w.wantLive(crm, c, true)
	w.parkedAs("missing")
}

// Nobody said that it was deleted and the vendor cannot tell: that other records are
// shown proves nothing about this one (F37).
func TestHiddenRecordAmongOthersIsNoEvidence(t *testing.T) {
	w := newWorld(t)
	w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
	hidden := ""
	e := w.engine("a", nil, through(erp, &lens{
		read: func(s *connectors.Sighting) {
			if s.Asked == hidden {
				s.Sight = connectors.SightMissing
			}
		},
		locate: func(id string) (connectors.Location, bool) {
			return connectors.Location{Place: connectors.PlaceUnknown}, id == hidden
		},
	}))
	c, p, _ := w.pairOf(e, crm, erp)
	w.person(erp, 2)
	w.settle(e)
	hidden = p
	w.hint(erp, p)
	w.settle(e)
	w.clock.advance(time.Hour)
	w.settle(e)
	w.parkedAs("missing")
	w.wantLive(crm, c, true)
	if m := w.identity(crm, c).Members; !m[0].Missing.IsZero() || !m[1].Missing.IsZero() {
		t.Errorf("members %+v, want none missing", m)
	}
}

// A record that is only not shown is parked, as ever (F37).
func TestMissingRecordIsNoEvidence(t *testing.T) {
	w := newWorld(t)
	w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
	e := w.engine("a", nil)
	c, p, _ := w.pairOf(e, crm, erp)
	w.erp.Forbid(partners, "read") // a right was taken away
	w.hint(erp, p)
	w.hint(crm, c)
	for range 100 {
		w.deliver()
		if _, err := w.drain(e); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(30 * time.Second)
	}
	w.erp.Forbid(partners)
	w.wantLive(crm, c, true)
	if m := w.identity(crm, c).Members; !m[0].Missing.IsZero() || !m[1].Missing.IsZero() {
		t.Errorf("members %+v, want none missing", m)
	}
}

func TestMassDeleteIsHeldAndEverythingElseFlows(t *testing.T) {
	const n = 24
	w := newWorld(t)
	w.deletes(plan.RemovalArchive, plan.RemovalIgnore, plan.WinsUpdate)
	e := w.engine("a", nil)
	for i := range n + 1 {
		w.person(crm, i)
	}
	w.settle(e)
	w.clock.advance(20 * time.Minute)
	ids := w.births(crm)
	for _, id := range ids[:n] {
		w.archive(crm, id)
	}
	w.edit(crm, ids[n], map[string]string{"city": "Brno"})
	pass := func(d time.Duration) {
		t.Helper()
		for end := w.clock.now().Add(d); w.clock.now().Before(end); w.clock.advance(time.Second) {
			w.deliver()
			if _, err := w.drain(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	pass(30 * time.Minute)
	alive := 0
	for _, p := range w.births(erp) {
		if w.live(erp, p) {
			alive++
		}
	}
	if alive != n+1 {
		t.Fatalf("%d of %d partners are left under the breaker\n%s", alive, n+1, w.tail())
	}
	if got := w.get(erp, w.pair(crm, ids[n], erp)); got["city"] != "Brno" {
		t.Errorf("an edit does not flow: %v", got)
	}
	holds, err := w.store.Holds(t.Context())
	w.must(err)
	if len(holds) != 1 || holds[0].System != erp || holds[0].What != "deletes" || holds[0].Reason != "mass delete" {
		t.Fatalf("holds %+v", holds)
	}
	if ws := w.waiting(); len(ws) != n || ws[0].Parked || ws[0].Attempts != 0 || !strings.HasPrefix(ws[0].Error, "held: deletes in erp") {
		t.Fatalf("waiting %+v", ws)
	}
	w.must(w.store.ReleaseHold(t.Context(), erp, w.link.Name, "deletes", "mass delete", "test"))
	pass(10 * time.Minute)
	for _, p := range w.births(erp) {
		if w.live(erp, p) != (p == w.pair(crm, ids[n], erp)) {
			t.Fatalf("partner %s is live: %v after the release", p, w.live(erp, p))
		}
	}
	w.quiet()
}

func TestSweepFindsDeletionsThatNobodyTold(t *testing.T) {
	both(t, func(t *testing.T, from, to string) {
		w := newWorld(t)
		w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
		e := w.engine("a", nil)
		a, b, identity := w.pairOf(e, crm, erp)
		if from == erp { // made by us there, so that a merge would have left a trace
			a, b = b, a
		}
		w.person(from, 2)
		w.settle(e)
		w.must(e.SweepDeleted(t.Context(), from, objectOf(from)))
		w.settle(e)
		w.wantLive(to, b, true)
		w.clock.advance(20 * time.Minute)
		if from == erp {
			w.must(w.erp.UserUnlink(partners, w.odooID(a)))
		} else {
			w.archive(crm, a)
		}
		w.forget()
		calls := w.counting()
		w.must(e.SweepDeleted(t.Context(), from, objectOf(from)))
		w.settle(e)
		t.Logf("calls %q", calls())
		w.wantLive(to, b, false)
		if m := w.stateOf(identity, from); m.State != mapping.MemberGone || m.Cause == "" {
			t.Errorf("member %+v", m)
		}
		w.quiet()
	})
}

func TestEmptiedListingIsHeldUntilAPersonLetsItGo(t *testing.T) {
	w := newWorld(t)
	w.deletes(plan.RemovalIgnore, plan.RemovalArchive, plan.WinsUpdate)
	e := w.engine("a", nil)
	for i := range 3 {
		w.person(crm, i)
	}
	w.settle(e)
	w.must(e.SweepDeleted(t.Context(), erp, partners))
	w.clock.advance(20 * time.Minute)
	for _, p := range w.births(erp) {
		w.must(w.erp.UserUnlink(partners, w.odooID(p)))
	}
	w.forget()
	w.must(e.SweepDeleted(t.Context(), erp, partners))
	w.settle(e)
	holds, err := w.store.Holds(t.Context())
	w.must(err)
	if len(holds) != 1 || holds[0].System != crm || holds[0].Reason != "emptied listing" {
		t.Fatalf("holds %+v\n%s", holds, w.tail())
	}
	if q := w.queues(); len(q) > 0 {
		t.Fatalf("queued %+v: nothing is looked for before a person has looked", q)
	}
	w.must(w.store.ReleaseHold(t.Context(), crm, w.link.Name, "deletes", "emptied listing", "test"))
	w.must(e.SweepDeleted(t.Context(), erp, partners))
	w.clock.advance(time.Second)
	w.settle(e)
	for _, c := range w.births(crm) { // no record is left that could be a canary: no evidence
		w.wantLive(crm, c, true)
	}
}

// removalScenes are removals and what follows, with a grace that ends while they are
// watched. One more customer is the canary.
func removalScenes() []scene {
	begin := func(w *world, e *flows.Engine, wins plan.Wins) (c, p string) {
		w.deletes(plan.RemovalArchive, plan.RemovalArchive, wins)
		w.link.Delete.Grace = 5 * time.Second
		w.person(erp, 2)
		return w.paired(e, crm, 1)
	}
	first := func(w *world, system string) string { // the record of the first customer
		return w.births(system)[map[string]int{crm: 0, erp: 1}[system]]
	}
	both := func(w *world, crmLive, erpLive bool) {
		w.wantLive(erp, w.births(erp)[0], true)
		for system, want := range map[string]bool{crm: crmLive, erp: erpLive} {
			live := 0
			for _, id := range w.births(system) {
				if w.live(system, id) {
					live++
				}
			}
			if want := map[bool]int{false: 1, true: 2}[want]; live != want {
				w.t.Errorf("%d records are live in %s, want %d; waiting %+v\n%s", live, system, want, w.waiting(), w.tail())
			}
		}
		w.quiet()
	}
	return []scene{
		{"archived in the CRM", func(w *world, e *flows.Engine) {
			c, _ := begin(w, e, plan.WinsUpdate)
			w.archive(crm, c)
		}, func(w *world) { both(w, false, false) }, false},
		{"unlinked in the ERP", func(w *world, e *flows.Engine) {
			_, p := begin(w, e, plan.WinsUpdate)
			w.must(w.erp.UserUnlink(partners, w.odooID(p)))
		}, func(w *world) { both(w, false, false) }, false},
		{"archived in the CRM and edited in the ERP", func(w *world, e *flows.Engine) {
			c, p := begin(w, e, plan.WinsUpdate)
			w.archive(crm, c)
			w.edit(erp, p, map[string]string{"city": "Brno"})
		}, func(w *world) {
			both(w, true, true)
			if got := w.get(crm, w.pair(erp, first(w, erp), crm)); got["city"] != "Brno" {
				w.t.Errorf("the edit is lost: %v", got)
			}
		}, false},
		{"archived in the ERP and edited in the CRM", func(w *world, e *flows.Engine) {
			c, p := begin(w, e, plan.WinsUpdate)
			w.archive(erp, p)
			w.edit(crm, c, map[string]string{"city": "Brno"})
		}, func(w *world) {
			both(w, true, true)
			if got := w.get(erp, first(w, erp)); got["city"] != "Brno" || len(w.births(erp)) != 2 {
				w.t.Errorf("the edit is lost: %v", got)
			}
		}, false},
		{"restored in the CRM", func(w *world, e *flows.Engine) {
			c, _ := begin(w, e, plan.WinsUpdate)
			w.archive(crm, c)
			w.settle(e)
			w.clock.advance(time.Hour)
			w.restore(crm, c)
		}, func(w *world) {
			both(w, true, true)
			if len(w.births(crm)) != 2 || len(w.births(erp)) != 2 {
				w.t.Errorf("births %v %v", w.births(crm), w.births(erp))
			}
		}, false},
	}
}

// Each step of a removal, and of what follows, fails or is the last one in turn.
func TestRemovalSurvivesEveryStep(t *testing.T) {
	for _, sc := range removalScenes() {
		for _, how := range []trouble{crashBefore, crashAfter} {
			t.Run(fmt.Sprintf("%s/%v", sc.name, how), func(t *testing.T) {
				for k := 1; ; k++ {
					ran := false
					t.Run(fmt.Sprintf("step %02d", k), func(t *testing.T) { ran = spoil(t, sc, how, k) })
					if !ran || t.Failed() {
						return
					}
				}
			})
		}
	}
}

// Of three systems, what went in one goes in both others, and comes back in both.
func TestThreeSystemsGoAndComeBackTogether(t *testing.T) {
	w := newWorld(t, func(w *world) { w.hubs[crm2] = w.newHub(crm2, 2) })
	w.link = w.customers(crm, crm2, erp)
	w.links = []*flows.Link{w.link}
	w.deletes(plan.RemovalArchive, plan.RemovalArchive, plan.WinsUpdate)
	e := w.engine("a", nil)
	w.person(erp, 1)
	w.settle(e)
	w.clock.advance(20 * time.Minute)
	p := w.births(erp)[0]
	w.archive(erp, p)
	w.settle(e)
	for _, s := range []string{crm, crm2} {
		w.wantLive(s, w.births(s)[0], false)
	}
	w.quiet()
	w.clock.advance(time.Hour)
	w.restore(erp, p)
	w.settle(e)
	for _, s := range []string{crm, crm2} {
		if n := len(w.births(s)); n != 2 || w.pair(erp, p, s) != w.births(s)[1] {
			t.Errorf("%s has %d records\n%s", s, n, w.tail())
		}
	}
	w.quiet()
}

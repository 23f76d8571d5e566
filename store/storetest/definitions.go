package storetest

import (
	"encoding/json"
	"errors"
	"time"

	"syncd/store"
)

// definitionLaws say what is kept of definitions, schemas and runs.
var definitionLaws = []law{
	{"AColumnIsTakenUpOnceAndCountedWhenItComesBack", columnIsCounted},
	{"ADescriptionIsTheNewest", descriptionIsTheNewest},
	{"DefinitionsAreInForceOnceAndRememberThoseBefore", definitionsInForce},
	{"APlanIsAppliedOnceAndUnderItsConfiguration", planIsAppliedOnce},
	{"ARunsRecordsAreEnqueuedOnce", runIsEnqueuedOnce},
	{"SuspendedPairsAreWokenByOneRecordEach", suspendedAreWoken},
	{"AReplicaIsListedWithWhatItRuns", replicaIsListed},
	{"IdentitiesAreGoneThroughByPages", identitiesByPages},
}

func columnIsCounted(e *env) {
	c := store.LinkColumn{Link: link, System: crm, Object: contacts, Field: "email", Type: "text"}
	changed := c
	changed.Type, changed.ReadOnly = "number", true
	gone := c
	gone.Gone = true
	e.ok(e.KeepColumns(e.ctx, []store.LinkColumn{c}))
	e.ok(e.KeepColumns(e.ctx, []store.LinkColumn{changed}))
	want := c
	check := func(what string) {
		e.t.Helper()
		got, err := e.Columns(e.ctx)
		e.ok(err)
		e.equal(what, got, []store.LinkColumn{want})
	}
	check("a column that is another one by now")
	want.Gone = true
	for range 2 { // two replicas
		e.ok(e.KeepColumns(e.ctx, []store.LinkColumn{gone}))
	}
	check("a column that is missing")
	want.Gone, want.TimesGone = false, 1
	for range 2 {
		e.ok(e.KeepColumns(e.ctx, []store.LinkColumn{c}))
	}
	check("a column that is back")
	done, err := e.PutInForce(e.ctx, store.InForce{Link: link, Columns: []store.LinkColumn{changed}, Audit: auditLine})
	e.ok(err)
	e.equal("taken up anew", done, true)
	want.Type, want.ReadOnly = "number", true
	check("a column that was taken up anew")
}

func descriptionIsTheNewest(e *env) {
	for _, fp := range []string{"one", "two"} {
		e.ok(e.Describe(e.ctx, []store.Description{{System: erp, Object: partners, Fingerprint: "same"}, {System: crm, Object: contacts, Fingerprint: fp}}))
	}
	got, err := e.Described(e.ctx)
	e.ok(err)
	for i := range got {
		if got[i].At.IsZero() {
			e.t.Fatal("a description without a time")
		}
		got[i].At = time.Time{}
	}
	e.equal("descriptions", got, []store.Description{{System: crm, Object: contacts, Fingerprint: "two"}, {System: erp, Object: partners, Fingerprint: "same"}})
}

var auditLine = store.Audit{Actor: "jana", Via: "cli", Action: "definitions.apply", Target: "link " + link}

// inForce gives the definitions of the link, row → revision and those before.
func (e *env) inForce() map[string][]string {
	e.t.Helper()
	ds, err := e.Definitions(e.ctx)
	e.ok(err)
	out := map[string][]string{}
	for _, d := range ds {
		if d.Link != link || d.AppliedAt.IsZero() || d.AppliedBy != auditLine.Actor {
			e.t.Fatalf("definition %+v", d)
		}
		out[d.Field] = append([]string{d.Rev}, d.Superseded...)
	}
	return out
}

func definitionsInForce(e *env) {
	put := func(first bool, revs map[string]string) bool {
		done, err := e.PutInForce(e.ctx, store.InForce{Link: link, Revs: revs, First: first, Audit: auditLine})
		e.ok(err)
		return done
	}
	e.equal("the first time", put(true, map[string]string{"email": "a", "phone": "p"}), true)
	e.equal("the first time again", put(true, map[string]string{"email": "b"}), false)
	e.equal("in force", e.inForce(), map[string][]string{"email": {"a"}, "phone": {"p"}})
	put(false, map[string]string{"email": "b", "phone": "p"})
	put(false, map[string]string{"email": "c"})
	e.equal("after two changes", e.inForce(), map[string][]string{"email": {"c", "a", "b"}, "phone": {"p"}})
	put(false, map[string]string{"email": "a"})
	e.equal("after going back", e.inForce(), map[string][]string{"email": {"a", "b", "c"}, "phone": {"p"}})
	lines, err := e.Audits(e.ctx, 10)
	e.ok(err)
	e.equal("lines of audit", len(lines), 4)
}

func planIsAppliedOnce(e *env) {
	id, err := e.NewRun(e.ctx, store.Run{Kind: "definitions", Link: link, ConfigRev: "c1", CreatedBy: "jana"})
	e.ok(err)
	apply := func(rev string) error {
		_, err := e.PutInForce(e.ctx, store.InForce{Link: link, Revs: map[string]string{"email": "new"}, RunID: id, ConfigRev: rev, Audit: auditLine})
		return err
	}
	stale := func(what string, err error) {
		e.t.Helper()
		if !errors.Is(err, store.ErrStale) {
			e.t.Fatalf("%s: %v, want ErrStale", what, err)
		}
	}
	stale("a run that is not planned yet", apply("c1"))
	e.ok(e.EndRun(e.ctx, store.Run{ID: id, State: store.RunPlanned, Report: json.RawMessage(`{"equal":1}`)}))
	stale("another configuration", apply("c2"))
	e.equal("in force before", len(e.inForce()), 0)
	e.ok(apply("c1"))
	stale("applied before", apply("c1"))
	runs, err := e.Runs(e.ctx, id, store.RunApplying, 1)
	e.ok(err)
	if len(runs) != 1 || runs[0].AppliedBy != "jana" || runs[0].AppliedAt.IsZero() || runs[0].Link != link || runs[0].CreatedBy != "jana" {
		e.t.Fatalf("runs %+v", runs)
	}
	e.json("report", runs[0].Report, `{"equal":1}`)
}

func runIsEnqueuedOnce(e *env) {
	id, err := e.NewRun(e.ctx, store.Run{Kind: "definitions", Link: link, ConfigRev: "c1", CreatedBy: "jana"})
	e.ok(err)
	rows := []store.RunRow{{N: 1, System: crm, Object: contacts, RecordID: "A", Class: "update"}, {N: 2, System: crm, Object: contacts, RecordID: "B", Class: "ask"}, {N: 3, System: crm, Object: contacts, RecordID: "C", Class: "update"}}
	e.ok(e.AddRunRows(e.ctx, id, rows))
	e.ok(e.AddRunRows(e.ctx, id, rows)) // repeated: its answer was lost
	for _, want := range []int{2, 1, 0} {
		n, err := e.EnqueueRun(e.ctx, id, 2, store.LaneBackfill, "definitions")
		e.ok(err)
		e.equal("enqueued", n, want)
	}
	e.same("claimed", recordsOf(e.claimFrom(crm, contacts, store.LaneBackfill, w1, 10, long)), []string{"A", "B", "C"})
}

func suspendedAreWoken(e *env) {
	for n, state := range []string{"suspended", "conflict", "suspended"} {
		e.pair(n + 1)
		got, _, err := e.Lease(e.ctx, []string{id(n + 1)}, w1, long)
		e.ok(err)
		row := "phone"
		if n == 2 {
			row = "email"
		}
		e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: id(n + 1), Epoch: got[0].Epoch}, Link: link,
			Members: []store.MemberUpdate{{System: crm, Fields: map[string]store.FieldState{row: {State: state}}}}}}})
	}
	e.pair(4) // its other side waits: that is the one to look at
	got, _, err := e.Lease(e.ctx, []string{id(4)}, w1, long)
	e.ok(err)
	e.persist(store.Persist{Identities: []store.IdentityUpdate{{LeaseRef: store.LeaseRef{ID: id(4), Epoch: got[0].Epoch}, Link: link,
		Members: []store.MemberUpdate{{System: erp, Fields: map[string]store.FieldState{"phone": {State: "suspended"}}}}}}})
	n, err := e.WakeSuspended(e.ctx, link, []string{"phone"}, []string{crm, erp}, store.LaneBackfill, "schema")
	e.ok(err)
	e.equal("woken", n, 2)
	e.same("claimed", recordsOf(e.claimFrom(crm, contacts, store.LaneBackfill, w1, 10, long)), []string{"C1"})
	e.same("claimed", recordsOf(e.claimFrom(erp, partners, store.LaneBackfill, w1, 10, long)), []string{"E4"})
}

func identitiesByPages(e *env) {
	for n := range 3 {
		e.pair(n + 1)
	}
	var met []string
	for after := ""; ; {
		page, err := e.Identities(e.ctx, link, after, 2)
		e.ok(err)
		if len(page) == 0 {
			break
		}
		for _, i := range page {
			if len(i.Members) != 2 || i.Epoch != 0 {
				e.t.Fatalf("identity %+v", i)
			}
			met = append(met, i.ID)
		}
		after = page[len(page)-1].ID
	}
	e.equal("identities", met, []string{id(1), id(2), id(3)})
	none, err := e.Identities(e.ctx, "another link", "", 10)
	e.ok(err)
	e.equal("of another link", len(none), 0)
}

func replicaIsListed(e *env) {
	e.ok(e.Beat(e.ctx, store.Replica{Name: "a", Version: "1", ConfigRev: "old"}))
	e.ok(e.Beat(e.ctx, store.Replica{Name: "b", Version: "1", ConfigRev: "old"}))
	e.pass(2 * old)
	e.ok(e.Beat(e.ctx, store.Replica{Name: "a", Version: "2", ConfigRev: "new"}))
	got, err := e.Replicas(e.ctx, old)
	e.ok(err)
	if len(got) != 1 || got[0].StartedAt.IsZero() || !got[0].SeenAt.After(got[0].StartedAt) {
		e.t.Fatalf("replicas %+v, want one", got)
	}
	e.equal("replica", got[0].Name+got[0].Version+got[0].ConfigRev, "a2new")
	all, err := e.Replicas(e.ctx, time.Hour)
	e.ok(err)
	e.equal("replicas of the last hour", len(all), 2)
}

package storetest

import (
	"encoding/json"
	"time"

	"syncd/store"
)

// auditLaws say how it is kept who did what.
var auditLaws = []law{
	{"AuditTellsWhoDidWhatNewestFirst", auditTellsWhoDidWhat},
}

func auditTellsWhoDidWhat(e *env) {
	first := store.Audit{Actor: "jana", Via: "cli", Action: "mapping.pair", Target: "crm:contacts:1", Reason: "same person",
		Before: json.RawMessage(`{"state":"free"}`), After: json.RawMessage(`{"identity":"x"}`)}
	second := store.Audit{Actor: "config", Via: "config", Action: "definitions.applied", Target: "link customers"}
	e.ok(e.Audit(e.ctx, first))
	e.ok(e.Audit(e.ctx, second, first))
	got, err := e.Audits(e.ctx, 2)
	e.ok(err)
	if len(got) != 2 || got[0].At.IsZero() || got[0].ID <= got[1].ID {
		e.t.Fatalf("audits %+v, want the two newest, newest first", got)
	}
	for i, want := range []store.Audit{first, second} {
		got[i].ID, got[i].At = 0, time.Time{}
		e.equal("line", got[i], want)
	}
}

package main

// updates are the bugs of TESTING's list about bringing a change across.
var updates = []mutant{
	{
		name:   "single base",
		breaks: "every side is compared with its own base (CORRECTNESS 0.1.3, F26)",
		edits:  []edit{{"flows/plan/bundle.go", "p, settled := partOf(rules, r, s)", "one := *s\n\t\t\tone.Base = sides[0].Base\n\t\t\tp, settled := partOf(rules, r, &one)"}},
		tests:  []string{"./flows/plan -run TestVendorsOwnFormIsTheBaseOfItsSide|TestDecisionTable"},
	},
	{
		name:   "sticky tag",
		breaks: "a tag on a record says nothing about who made its newest change (CORRECTNESS 0.1.2)",
		edits:  []edit{{"flows/batch.go", "if plan.Quiet(u.link.Rules, m.side, u.sides()) {", "if plan.Quiet(u.link.Rules, m.side, u.sides()) || m.side.Fixed[fixedToken] == u.token {"}},
		tests:  []string{"./flows -run TestMatchKeysFollowAnEmailChange"},
	},
	{
		name:   "absent = null",
		breaks: "a row that an answer does not show says nothing (CORRECTNESS F66)",
		edits:  []edit{{"flows/plan/bundle.go", "if !shown {\n\t\treturn part{}, false", "if !shown && n != \"\" {\n\t\treturn part{}, false"}},
		tests:  []string{"./flows/plan -run TestDecisionTable"},
	},
	{
		name:   "ledger off",
		breaks: "a value of ours that lands late is no edit (CORRECTNESS F32)",
		edits:  []edit{{"flows/unit.go", "if len(m.ledger.V) == 0 {", "if len(m.ledger.V) >= 0 {"}},
		tests:  []string{"./flows -run TestLateWriteIsNotTakenForAnEdit"},
	},
	{
		name:   "hop budget off",
		breaks: "two automations that undo each other come to an end (CORRECTNESS F27)",
		edits:  []edit{{"flows/plan/hops.go", "const mostReversals = 2", "const mostReversals = 1 << 30"}},
		tests:  []string{"./flows/plan -run TestRowThatKeepsTurningIsFrozenUntilItsSidesAreEqual", "./flows -run TestTwoFightingAutomationsAreFrozen"},
	},
	{
		name:   "NOTIFY only",
		breaks: "what nobody was woken for is found by asking (CORRECTNESS section 4)",
		edits:  []edit{{"flows/runner.go", "case <-e.wake:\n\t\tcase <-ticker.C:\n", "case <-e.wake:\n"}},
		tests:  []string{"./flows -run TestQueueIsAskedThoughNobodyWakesIt"},
	},
	{
		name:   "watermark without overlap",
		breaks: "a change that becomes visible with an older time is found (CORRECTNESS F62)",
		edits:  []edit{{"flows/sweep.go", "pos.High.Add(-e.object(p).Overlap)", "pos.High"}},
		tests:  []string{"./flows -run TestSweepFindsWhatBecameVisibleWithAnOlderTime"},
	},
	{
		name:   "heartbeat from a free goroutine",
		breaks: "a heartbeat proves progress, not life (CORRECTNESS section 4)",
		edits:  []edit{{"flows/heartbeat.go", "stuck := h.engine.Now().Sub(h.moved) > h.engine.Lease/2", "stuck := h.engine.Now().Before(h.moved)"}},
		tests:  []string{"./flows -run TestHungBatchLosesItsLease"},
	},
	{
		name:   "trash on first error",
		breaks: "a record is given up on after a dozen tries (CORRECTNESS 3.4)",
		edits:  []edit{{"flows/batch.go", "const attemptCap = 12", "const attemptCap = 1"}},
		tests:  []string{"./flows -run TestRecordThatFailsElevenTimesStillGoesThrough"},
	},
	{
		name:    "token refresh unlocked",
		breaks:  "one replica at a time does what only one may do (CORRECTNESS F68)",
		instead: "no system has rotating credentials yet; mutated: the other lease of that kind, that of a sweep's cursor, is given to everybody",
		edits:   []edit{{"store/sqlite/sweep.go", "AND (owner IS NULL OR owner=?5 OR lease_until < ?6) RETURNING", "AND ?6>0 RETURNING"}},
		tests:   []string{"./store/sqlite -run TestContract/SweepCursorIsFenced"},
	},
	{
		name:   "group merge off",
		breaks: "rows of a group merge as one value (CORRECTNESS F33)",
		edits:  []edit{{"flows/plan/bundle.go", "case r.Group == \"\":", "case r.Group == \"\" || i >= 0:"}},
		tests:  []string{"./flows/plan -run TestGroupComesWholeFromOneSide"},
	},
}

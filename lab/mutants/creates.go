package main

// creates are the bugs of TESTING's list about bringing a record into being.
var creates = []mutant{
	{
		name:   "sent_at not committed",
		breaks: "a send is on record before the wire (CORRECTNESS 3.5, 2 INTENT; F1, F2)",
		edits:  []edit{{"store/sqlite/update.go", "SET sent_at=?9, sends", "SET sent_at=CASE WHEN ?9<0 THEN ?9 END, sends"}},
		tests:  []string{"./store/sqlite -run TestContract/SendMovesOnce"},
	},
	{
		name:   "POST-then-persist",
		breaks: "claim, then call, then bind (CORRECTNESS 3.1 rule 3)",
		edits: []edit{
			{"flows/create.go", "part = b.intendCreates(ctx, at, part); len(part) == 0", "len(part) == 0"},
			{"flows/create.go", "b.created(ctx, at, part, b.call(ctx, at, connectors.Create, writes))",
				"results := b.call(ctx, at, connectors.Create, writes)\n\t\tpart = b.intendCreates(ctx, at, part)\n\t\tb.created(ctx, at, part, results)"},
		},
		tests: []string{"./flows -run TestIntentIsOnRecordBeforeItsWriteGoesOut"},
	},
	{
		name:   "search without settle",
		breaks: "nothing is concluded from a look-up before settle and index lag are over (CORRECTNESS 3.5, F7, F9)",
		edits:  []edit{{"flows/match.go", "Add(obj.Settle + obj.IndexLag)", "Add(0)"}},
		tests:  []string{"./flows -run TestUncertainCreateIsNotLookedUpBeforeItSettled"},
	},
	{
		name:   "bind fenced",
		breaks: "whoever learns a true record id records it (CORRECTNESS 3.5)",
		edits: []edit{{"store/sqlite/update.go", "record_id IS NULL AND state IN ('creating','uncertain','parked')\n  AND NOT EXISTS",
			"record_id IS NULL AND state IN ('creating','uncertain','parked')\n  AND EXISTS (SELECT 1 FROM identity i WHERE i.identity_id=?1 AND i.epoch=member.sent_epoch)\n  AND NOT EXISTS"}},
		tests: []string{"./store/sqlite -run TestContract/BindIsUnfenced"},
	},
	{
		name:   "random token",
		breaks: "a token is a function of the source record and the install key (CORRECTNESS 3.2, F47)",
		edits: []edit{
			{"mapping/token.go", "func (k *Keyring) IdentityID(o Origin) string {", "var dice int64\n\nfunc (k *Keyring) IdentityID(o Origin) string {\n\tdice++"},
			{"mapping/token.go", "o.Born.UnixMilli(), 10", "o.Born.UnixMilli()+dice, 10"},
		},
		tests: []string{"./mapping -run TestSameRecordMakesTheSameTokenAfterAmnesia"},
	},
	{
		name:   "match key per system",
		breaks: "two systems that create the same person meet at one key (CORRECTNESS 3.2 match_key, F6)",
		edits:  []edit{{"store/sqlite/create.go", "WHERE k.link=?1 AND k.kind=?2 AND k.value=?3`", "WHERE k.link=?1 AND k.kind=?2 AND k.value=?3 AND k.system=?4`"}},
		tests:  []string{"./store/sqlite -run TestContract/SameKeyJoinsWhereTheSystemIsMissing"},
	},
	{
		name:   "birth ignored",
		breaks: "a record with the id of a paired one and another birth is another record (CORRECTNESS F42)",
		edits:  []edit{{"flows/read.go", `birthText(rec.Born) != m.stored.Birth {`, `birthText(rec.Born) == "" {`}},
		tests:  []string{"./flows -run TestRecordThatGotAPairedOnesIdIsParked"},
	},
	{
		name:   "returned id ignored",
		breaks: "an answer with another id than the asked one is a merge (CORRECTNESS F40)",
		edits:  []edit{{"flows/read.go", "if s.Record.ID != r.work.RecordID {", `if s.Record.ID == "" {`}},
		tests:  []string{"./flows -run TestSurvivorOfAMergeIsNotTakenForTheMember"},
	},
	{
		name:   "returned id ignored, on the other side",
		breaks: "an answer with another id than the asked one is a merge (CORRECTNESS F40)",
		edits: []edit{
			{"flows/read.go", "s.Sight == connectors.SightFound && s.Record.ID == m.stored.RecordID:", "s.Sight == connectors.SightFound:"},
			{"flows/read.go", "case s.Sight == connectors.SightFound:\n\t\tb.moved", "case s.Sight == connectors.Sight(\"\"):\n\t\tb.moved"},
		},
		tests: []string{"./flows -run TestSurvivorOfAMergeIsNotTakenForTheMember"},
	},
	{
		name:   "nobody is told of a moved record's id",
		breaks: "inverse ids are written anew on both sides after a merge (CORRECTNESS F40)",
		edits:  []edit{{"flows/merge.go", "o.owed = map[string]plan.IntentEntry", "_ = map[string]plan.IntentEntry"}},
		tests:  []string{"./flows -run TestMergeOfTwoPairedContacts"},
	},
	{
		name:   "a merge's orphan goes unseen",
		breaks: "the loser's other records wait for a decision (CORRECTNESS 3.8)",
		edits:  []edit{{"flows/merge.go", "b.lead(place{m.stored.System, m.stored.Object}, m.stored.RecordID, causeOrphan)", "_ = causeOrphan"}},
		tests:  []string{"./flows -run TestMergeOfTwoPairedContacts"},
	},
	{
		name:   "the list of merged ids ignored",
		breaks: "a record that others went into is not a new customer (CORRECTNESS F40)",
		edits:  []edit{{"flows/merge.go", "if len(rec.Merged) == 0 {", "if len(rec.Merged) >= 0 {"}},
		tests:  []string{"./flows -run TestTheListOfMergedIDsIsEnough"},
	},
	{
		name:   "tombstones not asked for",
		breaks: "an erased record is never paired or created again (CORRECTNESS F44)",
		edits: []edit{
			{"flows/erase.go", "r.finish == nil && r.unit == nil && r.work.Erase == \"\"", "r.finish == nil && r.unit == nil && r.work.Erase == \"never\""},
			{"flows/strangers.go", "case store.VerdictErased:", "case store.Verdict(\"never\"):"},
		},
		tests: []string{"./flows -run TestAnErasedPersonIsNeverBroughtBack"},
	},
	{
		name:   "merge's deletion obeyed",
		breaks: "a record that went into another is merged, not deleted (CORRECTNESS F41)",
		edits: []edit{{"flows/gone.go", "if b.relocated(ctx, u, m, at) {", "if at.Place == \"?\" && b.relocated(ctx, u, m, at) {"},
			{"flows/gone.go", "case connectors.PlaceDeleted: //", "case connectors.PlaceDeleted, connectors.PlaceMerged: //"}},
		tests: []string{"./flows -run TestMergedPartnerIsNotTakenForDeleted"},
	},
	{
		name:   "404 = deleted",
		breaks: "absence is no evidence of a deletion (CORRECTNESS F37)",
		edits:  []edit{{"flows/gone.go", "case told != store.CauseDeletion && told != store.CauseUnlisted:", "case told == \"?\":"}},
		tests:  []string{"./flows -run TestHiddenRecordAmongOthersIsNoEvidence"},
	},
	{
		name:   "deletes without breaker",
		breaks: "a mass of losses stops for a person (CORRECTNESS F38)",
		edits:  []edit{{"flows/gone.go", "u.link.Delete.removes(u.lostIn()) {\n\t\t\tb.breaker", "u.epoch < 0 {\n\t\t\tb.breaker"}},
		tests:  []string{"./flows -run TestMassDeleteIsHeldAndEverythingElseFlows"},
	},
}

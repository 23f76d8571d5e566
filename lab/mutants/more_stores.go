package main

// moreOfStores are bugs of our own in the two stores.
var moreOfStores = []mutant{
	{
		name:   "hold not checked",
		breaks: "holds are checked in the intent statement (CORRECTNESS W11)",
		edits:  []edit{{"store/sqlite/update.go", "AND h.what IN ('all','writes','creates'))`", "AND h.what IN ('all','writes'))`"}},
		tests:  []string{"./store/sqlite -run TestContract/HoldStopsIntents"},
	},
	{
		name:   "another's send taken back",
		breaks: "a definite failure takes back its own send and no other (CORRECTNESS 3.5)",
		edits:  []edit{{"store/sqlite/update.go", "SET sent_at=NULL WHERE identity_id=?1 AND system=?2 AND sends=?3", "SET sent_at=NULL WHERE identity_id=?1 AND system=?2 AND sends>=?3"}},
		tests:  []string{"./store/sqlite -run TestContract/TakeBackOnlyItsOwnSend"},
	},
	{
		name:   "hint cuts a lease short",
		breaks: "a hint never shortens a lease (CORRECTNESS 3.3)",
		edits:  []edit{{"store/sqlite/queue.go", "WHEN w.owner IS NOT NULL OR w.attempts>0 OR w.batch_cap IS NOT NULL THEN", "WHEN w.attempts>0 THEN"}},
		tests:  []string{"./store/sqlite -run TestContract/HintNeverShortensALeaseOfABatch"},
	},
	{
		name:   "hint cuts a back-off short",
		breaks: "a noisy record does not out-run its own back-off (CORRECTNESS 3.3)",
		edits:  []edit{{"store/sqlite/queue.go", "WHEN w.owner IS NOT NULL OR w.attempts>0 OR", "WHEN w.owner IS NOT NULL OR"}},
		tests:  []string{"./store/sqlite -run TestContract/HintNeverShortensABackOff"},
	},
	{
		name:   "hint while running dropped",
		breaks: "a hint that comes while its record is worked on makes it run again (CORRECTNESS 3.3)",
		edits:  []edit{{"store/sqlite/finish.go", "+ mine + ` AND gen=claimed_gen RETURNING attempts`", "+ mine + ` RETURNING attempts`"}},
		tests:  []string{"./store/sqlite -run TestContract/HintWhileRunningRunsAgain"},
	},
	{
		name:   "own mark trusted over an open intent",
		breaks: "our own echo is read where it has something to confirm (CORRECTNESS F25)",
		edits:  []edit{{"store/sqlite/queue.go", "AND m.state='active' AND m.intent IS NULL)", "AND m.state='active')"}},
		tests:  []string{"./store/sqlite -run TestContract/OwnHintIsKeptWhereItMatters"},
	},
	{
		name:   "hint without a version forgets the promised one",
		breaks: "the newest promised version is kept (CORRECTNESS F21, 3.10)",
		edits:  []edit{{"store/sqlite/queue.go", "hint_ver=COALESCE(max(w.hint_ver,excluded.hint_ver), w.hint_ver, excluded.hint_ver)", "hint_ver=max(w.hint_ver,excluded.hint_ver)"}},
		tests:  []string{"./store/sqlite -run TestContract/UnknownVersionKeepsHintVersion"},
	},
	{
		name:   "owner not part of the fence",
		breaks: "a persist that is repeated is a no-op (CORRECTNESS 3.7)",
		edits:  []edit{{"store/sqlite/persist.go", "lease_until=NULL WHERE identity_id=?1 AND epoch=?2 AND lease_owner=?3`\n\n// sqlMemberEnd", "lease_until=NULL WHERE identity_id=?1 AND epoch=?2 AND ?3=?3`\n\n// sqlMemberEnd"}},
		tests:  []string{"./store/sqlite -run TestContract/PersistTwiceIsOnce"},
	},
	{
		name:   "intent without a fence",
		breaks: "a worker that lost its lease sends nothing (CORRECTNESS 3.1 rule 6)",
		edits:  []edit{{"store/sqlite/update.go", "WHERE identity_id=?1 AND system=?5 AND state='active'\n  AND EXISTS (SELECT 1 FROM identity i WHERE i.identity_id=?1 AND i.epoch=?2 AND i.lease_owner=?3)", "WHERE identity_id=?1 AND system=?5 AND state='active' AND ?2=?2 AND ?3=?3"}},
		tests:  []string{"./store/sqlite -run TestContract/IntentNeedsFence"},
	},
	{
		name:   "bind steals a record",
		breaks: "a record belongs to at most one identity (DESIGN 5)",
		edits:  []edit{{"store/sqlite/update.go", "AND o.record_id=?3\n                  AND o.state IN ('active','quarantined'))`\n\n// Bind", "AND o.record_id=?3\n                  AND o.state IN ('quarantined'))`\n\n// Bind"}},
		tests:  []string{"./store/sqlite -run TestContract/BindNeverStealsARecord"},
	},
	{
		name:   "clock goes back",
		breaks: "the database's clock only moves forward (CORRECTNESS 3.10)",
		edits:  []edit{{"store/sqlite/tx.go", "if now <= last {\n\t\t\treturn last", "if now <= last {\n\t\t\treturn now"}},
		tests:  []string{"./store/sqlite -run TestClockNeverGoesBack"},
	},
	{
		name:   "epoch + 1, PostgreSQL",
		breaks: "epochs come from one sequence for all rows (CORRECTNESS 3.3, the first trap)",
		edits:  []edit{{"store/postgres/claim.go", "SET owner=$5, epoch=nextval('fence'), claimed_gen", "SET owner=$5, epoch=w.epoch+1, claimed_gen"}},
		tests:  []string{"./store/postgres -run TestConformance/FinishedRowStartsWithANewFence"},
	},
	{
		name:   "lease without the revision",
		breaks: "a lease comes with the newest base (CORRECTNESS 3.7, resolve and lease)",
		edits:  []edit{{"store/postgres/claim.go", "FROM known JOIN free USING (identity_id, rev))", "FROM known JOIN free USING (identity_id))"}},
		tests:  []string{"./store/postgres -run TestLeaseNeverComesWithAnOlderBase"},
	},
	{
		name:   "enqueued in no order",
		breaks: "rows of one statement are in key order (CORRECTNESS 3.3, the last trap)",
		edits:  []edit{{"store/postgres/queue.go", "ORDER BY r.system COLLATE \"C\", r.object COLLATE \"C\", r.record_id COLLATE \"C\"\nON CONFLICT", "ORDER BY random()\nON CONFLICT"}},
		tests:  []string{"./store/postgres -run TestOverlappingBatchesDoNotDeadlock"},
	},
	{
		name:   "keys taken in no order",
		breaks: "match keys are taken in key order (CORRECTNESS 3.7)",
		edits:  []edit{{"store/postgres/create.go", "ORDER BY r.link COLLATE \"C\", r.kind COLLATE \"C\", r.value COLLATE \"C\"\nON CONFLICT (link, kind, value) DO UPDATE", "ORDER BY r.value COLLATE \"C\" DESC\nON CONFLICT (link, kind, value) DO UPDATE"}},
		tests:  []string{"./store/postgres -run TestClaimThatWaitsForAKeyHoldsNoLaterOne"},
	},
	{
		name:   "one bind undoes its siblings",
		breaks: "a violation by one row costs its siblings nothing (CORRECTNESS 3.7 P1)",
		edits:  []edit{{"store/postgres/bind.go", "if err == nil || !violates(err) {", "if err == nil || violates(err) {"}},
		tests:  []string{"./store/postgres -run TestBindFallsBackToSavepoints"},
	},
}

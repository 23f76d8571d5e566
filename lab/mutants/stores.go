package main

// stores are the bugs of TESTING's list about what the database decides.
var stores = []mutant{
	{
		name:   "epoch + 1",
		breaks: "epochs come from one sequence for all rows (CORRECTNESS 3.3, the first trap)",
		edits: []edit{
			{"store/sqlite/claim.go", "SET owner=?6, epoch=?7, claimed_gen=gen", "SET owner=?6, epoch=epoch+1, claimed_gen=gen"},
			{"store/sqlite/claim.go", "RETURNING record_id, gen,", "RETURNING epoch, record_id, gen,"},
			{"store/sqlite/claim.go", "rows.Scan(&c.RecordID, &c.Gen,", "rows.Scan(&c.Epoch, &c.RecordID, &c.Gen,"},
		},
		tests: []string{"./store/sqlite -run TestContract/FinishedRowStartsWithANewFence"},
	},
	{
		name:   "one-statement completion",
		breaks: "what is deleted and what runs again is decided on the row as it is when locked (CORRECTNESS 3.3, the second trap)",
		edits:  []edit{{"store/postgres/finish.go", "ORDER BY w.system, w.object, w.record_id FOR UPDATE OF w`", "ORDER BY w.system, w.object, w.record_id`"}},
		tests:  []string{"./store/postgres -run TestHintThatCommitsDuringPersistRunsAgain"},
	},
	{
		name:   "volatile claim",
		breaks: "the claim's condition is one of the index (CORRECTNESS 3.3, the third trap)",
		edits:  []edit{{"store/postgres/claim.go", "AND d.not_before <= now()", "AND d.not_before <= clock_timestamp()"}},
		tests:  []string{"./store/postgres -run TestClaimFindsDueRowsByTheIndex"},
	},
	{
		name:   "attempts counted only at failure",
		breaks: "a record that kills its process is counted before it is touched (CORRECTNESS F59)",
		edits:  []edit{{"store/sqlite/claim.go", "attempts=attempts+((SELECT count(*) FROM due)=1)", "attempts=attempts+0"}},
		tests:  []string{"./store/sqlite -run TestContract/AttemptsCountLoneClaimsOnly"},
	},
	{
		name:   "dedupe by eventId",
		breaks: "nothing suppresses a hint, not even a delivery key that is known (CORRECTNESS F14)",
		edits: []edit{
			{"store/sqlite/queue.go", "ON CONFLICT (system, delivery_key) DO UPDATE SET times=b.times+1, last_at=excluded.last_at`", "ON CONFLICT (system, delivery_key) DO NOTHING`"},
			{"store/sqlite/queue.go", "if _, err := t.exec(sqlInbox, r.System, r.DeliveryKey, t.now, r.Events); err != nil {\n\t\t\t\treturn err\n\t\t\t}",
				"n, err := t.exec(sqlInbox, r.System, r.DeliveryKey, t.now, r.Events)\n\t\t\tif err != nil {\n\t\t\t\treturn err\n\t\t\t}\n\t\t\tif n == 0 {\n\t\t\t\tcontinue\n\t\t\t}"},
		},
		tests: []string{"./store/sqlite -run TestContract/ReceiveKnownKeyStillEnqueues"},
	},
}

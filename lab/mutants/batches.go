package main

// batches are the seven bugs of TESTING's list about many rows at once.
var batches = []mutant{
	{
		name:   "results by position",
		breaks: "an answer is told apart by id, never by position (CORRECTNESS F13, W2)",
		edits:  []edit{{"connectors/hubspot/match.go", "i := b.owner(o)\n\t\tif i < 0 {", "i := n\n\t\tif i >= len(b.writes) || b.owner(o) < -1 {"}},
		tests:  []string{"./connectors/hubspot -run TestBatchAnswers"},
	},
	{
		name:   "missing item = success",
		breaks: "an item that the answer does not mention is unknown (CORRECTNESS F13, W3)",
		edits:  []edit{{"connectors/hubspot/write.go", "out := b.all(connectors.Unknown, lost)", "out := b.all(connectors.Applied, lost)"}},
		tests:  []string{"./connectors/hubspot -run TestBatchAnswers"},
	},
	{
		name:   "one fenced row rolls the batch back",
		breaks: "a fenced row drops out, its siblings are persisted (CORRECTNESS 3.7 P3)",
		edits:  []edit{{"store/sqlite/persist.go", "if !b.held[u.ID] {\n\t\t\tcontinue\n\t\t}\n\t\tif err := b.identity(u)", "if !b.held[u.ID] {\n\t\t\treturn store.ErrFenced\n\t\t}\n\t\tif err := b.identity(u)"}},
		tests:  []string{"./store/sqlite -run TestContract/PersistIsAllOrNothingPerIdentity"},
	},
	{
		name:   "two rows of one identity not collapsed",
		breaks: "of two new records with one key the first goes on, the other comes back (CORRECTNESS 3.7 Collapse)",
		edits: []edit{
			{"flows/strangers.go", "again := ids[s.id]", "again := ids[\"?\"+s.id]"},
			{"flows/strangers.go", "again = again || taken[k]", "again = again || taken[k] && s.row == nil"},
		},
		tests: []string{"./flows -run TestOfTwoNewRecordsWithOneKeyNoneIsPairedForComingFirst"},
	},
	{
		name:   "an attempt charged to siblings",
		breaks: "what befalls a whole batch costs nobody an attempt (CORRECTNESS 3.7, I16)",
		edits:  []edit{{"store/sqlite/claim.go", "attempts=attempts+((SELECT count(*) FROM due)=1)", "attempts=attempts+1"}},
		tests:  []string{"./store/sqlite -run TestContract/AttemptsCountLoneClaimsOnly"},
	},
	{
		name:   "source not read again under a late lease",
		breaks: "what was read before the lease proves nothing (CORRECTNESS 3.7 R3)",
		edits: []edit{{"flows/strangers.go", "since the row was claimed as nobody's\n", "since the row was claimed as nobody's\n" +
			"\t\t\tif u, err := b.newUnit(met[s.id], b.place.system); err == nil {\n" +
			"\t\t\t\tu.rows, s.row.unit, b.units = []*row{s.row}, u, append(b.units, u)\n" +
			"\t\t\t\tb.showSource(s.row)\n\t\t\t\treturn true\n\t\t\t}\n"}},
		tests: []string{"./flows -run TestReadBeforeALateLeaseProvesNothing"},
	},
	{
		name:   "batch_cap ignored",
		breaks: "a batch that did not end is claimed half as big (CORRECTNESS 3.7)",
		edits: []edit{
			{"store/sqlite/claim.go", "SELECT min(?5, COALESCE(batch_cap,?5)) AS n", "SELECT min(?5, ?5) AS n"},
			{"store/sqlite/claim.go", "AND COALESCE(batch_cap,?5) >= (SELECT n FROM head)", "AND ?5 >= (SELECT n FROM head)"},
		},
		tests: []string{"./store/sqlite -run TestContract/BatchCapHalvesAfterACrash"},
	},
}

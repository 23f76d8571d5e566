package main

// moreOfFields are bugs of our own in field mapping and in how lists merge.
var moreOfFields = []mutant{
	{
		name:   "only half is blanked",
		breaks: "a record that shows nothing any more is stopped, however few fields it had (CORRECTNESS F66)",
		edits:  []edit{{"flows/plan/guard.go", " || nothing && blank > 0 && blank == held", ""}},
		tests:  []string{"./flows/plan -run TestRecordThatShowsNothingTripsTheGuard"},
	},
	{
		name:   "merged list agreed by whoever took it first",
		breaks: "what a side took of a merged list is its news until all are seen to hold it (CORRECTNESS F31)",
		edits:  []edit{{"flows/plan/row.go", "(v.side == winner.side || winner.merged)", "(v.side == winner.side)"}},
		tests:  []string{"./flows/plan -run TestUnionLosesNobodysChange"},
	},
	{
		name:   "merged list taken for a late write",
		breaks: "a merged list that a crash left without an answer is its side's news (CORRECTNESS F31, F32)",
		edits:  []edit{{"flows/plan/bundle.go", "p.late = !merged && (", "p.late = ("}, {"flows/plan/bundle.go", "case merged:", "case merged && !p.late:"}},
		tests:  []string{"./flows/plan -run TestUnionLosesNobodysChange"},
	},
	{
		name:   "removal wins over nothing",
		breaks: "what one side removed of a list is gone everywhere (CORRECTNESS F31)",
		edits:  []edit{{"flows/plan/union.go", "if len(removers[e]) == 0 && ", "if "}},
		tests:  []string{"./flows/plan -run TestUnionTakesBothSidesChanges"},
	},
	{
		name:   "unknown value flows",
		breaks: "a value that a row does not know is passed to nobody (CORRECTNESS F67)",
		edits:  []edit{{"fields/valuemap.go", "case !isMap && (s.Unknown", "case isMap || (s.Unknown"}},
		tests:  []string{"./fields -run TestUnknownValuesDoNotFlow"},
	},
	{
		name:   "what cannot be held flows",
		breaks: "a value that a system cannot hold so that it comes back does not flow (CORRECTNESS F28)",
		edits:  []edit{{"fields/fields.go", "if !known || r.norm(text) != canonical {", "if !known && text != \"\" {"}},
		tests:  []string{"./fields -run TestUnknownValuesDoNotFlow|TestLaws"},
	},
	{
		name:   "a constant is written for ever",
		breaks: "who changes a fixed value again and again is an automation (CORRECTNESS F27)",
		edits:  []edit{{"flows/plan/constant.go", "const mostPuts = 3", "const mostPuts = 3000"}},
		tests:  []string{"./flows/plan -run TestConstantThatAnAutomationUndoesFreezes"},
	},
}

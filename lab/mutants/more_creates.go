package main

// moreOfCreates are bugs of our own in what follows from a create in doubt.
var moreOfCreates = []mutant{
	{
		name:   "repeat with other values",
		breaks: "inside the repeat window the same body is sent again, byte for byte (CORRECTNESS 3.5)",
		edits:  []edit{{"flows/repeat.go", "\ts.columns = maps.Clone(open.Body.Columns)\n", ""}},
		tests:  []string{"./flows -run TestUncertainCreateIsRepeatedAtOnceByteForByte"},
	},
	{
		name:   "repeat with another key",
		breaks: "inside the repeat window the same key is sent again (CORRECTNESS 3.5)",
		edits:  []edit{{"flows/repeat.go", "if s.intent.Body != nil {", "if s.intent.Body != nil && !s.repeat {"}},
		tests:  []string{"./flows -run TestUncertainCreateIsRepeatedAtOnceByteForByte"},
	},
	{
		name:   "repeat window never ends",
		breaks: "the window counts from the first send of a key (CORRECTNESS 3.5)",
		edits:  []edit{{"flows/repeat.go", ".Before(ends)", ".After(ends.Add(-24*365*time.Hour))"}},
		tests:  []string{"./flows -run TestAfterTheRepeatWindowACreateSettlesAndIsLookedUp"},
	},
	{
		name:   "refused repeat takes the first send back",
		breaks: "a repeat proves nothing about the send that it repeats (CORRECTNESS 3.5)",
		edits:  []edit{{"flows/create.go", "func(s *send) bool { return s.repeat })\n\tif len(list) == 0 {", "func(s *send) bool { return s.repeat && s.unit == nil })\n\tif len(list) == 0 {"}},
		tests:  []string{"./flows -run TestRefusedRepeatDoesNotTakeTheFirstSendBack"},
	},
	{
		name:   "blind create keeps strangers waiting",
		breaks: "a parked create is a person's business, and nobody waits for it (CORRECTNESS 3.5)",
		edits:  []edit{{"flows/blind.go", "p.member.parked = true", "p.member.parked = false"}},
		tests:  []string{"./flows -run TestBlindCreateWithoutAnswerIsParkedAndStrangersGoOn"},
	},
	{
		name:   "blind creates in one call",
		breaks: "blind creates go out one by one: a lost answer parks one (CORRECTNESS 3.7 C3)",
		edits:  []edit{{"flows/create.go", "\t\tsize = 1 // a lost", "\t\tsize = max(size, 1) // a lost"}},
		tests:  []string{"./flows -run TestBlindCreatesGoOutOneByOne"},
	},
	{
		name:   "surplus made a customer",
		breaks: "a record that a send of ours may have made is no copy (CORRECTNESS F10)",
		edits:  []edit{{"flows/surplus.go", "return rec.Born.After(birth.Add(obj.Settle + obj.IndexLag + vendorClock))", "return rec.Born.After(birth.Add(obj.Settle*0))"}},
		tests:  []string{"./flows -run TestRecordBornWhileASendMayLandIsSurplusAndNoCopy"},
	},
	{
		name:   "youngest of several adopted",
		breaks: "of several records with one token the oldest is ours (CORRECTNESS 3.5, F10)",
		edits:  []edit{{"flows/match.go", "b.bindFound(ctx, p, records[0], \"adopt\", true)", "b.bindFound(ctx, p, records[len(records)-1], \"adopt\", true)"}},
		tests:  []string{"./flows -run TestLookUpThatFindsSeveralTakesTheOldestAndFlagsTheRest"},
	},
}

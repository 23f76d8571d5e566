package main

// moreOfRecovery are bugs of our own in what a frozen row, a late signature and a
// database that lost commits come to.
var moreOfRecovery = []mutant{
	{
		name:   "signature of a late write believed",
		breaks: "a late write signs the record, not the row that is looked at (CORRECTNESS F32, F35)",
		edits:  []edit{{"flows/plan/resolve.go", "s.signed = s.Ours && !s.lateBeside(s.Intent)", "s.signed = s.Ours"}},
		tests:  []string{"./flows/plan -run TestSignatureOfALateWriteProvesNothingAboutOtherRows"},
	},
	{
		name:   "refused value never tried again",
		breaks: "a refused value is tried again when schema or credential changed (CORRECTNESS F29)",
		edits:  []edit{{"flows/plan/choose.go", "d.Able == rules.Able[v.side.System]", "d.Able != \"\\x00\""}},
		tests:  []string{"./flows/plan -run TestRefusedValueIsTriedAgainWhenItsSideCanTakeMore"},
	},
	{
		name:   "frozen row never thaws",
		breaks: "a frozen row is tried again by itself (CORRECTNESS F27)",
		edits:  []edit{{"flows/ledger.go", "return l.F[row].T > now.UnixMilli()", "return l.F[row].T > 0"}},
		tests:  []string{"./flows -run TestFrozenRowThawsByItself"},
	},
	{
		name:   "creates go on after lost commits",
		breaks: "creates are held until what was forgotten is found (CORRECTNESS F47)",
		edits:  []edit{{"flows/amnesia.go", "CreateClass != connectors.ClassUnique && m.Write {", "CreateClass == connectors.CreateClass(\"?\") && m.Write {"}},
		tests:  []string{"./flows -run TestLostFenceHoldsCreatesUntilWhatWasForgottenIsSweptThenAllGoesOn"},
	},
	{
		name:   "unknown token is no evidence",
		breaks: "a token of ours that the database does not know says that it lost commits (CORRECTNESS F47)",
		edits:  []edit{{"flows/amnesia.go", "return true, b.forgotLink(ctx, s.link, lapse{Evidence: EvidenceToken})", "return false, nil"}},
		tests:  []string{"./flows -run TestUnknownTokenIsEvidence"},
	},
	{
		name:   "what a recovery left is evidence again",
		breaks: "a record that a recovery has seen starts no other (CORRECTNESS F47)",
		edits:  []edit{{"flows/amnesia.go", "if born := s.row.sight.Record.Born; known && last.Done", "if born := s.row.sight.Record.Born; !known && last.Done"}},
		tests:  []string{"./flows -run TestTokenOfARecordThatARecoveryCouldNotPairIsNoNewEvidence"},
	},
}

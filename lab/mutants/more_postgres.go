package main

// moreOfPostgres are bugs of the list once more, in the other store.
var moreOfPostgres = []mutant{
	{
		name:   "sent_at not committed, PostgreSQL",
		breaks: "a send is on record before the wire (CORRECTNESS 3.5, 2 INTENT; F1, F2)",
		edits:  []edit{{"store/postgres/intend.go", "SET sent_at=clock_timestamp(), sends=m.sends+1", "SET sends=m.sends+1"}},
		tests:  []string{"./store/postgres -run TestConformance/SendMovesOnce"},
	},
	{
		name:   "bind fenced, PostgreSQL",
		breaks: "whoever learns a true record id records it (CORRECTNESS 3.5)",
		edits: []edit{{"store/postgres/bind.go", "AND m.state IN ('creating','uncertain','parked')\n",
			"AND m.state IN ('creating','uncertain','parked')\n  AND EXISTS (SELECT 1 FROM identity i WHERE i.identity_id=m.identity_id AND i.epoch=m.sent_epoch)\n"}},
		tests: []string{"./store/postgres -run TestConformance/BindIsUnfenced"},
	},
	{
		name:   "batch_cap ignored, PostgreSQL",
		breaks: "a batch that did not end is claimed half as big (CORRECTNESS 3.7)",
		edits: []edit{
			{"store/postgres/claim.go", "SELECT LEAST($4::int, h.batch_cap) AS n", "SELECT $4::int AS n"},
			{"store/postgres/claim.go", "AND COALESCE(d.batch_cap, $4::int) >= (SELECT n FROM head)", "AND $4::int >= (SELECT n FROM head)"},
		},
		tests: []string{"./store/postgres -run TestConformance/BatchCapHalvesAfterACrash"},
	},
	{
		name:   "attempts counted only at failure, PostgreSQL",
		breaks: "a record that kills its process is counted before it is touched (CORRECTNESS F59)",
		edits:  []edit{{"store/postgres/claim.go", "attempts = w.attempts + CASE WHEN got.n = 1 THEN 1 ELSE 0 END", "attempts = w.attempts"}},
		tests:  []string{"./store/postgres -run TestConformance/AttemptsCountLoneClaimsOnly"},
	},
	{
		name:   "one fenced row rolls the batch back, PostgreSQL",
		breaks: "a fenced row drops out, its siblings are persisted (CORRECTNESS 3.7 P3)",
		edits:  []edit{{"store/postgres/persist.go", "out.Fenced = append(out.Fenced, i.ID)", "return out, store.ErrFenced"}},
		tests:  []string{"./store/postgres -run TestConformance/PersistIsAllOrNothingPerIdentity"},
	},
	{
		name:   "owner not part of the fence, PostgreSQL",
		breaks: "a persist that is repeated is a no-op (CORRECTNESS 3.7)",
		edits:  []edit{{"store/postgres/intend.go", "WHERE i.lease_owner=$3 ORDER BY i.identity_id", "WHERE $3::text IS NOT NULL ORDER BY i.identity_id"}},
		tests:  []string{"./store/postgres -run TestConformance/PersistTwiceIsOnce"},
	},
	{
		name:   "shared key taken for one's own, PostgreSQL",
		breaks: "two records of one system with one key are told apart for good (CORRECTNESS F11)",
		edits:  []edit{{"store/postgres/meet.go", "case h.shared:", "case h.shared && h.id == \"\":"}},
		tests:  []string{"./store/postgres -run TestConformance/SameKeyInOneSystemIsShared"},
	},
}

package plan_test

import (
	"slices"
	"testing"

	"syncd/flows/plan"
)

// A deletion reaches a side that equals its base, and no other, unless deletions win.
func TestFateOfTheRecordsThatAreLeft(t *testing.T) {
	rules := plan.Rules{
		Rows: []plan.Row{
			{Name: "city", Systems: []string{"crm", "erp"}, Rev: "1"},
			{Name: "vat", Systems: []string{"crm", "erp"}, From: "crm", Rev: "1"}, // erp's own value of it is no edit
		},
		Silent: map[string]bool{"deaf": true},
	}
	base := plan.Base{"city": {V: "Brno", R: "1"}, "vat": {V: "CZ1", R: "1"}}
	side := func(change func(s *plan.Side)) plan.Side {
		s := plan.Side{System: "erp", Presence: plan.Present, Base: base, Values: map[string]string{"city": "Brno", "vat": "CZ1"}}
		if change != nil {
			change(&s)
		}
		return s
	}
	same := side(nil)
	edited := side(func(s *plan.Side) { s.Values["city"] = "Praha" })
	for name, c := range map[string]struct {
		policy plan.Removal
		wins   plan.Wins
		others []plan.Side
		want   plan.Fate
	}{
		"nothing said":               {"", plan.WinsUpdate, []plan.Side{same}, plan.FateLeave},
		"ignored, even if edited":    {plan.RemovalIgnore, plan.WinsUpdate, []plan.Side{edited}, plan.FateLeave},
		"unpaired":                   {plan.RemovalUnpair, plan.WinsDelete, []plan.Side{same}, plan.FateLeave},
		"archived":                   {plan.RemovalArchive, plan.WinsUpdate, []plan.Side{same}, plan.FateRemove},
		"deleted":                    {plan.RemovalDelete, plan.WinsAsk, []plan.Side{same}, plan.FateRemove},
		"nobody is left":             {plan.RemovalArchive, plan.WinsUpdate, nil, plan.FateRemove},
		"an edit wins":               {plan.RemovalArchive, plan.WinsUpdate, []plan.Side{edited}, plan.FateRevive},
		"one edit of two wins":       {plan.RemovalDelete, plan.WinsUpdate, []plan.Side{same, edited}, plan.FateRevive},
		"the deletion wins":          {plan.RemovalArchive, plan.WinsDelete, []plan.Side{edited}, plan.FateRemove},
		"a person says":              {plan.RemovalArchive, plan.WinsAsk, []plan.Side{edited}, plan.FateAsk},
		"a stray of a one-way row":   {plan.RemovalArchive, plan.WinsUpdate, []plan.Side{side(func(s *plan.Side) { s.Values["vat"] = "CZ2" })}, plan.FateRemove},
		"a side that is no source":   {plan.RemovalArchive, plan.WinsUpdate, []plan.Side{side(func(s *plan.Side) { s.System = "deaf"; s.Values["city"] = "Praha" })}, plan.FateRemove},
		"a value that was not shown": {plan.RemovalArchive, plan.WinsUpdate, []plan.Side{side(func(s *plan.Side) { delete(s.Values, "city") })}, plan.FateRemove},
		"a write of ours that landed": {plan.RemovalArchive, plan.WinsUpdate, []plan.Side{side(func(s *plan.Side) {
			s.Values["city"] = "Praha"
			s.Intent = &plan.Intent{Fields: map[string]plan.IntentEntry{"city": {W: "Praha"}}}
		})}, plan.FateRemove},
		"an edit over our open write": {plan.RemovalArchive, plan.WinsUpdate, []plan.Side{side(func(s *plan.Side) {
			s.Values["city"] = "Plzeň"
			s.Intent = &plan.Intent{Fields: map[string]plan.IntentEntry{"city": {W: "Praha"}}}
		})}, plan.FateRevive},
		"a late write of ours": {plan.RemovalArchive, plan.WinsUpdate, []plan.Side{side(func(s *plan.Side) { s.Values["city"] = "Praha"; s.Late = map[string]bool{"city": true} })}, plan.FateRemove},
	} {
		if got := plan.AfterLoss(rules, c.policy, c.wins, c.others); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := plan.Changed(rules, edited); !slices.Equal(got, []string{"city"}) {
		t.Errorf("changed: %v", got)
	}
}

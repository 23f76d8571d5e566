package plan_test

import (
	"testing"

	"syncd/flows/plan"
)

// TestWhatWasDecidedLastIsWhatCounts: the ERP took "1" from the CRM, was edited to "2",
// and the CRM took that. Both writes are open still, whichever side is looked at.
func TestWhatWasDecidedLastIsWhatCounts(t *testing.T) {
	one := "1"
	rules := plan.Rules{Rows: []plan.Row{{Name: "f", Systems: []string{"crm", "erp"}, Policy: plan.Policy{Mode: plan.ModeAsk}, Rev: "r"}}}
	for _, seen := range []plan.Presence{plan.Present, plan.Unread} {
		sides := []plan.Side{{
			System: "crm", Presence: plan.Present, Values: map[string]string{"f": "2"}, Base: plan.Base{"f": {V: "1", R: "r"}},
			Intent: &plan.Intent{Fields: map[string]plan.IntentEntry{"f": {W: "2", From: "erp", V: "2", O: "1", B: &one, F: &one}}},
		}, {
			System: "erp", Presence: seen, Values: map[string]string{"f": "2"}, Base: plan.Base{"f": {V: "0", R: "r"}},
			Intent: &plan.Intent{Acked: true, Fields: map[string]plan.IntentEntry{"f": {W: "1", From: "crm", V: "1", O: "0"}}},
		}}
		for _, s := range plan.Resolve(rules, sides) {
			if s.Base["f"].V != "2" || s.Intent != nil {
				t.Errorf("erp %s: %s has the base %q and the open write %+v; both agreed on 2", seen, s.System, s.Base["f"].V, s.Intent)
			}
		}
	}
}

package sqlite

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var parameter = regexp.MustCompile(`\?(\d+)`)

// plan explains a statement; any number will do as its parameters.
func plan(t *testing.T, s *Store, q string) string {
	t.Helper()
	most := 0
	for _, m := range parameter.FindAllStringSubmatch(q, -1) {
		var n int
		if _, err := fmt.Sscan(m[1], &n); err != nil {
			t.Fatal(err)
		}
		most = max(most, n)
	}
	most = max(most, strings.Count(q, "?"))
	args := make([]any, most)
	for n := range args {
		args[n] = "[]"
	}
	rows, err := s.reads.Query("EXPLAIN QUERY PLAN "+q, args...)
	if err != nil {
		t.Fatalf("%v in %s", err, q)
	}
	var lines []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// TestPlansUseTheIndexes: the tables are empty here, so what the planner does
// is what the text of the statements allows, not what happens to be small.
func TestPlansUseTheIndexes(t *testing.T) {
	s := fresh(t).Store
	scans := regexp.MustCompile(`SCAN (w|d|m|k|o|i|p|s|h|work|member|identity|match_key|seen|trash|history)( |$)`)
	for name, c := range map[string]struct {
		q    string
		uses []string
	}{
		"is due":       {sqlIsDue, []string{"work_due (system=? AND object=? AND lane=? AND not_before<?)"}},
		"due":          {sqlDue(2), []string{"work_due (system=? AND object=? AND lane=? AND not_before<?)"}},
		"claim":        {sqlClaim, []string{"work_due (system=? AND object=? AND lane=? AND not_before<?)", "SEARCH work USING PRIMARY KEY (system=? AND object=? AND record_id=?)"}},
		"lease":        {sqlLeaseOfRecords, []string{"SEARCH identity USING PRIMARY KEY (identity_id=?)", "member_record (system=? AND object=? AND record_id=?)"}},
		"resolve":      {sqlResolve, []string{"member_record (system=? AND object=? AND record_id=?)", "SEARCH i USING PRIMARY KEY", "SEARCH o USING PRIMARY KEY (identity_id=?)", "SEARCH f USING PRIMARY KEY"}},
		"late lease":   {sqlLease, []string{"SEARCH identity USING PRIMARY KEY"}},
		"late read":    {sqlLeased, []string{"SEARCH i USING PRIMARY KEY", "SEARCH o USING PRIMARY KEY (identity_id=?)"}},
		"enqueue":      {sqlEnqueue, []string{"member_record (system=? AND object=? AND record_id=?)", "trash_open (system=? AND object=? AND record_id=?)", "SEARCH p USING PRIMARY KEY"}},
		"holders":      {sqlHolders, []string{"member_record (system=? AND object=? AND record_id=?)"}},
		"open creates": {sqlOpenCreates, []string{"member_open (system=? AND object=? AND sent_at>?)"}},
		"taken":        {sqlTaken, []string{"member_record", "member_token"}},
		"bind":         {sqlBind, []string{"SEARCH member USING PRIMARY KEY", "member_record (system=? AND object=? AND record_id=?)"}},
		"past":         {sqlPast, []string{"member_hist (system=? AND object=? AND record_id=?)", "SEARCH i USING PRIMARY KEY"}},
		"removals":     {sqlRemovals, []string{"member_missing (missing_at>?)"}},
		"unlisted":     {sqlUnlisted, []string{"member_record (system=? AND object=? AND record_id>?)", "SEARCH s USING PRIMARY KEY"}},
		"unseen":       {sqlUnseen, []string{"SEARCH s USING PRIMARY KEY (system=? AND object=? AND record_id=?)"}},
		"keys gone":    {sqlKeysGone, []string{"match_key_identity (identity_id=?)"}},
		"drop":         {sqlDropWork, []string{"work_held (owner=?)"}},
		"history":      {sqlHistoryOf, []string{"history_record (system=? AND object=? AND record_id=?)"}},
		"pair":         {sqlPairs + " WHERE source_system=?1 AND source_id=?2", []string{"member_of (system=? AND record_id=?)"}},
	} {
		got := plan(t, s, c.q)
		for _, want := range c.uses {
			if !strings.Contains(got, want) {
				t.Errorf("%s does not use %s:\n%s", name, want, got)
			}
		}
		if m := scans.FindString(got); m != "" {
			t.Errorf("%s scans a table:\n%s", name, got)
		}
	}
}

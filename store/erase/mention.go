package erase

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// tellingValue is how long a value must be to say whom a text is about.
	tellingValue = 5
	// tellingID is how long a record id must be to be looked for by itself: "17"
	// stands in many a text.
	tellingID = 6
)

// valuesIn gives what a base or an intent holds: every text at "v", "w" or "o", and the
// columns of a create's body.
func valuesIn(state string) []string {
	var any any
	if state == "" || json.Unmarshal([]byte(state), &any) != nil {
		return nil
	}
	var out []string
	collect(any, &out)
	return out
}

func collect(v any, out *[]string) {
	switch x := v.(type) {
	case string:
		if utf8.RuneCountInString(x) >= tellingValue {
			*out = append(*out, strings.ToLower(x))
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			if k != "r" { // the revision of a definition
				collect(x[k], out)
			}
		}
	case []any:
		for _, e := range x {
			collect(e, out)
		}
	}
}

// names says that a text names the person: by a record id, the way that syncd writes
// one, or by a value.
func (w *wipe) names(text string) bool {
	if text == "" {
		return false
	}
	low := strings.ToLower(text)
	for _, r := range w.records {
		id := strings.ToLower(r.id)
		for _, form := range []string{`"` + id + `"`, r.object + " " + id, r.object + ":" + id, "record " + id, "id " + id} {
			if whole(low, strings.ToLower(form)) {
				return true
			}
		}
		if len(id) >= tellingID && whole(low, id) {
			return true
		}
	}
	return slices.ContainsFunc(w.values, func(v string) bool { return strings.Contains(low, v) })
}

// whole finds a word that no letter or digit goes on.
func whole(text, word string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return false
		}
		end := from + at + len(word)
		if end == len(text) || !alnum(text[end]) {
			return true
		}
		from += at + 1
	}
}

func alnum(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' }

const (
	sqlTalkingWork = `SELECT system, object, record_id, COALESCE(last_error, ''), COALESCE(CAST(detail AS TEXT), '') FROM work
WHERE last_error IS NOT NULL OR detail IS NOT NULL ORDER BY system, object, record_id`
	// Its question has changed: it is asked afresh.
	sqlForgetWork   = `UPDATE work SET last_error=NULL, detail=NULL, not_before=CASE WHEN owner IS NULL THEN $4 ELSE not_before END WHERE system=$1 AND object=$2 AND record_id=$3`
	sqlTalkingTrash = `SELECT CAST(id AS TEXT), COALESCE(error, ''), COALESCE(CAST(payload AS TEXT), '') FROM trash
WHERE error IS NOT NULL OR payload IS NOT NULL ORDER BY id`
	sqlForgetTrash = `UPDATE trash SET error=NULL, payload=NULL WHERE id=CAST($1 AS BIGINT)`
)

// others goes through what waits because of other records and names the person: the
// candidates of a question, the vendor's words about a duplicate.
func (w *wipe) others() error {
	rows, err := w.Rows(sqlTalkingWork)
	if err != nil {
		return fmt.Errorf("work that names the person: %w", err)
	}
	for _, r := range rows {
		if w.names(r[3]) || w.names(r[4]) {
			if err := w.count("work_of_others", sqlForgetWork, r[0], r[1], r[2], w.Now); err != nil {
				return err
			}
		}
	}
	if rows, err = w.Rows(sqlTalkingTrash); err != nil {
		return fmt.Errorf("trash that names the person: %w", err)
	}
	for _, r := range rows {
		if w.names(r[1]) || w.names(r[2]) {
			if err := w.count("trash_of_others", sqlForgetTrash, r[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	sqlTalkingAudit = `SELECT CAST(id AS TEXT), target, COALESCE(reason, ''), COALESCE(CAST(before AS TEXT), ''), COALESCE(CAST(after AS TEXT), '') FROM audit
WHERE target NOT LIKE 'erased:%' ORDER BY id`
	sqlForgetAudit = `UPDATE audit SET target=$2, reason=NULL, before=NULL, after=NULL WHERE id=CAST($1 AS BIGINT)`
)

// audit takes out whom the lines of the audit were about: who did what, when and by
// which way stays.
func (w *wipe) audit() error {
	rows, err := w.Rows(sqlTalkingAudit)
	if err != nil {
		return fmt.Errorf("audit that names the person: %w", err)
	}
	for _, r := range rows {
		if w.names(r[1]) || w.names(r[2]) || w.names(r[3]) || w.names(r[4]) {
			if err := w.count("audit", sqlForgetAudit, r[0], w.masked(w.records[0])); err != nil {
				return err
			}
		}
	}
	return nil
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

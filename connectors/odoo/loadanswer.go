package odoo

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// fate is what the answer of a load() says about the whole call, which Odoo
// applies as one: all rows or none (vendors/odoo.md 7).
type fate int

// The fates of a load.
const (
	loadBroken   fate = iota // no answer of load's: the rows may be written
	loadDone                 // every row is written, ids are in row order
	loadConflict             // nothing written: another transaction was in the way
	loadOdd                  // nothing written, for a reason that may pass
	loadRefused              // nothing written, because of the rows named
)

// loadAnswer is a load()'s answer, judged.
type loadAnswer struct {
	fate fate
	ids  []int64            // loadDone
	rows map[int]rowRefusal // by row number, all in range
	said string             // for rows that are not named
}

// rowRefusal is what was said about one row.
type rowRefusal struct {
	field    string
	said     string
	conflict bool
}

// conflict finds the texts of PostgreSQL about transactions in each other's
// way. Plain "locked" is not among them: Odoo says so of orders and periods.
var conflict = regexp.MustCompile(`(?i)serializ|serialis|deadlock|concurrent|could not obtain lock|lock timeout|lock not available|lockerror`)

// message is one line of a load()'s answer. What is not needed stays raw: its
// type changes from message to message.
type message struct {
	Type string `json:"type"`
	Text string `json:"message"`
	Rows *struct {
		From *int `json:"from"`
		To   *int `json:"to"`
	} `json:"rows"`
	Record *int            `json:"record"`
	Field  json.RawMessage `json:"field"`
}

// field gives the field that the message is about, "" for none.
func (m message) field() string {
	var s string
	if json.Unmarshal(m.Field, &s) == nil {
		return withoutPath(s)
	}
	var path []string
	if json.Unmarshal(m.Field, &path) == nil && len(path) > 0 {
		return withoutPath(path[0])
	}
	return ""
}

// withoutPath gives the field of a column such as parent_id/.id.
func withoutPath(column string) string {
	name, _, _ := strings.Cut(column, "/")
	return name
}

// span gives the rows that the message names, clipped to n rows.
func (m message) span(n int) (from, to int) {
	switch {
	case m.Rows != nil && m.Rows.From != nil && m.Rows.To != nil:
		from, to = *m.Rows.From, *m.Rows.To
	case m.Record != nil:
		from, to = *m.Record, *m.Record
	default:
		return 0, -1
	}
	if from < 0 || to >= n {
		return 0, -1 // not our rows: it names none
	}
	return from, to
}

// readLoad judges the answer of a load() of n rows.
func readLoad(raw json.RawMessage, n int) loadAnswer {
	var a struct {
		IDs      json.RawMessage `json:"ids"`
		Messages json.RawMessage `json:"messages"`
	}
	if decode(raw, &a) != nil {
		return loadAnswer{fate: loadBroken}
	}
	switch strings.TrimSpace(string(a.IDs)) {
	case "false":
		return refusedLoad(readMessages(a.Messages), n)
	case "", "null":
		return loadAnswer{fate: loadBroken}
	}
	var ids []int64
	if json.Unmarshal(a.IDs, &ids) != nil || len(ids) != n || slices.ContainsFunc(ids, func(id int64) bool { return id <= 0 }) {
		return loadAnswer{fate: loadBroken}
	}
	return loadAnswer{fate: loadDone, ids: ids}
}

// readMessages decodes messages one by one: one of a strange shape says nothing
// about a row and hides no other.
func readMessages(raw json.RawMessage) []message {
	var lines []json.RawMessage
	if json.Unmarshal(raw, &lines) != nil {
		return nil
	}
	out := make([]message, len(lines))
	for i, l := range lines {
		var m message
		if json.Unmarshal(l, &m) == nil {
			out[i] = m
		}
	}
	return out
}

// quoted is how load() gives the text of a constraint: 'Contacts require a name'.
var quoted = regexp.MustCompile(`(?s)^\s*'.*'\s*$`)

// refusedLoad judges the messages of a load that wrote nothing. A conflict
// looks like bad data but names no field (vendors/odoo.md 7).
func refusedLoad(messages []message, n int) loadAnswer {
	out := loadAnswer{fate: loadConflict, rows: map[int]rowRefusal{}}
	for _, m := range messages {
		if m.Type != "" && m.Type != "error" {
			continue
		}
		r := rowRefusal{field: m.field(), said: cut(m.Text)}
		r.conflict = r.field == "" && conflict.MatchString(m.Text)
		switch {
		case r.field != "", !r.conflict && quoted.MatchString(m.Text):
			out.fate = loadRefused
		case !r.conflict && out.fate == loadConflict:
			out.fate = loadOdd
		}
		from, to := m.span(n)
		if from > to {
			out.said = r.said
		}
		for i := from; i <= to; i++ {
			if have, ok := out.rows[i]; ok {
				out.rows[i] = have.and(r)
			} else {
				out.rows[i] = r
			}
		}
	}
	return out
}

// and joins two messages about one row.
func (r rowRefusal) and(o rowRefusal) rowRefusal {
	if r.field == "" {
		r.field = o.field
	}
	r.said = cut(r.said + "; " + o.said)
	r.conflict = r.conflict && o.conflict
	return r
}

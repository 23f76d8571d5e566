package odoo

import (
	"slices"
	"strings"

	"syncd/connectors"
)

// line is one write on its way, tied to its result by position in the batch.
type line struct {
	i       int // index of write and result
	id      int64
	token   string
	columns []string // of load(), sorted
	cells   map[string]string
	values  map[string]any // of write()
}

// shape names the columns of a line: lines of one shape go in one load().
func (l line) shape() string { return strings.Join(l.columns, ",") }

// batch collects the results of one Write. A line that nothing is said about
// was not sent.
type batch struct {
	c       *Client
	op      string
	object  string
	results []connectors.Result
}

// newBatch gives a batch in which nothing is sent yet.
func (c *Client) newBatch(op connectors.Op, object string, writes []connectors.Write) *batch {
	b := &batch{c: c, op: "batch " + string(op), object: object, results: make([]connectors.Result, len(writes))}
	for i, w := range writes {
		b.results[i] = connectors.Result{Key: w.Key, RecordID: w.RecordID}
		b.refuse(i, b.later("not sent: an earlier call of the batch failed"), true)
	}
	return b
}

// later is the trouble of lines that nothing is wrong with.
func (b *batch) later(said string) *trouble {
	return &trouble{kind: connectors.KindTransient, said: said, code: "not_sent"}
}

// applied notes that a line is written, as the record with this id.
func (b *batch) applied(l line, id int64) {
	b.results[l.i] = connectors.Result{Key: b.results[l.i].Key, Outcome: connectors.Applied, RecordID: idText(id)}
}

// exists notes that a record with the line's token is there already.
func (b *batch) exists(l line, id int64) {
	b.results[l.i] = connectors.Result{Key: b.results[l.i].Key, Outcome: connectors.Exists, RecordID: idText(id)}
}

// refuse notes that nothing was written for the line with index i.
func (b *batch) refuse(i int, t *trouble, whole bool) {
	err := b.c.ours(b.op, b.object, t)
	err.WholeCall = whole
	b.results[i].Outcome, b.results[i].Err = connectors.NotApplied, err
}

// failed notes what became of lines whose call gave no result. False means
// that the next call would fare no better.
func (b *batch) failed(lines []line, t *trouble) bool {
	for _, l := range lines {
		if !t.open {
			b.blame(l, lines, t)
			continue
		}
		err := b.c.ours(b.op, b.object, t)
		b.results[l.i].Outcome, b.results[l.i].Err = connectors.Unknown, err
	}
	return !t.stops() || (len(lines) == 1 && t.personal())
}

// blame gives one line its share of a refusal. A missing record is proof that
// the line's own record is gone only if the message names that very record; a
// dangling reference gives the same exception (vendors/odoo.md 5).
func (b *batch) blame(l line, lines []line, t *trouble) {
	if t.model == b.object && len(t.ids) > 0 {
		if slices.Contains(t.ids, l.id) {
			gone := *t
			gone.kind = connectors.KindGone
			b.refuse(l.i, &gone, false)
			return
		}
		if slices.ContainsFunc(lines, func(o line) bool { return slices.Contains(t.ids, o.id) }) {
			b.refuse(l.i, b.later("nothing was written: another record of the call is gone"), true)
			return
		}
	}
	b.refuse(l.i, t, len(lines) > 1 || !t.personal())
}

// personal says that a refusal of a single line is that line's own fault and
// not one of the call: its data, or a record that a rule hides. The text is
// that of rights on the whole model (vendors/odoo.md 5).
func (t *trouble) personal() bool {
	switch t.kind {
	case connectors.KindInvalid, connectors.KindGone:
		return true
	case connectors.KindForbidden:
		return t.code == "odoo.exceptions.AccessError" && !strings.HasPrefix(t.said, "You are not allowed to")
	}
	return false
}

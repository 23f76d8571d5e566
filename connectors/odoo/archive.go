package odoo

import (
	"context"

	"syncd/connectors"
)

// removal archives by `active`, takes out of the archive by it, or unlinks
// (vendors/odoo.md 10). All records of the batch go in one call, which Odoo takes
// whole or not at all.
func (b *batch) removal(ctx context.Context, op connectors.Op, writes []connectors.Write) {
	s, t := b.c.schemaOf(ctx, b.object)
	if t == nil && op != connectors.Delete && !s.archives() {
		t = &trouble{kind: connectors.KindConfig, code: "no_archive", said: "the model has no field active: its records cannot be archived"}
	}
	if t != nil {
		for i := range writes {
			b.refuse(i, unsent(t), true)
		}
		return
	}
	var lines []line
	taken := map[int64]bool{}
	for i, w := range writes {
		id, ok := parseID(w.RecordID)
		if !ok || taken[id] {
			b.refuse(i, &trouble{kind: connectors.KindBug, said: "no record id, or twice in one batch"}, false)
			continue
		}
		taken[id] = true
		lines = append(lines, line{i: i, id: id, values: map[string]any{fieldActive: op == connectors.Restore}})
	}
	if len(lines) == 0 {
		return
	}
	if op != connectors.Delete {
		b.write(ctx, lines)
		return
	}
	b.unlink(ctx, lines)
}

// unlink deletes records for good. One that is gone already is what was wanted; the
// others of its call were not deleted and come again.
func (b *batch) unlink(ctx context.Context, lines []line) {
	ids := make([]int64, len(lines))
	for i, l := range lines {
		ids[i] = l.id
	}
	raw, t := b.c.call(ctx, method{model: b.object, name: "unlink", ids: ids, write: true})
	if t == nil && string(raw) != "true" {
		t = broken("unlink() did not answer true")
	}
	if t != nil {
		b.failed(lines, t)
		for _, l := range lines {
			if r := b.results[l.i]; r.Outcome == connectors.NotApplied && r.Err.Kind == connectors.KindGone {
				b.applied(l, l.id)
			}
		}
		return
	}
	for _, l := range lines {
		b.applied(l, l.id)
	}
}

// archives says that records of a model can be archived.
func (s schema) archives() bool {
	f, ok := s[fieldActive]
	return ok && f.public().Type == connectors.TypeBool && !f.public().ReadOnly
}

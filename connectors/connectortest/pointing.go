package connectortest

import (
	"syncd/connectors"
)

// referenceNamesItsTarget: a field that points to another record reads as that
// record's id, whatever the vendor calls it, and is set, moved and cleared like
// any other.
func referenceNamesItsTarget(l *law) {
	if l.Pointer == "" {
		return // the vendor has no such field here
	}
	if f := l.shape.Fields[l.Pointer]; f.Type != connectors.TypeReference || f.Target == "" || f.ReadOnly {
		l.Errorf("field %s is declared as %+v", l.Pointer, f)
	}
	first, second := l.Target(), l.Target()
	w := l.create()
	w.Values[l.Pointer] = first
	ids := append(l.made(w), l.users(1)...)
	l.points(ids[0], first)
	l.points(ids[1], "")
	for _, next := range []string{second, first, "", "", second} {
		for _, id := range ids {
			l.updated(id, map[string]string{l.Pointer: next})
			l.points(id, next)
		}
	}
	l.updated(ids[0], map[string]string{l.Pointer: first, l.Text: "beside it"})
	l.points(ids[0], first)
	l.points(ids[1], second)
	if got := l.read(ids[0])[0].Values[l.Text]; got != "beside it" {
		l.Errorf("%s was not written beside the reference", l.Text)
	}
}

// points checks what a read shows.
func (l *law) points(id, want string) {
	l.Helper()
	rec := l.readFields([]string{l.Pointer}, id)
	if got, shown := rec.Values[l.Pointer]; !shown || got != want {
		l.Errorf("record %s points to %q (shown %v), want %q", id, got, shown, want)
	}
}

func (l *law) readFields(fields []string, id string) connectors.Record {
	l.Helper()
	seen, err := l.c.Read(l.ctx, l.Object, []string{id}, fields)
	if err != nil || len(seen) != 1 || seen[0].Sight != connectors.SightFound {
		l.Fatalf("read %s: %+v, %v", id, seen, err)
	}
	return seen[0].Record
}

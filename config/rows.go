package config

import (
	"fmt"
	"slices"
	"strings"
)

// checkTwoWay refuses a row that goes every way and does not bring values back
// (CORRECTNESS F28): each round would overwrite a value with what was left of it.
func (d *decoder) checkTwoWay(row string, f Field) {
	if d.o.CheckTwoWay == nil || f.AcceptLossy || f.Value != nil || d.within(row) {
		return
	}
	if err := d.o.CheckTwoWay(f); err != nil {
		from, to := "a", "b"
		if systems := namesOf(f.Columns); len(systems) > 1 {
			from, to = systems[0], systems[1]
		}
		d.at(row+".as", "as: %s loses something on the way there and back: %s. Make it one-way with `goes: %s -> %s`, or say `accept_lossy: true`", f.As, clean(err), from, to)
	}
}

// checkGroups checks that the rows of a group can be decided as one (F33).
func (d *decoder) checkGroups(path string, l Link) {
	groups := map[string][]int{}
	for i, f := range l.Fields {
		if f.Group != "" {
			groups[f.Group] = append(groups[f.Group], i)
		}
	}
	for _, group := range namesOf(groups) {
		rows := groups[group]
		at := func(i int) string { return fmt.Sprintf("%s.fields[%d].group", path, i) }
		first := l.Fields[rows[0]]
		switch {
		case !linkName.MatchString(group) || len(group) > maxName:
			d.at(at(rows[0]), "a group's name is at most %d of a-z, 0-9, _ and -, a letter first", maxName)
			continue
		case len(rows) == 1:
			d.at(at(rows[0]), "%q is the only row of the group %s: give another row the same group, or take the key out", first.Name, group)
			continue
		}
		for _, i := range rows[1:] {
			d.checkGroupRow(at(i), first, l.Fields[i], l)
		}
	}
}

func (d *decoder) checkGroupRow(at string, first, f Field, l Link) {
	switch {
	case !slices.Equal(namesOf(f.Columns), namesOf(first.Columns)):
		d.at(at, "the rows of a group are in the same systems: %q is in %s", first.Name, strings.Join(namesOf(first.Columns), ", "))
	case f.From != first.From || f.To != first.To:
		d.at(at, "the rows of a group go the same way: %q goes %s", first.Name, way(first))
	case l.conflictOf(f) != l.conflictOf(first):
		d.at(at, "the rows of a group have one conflict policy: that of %q is another", first.Name)
	}
}

func way(f Field) string {
	if f.From == "" {
		return "every way"
	}
	return f.From + " -> " + f.To
}

// conflictOf is the policy in force for a row.
func (l Link) conflictOf(f Field) Conflict {
	if f.Conflict != nil {
		return *f.Conflict
	}
	return l.Conflict
}

package lab

import (
	"fmt"
	"maps"
	"slices"

	"syncd/connectors"
)

// checkDuplicates is I1 and I13: per source record and target at most one live
// record of ours, as far as the target's create class can promise it. A person
// whom people made twice is two identities only if nobody is asked.
func (w *world) checkDuplicates(e *evidence) {
	made := map[recordKey]map[string][]recordKey{} // root → system → what we made, and the root itself
	persons := map[string][]recordKey{}
	for _, v := range w.systems {
		for _, k := range w.live(v.name) {
			_, ours := w.origin[k]
			root := w.root(k)
			if made[root] == nil {
				made[root] = map[string][]recordKey{}
			}
			if ours {
				made[root][v.name] = append(made[root][v.name], k)
			}
			if len(e.partners[k]) > 0 {
				p := fmt.Sprintf("%d %s", w.owner[k].n, v.name)
				persons[p] = append(persons[p], k)
			}
		}
	}
	for _, root := range sortedKeys(made) {
		for _, v := range w.systems {
			w.judgeDoubles(e, root, v, made[root][v.name])
		}
	}
	for _, p := range slices.Sorted(maps.Keys(persons)) {
		if list := persons[p]; len(list) > 1 {
			w.stats.Doubles++
			if w.mayDouble(list) {
				continue
			}
			w.violate("double", list[0].id, "person %s has %d paired records: %v", p, len(list), list)
		}
	}
	w.checkBlind()
}

// mayDouble says that two records of a person may have lives of their own. Made
// by hand in the second system between our look-up there and our create, where
// nobody refuses a second e-mail address (crm does): what F6 leaves open. Or
// everything was forgotten, and a record cannot show whose it is (F46). Each of
// the lives began with a record by hand of its own.
func (w *world) mayDouble(list []recordKey) bool {
	if w.forgot && w.hidesTokens() {
		return true
	}
	lives := map[recordKey]bool{}
	for _, k := range list {
		lives[w.root(k)] = true
	}
	return w.vendors[crm] == nil && w.owner[list[0]].both && len(lives) == len(list)
}

// judgeDoubles looks at what was made for one record in one system.
func (w *world) judgeDoubles(e *evidence, root recordKey, v *vendor, list []recordKey) {
	extra := len(list) - 1
	if root.system == v.name && !(w.values(root) == nil && w.bereaved(root)) { // what people took away may be made anew
		extra++ // the root itself is there: nothing should have been made beside it
	}
	if extra < 1 {
		return
	}
	invariant := "I1"
	if w.forgot {
		invariant = "I13"
	}
	switch class := w.class(v); {
	case w.forgot && w.hidesTokens():
		// A record of ours that cannot show whose it is starts a life of its own
		// once everything is forgotten, until a rebuild (F46).
		w.stats.Surplus += extra
	case class == connectors.ClassUnique || (!w.forgot && w.promises(v)):
		w.stats.Duplicates += extra
		w.violate(invariant, root.id, "%v has %d records of ours in %s (class %s): %v", root, len(list), v.name, class, list)
	case w.forgot:
		w.stats.Surplus += extra // known when it is met again (CORRECTNESS 3.11, 6)
	default:
		w.stats.Surplus += extra
		unflagged := slices.DeleteFunc(slices.Clone(list), func(k recordKey) bool { return e.excused[k] != "" })
		if len(list)-len(unflagged) < extra {
			w.violate("I1", root.id, "%v has %d records of ours in %s, and only %d are flagged: %v", root, len(list), v.name, len(list)-len(unflagged), list)
		}
	}
}

// hidesTokens says that some system shows no token on its records.
func (w *world) hidesTokens() bool {
	return slices.ContainsFunc(w.systems, func(v *vendor) bool { return !w.infos[v.name].Objects[v.object].TokenVisible })
}

// checkBlind: a create of class blind whose outcome is unknown is a person's
// business; it is never sent again. So at most one was ever applied.
func (w *world) checkBlind() {
	for _, k := range sortedKeys(w.births) {
		if n := w.births[k]; n > 1 && !w.forgot && w.class(w.vendors[k.system]) == connectors.ClassBlind {
			w.stats.Duplicates += n - 1
			w.violate("I1", "", "%d records were made in %s, which is blind, for %s", n, k.system, k.id)
		}
	}
}

// class is a system's create class, as its connector declared it.
func (w *world) class(v *vendor) connectors.CreateClass {
	return w.infos[v.name].Objects[v.object].CreateClass
}

// promises says that a system's settings keep what its create class asks for
// (CORRECTNESS F7).
func (w *world) promises(v *vendor) bool {
	switch w.class(v) {
	case connectors.ClassUnique:
		return true
	case connectors.ClassSearch:
		return v.shop == nil || v.shop.p.Holds
	}
	return false
}

// countClasses notes which create classes a seed had among its targets.
func (w *world) countClasses() {
	for _, v := range w.systems {
		switch w.class(v) {
		case connectors.ClassUnique:
			w.stats.Unique = 1
		case connectors.ClassSearch:
			w.stats.Search = 1
		default:
			w.stats.Blind = 1
		}
	}
}

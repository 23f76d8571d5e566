package config

import (
	"reflect"
	"slices"
	"strings"
)

// deletePrefix opens the keys that name a system: from_hubspot.
const deletePrefix = "from_"

var (
	deletePolicies = []string{DeleteIgnore, DeleteUnpair, DeleteArchive, DeleteDelete}
	deleteWins     = []string{DeleteWinsUpdate, DeleteWinsDelete, DeleteWinsAsk}
)

// deletes reads {from_hubspot: archive, from_odoo: ignore, wins: update, grace: 10m}.
func (d *decoder) deletes(e entry, into *Delete) {
	entries, ok := d.mapping(e.vn, e.path)
	if !ok {
		return
	}
	for _, e := range entries {
		switch system, from := strings.CutPrefix(e.key, deletePrefix); {
		case from:
			into.From[system], _ = d.text(e.vn, e.path)
		case e.key == "wins":
			into.Wins, _ = d.text(e.vn, e.path)
		case e.key == "grace":
			d.value(e.vn, reflect.ValueOf(&into.Grace).Elem(), e.path)
		default:
			d.at(e.path, "delete takes from_ and a system's name (from_%s: archive), wins and grace", "hubspot")
		}
	}
}

// checkDelete says what of a link's delete policy cannot be.
func (d *decoder) checkDelete(path string, l Link) {
	for _, system := range namesOf(l.Delete.From) {
		p := join(path, deletePrefix+system)
		if _, ok := memberOf(l, system); !ok {
			d.at(p, "%q is no member of this link: write from_ and a member's system", system).Suggestion = nearest(system, memberNames(l))
			continue
		}
		policy := l.Delete.From[system]
		if !slices.Contains(deletePolicies, policy) {
			d.at(p, "a deletion is answered by %s", listOf(deletePolicies))
			continue
		}
		removes := policy == DeleteArchive || policy == DeleteDelete
		if removes && !slices.ContainsFunc(l.Members, func(m Member) bool { return m.System != system && m.Write }) {
			d.at(p, "no other member of this link is written (write: false), so there is nothing to %s: write ignore", policy)
		}
	}
	if !slices.Contains(deleteWins, l.Delete.Wins) {
		d.at(join(path, "wins"), "where one side deleted and another edited, %s wins: update brings the record back, ask waits for a person", listOf(deleteWins))
	}
	if l.Delete.Grace < 0 || l.Delete.Grace > maxGrace {
		d.at(join(path, "grace"), "grace is from 0s to %s", maxGrace)
	}
}

// listOf gives words as a sentence has them: a, b or c.
func listOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
